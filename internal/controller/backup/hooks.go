package backup

import (
	"cmp"
	"context"
	"errors"
	"slices"
	"time"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	"sigs.k8s.io/controller-runtime/pkg/client"

	kahuv1 "github.com/soda-cdm/kahu/api/v1beta1"
	"github.com/soda-cdm/kahu/internal/controller/failure"
	"github.com/soda-cdm/kahu/internal/controller/filters"
	"github.com/soda-cdm/kahu/internal/core/hook"
	enginebackup "github.com/soda-cdm/kahu/internal/engine/backup"
	"github.com/soda-cdm/kahu/internal/engine/quiesce"
	"github.com/soda-cdm/kahu/internal/reconcile"
)

// Hooks runs the hooks of backups.
type Hooks interface {
	// Session returns the hooks of a run.
	Session(request quiesce.Request) *quiesce.Session
	// Resume runs the post hooks that a run owes whose process died.
	Resume(ctx context.Context, request quiesce.Request, recorded []quiesce.Pod, whole bool) (quiesce.Outcome, error)
}

// HookTasks are the post hooks that are run for processes that died.
type HookTasks = reconcile.Tasks[struct{}, quiesce.Outcome]

// defaultQuiesceTimeout is for how long an application is kept from writing at most, unless the spec says it.
const defaultQuiesceTimeout = 5 * time.Minute

// hooks returns the hooks of a run; none where an earlier attempt is through with them.
func (c *Controller) hooks(s *scope) (enginebackup.Hooks, error) { //nolint:ireturn // None is an answer.
	if c.Hooks == nil || s.status().Hooks != nil {
		return nil, nil //nolint:nilnil // That there are none is an answer.
	}
	request, err := c.quiesceRequest(s)
	if err != nil {
		return nil, err
	}
	return c.Hooks.Session(request), nil
}

func (c *Controller) quiesceRequest(s *scope) (quiesce.Request, error) {
	wish, err := filters.OfBackup(&s.backup.Spec)
	if err != nil {
		return quiesce.Request{}, err
	}
	sets, err := filters.OfBackupHook(&s.backup.Spec.Hook)
	if err != nil {
		return quiesce.Request{}, err
	}
	return quiesce.Request{
		Filters: wish, Sets: sets, Limit: cmp.Or(s.backup.Spec.Hook.QuiesceTimeout.Duration, defaultQuiesceTimeout),
		Record: &hookRecord{Controller: c, key: client.ObjectKeyFromObject(s.backup), uid: s.backup.UID, attempt: s.status().Attempt},
	}, nil
}

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
		status.Hooks = &kahuv1.BackupHooks{
			Attempt: h.attempt, StartTimestamp: &metav1.Time{Time: begun.Began}, Deadline: &metav1.Time{Time: begun.Deadline},
			Pods: int64(len(begun.Pods)), Containers: pending(begun.Pods),
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

// End writes down that nothing is owed any more. It is true whoever has the run by then.
func (h *hookRecord) End(ctx context.Context, outcome quiesce.Outcome) error {
	err := h.change(ctx, func(backup *kahuv1.Backup) (bool, error) {
		hooks := backup.Status.Hooks
		if hooks == nil || hooks.CompletionTimestamp != nil {
			return false, nil
		}
		h.fill(backup, outcome)
		return true, nil
	})
	return client.IgnoreNotFound(err)
}

// fill writes what came of hooks into the status.
func (h *hookRecord) fill(backup *kahuv1.Backup, outcome quiesce.Outcome) {
	hooks := backup.Status.Hooks
	hooks.CompletionTimestamp, hooks.VolumesCut = &metav1.Time{Time: outcome.Ended}, outcome.Cut
	hooks.QuiescedMilliseconds = max(0, outcome.Quiesced.Milliseconds())
	if hooks.Attempt != h.attempt && hooks.StartTimestamp != nil {
		hooks.QuiescedMilliseconds = max(0, outcome.Ended.Sub(hooks.StartTimestamp.Time).Milliseconds())
	}
	hooks.Commands += int64(outcome.Commands)
	hooks.FailedCommands += int64(outcome.Failed)
	if hooks.Pods == 0 {
		hooks.Pods = int64(outcome.Pods)
	}
	hooks.Containers = nil
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

// change changes the status of the very version that it read, and tries again where somebody else was quicker.
func (h *hookRecord) change(ctx context.Context, change func(backup *kahuv1.Backup) (bool, error)) error {
	var err error
	for range giveUpTries {
		backup := &kahuv1.Backup{}
		if err := h.Direct.Get(ctx, h.key, backup); err != nil {
			return err
		}
		if backup.UID != h.uid {
			return failure.ErrNotWanted
		}
		after := backup.DeepCopy()
		changed, refused := change(after)
		if refused != nil || !changed {
			return refused
		}
		err = h.Client.Status().Patch(ctx, after, client.MergeFromWithOptions(backup, client.MergeFromWithOptimisticLock{}))
		if err == nil && after.Status.Hooks == nil {
			return errForgetful // What is not kept is no record.
		}
		if !apierrors.IsConflict(err) {
			return err
		}
	}
	return err
}

// resumeHooks runs the post hooks that a process owes which died, before anything else is done about the run; and fails the
// run, as nobody knows of which moment its volumes are.
func (c *Controller) resumeHooks(ctx context.Context, s *scope) error {
	hooks := s.status().Hooks
	if hooks == nil || s.status().Stage == kahuv1.StageFinished || s.backup.Spec.Origin != nil || !c.mayRunOwed(s) {
		return nil
	}
	if hooks.CompletionTimestamp == nil {
		return c.runOwed(ctx, s)
	}
	if !isOver(s) && !hooks.VolumesCut && hooks.Attempt != s.status().Attempt {
		return c.putAway(s, interrupted())
	}
	return nil
}

// isOver tells whether no attempt goes on with the run any more.
func isOver(s *scope) bool {
	return s.status().State == kahuv1.StateDeleting || !s.backup.DeletionTimestamp.IsZero()
}

// mayRunOwed tells whether nobody runs the hooks of the run: of one that goes on, it is taken over first, as another manager may
// be in the middle of them; and a task of this process runs them itself before it ends.
func (c *Controller) mayRunOwed(s *scope) bool {
	over := isOver(s)
	if !over && !c.isOurs(s) {
		return false
	}
	snapshot, there := c.Tasks.Look(s.backup.UID)
	return !there || snapshot.Ended && over
}

// interrupted is why a run fails that was interrupted while hooks ran.
func interrupted() failure.Failure {
	return failure.Failure{Reason: kahuv1.ReasonHookInterrupted, Message: "the manager stopped after hooks had begun and before the volumes were cut, so that " +
		"they are of no one moment. The hooks after have run; create another Backup"}
}

// runOwed runs the post hooks that are owed, as a task, and writes down what came of them.
func (c *Controller) runOwed(ctx context.Context, s *scope) error {
	request, err := c.quiesceRequest(s)
	if err != nil {
		return err
	}
	snapshot, there := c.HookTasks.Look(s.backup.UID)
	if !there {
		now := &kahuv1.Backup{}
		if err := c.Direct.Get(ctx, client.ObjectKeyFromObject(s.backup), now); err != nil {
			return err
		}
		hooks := now.Status.Hooks
		if hooks == nil || hooks.CompletionTimestamp != nil {
			return quietly(s, waitTime) // What this pass sees is old.
		}
		var recorded []quiesce.Pod
		for _, row := range hooks.Containers {
			recorded = append(recorded, quiesce.Pod{Namespace: row.Namespace, Name: row.Pod, UID: types.UID(row.PodUID)})
		}
		whole := hooks.Pods <= int64(len(hooks.Containers))
		c.HookTasks.Begin(s.backup.DeepCopy(), func(ctx context.Context, _ func(struct{})) (quiesce.Outcome, error) {
			return c.Hooks.Resume(ctx, request, recorded, whole)
		})
		return reconcile.Waiting(kahuv1.ReasonProcessing, "The manager stopped while hooks ran; those after are run now.", waitTime)
	}
	if !snapshot.Ended {
		return reconcile.Waiting(kahuv1.ReasonProcessing, "The manager stopped while hooks ran; those after are run now.", waitTime)
	}
	c.HookTasks.Forget(s.backup.UID)
	if snapshot.Err != nil {
		return snapshot.Err
	}
	outcome := snapshot.Result
	outcome.Reason = cmp.Or(outcome.Reason, kahuv1.ReasonHookInterrupted)
	outcome.Message = cmp.Or(outcome.Message, "The manager stopped while hooks ran. Those after have been run.")
	record, is := request.Record.(*hookRecord)
	if !is {
		return errors.New("the record of hooks is another one")
	}
	record.fill(s.backup, outcome)
	return nil
}
