// Package queue lets runs wait for a place, and shows in their status how they stand.
package queue

import (
	"context"
	"fmt"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/handler"
	ctrlreconcile "sigs.k8s.io/controller-runtime/pkg/reconcile"

	kahuv1 "github.com/soda-cdm/kahu/api/v1beta1"
	"github.com/soda-cdm/kahu/internal/reconcile"
)

// Entrance is where runs of one kind get their places.
type Entrance interface {
	// Enter asks for a place for an object.
	Enter(object client.Object, wish reconcile.Wish) reconcile.Turn
	// Waiting returns the objects that wait for a place at a location.
	Waiting(location string) []client.Object
}

// Enter asks for a place for a run at a location of which limit go on at once, and writes the run's position into its
// status. It returns nil where the run may begin, and otherwise the outcome of the pass: the run is woken when its turn
// has come.
func Enter(to Entrance, run client.Object, location string, limit int, position *int32) error {
	// What goes out with the events is the name alone: queues can be long.
	named := &metav1.PartialObjectMetadata{ObjectMeta: metav1.ObjectMeta{Name: run.GetName(), UID: run.GetUID()}}
	turn := to.Enter(named, reconcile.Wish{Group: location, GroupLimit: limit, Since: run.GetCreationTimestamp().Time})
	*position = int32(min(turn.Position, 1<<30)) //nolint:gosec // It is bounded.
	if turn.Position == 0 {
		return nil
	}
	return reconcile.Waiting(kahuv1.ReasonQueued, message(turn, location), 0)
}

// message says where in the queue a run is, and what is in its way.
func message(turn reconcile.Turn, location string) string {
	inTheWay := fmt.Sprintf("%d of %d places in all are taken", turn.Taken, turn.Total)
	if turn.InGroup >= turn.GroupLimit {
		inTheWay = fmt.Sprintf("%d of %d places at location %s are taken", turn.InGroup, turn.GroupLimit, location)
	}
	return fmt.Sprintf("Number %d of %d in the queue: %s.", turn.Position, turn.Waiting, inTheWay)
}

// Limit returns a location's own limit, or the one for all locations where it has none.
func Limit(own int32, otherwise int) int {
	if own > 0 {
		return int(own)
	}
	return otherwise
}

// OfLocation wakes the runs that wait for a place at a location whose spec has changed: its limits may have.
func OfLocation(of Entrance) handler.EventHandler { //nolint:ireturn // controller-runtime wants its interface.
	return handler.EnqueueRequestsFromMapFunc(func(_ context.Context, location client.Object) []ctrlreconcile.Request {
		var requests []ctrlreconcile.Request
		for _, run := range of.Waiting(location.GetName()) {
			requests = append(requests, ctrlreconcile.Request{NamespacedName: client.ObjectKeyFromObject(run)})
		}
		return requests
	})
}
