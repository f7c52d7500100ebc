package transform_test

import (
	"errors"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"

	"github.com/soda-cdm/kahu/internal/core"
	"github.com/soda-cdm/kahu/internal/core/reference"
	"github.com/soda-cdm/kahu/internal/core/restoreplan"
	"github.com/soda-cdm/kahu/internal/core/selection"
	"github.com/soda-cdm/kahu/internal/engine"
	"github.com/soda-cdm/kahu/internal/engine/restore"
	enginepreview "github.com/soda-cdm/kahu/internal/engine/restore/preview"
)

// part of an application: objects of a kind.
type part struct {
	kind    string
	objects []string
}

// shop is an application in which everything names something else. Its accounts come first, as the token of one that is not
// there is taken away.
func shop() []part {
	return []part{
		{"serviceaccounts", []string{
			`{"apiVersion": "v1", "kind": "ServiceAccount", "metadata": {"name": "web"}, "imagePullSecrets": [{"name": "registry"}]}`,
		}},
		{"secrets", []string{
			`{"apiVersion": "v1", "kind": "Secret", "metadata": {"name": "db"}, "stringData": {"password": "db"}}`,
			`{"apiVersion": "v1", "kind": "Secret", "metadata": {"name": "registry"}}`,
			`{"apiVersion": "v1", "kind": "Secret", "metadata": {"name": "web-token", "annotations": {
				"kubernetes.io/service-account.name": "web"}}, "type": "kubernetes.io/service-account-token"}`,
		}},
		{"configmaps", []string{`{"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "settings"}, "data": {"host": "db"}}`}},
		{"roles.rbac.authorization.k8s.io.v1", []string{
			`{"apiVersion": "rbac.authorization.k8s.io/v1", "kind": "Role", "metadata": {"name": "reader"}, "rules": [
				{"apiGroups": [""], "resources": ["configmaps"], "resourceNames": ["settings"], "verbs": ["get"]}]}`,
		}},
		{"rolebindings.rbac.authorization.k8s.io.v1", []string{
			`{"apiVersion": "rbac.authorization.k8s.io/v1", "kind": "RoleBinding", "metadata": {"name": "reads"},
				"roleRef": {"apiGroup": "rbac.authorization.k8s.io", "kind": "Role", "name": "reader"},
				"subjects": [{"kind": "ServiceAccount", "name": "web", "namespace": "NS"}]}`,
		}},
		{"services", []string{
			`{"apiVersion": "v1", "kind": "Service", "metadata": {"name": "web"}, "spec": {"selector": {"app": "web"}, "ports": [{"port": 80}]}}`,
			`{"apiVersion": "v1", "kind": "Service", "metadata": {"name": "db"}, "spec": {"clusterIP": "None", "selector": {"app": "db"}, "ports": [{"port": 5432}]}}`,
		}},
		{"deployments.apps.v1", []string{
			`{"apiVersion": "apps/v1", "kind": "Deployment", "metadata": {"name": "web"}, "spec": {"replicas": 2,
				"selector": {"matchLabels": {"app": "web"}}, "template": {"metadata": {"labels": {"app": "web"}}, "spec": {
				"serviceAccountName": "web", "containers": [{"name": "web", "image": "example.org/web", "env": [
					{"name": "PASSWORD", "valueFrom": {"secretKeyRef": {"name": "db", "key": "password"}}}],
					"envFrom": [{"configMapRef": {"name": "settings"}}]}],
				"volumes": [{"name": "data", "persistentVolumeClaim": {"claimName": "a"}},
					{"name": "first", "persistentVolumeClaim": {"claimName": "data-db-0"}}]}}}}`,
		}},
		{"statefulsets.apps.v1", []string{
			`{"apiVersion": "apps/v1", "kind": "StatefulSet", "metadata": {"name": "db"}, "spec": {"replicas": 1, "serviceName": "db",
				"selector": {"matchLabels": {"app": "db"}}, "template": {"metadata": {"labels": {"app": "db"}}, "spec": {
				"containers": [{"name": "db", "image": "example.org/db"}]}},
				"volumeClaimTemplates": [{"metadata": {"name": "data"}, "spec": {"accessModes": ["ReadWriteOnce"],
				"storageClassName": "NS", "resources": {"requests": {"storage": "1Mi"}}}}]}}`,
		}},
		{"horizontalpodautoscalers.autoscaling.v2", []string{
			`{"apiVersion": "autoscaling/v2", "kind": "HorizontalPodAutoscaler", "metadata": {"name": "web"}, "spec": {"maxReplicas": 2,
				"minReplicas": 2, "scaleTargetRef": {"apiVersion": "apps/v1", "kind": "Deployment", "name": "web"}}}`,
		}},
		{"ingresses.networking.k8s.io.v1", []string{
			`{"apiVersion": "networking.k8s.io/v1", "kind": "Ingress", "metadata": {"name": "web"}, "spec": {"tls": [{"secretName": "db"}],
				"rules": [{"http": {"paths": [{"path": "/", "pathType": "Prefix", "backend": {"service": {"name": "web", "port": {"number": 80}}}}]}}]}}`,
		}},
	}
}

// openShop creates the application, and waits until its controllers have done their part.
func (s *story) openShop() {
	s.t.Helper()
	volumes := kindOf("persistentvolumes", false)
	s.create(volumes, s.object(volume), nil)
	s.t.Cleanup(func() { s.clean(volumes, s.namespace) })
	s.create(kindOf("persistentvolumeclaims", true), s.object(claim), bound)
	for _, part := range shop() {
		for _, text := range part.objects {
			s.create(kindOf(part.kind, true), s.object(text), nil)
		}
	}
	s.read(kindOf("secrets", true), "web-token", hasToken)
	owned := s.object(`{"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "owned"}}`)
	owned.SetOwnerReferences([]metav1.OwnerReference{{
		APIVersion: "apps/v1", Kind: "Deployment", Name: "web", UID: s.read(kindOf("deployments.apps.v1", true), "web", anything).GetUID(),
	}})
	s.create(kindOf("configmaps", true), owned, nil)
	s.read(kindOf("deployments.apps.v1", true), "web", hasReplicas(2))
	s.read(kindOf("persistentvolumeclaims", true), "data-db-0", anything)
}

func hasReplicas(want int64) func(object *unstructured.Unstructured) bool {
	return func(object *unstructured.Unstructured) bool {
		count, _, _ := unstructured.NestedInt64(object.Object, "status", "replicas")
		seen, _, _ := unstructured.NestedInt64(object.Object, "status", "observedGeneration")
		return count == want && seen == object.GetGeneration()
	}
}

// blue asks for the prefix.
func blue(request *restore.Request) { request.Prefix = "blue-" }

// living returns all objects of the namespace, by kind and name, but for what controllers write of themselves.
func (s *story) living() map[core.Key]core.Object {
	s.t.Helper()
	kinds, _, err := s.adapter.Kinds(s.t.Context())
	if err != nil {
		s.t.Fatal(err)
	}
	found := map[core.Key]core.Object{}
	for _, kind := range kinds {
		if !kind.Namespaced || kind.Resource == "events" || strings.Contains(kind.Group, "example") {
			continue
		}
		err := s.adapter.List(s.t.Context(), core.ListRequest{Kind: kind, Namespace: s.namespace}, func(page core.Page) error {
			for _, object := range page.Objects {
				object.JSON = append([]byte{}, object.JSON...)
				found[object.Key()] = object
			}
			return nil
		})
		if err != nil {
			s.t.Fatal(err)
		}
	}
	return found
}

// needs checks that what the objects with the prefix need is there, and has the prefix too where the application has one of
// that name.
func (s *story) needs(all map[core.Key]core.Object) {
	s.t.Helper()
	rules, checked := reference.NewRules(), 0
	for key, object := range all {
		if !strings.HasPrefix(key.Name, "blue-") {
			continue
		}
		of, err := rules.Read(object)
		if err != nil {
			s.t.Fatal(err)
		}
		for _, need := range rules.Needs(of) {
			named := core.Key{Group: need.Group, Resource: need.Resource, Namespace: need.Namespace, Name: need.Name}
			if need.Namespace == "" || need.Resource == "" || need.Implied {
				continue
			}
			checked++
			_, there := all[named]
			if old, has := all[core.Key{Group: named.Group, Resource: named.Resource, Namespace: named.Namespace, Name: "blue-" + named.Name}]; has {
				s.t.Errorf("%s names %s and not %s (%s)", key, named, old.Name, need.Field)
			}
			if !there && !need.Optional {
				s.t.Errorf("%s names %s, which is not there (%s)", key, named, need.Field)
			}
		}
	}
	if checked < 20 {
		s.t.Errorf("%d references were checked: the test shows too little", checked)
	}
}

// An application is restored beside itself under a prefix: all its parts name one another, the originals stay what they
// were, its controllers take it up, and to restore it once more changes nothing.
func TestPrefixBesideTheOriginal(t *testing.T) {
	t.Parallel()
	s := newStory(t)
	s.openShop()
	s.backup()
	before := s.living()

	preview, err := s.restore(func(request *restore.Request) { blue(request); request.DryRun = true })
	if err != nil || preview.Preview.Counts[enginepreview.Conflict] > 0 || preview.Preview.Counts[enginepreview.Create] < 14 {
		t.Fatalf("previewing: %v, %+v", err, preview.Preview)
	}
	for _, row := range preview.Preview.Rows {
		if row.Key.Namespace != "" && row.Action == enginepreview.Create && !strings.Contains(row.Key.Name, "blue-") {
			t.Errorf("the preview would create %s", row.Key)
		}
	}
	result := s.restored(func(request *restore.Request) { blue(request); request.Existing = restoreplan.Fail })
	if result.Counts.Created != preview.Preview.Counts[enginepreview.Create] {
		t.Errorf("created are %d, foreseen %d", result.Counts.Created, preview.Preview.Counts[enginepreview.Create])
	}
	if len(result.Warnings) != 2 || !strings.Contains(result.Warnings[0], "has the originals (such as ") ||
		!strings.Contains(result.Warnings[1], "/blue-a: its data is not in the backup") {
		t.Errorf("warnings are %q, want one about pods that both choose, and one about the volume of the claim", result.Warnings)
	}
	s.read(kindOf("deployments.apps.v1", true), "blue-web", hasReplicas(2))
	s.read(kindOf("statefulsets.apps.v1", true), "blue-db", hasReplicas(1))
	s.read(kindOf("secrets", true), "blue-web-token", hasToken)

	after := s.living()
	s.needs(after)
	for _, key := range []string{"secrets", "configmaps", "serviceaccounts", "roles.rbac.authorization.k8s.io", "services"} {
		for was := range before {
			if was.GroupResource().String() == key && before[was].ResourceVersion != after[was].ResourceVersion {
				t.Errorf("%s has changed", was)
			}
		}
	}
	s.namesOfTheShop()

	again := s.restored(blue)
	if again.Counts.Created+again.Counts.Updated > 0 || again.FailedTotal > 0 {
		t.Errorf("the second time, counted are %+v", again.Counts)
	}
	equal := s.restored(func(request *restore.Request) { blue(request); request.Existing = restoreplan.Update })
	if equal.Counts.Created+equal.Counts.Updated > 0 {
		t.Errorf("to make them equal changes %d, counted are %+v", equal.Counts.Updated, equal.Counts)
	}
}

// namesOfTheShop checks what no other reference tells.
func (s *story) namesOfTheShop() {
	s.t.Helper()
	// The claim is the restored one, and not one that the set made because it found none.
	first := s.read(kindOf("persistentvolumeclaims", true), "data-blue-db-0", anything)
	if managers := first.GetManagedFields(); len(managers) == 0 || !strings.HasPrefix(managers[0].Manager, "kahu-restore-") {
		s.t.Errorf("the claim of the set was made by %+v", managers)
	}
	copied := s.read(kindOf("persistentvolumeclaims", true), "blue-a", anything)
	if name, _, _ := unstructured.NestedString(copied.Object, "spec", "volumeName"); name != "" {
		s.t.Errorf("the copy of the claim has the volume %s of the original", name)
	}
	binding := s.read(kindOf("rolebindings.rbac.authorization.k8s.io.v1", true), "blue-reads", anything)
	want := []any{map[string]any{"kind": "ServiceAccount", "name": "blue-web", "namespace": s.namespace}}
	if diff := cmp.Diff(want, binding.Object["subjects"]); diff != "" {
		s.t.Errorf("subjects (-want +got):\n%s", diff)
	}
	role := s.read(kindOf("roles.rbac.authorization.k8s.io.v1", true), "blue-reader", anything)
	rules, _, _ := unstructured.NestedSlice(role.Object, "rules")
	if given, _ := rules[0].(map[string]any); !cmp.Equal(given["resourceNames"], any([]any{"blue-settings"})) {
		s.t.Errorf("the role gives rights for %v", given["resourceNames"])
	}
	web := s.read(kindOf("deployments.apps.v1", true), "blue-web", anything)
	pod, _, _ := unstructured.NestedMap(web.Object, "spec", "template", "spec")
	if pod["serviceAccount"] != "blue-web" || pod["serviceAccountName"] != "blue-web" {
		s.t.Errorf("the pods have the accounts %v and %v", pod["serviceAccount"], pod["serviceAccountName"])
	}
	owned := s.read(kindOf("configmaps", true), "blue-owned", anything)
	owners := []metav1.OwnerReference{{APIVersion: "apps/v1", Kind: "Deployment", Name: "blue-web", UID: web.GetUID()}}
	if diff := cmp.Diff(owners, owned.GetOwnerReferences()); diff != "" {
		s.t.Errorf("owners (-want +got):\n%s", diff)
	}
	settings := s.read(kindOf("configmaps", true), "blue-settings", anything)
	if host, _, _ := unstructured.NestedString(settings.Object, "data", "host"); host != "db" {
		s.t.Errorf("the content of a config map was changed to %s", host)
	}
}

// A volume that is restored, as it is gone, keeps its name and is reserved for the claim with the prefix.
func TestPrefixedClaimGetsItsVolume(t *testing.T) {
	t.Parallel()
	s := newStory(t)
	volumes, claims := kindOf("persistentvolumes", false), kindOf("persistentvolumeclaims", true)
	s.create(volumes, s.object(volume), nil)
	s.create(claims, s.object(claim), bound)
	s.backup()
	s.remove(claims, "a")
	s.remove(volumes, s.namespace)
	t.Cleanup(func() { s.clean(volumes, s.namespace) })
	s.restored(blue)
	if name, _, _ := unstructured.NestedString(s.read(claims, "blue-a", bound).Object, "spec", "volumeName"); name != s.namespace {
		t.Errorf("the claim has volume %s", name)
	}
}

// A name that would be too long is refused before anything is written, with the object and what to do.
func TestPrefixThatIsTooLong(t *testing.T) {
	t.Parallel()
	s := newStory(t)
	s.create(kindOf("configmaps", true), s.object(settings), nil)
	s.create(kindOf("services", true), s.object(balanced), nil)
	s.backup()
	_, err := s.restore(func(request *restore.Request) { request.Prefix = strings.Repeat("b", 63) })
	invalid, is := errors.AsType[*engine.InvalidError](err)
	if !is || len(invalid.Problems) != 1 || invalid.Problems[0].Reason != restore.ReasonInvalidPrefix ||
		!strings.Contains(invalid.Problems[0].Message, "Service "+s.namespace+"/a would become") {
		t.Errorf("got %v; want the service refused by its name", err)
	}
	for key := range s.living() {
		if strings.HasPrefix(key.Name, "bb") {
			t.Errorf("%s was created", key)
		}
	}
}

const pump = `{"apiVersion": "apiextensions.k8s.io/v1", "kind": "CustomResourceDefinition", "metadata": {"name": "pumps.NS.example.org"},
	"spec": {"group": "NS.example.org", "scope": "Namespaced", "names": {"plural": "pumps", "kind": "Pump"}, "versions": [
	{"name": "v1", "served": true, "storage": true, "schema": {"openAPIV3Schema": {"type": "object",
		"x-kubernetes-preserve-unknown-fields": true}}}]}}`

// What a custom resource names is followed where it is declared, and where it is not, a warning says which field seems to
// be a reference. Its definition keeps its name.
func TestPrefixOfCustomResources(t *testing.T) {
	t.Parallel()
	s := newStory(t)
	definitions := kindOf("customresourcedefinitions.apiextensions.k8s.io.v1", false)
	made := s.create(definitions, s.object(pump), established)
	t.Cleanup(func() { s.clean(definitions, made.GetName()) })
	if err := s.adapter.WaitEstablished(t.Context(), []string{made.GetName()}); err != nil {
		t.Fatal(err)
	}
	s.create(kindOf("configmaps", true), s.object(settings), nil)
	s.create(kindOf("secrets", true), s.object(`{"apiVersion": "v1", "kind": "Secret", "metadata": {"name": "db"}}`), nil)
	pumps := kindOf("pumps."+s.namespace+".example.org.v1", true)
	s.create(pumps, s.object(`{"apiVersion": "NS.example.org/v1", "kind": "Pump", "metadata": {"name": "a"},
		"spec": {"declared": "settings", "other": {"secretName": "db"}}}`), nil)
	s.backup()
	result := s.restored(func(request *restore.Request) {
		blue(request)
		request.Filters.References = []selection.Reference{{From: made.GetName(), Path: "spec.declared", Kind: "ConfigMap"}}
	})
	want := map[string]any{"declared": "blue-settings", "other": map[string]any{"secretName": "db"}}
	if diff := cmp.Diff(want, s.read(pumps, "blue-a", anything).Object["spec"]); diff != "" {
		t.Errorf("spec (-want +got):\n%s", diff)
	}
	if text := strings.Join(result.Warnings, "\n"); strings.Count(text, "says") != 1 || !strings.Contains(text, "spec.other.secretName says db") {
		t.Errorf("warnings are %q, want one about the field that is not declared", result.Warnings)
	}
}
