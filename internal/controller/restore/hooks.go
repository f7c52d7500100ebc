package restore

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"

	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	"sigs.k8s.io/controller-runtime/pkg/client"

	kahuv1 "github.com/soda-cdm/kahu/api/v1beta1"
	"github.com/soda-cdm/kahu/internal/controller/failure"
	"github.com/soda-cdm/kahu/internal/controller/filters"
	"github.com/soda-cdm/kahu/internal/core/hook"
	"github.com/soda-cdm/kahu/internal/engine/quiesce"
	enginerestore "github.com/soda-cdm/kahu/internal/engine/restore"
	"github.com/soda-cdm/kahu/internal/engine/restore/hooks"
	"github.com/soda-cdm/kahu/internal/reconcile"
)

// Hooks runs the hooks of restores.
type Hooks interface {
	// Session returns the hooks of a run.
	Session(request hooks.Request) *hooks.Session
}

// digestOf returns the digest of the hooks of a spec; empty where there are none. The API server cannot keep all of them from
// being changed, as it has no schema of init containers.
func digestOf(spec *kahuv1.RestoreHook) (string, error) {
	if len(spec.Resources) == 0 {
		return "", nil
	}
	content, err := json.Marshal(spec)
	if err != nil {
		return "", fmt.Errorf("spec.hook: %w", err)
	}
	sum := sha256.Sum256(content)
	return hex.EncodeToString(sum[:]), nil
}

// recordHooks puts on record which hooks the run is accepted with.
func recordHooks(restore *kahuv1.Restore) error {
	if _, err := filters.OfRestoreHook(&restore.Spec.Hook); err != nil {
		return err
	}
	digest, err := digestOf(&restore.Spec.Hook)
	if digest != "" {
		restore.Status.Hooks = &kahuv1.RestoreHooks{Digest: digest}
	}
	return err
}

// judgeHooks returns why a run cannot go on with its hooks; nil where it can.
func judgeHooks(restore *kahuv1.Restore) *failure.Failure {
	digest, _ := digestOf(&restore.Spec.Hook)
	status := restore.Status.Hooks
	if status == nil {
		status = &kahuv1.RestoreHooks{}
	}
	switch {
	case digest != status.Digest:
		return &failure.Failure{Reason: kahuv1.ReasonHookChanged, Message: "spec.hook is another one than when the run was accepted: create another Restore"}
	case status.Attempt == "" || status.PreTimestamp != nil || status.Attempt == restore.Status.Attempt:
		return nil
	}
	condition := meta.FindStatusCondition(restore.Status.Conditions, kahuv1.ConditionHooksCompleted)
	if status.CompletionTimestamp != nil && condition != nil {
		return &failure.Failure{Reason: condition.Reason, Message: condition.Message}
	}
	return &failure.Failure{
		Reason:  kahuv1.ReasonHookInterrupted,
		Message: "the manager stopped while hooks ran that come before the restore, and nobody knows which have run. Nothing else was done; create another Restore",
	}
}

// hooks returns the hooks of a run.
func (c *Controller) hooks(restore *kahuv1.Restore) (enginerestore.Hooks, error) { //nolint:ireturn // None is an answer.
	if c.Hooks == nil {
		return nil, nil //nolint:nilnil // That there are none is an answer.
	}
	sets, err := filters.OfRestoreHook(&restore.Spec.Hook)
	if err != nil {
		return nil, err
	}
	return c.Hooks.Session(hooks.Request{
		Name: restore.Name, Sets: sets, Begun: restore.Status.Hooks != nil && restore.Status.Hooks.Attempt != "",
		Record: &hookRecord{Controller: c, key: client.ObjectKeyFromObject(restore), uid: restore.UID, attempt: restore.Status.Attempt},
	}), nil
}

// hookRecord is what is on record of the hooks of one attempt: status.hooks of its Restore.
type hookRecord struct {
	*Controller

	key     client.ObjectKey
	uid     types.UID
	attempt string
}

// Begin writes down that hooks begin, if the run is this attempt's and none has begun.
func (h *hookRecord) Begin(ctx context.Context, begun quiesce.Begun) error {
	return h.change(ctx, func(restore *kahuv1.Restore) (bool, error) {
		status := &restore.Status
		if status.State != kahuv1.StateProcessing || !restore.DeletionTimestamp.IsZero() || restore.Spec.Cancel || status.Hooks == nil {
			return false, failure.ErrNotWanted
		}
		if status.Hooks.Attempt != "" {
			if status.Hooks.Attempt == h.attempt && status.Hooks.PreTimestamp == nil && status.Hooks.CompletionTimestamp == nil {
				return false, nil // The answer to the first try was lost.
			}
			return false, failure.ErrNotWanted
		}
		status.Hooks.Attempt, status.Hooks.StartTimestamp = h.attempt, &metav1.Time{Time: begun.Began}
		status.Hooks.Pods = int64(len(begun.Pods))
		status.Hooks.Containers = pending(begun.Pods)
		meta.SetStatusCondition(&status.Conditions, metav1.Condition{
			Type: kahuv1.ConditionHooksCompleted, Status: metav1.ConditionUnknown, Reason: kahuv1.ReasonProcessing,
			Message: "Hooks are being run.", ObservedGeneration: restore.Generation,
		})
		return true, nil
	})
}

// pending are the rows of pods of which nothing is known yet.
func pending(plans []hook.Plan) []kahuv1.HookContainer {
	var rows []kahuv1.HookContainer
	for _, plan := range plans[:min(len(plans), failure.MaxRows)] {
		rows = append(rows, kahuv1.HookContainer{
			Namespace: plan.Pod.Namespace, Pod: plan.Pod.Name, PodUID: string(plan.Pod.UID), Container: plan.Pre[0].Container,
		})
	}
	return rows
}

// Before writes down what came of the hooks before. Where one has failed, nothing else comes.
func (h *hookRecord) Before(ctx context.Context, outcome quiesce.Outcome) error {
	return h.change(ctx, func(restore *kahuv1.Restore) (bool, error) {
		found := restore.Status.Hooks
		if found == nil || found.Attempt != h.attempt || found.PreTimestamp != nil || found.CompletionTimestamp != nil {
			return false, nil
		}
		found.Containers = nil
		add(found, outcome)
		if outcome.Reason == "" {
			found.PreTimestamp = &metav1.Time{Time: outcome.Ended}
			return true, nil
		}
		complete(restore, outcome)
		return true, nil
	})
}

// After writes down what came of the hooks after.
func (h *hookRecord) After(ctx context.Context, outcome quiesce.Outcome) error {
	err := h.change(ctx, func(restore *kahuv1.Restore) (bool, error) {
		if restore.Status.Attempt != h.attempt {
			return false, failure.ErrNotWanted
		}
		if restore.Status.Hooks == nil {
			restore.Status.Hooks = &kahuv1.RestoreHooks{} // Annotations of pods have asked for them.
		}
		restore.Status.Hooks.Pods += int64(outcome.Pods)
		add(restore.Status.Hooks, outcome)
		complete(restore, outcome)
		return true, nil
	})
	return client.IgnoreNotFound(err)
}

// add adds what came of hooks to the status.
func add(to *kahuv1.RestoreHooks, outcome quiesce.Outcome) {
	to.Commands += int64(outcome.Commands)
	to.FailedCommands += int64(outcome.Failed)
	for _, row := range outcome.Rows[:min(len(outcome.Rows), max(0, failure.MaxRows-len(to.Containers)))] {
		to.Containers = append(to.Containers, kahuv1.HookContainer{
			Namespace: row.Namespace, Pod: row.Pod, PodUID: string(row.UID), Container: row.Container, Pre: row.Pre, Post: row.Post,
			Message: reconcile.Bounded(row.Message, failure.MaxRowText),
		})
	}
}

// complete says in the status that no hook comes any more.
func complete(restore *kahuv1.Restore, outcome quiesce.Outcome) {
	found := restore.Status.Hooks
	found.CompletionTimestamp = &metav1.Time{Time: outcome.Ended}
	condition := metav1.Condition{
		Type: kahuv1.ConditionHooksCompleted, Status: metav1.ConditionTrue, Reason: kahuv1.ReasonCompleted,
		Message: "Every hook has run.", ObservedGeneration: restore.Generation,
	}
	switch {
	case outcome.Reason != "":
		condition.Status, condition.Reason, condition.Message = metav1.ConditionFalse, outcome.Reason, reconcile.Bounded(outcome.Message, failure.MaxText)
	case found.FailedCommands > 0:
		condition.Reason, condition.Message = kahuv1.ReasonHasWarnings, "Every hook has run, and some have failed that are told to continue; status.hooks has them."
	}
	meta.SetStatusCondition(&restore.Status.Conditions, condition)
}

// endHooks says in the status of a run that has failed that its hooks are not run any more, where they had begun and not ended.
func endHooks(restore *kahuv1.Restore, reason string) {
	status := &restore.Status
	condition := meta.FindStatusCondition(status.Conditions, kahuv1.ConditionHooksCompleted)
	if status.Hooks == nil || condition == nil || condition.Status != metav1.ConditionUnknown {
		return
	}
	complete(restore, quiesce.Outcome{
		Reason: reason, Message: "The run ended before all hooks had run: " + status.FailureReason, Ended: status.CompletionTimestamp.Time,
	})
}

// errForgetful: the API server drops what is on record of hooks.
var errForgetful = errors.New("the definition of Restore in this cluster does not know status.hooks: install those of this version")

// change changes the status of the run, as long as it is this attempt's.
func (h *hookRecord) change(ctx context.Context, change func(restore *kahuv1.Restore) (bool, error)) error {
	empty := &kahuv1.Restore{ObjectMeta: metav1.ObjectMeta{Name: h.key.Name}}
	after, changed, err := reconcile.ChangeStatus(ctx, h.Direct, h.Client, empty, func(restore *kahuv1.Restore) (bool, error) {
		if restore.UID != h.uid || restore.Status.Attempt != h.attempt {
			return false, failure.ErrNotWanted
		}
		return change(restore)
	})
	if err == nil && changed && after.Status.Hooks == nil {
		return errForgetful // What is not kept is no record.
	}
	return err
}
