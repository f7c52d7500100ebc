package queue_test

import (
	"errors"
	"testing"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

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
