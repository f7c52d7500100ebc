package restore_test

import (
	"context"
	"errors"
	"strings"
	"testing"
	"time"

	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	clocktesting "k8s.io/utils/clock/testing"
	ctrl "sigs.k8s.io/controller-runtime"
	"sigs.k8s.io/controller-runtime/pkg/client"

	kahuv1 "github.com/soda-cdm/kahu/api/v1beta1"
	"github.com/soda-cdm/kahu/internal/controller/place"
	"github.com/soda-cdm/kahu/internal/controller/restore"
	"github.com/soda-cdm/kahu/internal/core"
	"github.com/soda-cdm/kahu/internal/core/archive"
	"github.com/soda-cdm/kahu/internal/core/volumework"
	"github.com/soda-cdm/kahu/internal/engine"
	enginerestore "github.com/soda-cdm/kahu/internal/engine/restore"
	"github.com/soda-cdm/kahu/internal/reconcile"
	"github.com/soda-cdm/kahu/internal/store"
	"github.com/soda-cdm/kahu/provider/memory"
)

// leaving is a runner whose volumes end in a state.
type leaving struct{ state volumework.State }

func (l leaving) Run(context.Context, enginerestore.Request, enginerestore.Files) (enginerestore.Result, error) {
	return enginerestore.Result{Volumes: []volumework.Restored{{State: l.state, Claim: core.Key{Namespace: "shop", Name: "data"}}}}, nil
}

// TestRestoreIsKeptForItsClaims: a Restore that is over stays when it is deleted, as long as claims wait for what goes with it.
func TestRestoreIsKeptForItsClaims(t *testing.T) {
	t.Parallel()
	waiting := []core.Key{{Resource: "persistentvolumeclaims", Namespace: "shop", Name: "data"}}
	for name, test := range map[string]struct {
		state        volumework.State
		dry, cancel  bool
		claims       []core.Key
		held, stays  bool
		askedToCease bool
	}{
		"all are there":       {state: volumework.Done, claims: waiting},
		"a dry run":           {state: volumework.Lost, dry: true, claims: waiting},
		"one waits":           {state: volumework.Delayed, claims: waiting, held: true, stays: true},
		"one may still come":  {state: volumework.Lost, claims: waiting, held: true, stays: true},
		"one has come":        {state: volumework.Delayed, held: true},
		"nobody wants it now": {state: volumework.Delayed, cancel: true, claims: waiting, held: true, askedToCease: true},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			now := time.Date(2026, 11, 21, 12, 0, 0, 0, time.UTC)
			clock := clocktesting.NewFakeClock(now)
			id := archive.BackupID{ClusterID: "0b7f64a2-9f0e-4d1c-8f5e-3a1f9c2d7e10", Name: "source", UID: "c1f6f2f0-5a6b-4f4e-9c7d-0d3f4f1a2b3c"}
			to, _ := located(t, &kahuv1.Restore{
				ObjectMeta: metav1.ObjectMeta{Name: "nightly", UID: "an-uid", CreationTimestamp: metav1.NewTime(now)},
				Spec:       kahuv1.RestoreSpec{BackupName: "source", MetadataLocation: "main", ClusterID: id.ClusterID, BackupUID: id.UID, DryRun: test.dry},
			})
			files := store.New(memory.New(memory.Options{}), store.Options{})
			if err := files.Replace(t.Context(), id.ManifestName(), []byte("x")); err != nil {
				t.Fatal(err)
			}
			tasks := reconcile.NewTasks[engine.Progress, enginerestore.Result](1)
			ctx, stop := context.WithCancel(t.Context())
			ended := make(chan error, 1)
			go func() { ended <- tasks.Start(ctx) }()
			t.Cleanup(func() {
				stop()
				if err := <-ended; err != nil && !errors.Is(err, context.Canceled) {
					t.Error(err)
				}
			})
			orders := &ending{claims: test.claims}
			loop := (&restore.Controller{
				Client: to, Direct: to, Finder: &place.Finder{Client: to, Stores: oneStore{files}}, Clock: clock, Patience: time.Minute,
				RunsPerLocation: 1, Gate: reconcile.NewGate(1), Tasks: tasks, Runner: leaving{test.state}, Volumes: orders,
				NewAttempt: func() string { return "first" },
			}).Loop()
			pass := func() *kahuv1.Restore {
				t.Helper()
				if _, err := loop.Reconcile(t.Context(), ctrl.Request{NamespacedName: types.NamespacedName{Name: "nightly"}}); err != nil {
					t.Fatal(err)
				}
				seen := &kahuv1.Restore{}
				if err := to.Get(t.Context(), client.ObjectKey{Name: "nightly"}, seen); err != nil {
					t.Fatal(err)
				}
				return seen
			}
			seen := pass()
			for before := ""; seen.Status.Stage != kahuv1.StageFinished; seen = pass() {
				if seen.ResourceVersion == before {
					select {
					case <-tasks.Events():
					case <-time.After(30 * time.Second): //nolint:forbidigo // A bound for what comes at once.
						t.Fatalf("nothing happens: it is %s", seen.Status.State)
					}
				}
				before = seen.ResourceVersion
			}
			if held := len(seen.Finalizers) > 0; held != test.held {
				t.Fatalf("its finalizers are %v", seen.Finalizers)
			}
			seen.Finalizers = append(seen.Finalizers, "test.example/looks") // So that it can be looked at when it goes.
			seen.Spec.Cancel = test.cancel
			if err := to.Update(t.Context(), seen); err != nil {
				t.Fatal(err)
			}
			if err := to.Delete(t.Context(), seen); err != nil {
				t.Fatal(err)
			}
			seen = pass()
			if stays := len(seen.Finalizers) > 1; stays != test.stays || orders.asked > 0 != test.askedToCease {
				t.Errorf("when it is deleted, its finalizers are %v, and it was asked to cease %d times", seen.Finalizers, orders.asked)
			}
			ready := meta.FindStatusCondition(seen.Status.Conditions, kahuv1.ConditionReady)
			if test.stays && (ready == nil || ready.Reason != kahuv1.ReasonVolumesWaiting || !strings.Contains(ready.Message, "shop/data")) {
				t.Errorf("it says %+v", ready)
			}
			orders.claims = nil
			if seen = pass(); len(seen.Finalizers) > 1 {
				t.Errorf("when no claim waits, its finalizers are %v", seen.Finalizers)
			}
		})
	}
}

// TestOrdersOfAFailedRun: when an error ends a run, the orders for claims that were not created end with it, and those of one that ended
// well stay.
func TestOrdersOfAFailedRun(t *testing.T) {
	t.Parallel()
	for name, test := range map[string]struct {
		err   error
		asked bool
	}{"an error": {core.ErrCorrupt, true}, "no error": {nil, false}} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			id := archive.BackupID{ClusterID: "0b7f64a2-9f0e-4d1c-8f5e-3a1f9c2d7e10", Name: "source", UID: "c1f6f2f0-5a6b-4f4e-9c7d-0d3f4f1a2b3c"}
			to, _ := located(t, &kahuv1.Restore{
				ObjectMeta: metav1.ObjectMeta{Name: "nightly", UID: "an-uid"},
				Spec:       kahuv1.RestoreSpec{BackupName: "source", MetadataLocation: "main", ClusterID: id.ClusterID, BackupUID: id.UID},
			})
			files := store.New(memory.New(memory.Options{}), store.Options{})
			if err := files.Replace(t.Context(), id.ManifestName(), []byte("x")); err != nil {
				t.Fatal(err)
			}
			orders := &ending{}
			trial{to: to, files: files, clusterID: id.ClusterID, volumes: orders}.ended(t, func(context.Context) (enginerestore.Result, error) {
				return enginerestore.Result{}, test.err
			})
			if orders.sorted > 0 != test.asked || orders.asked > 0 {
				t.Errorf("those without claims were asked to cease %d times, and all %d times", orders.sorted, orders.asked)
			}
		})
	}
}
