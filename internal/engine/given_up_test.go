package engine_test

import (
	"context"
	"errors"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/soda-cdm/kahu/internal/core/archive"
	"github.com/soda-cdm/kahu/internal/core/selection"
	"github.com/soda-cdm/kahu/internal/engine"
)

// TestGivenUp: whether a run that failed removes what is there depends on what is on record.
func TestGivenUp(t *testing.T) {
	for name, test := range map[string]struct {
		refused error
		left    bool
	}{
		"on record":  {nil, false},
		"superseded": {engine.ErrSuperseded, true},
		"over":       {engine.ErrOver, false},
		"unknown":    {errRefused, true},
	} {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t)
			w.shop()
			w.confirm = func(context.Context) error { return errRefused }
			var cause error
			w.giveUp = func(_ context.Context, why error) error {
				cause = why
				return test.refused
			}
			if _, err := w.try(t.Context(), 0, selection.Filters{}); !errors.Is(err, errRefused) {
				t.Errorf("got %v", err)
			}
			if !errors.Is(cause, errRefused) {
				t.Errorf("the cause is %v", cause)
			}
			if left := w.names(); len(left) > 0 != test.left {
				t.Errorf("left %v", left)
			}
		})
	}
}

// TestLeft: an attempt whose context ended leaves what it wrote to another one, unless its run is over: then it is nobody's.
func TestLeft(t *testing.T) {
	for name, test := range map[string]struct {
		answer error
		left   bool
	}{
		"goes on": {engine.ErrSuperseded, true},
		"over":    {engine.ErrOver, false},
	} {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t)
			w.shop()
			ctx, cancel := context.WithCancel(t.Context())
			defer cancel()
			w.confirm = func(context.Context) error {
				cancel()
				return ctx.Err()
			}
			w.giveUp = func(_ context.Context, cause error) error {
				if !errors.Is(cause, engine.ErrLeft) {
					t.Errorf("the cause is %v", cause)
				}
				return test.answer
			}
			if _, err := w.try(ctx, 0, selection.Filters{}); !errors.Is(err, context.Canceled) {
				t.Errorf("got %v", err)
			}
			if left := w.names(); len(left) > 0 != test.left {
				t.Errorf("left %v", left)
			}
		})
	}
}

// TestSupersededTooLate: what an attempt wrote after another one had its manifest, and swept, is removed although the run
// is not over by its record yet.
func TestSupersededTooLate(t *testing.T) {
	w := newWorld(t)
	w.shop()
	w.giveUp = func(context.Context, error) error { return engine.ErrSuperseded }
	overtake := func() {
		w.confirm = nil
		if _, err := w.try(t.Context(), 1, selection.Filters{}); err != nil {
			t.Error(err)
		}
		late := archive.SegmentID{ClusterID: clusterID, Attempt: attempts[0], Number: 9}
		w.put(late.Name(), "late")
		w.put(id("one").IndexName(), "late")
	}
	w.confirm = func(context.Context) error { // the first one's
		overtake()
		return errRefused
	}
	if _, err := w.try(t.Context(), 0, selection.Filters{}); !errors.Is(err, errRefused) {
		t.Errorf("got %v", err)
	}
	if debris := w.debris(); len(debris) > 0 {
		t.Errorf("debris %v", debris)
	}
	if diff := cmp.Diff(w.cluster.Contents(), w.restored()); diff != "" {
		t.Error(diff)
	}
}
