package backup

import (
	"context"
	"errors"
	"slices"

	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	"sigs.k8s.io/controller-runtime/pkg/client"

	kahuv1 "github.com/soda-cdm/kahu/api/v1beta1"
	"github.com/soda-cdm/kahu/internal/controller/failure"
	"github.com/soda-cdm/kahu/internal/core/hook"
	"github.com/soda-cdm/kahu/internal/engine/quiesce"
	"github.com/soda-cdm/kahu/internal/reconcile"
)

// hookRecord is what is on record of the hooks of one attempt: status.hooks of its Backup.
type hookRecord struct {
	*Controller

	key     client.ObjectKey
	uid     types.UID
	attempt string
}

// Begin writes down that hooks begin, if the run is this attempt's and none has begun. It is written over the very version that
// was read: whoever takes the run over meanwhile wins, or sees it.
func (h *hookRecord) Begin(ctx context.Context, begun quiesce.Begun) error {
	return h.change(ctx, func(backup *kahuv1.Backup) (bool, error) {
		status := &backup.Status
		if status.Attempt != h.attempt || status.State != kahuv1.StateProcessing || !backup.DeletionTimestamp.IsZero() || backup.Spec.Cancel {
			return false, failure.ErrNotWanted
		}
		if status.Hooks != nil {
			if status.Hooks.Attempt == h.attempt && status.Hooks.CompletionTimestamp == nil {
				return false, nil // The answer to the first try was lost.
			}
			return false, failure.ErrNotWanted
		}
		reach(status, kahuv1.StagePreHook)
		status.Hooks = &kahuv1.BackupHooks{
			Attempt: h.attempt, StartTimestamp: &metav1.Time{Time: begun.Began}, Deadline: &metav1.Time{Time: begun.Deadline},
			Pods: int64(len(begun.Pods)), Containers: pending(begun.Pods), Owed: owedOf(begun.Pods),
		}
		meta.SetStatusCondition(&status.Conditions, metav1.Condition{
			Type: kahuv1.ConditionHooksCompleted, Status: metav1.ConditionUnknown, Reason: kahuv1.ReasonProcessing,
			Message: "Hooks are being run; those after the cut are owed until this is True or False.", ObservedGeneration: backup.Generation,
		})
		return true, nil
	})
}

// errForgetful: the API server drops what is on record of hooks.
var errForgetful = errors.New("the definition of Backup in this cluster does not know status.hooks: install those of this version")

// pending are the rows of pods of which nothing is known yet.
func pending(plans []hook.Plan) []kahuv1.HookContainer {
	var rows []kahuv1.HookContainer
	for _, plan := range plans[:min(len(plans), failure.MaxRows)] {
		rows = append(rows, kahuv1.HookContainer{Namespace: plan.Pod.Namespace, Pod: plan.Pod.Name, PodUID: string(plan.Pod.UID), Container: containerOf(plan)})
	}
	return rows
}

// containerOf returns the container of the first command.
func containerOf(plan hook.Plan) string {
	if commands := slices.Concat(plan.Pre, plan.Post); len(commands) > 0 && commands[0].Container != "" {
		return commands[0].Container
	}
	if len(plan.Pod.Containers) > 0 {
		return plan.Pod.Containers[0]
	}
	return ""
}

// Confirm asks the API server itself whether the run is still this attempt's.
func (h *hookRecord) Confirm(ctx context.Context) error {
	backup := &kahuv1.Backup{}
	if err := h.Direct.Get(ctx, h.key, backup); err != nil {
		return err
	}
	hooks := backup.Status.Hooks
	if backup.UID != h.uid || backup.Status.Attempt != h.attempt || hooks == nil || hooks.Attempt != h.attempt || hooks.CompletionTimestamp != nil ||
		backup.Status.State != kahuv1.StateProcessing || !backup.DeletionTimestamp.IsZero() || backup.Spec.Cancel {
		return failure.ErrNotWanted
	}
	return nil
}

// Held writes down what was cut, if the run is this attempt's: whoever takes it over before that fails it.
func (h *hookRecord) Held(ctx context.Context, held quiesce.Held) error {
	return h.change(ctx, func(backup *kahuv1.Backup) (bool, error) {
		hooks := backup.Status.Hooks
		if backup.Status.Attempt != h.attempt || hooks == nil || hooks.Attempt != h.attempt || hooks.CompletionTimestamp != nil {
			return false, failure.ErrNotWanted
		}
		reach(&backup.Status, kahuv1.StagePostHook)
		hooks.CutStartTimestamp, hooks.CutCompletionTimestamp = &metav1.MicroTime{Time: held.From}, &metav1.MicroTime{Time: held.To}
		hooks.VolumesCut, hooks.Uncut, hooks.UncutVolumes = len(held.Uncut) == 0, int64(len(held.Uncut)), nil
		for _, row := range held.Uncut[:min(len(held.Uncut), failure.MaxRows)] {
			hooks.UncutVolumes = append(hooks.UncutVolumes, kahuv1.UncutVolume{
				Namespace: row.Namespace, Name: row.Name, Message: reconcile.Bounded(row.Message, failure.MaxRowText),
			})
		}
		return true, nil
	})
}

// End writes down that nothing is owed any more. It is true whoever has the run by then.
func (h *hookRecord) End(ctx context.Context, outcome quiesce.Outcome) error {
	var before, after *kahuv1.Backup
	err := h.change(ctx, func(backup *kahuv1.Backup) (bool, error) {
		hooks := backup.Status.Hooks
		if hooks == nil || hooks.CompletionTimestamp != nil {
			return false, nil
		}
		before = backup.DeepCopy()
		h.fill(backup, outcome)
		after = backup
		return true, nil
	})
	if err == nil && after != nil && len(outcome.Stranded) > 0 && h.Changed != nil {
		h.Changed(before, after) // No pass sees this change.
	}
	return client.IgnoreNotFound(err)
}

// fill writes what came of hooks into the status.
func (h *hookRecord) fill(backup *kahuv1.Backup, outcome quiesce.Outcome) {
	hooks := backup.Status.Hooks
	hooks.CompletionTimestamp = &metav1.Time{Time: outcome.Ended}
	hooks.QuiescedMilliseconds = max(0, outcome.Quiesced.Milliseconds())
	if hooks.Attempt != h.attempt && hooks.StartTimestamp != nil {
		hooks.QuiescedMilliseconds = max(0, outcome.Ended.Sub(hooks.StartTimestamp.Time).Milliseconds())
	}
	hooks.Commands += int64(outcome.Commands)
	hooks.FailedCommands += int64(outcome.Failed)
	if hooks.Pods == 0 {
		hooks.Pods = int64(outcome.Pods)
	}
	hooks.Containers, hooks.Owed = nil, stillOwed(hooks.Owed, outcome.Stranded)
	for _, row := range outcome.Rows[:min(len(outcome.Rows), failure.MaxRows)] {
		hooks.Containers = append(hooks.Containers, kahuv1.HookContainer{
			Namespace: row.Namespace, Pod: row.Pod, PodUID: string(row.UID), Container: row.Container, Pre: row.Pre, Post: row.Post,
			Message: reconcile.Bounded(row.Message, failure.MaxRowText),
		})
	}
	condition := metav1.Condition{
		Type: kahuv1.ConditionHooksCompleted, Status: metav1.ConditionTrue, Reason: kahuv1.ReasonCompleted,
		Message: "Every hook has run.", ObservedGeneration: backup.Generation,
	}
	switch {
	case outcome.Reason != "":
		condition.Status, condition.Reason, condition.Message = metav1.ConditionFalse, outcome.Reason, reconcile.Bounded(outcome.Message, failure.MaxText)
	case outcome.Failed > 0:
		condition.Reason, condition.Message = kahuv1.ReasonHasWarnings, "Every hook has run, and some have failed that are told to continue; status.hooks has them."
	}
	meta.SetStatusCondition(&backup.Status.Conditions, condition)
}

// change changes the status of the run.
func (h *hookRecord) change(ctx context.Context, change func(backup *kahuv1.Backup) (bool, error)) error {
	empty := &kahuv1.Backup{ObjectMeta: metav1.ObjectMeta{Name: h.key.Name}}
	after, changed, err := reconcile.ChangeStatus(ctx, h.Direct, h.Client, empty, func(backup *kahuv1.Backup) (bool, error) {
		if backup.UID != h.uid {
			return false, failure.ErrNotWanted
		}
		return change(backup)
	})
	if err == nil && changed && after.Status.Hooks == nil {
		return errForgetful // What is not kept is no record.
	}
	return err
}
