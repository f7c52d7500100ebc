package place

import (
	"context"
	"sync"
	"time"

	kahuv1 "github.com/soda-cdm/kahu/api/v1beta1"
)

// politeTime is for how long somebody who counts on segments lets those go first who were sent away when they came to remove
// some: longer than it takes them to come again.
const politeTime = time.Minute

// sharing keeps apart at one location who removes segments that nobody needs, and who is about to need segments that lie there
// already and that perhaps nobody needs yet, as a copy is: it says so with its intent, which comes too late for a look that is
// over. Several of one sort may be at work at once. Another manager of this cluster that was deposed is kept out by the owner file
// (see engine.Remover), and other clusters remove nothing in this one's part.
type sharing struct {
	mu       sync.Mutex
	removers int
	users    int
	asked    bool          // somebody who came to remove was sent away, and has not come again
	changed  chan struct{} // closed when somebody has left; made by await
}

// remove lets somebody remove, until leave is called; ok is false while others count on what is there.
func (s *sharing) remove() (leave func(), ok bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.users > 0 {
		s.asked = true
		return nil, false
	}
	s.removers++
	s.asked = false
	return s.leaver(&s.removers), true
}

// use waits until nobody removes, and then lets somebody count on what is there, until leave is called.
func (s *sharing) use(ctx context.Context) (leave func(), err error) {
	polite, cancel := context.WithTimeout(ctx, politeTime)
	defer cancel()
	patience := polite.Done()
	for {
		changed, free := s.await()
		if free {
			return s.leaver(&s.users), nil
		}
		select {
		case <-ctx.Done():
			return nil, context.Cause(ctx)
		case <-patience:
			s.forget()
			patience = nil
		case <-changed:
		}
	}
}

// await takes a place among the users where there is one, and returns what tells of a change otherwise.
func (s *sharing) await() (changed <-chan struct{}, free bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.removers == 0 && !s.asked {
		s.users++
		return nil, true
	}
	if s.changed == nil {
		s.changed = make(chan struct{})
	}
	return s.changed, false
}

// forget lets nobody wait any more for who was sent away.
func (s *sharing) forget() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.asked = false
}

// leaver returns what gives a place back, once.
func (s *sharing) leaver(count *int) func() {
	return sync.OnceFunc(func() {
		s.mu.Lock()
		defer s.mu.Unlock()
		*count--
		if s.changed != nil {
			close(s.changed)
			s.changed = nil
		}
	})
}

// Remove lets somebody remove segments at a location, until leave is called; ok is false while others count on what lies
// there, and then it is to be tried again soon.
func (f *Finder) Remove(location *kahuv1.BackupLocation) (leave func(), ok bool) {
	return f.sharing(location).remove()
}

// Use waits until nobody removes segments at a location, nor another manager that was deposed, and lets somebody count on those
// that lie there, until leave is called.
func (f *Finder) Use(ctx context.Context, location *kahuv1.BackupLocation) (leave func(), err error) {
	if err := f.settle(ctx, location.Status.LocationID); err != nil {
		return nil, err
	}
	return f.sharing(location).use(ctx)
}

func (f *Finder) sharing(location *kahuv1.BackupLocation) *sharing {
	of, _ := f.sharings.LoadOrStore(location.Status.LocationID, &sharing{})
	return of.(*sharing) //nolint:forcetypeassert // There are no others.
}
