package selection_test

import (
	"testing"

	"github.com/google/go-cmp/cmp"
	"k8s.io/apimachinery/pkg/labels"

	"github.com/soda-cdm/kahu/internal/core/selection"
)

// thing is an object as the filters see it.
type thing struct {
	kind, namespace, name string
	labels                map[string]string
}

func things() []thing {
	web := map[string]string{"app": "web"}
	return []thing{
		{"namespaces", "", "shop", nil},
		{"namespaces", "", "bank", web},
		{"configmaps", "shop", "settings", web},
		{"configmaps", "shop", "kube-root-ca.crt", nil},
		{"configmaps", "bank", "settings", nil},
		{"secrets", "shop", "db", nil},
		{"deployments.apps", "shop", "web", web},
		{"deployments.apps", "bank", "web-2", nil},
		{"clusterroles.rbac.authorization.k8s.io", "", "web-reader", web},
		{"storageclasses.storage.k8s.io", "", "fast", nil},
		{"events", "shop", "web.1", web},
		{"nodes", "", "node-1", web},
		{"backups.kahu.io", "", "nightly", web},
		{"apiservices.apiregistration.k8s.io", "", "v1.apps", map[string]string{"kube-aggregator.kubernetes.io/automanaged": "onstart"}},
		{"apiservices.apiregistration.k8s.io", "", "v1.metrics", nil},
	}
}

func (w thing) String() string { return w.kind + " " + w.namespace + "/" + w.name }

func TestVerdicts(t *testing.T) {
	type list = []selection.ResourceFilter
	const (
		nsShop = "namespaces /shop"
		nsBank = "namespaces /bank"
		cmShop = "configmaps shop/settings"
		cmBank = "configmaps bank/settings"
		secret = "secrets shop/db"
		web    = "deployments.apps shop/web"
		web2   = "deployments.apps bank/web-2"
		role   = "clusterroles.rbac.authorization.k8s.io /web-reader"
		class  = "storageclasses.storage.k8s.io /fast"
		api    = "apiservices.apiregistration.k8s.io /v1.metrics"

		managed = "apiservices.apiregistration.k8s.io /v1.apps"
	)
	cases := map[string]struct {
		filters      selection.Filters
		in, excluded []string
	}{
		"no filters": {
			in: []string{nsShop, nsBank, cmShop, cmBank, secret, web, web2, role, class, api},
		},
		"a namespace brings its Namespace and nothing of cluster scope": {
			filters: selection.Filters{IncludeNamespaces: []string{"shop"}},
			in:      []string{nsShop, cmShop, secret, web},
		},
		"all namespaces by name": {
			filters: selection.Filters{IncludeNamespaces: []string{"*"}},
			in:      []string{nsShop, nsBank, cmShop, cmBank, secret, web, web2, role, class, api},
		},
		"a namespace, and a kind at cluster scope by name": {
			filters: selection.Filters{
				IncludeNamespaces: []string{"shop"},
				IncludeResources:  list{{Kind: "clusterroles"}, {Kind: "*", Name: "settings"}, {Kind: "*", Name: "fast"}},
			},
			in: []string{cmShop, role},
		},
		"a namespace, and cluster scope by the switch": {
			filters: selection.Filters{IncludeNamespaces: []string{"shop"}, ClusterResources: new(true)},
			in:      []string{nsShop, cmShop, secret, web, role, class, api},
		},
		"no cluster scope": {
			filters:  selection.Filters{ClusterResources: new(false)},
			in:       []string{nsShop, nsBank, cmShop, cmBank, secret, web, web2},
			excluded: []string{role, class, managed, api},
		},
		"an excluded namespace": {
			filters:  selection.Filters{ExcludeNamespaces: []string{"bank"}},
			in:       []string{nsShop, cmShop, secret, web, role, class, api},
			excluded: []string{nsBank, cmBank, web2},
		},
		"a namespace that is included and excluded": {
			filters:  selection.Filters{IncludeNamespaces: []string{"bank", "shop"}, ExcludeNamespaces: []string{"bank"}},
			in:       []string{nsShop, cmShop, secret, web},
			excluded: []string{nsBank, cmBank, web2},
		},
		"every namespace excluded": {
			filters:  selection.Filters{ExcludeNamespaces: []string{"*"}},
			in:       []string{role, class, api},
			excluded: []string{nsShop, nsBank, cmShop, cmBank, secret, web, web2},
		},
		"a kind": {
			filters: selection.Filters{IncludeResources: list{{Kind: "Deployment"}}},
			in:      []string{web, web2},
		},
		"a name": {
			filters: selection.Filters{IncludeResources: list{{Kind: "Deployment", Name: "web"}}},
			in:      []string{web},
		},
		"a name of every kind": {
			filters: selection.Filters{IncludeResources: list{{Kind: "*", Name: "shop"}, {Kind: "*", Name: "settings"}}},
			in:      []string{nsShop, cmShop, cmBank},
		},
		"an expression matches anywhere": {
			filters: selection.Filters{IncludeResources: list{{Kind: "*", Name: "eb", IsRegex: true}}},
			in:      []string{web, web2, role},
		},
		"an expression with anchors": {
			filters: selection.Filters{IncludeResources: list{{Kind: "deploy", Name: "^web$", IsRegex: true}}},
			in:      []string{web},
		},
		"what looks like an expression is a name without isRegex": {
			filters: selection.Filters{IncludeResources: list{{Kind: "deploy", Name: "we."}}},
		},
		"an exclusion wins over the same inclusion": {
			filters: selection.Filters{
				IncludeResources: list{{Kind: "Deployment"}, {Kind: "ConfigMap", Name: "settings"}},
				ExcludeResources: list{{Kind: "Deployment", Name: "^web$", IsRegex: true}},
			},
			in:       []string{cmShop, cmBank, web2},
			excluded: []string{web},
		},
		"labels": {
			filters: selection.Filters{Labels: labels.SelectorFromSet(labels.Set{"app": "web"})},
			in:      []string{nsBank, cmShop, web, role},
		},
		"labels that select nothing": {
			filters: selection.Filters{Labels: labels.Nothing()},
		},
		"an empty label selector": {
			filters: selection.Filters{Labels: labels.Everything(), IncludeResources: list{{Kind: "Secret"}}},
			in:      []string{secret},
		},
		"labels never exclude": {
			filters: selection.Filters{
				Labels: labels.SelectorFromSet(labels.Set{"app": "web"}), ExcludeResources: list{{Kind: "Secret"}, {Kind: "Deployment"}},
			},
			in:       []string{nsBank, cmShop, role},
			excluded: []string{secret, web, web2},
		},
	}
	for name, tc := range cases {
		t.Run(name, func(t *testing.T) {
			selector := compiled(t, tc.filters)
			var in, excluded []string
			for _, thing := range things() {
				verdict := selector.Object(kind(t, thing.kind), thing.namespace, thing.name, thing.labels)
				if verdict.In {
					in = append(in, thing.String())
				}
				if verdict.Excluded {
					excluded = append(excluded, thing.String())
				}
				if verdict.In == (verdict.Reason != "") {
					t.Errorf("%v: verdict %+v", thing, verdict)
				}
			}
			if diff := cmp.Diff(tc.in, in); diff != "" {
				t.Errorf("in (-want +got):\n%s", diff)
			}
			if diff := cmp.Diff(tc.excluded, excluded); diff != "" {
				t.Errorf("excluded (-want +got):\n%s", diff)
			}
		})
	}
}

func compiled(t *testing.T, filters selection.Filters) *selection.Selector {
	t.Helper()
	selector, problems := selection.Compile(filters, kinds())
	if len(problems) > 0 {
		t.Fatalf("problems: %v", problems)
	}
	return selector
}

func TestReasonsNameTheFilter(t *testing.T) {
	selector := compiled(t, selection.Filters{
		ExcludeNamespaces: []string{"a", "bank"},
		ExcludeResources:  []selection.ResourceFilter{{Kind: "po"}, {Kind: "Secret", Name: "d", IsRegex: true}},
	})
	cases := map[string]struct {
		kind, namespace, name string
		want                  string
	}{
		"by namespace":      {"secrets", "bank", "x", "excluded by spec.excludeNamespaces[1]"},
		"by its own name":   {"namespaces", "", "a", "excluded by spec.excludeNamespaces[0]"},
		"by expression":     {"secrets", "shop", "db", "excluded by spec.excludeResources[1]"},
		"not by expression": {"secrets", "shop", "x", ""},
	}
	for name, tc := range cases {
		t.Run(name, func(t *testing.T) {
			got, excluded := selector.Excludes(kind(t, tc.kind), tc.namespace, tc.name)
			if got != tc.want || excluded != (tc.want != "") {
				t.Errorf("got %q, %v, want %q", got, excluded, tc.want)
			}
		})
	}
}

func TestKindPlans(t *testing.T) {
	type list = []selection.ResourceFilter
	many := make([]string, 101)
	for i := range many {
		many[i] = "n" + string(rune('a'+i%26)) + string(rune('a'+i/26))
	}
	cases := map[string]struct {
		filters selection.Filters
		kind    string
		want    selection.KindPlan
	}{
		"everything": {kind: "configmaps"},
		"never":      {kind: "nodes", want: selection.KindPlan{Skip: true}},
		"namespaces, ordered and without the excluded": {
			filters: selection.Filters{IncludeNamespaces: []string{"c", "a", "b", "a"}, ExcludeNamespaces: []string{"b"}},
			kind:    "configmaps", want: selection.KindPlan{Namespaces: []string{"a", "c"}},
		},
		"too many namespaces for a list of each": {
			filters: selection.Filters{IncludeNamespaces: many}, kind: "configmaps",
		},
		"Namespaces themselves": {
			filters: selection.Filters{IncludeNamespaces: []string{"a"}}, kind: "namespaces",
		},
		"labels": {
			filters: selection.Filters{Labels: labels.SelectorFromSet(labels.Set{"a": "b"})}, kind: "configmaps",
			want: selection.KindPlan{LabelSelector: "a=b"},
		},
		"another kind": {
			filters: selection.Filters{IncludeResources: list{{Kind: "Secret"}}}, kind: "configmaps",
			want: selection.KindPlan{Skip: true},
		},
		"a kind excluded": {
			filters: selection.Filters{ExcludeResources: list{{Kind: "ConfigMap"}}}, kind: "configmaps",
			want: selection.KindPlan{Skip: true},
		},
		"an object excluded": {
			filters: selection.Filters{ExcludeResources: list{{Kind: "ConfigMap", Name: "x"}}}, kind: "configmaps",
		},
		"cluster scope, where namespaces are asked for": {
			filters: selection.Filters{IncludeNamespaces: []string{"a"}}, kind: "storageclasses.storage.k8s.io",
			want: selection.KindPlan{Skip: true},
		},
	}
	for name, tc := range cases {
		t.Run(name, func(t *testing.T) {
			got := compiled(t, tc.filters).Kind(kind(t, tc.kind))
			if got.Skip == (got.Reason == "") {
				t.Errorf("plan %+v", got)
			}
			got.Reason = ""
			if diff := cmp.Diff(tc.want, got); diff != "" {
				t.Errorf("plan (-want +got):\n%s", diff)
			}
		})
	}
}

func TestAKindThatIsNotKnown(t *testing.T) {
	selector := compiled(t, selection.Filters{})
	unknown := namespaced("example.com", "v1", "Unknown", "unknowns")
	if plan := selector.Kind(unknown); !plan.Skip || plan.Reason == "" {
		t.Errorf("plan %+v", plan)
	}
	if verdict := selector.Object(unknown, "a", "b", nil); verdict.In || verdict.Excluded || verdict.Reason == "" {
		t.Errorf("verdict %+v", verdict)
	}
}

func TestEverything(t *testing.T) {
	cases := map[string]struct {
		filters selection.Filters
		want    bool
	}{
		"no filters":       {want: true},
		"all namespaces":   {filters: selection.Filters{IncludeNamespaces: []string{"*"}}, want: true},
		"all labels":       {filters: selection.Filters{Labels: labels.Everything()}, want: true},
		"cluster scope":    {filters: selection.Filters{ClusterResources: new(true)}, want: true},
		"no cluster scope": {filters: selection.Filters{ClusterResources: new(false)}},
		"a namespace":      {filters: selection.Filters{IncludeNamespaces: []string{"a"}}},
		"not a namespace":  {filters: selection.Filters{ExcludeNamespaces: []string{"a"}}},
		"a label":          {filters: selection.Filters{Labels: labels.SelectorFromSet(labels.Set{"a": "b"})}},
		"a kind":           {filters: selection.Filters{IncludeResources: []selection.ResourceFilter{{Kind: "po"}}}},
		"not a kind":       {filters: selection.Filters{ExcludeResources: []selection.ResourceFilter{{Kind: "po"}}}},
	}
	for name, tc := range cases {
		t.Run(name, func(t *testing.T) {
			if got := compiled(t, tc.filters).Everything(); got != tc.want {
				t.Errorf("got %v", got)
			}
		})
	}
}

func BenchmarkObject(b *testing.B) {
	selector, _ := selection.Compile(selection.Filters{
		IncludeNamespaces: []string{"shop"}, ExcludeResources: []selection.ResourceFilter{{Kind: "*", Name: "^tmp-", IsRegex: true}},
		Labels: labels.SelectorFromSet(labels.Set{"app": "web"}),
	}, kinds())
	pod := namespaced("", "v1", "Pod", "pods")
	b.ReportAllocs()
	for b.Loop() {
		if !selector.Object(pod, "shop", "web-7d4b9c-x2x4k", map[string]string{"app": "web"}).In {
			b.Fatal("the pod is not in")
		}
	}
}
