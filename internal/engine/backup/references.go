package backup

import (
	"context"
	"errors"
	"slices"

	"github.com/soda-cdm/kahu/internal/core"
	"github.com/soda-cdm/kahu/internal/core/reference"
	"github.com/soda-cdm/kahu/internal/engine"
)

// declaredInCluster returns the references that the filters declare, and those of the definitions in the cluster. Of
// these only the metadata is read, page by page.
func (r *run) declaredInCluster(ctx context.Context, wished []reference.Declaration) ([]reference.Declaration, error) {
	found := &engine.Declarations{Ledger: r.Ledger, Kinds: r.kinds, All: wished}
	at := slices.IndexFunc(r.kinds, engine.IsDefinition)
	if at < 0 || r.selector.Everything() {
		return wished, nil
	}
	var err error
	for range listTries {
		found.All = slices.Clone(wished)
		err = r.Cluster.List(ctx, core.ListRequest{Kind: r.kinds[at], MetadataOnly: true}, func(page core.Page) error {
			for _, definition := range page.Objects {
				found.Define(definition)
			}
			return nil
		})
		if !errors.Is(err, core.ErrExpired) {
			break
		}
	}
	switch {
	case ctx.Err() != nil:
		return nil, ctx.Err()
	case err != nil:
		r.Miss(engine.Row{
			Kind: r.kinds[at], Key: engine.KeyOfKind(r.kinds[at], ""), Reason: engine.ReasonKindUnlistable,
			Message: "looking for the references that definitions declare: " + err.Error(),
		})
	}
	return found.All, nil
}
