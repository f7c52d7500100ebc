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
type full struct{ turn reconcile.Turn }

func (f full) Enter(client.Object, reconcile.Wish) reconcile.Turn { return f.turn }

func (full) Waiting(string) []client.Object { return nil }

// TestWhatIsInTheWay: more can go on than there are places, which is then no sum of them.
func TestWhatIsInTheWay(t *testing.T) {
	t.Parallel()
	for want, turn := range map[string]reconcile.Turn{
		"Number 3 of 4 in the queue: 2 of 2 places at location x are taken.":          {InGroup: 2, GroupLimit: 2, Taken: 2, Total: 4},
		"Number 3 of 4 in the queue: the only place at location x is taken.":          {InGroup: 1, GroupLimit: 1, Taken: 2, Total: 4},
		"Number 3 of 4 in the queue: 3 runs go on at location x, and the limit is 2.": {InGroup: 3, GroupLimit: 2, Taken: 3, Total: 4},
		"Number 3 of 4 in the queue: 4 of 4 places in all are taken.":                 {InGroup: 1, GroupLimit: 2, Taken: 4, Total: 4},
		"Number 3 of 4 in the queue: the only place in all is taken.":                 {InGroup: 1, GroupLimit: 2, Taken: 1, Total: 1},
		"Number 3 of 4 in the queue: 5 runs go on in all, and the limit is 4.":        {InGroup: 1, GroupLimit: 2, Taken: 5, Total: 4},
	} {
		turn.Position, turn.Waiting = 3, 4
		var position int32
		err := queue.Enter(full{turn}, queue.Wish{Run: &kahuv1.Backup{}, Location: "x", Limit: 2}, &position)
		if waiting, is := errors.AsType[*reconcile.WaitingError](err); !is || waiting.Message != want {
			t.Errorf("got %v, want %q", err, want)
		}
	}
}

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
		err := queue.Enter(full{reconcile.Turn{Position: 3, Waiting: 4, InGroup: 2, GroupLimit: 2, Taken: 2, Total: 4}}, queue.Wish{Run: run, Location: "x", Limit: 2, Now: dawn.Add(waited)}, &position)
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
