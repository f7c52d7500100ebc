package selection_test

import (
	"encoding/json"
	"math/rand/v2"
	"slices"
	"testing"

	"github.com/google/go-cmp/cmp"
	"k8s.io/apimachinery/pkg/labels"

	"github.com/soda-cdm/kahu/internal/core"
	"github.com/soda-cdm/kahu/internal/core/reference"
	"github.com/soda-cdm/kahu/internal/core/selection"
)

// TestProperties holds many wishes against what must be true of all of them.
func TestProperties(t *testing.T) {
	random := rand.New(rand.NewPCG(1, 2))
	selected := 0
	served := kinds()
	for range 1000 {
		filters := randomFilters(random)
		selector, problems := selection.Compile(filters, served)
		if len(problems) > 0 {
			if problems[0].Reason != selection.ReasonContradiction {
				t.Fatalf("%+v: %v", filters, problems)
			}
			continue
		}
		shuffled, _ := selection.Compile(shuffle(random, filters), served)
		open := filters
		open.IncludeNamespaces, open.IncludeResources, open.Labels = nil, nil, nil
		if open.ClusterResources != nil && *open.ClusterResources {
			open.ClusterResources = nil
		}
		excluding, _ := selection.Compile(open, served)
		for _, thing := range things() {
			kind := kind(t, thing.kind)
			verdict := selector.Object(kind, thing.namespace, thing.name, thing.labels)
			if verdict.In {
				selected++
			}
			if other := shuffled.Object(kind, thing.namespace, thing.name, thing.labels); verdict.In != other.In || verdict.Excluded != other.Excluded {
				t.Fatalf("%+v: %v depends on the order of the filters: %+v, %+v", filters, thing, verdict, other)
			}
			if _, excluded := selector.Excludes(kind, thing.namespace, thing.name); excluded != verdict.Excluded || excluded && verdict.In {
				t.Fatalf("%+v: %v is excluded (%v) beside verdict %+v", filters, thing, excluded, verdict)
			}
			if excluding != nil {
				if _, excluded := excluding.Excludes(kind, thing.namespace, thing.name); excluded != verdict.Excluded {
					t.Fatalf("%+v: that %v is excluded depends on what is included", filters, thing)
				}
			}
			checkPlan(t, selector, kind, thing, verdict)
		}
	}
	if selected < 500 {
		t.Errorf("the filters of this test selected %d objects only: it shows nothing", selected)
	}
}

// checkPlan checks that what is selected would also be read.
func checkPlan(t *testing.T, selector *selection.Selector, kind core.Kind, thing thing, verdict selection.Verdict) {
	t.Helper()
	plan := selector.Kind(kind)
	if !verdict.In {
		return
	}
	if plan.Skip {
		t.Fatalf("%v is selected and its kind is not read: %+v", thing, plan)
	}
	if plan.Namespaces != nil && !slices.Contains(plan.Namespaces, thing.namespace) {
		t.Fatalf("%v is selected and its namespace is not read: %+v", thing, plan)
	}
	parsed, err := labels.Parse(plan.LabelSelector)
	if err != nil || !parsed.Matches(labels.Set(thing.labels)) {
		t.Fatalf("%v is selected and the server would not give it: %+v, %v", thing, plan, err)
	}
}

func randomFilters(random *rand.Rand) selection.Filters {
	spaces := []string{"shop", "bank", "*", "other"}
	resources := []selection.ResourceFilter{
		{Kind: "*", Name: "web", IsRegex: true},
		{Kind: "Deployment"},
		{Kind: "cm", Name: "settings"},
		{Kind: "*", Name: "shop"},
		{Kind: "ClusterRole"},
		{Kind: "ns"},
		{Kind: "secrets", Name: "*"},
		{Kind: "*", Name: "^[a-f]", IsRegex: true},
	}
	filters := selection.Filters{
		IncludeNamespaces: some(random, spaces), ExcludeNamespaces: some(random, []string{"shop", "bank", "other"}),
		IncludeResources: some(random, resources), ExcludeResources: some(random, resources),
	}
	switch random.IntN(4) {
	case 0:
		filters.ClusterResources = new(random.IntN(2) == 0)
	case 1:
		filters.Labels = labels.SelectorFromSet(labels.Set{"app": "web"})
	}
	return filters
}

func some[T any](random *rand.Rand, from []T) []T {
	var chosen []T
	for _, one := range from {
		if random.IntN(4) == 0 {
			chosen = append(chosen, one)
		}
	}
	return chosen
}

func shuffle(random *rand.Rand, filters selection.Filters) selection.Filters {
	filters.IncludeNamespaces = shuffled(random, filters.IncludeNamespaces)
	filters.ExcludeNamespaces = shuffled(random, filters.ExcludeNamespaces)
	filters.IncludeResources = shuffled(random, filters.IncludeResources)
	filters.ExcludeResources = shuffled(random, filters.ExcludeResources)
	return filters
}

func shuffled[T any](random *rand.Rand, from []T) []T {
	other := slices.Clone(from)
	random.Shuffle(len(other), func(i, j int) { other[i], other[j] = other[j], other[i] })
	return other
}

// TestClosureProperties holds random wishes against what must be true of all of them: the order of visits means
// nothing, nothing is taken twice, nothing that is excluded is in, and what is in has what it needs or a word about it.
func TestClosureProperties(t *testing.T) {
	random := rand.New(rand.NewPCG(3, 4))
	worlds, rules := []cluster{shop(t), street(t)}, reference.NewRules()
	needed := 0
	for round := range 300 {
		world := worlds[round%len(worlds)]
		filters := randomFilters(random)
		selector, problems := selection.Compile(filters, kinds())
		if len(problems) > 0 {
			continue
		}
		one := world.run(t, filters, shuffled(random, world.keys()))
		other := world.run(t, filters, shuffled(random, world.keys()))
		one.Selected, other.Selected = nil, nil
		if diff := cmp.Diff(one, other); diff != "" {
			t.Fatalf("%+v: the order of visits matters:\n%s", filters, diff)
		}
		in := map[string]bool{}
		for key, object := range world {
			if _, isNeeded := one.Needed[key.String()]; isNeeded {
				needed++
				if words, excluded := selector.Excludes(object.Kind, object.Namespace, object.Name); excluded {
					t.Fatalf("%+v: %v is in, though %s", filters, key, words)
				}
			}
			selected := selector.Object(object.Kind, object.Namespace, object.Name, object.Labels).In
			in[key.String()] = selected || one.Needed[key.String()] != ""
		}
		checkNeeds(t, world, rules, one, in)
	}
	if needed < 300 {
		t.Errorf("only %d objects were needed: the test shows nothing", needed)
	}
}

// checkNeeds checks that what is in has what it needs, or a word about it. Needs with a kind instead of a plural are
// left to the table.
func checkNeeds(t *testing.T, world cluster, rules *reference.Rules, got outcome, in map[string]bool) {
	t.Helper()
	for key, object := range world {
		if !in[key.String()] {
			continue
		}
		content := map[string]any{}
		if err := json.Unmarshal(object.JSON, &content); err != nil {
			t.Fatal(err)
		}
		content["metadata"] = map[string]any{"namespace": object.Namespace, "name": object.Name}
		for _, need := range rules.Needs(reference.Decoded(object.Kind, content)) {
			wanted := core.Key{Group: need.Group, Resource: need.Resource, Namespace: need.Namespace, Name: need.Name}
			_, there := world[wanted]
			if need.Resource == "" || !there || need.Name == "kube-root-ca.crt" {
				continue
			}
			if !in[wanted.String()] && got.Warnings[wanted.String()] == "" {
				t.Fatalf("%v is in, needs %v, and nothing is said about it: %+v", key, wanted, got)
			}
		}
	}
}
