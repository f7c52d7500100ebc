package reference_test

import (
	"encoding/json"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/soda-cdm/kahu/internal/core"
	"github.com/soda-cdm/kahu/internal/core/reference"
)

// ruledKinds are kinds whose rules differ in what they do.
func ruledKinds() []core.Kind {
	return []core.Kind{
		namespaced("", "v1", "Pod", "pods"), namespaced("apps", "v1", "StatefulSet", "statefulsets"),
		namespaced("networking.k8s.io", "v1", "Ingress", "ingresses"), namespaced("apps", "v1", "Deployment", "deployments"),
		clustered("storage.k8s.io", "v1", "StorageClass", "storageclasses"),
		namespaced("rbac.authorization.k8s.io", "v1", "RoleBinding", "rolebindings"),
		namespaced("", "v1", "Secret", "secrets"), clustered("", "v1", "PersistentVolume", "persistentvolumes"),
		namespaced("", "v1", "PersistentVolumeClaim", "persistentvolumeclaims"),
		namespaced("snapshot.storage.k8s.io", "v1", "VolumeSnapshot", "volumesnapshots"),
	}
}

// seed adds a seed and makes sure that it is JSON.
func seed(f *testing.F, which uint8, text string) {
	f.Helper()
	if !json.Valid([]byte(text)) {
		f.Fatalf("the seed %s is not JSON", text)
	}
	f.Add(which, text)
}

func seedObjects(f *testing.F) {
	f.Helper()
	seed(f, 0, `{"spec":{"volumes":[{"secret":{"secretName":"a"}}]}}`)
	seed(f, 1, `{"metadata":{"name":"db"},"spec":{"replicas":3,"volumeClaimTemplates":[{"metadata":{"name":"d"}}]}}`)
	seed(f, 2, `{"spec":{"rules":[{"http":{"paths":[{"backend":{"service":{"name":"a"}}}]}}]}}`)
	seed(f, 3, `{"spec":{"template":{"spec":{"containers":[{"env":[{"valueFrom":{"secretKeyRef":{"name":"a"}}}]}]}}}}`)
	seed(f, 4, `{"parameters":{"csi.storage.k8s.io/x-secret-name":"a","csi.storage.k8s.io/x-secret-namespace":"b"}}`)
	seed(f, 5, `{"roleRef":{"apiGroup":"a","kind":"b","name":"c"}}`)
	seed(f, 6, `{"type":"kubernetes.io/service-account-token","metadata":{"annotations":{"kubernetes.io/service-account.name":"a"}}}`)
	seed(f, 7, `{"spec":{"volumes":[{"name":"a","ephemeral":{"volumeClaimTemplate":{"spec":{}}}}]}}`)
	seed(f, 9, `{"status":{"boundVolumeSnapshotContentName":"a"},"metadata":{"x":["}\\",{"\"":1}]}, "data": {"a":"]\""}}`)
}

// FuzzNeeds holds that no shape of an object makes the rules stumble, and that what they find has a name, a kind and a
// field.
func FuzzNeeds(f *testing.F) {
	seedObjects(f)
	rules := reference.NewRules()
	ruled := ruledKinds()
	f.Fuzz(func(t *testing.T, which uint8, text string) {
		content := map[string]any{}
		if json.Unmarshal([]byte(text), &content) != nil {
			t.Skip()
		}
		kind := ruled[int(which)%len(ruled)]
		for _, need := range rules.Needs(reference.Decoded(kind, content)) {
			if need.Name == "" || need.Field == "" || (need.Resource == "") == (need.Kind == "") {
				t.Errorf("need %+v", need)
			}
			if kind.Namespaced && need.Resource == "secrets" && need.Namespace == "" {
				t.Errorf("need %+v has no namespace", need)
			}
			if strings.Contains(need.Field, "[]") {
				t.Errorf("field of %+v has no position", need)
			}
		}
	})
}

// FuzzRead holds that the needs that are found in JSON, most of which is not decoded, are those of the whole.
func FuzzRead(f *testing.F) {
	seedObjects(f)
	seed(f, 0, ` { "a" : "\"}" , "spec":{"serviceAccountName":"b"} , "status": [ "{\"", {"x":"\\"} ], "n": -1.5e3 } `)
	rules := reference.NewRules()
	ruled := ruledKinds()
	f.Fuzz(func(t *testing.T, which uint8, text string) {
		object := core.Object{Kind: ruled[int(which)%len(ruled)], Name: "it", JSON: []byte(text)}
		if object.Kind.Namespaced {
			object.Namespace = "shop"
		}
		of, err := rules.Read(object)
		content := map[string]any{}
		if json.Unmarshal([]byte(text), &content) != nil || content == nil {
			return // Whatever is said of what is no JSON object: it was no panic.
		}
		if err != nil {
			t.Fatalf("JSON is refused: %v", err)
		}
		whole := reference.Decoded(object.Kind, content)
		whole.Namespace, whole.Name, whole.Labels = object.Namespace, object.Name, nil
		if diff := cmp.Diff(rules.Needs(whole), rules.Needs(of)); diff != "" {
			t.Errorf("needs (-want +got):\n%s", diff)
		}
	})
}

// FuzzRename holds that no shape of an object makes renaming stumble, that what is not renamed is not touched, and that what
// was renamed is not renamed again.
func FuzzRename(f *testing.F) {
	seedObjects(f)
	seed(f, 5, `{"subjects":[{"kind":"User","name":"system:serviceaccount:a:b"},{"kind":"ServiceAccount","name":"c"},1]}`)
	seed(f, 7, `{"metadata":{"ownerReferences":[{"apiVersion":"v1","kind":"b","name":"c"}]},"spec":{"claimRef":{"namespace":"a","name":"b"}}}`)
	rules := reference.NewRules()
	ruled := ruledKinds()
	f.Fuzz(func(t *testing.T, which uint8, text string) {
		content, before := map[string]any{}, map[string]any{}
		if json.Unmarshal([]byte(text), &content) != nil || json.Unmarshal([]byte(text), &before) != nil {
			t.Skip()
		}
		kind := ruled[int(which)%len(ruled)]
		same := func(need reference.Need) string { return need.Name }
		if renamed := rules.Rename(reference.Decoded(kind, content), same); len(renamed) > 0 || !cmp.Equal(before, content) {
			t.Fatalf("names that stay gave %v", renamed)
		}
		prefixed := func(need reference.Need) string { return "x-" + strings.TrimPrefix(need.Name, "x-") }
		renamed := rules.Rename(reference.Decoded(kind, content), prefixed)
		if (len(renamed) == 0) != cmp.Equal(before, content) {
			t.Errorf("renamed are %v, and the object is\n%s", renamed, cmp.Diff(before, content))
		}
		if again := rules.Rename(reference.Decoded(kind, content), prefixed); len(again) > 0 {
			t.Errorf("renamed once more are %v", again)
		}
	})
}
