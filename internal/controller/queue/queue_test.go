package queue_test

import (
	"errors"
	"testing"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/event"

	kahuv1 "github.com/soda-cdm/kahu/api/v1beta1"
	"github.com/soda-cdm/kahu/internal/controller/queue"
	"github.com/soda-cdm/kahu/internal/reconcile"
)

// full is an entrance without a free place.
type full struct{}

func (full) Enter(client.Object, reconcile.Wish) reconcile.Turn {
	return reconcile.Turn{Position: 3, Waiting: 4, InGroup: 2, GroupLimit: 2, Taken: 2, Total: 4}
}

func (full) Waiting(string) []client.Object { return nil }

// TestLongWait: a run that waits says so, and looks again when it has waited for long, which it then says.
func TestLongWait(t *testing.T) {
	t.Parallel()
	dawn := time.Date(2026, time.March, 1, 2, 3, 4, 0, time.UTC)
	for waited, want := range map[time.Duration]reconcile.WaitingError{
		0:                            {Reason: kahuv1.ReasonQueued, After: queue.Long},
		queue.Long - 1:               {Reason: kahuv1.ReasonQueued, After: 1},
		queue.Long:                   {Reason: kahuv1.ReasonQueuedLong},
		queue.Long + 100*time.Second: {Reason: kahuv1.ReasonQueuedLong},
	} {
		var position int32
		run := &kahuv1.Backup{ObjectMeta: metav1.ObjectMeta{Name: "a", CreationTimestamp: metav1.NewTime(dawn)}}
		err := queue.Enter(full{}, queue.Wish{Run: run, Location: "x", Limit: 2, Now: dawn.Add(waited)}, &position)
		waiting, is := errors.AsType[*reconcile.WaitingError](err)
		if !is || waiting.Reason != want.Reason || waiting.After != want.After || position != 3 {
			t.Errorf("after %s: %+v, at %d", waited, err, position)
		}
	}
}

// TestLookedAt: runs that wait for a place are woken when a location whose spec was changed has been looked at since, not
// before.
func TestLookedAt(t *testing.T) {
	t.Parallel()
	location := func(generation, looked int64) *kahuv1.BackupLocation {
		made := &kahuv1.BackupLocation{ObjectMeta: metav1.ObjectMeta{Name: "a", Generation: generation}}
		made.Status.Conditions = []metav1.Condition{{Type: kahuv1.ConditionReady, ObservedGeneration: looked}}
		return made
	}
	for name, test := range map[string]struct {
		before, after *kahuv1.BackupLocation
		want          bool
	}{
		"the spec was changed":   {location(1, 1), location(2, 1), false},
		"it was looked at since": {location(2, 1), location(2, 2), true},
		"it was looked at again": {location(2, 2), location(2, 2), false},
		"it has been looked at":  {&kahuv1.BackupLocation{}, location(1, 1), true},
	} {
		if got := queue.LookedAt().Update(event.UpdateEvent{ObjectOld: test.before, ObjectNew: test.after}); got != test.want {
			t.Errorf("%s: %t", name, got)
		}
	}
}
