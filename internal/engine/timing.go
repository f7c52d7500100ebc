package engine

import (
	"context"
	"fmt"
	"time"

	"k8s.io/utils/clock"
)

// Timing is how long a step of a run took.
type Timing struct {
	// Step is a stable word for it, in camel case.
	Step string
	Took time.Duration
}

// Step is a part of a run.
type Step struct {
	// Word is a stable word for it, Name says what is done.
	Word, Name string
	// Do is the work.
	Do func(ctx context.Context) error
}

// Stopwatch measures steps.
type Stopwatch struct {
	// Timings are those of the steps that were done, in their order.
	Timings []Timing

	clock clock.PassiveClock
}

// NewStopwatch returns a stopwatch that has measured nothing yet.
func NewStopwatch(passive clock.PassiveClock) *Stopwatch { return &Stopwatch{clock: passive} }

// Step does a step and writes down how long it took, whatever came of it.
func (w *Stopwatch) Step(ctx context.Context, next Step) error {
	began := w.clock.Now()
	err := next.Do(ctx)
	w.Timings = append(w.Timings, Timing{Step: next.Word, Took: w.clock.Since(began)})
	if err != nil {
		return fmt.Errorf("%s: %w", next.Name, err)
	}
	return nil
}
