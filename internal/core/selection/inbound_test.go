package selection_test

import (
	"fmt"
	"slices"
	"strings"
	"testing"

	"k8s.io/apimachinery/pkg/labels"

	"github.com/soda-cdm/kahu/internal/core"
	"github.com/soda-cdm/kahu/internal/core/reference"
	"github.com/soda-cdm/kahu/internal/core/selection"
)

// street returns a namespace with two applications and whatever points to them, and another namespace like it.
func street(t *testing.T) cluster {
	t.Helper()
	const pods = `spec: {template: {metadata: {labels: {app: %s, tier: front}}, spec: {serviceAccountName: %s}}}`
	rbac := func(plural string) string { return plural + ".rbac.authorization.k8s.io" }
	role := func(kind, name string) string {
		return fmt.Sprintf(`roleRef: {apiGroup: rbac.authorization.k8s.io, kind: %s, name: %s}`, kind, name)
	}
	bootstrapped := map[string]string{"kubernetes.io/bootstrapping": "rbac-defaults", "more": "admin"}
	objects := []core.Object{
		labelled(object(t, "deployments.apps", "shop", "web", fmt.Sprintf(pods, "web", "web")), map[string]string{"pick": "me"}),
		object(t, "deployments.apps", "shop", "db", fmt.Sprintf(pods, "db", "db")),
		object(t, "deployments.apps", "bank", "web", fmt.Sprintf(pods, "web", "web")),
		labelled(object(t, "pods", "shop", "web-1-a", `spec: {serviceAccountName: web}`), map[string]string{"app": "web", "pod-template-hash": "1"}),

		object(t, "services", "shop", "web", `spec: {selector: {app: web}}`),
		object(t, "services", "shop", "front", `spec: {selector: {tier: front}}`),
		object(t, "services", "shop", "db", `spec: {selector: {app: db}}`),
		object(t, "services", "bank", "web", `spec: {selector: {app: web}}`),
		labelled(object(t, "services", "shop", "outside", `spec: {ports: [{port: 1}]}`), map[string]string{"pick": "too"}),
		object(t, "services", "shop", "alias", `spec: {type: ExternalName, externalName: a.example.com}`),

		labelled(object(t, "endpointslices.discovery.k8s.io", "shop", "outside-1", `{}`), map[string]string{"kubernetes.io/service-name": "outside"}),
		labelled(object(t, "endpointslices.discovery.k8s.io", "shop", "outside-mirrored", `{}`), map[string]string{
			"kubernetes.io/service-name": "outside", "endpointslice.kubernetes.io/managed-by": "endpointslicemirroring-controller.k8s.io",
		}),
		labelled(object(t, "endpointslices.discovery.k8s.io", "shop", "db-1", `{}`), map[string]string{"kubernetes.io/service-name": "db"}),

		object(t, "poddisruptionbudgets.policy", "shop", "web", `spec: {selector: {matchExpressions: [{key: app, operator: In, values: [web, api]}]}}`),
		object(t, "poddisruptionbudgets.policy", "shop", "none", `spec: {}`),
		object(t, "networkpolicies.networking.k8s.io", "shop", "deny", `spec: {podSelector: {}}`),
		object(t, "networkpolicies.networking.k8s.io", "shop", "db", `spec: {podSelector: {matchLabels: {app: db}}}`),
		object(t, "horizontalpodautoscalers.autoscaling", "shop", "web", `spec: {scaleTargetRef: {apiVersion: apps/v1, kind: Deployment, name: web}}`),
		object(t, "horizontalpodautoscalers.autoscaling", "shop", "db", `spec: {scaleTargetRef: {apiVersion: apps/v1, kind: Deployment, name: db}}`),
		object(t, "horizontalpodautoscalers.autoscaling", "bank", "gone", `spec: {scaleTargetRef: {apiVersion: apps/v1, kind: Deployment, name: gone}}`),
		object(t, "ingresses.networking.k8s.io", "shop", "web", `spec: {defaultBackend: {service: {name: web}}}`),

		object(t, "serviceaccounts", "shop", "web", `{}`),
		object(t, "serviceaccounts", "shop", "db", `{}`),
		object(t, "serviceaccounts", "bank", "web", `{}`),
		object(t, rbac("roles"), "shop", "reader", `{}`),
		object(t, rbac("rolebindings"), "shop", "web", `subjects: [{kind: User, name: x}, {kind: ServiceAccount, name: web}]`+"\n"+role("Role", "reader")),
		object(t, rbac("rolebindings"), "shop", "all", `subjects: [{kind: Group, name: "system:serviceaccounts:shop"}]`+"\n"+role("ClusterRole", "gathered")),
		object(t, rbac("rolebindings"), "shop", "guests", `subjects: [{kind: ServiceAccount, name: web, namespace: bank}]`+"\n"+role("Role", "reader")),
		object(t, rbac("rolebindings"), "bank", "gone", `subjects: [{kind: ServiceAccount, name: gone}]`+"\n"+role("Role", "reader")),
		object(t, rbac("rolebindings"), "bank", "web", `subjects: [{kind: ServiceAccount, name: web, namespace: shop}]`+"\n"+role("Role", "reader")),
		object(t, rbac("clusterrolebindings"), "", "web", `subjects: [{kind: ServiceAccount, name: web, namespace: shop}]`+"\n"+role("ClusterRole", "plain")),
		object(t, rbac("clusterrolebindings"), "", "web-as-user", `subjects: [{kind: User, name: "system:serviceaccount:shop:web"}]`+"\n"+role("ClusterRole", "plain")),
		object(t, rbac("clusterrolebindings"), "", "db", `subjects: [{kind: ServiceAccount, name: db, namespace: shop}]`+"\n"+role("ClusterRole", "other")),
		object(t, rbac("clusterrolebindings"), "", "everybody", `subjects: [{kind: Group, name: "system:serviceaccounts"}]`+"\n"+role("ClusterRole", "plain")),
		labelled(object(t, rbac("clusterrolebindings"), "", "discovery", `subjects: [{kind: Group, name: "system:serviceaccounts"}]`+"\n"+role("ClusterRole", "other")), bootstrapped),
		object(t, rbac("clusterroles"), "", "gathered", `aggregationRule: {clusterRoleSelectors: [{matchLabels: {more: admin}}]}`),
		labelled(object(t, rbac("clusterroles"), "", "more", `{}`), map[string]string{"more": "admin"}),
		labelled(object(t, rbac("clusterroles"), "", "builtin", `{}`), bootstrapped),
		object(t, rbac("clusterroles"), "", "plain", `{}`),
		object(t, rbac("clusterroles"), "", "other", `{}`),
	}
	made := cluster{}
	for _, object := range objects {
		made[object.Key()] = object
	}
	return made
}

// TestWhatPointsToWhatIsIn: what nobody names, and without which the selected objects would not work as they did.
func TestWhatPointsToWhatIsIn(t *testing.T) {
	type list = []selection.ResourceFilter
	const byWeb, byAccount = core.Reason("needed by Deployment shop/web"), core.Reason("needed by ServiceAccount shop/web")
	ofWeb := map[string]core.Reason{
		"services shop/web": byWeb, "services shop/front": byWeb,
		"poddisruptionbudgets.policy shop/web": byWeb, "networkpolicies.networking.k8s.io shop/deny": byWeb,
		"horizontalpodautoscalers.autoscaling shop/web": byWeb, "serviceaccounts shop/web": byWeb,
		"rolebindings.rbac.authorization.k8s.io shop/web":           byAccount,
		"rolebindings.rbac.authorization.k8s.io shop/all":           byAccount,
		"roles.rbac.authorization.k8s.io shop/reader":               "needed by RoleBinding shop/web",
		"clusterroles.rbac.authorization.k8s.io gathered":           "needed by RoleBinding shop/all",
		"clusterroles.rbac.authorization.k8s.io more":               "needed by ClusterRole gathered",
		"clusterrolebindings.rbac.authorization.k8s.io web":         byAccount,
		"clusterrolebindings.rbac.authorization.k8s.io web-as-user": byAccount,
		"clusterrolebindings.rbac.authorization.k8s.io everybody":   byAccount,
		"clusterroles.rbac.authorization.k8s.io plain":              "needed by ClusterRoleBinding everybody",
	}
	cases := map[string]struct {
		filters  selection.Filters
		needed   map[string]core.Reason
		warnings []string
	}{
		"everything": {},
		"by labels":  {filters: selection.Filters{Labels: labels.SelectorFromSet(labels.Set{"pick": "me"})}, needed: ofWeb},
		"by name": {
			filters: selection.Filters{IncludeNamespaces: []string{"shop"}, IncludeResources: list{{Kind: "Deployment", Name: "web"}}}, needed: ofWeb,
		},
		"a namespace": {
			filters: selection.Filters{IncludeNamespaces: []string{"bank"}},
			needed: map[string]core.Reason{
				"clusterrolebindings.rbac.authorization.k8s.io everybody": "needed by ServiceAccount bank/web",
				"clusterroles.rbac.authorization.k8s.io plain":            "needed by ClusterRoleBinding everybody",
			},
		},
		"a service without a selector": {
			filters: selection.Filters{Labels: labels.SelectorFromSet(labels.Set{"pick": "too"})},
			needed:  map[string]core.Reason{"endpointslices.discovery.k8s.io shop/outside-1": "needed by Service shop/outside"},
		},
		"all of a kind, and what points to one that is not there": {
			filters: selection.Filters{IncludeNamespaces: []string{"bank"}, IncludeResources: list{{Kind: "ServiceAccount"}, {Kind: "Deployment"}}},
			needed: map[string]core.Reason{
				"services bank/web": "needed by Deployment bank/web",
				"clusterrolebindings.rbac.authorization.k8s.io everybody": "needed by ServiceAccount bank/web",
				"clusterroles.rbac.authorization.k8s.io plain":            "needed by ClusterRoleBinding everybody",
			},
		},
		"what is excluded": {
			filters: selection.Filters{
				IncludeNamespaces: []string{"shop"}, IncludeResources: list{{Kind: "Deployment", Name: "web"}},
				ExcludeResources: list{{Kind: "Service", Name: "web"}, {Kind: `rbac\.authorization`, IsRegex: true}, {Kind: "pdb"}, {Kind: "netpol"}},
			},
			needed: map[string]core.Reason{
				"services shop/front": byWeb, "horizontalpodautoscalers.autoscaling shop/web": byWeb, "serviceaccounts shop/web": byWeb,
			},
			warnings: []string{
				"services shop/web: Service shop/web is not in, though it is needed by Deployment shop/web (spec.selector): excluded by spec.excludeResources[0]",
				"poddisruptionbudgets.policy shop/web:", "networkpolicies.networking.k8s.io shop/deny:",
				"rolebindings.rbac.authorization.k8s.io shop/web:", "rolebindings.rbac.authorization.k8s.io shop/all:",
				"clusterrolebindings.rbac.authorization.k8s.io web:", "clusterrolebindings.rbac.authorization.k8s.io web-as-user:",
				"clusterrolebindings.rbac.authorization.k8s.io everybody:",
			},
		},
	}
	for name, tc := range cases {
		t.Run(name, func(t *testing.T) {
			world := street(t)
			got := world.run(t, tc.filters, world.keys())
			for _, own := range []string{"namespaces shop", "namespaces bank"} {
				delete(got.Missing, own)
			}
			compare(t, "needed", tc.needed, got.Needed)
			compare(t, "missing", nil, got.Missing)
			for _, warning := range tc.warnings {
				key, _, _ := strings.Cut(warning, ":")
				if !strings.HasPrefix(key+": "+got.Warnings[key], warning) || got.Warnings[key] == "" {
					t.Errorf("warning for %s: %q", key, got.Warnings[key])
				}
			}
			if len(got.Warnings) != len(tc.warnings) {
				t.Errorf("warnings: %v", got.Warnings)
			}
		})
	}
}

// TestSearchesStayWithinWhatIsIn: a search asks for no namespace without need, for all at once where there are many,
// and for nothing that is selected anyway.
func TestSearchesStayWithinWhatIsIn(t *testing.T) {
	searches := func(filters selection.Filters, namespaces int) []string {
		closure := selection.NewClosure(compiled(t, filters), reference.NewRules())
		for i := range namespaces {
			pod := labelled(object(t, "pods", fmt.Sprintf("n%03d", i), "web", `spec: {}`), map[string]string{"app": "web"})
			if err := closure.Visit(pod); err != nil {
				t.Fatal(err)
			}
		}
		var got []string
		for _, search := range closure.Searches() {
			got = append(got, fmt.Sprint(search.Kind.Resource, " ", len(search.Namespaces)))
		}
		if again := closure.Searches(); len(again) > 0 {
			t.Errorf("searches again: %v", again)
		}
		return got
	}
	byLabels := selection.Filters{Labels: labels.SelectorFromSet(labels.Set{"app": "web"})}
	cases := map[string]struct {
		filters    selection.Filters
		namespaces int
		want       []string
	}{
		"everything":    {namespaces: 3},
		"some":          {byLabels, 3, []string{"networkpolicies 3", "poddisruptionbudgets 3", "services 3"}},
		"very many":     {byLabels, 101, []string{"networkpolicies 0", "poddisruptionbudgets 0", "services 0"}},
		"all of two":    {selection.Filters{IncludeNamespaces: []string{"n000", "n001"}}, 2, nil},
		"one of two":    {selection.Filters{IncludeNamespaces: []string{"n000"}}, 2, []string{"networkpolicies 1", "poddisruptionbudgets 1", "services 1"}},
		"nothing but":   {selection.Filters{IncludeResources: []selection.ResourceFilter{{Kind: "po"}, {Kind: "svc"}}}, 1, []string{"networkpolicies 1", "poddisruptionbudgets 1"}},
		"some by name":  {selection.Filters{IncludeResources: []selection.ResourceFilter{{Kind: "po"}, {Kind: "svc", Name: "a"}, {Kind: "pdb"}, {Kind: "netpol"}}}, 1, []string{"services 1"}},
		"some left out": {selection.Filters{ExcludeResources: []selection.ResourceFilter{{Kind: "svc", Name: "a"}}}, 1, []string{"services 1"}},
	}
	for name, tc := range cases {
		t.Run(name, func(t *testing.T) {
			if got := searches(tc.filters, tc.namespaces); !slices.Equal(got, tc.want) {
				t.Errorf("got %q, want %q", got, tc.want)
			}
		})
	}
}

// TestOffersThatMeanNothing: what is selected, or in already, or never in, is not wanted.
func TestOffersThatMeanNothing(t *testing.T) {
	closure := selection.NewClosure(compiled(t, selection.Filters{Labels: labels.SelectorFromSet(labels.Set{"pick": "me"})}), reference.NewRules())
	world := street(t)
	offer := func(called, name string) bool {
		key := core.Key{Group: kind(t, called).Group, Resource: kind(t, called).Resource, Namespace: "shop", Name: name}
		_, wanted, err := closure.Offer(world[key])
		if err != nil {
			t.Fatal(err)
		}
		return wanted
	}
	if offer("services", "web") {
		t.Error("a service is wanted before its pods are in")
	}
	web := world[core.Key{Group: "apps", Resource: "deployments", Namespace: "shop", Name: "web"}]
	if err := closure.Visit(web); err != nil {
		t.Fatal(err)
	}
	if !offer("services", "web") || offer("services", "web") {
		t.Error("a service is not wanted once")
	}
	if offer("services", "db") || offer("horizontalpodautoscalers.autoscaling", "db") || !offer("horizontalpodautoscalers.autoscaling", "web") {
		t.Error("what points elsewhere is wanted, or what points to the deployment is not")
	}
	if _, wanted, err := closure.Offer(core.Object{Kind: kind(t, "services"), Namespace: "shop", Name: "broken", JSON: []byte(`{"spec":`)}); err == nil || wanted {
		t.Error("what cannot be read is no error")
	}
}
