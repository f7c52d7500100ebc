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

// step is a part of a run.
type step struct {
	// word is a stable word for it, name says what is done.
	word, name string
	do         func(ctx context.Context) error
}

// stopwatch measures steps.
type stopwatch struct {
	clock   clock.PassiveClock
	timings []Timing
}

// newStopwatch returns a stopwatch that has measured nothing yet.
func newStopwatch(passive clock.PassiveClock) *stopwatch { return &stopwatch{clock: passive} }

// step does a step and writes down how long it took, whatever came of it.
func (w *stopwatch) step(ctx context.Context, next step) error {
	began := w.clock.Now()
	err := next.do(ctx)
	w.timings = append(w.timings, Timing{Step: next.word, Took: w.clock.Since(began)})
	if err != nil {
		return fmt.Errorf("%s: %w", next.name, err)
	}
	return nil
}
