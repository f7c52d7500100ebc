package backup

import (
	"context"
	"errors"
	"fmt"

	"golang.org/x/sync/errgroup"

	"github.com/soda-cdm/kahu/internal/core"
	"github.com/soda-cdm/kahu/internal/core/selection"
	"github.com/soda-cdm/kahu/internal/engine"
)

// searchAll goes through lists for objects that point to what is in, page by page.
func (r *run) searchAll(ctx context.Context, searches []selection.Search) error {
	searching, ctx := errgroup.WithContext(ctx)
	searching.SetLimit(r.Listers)
	for _, search := range searches {
		searching.Go(func() error { return r.search(ctx, search) })
	}
	return searching.Wait()
}

// search goes through the lists of one kind. What makes one impossible to list is written down as missing, as nobody
// knows what was in it.
func (r *run) search(ctx context.Context, search selection.Search) error {
	namespaces := search.Namespaces
	if len(namespaces) == 0 {
		namespaces = []string{""}
	}
	for _, namespace := range namespaces {
		err := r.searchList(ctx, core.ListRequest{Kind: search.Kind, Namespace: namespace})
		switch {
		case ctx.Err() != nil:
			return ctx.Err()
		case errors.Is(err, errPacking):
			return err
		case err != nil && r.isGone(ctx, search.Kind, err):
			r.Note(engine.KeyOfKind(search.Kind, namespace), "Gone", "the kind was removed while the backup ran")
		case err != nil && search.Excluded:
			r.Note(engine.KeyOfKind(search.Kind, namespace), "Unlistable", err.Error())
		case err != nil:
			r.Miss(engine.Row{
				Kind: search.Kind, Key: engine.KeyOfKind(search.Kind, namespace), Reason: engine.ReasonKindUnlistable,
				Message: "looking for what points to the objects that are in: " + err.Error(),
			})
		}
	}
	return nil
}

// searchList goes through one list, again from the beginning where the position expired: what was taken before is not
// wanted any more.
func (r *run) searchList(ctx context.Context, request core.ListRequest) error {
	var err error
	for range listTries {
		err = r.Cluster.List(ctx, request, func(page core.Page) error { return r.searchPage(ctx, page) })
		if !errors.Is(err, core.ErrExpired) {
			return err
		}
	}
	return err
}

func (r *run) searchPage(ctx context.Context, page core.Page) error {
	for _, object := range page.Objects {
		reason, wanted, err := r.needs.Offer(object)
		if err != nil {
			return fmt.Errorf("%w: %w", errPacking, err)
		}
		if !wanted {
			continue
		}
		if err := r.takeNeeded(ctx, object, reason); err != nil {
			return fmt.Errorf("%w: %w", errPacking, err)
		}
	}
	return nil
}
