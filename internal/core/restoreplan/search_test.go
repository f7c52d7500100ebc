package restoreplan_test

import (
	"fmt"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/soda-cdm/kahu/internal/core"
	"github.com/soda-cdm/kahu/internal/core/restoreplan"
)

// TestSearches: a kind is looked through in its namespaces where they are few, and every object is found under its name in
// the cluster and under no other.
func TestSearches(t *testing.T) {
	t.Parallel()
	records := []thing{{what: "clusterroles one"}, {what: "secrets aa/two"}, {what: "secrets a/two"}, {what: "secrets a/one"}}
	const many = 17
	for i := range many {
		records = append(records, thing{what: fmt.Sprintf("configmaps spread-%d/one", i)})
	}
	planner := restoreplan.NewPlanner()
	for _, each := range records {
		record := each.record()
		if err := planner.Add(&record); err != nil {
			t.Fatal(err)
		}
	}
	plan, err := planner.Plan()
	if err != nil {
		t.Fatal(err)
	}
	named := func(item *restoreplan.Item) core.Key {
		key := item.Key()
		if key.Namespace == "a" { // It comes behind the other one.
			key.Namespace = "mapped"
		}
		return key
	}
	var lists []string
	found := map[*restoreplan.Item]int{}
	for _, search := range plan.Searches(named) {
		lists = append(lists, search.Kind.Resource+" "+search.Namespace)
		for _, wave := range plan.Waves {
			for _, item := range wave.Items {
				at := search.Find(named(item))
				if at == nil {
					continue
				}
				if at != item {
					t.Errorf("%s is taken for %s", item.Key(), at.Key())
				}
				found[item]++
			}
		}
		if item := search.Find(core.Key{Group: search.Kind.Group, Resource: search.Kind.Resource, Namespace: "a", Name: "one"}); item != nil {
			t.Errorf("%s is found under its name in the backup", item.Key())
		}
	}
	if diff := cmp.Diff([]string{"clusterroles ", "configmaps ", "secrets aa", "secrets mapped"}, lists); diff != "" {
		t.Error(diff)
	}
	for _, wave := range plan.Waves {
		for _, item := range wave.Items {
			if found[item] != 1 {
				t.Errorf("%s is found %d times", item.Key(), found[item])
			}
		}
	}
}

// TestLeft: settled objects are no part of what is left, and the wave itself stays as it is.
func TestLeft(t *testing.T) {
	t.Parallel()
	one, two := &restoreplan.Item{Name: "one", Settled: true}, &restoreplan.Item{Name: "two"}
	wave := restoreplan.Wave{Items: []*restoreplan.Item{one, two}}
	if left := wave.Left().Items; len(left) != 1 || left[0] != two {
		t.Errorf("left are %v", left)
	}
	if wave.Items[0] != one || wave.Items[1] != two {
		t.Errorf("the wave is now %v", wave.Items)
	}
}
