// Package queue lets runs wait for a place, and shows in their status how they stand.
package queue

import (
	"context"
	"fmt"
	"time"

	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/event"
	"sigs.k8s.io/controller-runtime/pkg/handler"
	"sigs.k8s.io/controller-runtime/pkg/predicate"
	ctrlreconcile "sigs.k8s.io/controller-runtime/pkg/reconcile"

	kahuv1 "github.com/soda-cdm/kahu/api/v1beta1"
	"github.com/soda-cdm/kahu/internal/core"
	"github.com/soda-cdm/kahu/internal/reconcile"
)

// Entrance is where runs of one kind get their places.
type Entrance interface {
	// Enter asks for a place for an object.
	Enter(object client.Object, wish reconcile.Wish) reconcile.Turn
	// Waiting returns the objects that wait for a place at a location.
	Waiting(location string) []client.Object
}

// Long is how long a run waits for its turn until that is worth telling people.
const Long = 10 * time.Minute

// Wish is a run that wants a place.
type Wish struct {
	Run client.Object
	// Location is where the run reads or writes, and Limit how many of its kind go on there at once.
	Location string
	Limit    int
	// Now is the time of the pass.
	Now time.Time
}

// Enter asks for a place for a run, and writes the run's position into its status. It returns nil where the run may
// begin, and otherwise the outcome of the pass: the run is woken when its turn has come, and when it has waited for long.
func Enter(to Entrance, wish Wish, position *int32) error {
	// What goes out with the events is the name alone: queues can be long.
	named := &metav1.PartialObjectMetadata{ObjectMeta: metav1.ObjectMeta{Name: wish.Run.GetName(), UID: wish.Run.GetUID()}}
	since := wish.Run.GetCreationTimestamp().Time
	turn := to.Enter(named, reconcile.Wish{Group: wish.Location, GroupLimit: wish.Limit, Since: since})
	*position = int32(min(turn.Position, 1<<30)) //nolint:gosec // It is bounded.
	if turn.Position == 0 {
		return nil
	}
	if left := Long - wish.Now.Sub(since); left > 0 {
		return reconcile.Waiting(kahuv1.ReasonQueued, message(turn, wish.Location), left)
	}
	return reconcile.Waiting(kahuv1.ReasonQueuedLong, message(turn, wish.Location), 0)
}

// message says where in the queue a run is, and what is in its way.
func message(turn reconcile.Turn, location string) string {
	inTheWay := taken(turn.Taken, turn.Total, "in all")
	if turn.InGroup >= turn.GroupLimit {
		inTheWay = taken(turn.InGroup, turn.GroupLimit, "at location "+location)
	}
	return fmt.Sprintf("Number %d of %d in the queue: %s.", turn.Position, turn.Waiting, inTheWay)
}

// taken says how many places are taken. More than there are can be: a location at which nothing runs gets a first one besides,
// and a limit can be lowered while runs go on.
func taken(number, limit int, where string) string {
	switch {
	case number > limit:
		return fmt.Sprintf("%s go on %s, and the limit is %d", core.Count(int64(number), "run"), where, limit)
	case limit == 1:
		return "the only place " + where + " is taken"
	}
	return fmt.Sprintf("%d of %d places %s are taken", number, limit, where)
}

// Limit returns a location's own limit, or the one for all locations where it has none.
func Limit(own int32, otherwise int) int {
	if own > 0 {
		return int(own)
	}
	return otherwise
}

// OfLocation wakes the runs that wait for a place at a location; see LookedAt.
func OfLocation(of Entrance) handler.EventHandler { //nolint:ireturn // controller-runtime wants its interface.
	return handler.EnqueueRequestsFromMapFunc(func(_ context.Context, location client.Object) []ctrlreconcile.Request {
		var requests []ctrlreconcile.Request
		for _, run := range of.Waiting(location.GetName()) {
			requests = append(requests, ctrlreconcile.Request{NamespacedName: client.ObjectKeyFromObject(run)})
		}
		return requests
	})
}

// LookedAt lets a location through whose spec was changed, its limits perhaps, once it has been looked at since. Runs that
// are woken before find that it is not ready, and lose their turn to younger ones.
func LookedAt() predicate.Predicate { //nolint:ireturn // controller-runtime wants its interface.
	looked := func(object client.Object) int64 {
		location, ok := object.(*kahuv1.BackupLocation)
		if !ok {
			return 0
		}
		ready := meta.FindStatusCondition(location.Status.Conditions, kahuv1.ConditionReady)
		if ready == nil {
			return 0
		}
		return ready.ObservedGeneration
	}
	return predicate.Funcs{
		CreateFunc:  func(event.CreateEvent) bool { return true },
		UpdateFunc:  func(change event.UpdateEvent) bool { return looked(change.ObjectNew) != looked(change.ObjectOld) },
		DeleteFunc:  func(event.DeleteEvent) bool { return true },
		GenericFunc: func(event.GenericEvent) bool { return false },
	}
}
