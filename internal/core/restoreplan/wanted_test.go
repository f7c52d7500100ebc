package restoreplan_test

import (
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/soda-cdm/kahu/internal/core"
	"github.com/soda-cdm/kahu/internal/core/restoreplan"
)

func TestWanted(t *testing.T) {
	t.Parallel()
	const access = "rbac.authorization.k8s.io"
	for name, test := range map[string]struct {
		kind   core.Kind
		object string
		want   []core.Key
	}{
		"pod": {
			core.Kind{Resource: "pods"},
			`{"metadata":{"namespace":"shop"},"spec":{"serviceAccountName":"web","priorityClassName":"high","runtimeClassName":"deep"}}`,
			[]core.Key{
				{Resource: "serviceaccounts", Namespace: "shop", Name: "web"},
				{Group: "scheduling.k8s.io", Resource: "priorityclasses", Name: "high"},
				{Group: "node.k8s.io", Resource: "runtimeclasses", Name: "deep"},
			},
		},
		"pod of nothing":  {core.Kind{Resource: "pods"}, `{}`, nil},
		"odd shapes":      {core.Kind{Resource: "pods"}, `{"metadata":1,"spec":{"serviceAccountName":{}}}`, nil},
		"another group":   {core.Kind{Group: "metrics.k8s.io", Resource: "pods"}, `{"spec":{"serviceAccountName":"web"}}`, nil},
		"its pods do not": {core.Kind{Group: "apps", Resource: "deployments"}, `{"spec":{"template":{"spec":{"serviceAccountName":"web"}}}}`, nil},
		"binding of a role": {
			core.Kind{Group: access, Resource: "rolebindings"},
			`{"metadata":{"namespace":"shop"},"roleRef":{"kind":"Role","name":"read"}}`,
			[]core.Key{{Group: access, Resource: "roles", Namespace: "shop", Name: "read"}},
		},
		"binding of a role of the cluster": {
			core.Kind{Group: access, Resource: "rolebindings"},
			`{"metadata":{"namespace":"shop"},"roleRef":{"kind":"ClusterRole","name":"read"}}`,
			[]core.Key{{Group: access, Resource: "clusterroles", Name: "read"}},
		},
		"binding in the cluster": {
			core.Kind{Group: access, Resource: "clusterrolebindings"},
			`{"roleRef":{"kind":"ClusterRole","name":"read"}}`,
			[]core.Key{{Group: access, Resource: "clusterroles", Name: "read"}},
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			if diff := cmp.Diff(test.want, restoreplan.Wanted(test.kind, decoded(t, test.object))); diff != "" {
				t.Error(diff)
			}
		})
	}
}
