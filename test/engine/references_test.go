package engine_test

import (
	"context"
	"maps"
	"slices"
	"strings"
	"testing"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/labels"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/client-go/dynamic"
	"k8s.io/client-go/kubernetes"
	"sigs.k8s.io/yaml"

	"github.com/soda-cdm/kahu/internal/core"
	"github.com/soda-cdm/kahu/internal/core/archive"
	"github.com/soda-cdm/kahu/internal/core/selection"
	"github.com/soda-cdm/kahu/internal/core/transform"
	"github.com/soda-cdm/kahu/internal/engine"
	"github.com/soda-cdm/kahu/internal/engine/backup"
	testcluster "github.com/soda-cdm/kahu/internal/testkit/cluster"
)

// application is an application of which the Deployment and a custom resource have the label by which it is chosen.
const application = `
- {apiVersion: apps/v1, kind: Deployment, metadata: {name: web, labels: {pick: it}}, spec: {replicas: 0, selector: {matchLabels: {app: web}},
   template: {metadata: {labels: {app: web}}, spec: {serviceAccountName: web, containers: [{name: a, image: a, envFrom: [{configMapRef: {name: settings}}]}]}}}}
- {apiVersion: v1, kind: ConfigMap, metadata: {name: settings}}
- {apiVersion: v1, kind: ConfigMap, metadata: {name: nobodys}}
- {apiVersion: v1, kind: Secret, metadata: {name: declared}}
- {apiVersion: v1, kind: Secret, metadata: {name: in-spec}}
- {apiVersion: v1, kind: Secret, metadata: {name: guessed}}
- {apiVersion: v1, kind: Service, metadata: {name: web}, spec: {selector: {app: web}, ports: [{port: 80}]}}
- {apiVersion: v1, kind: Service, metadata: {name: other}, spec: {selector: {app: other}, ports: [{port: 80}]}}
- {apiVersion: v1, kind: ServiceAccount, metadata: {name: web}}
- {apiVersion: policy/v1, kind: PodDisruptionBudget, metadata: {name: web}, spec: {minAvailable: 1, selector: {matchLabels: {app: web}}}}
- {apiVersion: networking.k8s.io/v1, kind: NetworkPolicy, metadata: {name: web}, spec: {podSelector: {}}}
- {apiVersion: autoscaling/v2, kind: HorizontalPodAutoscaler, metadata: {name: web}, spec: {maxReplicas: 3, scaleTargetRef: {apiVersion: apps/v1, kind: Deployment, name: web}}}
- {apiVersion: rbac.authorization.k8s.io/v1, kind: Role, metadata: {name: web}}
- {apiVersion: rbac.authorization.k8s.io/v1, kind: RoleBinding, metadata: {name: web}, roleRef: {apiGroup: rbac.authorization.k8s.io, kind: Role, name: web},
   subjects: [{kind: ServiceAccount, name: web}]}
- {apiVersion: references.example.com/v1, kind: Gadget, metadata: {name: knob, labels: {pick: it}},
   spec: {secretName: guessed, stores: [{secret: declared}], other: in-spec}}
`

// resources are the plurals of the application's kinds.
func resources() map[string]schema.GroupVersionResource {
	return map[string]schema.GroupVersionResource{
		"Deployment": {Group: "apps", Version: "v1", Resource: "deployments"}, "ConfigMap": {Version: "v1", Resource: "configmaps"},
		"Secret": {Version: "v1", Resource: "secrets"}, "Service": {Version: "v1", Resource: "services"},
		"ServiceAccount":          {Version: "v1", Resource: "serviceaccounts"},
		"PodDisruptionBudget":     {Group: "policy", Version: "v1", Resource: "poddisruptionbudgets"},
		"NetworkPolicy":           {Group: "networking.k8s.io", Version: "v1", Resource: "networkpolicies"},
		"HorizontalPodAutoscaler": {Group: "autoscaling", Version: "v2", Resource: "horizontalpodautoscalers"},
		"Role":                    {Group: "rbac.authorization.k8s.io", Version: "v1", Resource: "roles"},
		"RoleBinding":             {Group: "rbac.authorization.k8s.io", Version: "v1", Resource: "rolebindings"},
		"Gadget":                  {Group: "references.example.com", Version: "v1", Resource: "gadgets"},
	}
}

// defineGadgets defines the custom kind, which declares one of its references.
func defineGadgets(t *testing.T, client dynamic.Interface, adapter engine.DefinitionWaiter) {
	t.Helper()
	definition := &unstructured.Unstructured{}
	if err := yaml.Unmarshal([]byte(`
apiVersion: apiextensions.k8s.io/v1
kind: CustomResourceDefinition
metadata:
  name: gadgets.references.example.com
  annotations:
    kahu.io/references: '[{"path": "spec.stores[*].secret", "kind": "Secret"}, {"path": "spec[0]", "kind": "Secret"}]'
spec:
  group: references.example.com
  scope: Namespaced
  names: {kind: Gadget, plural: gadgets}
  versions:
  - {name: v1, served: true, storage: true, schema: {openAPIV3Schema: {type: object, x-kubernetes-preserve-unknown-fields: true}}}
`), &definition.Object); err != nil {
		t.Fatal(err)
	}
	definitions := client.Resource(schema.GroupVersionResource{Group: "apiextensions.k8s.io", Version: "v1", Resource: "customresourcedefinitions"})
	if _, err := definitions.Create(t.Context(), definition, metav1.CreateOptions{}); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		_ = definitions.Delete(context.WithoutCancel(t.Context()), definition.GetName(), metav1.DeleteOptions{})
	})
	if err := adapter.WaitEstablished(t.Context(), []string{definition.GetName()}); err != nil {
		t.Fatal(err)
	}
}

// TestApplicationByLabel: a partial backup by labels has the application with all that it needs and all that points to
// it, each with its reason, and with what its custom resource declares; and a partial restore from a backup of the whole
// namespace brings the same.
func TestApplicationByLabel(t *testing.T) {
	w := newWorld(t)
	client := dynamic.NewForConfigOrDie(testcluster.Config(t))
	defineGadgets(t, client, w.adapter)
	namespace := testcluster.Namespace(t)
	var objects []map[string]any
	if err := yaml.Unmarshal([]byte(application), &objects); err != nil {
		t.Fatal(err)
	}
	for _, content := range objects {
		object := &unstructured.Unstructured{Object: content}
		if _, err := client.Resource(resources()[object.GetKind()]).Namespace(namespace).Create(t.Context(), object, metav1.CreateOptions{}); err != nil {
			t.Fatal(err)
		}
	}
	chosen := selection.Filters{
		IncludeNamespaces: []string{namespace}, Labels: labels.SelectorFromSet(labels.Set{"pick": "it"}),
		References: []selection.Reference{{From: "gadgets.references.example.com", Path: "spec.other", Kind: "Secret"}},
	}

	result, err := w.backup("part", func(request *backup.Request) { request.Filters = chosen })
	if err != nil || !result.Manifest.Complete {
		t.Fatalf("got %v, missing %+v", err, result.Missing)
	}
	got := reasons(t, w, result.Manifest, namespace)
	byWeb, byGadget := "needed by Deployment "+namespace+"/web", "needed by Gadget.references.example.com "+namespace+"/knob"
	want := map[string]string{
		"Deployment web": "selected", "Gadget knob": "selected",
		"ConfigMap settings": byWeb, "ServiceAccount web": byWeb, "Service web": byWeb, "PodDisruptionBudget web": byWeb,
		"NetworkPolicy web": byWeb, "HorizontalPodAutoscaler web": byWeb,
		"RoleBinding web": "needed by ServiceAccount " + namespace + "/web", "Role web": "needed by RoleBinding " + namespace + "/web",
		"Secret declared": byGadget, "Secret in-spec": byGadget,
		"Namespace " + namespace: got["Namespace "+namespace], "CustomResourceDefinition gadgets.references.example.com": byGadget,
	}
	for _, name := range slices.Sorted(maps.Keys(want)) {
		if got[name] != want[name] || got[name] == "" {
			t.Errorf("%s is in because %q, want %q", name, got[name], want[name])
		}
	}
	if len(got) != len(want) {
		t.Errorf("in are %v", slices.Sorted(maps.Keys(got)))
	}
	if text := strings.Join(result.Warnings, "\n"); !strings.Contains(text, "gadgets.references.example.com") || !strings.Contains(text, `"spec[0]" cannot be read`) {
		t.Errorf("warnings: %s", text)
	}

	restorePart(t, w, namespace, chosen, want)
}

// restorePart restores what is chosen from a backup of the whole namespace into another one.
func restorePart(t *testing.T, w *world, namespace string, chosen selection.Filters, want map[string]string) {
	t.Helper()
	if _, err := w.backup("whole", func(request *backup.Request) {
		request.Filters = selection.Filters{IncludeNamespaces: []string{namespace}}
	}); err != nil {
		t.Fatal(err)
	}
	copied := namespace + "-copy"
	restored, err := w.restore("whole", chosen, transform.Options{NamespaceMapping: map[string]string{namespace: copied}})
	if err != nil || restored.FailedTotal > 0 {
		t.Fatalf("got %v, failed %+v", err, restored.Failed)
	}
	t.Cleanup(func() {
		_ = kubernetes.NewForConfigOrDie(testcluster.Config(t)).CoreV1().Namespaces().Delete(context.WithoutCancel(t.Context()), copied, metav1.DeleteOptions{})
	})
	client := dynamic.NewForConfigOrDie(testcluster.Config(t))
	for kind, resource := range resources() {
		found, err := client.Resource(resource).Namespace(copied).List(t.Context(), metav1.ListOptions{})
		if err != nil {
			t.Fatal(err)
		}
		for _, object := range found.Items {
			own := object.GetName() == "default" || object.GetName() == "kube-root-ca.crt"
			if want[kind+" "+object.GetName()] == "" && !own {
				t.Errorf("%s %s was restored", kind, object.GetName())
			}
			delete(want, kind+" "+object.GetName())
		}
	}
	delete(want, "Namespace "+namespace)
	delete(want, "CustomResourceDefinition gadgets.references.example.com")
	if len(want) > 0 {
		t.Errorf("not restored were %v", slices.Sorted(maps.Keys(want)))
	}
}

// reasons returns why each object of the namespace or of cluster scope is in a backup, besides what every namespace has.
func reasons(t *testing.T, w *world, manifest archive.Manifest, namespace string) map[string]string {
	t.Helper()
	index, err := w.files.Open(t.Context(), manifest.Index.Name)
	if err != nil {
		t.Fatal(err)
	}
	defer index.Close()
	found := map[string]string{}
	for record, err := range archive.ReadIndex(index) {
		if err != nil {
			t.Fatal(err)
		}
		if record.Namespace != "" && record.Namespace != namespace {
			t.Errorf("%s is in: %s", record.Key(), record.Reason)
		}
		if !record.Kind.Custom && record.Reason == core.Selected && record.Kind.Name != "Deployment" {
			t.Errorf("%s is selected", record.Key())
		}
		found[record.Kind.Name+" "+record.Name] = string(record.Reason)
	}
	return found
}
