package backup

import (
	"context"
	"errors"
	"fmt"

	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	kahuv1 "github.com/soda-cdm/kahu/api/v1beta1"
	"github.com/soda-cdm/kahu/internal/controller/failure"
	"github.com/soda-cdm/kahu/internal/controller/view"
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

// endInterrupted ends a run that another process began and did not finish: it removes what is in the store, and says
// what to do.
func (c *Controller) endInterrupted(ctx context.Context, s *scope) error {
	if s.status().State != kahuv1.StateProcessing || c.isOurs(s) {
		return nil
	}
	message := "the manager stopped while the run went on; create another Backup"
	if err := c.removeDebris(ctx, s); err != nil {
		if errors.Is(err, errFinished) {
			return c.adopt(ctx, s)
		}
		message += fmt.Sprintf(" (what it wrote could not be removed: %v; deleting this Backup removes it)", err)
	}
	return c.fail(s, failure.Failure{Reason: kahuv1.ReasonInterrupted, Message: message})
}
