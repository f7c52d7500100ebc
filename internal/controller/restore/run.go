package restore

import (
	"cmp"
	"context"
	"errors"
	"fmt"

	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	kahuv1 "github.com/soda-cdm/kahu/api/v1beta1"
	"github.com/soda-cdm/kahu/internal/controller/failure"
	"github.com/soda-cdm/kahu/internal/controller/filters"
	"github.com/soda-cdm/kahu/internal/controller/place"
	"github.com/soda-cdm/kahu/internal/controller/view"
	"github.com/soda-cdm/kahu/internal/core"
	"github.com/soda-cdm/kahu/internal/core/archive"
	"github.com/soda-cdm/kahu/internal/core/restoreplan"
	"github.com/soda-cdm/kahu/internal/core/seal"
	"github.com/soda-cdm/kahu/internal/core/transform"
	"github.com/soda-cdm/kahu/internal/engine"
	enginerestore "github.com/soda-cdm/kahu/internal/engine/restore"
	"github.com/soda-cdm/kahu/internal/reconcile"
)

// run begins the work, or shows how far it is.
func (c *Controller) run(ctx context.Context, s *scope) error {
	snapshot, there := c.Tasks.Look(s.restore.UID)
	if there && snapshot.Ended {
		return nil
	}
	if !there {
		begun, err := c.begin(ctx, s)
		if err != nil {
			return err
		}
		if !begun {
			return reconcile.Waiting(kahuv1.ReasonPending, "The manager is ending; another one goes on.", waitTime)
		}
	}
	return showProgress(s.status(), &snapshot.Progress)
}

// showProgress writes how far a run is, and what is known already of what has failed.
func showProgress(status *kahuv1.RestoreStatus, now *engine.Progress) error {
	status.Progress = kahuv1.RestoreProgress{TotalItems: now.Total, ItemsRestored: now.Done}
	status.Failed, status.Counts.Failed = failure.Problems(now.Failed), now.FailedTotal
	but := ""
	if now.FailedTotal > 0 {
		but = fmt.Sprintf(" What has failed until now is in status.failed: %s.", core.Count(now.FailedTotal, "object"))
	}
	switch {
	case now.After:
		status.Stage, status.Volumes = kahuv1.StagePostHook, volumesOf(now.Restored)
		return reconcile.Waiting(kahuv1.ReasonProcessing, "The hooks after the restore wait for containers, or run."+but, 0)
	case now.Volumes == nil && len(now.Going) == 0:
		return reconcile.Waiting(kahuv1.ReasonProcessing, "Objects are being created."+but, 0)
	}
	status.Volumes = movingVolumes(now)
	if now.Done < now.Total {
		return reconcile.Waiting(kahuv1.ReasonProcessing, "Objects are being created."+but, 0)
	}
	status.Stage = kahuv1.StageVolumes
	return reconcile.Waiting(kahuv1.ReasonProcessing, "The data of volumes is being restored."+but, 0)
}

// begin starts the task of the run.
func (c *Controller) begin(ctx context.Context, s *scope) (bool, error) {
	if err := c.findBackup(ctx, s); err != nil {
		return false, c.refuseOrWait(s, err)
	}
	if err := c.enter(s); err != nil {
		return false, err
	}
	wish, err := filters.OfRestore(&s.restore.Spec)
	if err != nil {
		return false, err
	}
	transforms, err := transformsOf(s.restore)
	if err != nil {
		return false, err
	}
	if why := judgeHooks(s.restore); why != nil {
		return false, c.fail(s, *why)
	}
	hooked, err := c.hooks(s.restore)
	if err != nil {
		return false, err
	}
	restore := s.restore.DeepCopy()
	trust := place.Trust(s.location)
	trust.Required = trust.Required && !restore.Spec.AllowUnknownSigner
	request := enginerestore.Request{
		Transforms: transforms,
		ID:         archive.RestoreID{ClusterID: c.ClusterID, Name: restore.Name, UID: string(restore.UID)},
		Attempt:    restore.Status.Attempt,
		Began:      restore.CreationTimestamp.Time, Resumed: restore.Status.Interruptions > 0,
		Confirm: func(ctx context.Context) error { return c.confirm(ctx, restore) },
		Hooks:   hooked,
		Backup:  s.id, Filters: wish, AllowIncomplete: s.restore.Spec.AllowIncomplete,
		Keys: c.Finder.Keys(s.location, s.files), Trust: trust, Epoch: reportEpoch(s.location),
		ReadOnly: s.location.Spec.AccessMode == kahuv1.AccessReadOnly,
		DryRun:   s.restore.Spec.DryRun,
		Existing: restoreplan.Policy(s.restore.Spec.ExistingResourcePolicy),
		Status:   filters.OfStatus(&s.restore.Spec), RunFinished: s.restore.Spec.FinishedJobs == kahuv1.FinishedJobsRunAgain,
		Prefix: s.restore.Spec.ResourcePrefix,
		Transform: transform.Options{
			NamespaceMapping:   s.restore.Spec.NamespaceMapping,
			PreserveNodePorts:  s.restore.Spec.PreserveNodePort,
			PreserveClusterIPs: s.restore.Spec.PreserveClusterIPAddr,
		},
	}
	if c.Volumes != nil {
		request.Volumes = c.Volumes // An absent one stays absent.
	}
	files, known, backup := s.files, s.location.Status.LocationID, c.knownBackup(ctx, s.id)
	return c.Tasks.Begin(s.restore.DeepCopy(), func(ctx context.Context, show func(engine.Progress)) (enginerestore.Result, error) {
		request.Show = show
		found, err := c.Runner.Run(ctx, request, files)
		if errors.Is(err, core.ErrNotFound) {
			// Where the place is away, no backup is to blame.
			err = cmp.Or(place.Lost(ctx, files, known), err)
		}
		err = c.blameDeletion(ctx, backup, &found, err)
		return found, err
	}), nil
}

// reportEpoch returns what the report of a restore is encrypted to: it names objects, as the backup does.
func reportEpoch(location *kahuv1.BackupLocation) seal.Epoch {
	if location.Spec.Encryption == nil {
		return seal.Epoch{}
	}
	return place.KeyState(location).Epoch
}

// idOf returns the name that a backup has in its store.
func (c *Controller) idOf(backup *kahuv1.Backup) archive.BackupID {
	if origin := backup.Spec.Origin; origin != nil {
		return archive.BackupID{ClusterID: origin.ClusterID, Name: origin.Name, UID: origin.UID}
	}
	return archive.BackupID{ClusterID: c.ClusterID, Name: backup.Name, UID: string(backup.UID)}
}

// conclude writes what became of the run.
func (c *Controller) conclude(ctx context.Context, s *scope) error {
	snapshot, there := c.Tasks.Look(s.restore.UID)
	if !there || !snapshot.Ended {
		return nil
	}
	if err := c.hold(ctx, s, snapshot.Result.Volumes); err != nil {
		return err
	}
	if err := c.takeBackOrders(ctx, s, snapshot.Err); err != nil {
		return err
	}
	return c.judge(s, snapshot)
}

// judge writes what a run has come to.
func (c *Controller) judge(s *scope, snapshot reconcile.Snapshot[engine.Progress, enginerestore.Result]) error {
	found, status := snapshot.Result, s.status()
	show(status, found)
	if toldToEnd(snapshot.Err) {
		return c.ended(s, found)
	}
	if snapshot.Err != nil {
		why := failure.OfReading(snapshot.Err)
		if deleted, is := errors.AsType[*deletedError](snapshot.Err); is {
			why = failure.Failure{Reason: kahuv1.ReasonBackupNotFound, Message: deleted.Error()}
		}
		if done := found.Counts.Created + found.Counts.Updated; done == 0 {
			why.Message += " (nothing was created)"
		} else {
			why.Message += fmt.Sprintf(" (%s had been written; another Restore skips what is there)", core.Count(done, "object"))
		}
		return c.fail(s, why)
	}
	status.Progress = kahuv1.RestoreProgress{TotalItems: found.Counts.Total, ItemsRestored: found.Counts.Total}
	if found.FailedTotal > 0 {
		return c.fail(s, failure.Failure{
			Reason: kahuv1.ReasonPartiallyFailed,
			Message: "Some objects are not in the cluster: see status.failed. Mend the cause and create another Restore: " +
				"it skips what is there already.",
		})
	}
	status.Stage, status.State = kahuv1.StageFinished, kahuv1.StateCompleted
	status.CompletionTimestamp = &metav1.Time{Time: c.Clock.Now()}
	complete := metav1.ConditionTrue
	reason, message := view.Completeness(found.Counts.Total, found.WarningsTotal)
	if s.restore.Spec.DryRun {
		status.Progress.ItemsRestored = 0 // None was.
	}
	if s.restore.Spec.DryRun && reason != kahuv1.ReasonNothingSelected {
		complete, message = previewed(found.Preview)
		reason = kahuv1.ReasonPreviewed
	}
	meta.SetStatusCondition(&status.Conditions, metav1.Condition{
		Type: kahuv1.ConditionComplete, Status: complete, Reason: reason,
		Message: message, ObservedGeneration: s.restore.Generation,
	})
	reconcile.SetReady(&status.Conditions, reason, message, s.restore.Generation)
	return reconcile.ErrDone
}

// show writes what was done.
func show(status *kahuv1.RestoreStatus, found enginerestore.Result) {
	status.Counts = kahuv1.RestoreCounts{
		Created: found.Counts.Created, Updated: found.Counts.Updated, SkippedExisting: found.Counts.Existing,
		SkippedControlled: found.Counts.Controlled, SkippedFinished: found.Counts.Finished, SkippedExcluded: found.Counts.Excluded,
		Failed: found.FailedTotal, Warnings: found.WarningsTotal,
	}
	status.ReportPath, status.Timings = found.Report, failure.Timings(found.Timings)
	status.Kinds = nil
	for _, kind := range found.Kinds[:min(len(found.Kinds), failure.MaxRows)] {
		status.Kinds = append(status.Kinds, kahuv1.RestoreKind{
			APIVersion: kind.APIVersion, Kind: kind.Kind, Created: kind.Created, Updated: kind.Updated,
			Skipped: kind.Existing + kind.Controlled + kind.Finished, Failed: kind.Failed,
		})
	}
	status.Preview, status.Volumes = previewOf(found.Preview), volumesOf(found.Volumes)
	status.Warnings = failure.Texts(found.Warnings)
	status.Failed = failure.Problems(found.Failed)
}

// fail ends the run.
func (c *Controller) fail(s *scope, why failure.Failure) error {
	status := s.status()
	status.Stage, status.State = kahuv1.StageFinished, kahuv1.StateFailed
	status.CompletionTimestamp, status.QueuePosition = &metav1.Time{Time: c.Clock.Now()}, 0
	status.FailureReason = reconcile.Bounded(why.Message, failure.MaxText)
	endHooks(s.restore, why.Reason)
	status.ValidationErrors = failure.Texts(why.Problems)
	if len(why.Problems) > 0 {
		meta.SetStatusCondition(&status.Conditions, metav1.Condition{
			Type: kahuv1.ConditionAccepted, Status: metav1.ConditionFalse, Reason: why.Reason,
			Message: status.FailureReason, ObservedGeneration: s.restore.Generation,
		})
	}
	meta.SetStatusCondition(&status.Conditions, metav1.Condition{
		Type: kahuv1.ConditionComplete, Status: metav1.ConditionFalse, Reason: why.Reason,
		Message: status.FailureReason, ObservedGeneration: s.restore.Generation,
	})
	return reconcile.Stalled(why.Reason, status.FailureReason)
}
