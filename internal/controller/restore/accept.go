package restore

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

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
	if err := recordHooks(s.restore); err != nil {
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
	status.ArchivePath = s.id.Folder()
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

// refuseOrWait fails a run that a person has to mend, and lets one whose backup or location may come wait for a while.
func (c *Controller) refuseOrWait(s *scope, err error) error {
	if !place.Unseen(err) {
		c.Tasks.Leave(s.restore.UID) // Others can go on meanwhile.
	}
	var unusable *place.NotUsableError
	if !errors.As(err, &unusable) {
		return err
	}
	text := inField(s.restore, unusable)
	if unusable.Passing && c.waited(s) < c.Patience {
		return reconcile.Waiting(unusable.Reason, text, waitTime)
	}
	return c.fail(s, failure.InField(unusable.Reason, text))
}

// inField says in which field of the Restore what is wrong is to be mended.
func inField(restore *kahuv1.Restore, unusable *place.NotUsableError) string {
	switch {
	case strings.HasPrefix(unusable.Field, "spec.backup"):
		return unusable.Error()
	case restore.Spec.MetadataLocation != "":
		return "spec.metadataLocation: " + unusable.Message
	default:
		return fmt.Sprintf("spec.backupName: the location of backup %q: %s", restore.Spec.BackupName, unusable.Message)
	}
}
