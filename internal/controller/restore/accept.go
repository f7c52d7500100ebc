package restore

import (
	"context"
	"errors"
	"fmt"
	"time"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	kahuv1 "github.com/soda-cdm/kahu/api/v1beta1"
	"github.com/soda-cdm/kahu/internal/controller/failure"
	"github.com/soda-cdm/kahu/internal/controller/filters"
	"github.com/soda-cdm/kahu/internal/controller/place"
	"github.com/soda-cdm/kahu/internal/controller/queue"
	"github.com/soda-cdm/kahu/internal/reconcile"
)

// waitTime is how soon a run that waits for something looks again.
const waitTime = 500 * time.Millisecond

// accept checks the wish, its backup and its location, and makes the run this process's own.
func (c *Controller) accept(ctx context.Context, s *scope) error {
	status := s.status()
	if status.State == kahuv1.StateProcessing {
		return nil
	}
	status.Stage, status.State, status.ObservedGeneration = kahuv1.StageInitial, kahuv1.StateValidating, s.restore.Generation
	if _, err := filters.OfRestore(&s.restore.Spec); err != nil {
		return c.fail(s, failure.InField(kahuv1.ReasonInvalidExpression, err.Error()))
	}
	if err := c.findBackup(ctx, s); err != nil {
		return c.refuseOrWait(s, err)
	}
	if err := c.findTransforms(ctx, s); err != nil {
		return c.refuseTransforms(s, err)
	}
	if err := c.enter(s); err != nil {
		return err
	}
	attempt := c.attemptOf(s.restore.UID, "")
	status.Stage, status.State, status.Attempt = kahuv1.StageResources, kahuv1.StateProcessing, attempt
	status.StartTimestamp, status.MetadataLocation = &metav1.Time{Time: c.Clock.Now()}, s.location.Name
	meta.SetStatusCondition(&status.Conditions, metav1.Condition{
		Type: kahuv1.ConditionAccepted, Status: metav1.ConditionTrue, Reason: kahuv1.ReasonAccepted,
		Message: "The spec is valid and its backup is there.", ObservedGeneration: s.restore.Generation,
	})
	// The write of this status wakes the next pass, which begins the work.
	return reconcile.Waiting(kahuv1.ReasonProcessing, "The run is beginning.", 0)
}

// enter asks for the run's place, or waits for its turn.
func (c *Controller) enter(s *scope) error {
	limit := queue.Limit(s.location.Spec.Limits.Restores, c.RunsPerLocation)
	wish := queue.Wish{Run: s.restore, Location: s.location.Name, Limit: limit, Now: c.Clock.Now()}
	return queue.Enter(c.Tasks, wish, &s.status().QueuePosition)
}

// findBackup sets the backup and the files of its location.
func (c *Controller) findBackup(ctx context.Context, s *scope) error {
	backup := &kahuv1.Backup{}
	name := s.restore.Spec.BackupName
	err := c.Client.Get(ctx, client.ObjectKey{Name: name}, backup)
	if apierrors.IsNotFound(err) {
		return &place.NotUsableError{
			Reason: kahuv1.ReasonBackupNotFound, Field: "spec.backupName",
			Message: fmt.Sprintf("no Backup %q exists: name one of those that `kubectl get backups.kahu.io` shows", name),
		}
	}
	if err != nil {
		return fmt.Errorf("reading Backup %s: %w", name, err)
	}
	if err := usable(backup); err != nil {
		return err
	}
	location, files, err := c.Finder.Ready(ctx, backup.Spec.MetadataLocation)
	if err != nil {
		return err
	}
	s.backup, s.location, s.files = backup, location, files
	return nil
}

// usable tells whether a backup can be restored from, or why not.
func usable(backup *kahuv1.Backup) error {
	status := &backup.Status
	switch {
	case !backup.DeletionTimestamp.IsZero():
		return &place.NotUsableError{
			Reason: kahuv1.ReasonBackupNotFound, Field: "spec.backupName",
			Message: fmt.Sprintf("Backup %q is being deleted: name another one", backup.Name),
		}
	case status.Stage != kahuv1.StageFinished:
		return &place.NotUsableError{
			Reason: kahuv1.ReasonBackupNotFinished, Field: "spec.backupName", Passing: true,
			Message: fmt.Sprintf("Backup %q has not finished yet", backup.Name),
		}
	case status.State == kahuv1.StateFailed && status.LastBackup == nil:
		return &place.NotUsableError{
			Reason: failedReason(backup), Field: "spec.backupName",
			Message: fmt.Sprintf("Backup %q failed and has nothing to restore: %s", backup.Name, status.FailureReason),
		}
	}
	return nil
}

// failedReason is the backup's own reason where that one is about its manifest.
func failedReason(backup *kahuv1.Backup) string {
	ready := meta.FindStatusCondition(backup.Status.Conditions, kahuv1.ConditionReady)
	if ready != nil && (ready.Reason == kahuv1.ReasonManifestTooNew || ready.Reason == kahuv1.ReasonManifestInvalid) {
		return ready.Reason
	}
	return kahuv1.ReasonBackupFailed
}

// refuseOrWait fails a run that a person has to mend, and lets one whose backup or location may come wait for a while.
func (c *Controller) refuseOrWait(s *scope, err error) error {
	if !place.Unseen(err) {
		c.Tasks.Leave(s.restore.UID) // Others can go on meanwhile.
	}
	var unusable *place.NotUsableError
	if !errors.As(err, &unusable) {
		return err
	}
	text := unusable.Message
	if unusable.Field == "spec.backupName" {
		text = "spec.backupName: " + text
	} else {
		text = fmt.Sprintf("spec.backupName: the location of backup %q: %s", s.restore.Spec.BackupName, text)
	}
	if unusable.Passing && c.waited(s) < c.Patience {
		return reconcile.Waiting(unusable.Reason, text, waitTime)
	}
	return c.fail(s, failure.InField(unusable.Reason, text))
}
