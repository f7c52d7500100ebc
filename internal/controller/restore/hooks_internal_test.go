package restore

import (
	"errors"
	"testing"
	"time"

	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	clocktesting "k8s.io/utils/clock/testing"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/client/fake"

	kahuv1 "github.com/soda-cdm/kahu/api/v1beta1"
	"github.com/soda-cdm/kahu/internal/controller/failure"
	"github.com/soda-cdm/kahu/internal/core/hook"
	"github.com/soda-cdm/kahu/internal/engine/quiesce"
)

// withHooks is a Restore that was accepted with a hook, in its first attempt.
func withHooks(t *testing.T) *kahuv1.Restore {
	t.Helper()
	made := &kahuv1.Restore{ObjectMeta: metav1.ObjectMeta{Name: "back", UID: "an-uid"}}
	made.Spec.Hook.Resources = []kahuv1.RestoreResourceHook{{Name: "own", Post: []kahuv1.RestoreHookStep{
		{Init: &kahuv1.InitHook{InitContainers: kahuv1.JSONValue{Raw: []byte(`[{"name":"own","image":"tools"}]`)}}},
	}}}
	made.Status.State, made.Status.Attempt = kahuv1.StateProcessing, "first"
	if err := recordHooks(made); err != nil {
		t.Fatal(err)
	}
	return made
}

// TestJudgeHooks: which runs go on with their hooks, and why the others do not.
func TestJudgeHooks(t *testing.T) {
	t.Parallel()
	now := metav1.Now()
	for name, test := range map[string]struct {
		change func(restore *kahuv1.Restore)
		want   string
	}{
		"as it was accepted": {func(*kahuv1.Restore) {}, ""},
		"an init container is another one": {func(restore *kahuv1.Restore) {
			restore.Spec.Hook.Resources[0].Post[0].Init.InitContainers.Raw = []byte(`[{"name":"own","image":"others"}]`)
		}, kahuv1.ReasonHookChanged},
		"none any more": {func(restore *kahuv1.Restore) { restore.Spec.Hook.Resources = nil }, kahuv1.ReasonHookChanged},
		"never any": {func(restore *kahuv1.Restore) {
			restore.Spec.Hook.Resources, restore.Status.Hooks = nil, nil
		}, ""},
		"some where there were none": {func(restore *kahuv1.Restore) { restore.Status.Hooks = nil }, kahuv1.ReasonHookChanged},
		"begun by this attempt":      {func(restore *kahuv1.Restore) { restore.Status.Hooks.Attempt = "first" }, ""},
		"begun by an attempt that is gone": {func(restore *kahuv1.Restore) {
			restore.Status.Hooks.Attempt = "another"
		}, kahuv1.ReasonHookInterrupted},
		"all of them ran in an attempt that is gone": {func(restore *kahuv1.Restore) {
			restore.Status.Hooks.Attempt, restore.Status.Hooks.PreTimestamp = "another", &now
		}, ""},
		"one failed, and the manager died before the run did": {func(restore *kahuv1.Restore) {
			restore.Status.Hooks.Attempt, restore.Status.Hooks.CompletionTimestamp = "another", &now
			meta.SetStatusCondition(&restore.Status.Conditions, metav1.Condition{
				Type: kahuv1.ConditionHooksCompleted, Status: metav1.ConditionFalse, Reason: hook.CommandFailed, Message: "exit code 1",
			})
		}, hook.CommandFailed},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			restore := withHooks(t)
			test.change(restore)
			got := ""
			if why := judgeHooks(restore); why != nil {
				got = why.Reason
			}
			if got != test.want {
				t.Errorf("got %q, want %q", got, test.want)
			}
		})
	}
}

// TestRecordOfHooks: that commands before begin is written once and for the attempt that has the run, and nobody else's word
// about them counts.
func TestRecordOfHooks(t *testing.T) {
	t.Parallel()
	for name, test := range map[string]struct {
		change func(restore *kahuv1.Restore)
		begins bool
	}{
		"begins":               {func(*kahuv1.Restore) {}, true},
		"its answer was lost":  {func(restore *kahuv1.Restore) { restore.Status.Hooks.Attempt = "first" }, true},
		"another attempt":      {func(restore *kahuv1.Restore) { restore.Status.Attempt = "second" }, false},
		"begun by another":     {func(restore *kahuv1.Restore) { restore.Status.Hooks.Attempt = "zeroth" }, false},
		"it is over":           {func(restore *kahuv1.Restore) { restore.Status.State = kahuv1.StateFailed }, false},
		"it is to be given up": {func(restore *kahuv1.Restore) { restore.Spec.Cancel = true }, false},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			restore := withHooks(t)
			test.change(restore)
			scheme := runtime.NewScheme()
			if err := kahuv1.AddToScheme(scheme); err != nil {
				t.Fatal(err)
			}
			to := fake.NewClientBuilder().WithScheme(scheme).WithObjects(restore).WithStatusSubresource(restore).Build()
			record := &hookRecord{
				Controller: &Controller{Client: to, Direct: to}, key: client.ObjectKeyFromObject(restore), uid: "an-uid", attempt: "first",
			}
			pod := hook.Plan{Pod: hook.Pod{Namespace: "shop", Name: "db", UID: "pod"}, Pre: []hook.Command{{Container: "main"}}}
			began := time.Date(2026, 3, 1, 2, 3, 4, 0, time.UTC)
			err := record.Begin(t.Context(), quiesce.Begun{Began: began, Pods: []hook.Plan{pod}})
			if (err == nil) != test.begins || err != nil && !errors.Is(err, failure.ErrNotWanted) {
				t.Fatalf("beginning: %v", err)
			}
			if !test.begins {
				return
			}
			rows := []quiesce.Row{{Namespace: "shop", Pod: "db", UID: "pod", Container: "main", Pre: hook.Completed}}
			if err := record.Before(t.Context(), quiesce.Outcome{Commands: 1, Ended: began, Rows: rows}); err != nil {
				t.Fatal(err)
			}
			rows[0].Pre, rows[0].Post = "", hook.TimedOut
			end := quiesce.Outcome{Pods: 1, Commands: 2, Failed: 1, Ended: began, Rows: rows, Reason: hook.TimedOut, Message: "it took long"}
			if err := record.After(t.Context(), end); err != nil {
				t.Fatal(err)
			}
			seen := &kahuv1.Restore{}
			if err := to.Get(t.Context(), record.key, seen); err != nil {
				t.Fatal(err)
			}
			hooks, why := seen.Status.Hooks, meta.FindStatusCondition(seen.Status.Conditions, kahuv1.ConditionHooksCompleted)
			if hooks.Attempt != "first" || hooks.PreTimestamp == nil || hooks.CompletionTimestamp == nil || hooks.Commands != 3 ||
				hooks.FailedCommands != 1 || len(hooks.Containers) != 2 {
				t.Errorf("the record is %+v", hooks)
			}
			if why == nil || why.Status != metav1.ConditionFalse || why.Reason != hook.TimedOut {
				t.Errorf("the condition is %+v", why)
			}
		})
	}
}

// TestHooksOfAFailedRun: those that had begun are said to be over, for the reason for which the run is; nothing is said of hooks that
// had not begun, or had ended.
func TestHooksOfAFailedRun(t *testing.T) {
	t.Parallel()
	for name, test := range map[string]struct {
		status metav1.ConditionStatus
		want   string
	}{
		"none had begun": {"", ""},
		"they were run":  {metav1.ConditionUnknown, kahuv1.ReasonCancelled},
		"they had ended": {metav1.ConditionTrue, kahuv1.ReasonCompleted},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			restore := withHooks(t)
			if test.status != "" {
				meta.SetStatusCondition(&restore.Status.Conditions, metav1.Condition{
					Type: kahuv1.ConditionHooksCompleted, Status: test.status, Reason: kahuv1.ReasonCompleted,
				})
			}
			c := &Controller{Clock: clocktesting.NewFakePassiveClock(time.Date(2026, 3, 1, 2, 3, 4, 0, time.UTC))}
			_ = c.fail(&scope{restore: restore}, failure.Failure{Reason: kahuv1.ReasonCancelled, Message: "it was cancelled"})
			got, condition := "", meta.FindStatusCondition(restore.Status.Conditions, kahuv1.ConditionHooksCompleted)
			if condition != nil {
				got = condition.Reason
			}
			if got != test.want || (restore.Status.Hooks.CompletionTimestamp != nil) != (test.status == metav1.ConditionUnknown) {
				t.Errorf("got %+v, %+v", condition, restore.Status.Hooks)
			}
		})
	}
}
