package restore

import (
	"context"
	"errors"
	"fmt"

	"sigs.k8s.io/controller-runtime/pkg/client"

	kahuv1 "github.com/soda-cdm/kahu/api/v1beta1"
	"github.com/soda-cdm/kahu/internal/controller/place"
	"github.com/soda-cdm/kahu/internal/core"
	"github.com/soda-cdm/kahu/internal/core/archive"
	enginerestore "github.com/soda-cdm/kahu/internal/engine/restore"
)

// deletedError says that a backup is being deleted, or is gone, while it is restored.
type deletedError struct {
	backup string
	cause  error
}

// Error says what to do.
func (e *deletedError) Error() string {
	return fmt.Sprintf("Backup %q is being deleted, or was, while it is restored: name another one: %v", e.backup, e.cause)
}

// Unwrap returns what the run met.
func (e *deletedError) Unwrap() error { return e.cause }

// backupOf returns the Backup of that id, whoever it is named by; nil where there is none.
func (c *Controller) backupOf(ctx context.Context, in client.Reader, id archive.BackupID) (*kahuv1.Backup, error) {
	backups := &kahuv1.BackupList{}
	if err := in.List(ctx, backups); err != nil {
		return nil, fmt.Errorf("listing Backups: %w", err)
	}
	for i := range backups.Items {
		if c.idOf(&backups.Items[i]) == id {
			return &backups.Items[i], nil
		}
	}
	return nil, nil //nolint:nilnil // That there is none is an answer.
}

// knownBackup is backupOf for what is said of a run: where nobody can tell, there is none.
func (c *Controller) knownBackup(ctx context.Context, id archive.BackupID) *kahuv1.Backup {
	backup, err := c.backupOf(ctx, c.Client, id)
	if err != nil {
		return nil
	}
	return backup
}

// losesData tells whether the files of a backup are being deleted.
func losesData(backup *kahuv1.Backup) bool {
	return backup != nil && !backup.DeletionTimestamp.IsZero() && backup.Spec.DeletionPolicy == kahuv1.DeletionPolicyDelete
}

// notDeleted refuses a backup that is found at its location, and whose Backup is being deleted with its files.
func (c *Controller) notDeleted(ctx context.Context, id archive.BackupID) error {
	backup, err := c.backupOf(ctx, c.Client, id)
	if err != nil || !losesData(backup) {
		return err
	}
	return beingDeleted(backup.Name)
}

func beingDeleted(backup string) error {
	return &place.NotUsableError{
		Reason: kahuv1.ReasonBackupNotFound, Field: "spec.backupName",
		Message: fmt.Sprintf("Backup %q is being deleted: name another one", backup),
	}
}

// blameDeletion has what came of a run say that its backup was deleted meanwhile, where that may be why it lacks something. before
// is the Backup when the run began; nil: there was none.
func (c *Controller) blameDeletion(
	ctx context.Context, before *kahuv1.Backup, found *enginerestore.Result, err error,
) error {
	lacks := errors.Is(err, core.ErrNotFound) || errors.Is(err, core.ErrCorrupt)
	if before == nil || !lacks && (err != nil || found.FailedTotal == 0) || !c.wentAway(ctx, before) {
		return err
	}
	if lacks {
		return &deletedError{before.Name, err}
	}
	found.WarningsTotal++
	found.Warnings = append([]string{fmt.Sprintf("Backup %q is being deleted, or was, while it was restored: "+
		"what has failed may be what is gone", before.Name)}, found.Warnings...)
	return nil
}

// wentAway tells whether a Backup is gone by now, or goes with its files. Where nobody can say, what came of it is told as it is.
func (c *Controller) wentAway(ctx context.Context, before *kahuv1.Backup) bool {
	now, err := c.backupOf(ctx, c.Direct, c.idOf(before))
	if now == nil {
		return err == nil && before.Spec.DeletionPolicy == kahuv1.DeletionPolicyDelete
	}
	return losesData(now)
}
