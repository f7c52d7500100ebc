package collection_test

import (
	"maps"
	"slices"
	"strings"
	"testing"

	"github.com/soda-cdm/kahu/internal/core/collection"
)

// TestInterleavings: in no order of the steps of runs, deletions and collections is a segment removed that a manifest names
// or comes to name, whoever dies or sleeps; and in the end nothing is left but what manifests need.
func TestInterleavings(t *testing.T) {
	t.Parallel()
	cases := 400
	if testing.Short() {
		cases = 50
	}
	collected, built := 0, 0
	for seed := range uint64(cases) {
		s := newSimulation(seed, faults{})
		if wrong := s.run(400); wrong != "" {
			t.Fatalf("seed %d: %s", seed, wrong)
		}
		s.settle()
		if wrong := s.wrong(); wrong != "" {
			t.Fatalf("seed %d, at the end: %s", seed, wrong)
		}
		if left := s.debris(); len(left) > 0 {
			t.Fatalf("seed %d: nothing needs %v; after\n%s", seed, left, strings.Join(s.journal, "\n"))
		}
		collected += s.collected
		built += s.built
	}
	t.Logf("%d cases: %d collections removed something, %d backups were built on others", cases, collected, built)
	if collected < cases || built < cases {
		t.Errorf("too little happened: %d collections removed something, %d backups were built on others", collected, built)
	}
}

// settle lets everybody die, the grace pass, and two collections come: one for what was abandoned, one for its segments.
func (s *simulation) settle() {
	clear(s.living)
	for range 2 {
		s.now = s.now.Add(2 * grace)
		for step := s.collection(0); step(); {
		}
	}
}

// debris returns the files that no manifest leads to.
func (s *simulation) debris() []string {
	known := map[string]bool{}
	for _, manifest := range s.manifests {
		for _, name := range collection.OwnFiles(manifest) {
			known[name] = true
		}
		for _, file := range manifest.Segments {
			known[file.Name] = true
		}
	}
	return slices.DeleteFunc(slices.Sorted(maps.Keys(s.files)), func(name string) bool { return known[name] })
}

// TestEveryRuleIsNeeded breaks the rules one by one: each time the simulation finds a manifest that names what is gone.
func TestEveryRuleIsNeeded(t *testing.T) {
	t.Parallel()
	for name, test := range map[string]struct {
		broken faults
		first  uint64 // where the search begins, so that it takes little time
	}{
		"NoIntents":    {broken: faults{noIntents: true}, first: 100},
		"NoSecondLook": {broken: faults{noSecondLook: true}, first: 490},
		"SegmentsLast": {broken: faults{segmentsLast: true}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			for seed := test.first; seed < test.first+5000; seed++ {
				if wrong := newSimulation(seed, test.broken).run(400); wrong != "" {
					t.Logf("found with seed %d", seed)
					return
				}
			}
			t.Error("no case shows what the rule is good for")
		})
	}
}
