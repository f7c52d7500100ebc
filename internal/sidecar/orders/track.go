package orders

import (
	"sync"
	"time"

	"k8s.io/apimachinery/pkg/types"

	"github.com/soda-cdm/kahu/internal/core/volumeorder"
)

const (
	// firstPause and longestPause bound the time between two questions to the driver.
	firstPause   = 50 * time.Millisecond
	longestPause = time.Second
	// tellEvery is the time between two statuses that tell progress.
	tellEvery = time.Second
)

// track is what this process remembers of an order that is under way. To forget it costs a question to the driver and some
// patience.
type track struct {
	uid    types.UID
	seen   figures          // What the driver told last.
	moved  time.Time        // When there was progress for the last time, or the driver came back.
	told   time.Time        // When the status was last written.
	next   time.Time        // When the driver is to be asked again.
	ending time.Time        // Since when the order is being ended; zero while it is not.
	step   volumeorder.Step // What the last pass did.
	pause  time.Duration
}

// later returns how long to wait before the same is tried again: longer each time.
func (t *track) later(now time.Time) time.Duration {
	t.pause = min(max(2*t.pause, firstPause), longestPause)
	t.next = now.Add(t.pause)
	return t.pause
}

// move notes that something has changed.
func (t *track) move(now time.Time) {
	t.moved, t.pause, t.next = now, 0, time.Time{}
}

// tracks are those of all orders. Each is used by one goroutine at a time, as a queue gives an order to one worker only.
type tracks struct {
	mutex sync.Mutex
	all   map[key]*track
}

// of returns the track of an order, a new one if there is none, or only one of another object of that name.
func (t *tracks) of(order key, uid types.UID, now time.Time) *track {
	t.mutex.Lock()
	defer t.mutex.Unlock()
	found := t.all[order]
	if found == nil || found.uid != uid {
		found = &track{uid: uid, moved: now}
		t.all[order] = found
	}
	return found
}

// forget drops the track of an order.
func (t *tracks) forget(order key) {
	t.mutex.Lock()
	defer t.mutex.Unlock()
	delete(t.all, order)
}
