package backuplocation

import (
	"context"
	"fmt"

	"k8s.io/apimachinery/pkg/api/meta"

	kahuv1 "github.com/soda-cdm/kahu/api/v1beta1"
	"github.com/soda-cdm/kahu/internal/core"
	"github.com/soda-cdm/kahu/internal/core/archive"
	"github.com/soda-cdm/kahu/internal/engine/removal"
)

// sweep removes the reports and plans of this cluster's restores whose objects are gone. The files are listed before the
// objects, so that those of a restore that begins meanwhile are not among them.
func (c *Controller) sweep(ctx context.Context, s *scope) error {
	if !meta.IsStatusConditionTrue(s.location.Status.Conditions, kahuv1.ConditionOwned) {
		return nil // They may be those of another cluster with the same id.
	}
	there := map[archive.RestoreID]bool{}
	note := func(file core.FileInfo) error {
		if id, is := archive.ParseRestoreFile(file.Name); is {
			there[id] = true
		}
		return nil
	}
	if err := s.files.List(ctx, archive.RestoresFolder(c.ClusterID), note); err != nil {
		return fmt.Errorf("listing the files of restores: %w", err)
	}
	if len(there) == 0 {
		return nil
	}
	restores := &kahuv1.RestoreList{}
	if err := c.Direct.List(ctx, restores); err != nil {
		return fmt.Errorf("listing restores: %w", err)
	}
	for i := range restores.Items {
		restore := &restores.Items[i]
		delete(there, archive.RestoreID{ClusterID: c.ClusterID, Name: restore.Name, UID: string(restore.UID)})
	}
	if len(there) == 0 {
		return nil
	}
	if err := removal.SweepRestores(ctx, s.files, c.ClusterID, there); err != nil {
		return fmt.Errorf("removing the files of restores that are gone: %w", err)
	}
	return nil
}
