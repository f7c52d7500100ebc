package backup

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	kahuv1 "github.com/soda-cdm/kahu/api/v1beta1"
	"github.com/soda-cdm/kahu/internal/controller/failure"
	"github.com/soda-cdm/kahu/internal/controller/place"
	"github.com/soda-cdm/kahu/internal/core"
	"github.com/soda-cdm/kahu/internal/engine"
	enginebackup "github.com/soda-cdm/kahu/internal/engine/backup"
	"github.com/soda-cdm/kahu/internal/engine/location"
	"github.com/soda-cdm/kahu/internal/engine/removal"
	"github.com/soda-cdm/kahu/internal/reconcile"
)

// removalTime is how soon the removal of what a run wrote follows the record that it failed.
const removalTime = 50 * time.Millisecond

// cancel ends a run that is not wanted any more. One whose backup is whole by then has Completed.
func (c *Controller) cancel(_ context.Context, s *scope) error {
	if !s.backup.Spec.Cancel || s.status().State == kahuv1.StateDeleting {
		return nil
	}
	why := failure.Failure{Reason: kahuv1.ReasonCancelled, Message: "the run was cancelled; nothing of it is at the location"}
	if s.status().Attempt == "" {
		return c.fail(s, why)
	}
	if !c.Tasks.Cancel(s.backup.UID) {
		return reconcile.Waiting(kahuv1.ReasonCancelled, "The run is being stopped.", waitTime)
	}
	if snapshot, there := c.Tasks.Look(s.backup.UID); there && snapshot.Err == nil && c.isOurs(s) {
		return nil
	}
	return c.putAway(s, why)
}

// putAway writes down that the run has failed, before anything that it wrote is removed: no attempt begins any more, and
// none is confirmed.
func (c *Controller) putAway(s *scope, why failure.Failure) error {
	record(s.backup, why)
	s.status().State = kahuv1.StateDeleting
	return reconcile.Waiting(why.Reason, why.Message, removalTime)
}

// record writes why a run failed into its status.
func record(backup *kahuv1.Backup, why failure.Failure) {
	status, message := &backup.Status, reconcile.Bounded(why.Message, failure.MaxText)
	status.FailureReason = message
	status.ValidationErrors = failure.Texts(why.Problems)
	if len(why.Problems) > 0 {
		meta.SetStatusCondition(&status.Conditions, metav1.Condition{
			Type: kahuv1.ConditionAccepted, Status: metav1.ConditionFalse, Reason: why.Reason,
			Message: message, ObservedGeneration: backup.Generation,
		})
	}
	meta.SetStatusCondition(&status.Conditions, metav1.Condition{
		Type: kahuv1.ConditionComplete, Status: metav1.ConditionFalse, Reason: why.Reason,
		Message: "There is no backup: the run failed.", ObservedGeneration: backup.Generation,
	})
}

// recorded returns why a run failed, as its status says.
func recorded(backup *kahuv1.Backup) failure.Failure {
	why := failure.Failure{Reason: kahuv1.ReasonFailed, Message: backup.Status.FailureReason, Problems: backup.Status.ValidationErrors}
	if complete := meta.FindStatusCondition(backup.Status.Conditions, kahuv1.ConditionComplete); complete != nil {
		why.Reason = complete.Reason
	}
	return why
}

// giveUp writes down that the run of that attempt has failed, if it is still on record and no manifest may come.
func (c *Controller) giveUp(ctx context.Context, key client.ObjectKey, attempt string, cause error) error {
	empty := &kahuv1.Backup{ObjectMeta: metav1.ObjectMeta{Name: key.Name}}
	_, _, err := reconcile.ChangeStatus(ctx, c.Direct, c.Client, empty, func(backup *kahuv1.Backup) (bool, error) {
		if backup.Status.State != kahuv1.StateProcessing || !backup.DeletionTimestamp.IsZero() {
			return false, over(&backup.Status, attempt)
		}
		if backup.Status.Attempt != attempt || errors.Is(cause, enginebackup.ErrLeft) {
			return false, enginebackup.ErrSuperseded
		}
		record(backup, failure.Of(cause))
		backup.Status.State = kahuv1.StateDeleting
		return true, nil
	})
	if apierrors.IsNotFound(err) {
		return enginebackup.ErrOver // Nobody knows any more which attempts there were.
	}
	return err
}

// over tells an attempt at a run that has ended whether there ever was another one.
func over(status *kahuv1.BackupStatus, attempt string) error {
	if status.Attempt == attempt && len(status.EarlierAttempts) == 0 {
		return enginebackup.ErrOverAlone
	}
	return enginebackup.ErrOver
}

// discard removes what a run that failed left in the store, or finds that it had finished, and ends it.
func (c *Controller) discard(ctx context.Context, s *scope) error {
	if s.status().State != kahuv1.StateDeleting {
		return nil
	}
	why := recorded(s.backup)
	if !c.Tasks.Cancel(s.backup.UID) {
		return reconcile.Waiting(why.Reason, why.Message, waitTime)
	}
	if snapshot, there := c.Tasks.Look(s.backup.UID); there {
		s.status().Timings = failure.Timings(snapshot.Result.Timings)
	}
	c.Tasks.Forget(s.backup.UID)
	if left := c.fenced(s); left > 0 {
		return reconcile.Waiting(why.Reason, why.Message, left)
	}
	err := c.removeDebris(ctx, s)
	if errors.Is(err, errFinished) {
		if err = c.adopt(ctx, s); !errors.Is(err, core.ErrCorrupt) {
			return err
		}
		why.Message += fmt.Sprintf(" (%v; what is left is kept until this Backup is deleted)", err)
		return c.fail(s, why)
	}
	if err != nil {
		if c.maySoonPass(s, err) {
			return reconcile.Waiting(why.Reason, "the run failed; what it wrote will be removed: "+err.Error(), waitTime)
		}
		why.Message += fmt.Sprintf(" (what it wrote could not be removed: %v; deleting this Backup removes it)", err)
	}
	return c.fail(s, why)
}

// fenced returns how long to wait before anything of the run is removed: another process that was told that its attempt
// is wanted, before it ceased to be on record, may still write its manifest.
func (c *Controller) fenced(s *scope) time.Duration {
	status := s.status()
	if s.backup.Spec.Origin != nil {
		// A manager that copied it here was stopped before another one did, which was before this view.
		return c.fencedSince(s.backup.CreationTimestamp.Time)
	}
	if status.Stage == kahuv1.StageFinished {
		if status.Interruptions == 0 || status.CompletionTimestamp == nil {
			return 0
		}
		return c.fencedSince(status.CompletionTimestamp.Time)
	}
	since, alone := c.heldFor(s)
	if alone {
		return 0
	}
	return c.Fence - since
}

// fencedSince returns what is left of the fence since a time that another clock gave: never more than all of it.
func (c *Controller) fencedSince(since time.Time) time.Duration {
	return min(c.Fence, c.Fence-c.Clock.Since(since))
}

// maySoonPass tells whether what keeps a run's debris in the store may pass without a person, in the time that a new
// run would wait. After a restart providers are looked for anew, and the ownership of the location is claimed anew.
func (c *Controller) maySoonPass(s *scope, err error) bool {
	c.mu.Lock()
	held := c.hold(s.backup.UID)
	if held.idle.IsZero() {
		held.idle = c.Clock.Now()
	}
	late := c.Clock.Since(held.idle) >= c.Patience
	c.mu.Unlock()
	var unusable *place.NotUsableError
	return !late && (errors.As(err, &unusable) && unusable.Passing ||
		errors.Is(err, core.ErrUnavailable) || errors.Is(err, location.ErrNotOwner))
}

// removeDebris removes what a run that failed left in the store, or finds that it had finished.
func (c *Controller) removeDebris(ctx context.Context, s *scope) error {
	ctx, cancel := context.WithTimeout(ctx, deletionTime)
	defer cancel()
	leave, ok := c.Gate.Enter(s.backup.Spec.MetadataLocation)
	if !ok {
		return fmt.Errorf("%s: %w", busy(s.backup.Spec.MetadataLocation), core.ErrUnavailable)
	}
	defer leave()
	hold, err := c.openOwned(ctx, s)
	if err != nil {
		return err
	}
	_, err = engine.ReadManifest(ctx, s.files, c.id(s))
	switch {
	case err == nil:
		return errFinished
	case !errors.Is(err, core.ErrNotFound) && !errors.Is(err, core.ErrCorrupt):
		return err
	}
	deletion := &removal.Deletion{Owned: hold.Check, Window: c.Fence / 2}
	// No manifest names the volumes: what is left of them is found without files.
	return errors.Join(c.removeVolumes(ctx, s), deletion.Erase(ctx, s.files, c.id(s), attempts(s.status())...))
}

// attempts returns all attempts at a run.
func attempts(status *kahuv1.BackupStatus) []string {
	all := append(append([]string{}, status.EarlierAttempts...), status.Attempt)
	return slices.DeleteFunc(all, func(attempt string) bool { return attempt == "" })
}
