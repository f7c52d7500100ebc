package backup

import (
	"context"
	"errors"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	kahuv1 "github.com/soda-cdm/kahu/api/v1beta1"
	"github.com/soda-cdm/kahu/internal/controller/failure"
	"github.com/soda-cdm/kahu/internal/controller/view"
	"github.com/soda-cdm/kahu/internal/engine"
	"github.com/soda-cdm/kahu/internal/engine/backup"
	"github.com/soda-cdm/kahu/internal/reconcile"
)

// conclude writes what became of the run.
func (c *Controller) conclude(_ context.Context, s *scope) error {
	snapshot, there := c.Tasks.Look(s.backup.UID)
	if !there || !snapshot.Ended {
		return nil
	}
	s.status().Timings = failure.Timings(snapshot.Result.Timings)
	if snapshot.Err != nil {
		return c.concludeFailed(s, snapshot)
	}
	manifest := snapshot.Result.Manifest
	view.Fill(s.status(), manifest)
	s.status().Sizes.ManifestBytes = snapshot.Result.ManifestBytes
	taken(s.backup, &snapshot.Result)
	if snapshot.Result.Adopted {
		view.Conclude(s.backup, manifest)
		return reconcile.Repeat(s.status().Conditions)
	}
	warnings := append(ownWarnings(&s.backup.Spec), snapshot.Result.Warnings...)
	if left := snapshot.Result.Unswept; left != "" {
		warnings = append(ownWarnings(&s.backup.Spec), append([]string{
			"what the run does not need any more is still at the location, and goes with this Backup: " + left,
		}, snapshot.Result.Warnings...)...)
	}
	s.status().Counts.Warnings += int64(len(warnings) - len(snapshot.Result.Warnings))
	s.status().Warnings = failure.Texts(warnings)
	s.status().Missing = failure.Problems(snapshot.Result.Missing)
	s.status().Volumes = volumesOf(snapshot.Result.Volumes)
	s.status().Progress = kahuv1.BackupProgress{
		ItemsDone: manifest.Counts.Objects, ItemsTotal: manifest.Counts.Objects,
		BytesDone: manifest.Sizes.Objects, BytesWritten: view.Written(s.status()),
	}
	view.Conclude(s.backup, manifest)
	return reconcile.Repeat(s.status().Conditions)
}

// concludeFailed ends a run whose task failed. Of one that had begun something may be left, also where it could not put its failure
// on record, as the API server was away: that is removed first, and tried again until it is gone. Or its context was ended: by
// whom will decide what becomes of it.
func (c *Controller) concludeFailed(s *scope, outcome reconcile.Snapshot[engine.Progress, backup.Result]) error {
	err := outcome.Err
	if errors.Is(err, context.Canceled) || errors.Is(err, backup.ErrSuperseded) || errors.Is(err, backup.ErrOver) {
		return quietly(s, waitTime)
	}
	if outcome.Result.Begun || len(s.status().EarlierAttempts) > 0 {
		return c.putAway(s, failure.Of(err))
	}
	return c.fail(s, failure.Of(err))
}

// ownWarnings are about the spec, whatever is backed up.
func ownWarnings(spec *kahuv1.BackupSpec) []string {
	if spec.ReclaimPolicy == (kahuv1.ReclaimPolicy{}) {
		return nil
	}
	return []string{"spec.reclaimPolicy has no effect and never had one: use spec.deletionPolicy"}
}

// fail ends the run. Nothing of it is in the store, or its message says why something is.
func (c *Controller) fail(s *scope, why failure.Failure) error {
	status := s.status()
	status.Stage, status.State = kahuv1.StageFinished, kahuv1.StateFailed
	status.CompletionTimestamp, status.QueuePosition = &metav1.Time{Time: c.Clock.Now()}, 0
	record(s.backup, why)
	return reconcile.Stalled(why.Reason, status.FailureReason)
}
