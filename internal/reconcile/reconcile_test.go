package reconcile_test

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apimachinery/pkg/types"
	ctrl "sigs.k8s.io/controller-runtime"
	"sigs.k8s.io/controller-runtime/pkg/client"

	kahuv1 "github.com/soda-cdm/kahu/api/v1beta1"
	"github.com/soda-cdm/kahu/internal/reconcile"
)

var errBroken = errors.New("broken")

func backups() schema.GroupResource {
	return schema.GroupResource{Group: "kahu.io", Resource: "backups"}
}

func conflict() error { return apierrors.NewConflict(backups(), "nightly", errors.New("changed")) }

// shown is what a condition says, without its time.
type shown struct {
	Status          metav1.ConditionStatus
	Reason, Message string
	Generation      int64
}

func conditionsOf(backup *kahuv1.Backup) map[string]shown {
	found := map[string]shown{}
	for _, condition := range backup.Status.Conditions {
		found[condition.Type] = shown{condition.Status, condition.Reason, condition.Message, condition.ObservedGeneration}
	}
	return found
}

func TestOutcomes(t *testing.T) {
	const resync = time.Hour
	ready := map[string]shown{
		reconcile.Ready: {metav1.ConditionTrue, reconcile.ReasonReconciled, "Everything that the spec asks for is done.", generation},
	}
	abnormal := func(kind, reason, message string) map[string]shown {
		return map[string]shown{
			reconcile.Ready: {metav1.ConditionFalse, reason, message, generation},
			kind:            {metav1.ConditionTrue, reason, message, generation},
		}
	}
	cases := map[string]struct {
		outcome error
		result  ctrl.Result
		err     error
		want    map[string]shown
	}{
		"nothing to do": {nil, ctrl.Result{RequeueAfter: resync}, nil, ready},
		"done":          {reconcile.ErrDone, ctrl.Result{RequeueAfter: resync}, nil, ready},
		"done, wrapped": {fmt.Errorf("a: %w", reconcile.ErrDone), ctrl.Result{RequeueAfter: resync}, nil, ready},
		"after":         {reconcile.After(time.Minute), ctrl.Result{RequeueAfter: time.Minute}, nil, ready},
		"waiting for a time": {
			reconcile.Waiting("LocationAway", "waiting for it", time.Second),
			ctrl.Result{RequeueAfter: time.Second},
			nil,
			abnormal(reconcile.Reconciling, "LocationAway", "waiting for it"),
		},
		"waiting for a watch": {
			reconcile.Waiting("Copying", "copying", 0), ctrl.Result{}, nil, abnormal(reconcile.Reconciling, "Copying", "copying"),
		},
		"waiting, wrapped": {
			fmt.Errorf("a: %w", reconcile.Waiting("Copying", "copying", 0)),
			ctrl.Result{},
			nil,
			abnormal(reconcile.Reconciling, "Copying", "copying"),
		},
		"stalled": {
			reconcile.Stalled("WrongSpec", "spec.x is wrong"),
			ctrl.Result{RequeueAfter: resync},
			nil,
			abnormal(reconcile.Stalling, "WrongSpec", "spec.x is wrong"),
		},
		"a fault": {
			errBroken,
			ctrl.Result{},
			errBroken,
			abnormal(reconcile.Reconciling, reconcile.ReasonRetrying, "returning: broken"),
		},
		"a conflict": {conflict(), ctrl.Result{RequeueAfter: 50 * time.Millisecond}, nil, map[string]shown{}},
	}
	for name, test := range cases {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t)
			loop := w.loop(returns(test.outcome))
			loop.Resync = resync
			for range 2 { // The second pass finds all as it is and writes nothing.
				result, err := loop.Reconcile(t.Context(), request())
				if result != test.result || !errors.Is(err, test.err) || (err == nil) != (test.err == nil) {
					t.Errorf("got %v and %v, want %v and %v", result, err, test.result, test.err)
				}
				if diff := cmp.Diff(test.want, conditionsOf(w.read())); diff != "" {
					t.Error(diff)
				}
			}
			if want := min(len(test.want), 1); w.writes != want {
				t.Errorf("the status was written %d times, want %d", w.writes, want)
			}
		})
	}
}

// TestChangesOfOutcome goes from each outcome to each other one: nothing of the one before stays.
func TestChangesOfOutcome(t *testing.T) {
	outcomes := map[string]error{
		"ready": nil, "waiting": reconcile.Waiting("Copying", "copying", 0),
		"stalled": reconcile.Stalled("WrongSpec", "wrong"), "fault": errBroken,
	}
	for before, first := range outcomes {
		for after, second := range outcomes {
			t.Run(before+" then "+after, func(t *testing.T) {
				fresh, used := newWorld(t), newWorld(t)
				_, _ = used.loop(returns(first)).Reconcile(t.Context(), request())
				_, _ = used.loop(returns(second)).Reconcile(t.Context(), request())
				_, _ = fresh.loop(returns(second)).Reconcile(t.Context(), request())
				if diff := cmp.Diff(conditionsOf(fresh.read()), conditionsOf(used.read())); diff != "" {
					t.Error(diff)
				}
			})
		}
	}
}

func TestConflictKeepsWhatWasShown(t *testing.T) {
	w := newWorld(t)
	if _, err := w.loop(returns(nil)).Reconcile(t.Context(), request()); err != nil {
		t.Fatal(err)
	}
	before := w.read()
	lost := fmt.Errorf("adding the finalizer: %w", conflict())
	if _, err := w.loop(returns(lost)).Reconcile(t.Context(), request()); err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(before, w.read()); diff != "" {
		t.Errorf("a lost race is nobody's business, and is shown: %s", diff)
	}
}

func TestStepsInOrderUntilOneEndsThePass(t *testing.T) {
	cases := map[string]struct {
		outcomes []error
		want     string
	}{
		"all":              {[]error{nil, nil, nil}, "abc"},
		"none":             {nil, ""},
		"done":             {[]error{nil, reconcile.ErrDone, nil}, "ab"},
		"after":            {[]error{reconcile.After(1), nil, nil}, "a"},
		"waiting":          {[]error{nil, reconcile.Waiting("W", "w", 0), nil}, "ab"},
		"stalled":          {[]error{nil, reconcile.Stalled("S", "s"), nil}, "ab"},
		"fault":            {[]error{errBroken, nil, nil}, "a"},
		"fault at the end": {[]error{nil, nil, errBroken}, "abc"},
	}
	for name, test := range cases {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t)
			var ran strings.Builder
			var steps []step
			for i, outcome := range test.outcomes {
				letter := string(rune('a' + i))
				steps = append(steps, step{Name: letter, Do: func(context.Context, *kahuv1.Backup) error {
					ran.WriteString(letter)
					return outcome
				}})
			}
			_, _ = w.loop(steps...).Reconcile(t.Context(), request())
			if ran.String() != test.want {
				t.Errorf("ran %q, want %q", ran.String(), test.want)
			}
		})
	}
}

func TestStatusIsWrittenOnceWithAllThatStepsChanged(t *testing.T) {
	w := newWorld(t)
	loop := w.loop(
		step{Name: "a", Do: func(_ context.Context, backup *kahuv1.Backup) error {
			backup.Status.Stage = kahuv1.StageResources
			return nil
		}},
		step{Name: "b", Do: func(_ context.Context, backup *kahuv1.Backup) error {
			backup.Status.State = kahuv1.StateProcessing
			return errBroken
		}},
	)
	if _, err := loop.Reconcile(t.Context(), request()); !errors.Is(err, errBroken) {
		t.Fatalf("got %v", err)
	}
	status := w.read().Status
	if w.writes != 1 || status.Stage != kahuv1.StageResources || status.State != kahuv1.StateProcessing {
		t.Errorf("%d writes, stage %s, state %s", w.writes, status.Stage, status.State)
	}
}

func TestStatusThatIsEmptiedIsWritten(t *testing.T) {
	w := newWorld(t)
	set := func(reason string) step {
		return step{Name: "set", Do: func(_ context.Context, backup *kahuv1.Backup) error {
			backup.Status.FailureReason = reason
			return nil
		}}
	}
	for _, reason := range []string{"because", ""} {
		if _, err := w.loop(set(reason)).Reconcile(t.Context(), request()); err != nil {
			t.Fatal(err)
		}
		if got := w.read().Status.FailureReason; got != reason {
			t.Errorf("got %q, want %q", got, reason)
		}
	}
}

// TestStepChangesMetadata: a step that writes metadata through the API and takes over the version loses no status.
func TestStepChangesMetadata(t *testing.T) {
	w := newWorld(t)
	loop := w.loop(step{Name: "label", Do: func(ctx context.Context, backup *kahuv1.Backup) error {
		changed := backup.DeepCopy()
		changed.Labels = map[string]string{"a": "b"}
		if err := w.client.Patch(ctx, changed, client.MergeFrom(backup)); err != nil {
			return err
		}
		backup.Labels, backup.ResourceVersion = changed.Labels, changed.ResourceVersion
		backup.Status.State = kahuv1.StateProcessing
		return nil
	}})
	result, err := loop.Reconcile(t.Context(), request())
	if err != nil || result != (ctrl.Result{}) {
		t.Fatalf("got %v and %v", result, err)
	}
	backup := w.read()
	if backup.Status.State != kahuv1.StateProcessing || backup.Labels["a"] != "b" {
		t.Errorf("state %q, labels %v", backup.Status.State, backup.Labels)
	}
}

func TestWritesThatAreRefused(t *testing.T) {
	gone := apierrors.NewNotFound(backups(), "nightly")
	cases := map[string]struct {
		outcome, refusal error
		result           ctrl.Result
		err              error
	}{
		"somebody else changed it":               {nil, conflict(), ctrl.Result{RequeueAfter: 50 * time.Millisecond}, nil},
		"changed, and the pass had failed":       {errBroken, conflict(), ctrl.Result{RequeueAfter: 50 * time.Millisecond}, nil},
		"the object is gone":                     {nil, gone, ctrl.Result{}, nil},
		"the object is gone after a fault":       {errBroken, gone, ctrl.Result{}, nil},
		"the server is away":                     {nil, errBroken, ctrl.Result{}, errBroken},
		"the server is away, and time was asked": {reconcile.After(time.Hour), errBroken, ctrl.Result{}, errBroken},
	}
	for name, test := range cases {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t)
			w.refuse = func() error { return test.refusal }
			result, err := w.loop(returns(test.outcome)).Reconcile(t.Context(), request())
			if result != test.result || !errors.Is(err, test.err) || (err == nil) != (test.err == nil) {
				t.Errorf("got %v and %v, want %v and %v", result, err, test.result, test.err)
			}
			if w.writes != 1 {
				t.Errorf("%d writes", w.writes)
			}
		})
	}
}

// TestRealConflict lets somebody else change the object while the steps run.
func TestRealConflict(t *testing.T) {
	w := newWorld(t)
	once := true
	loop := w.loop(step{Name: "meanwhile", Do: func(ctx context.Context, backup *kahuv1.Backup) error {
		backup.Status.State = kahuv1.StateProcessing
		if !once {
			return nil
		}
		once = false
		other := backup.DeepCopy()
		other.Status = kahuv1.BackupStatus{FailureReason: "of the other"}
		return w.client.Status().Update(ctx, other)
	}})
	result, err := loop.Reconcile(t.Context(), request())
	if err != nil || result.RequeueAfter == 0 {
		t.Fatalf("got %v and %v", result, err)
	}
	if got := w.read().Status; got.FailureReason != "of the other" || got.State != "" {
		t.Errorf("the change of another was written over: %+v", got)
	}
	if result, err = loop.Reconcile(t.Context(), request()); err != nil || result != (ctrl.Result{}) {
		t.Fatalf("got %v and %v", result, err)
	}
	if got := w.read().Status; got.FailureReason != "of the other" || got.State != kahuv1.StateProcessing {
		t.Errorf("got %+v", got)
	}
}

func TestObjectIsGone(t *testing.T) {
	t.Run("before the pass", func(t *testing.T) {
		w := newWorld(t)
		loop := w.loop(step{Name: "never", Do: func(context.Context, *kahuv1.Backup) error {
			t.Error("a step ran without an object")
			return nil
		}})
		result, err := loop.Reconcile(t.Context(), ctrl.Request{NamespacedName: types.NamespacedName{Name: "other"}})
		if err != nil || result != (ctrl.Result{}) {
			t.Errorf("got %v and %v", result, err)
		}
	})
	t.Run("by the pass", func(t *testing.T) {
		w := newWorld(t)
		if err := w.client.Delete(t.Context(), w.read()); err != nil {
			t.Fatal(err)
		}
		loop := w.loop(step{Name: "letting go", Do: func(ctx context.Context, backup *kahuv1.Backup) error {
			backup.Status.State = kahuv1.StateDeleting
			after := backup.DeepCopy()
			after.Finalizers = nil
			return w.client.Patch(ctx, after, client.MergeFrom(backup))
		}})
		if result, err := loop.Reconcile(t.Context(), request()); err != nil || result != (ctrl.Result{}) {
			t.Errorf("got %v and %v", result, err)
		}
	})
}

// TestReadyWithReason: what a step says of Ready in this generation stays, what it said of an older one does not.
func TestReadyWithReason(t *testing.T) {
	for name, test := range map[string]struct {
		generation int64
		want       string
	}{"this": {generation, "Listed"}, "older": {generation - 1, reconcile.ReasonReconciled}} {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t)
			loop := w.loop(step{Name: "ready", Do: func(_ context.Context, backup *kahuv1.Backup) error {
				reconcile.SetStalled(&backup.Status.Conditions, "Wrong", "wrong", test.generation)
				reconcile.SetReady(&backup.Status.Conditions, "Listed", "all is listed", test.generation)
				return nil
			}})
			if _, err := loop.Reconcile(t.Context(), request()); err != nil {
				t.Fatal(err)
			}
			found := conditionsOf(w.read())
			if len(found) != 1 || found[reconcile.Ready].Reason != test.want || found[reconcile.Ready].Generation != generation {
				t.Errorf("got %+v", found)
			}
		})
	}
}

func TestRepeat(t *testing.T) {
	var conditions []metav1.Condition
	if err := reconcile.Repeat(conditions); !errors.Is(err, reconcile.ErrDone) {
		t.Errorf("got %v", err)
	}
	reconcile.SetStalled(&conditions, "Wrong", "it is wrong", generation)
	var stalled *reconcile.StalledError
	if err := reconcile.Repeat(conditions); !errors.As(err, &stalled) || stalled.Reason != "Wrong" || stalled.Message != "it is wrong" {
		t.Errorf("got %v", err)
	}
	reconcile.SetReady(&conditions, "Fine", "it is fine", generation)
	if err := reconcile.Repeat(conditions); !errors.Is(err, reconcile.ErrDone) {
		t.Errorf("got %v", err)
	}
}
