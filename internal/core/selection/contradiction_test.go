package selection_test

import (
	"math/rand/v2"
	"regexp"
	"slices"
	"strings"
	"testing"

	"k8s.io/apimachinery/pkg/labels"

	"github.com/soda-cdm/kahu/internal/core"
	"github.com/soda-cdm/kahu/internal/core/selection"
)

// TestNothingPossibleIsRefused holds random wishes that are refused as contradictions against a plain reading of the
// rules: no object of any kind, with whatever namespace, name and labels, may be one that they ask for.
func TestNothingPossibleIsRefused(t *testing.T) {
	random := rand.New(rand.NewPCG(5, 6))
	served := selection.Cohabiting(kinds())
	refused, accepted, inVain := 0, 0, 0
	for range 2000 {
		filters := contraryFilters(random)
		_, problems := selection.Compile(filters, served)
		selectable := firstSelectable(filters, served)
		switch {
		case len(problems) == 0 && selectable == "":
			inVain++
		case len(problems) == 0:
			accepted++
		case slices.ContainsFunc(problems, func(problem selection.Problem) bool { return problem.Reason != selection.ReasonContradiction }):
			t.Fatalf("%+v: %+v", filters, problems)
		case selectable != "":
			t.Fatalf("%+v is refused and selects %s: %+v", filters, selectable, problems)
		default:
			refused++
		}
	}
	t.Logf("%d were refused, %d accepted, %d accepted that select nothing", refused, accepted, inVain)
	if refused < 100 || accepted < 400 || inVain > refused/10 {
		t.Error("the test shows too little")
	}
}

// contraryFilters are wishes of which many contradict themselves.
func contraryFilters(random *rand.Rand) selection.Filters {
	resources := []selection.ResourceFilter{
		{Kind: "*", Name: "web", IsRegex: true},
		{Kind: ".*", Name: ".*", IsRegex: true},
		{Kind: "*"},
		{Kind: "Deployment"},
		{Kind: "deploy", Name: "web"},
		{Kind: "^deploy", Name: "^w", IsRegex: true},
		{Kind: "cm", Name: "kube-root-ca.crt"},
		{Kind: "ClusterRole"},
		{Kind: "^ClusterRole$", Name: "^w", IsRegex: true},
		{Kind: "ns"},
		{Kind: "Namespace", Name: "shop"},
		{Kind: "Namespace", Name: "^sho", IsRegex: true},
	}
	few := func(from []selection.ResourceFilter) []selection.ResourceFilter {
		return shuffled(random, from)[:random.IntN(4)]
	}
	spaces := []string{"shop", "bank", "*"}
	filters := selection.Filters{
		IncludeNamespaces: shuffled(random, spaces)[:random.IntN(3)], ExcludeNamespaces: shuffled(random, spaces)[:random.IntN(3)],
		IncludeResources: few(resources), ExcludeResources: few(resources),
	}
	if random.IntN(2) == 0 {
		filters.ClusterResources = new(random.IntN(2) == 0)
	}
	if random.IntN(4) == 0 {
		filters.Labels = labels.SelectorFromSet(labels.Set{"app": "web"})
	}
	return filters
}

// firstSelectable returns an object that the filters ask for, of all kinds in some namespaces and with some names.
func firstSelectable(filters selection.Filters, served []core.Kind) string {
	for _, kind := range served {
		if _, never := selection.Never(kind); never {
			continue
		}
		for _, namespace := range []string{"shop", "bank", "elsewhere"} {
			for _, name := range []string{"shop", "bank", "web", "w", "kube-root-ca.crt", "anything"} {
				if asksFor(filters, kind, namespace, name) {
					return kind.String() + " " + namespace + "/" + name
				}
			}
		}
	}
	return ""
}

// asksFor is a plain reading of the rules in docs/selection.md, without labels.
func asksFor(filters selection.Filters, kind core.Kind, namespace, name string) bool {
	isNamespace := kind.Group == "" && kind.Resource == "namespaces"
	if isNamespace {
		namespace = name
	}
	one := func(names []string) bool { return slices.Contains(names, namespace) || slices.Contains(names, "*") }
	switch within, asked := kind.Namespaced || isNamespace, filters.ClusterResources; {
	case kind.Resource == "configmaps" && name == "kube-root-ca.crt":
		return false
	case within && one(filters.ExcludeNamespaces), !within && asked != nil && !*asked:
		return false
	case slices.ContainsFunc(filters.ExcludeResources, func(filter selection.ResourceFilter) bool { return takes(filter, kind, name) }):
		return false
	case within:
		return (len(filters.IncludeNamespaces) == 0 || one(filters.IncludeNamespaces)) && (len(filters.IncludeResources) == 0 ||
			slices.ContainsFunc(filters.IncludeResources, func(filter selection.ResourceFilter) bool { return takes(filter, kind, name) }))
	}
	all := len(filters.IncludeNamespaces) == 0 || slices.Contains(filters.IncludeNamespaces, "*") ||
		filters.ClusterResources != nil && *filters.ClusterResources
	return all && len(filters.IncludeResources) == 0 ||
		slices.ContainsFunc(filters.IncludeResources, func(filter selection.ResourceFilter) bool {
			named := filter.Kind != "*" && filter.Kind != ".*"
			return (named || all) && takes(filter, kind, name)
		})
}

// takes tells whether one filter takes an object.
func takes(filter selection.ResourceFilter, kind core.Kind, name string) bool {
	matches := func(expression, text string) bool { return regexp.MustCompile("(?i)" + expression).MatchString(text) }
	ofKind := filter.Kind == "*" || slices.ContainsFunc(append(kind.ShortNames, kind.Name, kind.Resource), func(called string) bool {
		return strings.EqualFold(called, filter.Kind)
	})
	if strings.ContainsAny(filter.Kind, "^.$") {
		ofKind = matches(filter.Kind, kind.Name) || matches(filter.Kind, kind.Resource)
	}
	if filter.IsRegex {
		return ofKind && matches(filter.Name, name)
	}
	return ofKind && (filter.Name == "" || filter.Name == name)
}
