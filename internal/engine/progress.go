package engine

import (
	"sync"
	"time"

	"k8s.io/utils/clock"
)

// showEvery is the least time between two times that progress is shown.
const showEvery = time.Second

// Progress is how far a run is.
type Progress struct {
	// Done counts the objects that have been dealt with. Total estimates how many there are; it grows while they
	// are being found.
	Done, Total int64
	// Bytes counts the JSON bytes of the objects that have been dealt with.
	Bytes int64
}

// progress counts, and shows the counts from time to time.
type progress struct {
	mu    sync.Mutex
	clock clock.PassiveClock
	show  func(current Progress)
	now   Progress
	shown time.Time
}

// newProgress returns what counts for a run. show may be nil.
func newProgress(passive clock.PassiveClock, show func(current Progress)) *progress {
	return &progress{clock: passive, show: show}
}

// expect adds to the number of objects that there will be.
func (p *progress) expect(objects int64) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.now.Total += objects
	p.tell()
}

// done adds to what has been dealt with.
func (p *progress) done(objects, bytes int64) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.now.Done += objects
	p.now.Bytes += bytes
	p.now.Total = max(p.now.Total, p.now.Done)
	p.tell()
}

func (p *progress) tell() {
	now := p.clock.Now()
	if p.show == nil || now.Sub(p.shown) < showEvery {
		return
	}
	p.shown = now
	p.show(p.now)
}
