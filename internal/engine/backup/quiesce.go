package backup

import (
	"context"

	"github.com/soda-cdm/kahu/internal/core"
	"github.com/soda-cdm/kahu/internal/core/selection"
	"github.com/soda-cdm/kahu/internal/core/volumework"
	"github.com/soda-cdm/kahu/internal/engine"
)

// Hooks has applications hold still while volumes are cut.
type Hooks interface {
	// Prepare is told which kinds there are and what of them the backup chooses, before anything is read. It returns an
	// engine.InvalidError where the hooks cannot be run.
	Prepare(kinds []core.Kind, chosen *selection.Selector) error
	// Around calls cut once while the applications hold still, with a context that ends when they have for long enough, and
	// has them go on whatever came of it. It tells the ledger. An error that is not that of cut is one of a hook. The cut is told
	// whether anybody holds still, and returns what could not be cut, which is on record before they go on.
	Around(ctx context.Context, ledger *engine.Ledger, cut func(ctx context.Context, held bool) ([]volumework.Uncut, error)) error
	// Claims are those whose volumes the pods have that hold still, as long as the cut is called.
	Claims() []core.Key
}

// quiesce cuts all volumes while the applications hold still. What belongs to the backup is known by then.
func (r *run) quiesce(ctx context.Context) error {
	if r.request.Hooks == nil {
		_, err := r.cutVolumes(ctx, false)
		return err
	}
	return r.request.Hooks.Around(ctx, r.Ledger, r.cutVolumes)
}
