package increment_test

import (
	"fmt"
	"slices"
	"testing"

	"github.com/soda-cdm/kahu/internal/core/increment"
)

func TestSuperseded(t *testing.T) {
	candidates := []increment.Candidate{
		of("full-1", increment.Full, 8, true), of("inc-2", increment.Incremental, 7, true),
		of("full-3", increment.Full, 6, true), of("inc-4", increment.Incremental, 5, true),
		of("others-5", increment.Incremental, 4, false), of("diff-6", increment.Differential, 3, true),
	}
	for name, test := range map[string]struct {
		mode  increment.Mode
		among []increment.Candidate
		want  []string
	}{
		"incremental":  {increment.Incremental, candidates, []string{"diff-6", "inc-4", "inc-2", "full-1"}},
		"differential": {increment.Differential, candidates, []string{"diff-6", "inc-4", "inc-2", "full-1"}},
		"full":         {increment.Full, candidates, []string{"diff-6", "inc-4", "full-3", "inc-2", "full-1"}},
		"on a full":    {increment.Incremental, candidates[:1], nil},
		"of others":    {increment.Full, candidates[4:5], nil},
		"nothing":      {increment.Incremental, nil, nil},
		"more":         {increment.Full, append(slices.Clone(candidates), of("inc-7", increment.Incremental, 2, true)), []string{"inc-7", "diff-6", "inc-4", "full-3", "inc-2", "full-1"}},
	} {
		var got []string
		for _, candidate := range increment.Superseded(test.mode, test.among, 7) {
			got = append(got, candidate.ID.Name)
		}
		if !slices.Equal(got, test.want) {
			t.Errorf("%s: %v, want %v", name, got, test.want)
		}
	}
}

// TestAllThatIsSupersededGoesInTime: of many a bounded number is named, the youngest each time and each of the others in its turn.
func TestAllThatIsSupersededGoesInTime(t *testing.T) {
	var many []increment.Candidate
	for i := range 333 {
		many = append(many, of(fmt.Sprintf("full-%d", i), increment.Full, 1000-i, true))
	}
	times := map[string]int{}
	for turn := range uint32(9) { // (333 - 10) / 40, and what is left.
		found := increment.Superseded(increment.Full, many, turn)
		if len(found) > 50 || found[0].ID.Name != "full-332" {
			t.Fatalf("turn %d: %d, the first is %s", turn, len(found), found[0].ID.Name)
		}
		for _, candidate := range found {
			times[candidate.ID.Name]++
		}
	}
	if len(times) != len(many) || times["full-332"] != 9 || times["full-0"] != 1 {
		t.Errorf("%d of %d are named: %v", len(times), len(many), times)
	}
}
