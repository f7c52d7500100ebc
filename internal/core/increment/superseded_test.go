package increment_test

import (
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
		"too many":     {increment.Full, append(slices.Clone(candidates), of("inc-7", increment.Incremental, 2, true)), []string{"inc-7", "diff-6", "inc-4", "full-3", "inc-2"}},
	} {
		var got []string
		for _, candidate := range increment.Superseded(test.mode, test.among) {
			got = append(got, candidate.ID.Name)
		}
		if !slices.Equal(got, test.want) {
			t.Errorf("%s: %v, want %v", name, got, test.want)
		}
	}
}
