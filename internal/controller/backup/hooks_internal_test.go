package backup

import (
	"context"
	"errors"
	"fmt"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/utils/clock"
	clocktesting "k8s.io/utils/clock/testing"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/client/fake"

	kahuv1 "github.com/soda-cdm/kahu/api/v1beta1"
	"github.com/soda-cdm/kahu/internal/controller/failure"
	"github.com/soda-cdm/kahu/internal/core/volumework"
	"github.com/soda-cdm/kahu/internal/engine"
	enginebackup "github.com/soda-cdm/kahu/internal/engine/backup"
	"github.com/soda-cdm/kahu/internal/engine/quiesce"
	"github.com/soda-cdm/kahu/internal/reconcile"
)

// fakeServer is a Controller whose API server has these Backups.
func fakeServer(t *testing.T, backups ...client.Object) *Controller {
	t.Helper()
	scheme := runtime.NewScheme()
	if err := kahuv1.AddToScheme(scheme); err != nil {
		t.Fatal(err)
	}
	api := fake.NewClientBuilder().WithScheme(scheme).WithObjects(backups...).WithStatusSubresource(&kahuv1.Backup{}).Build()
	return &Controller{
		Client: api, Direct: api, Clock: clocktesting.NewFakeClock(startTime), NewAttempt: func() string { return "new" }, runs: map[types.UID]*holding{},
		Tasks: reconcile.NewTasks[engine.Progress, enginebackup.Result](1), HookTasks: reconcile.NewTasks[struct{}, quiesce.Outcome](1),
	}
}

// TestHeldIsOnRecord: what was cut is written down by the attempt whose run it is, as long as hooks are owed, and bounded.
func TestHeldIsOnRecord(t *testing.T) {
	t.Parallel()
	at := time.Date(2026, time.March, 1, 2, 3, 4, 0, time.UTC)
	held := quiesce.Held{From: at, To: at.Add(time.Second), Uncut: []volumework.Uncut{{Namespace: "shop", Name: "data", Message: "full"}}}
	many := quiesce.Held{From: at, To: at}
	for number := range failure.MaxRows + 1 {
		many.Uncut = append(many.Uncut, volumework.Uncut{Namespace: "shop", Name: fmt.Sprint(number)})
	}
	cases := map[string]struct {
		held   quiesce.Held
		change func(status *kahuv1.BackupStatus)
		err    error
		want   *enginebackup.Held // for whoever goes on
		cut    bool
	}{
		"all":                         {held: quiesce.Held{From: at, To: at}, want: &enginebackup.Held{Attempt: "first", From: at, To: at}, cut: true},
		"one not":                     {held: held, want: &enginebackup.Held{Attempt: "first", From: held.From, To: held.To, Uncut: held.Uncut}},
		"more than there is room for": {held: many},
		"taken over":                  {held: held, change: func(status *kahuv1.BackupStatus) { status.Attempt = "second" }, err: failure.ErrNotWanted},
		"of another attempt":          {held: held, change: func(status *kahuv1.BackupStatus) { status.Hooks.Attempt = "zeroth" }, err: failure.ErrNotWanted},
		"gone on": {
			held: held, change: func(status *kahuv1.BackupStatus) { status.Hooks.CompletionTimestamp = &metav1.Time{Time: at} }, err: failure.ErrNotWanted,
		},
	}
	for name, test := range cases {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			run := completed("run", func(b *kahuv1.Backup) {
				b.Status.Attempt, b.Status.Hooks = "first", &kahuv1.BackupHooks{Attempt: "first"}
				if test.change != nil {
					test.change(&b.Status)
				}
			})
			c := fakeServer(t, run)
			record := &hookRecord{Controller: c, key: client.ObjectKeyFromObject(run), uid: run.UID, attempt: "first"}
			if err := record.Held(t.Context(), test.held); !errors.Is(err, test.err) {
				t.Fatal(err)
			}
			if err := c.Client.Get(t.Context(), client.ObjectKeyFromObject(run), run); err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(test.want, heldBefore(&run.Status)); diff != "" || run.Status.Hooks.VolumesCut != test.cut {
				t.Errorf("cut %v: %s", run.Status.Hooks.VolumesCut, diff)
			}
		})
	}
}

// TestTakenOverBetweenHooks: a run goes on only where it is on record which volumes were cut while applications held still, and no
// hook has failed.
func TestTakenOverBetweenHooks(t *testing.T) {
	t.Parallel()
	at, micro := &metav1.Time{Time: startTime}, &metav1.MicroTime{Time: startTime}
	cases := map[string]struct {
		hooks  kahuv1.BackupHooks
		reason string // of the condition HooksCompleted, where it is False
		want   string // why the run fails
	}{
		"all is on record":      {hooks: kahuv1.BackupHooks{CutStartTimestamp: micro, CutCompletionTimestamp: micro, VolumesCut: true}},
		"some were not cut":     {hooks: kahuv1.BackupHooks{CutStartTimestamp: micro, CutCompletionTimestamp: micro, Uncut: 1, UncutVolumes: make([]kahuv1.UncutVolume, 1)}},
		"too many were not cut": {hooks: kahuv1.BackupHooks{CutCompletionTimestamp: micro, Uncut: 2, UncutVolumes: make([]kahuv1.UncutVolume, 1)}, want: kahuv1.ReasonHookInterrupted},
		"nothing is known":      {reason: kahuv1.ReasonHookInterrupted, want: kahuv1.ReasonHookInterrupted},
		"the cut failed":        {reason: kahuv1.ReasonQuiesceTimeout, want: kahuv1.ReasonQuiesceTimeout},
		"a hook after failed":   {hooks: kahuv1.BackupHooks{CutCompletionTimestamp: micro, VolumesCut: true}, reason: kahuv1.ReasonHookFailed, want: kahuv1.ReasonHookFailed},
	}
	for name, test := range cases {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			run := completed("run", func(b *kahuv1.Backup) {
				b.Status.State, b.Status.Stage, b.Status.Hooks = kahuv1.StateProcessing, "", &test.hooks
				test.hooks.Attempt, test.hooks.CompletionTimestamp = "first", at
				if test.reason != "" {
					meta.SetStatusCondition(&b.Status.Conditions, metav1.Condition{
						Type: kahuv1.ConditionHooksCompleted, Status: metav1.ConditionFalse, Reason: test.reason, Message: "so it is",
					})
				}
			})
			c := fakeServer(t, run)
			run.Status.EarlierAttempts = []string{"first"}
			run.Status.Attempt = c.takeFrom(run.UID, "first")
			err := c.resumeHooks(t.Context(), &scope{backup: run})
			if (err != nil) != (test.want != "") || err != nil && recorded(run).Reason != test.want {
				t.Errorf("%v, %+v", err, recorded(run))
			}
		})
	}
}

// owing runs the hooks that are owed.
type owing struct {
	Hooks
	outcome quiesce.Outcome
}

func (o *owing) Resume(context.Context, quiesce.Request, quiesce.Owed) (quiesce.Outcome, error) {
	return o.outcome, nil
}

// TestOwedHooksOfACutRun: a run of which it is on record what was cut goes on after the hooks that were owed have run; of any other
// one it is said that it was interrupted.
func TestOwedHooksOfACutRun(t *testing.T) {
	t.Parallel()
	for name, held := range map[string]bool{"on record": true, "not on record": false} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			run := completed("run", func(b *kahuv1.Backup) {
				b.Status.State, b.Status.Stage = kahuv1.StateProcessing, ""
				b.Status.Hooks = &kahuv1.BackupHooks{Attempt: "first", StartTimestamp: &metav1.Time{Time: startTime}}
				if held {
					b.Status.Hooks.CutStartTimestamp, b.Status.Hooks.CutCompletionTimestamp = &metav1.MicroTime{Time: startTime}, &metav1.MicroTime{Time: startTime}
					b.Status.Hooks.VolumesCut = true
				}
			})
			c := fakeServer(t, run)
			c.Hooks = &owing{outcome: quiesce.Outcome{Ended: startTime.Add(time.Minute), Commands: 1}}
			running, cancel := context.WithCancel(t.Context())
			ended := make(chan error, 1)
			go func() { ended <- c.HookTasks.Start(running) }()
			t.Cleanup(func() { cancel(); <-ended })
			run.Status.Attempt = c.takeFrom(run.UID, "first")
			s := &scope{backup: run}
			limit := clock.RealClock{}.After(time.Minute)
			for run.Status.Hooks.CompletionTimestamp == nil { // The tasks may not have begun to run yet.
				if err := c.runOwed(t.Context(), s); err != nil && !errors.As(err, new(*reconcile.WaitingError)) {
					t.Fatal(err)
				}
				select {
				case <-limit:
					t.Fatal("it does not end")
				case <-c.HookTasks.Events():
				case <-clock.RealClock{}.After(time.Millisecond):
				}
			}
			said := meta.FindStatusCondition(run.Status.Conditions, kahuv1.ConditionHooksCompleted)
			if said == nil || (said.Status == metav1.ConditionTrue) != held || !held && said.Reason != kahuv1.ReasonHookInterrupted || run.Status.Hooks.VolumesCut != held {
				t.Errorf("%+v, %+v", said, run.Status.Hooks)
			}
		})
	}
}
