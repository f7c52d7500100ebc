package selection_test

import (
	"errors"
	"fmt"
	"strings"
	"sync"
	"testing"

	"github.com/google/go-cmp/cmp"
	"k8s.io/apimachinery/pkg/labels"

	"github.com/soda-cdm/kahu/internal/core"
	"github.com/soda-cdm/kahu/internal/core/reference"
	"github.com/soda-cdm/kahu/internal/core/selection"
)

// cluster is objects by their keys.
type cluster map[core.Key]core.Object

// shop returns an application in a namespace, with all that it stands on.
func shop(t *testing.T) cluster {
	t.Helper()
	web := map[string]string{"app": "web"}
	objects := []core.Object{
		object(t, "namespaces", "", "shop", `{}`),
		object(t, "namespaces", "", "bank", `{}`),
		labelled(object(t, "deployments.apps", "shop", "web", `
spec:
  template:
    spec:
      serviceAccountName: builder
      priorityClassName: high
      containers: [{envFrom: [{configMapRef: {name: settings}}, {secretRef: {name: keys}}, {secretRef: {name: maybe, optional: true}}]}]
      volumes: [{persistentVolumeClaim: {claimName: data}}, {secret: {secretName: gone}}]
`), web),
		object(t, "deployments.apps", "shop", "api", `
spec:
  template:
    spec:
      containers: [{envFrom: [{secretRef: {name: keys}}, {configMapRef: {name: kube-root-ca.crt}}]}]
`),
		object(t, "serviceaccounts", "shop", "builder", `imagePullSecrets: [{name: registry}]`),
		object(t, "secrets", "shop", "registry", `{}`),
		object(t, "secrets", "shop", "keys", `{}`),
		labelled(object(t, "configmaps", "shop", "settings", `{}`), web),
		object(t, "configmaps", "shop", "kube-root-ca.crt", `{}`),
		object(t, "configmaps", "shop", "nobody-needs-it", `{}`),
		object(t, "persistentvolumeclaims", "shop", "data", `spec: {volumeName: pv-1, storageClassName: fast}`),
		object(t, "persistentvolumes", "", "pv-1", `
spec: {storageClassName: fast, claimRef: {namespace: shop, name: data}, csi: {nodeStageSecretRef: {namespace: bank, name: safe}}}
`),
		object(t, "secrets", "bank", "safe", `{}`),
		object(t, "storageclasses.storage.k8s.io", "", "fast", `{}`),
		object(t, "priorityclasses.scheduling.k8s.io", "", "high", `{}`),
		object(t, "widgets.shop.example.com", "shop", "knob", `{}`),
		object(t, "customresourcedefinitions.apiextensions.k8s.io", "", "widgets.shop.example.com", `{}`),
		object(t, "horizontalpodautoscalers.autoscaling", "shop", "web", `
spec: {scaleTargetRef: {apiVersion: extensions/v1beta1, kind: Deployment, name: web}, metrics: [{object: {describedObject: {kind: Nothing, name: x}}}]}
`),
		object(t, "horizontalpodautoscalers.autoscaling", "bank", "odd", `
spec: {scaleTargetRef: {apiVersion: example.com/v1, kind: Machine, name: m}}
`),
	}
	made := cluster{}
	for _, object := range objects {
		made[object.Key()] = object
	}
	return made
}

func labelled(object core.Object, set map[string]string) core.Object {
	object.Labels = set
	return object
}

func TestClosure(t *testing.T) {
	type list = []selection.ResourceFilter
	const (
		byWeb = core.Reason("needed by Deployment shop/web")
		byAPI = core.Reason("needed by Deployment shop/api")
	)
	cases := map[string]struct {
		filters           selection.Filters
		needed            map[string]core.Reason
		missing, warnings map[string]string
	}{
		"everything": {},
		"deployments alone": {
			filters: selection.Filters{IncludeResources: list{{Kind: "Deployment"}}},
			needed: map[string]core.Reason{
				"namespaces shop": byAPI,
				"horizontalpodautoscalers.autoscaling shop/web": byWeb,
				"namespaces bank":                        "needed by Secret bank/safe",
				"serviceaccounts shop/builder":           byWeb,
				"secrets shop/registry":                  "needed by ServiceAccount shop/builder",
				"secrets shop/keys":                      byAPI,
				"secrets bank/safe":                      "needed by PersistentVolume pv-1",
				"configmaps shop/settings":               byWeb,
				"persistentvolumeclaims shop/data":       byWeb,
				"persistentvolumes pv-1":                 "needed by PersistentVolumeClaim shop/data",
				"storageclasses.storage.k8s.io fast":     "needed by PersistentVolumeClaim shop/data",
				"priorityclasses.scheduling.k8s.io high": byWeb,
			},
			missing: map[string]string{"secrets shop/gone": "Secret shop/gone is not in, though it is needed by Deployment shop/web " +
				"(spec.template.spec.volumes[1].secret.secretName): it was not found"},
		},
		"a namespace brings what it needs of cluster scope": {
			filters: selection.Filters{IncludeNamespaces: []string{"shop"}},
			needed: map[string]core.Reason{
				"persistentvolumes pv-1":                 "needed by PersistentVolumeClaim shop/data",
				"storageclasses.storage.k8s.io fast":     "needed by PersistentVolumeClaim shop/data",
				"priorityclasses.scheduling.k8s.io high": byWeb,
				"secrets bank/safe":                      "needed by PersistentVolume pv-1",
				"namespaces bank":                        "needed by Secret bank/safe",
				"customresourcedefinitions.apiextensions.k8s.io widgets.shop.example.com": "needed by Widget.shop.example.com shop/knob",
			},
		},
		"labels select some, and the rest comes as it is needed": {
			filters: selection.Filters{Labels: labels.SelectorFromSet(labels.Set{"app": "web"})},
			needed: map[string]core.Reason{
				"namespaces shop": "needed by ConfigMap shop/settings",
				"horizontalpodautoscalers.autoscaling shop/web": byWeb,
				"namespaces bank":                        "needed by Secret bank/safe",
				"serviceaccounts shop/builder":           byWeb,
				"secrets shop/registry":                  "needed by ServiceAccount shop/builder",
				"secrets shop/keys":                      byWeb,
				"secrets bank/safe":                      "needed by PersistentVolume pv-1",
				"persistentvolumeclaims shop/data":       byWeb,
				"persistentvolumes pv-1":                 "needed by PersistentVolumeClaim shop/data",
				"storageclasses.storage.k8s.io fast":     "needed by PersistentVolumeClaim shop/data",
				"priorityclasses.scheduling.k8s.io high": byWeb,
			},
			missing: map[string]string{"secrets shop/gone": "Secret shop/gone is not in, though it is needed by Deployment shop/web " +
				"(spec.template.spec.volumes[1].secret.secretName): it was not found"},
		},
		"an exclusion wins over a need, and says so once": {
			filters: selection.Filters{
				IncludeResources: list{{Kind: "Deployment"}},
				ExcludeResources: list{{Kind: "PersistentVolumeClaim"}, {Kind: "Secret"}, {Kind: "sa"}, {Kind: "pc"}},
			},
			needed: map[string]core.Reason{
				"namespaces shop": byAPI, "configmaps shop/settings": byWeb, "horizontalpodautoscalers.autoscaling shop/web": byWeb,
			},
			warnings: map[string]string{
				"persistentvolumeclaims shop/data": "PersistentVolumeClaim shop/data is not in, though it is needed by Deployment shop/web " +
					"(spec.template.spec.volumes[0].persistentVolumeClaim.claimName): excluded by spec.excludeResources[0]",
				"secrets shop/gone": "Secret shop/gone is not in, though it is needed by Deployment shop/web " +
					"(spec.template.spec.volumes[1].secret.secretName): excluded by spec.excludeResources[1]",
				"secrets shop/keys": "Secret shop/keys is not in, though it is needed by Deployment shop/api " +
					"(spec.template.spec.containers[0].envFrom[0].secretRef.name): excluded by spec.excludeResources[1]",
				"secrets shop/maybe": "Secret shop/maybe is not in, though it is needed by Deployment shop/web " +
					"(spec.template.spec.containers[0].envFrom[2].secretRef.name): excluded by spec.excludeResources[1]",
				"serviceaccounts shop/builder": "ServiceAccount shop/builder is not in, though it is needed by Deployment shop/web " +
					"(spec.template.spec.serviceAccountName): excluded by spec.excludeResources[2]",
				"priorityclasses.scheduling.k8s.io high": "PriorityClass.scheduling.k8s.io high is not in, though it is needed by Deployment shop/web " +
					"(spec.template.spec.priorityClassName): excluded by spec.excludeResources[3]",
			},
		},
		"no cluster scope but the namespace": {
			filters: selection.Filters{IncludeResources: list{{Kind: "Widget"}}, ClusterResources: new(false)},
			needed:  map[string]core.Reason{"namespaces shop": "needed by Widget.shop.example.com shop/knob"},
			warnings: map[string]string{
				"customresourcedefinitions.apiextensions.k8s.io widgets.shop.example.com": "CustomResourceDefinition.apiextensions.k8s.io widgets.shop.example.com is not in, " +
					"though it is needed by Widget.shop.example.com shop/knob (apiVersion): excluded by spec.includeClusterResource",
			},
		},
		"an excluded namespace": {
			filters: selection.Filters{IncludeResources: list{{Kind: "pv"}}, ExcludeNamespaces: []string{"bank"}},
			needed:  map[string]core.Reason{"storageclasses.storage.k8s.io fast": "needed by PersistentVolume pv-1"},
			warnings: map[string]string{"secrets bank/safe": "Secret bank/safe is not in, though it is needed by PersistentVolume pv-1 " +
				"(spec.csi.nodeStageSecretRef.name): excluded by spec.excludeNamespaces[0]"},
		},
		"a kind in the group that it came from, one that is unknown, and one that may be": {
			filters: selection.Filters{IncludeResources: list{{Kind: "hpa"}}, ExcludeResources: list{{Kind: "Deployment", Name: "web"}}},
			needed: map[string]core.Reason{
				"namespaces shop": "needed by HorizontalPodAutoscaler shop/web", "namespaces bank": "needed by HorizontalPodAutoscaler bank/odd",
			},
			warnings: map[string]string{
				"deployments.apps shop/web": "Deployment.apps shop/web is not in, though it is needed by HorizontalPodAutoscaler shop/web " +
					"(spec.scaleTargetRef.name): excluded by spec.excludeResources[0]",
				"Machine.example.com bank/m": "Machine.example.com bank/m is not in, though it is needed by HorizontalPodAutoscaler bank/odd " +
					"(spec.scaleTargetRef.name): no such kind is known",
			},
		},
	}
	for name, tc := range cases {
		t.Run(name, func(t *testing.T) {
			world := shop(t)
			got := world.run(t, tc.filters, world.keys())
			compare(t, "needed", tc.needed, got.Needed)
			compare(t, "missing", tc.missing, got.Missing)
			compare(t, "warnings", tc.warnings, got.Warnings)
		})
	}
}

func compare[V any](t *testing.T, what string, want, got map[string]V) {
	t.Helper()
	if want == nil {
		want = map[string]V{}
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("%s (-want +got):\n%s", what, diff)
	}
}

func TestNamesThatNothingCanHave(t *testing.T) {
	closure := selection.NewClosure(compiled(t, selection.Filters{IncludeResources: []selection.ResourceFilter{{Kind: "Pod"}}}), reference.NewRules())
	err := closure.Visit(object(t, "pods", "shop", "odd", `
spec:
  serviceAccountName: ".."
  volumes: [{secret: {secretName: "../../nodes/a"}}, {configMap: {name: "50%"}}, {configMap: {name: "a/b", optional: true}}]
`))
	if err != nil {
		t.Fatal(err)
	}
	if pending := closure.Pending(); len(pending) != 1 || pending[0].Key().String() != "namespaces shop" {
		t.Errorf("pending: %v", pending)
	}
	var got []string
	for _, warning := range closure.Warnings() {
		if !strings.HasSuffix(warning.Message, ": no object can have this name") {
			t.Errorf("message %q", warning.Message)
		}
		got = append(got, warning.Key.String())
	}
	want := []string{"configmaps shop/50%", "secrets shop/../../nodes/a", "serviceaccounts shop/.."}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("warnings (-want +got):\n%s", diff)
	}
	if err := closure.Visit(object(t, "pods", "shop", "odd", `spec: {serviceAccountName: ".."}`)); err != nil {
		t.Fatal(err)
	}
	if again := closure.Warnings(); len(again) > 0 {
		t.Errorf("the same warnings again: %v", again)
	}
}

func TestAnObjectVisitedAgain(t *testing.T) {
	filters := map[string]selection.Filters{
		"by kind":   {IncludeResources: []selection.ResourceFilter{{Kind: "Deployment"}}},
		"by labels": {Labels: labels.SelectorFromSet(labels.Set{"app": "web"})},
	}
	for name, filters := range filters {
		t.Run(name, func(t *testing.T) {
			world := shop(t)
			web := world[core.Key{Group: "apps", Resource: "deployments", Namespace: "shop", Name: "web"}]
			closure := selection.NewClosure(compiled(t, filters), reference.NewRules())
			for range 2 {
				if err := closure.Visit(web); err != nil {
					t.Fatal(err)
				}
			}
			if pending := closure.Pending(); len(pending) == 0 {
				t.Fatal("nothing is needed")
			}
			if err := closure.Visit(web); err != nil {
				t.Fatal(err)
			}
			if pending := closure.Pending(); len(pending) > 0 {
				t.Errorf("named again: %v", pending)
			}
		})
	}
}

func TestAnOptionalNeedThatAnotherObjectHasToHave(t *testing.T) {
	closure := selection.NewClosure(compiled(t, selection.Filters{IncludeResources: []selection.ResourceFilter{{Kind: "Pod"}}}), reference.NewRules())
	for name, optional := range map[string]bool{"a": true, "b": false, "c": true} {
		content := fmt.Sprintf(`spec: {volumes: [{configMap: {name: shared, optional: %v}}]}`, optional)
		if err := closure.Visit(object(t, "pods", "shop", name, content)); err != nil {
			t.Fatal(err)
		}
	}
	pending := closure.Pending()
	if len(pending) != 3 || pending[0].Name != "shared" || pending[0].Optional || pending[0].Reason != "needed by Pod shop/a" {
		t.Errorf("pending: %+v", pending)
	}
}

func TestBrokenJSON(t *testing.T) {
	cases := map[string]string{
		"nothing":                ``,
		"no object":              `["c2VjcmV0"]`,
		"no end":                 `{"data":{"a":"c2VjcmV0"`,
		"no end of a string":     `{"data":"c2VjcmV0`,
		"no end of an inner one": `{"data":{"a":"c2VjcmV0}}`,
		"no end after an escape": `{"data":"c2VjcmV0\"`,
		"no value":               `{"data":}`,
		"no colon":               `{"data" "c2VjcmV0"}`,
		"no comma":               `{"data":"c2VjcmV0" "type":"x"}`,
		"no name":                `{c2VjcmV0:"x"}`,
		"a wrong value":          `{"type":c2VjcmV0}`,
	}
	for name, text := range cases {
		t.Run(name, func(t *testing.T) {
			closure := selection.NewClosure(compiled(t, selection.Filters{IncludeNamespaces: []string{"shop"}}), reference.NewRules())
			err := closure.Visit(core.Object{Kind: kind(t, "secrets"), Namespace: "shop", Name: "keys", JSON: []byte(text)})
			if !errors.Is(err, core.ErrCorrupt) || strings.Contains(err.Error(), "c2VjcmV0") {
				t.Errorf("error %v", err)
			}
		})
	}
}

func TestVisitsSideBySide(t *testing.T) {
	closure := selection.NewClosure(compiled(t, selection.Filters{Labels: labels.SelectorFromSet(labels.Set{"app": "web"})}), reference.NewRules())
	var visiting sync.WaitGroup
	for worker := range 8 {
		visiting.Go(func() {
			for i := range 100 {
				content := fmt.Sprintf(`spec: {serviceAccountName: sa-%d}`, i)
				if err := closure.Visit(object(t, "pods", "shop", fmt.Sprintf("pod-%d-%d", worker, i), content)); err != nil {
					t.Error(err)
				}
				closure.Warnings()
			}
		})
	}
	visiting.Wait()
	if pending := closure.Pending(); len(pending) != 101 {
		t.Errorf("%d objects are pending, not 100 service accounts and a namespace", len(pending))
	}
}

func BenchmarkVisit(b *testing.B) {
	pod := core.Object{
		Kind: namespaced("", "v1", "Pod", "pods"), Namespace: "shop", Name: "web",
		JSON: []byte(`{"spec":{"serviceAccountName":"builder","containers":[{"envFrom":[{"secretRef":{"name":"keys"}}]}],` +
			`"volumes":[{"name":"v","configMap":{"name":"settings"}}]},"status":{"text":"` + strings.Repeat("x", 4096) + `"}}`),
	}
	cases := map[string]selection.Filters{
		"everything": {}, "namespace": {IncludeNamespaces: []string{"shop"}},
		"labels": {Labels: labels.SelectorFromSet(labels.Set{"app": "web"})},
	}
	for name, filters := range cases {
		b.Run(name, func(b *testing.B) {
			selector, _ := selection.Compile(filters, kinds())
			closure := selection.NewClosure(selector, reference.NewRules())
			b.ReportAllocs()
			for b.Loop() {
				if err := closure.Visit(pod); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}
