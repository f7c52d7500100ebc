package backup

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

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

// waitTime is how soon a run that waits for its location looks again.
const waitTime = 500 * time.Millisecond

// accept checks the wish and its location, and makes the run this process's own. What is written into the status
// here is in the API server before anything is done.
func (c *Controller) accept(ctx context.Context, s *scope) error {
	status := s.status()
	if status.State == kahuv1.StateProcessing {
		return nil
	}
	status.Stage, status.State, status.ObservedGeneration = kahuv1.StageInitial, kahuv1.StateValidating, s.backup.Generation
	if err := understand(&s.backup.Spec); err != nil {
		return c.fail(s, failure.InField(kahuv1.ReasonInvalidExpression, err.Error()))
	}
	if err := c.findWritable(ctx, s); err != nil {
		return c.refuseOrWait(s, err)
	}
	if err := c.volumeLocations(ctx, &s.backup.Spec); err != nil {
		return c.refuseVolumes(s, err)
	}
	if err := c.enter(s); err != nil {
		return err
	}
	if err := c.addFinalizer(ctx, s); err != nil {
		return err
	}
	attempt := c.attemptOf(s.backup.UID)
	status.Stage, status.State, status.Attempt = kahuv1.StageResources, kahuv1.StateProcessing, attempt
	status.StartTimestamp = &metav1.Time{Time: c.Clock.Now()}
	status.LocationID, status.ClusterID = s.location.Status.LocationID, c.ClusterID
	status.ArchivePath = c.id(s).Folder()
	meta.SetStatusCondition(&status.Conditions, metav1.Condition{
		Type: kahuv1.ConditionAccepted, Status: metav1.ConditionTrue, Reason: kahuv1.ReasonAccepted,
		Message: "The spec is valid and its location is ready.", ObservedGeneration: s.backup.Generation,
	})
	// The write of this status wakes the next pass, which begins the work.
	return reconcile.Waiting(kahuv1.ReasonProcessing, "The run is beginning.", 0)
}

// understand finds what of a spec only this program can judge, and the API server cannot.
func understand(spec *kahuv1.BackupSpec) error {
	if _, err := filters.OfBackup(spec); err != nil {
		return err
	}
	if _, err := filters.OfBackupHook(&spec.Hook); err != nil {
		return err
	}
	_, err := filters.OfVolumes(spec)
	return err
}

// findLocation sets the location and its files.
func (c *Controller) findLocation(ctx context.Context, s *scope) error {
	location, files, err := c.Finder.Ready(ctx, s.backup.Spec.MetadataLocation)
	if err != nil {
		return err
	}
	s.location, s.files = location, files
	return nil
}

// findWritable is findLocation for whoever means to write or to remove something.
func (c *Controller) findWritable(ctx context.Context, s *scope) error {
	if err := c.findLocation(ctx, s); err != nil {
		return err
	}
	return place.Writable(s.location)
}

// refuseOrWait fails a run whose location a person has to mend, and lets one whose location may come back wait for a
// while.
func (c *Controller) refuseOrWait(s *scope, err error) error {
	if !place.Unseen(err) {
		c.Tasks.Leave(s.backup.UID) // Others can go on meanwhile.
	}
	var unusable *place.NotUsableError
	if !errors.As(err, &unusable) {
		return err
	}
	text := "spec.metadataLocation: " + unusable.Message
	waited := c.waitedFor(s)
	if unusable.Passing && waited < c.Patience {
		return reconcile.Waiting(unusable.Reason, text, waitTime)
	}
	if unusable.Passing {
		text += fmt.Sprintf(" (waited %s)", waited.Round(time.Second))
	}
	if s.status().Attempt != "" {
		return c.putAway(s, failure.InField(unusable.Reason, text))
	}
	return c.fail(s, failure.InField(unusable.Reason, text))
}

// enter asks for the run's place, or waits for its turn.
func (c *Controller) enter(s *scope) error {
	limit := queue.Limit(s.location.Spec.Limits.Backups, c.RunsPerLocation)
	wish := queue.Wish{Run: s.backup, Location: s.location.Name, Limit: limit, Now: c.Clock.Now()}
	return queue.Enter(c.Tasks, wish, &s.status().QueuePosition)
}

// addFinalizer makes sure that the object outlives its data, before there is any.
func (c *Controller) addFinalizer(ctx context.Context, s *scope) error {
	if slices.Contains(s.backup.Finalizers, Finalizer) {
		return nil
	}
	return c.patchFinalizers(ctx, s, append(slices.Clone(s.backup.Finalizers), Finalizer))
}

// patchFinalizers changes the finalizers of the object in the API server, if it is still as it was read, and takes
// over the new version.
func (c *Controller) patchFinalizers(ctx context.Context, s *scope, finalizers []string) error {
	before := &kahuv1.Backup{ObjectMeta: *s.backup.ObjectMeta.DeepCopy()}
	after := before.DeepCopy()
	after.Finalizers = finalizers
	patch := client.MergeFromWithOptions(before, client.MergeFromWithOptimisticLock{})
	if err := c.Client.Patch(ctx, after, patch); err != nil {
		return client.IgnoreNotFound(err)
	}
	s.backup.Finalizers, s.backup.ResourceVersion = finalizers, after.ResourceVersion
	return nil
}
