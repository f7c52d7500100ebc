package restore

import (
	"cmp"
	"context"
	"errors"
	"fmt"

	"github.com/soda-cdm/kahu/internal/core"
	"github.com/soda-cdm/kahu/internal/engine"
	"github.com/soda-cdm/kahu/internal/engine/restore/draft"
)

// conclude writes the status of a new object and lets it go. What has been done by an earlier attempt is done again, which
// changes nothing. as is the name under which the object was created.
func (r *run) conclude(ctx context.Context, wish draft.Draft, as string) error {
	item, object, after := wish.Item, wish.Object, wish.After
	patch := core.MergePatch{Kind: *item.Kind, Namespace: object.GetNamespace(), Name: object.GetName()}
	if after.Status != nil {
		status := patch
		status.Subresource, status.Content = "status", map[string]any{"status": after.Status}
		err := r.Cluster.Merge(ctx, status, as)
		if errors.Is(err, core.ErrNotFound) {
			// The API server says the same of an object that is gone as of a kind without a status.
			_, err = r.Cluster.Living(ctx, *item.Kind, object.GetNamespace(), object.GetName())
			err = cmp.Or(err, core.ErrUnsupported)
		}
		switch {
		case errors.Is(err, core.ErrUnsupported):
			r.Warn(draft.KeyOf(item, object), fmt.Sprintf("%s %s: its kind has no status of its own to restore: what its status "+
				"says came back with the object", item.Kind, engine.Path(object.GetNamespace(), object.GetName())))
		case err != nil:
			return fmt.Errorf("restoring its status: %w", err)
		}
	}
	if after.Release == nil {
		return nil
	}
	patch.Content = after.Release
	if err := r.Cluster.Merge(ctx, patch, as); err != nil {
		return fmt.Errorf("taking back the suspension under which it was created: %w", err)
	}
	return nil
}
