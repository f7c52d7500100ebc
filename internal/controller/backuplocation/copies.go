package backuplocation

import (
	"context"
	"errors"
	"fmt"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	kahuv1 "github.com/soda-cdm/kahu/api/v1beta1"
	"github.com/soda-cdm/kahu/internal/core"
	"github.com/soda-cdm/kahu/internal/core/archive"
	"github.com/soda-cdm/kahu/internal/core/copyplan"
	"github.com/soda-cdm/kahu/internal/engine"
)

// tellOfCopies says in the rows of copies at the location which of those that were made are not there any more, and which are
// back. The condition Copied follows from the rows, and is written by the loop of copies. The marker is looked at once more
// before, as an empty listing may be that of an unmounted store.
func (c *Controller) tellOfCopies(ctx context.Context, s *scope, found []archive.BackupID, backups []kahuv1.Backup) error {
	there := map[identity]bool{}
	for _, id := range found {
		there[identity{id.ClusterID, id.UID}] = true
	}
	opened := false
	for i := range backups {
		backup := &backups[i]
		row := copyAt(backup, s.location.Name)
		if row == nil || !backup.DeletionTimestamp.IsZero() {
			continue
		}
		if _, changed := copyplan.Seen(rowOf(row), there[c.identityOf(backup)]); !changed {
			continue
		}
		if !opened {
			if _, err := c.place(s).Open(ctx, s.location.Status.LocationID); err != nil {
				return outcome(err)
			}
			opened = true
		}
		if err := c.tellOfCopy(ctx, s, backup); err != nil {
			return fmt.Errorf("showing what became of the copy of backup %s: %w", backup.Name, err)
		}
	}
	return nil
}

// copyAt returns the row about the copy at a location, or nil.
func copyAt(backup *kahuv1.Backup, location string) *kahuv1.BackupCopyStatus {
	for i := range backup.Status.Copies {
		if backup.Status.Copies[i].Location == location {
			return &backup.Status.Copies[i]
		}
	}
	return nil
}

// rowOf returns a row as the decisions have it, as far as it matters to whether it is there.
func rowOf(row *kahuv1.BackupCopyStatus) copyplan.Row {
	decided := copyplan.Row{Phase: copyplan.Waiting, Reason: row.Reason}
	switch row.State {
	case kahuv1.StateCompleted:
		decided.Phase = copyplan.Made
	case kahuv1.StateFailed:
		decided.Phase = copyplan.GivenUp
	case kahuv1.StateNew, kahuv1.StateValidating, kahuv1.StateProcessing, kahuv1.StateDeleting: // It goes on.
	}
	return decided
}

// tellOfCopy looks at the manifest itself, which may have come or gone since the location was listed, and writes the row.
func (c *Controller) tellOfCopy(ctx context.Context, s *scope, backup *kahuv1.Backup) error {
	of := c.identityOf(backup)
	id := archive.BackupID{ClusterID: of.clusterID, Name: backup.Name, UID: of.uid}
	if backup.Spec.Origin != nil {
		id.Name = backup.Spec.Origin.Name
	}
	_, err := engine.ReadManifest(ctx, s.files, id)
	if err != nil && !errors.Is(err, core.ErrNotFound) {
		return nil // It is there, or will be looked at again; what is wrong with it, its view tells.
	}
	before := backup.DeepCopy()
	row := copyAt(backup, s.location.Name)
	seen, changed := copyplan.Seen(rowOf(row), err == nil)
	if !changed {
		return nil
	}
	row.State, row.Reason, row.Message = kahuv1.StateFailed, seen.Reason, seen.Message
	if seen.Phase == copyplan.Made {
		row.State = kahuv1.StateCompleted
	}
	row.Time = &metav1.Time{Time: c.Clock.Now()}
	patch := client.MergeFromWithOptions(before, client.MergeFromWithOptimisticLock{})
	err = c.Client.Status().Patch(ctx, backup, patch)
	if err == nil && c.BackupChanged != nil {
		c.BackupChanged(before, backup)
	}
	if apierrors.IsConflict(err) {
		return nil // Somebody has written it since, and the next look sees what.
	}
	return client.IgnoreNotFound(err)
}
