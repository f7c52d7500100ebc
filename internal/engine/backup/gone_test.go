package backup_test

import (
	"testing"

	"github.com/soda-cdm/kahu/internal/core"
	"github.com/soda-cdm/kahu/internal/core/increment"
	"github.com/soda-cdm/kahu/internal/testkit/fakecluster"
)

// TestKindWhoseDefinitionGoes: objects of a kind that is being removed are not missing, although the server still shows the
// kind for a moment when it does not serve it any more. Those of a kind whose definition stays are.
func TestKindWhoseDefinitionGoes(t *testing.T) {
	t.Parallel()
	const name = "gadgets.example.com"
	remove := func(s *series) { s.Cluster.Remove(definitions, "", name) }
	for state, test := range map[string]struct {
		before, meanwhile func(s *series)
		missing           int
	}{
		"Gone": {meanwhile: remove},
		"Going": {meanwhile: func(s *series) {
			s.Cluster.Change(s.T, definitions, "", name, `{"metadata":{"deletionTimestamp":"2026-01-01T00:00:00Z"}}`)
		}},
		"There":      {missing: 1},
		"Aggregated": {before: remove, missing: 1},
	} {
		t.Run(state, func(t *testing.T) {
			t.Parallel()
			s := newSeries(t)
			if test.before != nil {
				test.before(s)
			}
			s.Cluster.Intercept = func(call fakecluster.Call) error {
				if call.Verb != "list" || call.Key.Resource != gadgets.Resource {
					return nil
				}
				if test.meanwhile != nil {
					test.meanwhile(s)
				}
				return core.ErrUnsupported
			}
			result, err := s.try("one", increment.Full)
			if err != nil || len(result.Missing) != test.missing {
				t.Errorf("missing %+v, %v", result.Missing, err)
			}
		})
	}
}
