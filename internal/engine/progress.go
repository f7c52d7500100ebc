package engine

import (
	"slices"
	"sync"
	"time"

	"k8s.io/utils/clock"

	"github.com/soda-cdm/kahu/internal/core/volumework"
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
	// Volumes is how far the data of volumes is; nil before it moves. Going are the first of those for which a restore waits
	// when everything else is done, after those that are lost.
	Volumes *volumework.Progress
	Going   []volumework.Restored
	// Failed are the first rows of what has failed, FailedTotal counts all.
	Failed      []Row
	FailedTotal int64
	// After tells that nothing but the hooks after is left of a restore, and Restored is then what has become of its volumes.
	After    bool
	Restored []volumework.Restored
}

// Meter counts, and shows the counts from time to time.
type Meter struct {
	mu    sync.Mutex
	clock clock.PassiveClock
	show  func(current Progress)
	now   Progress
	shown time.Time
}

// NewMeter returns what counts for a run. show may be nil.
func NewMeter(passive clock.PassiveClock, show func(current Progress)) *Meter {
	return &Meter{clock: passive, show: show}
}

// Expect adds to the number of objects that there will be.
func (p *Meter) Expect(objects int64) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.now.Total += objects
	p.tell()
}

// Done adds to what has been dealt with.
func (p *Meter) Done(objects, bytes int64) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.now.Done += objects
	p.now.Bytes += bytes
	p.now.Total = max(p.now.Total, p.now.Done)
	p.tell()
}

// Volumes tells how far the data of volumes is. That it moves at all is shown at once.
func (p *Meter) Volumes(now volumework.Progress) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.now.Volumes == nil {
		p.shown = time.Time{}
	}
	p.now.Volumes = &now
	p.tell()
}

// Going tells which volumes a restore waits for.
func (p *Meter) Going(rows []volumework.Restored) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.now.Going = rows[:min(len(rows), MaxRows)]
	p.tell()
}

// Failed adds something that has failed. The first one is shown at once.
func (p *Meter) Failed(row Row) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.now.FailedTotal == 0 {
		p.shown = time.Time{}
	}
	p.now.FailedTotal++
	if len(p.now.Failed) < MaxRows {
		p.now.Failed = append(slices.Clip(p.now.Failed), row) // Whoever was shown the rows before has them still.
	}
	p.tell()
}

// After tells that nothing but the hooks after is left, and what has become of the volumes. It is shown at once.
func (p *Meter) After(restored []volumework.Restored) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.now.After, p.now.Restored, p.shown = true, restored, time.Time{}
	p.tell()
}

func (p *Meter) tell() {
	now := p.clock.Now()
	if p.show == nil || now.Sub(p.shown) < showEvery {
		return
	}
	p.shown = now
	p.show(p.now)
}
