package restore_test

import (
	"context"
	"strings"
	"testing"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	clocktesting "k8s.io/utils/clock/testing"
	ctrl "sigs.k8s.io/controller-runtime"
	"sigs.k8s.io/controller-runtime/pkg/client"

	kahuv1 "github.com/soda-cdm/kahu/api/v1beta1"
	"github.com/soda-cdm/kahu/internal/controller/place"
	"github.com/soda-cdm/kahu/internal/controller/restore"
	"github.com/soda-cdm/kahu/internal/core"
	"github.com/soda-cdm/kahu/internal/core/volumework"
	"github.com/soda-cdm/kahu/internal/engine"
	enginerestore "github.com/soda-cdm/kahu/internal/engine/restore"
	"github.com/soda-cdm/kahu/internal/reconcile"
)

// ending has orders that go on until it is told otherwise.
type ending struct {
	enginerestore.Volumes

	left, asked, sorted int
	claims              []core.Key // that still need their orders
}

func (e *ending) Claimed(context.Context, volumework.Run) ([]core.Key, error) {
	e.sorted++
	return e.claims, nil
}

func (e *ending) Cancel(_ context.Context, run volumework.Run) (int, error) {
	if run.UID == "an-uid" {
		e.asked++
	}
	return e.left, nil
}

// TestOrdersOfACancelledRun: they are told to end, and waited for as long as that takes, but not for ever.
func TestOrdersOfACancelledRun(t *testing.T) {
	t.Parallel()
	for name, test := range map[string]struct {
		left   int // how many orders are not over
		endsIn time.Duration
		want   string
		state  kahuv1.State // after half of the time
	}{
		"at once":         {state: kahuv1.StateFailed},
		"in time":         {left: 2, endsIn: 20 * time.Second, state: kahuv1.StateProcessing},
		"a provider away": {left: 2, endsIn: time.Hour, want: "2 orders for volumes are still to be ended", state: kahuv1.StateProcessing},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			now := time.Date(2026, 11, 21, 12, 0, 0, 0, time.UTC)
			clock := clocktesting.NewFakeClock(now)
			run := &kahuv1.Restore{
				ObjectMeta: metav1.ObjectMeta{Name: "nightly", UID: "an-uid", CreationTimestamp: metav1.NewTime(now)},
				Spec:       kahuv1.RestoreSpec{BackupName: "source", MetadataLocation: "main", Cancel: true},
			}
			to, _ := located(t, run)
			run.Status.State, run.Status.Attempt = kahuv1.StateProcessing, "another"
			if err := to.Status().Update(t.Context(), run); err != nil {
				t.Fatal(err)
			}
			orders := &ending{left: test.left}
			loop := (&restore.Controller{
				Client: to, Direct: to, Finder: &place.Finder{Client: to}, Clock: clock, Patience: time.Minute, RunsPerLocation: 1,
				Tasks: reconcile.NewTasks[engine.Progress, enginerestore.Result](1), Volumes: orders,
			}).Loop()
			seen := &kahuv1.Restore{}
			pass := func() {
				t.Helper()
				if _, err := loop.Reconcile(t.Context(), ctrl.Request{NamespacedName: types.NamespacedName{Name: "nightly"}}); err != nil {
					t.Fatal(err)
				}
				if err := to.Get(t.Context(), client.ObjectKey{Name: "nightly"}, seen); err != nil {
					t.Fatal(err)
				}
			}
			for range 3 {
				pass()
				if clock.Step(5 * time.Second); seen.Status.State != test.state {
					t.Fatalf("it is %s while orders go on", seen.Status.State)
				}
			}
			if test.endsIn < time.Minute {
				orders.left = 0
			}
			clock.Step(20 * time.Second)
			pass()
			if seen.Status.State != kahuv1.StateFailed || orders.asked == 0 || !strings.Contains(seen.Status.FailureReason, test.want) {
				t.Errorf("%s: %s, asked %d times", seen.Status.State, seen.Status.FailureReason, orders.asked)
			}
			if test.want == "" && strings.Contains(seen.Status.FailureReason, "orders") {
				t.Error(seen.Status.FailureReason)
			}
		})
	}
}
