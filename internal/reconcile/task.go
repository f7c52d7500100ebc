package reconcile

import (
	"context"
	"sync"

	"k8s.io/apimachinery/pkg/types"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/event"
)

// Tasks runs work that is longer than a pass, such as a backup, beside the loop. A pass starts a task, later passes
// look at it, and each time that a task has something to show the object is reconciled again. P is what a task
// shows while it runs, R what it returns.
//
// Only so many tasks go on at once. An object asks for a place with Enter, waits in the queue where there is none (see
// Decide), and begins when its turn has come.
//
// Tasks is a Runnable of the manager: it gives the tasks the manager's context, and the manager's end waits for
// theirs.
type Tasks[P, R any] struct {
	mu     sync.Mutex
	tasks  map[types.UID]*task[P, R]
	places map[types.UID]place   // of the tasks that run, and of those that may begin
	queue  map[types.UID]*waiter // the objects that wait for a place
	limit  int
	// entered counts the objects that came to the queue.
	entered int64
	base    context.Context //nolint:containedctx // The tasks' lifetime is that of the manager, not of the pass that starts one.
	group   sync.WaitGroup
	events  chan event.GenericEvent

	told map[types.UID]client.Object // those that have news of their turn and have not heard it
	wake chan struct{}               // says that there are some
}

// Snapshot is what a task shows of itself.
type Snapshot[P, R any] struct {
	// Progress is the last that the task showed.
	Progress P
	// Ended tells whether the task has returned; Result and Err are valid then.
	Ended  bool
	Result R
	Err    error
}

type task[P, R any] struct {
	name     string
	snapshot Snapshot[P, R]
	cancel   context.CancelFunc
}

// maxEvents bounds the queue of objects to look at again. One event is enough for an object, and a full queue means
// that the loop has work anyway.
const maxEvents = 1024

// NewTasks returns an empty set of tasks of which at most limit run at once.
func NewTasks[P, R any](limit int) *Tasks[P, R] {
	return &Tasks[P, R]{
		tasks:  map[types.UID]*task[P, R]{},
		places: map[types.UID]place{},
		queue:  map[types.UID]*waiter{},
		limit:  limit,
		events: make(chan event.GenericEvent, maxEvents),
		told:   map[types.UID]client.Object{},
		wake:   make(chan struct{}, 1),
	}
}

// Events carries the objects whose tasks have something to show.
func (t *Tasks[P, R]) Events() <-chan event.GenericEvent { return t.events }

// Start makes the tasks live as long as the context, and returns when it has ended and all of them with it.
func (t *Tasks[P, R]) Start(ctx context.Context) error {
	t.mu.Lock()
	t.base = ctx
	t.decide()
	t.mu.Unlock()
	t.tell(ctx)
	t.mu.Lock()
	t.base = nil
	t.mu.Unlock()
	t.group.Wait()
	return nil
}

// Work is what a task does. It ends soon after the context, and may show its progress at any time.
type Work[P, R any] func(ctx context.Context, show func(progress P)) (R, error)

// Begin starts a task for the object, if it has none, in the place that Enter gave it or in a free one that nobody waits
// for. It returns false where there is none, or the manager is not running. The object goes out with the events, from
// other goroutines, and must not be changed any more.
func (t *Tasks[P, R]) Begin(object client.Object, work Work[P, R]) bool {
	t.mu.Lock()
	defer t.mu.Unlock()
	if _, there := t.tasks[object.GetUID()]; there {
		return true
	}
	if t.base == nil || !t.seat(object) {
		return false
	}
	base := t.base
	ctx, cancel := context.WithCancel(base)
	started := &task[P, R]{name: object.GetName(), cancel: cancel}
	t.tasks[object.GetUID()] = started
	t.group.Go(func() {
		defer cancel()
		t.run(ctx, object, started, work)
		// The task's own context may have ended with Cancel, of whose success somebody waits to hear.
		t.notifyEnd(base, object)
	})
	return true
}

// seat gives the object a place, if it has none.
func (t *Tasks[P, R]) seat(object client.Object) bool {
	if _, has := t.places[object.GetUID()]; has {
		return true
	}
	if len(t.places) >= t.limit {
		return false
	}
	delete(t.queue, object.GetUID())
	t.places[object.GetUID()] = place{name: object.GetName()}
	return true
}

func (t *Tasks[P, R]) run(ctx context.Context, object client.Object, started *task[P, R], work Work[P, R]) {
	outcome, err := work(ctx, func(progress P) {
		t.mu.Lock()
		started.snapshot.Progress = progress
		t.mu.Unlock()
		t.notify(object)
	})
	t.mu.Lock()
	started.snapshot.Ended, started.snapshot.Result, started.snapshot.Err = true, outcome, err
	t.leave(object.GetUID())
	t.mu.Unlock()
}

// notify asks for a look at the object, unless so much is asked for already that one will come.
func (t *Tasks[P, R]) notify(object client.Object) {
	select {
	case t.events <- event.GenericEvent{Object: object}:
	default:
	}
}

// notifyEnd asks for a look at the object, and waits until the question is heard or the manager ends.
func (t *Tasks[P, R]) notifyEnd(ctx context.Context, object client.Object) {
	select {
	case t.events <- event.GenericEvent{Object: object}:
	case <-ctx.Done():
	}
}

// Look returns what the object's task shows, and whether there is one.
func (t *Tasks[P, R]) Look(uid types.UID) (Snapshot[P, R], bool) {
	t.mu.Lock()
	defer t.mu.Unlock()
	found, ok := t.tasks[uid]
	if !ok {
		return Snapshot[P, R]{}, false
	}
	return found.snapshot, true
}

// Forget drops a task that has ended, once its result is in the status, and gives up the place of one that never began.
func (t *Tasks[P, R]) Forget(uid types.UID) {
	t.mu.Lock()
	defer t.mu.Unlock()
	found, begun := t.tasks[uid]
	switch {
	case !begun:
		t.leave(uid)
	case found.snapshot.Ended:
		delete(t.tasks, uid)
	}
}

// Release ends the tasks of objects of that name with another UID than the living one's, and forgets them when they
// have ended: their objects are gone. What these objects waited for or were given is free.
func (t *Tasks[P, R]) Release(name string, living types.UID) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.releasePlaces(name, living)
	for uid, found := range t.tasks {
		switch {
		case found.name != name || uid == living:
		case found.snapshot.Ended:
			delete(t.tasks, uid)
		default:
			found.cancel()
		}
	}
}

// Cancel asks the object's task to end, and returns true when there is none, or it has ended.
func (t *Tasks[P, R]) Cancel(uid types.UID) bool {
	t.mu.Lock()
	defer t.mu.Unlock()
	found, ok := t.tasks[uid]
	if !ok || found.snapshot.Ended {
		return true
	}
	found.cancel()
	return false
}
