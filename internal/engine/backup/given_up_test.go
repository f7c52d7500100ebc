package backup_test

import (
	"context"
	"errors"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/soda-cdm/kahu/internal/core"
	"github.com/soda-cdm/kahu/internal/core/archive"
	"github.com/soda-cdm/kahu/internal/core/selection"
	"github.com/soda-cdm/kahu/internal/engine/backup"
	"github.com/soda-cdm/kahu/internal/testkit/world"
)

// TestGivenUp: whether a run that failed removes what is there depends on what is on record.
func TestGivenUp(t *testing.T) {
	for name, test := range map[string]struct {
		refused error
		left    bool
	}{
		"on record":  {nil, false},
		"superseded": {backup.ErrSuperseded, true},
		"over":       {backup.ErrOver, true},
		"over alone": {backup.ErrOverAlone, false},
		"unknown":    {world.ErrRefused, true},
	} {
		t.Run(name, func(t *testing.T) {
			w := world.New(t)
			w.Shop()
			w.Confirm = func(context.Context) error { return world.ErrRefused }
			var cause error
			w.GiveUp = func(_ context.Context, why error) error {
				cause = why
				return test.refused
			}
			if _, err := w.Try(t.Context(), 0, selection.Filters{}); !errors.Is(err, world.ErrRefused) {
				t.Errorf("got %v", err)
			}
			if !errors.Is(cause, world.ErrRefused) {
				t.Errorf("the cause is %v", cause)
			}
			if left := w.Names(); len(left) > 0 != test.left {
				t.Errorf("left %v", left)
			}
		})
	}
}

// TestLeft: an attempt whose context ended leaves what it wrote to another one, unless its run is over and
// never had another: then it is nobody's.
func TestLeft(t *testing.T) {
	for name, test := range map[string]struct {
		answer error
		left   bool
	}{
		"goes on":    {backup.ErrSuperseded, true},
		"over":       {backup.ErrOver, true},
		"over alone": {backup.ErrOverAlone, false},
	} {
		t.Run(name, func(t *testing.T) {
			w := world.New(t)
			w.Shop()
			ctx, cancel := context.WithCancel(t.Context())
			defer cancel()
			w.Confirm = func(context.Context) error {
				cancel()
				return ctx.Err()
			}
			w.GiveUp = func(_ context.Context, cause error) error {
				if !errors.Is(cause, backup.ErrLeft) {
					t.Errorf("the cause is %v", cause)
				}
				return test.answer
			}
			if _, err := w.Try(ctx, 0, selection.Filters{}); !errors.Is(err, context.Canceled) {
				t.Errorf("got %v", err)
			}
			if left := w.Names(); len(left) > 0 != test.left {
				t.Errorf("left %v", left)
			}
		})
	}
}

// TestSupersededTooLate: what an attempt wrote after another one had its manifest, and swept, is removed although the run
// is not over by its record yet.
func TestSupersededTooLate(t *testing.T) {
	w := world.New(t)
	w.Shop()
	w.GiveUp = func(context.Context, error) error { return backup.ErrSuperseded }
	overtake := func() {
		w.Confirm = nil
		if _, err := w.Try(t.Context(), 1, selection.Filters{}); err != nil {
			t.Error(err)
		}
		late := archive.SegmentID{ClusterID: world.ClusterID, Attempt: world.Attempts[0], Number: 9}
		w.Put(late.Name(), "late")
		w.Put(world.ID("one").IndexName(), "late")
	}
	w.Confirm = func(context.Context) error { // the first one's
		overtake()
		return world.ErrRefused
	}
	if _, err := w.Try(t.Context(), 0, selection.Filters{}); !errors.Is(err, world.ErrRefused) {
		t.Errorf("got %v", err)
	}
	if debris := debris(w); len(debris) > 0 {
		t.Errorf("debris %v", debris)
	}
	if diff := cmp.Diff(w.Cluster.Contents(), w.Restored()); diff != "" {
		t.Error(diff)
	}
}

// TestOverLeavesWhatAnotherUses: an attempt that slept before its manifest wakes up when its run is over, while another one, that
// went on with its segments, is confirmed and has yet to write the manifest that names them.
func TestOverLeavesWhatAnotherUses(t *testing.T) {
	w := world.New(t)
	w.Workers = 1
	bigShop(w)
	w.GiveUp = func(context.Context, error) error { return backup.ErrOver }
	asleep, awake, ended := make(chan struct{}), make(chan struct{}), make(chan struct{})
	w.Confirm = func(context.Context) error {
		close(asleep)
		<-awake
		return world.ErrRefused
	}
	go func() {
		defer close(ended)
		if _, err := w.Try(t.Context(), 0, selection.Filters{}); !errors.Is(err, world.ErrRefused) {
			t.Errorf("the first attempt: %v", err)
		}
	}()
	<-asleep
	w.Confirm = func(context.Context) error { // The second one's. Its manifest follows.
		close(awake)
		<-ended
		return nil
	}
	made, err := w.Try(t.Context(), 1, selection.Filters{})
	if err != nil {
		t.Fatal(err)
	}
	taken := false
	for _, file := range made.Manifest.Files() {
		id, is := archive.ParseSegmentName(file.Name)
		taken = taken || is && id.Attempt == world.Attempts[0]
		if !w.Has(file.Name) {
			t.Errorf("the manifest names %s, which is gone", file.Name)
		}
	}
	if !taken {
		t.Error("the manifest names no segment of the first attempt")
	}
	if debris := debris(w); len(debris) > 0 {
		t.Errorf("debris %v", debris)
	}
}

// TestNotAdopted: a manifest that names a segment which is gone is no outcome of a later attempt, and nothing is swept because
// of it.
func TestNotAdopted(t *testing.T) {
	for name, unlisted := range map[string]bool{"Listed": false, "Unlisted": true} {
		t.Run(name, func(t *testing.T) {
			w := world.New(t)
			w.Shop()
			w.Driver.Unlisted = unlisted
			made, err := w.Try(t.Context(), 0, selection.Filters{})
			if err != nil {
				t.Fatal(err)
			}
			if err := w.Files.Remove(t.Context(), made.Manifest.Segments[0].Name); err != nil {
				t.Fatal(err)
			}
			before := w.Names()
			w.GiveUp = func(context.Context, error) error { return nil }
			if _, err := w.Try(t.Context(), 1, selection.Filters{}); !errors.Is(err, core.ErrCorrupt) {
				t.Errorf("got %v", err)
			}
			if diff := cmp.Diff(before, w.Names()); diff != "" {
				t.Error(diff)
			}
		})
	}
}
