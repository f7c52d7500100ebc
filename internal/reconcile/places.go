package reconcile

import (
	"context"

	"k8s.io/apimachinery/pkg/types"
	"sigs.k8s.io/controller-runtime/pkg/client"
)

// Turn is how an object stands that wants a place for its task.
type Turn struct {
	// Position is the object's place in the queue, 1 for the next one; 0 where it has a place and may begin. Waiting is
	// the length of the queue.
	Position, Waiting int
	// InGroup is how many places of its group are taken, and GroupLimit how many that group may have; Taken is how many
	// are in all, and Total how many there are.
	InGroup, GroupLimit int
	Taken, Total        int
}

// place is one that an object has: its task runs, or may begin.
type place struct{ name, group string }

// waiter is an object that waits for a place.
type waiter struct {
	wish   Wish
	object client.Object
	now    int // its position
	shown  int // the position that it was told last
}

// Enter asks for a place for the object's task, and may be called in every pass until it begins. An object that has to
// wait is reconciled again when its turn has come, and from time to time when it has moved up. The object goes out with
// the events, and must not be changed any more.
func (t *Tasks[P, R]) Enter(object client.Object, wish Wish) Turn {
	t.mu.Lock()
	defer t.mu.Unlock()
	wish.UID = object.GetUID()
	if _, has := t.places[wish.UID]; !has {
		t.line(object, wish)
		t.decide()
	}
	turn := Turn{Waiting: len(t.queue), GroupLimit: groupLimit(wish.GroupLimit, t.limit), Taken: len(t.places), Total: t.limit}
	for _, each := range t.places {
		if each.group == wish.Group {
			turn.InGroup++
		}
	}
	if own, waits := t.queue[wish.UID]; waits {
		own.shown = own.now
		turn.Position = own.now
	}
	// Whoever asks knows now, and need not be told.
	delete(t.told, wish.UID)
	return turn
}

// line puts the object into the queue, or keeps it where it is.
func (t *Tasks[P, R]) line(object client.Object, wish Wish) {
	entered := &waiter{object: object}
	if before, waits := t.queue[wish.UID]; waits {
		wish.Order, wish.Passed, entered.shown = before.wish.Order, before.wish.Passed, before.shown
	} else {
		t.entered++
		wish.Order = t.entered
	}
	entered.wish = wish
	t.queue[wish.UID] = entered
	// A limit is the group's: by an old one that another wish came with, a younger one would pass it.
	for _, each := range t.queue {
		if each.wish.Group == wish.Group {
			each.wish.GroupLimit = wish.GroupLimit
		}
	}
}

// Leave gives up the object's place, or its place in the queue, unless its task has begun.
func (t *Tasks[P, R]) Leave(uid types.UID) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if _, begun := t.tasks[uid]; !begun {
		t.leave(uid)
	}
}

func (t *Tasks[P, R]) leave(uid types.UID) {
	delete(t.places, uid)
	delete(t.queue, uid)
	delete(t.told, uid)
	t.decide()
}

// releasePlaces is the part of Release that is about tasks which have not begun.
func (t *Tasks[P, R]) releasePlaces(name string, living types.UID) {
	for uid, found := range t.queue {
		if found.object.GetName() == name && uid != living {
			t.leave(uid)
		}
	}
	for uid, found := range t.places {
		if _, begun := t.tasks[uid]; !begun && found.name == name && uid != living {
			t.leave(uid)
		}
	}
}

// Waiting returns the objects of a group that wait for a place, or those of all groups where it is empty.
func (t *Tasks[P, R]) Waiting(group string) []client.Object {
	t.mu.Lock()
	defer t.mu.Unlock()
	var found []client.Object
	for _, each := range t.queue {
		if group == "" || each.wish.Group == group {
			found = append(found, each.object)
		}
	}
	return found
}

// Taken returns how many places are taken.
func (t *Tasks[P, R]) Taken() int {
	t.mu.Lock()
	defer t.mu.Unlock()
	return len(t.places)
}

// decide gives free places to those whose turn it is, and tells everybody to whom it matters.
func (t *Tasks[P, R]) decide() {
	if len(t.queue) == 0 {
		return
	}
	total := t.limit
	if t.base == nil {
		total = 0 // Nothing begins without a manager.
	}
	taken := map[string]int{}
	for _, each := range t.places {
		taken[each.group]++
	}
	waiting := make([]Wish, 0, len(t.queue))
	for _, each := range t.queue {
		waiting = append(waiting, each.wish)
	}
	begin, wait := Decide(waiting, taken, total)
	for _, wish := range begin {
		own := t.queue[wish.UID]
		t.places[wish.UID] = place{name: own.object.GetName(), group: wish.Group}
		t.told[wish.UID] = own.object
		delete(t.queue, wish.UID)
	}
	for i, wish := range wait {
		own := t.queue[wish.UID]
		own.now, own.wish.Passed = i+1, wish.Passed
		if worthTelling(own.shown, own.now) {
			own.shown = own.now
			t.told[wish.UID] = own.object
		}
	}
	select {
	case t.wake <- struct{}{}:
	default: // Somebody has said so already.
	}
}

// tell sends the objects that have news of their turn back into the loop, until the context ends. A turn that is not
// told would never be taken, so it waits until it is heard.
func (t *Tasks[P, R]) tell(ctx context.Context) {
	for {
		select {
		case <-ctx.Done():
			return
		case <-t.wake:
		}
		t.mu.Lock()
		told := t.told
		t.told = map[types.UID]client.Object{}
		t.mu.Unlock()
		for _, object := range told {
			t.notifyEnd(ctx, object)
		}
	}
}
