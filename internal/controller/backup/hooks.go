package backup

import (
	"cmp"
	"context"
	"errors"
	"time"

	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	kahuv1 "github.com/soda-cdm/kahu/api/v1beta1"
	"github.com/soda-cdm/kahu/internal/controller/failure"
	"github.com/soda-cdm/kahu/internal/controller/filters"
	"github.com/soda-cdm/kahu/internal/core/volumework"
	enginebackup "github.com/soda-cdm/kahu/internal/engine/backup"
	"github.com/soda-cdm/kahu/internal/engine/quiesce"
	"github.com/soda-cdm/kahu/internal/reconcile"
)

// Hooks runs the hooks of backups.
type Hooks interface {
	// Session returns the hooks of a run.
	Session(request quiesce.Request) *quiesce.Session
	// Resume runs the post hooks that a run owes whose process died.
	Resume(ctx context.Context, request quiesce.Request, owed quiesce.Owed) (quiesce.Outcome, error)
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
		Name: s.backup.Name, Filters: wish, Sets: sets, Limit: cmp.Or(s.backup.Spec.Hook.QuiesceTimeout.Duration, defaultQuiesceTimeout),
		Record: &hookRecord{Controller: c, key: client.ObjectKeyFromObject(s.backup), uid: s.backup.UID, attempt: s.status().Attempt},
	}, nil
}

// resumeHooks runs the post hooks that a process owes which died, before anything else is done about the run; and fails the
// run where nobody knows of which moment its volumes are, or where a hook has failed.
func (c *Controller) resumeHooks(ctx context.Context, s *scope) error {
	hooks := s.status().Hooks
	if hooks == nil || s.status().Stage == kahuv1.StageFinished || s.backup.Spec.Origin != nil || !c.mayRunOwed(s) {
		return nil
	}
	if hooks.CompletionTimestamp == nil {
		return c.runOwed(ctx, s)
	}
	if isOver(s) || hooks.Attempt == s.status().Attempt {
		return nil
	}
	return c.judgeHooks(s)
}

// judgeHooks fails a run that another attempt has interrupted with its hooks, unless they are no reason to.
func (c *Controller) judgeHooks(s *scope) error {
	said := meta.FindStatusCondition(s.status().Conditions, kahuv1.ConditionHooksCompleted)
	switch {
	case said != nil && said.Status == metav1.ConditionFalse && said.Reason != kahuv1.ReasonHookInterrupted:
		return c.putAway(s, failure.Failure{Reason: said.Reason, Message: said.Message})
	case !isHeld(s.status().Hooks):
		return c.putAway(s, interrupted())
	}
	return nil
}

// isHeld tells whether it is known which volumes were cut while applications held still.
func isHeld(hooks *kahuv1.BackupHooks) bool {
	return hooks.CutCompletionTimestamp != nil && hooks.Uncut == int64(len(hooks.UncutVolumes))
}

// heldBefore returns what an earlier attempt has cut while applications held still; nil where none has.
func heldBefore(status *kahuv1.BackupStatus) *enginebackup.Held {
	hooks := status.Hooks
	if hooks == nil || !isHeld(hooks) || hooks.CutStartTimestamp == nil {
		return nil
	}
	held := &enginebackup.Held{Attempt: hooks.Attempt, From: hooks.CutStartTimestamp.Time, To: hooks.CutCompletionTimestamp.Time}
	for _, row := range hooks.UncutVolumes {
		held.Uncut = append(held.Uncut, volumework.Uncut{Namespace: row.Namespace, Name: row.Name, Message: row.Message})
	}
	return held
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
	return failure.Failure{Reason: kahuv1.ReasonHookInterrupted, Message: "the manager stopped after hooks had begun and before it was written down which " +
		"volumes were cut, so that they are of no one moment. The hooks after have run; create another Backup"}
}

// runOwed runs the post hooks that are owed, as a task, and writes down what came of them.
func (c *Controller) runOwed(ctx context.Context, s *scope) error {
	request, err := c.quiesceRequest(s)
	if err != nil {
		return err
	}
	snapshot, there := c.HookTasks.Look(s.backup.UID)
	switch {
	case !there:
		return c.beginOwed(ctx, s, request)
	case !snapshot.Ended:
		return reconcile.Waiting(kahuv1.ReasonProcessing, owedText, waitTime)
	}
	c.HookTasks.Forget(s.backup.UID)
	if snapshot.Err != nil {
		return snapshot.Err
	}
	outcome := snapshot.Result
	if !isHeld(s.status().Hooks) {
		outcome.Reason = cmp.Or(outcome.Reason, kahuv1.ReasonHookInterrupted)
		outcome.Message = cmp.Or(outcome.Message, "The manager stopped while hooks ran. Those after have been run.")
	}
	record, is := request.Record.(*hookRecord)
	if !is {
		return errors.New("the record of hooks is another one")
	}
	record.fill(s.backup, outcome)
	return nil
}

const owedText = "The manager stopped while hooks ran; those after are run now."

// beginOwed begins to run the post hooks that are owed.
func (c *Controller) beginOwed(ctx context.Context, s *scope, request quiesce.Request) error {
	now := &kahuv1.Backup{}
	if err := c.Direct.Get(ctx, client.ObjectKeyFromObject(s.backup), now); err != nil {
		return err
	}
	hooks := now.Status.Hooks
	if hooks == nil || hooks.CompletionTimestamp != nil {
		return quietly(s, waitTime) // What this pass sees is old.
	}
	owed := quiesce.Owed{Promises: promises(hooks.Owed), Pods: int(hooks.Pods)}
	reach(s.status(), kahuv1.StagePostHook)
	c.HookTasks.Begin(s.backup.DeepCopy(), func(ctx context.Context, _ func(struct{})) (quiesce.Outcome, error) {
		return c.Hooks.Resume(ctx, request, owed)
	})
	return reconcile.Waiting(kahuv1.ReasonProcessing, owedText, waitTime)
}
