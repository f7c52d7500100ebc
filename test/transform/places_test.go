package transform_test

import (
	"strings"
	"testing"

	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"

	"github.com/soda-cdm/kahu/internal/engine/restore"
	"github.com/soda-cdm/kahu/internal/testkit/cluster"
)

// Two namespaces change places, and a third takes the name of one that is not there: a whole restore, in which a binding in
// one gives rights to an account of the next, and a policy lets that one in.
func TestNamespacesChangePlaces(t *testing.T) {
	t.Parallel()
	s := newStory(t)
	first, second, third := s.namespace, cluster.Namespace(t), cluster.Namespace(t)
	fourth := third + "-next"
	next := map[string]string{first: second, second: first, third: fourth}
	toward := map[string]string{first: second, second: third, third: first} // whom the objects of each name
	for _, namespace := range []string{first, second, third} {
		s.namespace = namespace
		for kind, text := range map[string]string{
			"configmaps": `{"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "here"}, "data": {"from": "NS"}}`,
			"rolebindings.rbac.authorization.k8s.io.v1": `{"apiVersion": "rbac.authorization.k8s.io/v1", "kind": "RoleBinding",
				"metadata": {"name": "a"}, "roleRef": {"apiGroup": "rbac.authorization.k8s.io", "kind": "ClusterRole", "name": "view"},
				"subjects": [{"kind": "ServiceAccount", "name": "default", "namespace": "TOWARD"}]}`,
			"networkpolicies.networking.k8s.io.v1": `{"apiVersion": "networking.k8s.io/v1", "kind": "NetworkPolicy", "metadata": {"name": "a"},
				"spec": {"podSelector": {}, "ingress": [{"from": [{"namespaceSelector": {"matchLabels": {
				"kubernetes.io/metadata.name": "TOWARD"}}}]}]}}`,
		} {
			s.create(kindOf(kind, true), s.object(strings.ReplaceAll(text, "TOWARD", toward[namespace])), nil)
		}
	}
	s.backup(first, second, third)
	for _, namespace := range []string{first, second, third} {
		s.namespace = namespace
		s.lose()
	}
	s.restored(func(request *restore.Request) { request.Transform.NamespaceMapping = next })
	for was, is := range next {
		s.namespace = is
		t.Cleanup(func() { s.clean(kindOf("namespaces", false), is) })
		if from, _, _ := unstructured.NestedString(s.read(kindOf("configmaps", true), "here", anything).Object, "data", "from"); from != was {
			t.Errorf("in %s is what was in %s, want %s", is, from, was)
		}
		binding := s.read(kindOf("rolebindings.rbac.authorization.k8s.io.v1", true), "a", anything)
		subjects, _, _ := unstructured.NestedSlice(binding.Object, "subjects")
		if subject, _ := subjects[0].(map[string]any); subject["namespace"] != next[toward[was]] {
			t.Errorf("the binding in %s is about an account of %v, want %s", is, subject["namespace"], next[toward[was]])
		}
		policy := s.read(kindOf("networkpolicies.networking.k8s.io.v1", true), "a", anything)
		ingress, _, _ := unstructured.NestedSlice(policy.Object, "spec", "ingress")
		from, _, _ := unstructured.NestedSlice(ingress[0].(map[string]any), "from")
		label, _, _ := unstructured.NestedString(from[0].(map[string]any), "namespaceSelector", "matchLabels", "kubernetes.io/metadata.name")
		if label != next[toward[was]] {
			t.Errorf("the policy in %s lets in %s, want %s", is, label, next[toward[was]])
		}
	}
}
