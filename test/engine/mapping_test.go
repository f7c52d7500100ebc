package engine_test

import (
	"errors"
	"testing"

	"github.com/soda-cdm/kahu/internal/core/selection"
	"github.com/soda-cdm/kahu/internal/core/transform"
	"github.com/soda-cdm/kahu/internal/engine"
	"github.com/soda-cdm/kahu/internal/engine/backup"
	testcluster "github.com/soda-cdm/kahu/internal/testkit/cluster"
)

// What a slip in a mapping leaves out would come back under its old name, and the restore would say Completed.
func TestMappingOfANamespaceThatIsNotInTheBackup(t *testing.T) {
	w := newWorld(t)
	namespace := testcluster.Namespace(t)
	if _, err := w.backup("slip", func(request *backup.Request) {
		request.Filters = selection.Filters{IncludeNamespaces: []string{namespace}}
	}); err != nil {
		t.Fatal(err)
	}
	_, err := w.restore("slip", selection.Filters{}, transform.Options{NamespaceMapping: map[string]string{"slip-of-the-pen": "elsewhere"}})
	invalid, is := errors.AsType[*engine.InvalidError](err)
	if !is || len(invalid.Problems) != 1 || invalid.Problems[0].Reason != selection.ReasonNamespaceNotFound ||
		invalid.Problems[0].Field != "spec.namespaceMapping[slip-of-the-pen]" {
		t.Errorf("got %v; want the mapping refused by its field", err)
	}
}
