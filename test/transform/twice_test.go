package transform_test

import (
	"encoding/base64"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"

	"github.com/soda-cdm/kahu/internal/core"
	"github.com/soda-cdm/kahu/internal/core/restoreplan"
	"github.com/soda-cdm/kahu/internal/engine/restore"
)

const account = `{"apiVersion": "v1", "kind": "ServiceAccount", "metadata": {"name": "robot"}, "secrets": [{"name": "robot-token"}]}`

const token = `{"apiVersion": "v1", "kind": "Secret", "metadata": {"name": "robot-token", "annotations": {
	"kubernetes.io/service-account.name": "robot"}}, "type": "kubernetes.io/service-account-token"}`

const web = `{"apiVersion": "apps/v1", "kind": "Deployment", "metadata": {"name": "web"}, "spec": {"replicas": 2,
	"selector": {"matchLabels": {"app": "web"}}, "template": {"metadata": {"labels": {"app": "web"}},
	"spec": {"serviceAccountName": "robot", "containers": [{"name": "a", "image": "example.org/a"}]}}}}`

func hasToken(secret *unstructured.Unstructured) bool {
	text, _, _ := unstructured.NestedString(secret.Object, "data", "token")
	return text != ""
}

// versions returns the versions of all objects of the namespace, but of those that controllers go on writing by themselves.
func (s *story) versions() map[string]string {
	s.t.Helper()
	kinds, _, err := s.adapter.Kinds(s.t.Context())
	if err != nil {
		s.t.Fatal(err)
	}
	found := map[string]string{}
	for _, kind := range kinds {
		if !kind.Namespaced || kind.Resource == "events" || kind.Resource == "leases" || strings.Contains(kind.Group, "example") {
			continue
		}
		err := s.adapter.List(s.t.Context(), core.ListRequest{Kind: kind, Namespace: s.namespace}, func(page core.Page) error {
			for _, object := range page.Objects {
				found[object.Key().String()] = object.ResourceVersion
			}
			return nil
		})
		if err != nil {
			s.t.Fatal(err)
		}
	}
	return found
}

// settledVersions returns the versions when the controllers are done: when two looks see the same.
func (s *story) settledVersions() map[string]string {
	s.t.Helper()
	before := s.versions()
	for range 100 {
		now := s.versions()
		if cmp.Equal(before, now) {
			return now
		}
		before = now
	}
	s.t.Fatal("the controllers are never done")
	return nil
}

// others are objects of more kinds, by the names of these, that a restore with Update writes over when they differ.
func others() map[string]string {
	return map[string]string{
		"statefulsets.apps.v1": `{"apiVersion": "apps/v1", "kind": "StatefulSet", "metadata": {"name": "data"}, "spec": {"replicas": 0,
			"serviceName": "data", "selector": {"matchLabels": {"app": "data"}}, "template": {"metadata": {"labels": {"app": "data"}},
			"spec": {"containers": [{"name": "a", "image": "example.org/a"}]}}}}`,
		"jobs.batch.v1": `{"apiVersion": "batch/v1", "kind": "Job", "metadata": {"name": "once"}, "spec": {
			"template": {"spec": {` + podSpec + `}}}}`,
		"cronjobs.batch.v1": `{"apiVersion": "batch/v1", "kind": "CronJob", "metadata": {"name": "yearly"}, "spec": {
			"schedule": "0 0 1 1 *", "suspend": true, "jobTemplate": {"spec": {"template": {"spec": {` + podSpec + `}}}}}}`,
		"roles.rbac.authorization.k8s.io.v1": `{"apiVersion": "rbac.authorization.k8s.io/v1", "kind": "Role", "metadata": {"name": "reader"},
			"rules": [{"apiGroups": [""], "resources": ["pods"], "verbs": ["get"]}]}`,
		"rolebindings.rbac.authorization.k8s.io.v1": `{"apiVersion": "rbac.authorization.k8s.io/v1", "kind": "RoleBinding",
			"metadata": {"name": "reader"}, "roleRef": {"apiGroup": "rbac.authorization.k8s.io", "kind": "Role", "name": "reader"},
			"subjects": [{"kind": "ServiceAccount", "name": "robot", "namespace": "NS"}]}`,
		"networkpolicies.networking.k8s.io.v1": `{"apiVersion": "networking.k8s.io/v1", "kind": "NetworkPolicy", "metadata": {"name": "closed"},
			"spec": {"podSelector": {}, "policyTypes": ["Ingress"]}}`,
		"ingresses.networking.k8s.io.v1": `{"apiVersion": "networking.k8s.io/v1", "kind": "Ingress", "metadata": {"name": "door"},
			"spec": {"defaultBackend": {"service": {"name": "a", "port": {"number": 80}}}}}`,
		"poddisruptionbudgets.policy.v1": `{"apiVersion": "policy/v1", "kind": "PodDisruptionBudget", "metadata": {"name": "web"},
			"spec": {"minAvailable": 1, "selector": {"matchLabels": {"app": "web"}}}}`,
		"horizontalpodautoscalers.autoscaling.v2": `{"apiVersion": "autoscaling/v2", "kind": "HorizontalPodAutoscaler", "metadata": {"name": "data"},
			"spec": {"maxReplicas": 2, "scaleTargetRef": {"apiVersion": "apps/v1", "kind": "StatefulSet", "name": "data"}}}`,
		"limitranges": `{"apiVersion": "v1", "kind": "LimitRange", "metadata": {"name": "limits"}, "spec": {"limits": [
			{"type": "Container", "max": {"cpu": "4"}}]}}`,
		"resourcequotas": `{"apiVersion": "v1", "kind": "ResourceQuota", "metadata": {"name": "much"}, "spec": {"hard": {"pods": "100"}}}`,
	}
}

// A namespace with its accounts, tokens, workloads, claims and services comes back, and to restore it once more changes
// nothing, neither where existing objects are skipped nor where they are made equal to the backup: no object has another
// version than before.
func TestRestoringTwiceChangesNothing(t *testing.T) {
	t.Parallel()
	for _, policy := range []restoreplan.Policy{restoreplan.Skip, restoreplan.Update} {
		t.Run(string(policy), func(t *testing.T) {
			t.Parallel()
			restoreTwice(t, policy)
		})
	}
}

func restoreTwice(t *testing.T, policy restoreplan.Policy) {
	t.Helper()
	asked := func(request *restore.Request) { request.Existing = policy }
	s := newStory(t)
	s.create(kindOf("serviceaccounts", true), s.object(account), nil)
	before := s.create(kindOf("secrets", true), s.object(token), hasToken)
	s.create(kindOf("configmaps", true), s.object(settings), nil)
	s.create(kindOf("services", true), s.object(balanced), nil)
	s.create(kindOf("persistentvolumeclaims", true), s.object(claim), nil)
	for name, text := range others() {
		s.create(kindOf(name, true), s.object(text), nil)
	}
	running := func(object *unstructured.Unstructured) bool {
		count, _, _ := unstructured.NestedInt64(object.Object, "status", "replicas")
		seen, _, _ := unstructured.NestedInt64(object.Object, "status", "observedGeneration")
		return count == 2 && seen == object.GetGeneration()
	}
	deployments := kindOf("deployments.apps.v1", true)
	s.create(deployments, s.object(web), running)
	s.backup()
	s.lose()
	s.restored(asked)
	s.read(deployments, "web", running)
	after := s.read(kindOf("secrets", true), "robot-token", hasToken)
	was, _, _ := unstructured.NestedString(before.Object, "data", "token")
	is, _, _ := unstructured.NestedString(after.Object, "data", "token")
	if was == is {
		t.Error("the token is that of the old service account")
	}
	first := s.settledVersions()
	result := s.restored(asked)
	if counts := result.Counts; counts.Created+counts.Updated > 0 || counts.Existing < 15 {
		t.Errorf("counted are %+v", counts)
	}
	if diff := cmp.Diff(first, s.versions()); diff != "" {
		t.Errorf("versions (-first +second):\n%s", diff)
	}
}

// Objects as large as the API server takes come back whole: a config map, and a secret, which is a third larger on its way.
func TestObjectsUpToTheLimit(t *testing.T) {
	t.Parallel()
	s := newStory(t)
	const limit = 1 << 20 // of the data of an object
	value := strings.Repeat("0123456789abcde\n", (limit-len("key"))/16)
	encoded := base64.StdEncoding.EncodeToString([]byte(value))
	configMaps, secrets := kindOf("configmaps", true), kindOf("secrets", true)
	large := s.object(settings)
	large.Object["data"] = map[string]any{"key": value}
	s.create(configMaps, large, nil)
	secret := s.object(`{"apiVersion": "v1", "kind": "Secret", "metadata": {"name": "large"}}`)
	secret.Object["data"] = map[string]any{"key": encoded}
	s.create(secrets, secret, nil)
	s.backup()
	s.lose()
	s.restored(nil)
	for name, test := range map[string]struct {
		kind core.Kind
		want string
	}{"settings": {configMaps, value}, "large": {secrets, encoded}} {
		if got, _, _ := unstructured.NestedString(s.read(test.kind, name, anything).Object, "data", "key"); got != test.want {
			t.Errorf("%s: got %d bytes, want %d", name, len(got), len(test.want))
		}
	}
}

// References to owners name the living ones, and hold them back from deletion as they did.
func TestOwnersHoldWhatTheyHeld(t *testing.T) {
	t.Parallel()
	s := newStory(t)
	kind := kindOf("configmaps", true)
	owner := s.create(kind, s.object(settings), nil)
	yes := true
	owned := s.object(`{"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "owned"}}`)
	owned.SetOwnerReferences([]metav1.OwnerReference{{
		APIVersion: "v1", Kind: "ConfigMap", Name: "settings", UID: owner.GetUID(), BlockOwnerDeletion: &yes, Controller: &yes,
	}})
	s.create(kind, owned, nil)
	s.backup()
	s.lose()
	s.restored(nil)
	living := s.read(kind, "settings", anything)
	want := []metav1.OwnerReference{{
		APIVersion: "v1", Kind: "ConfigMap", Name: "settings", UID: living.GetUID(), BlockOwnerDeletion: &yes, Controller: &yes,
	}}
	if diff := cmp.Diff(want, s.read(kind, "owned", anything).GetOwnerReferences()); diff != "" {
		t.Errorf("owners (-want +got):\n%s", diff)
	}
}
