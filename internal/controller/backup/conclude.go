package backup

import (
	"context"
	"errors"
	"fmt"
	"time"

	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	kahuv1 "github.com/soda-cdm/kahu/api/v1beta1"
	"github.com/soda-cdm/kahu/internal/controller/failure"
	"github.com/soda-cdm/kahu/internal/controller/place"
	"github.com/soda-cdm/kahu/internal/controller/view"
	"github.com/soda-cdm/kahu/internal/core"
	"github.com/soda-cdm/kahu/internal/engine"
	"github.com/soda-cdm/kahu/internal/reconcile"
)

// conclude writes what became of the run.
func (c *Controller) conclude(_ context.Context, s *scope) error {
	snapshot, there := c.Tasks.Look(s.backup.UID)
	if !there || !snapshot.Ended {
		return nil
	}
	if snapshot.Err != nil {
		return c.fail(s, failure.Of(snapshot.Err))
	}
	manifest := snapshot.Result.Manifest
	view.Fill(s.status(), manifest)
	s.status().Sizes.ManifestBytes = snapshot.Result.ManifestBytes
	warnings := append(ownWarnings(&s.backup.Spec), snapshot.Result.Warnings...)
	s.status().Counts.Warnings += int64(len(warnings) - len(snapshot.Result.Warnings))
	s.status().Warnings = failure.Texts(warnings)
	s.status().Missing = failure.Problems(snapshot.Result.Missing)
	s.status().Progress = kahuv1.BackupProgress{
		ItemsDone: manifest.Counts.Objects, ItemsTotal: manifest.Counts.Objects,
		BytesDone: manifest.Sizes.Objects, BytesWritten: manifest.Sizes.Segments,
	}
	view.Conclude(s.backup, manifest)
	return reconcile.Repeat(s.status().Conditions)
}

// ownWarnings are about the spec, whatever is backed up.
func ownWarnings(spec *kahuv1.BackupSpec) []string {
	if spec.ReclaimPolicy == (kahuv1.ReclaimPolicy{}) {
		return nil
	}
	return []string{"spec.reclaimPolicy has no effect and never had one: use spec.deletionPolicy"}
}

// fail ends the run. Nothing of it is in the store.
func (c *Controller) fail(s *scope, why failure.Failure) error {
	status := s.status()
	status.Stage, status.State = kahuv1.StageFinished, kahuv1.StateFailed
	status.CompletionTimestamp = &metav1.Time{Time: c.Clock.Now()}
	status.FailureReason = reconcile.Bounded(why.Message, failure.MaxText)
	status.ValidationErrors = failure.Texts(why.Problems)
	if len(why.Problems) > 0 {
		meta.SetStatusCondition(&status.Conditions, metav1.Condition{
			Type: kahuv1.ConditionAccepted, Status: metav1.ConditionFalse, Reason: why.Reason,
			Message: reconcile.Bounded(why.Message, failure.MaxText), ObservedGeneration: s.backup.Generation,
		})
	}
	meta.SetStatusCondition(&status.Conditions, metav1.Condition{
		Type: kahuv1.ConditionComplete, Status: metav1.ConditionFalse, Reason: why.Reason,
		Message: "There is no backup: the run failed.", ObservedGeneration: s.backup.Generation,
	})
	return reconcile.Stalled(why.Reason, status.FailureReason)
}

// fenceTime is how soon the removal of what an interrupted run wrote follows its end.
const fenceTime = 50 * time.Millisecond

// endInterrupted ends a run that another process began and did not finish: it removes what is in the store, and says
// what to do.
func (c *Controller) endInterrupted(ctx context.Context, s *scope) error {
	if c.isOurs(s) {
		return nil
	}
	if s.status().State == kahuv1.StateProcessing {
		// From here on no run of this attempt is confirmed any more, should its process live after all: only then is
		// it safe to remove what it wrote.
		s.status().State = kahuv1.StateDeleting
		return reconcile.Waiting(kahuv1.ReasonInterrupted, "The manager stopped while the run went on.", fenceTime)
	}
	if s.status().State != kahuv1.StateDeleting {
		return nil
	}
	message := "the manager stopped while the run went on; create another Backup"
	if err := c.removeDebris(ctx, s); err != nil {
		if errors.Is(err, errFinished) {
			return c.adopt(ctx, s)
		}
		if c.maySoonPass(s, err) {
			return reconcile.Waiting(kahuv1.ReasonInterrupted,
				"the manager stopped while the run went on; what it wrote will be removed: "+err.Error(), waitTime)
		}
		message += fmt.Sprintf(" (what it wrote could not be removed: %v; deleting this Backup removes it)", err)
	}
	return c.fail(s, failure.Failure{Reason: kahuv1.ReasonInterrupted, Message: message})
}

// maySoonPass tells whether what keeps a run's debris in the store may pass without a person, in the time that a new
// run would wait. After a restart providers are looked for anew, and the ownership of the location is claimed anew.
func (c *Controller) maySoonPass(s *scope, err error) bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	since, seen := c.orphans[s.backup.UID]
	if !seen {
		since = c.Clock.Now()
		c.orphans[s.backup.UID] = since
	}
	if c.Clock.Since(since) >= c.Patience {
		delete(c.orphans, s.backup.UID)
		return false
	}
	var unusable *place.NotUsableError
	return errors.As(err, &unusable) && unusable.Passing ||
		errors.Is(err, core.ErrUnavailable) || errors.Is(err, engine.ErrNotOwner)
}
