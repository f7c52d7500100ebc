package backup

import (
	"context"
	"errors"

	"github.com/soda-cdm/kahu/internal/controller/view"
	"github.com/soda-cdm/kahu/internal/core"
	"github.com/soda-cdm/kahu/internal/core/volumework"
	"github.com/soda-cdm/kahu/internal/engine"
)

// removeVolumes has the data of volumes removed, before the manifest goes that names it. A copy at another location only names
// what the original has: whoever deletes the original removes it.
func (c *Controller) removeVolumes(ctx context.Context, s *scope) error {
	if c.Volumes == nil {
		return nil
	}
	manifest, err := engine.ReadManifest(ctx, s.files, c.id(s))
	switch {
	case errors.Is(err, core.ErrNotFound), errors.Is(err, core.ErrCorrupt):
		if s.backup.Spec.Origin != nil {
			return nil // Nobody knows whether it is a copy.
		}
	case err != nil:
		return err
	case view.IsCopy(manifest, s.location.Status.LocationID):
		return nil
	}
	return c.Volumes.Remove(ctx, c.volumeRun(s), manifest.Volumes)
}

// forgetVolumes removes what stands for the volumes of a backup in the cluster, whose data stays.
func (c *Controller) forgetVolumes(ctx context.Context, s *scope) error {
	if c.Volumes == nil || s.backup.Spec.Origin != nil {
		return nil
	}
	return c.Volumes.Forget(ctx, c.volumeRun(s))
}

func (c *Controller) volumeRun(s *scope) volumework.Run {
	id := c.id(s)
	return volumework.Run{Name: id.Name, UID: id.UID}
}
