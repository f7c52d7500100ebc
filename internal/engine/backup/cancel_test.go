package backup_test

import (
	"context"
	"errors"
	"sync"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/soda-cdm/kahu/internal/core"
	"github.com/soda-cdm/kahu/internal/core/selection"
	"github.com/soda-cdm/kahu/internal/engine/backup"
	"github.com/soda-cdm/kahu/internal/engine/removal"
	"github.com/soda-cdm/kahu/internal/testkit/fakecluster"
	"github.com/soda-cdm/kahu/internal/testkit/world"
)

// TestCancelled ends the run at each call of the cluster: it ends with the context's error, and leaves
// what another attempt can go on with, or a deletion finds.
func TestCancelled(t *testing.T) {
	for stop := 0; ; stop++ {
		w := world.New(t)
		w.Shop()
		ctx, cancel := context.WithCancel(t.Context())
		var mu sync.Mutex
		calls := 0
		w.Cluster.Intercept = func(fakecluster.Call) error {
			mu.Lock()
			defer mu.Unlock()
			if calls++; calls > stop {
				cancel()
				return ctx.Err()
			}
			return nil
		}
		use := &backup.Runner{Cluster: w.Cluster, Clock: w.Clock, Listers: 2, Packers: 2, Writer: "test"}
		_, err := use.Run(ctx, backup.Request{
			ID: world.ID("one"), Attempt: "one", LocationID: "location", Object: []byte(`{}`),
			Confirm: func(context.Context) error { return nil },
		}, w.Files)
		cancel()
		if err == nil {
			if stop < 5 {
				t.Errorf("a whole run made %d calls", stop)
			}
			return
		}
		if !errors.Is(err, context.Canceled) {
			t.Errorf("stopped at call %d: %v", stop, err)
		}
		if w.Has(world.ID("one").ManifestName()) {
			t.Errorf("stopped at call %d: there is a manifest", stop)
		}
		if err := removal.Delete(t.Context(), w.Files, world.ID("one")); err != nil {
			t.Errorf("stopped at call %d: deleting: %v", stop, err)
		}
		if names := w.Names(); len(names) > 0 {
			t.Errorf("stopped at call %d: left after deletion: %v", stop, names)
		}
	}
}

// TestSecondAttempt: an attempt that finds the intent, or the backup, of another one does it no harm.
func TestSecondAttempt(t *testing.T) {
	w := world.New(t)
	w.Shop()
	if _, err := w.Attempt("one", "first", selection.Filters{}); err != nil {
		t.Fatal(err)
	}
	before := w.Names()
	if _, err := w.Attempt("one", "second", selection.Filters{}); !errors.Is(err, core.ErrAlreadyExists) {
		t.Errorf("got %v", err)
	}
	if diff := cmp.Diff(before, w.Names()); diff != "" {
		t.Error(diff)
	}
	t.Run("that came in between", func(t *testing.T) {
		w := world.New(t)
		w.Shop()
		w.Confirm = func(ctx context.Context) error {
			// Another process has given this run up and made the backup itself.
			w.Confirm = nil
			if err := removal.Delete(ctx, w.Files, world.ID("one"), "first"); err != nil {
				t.Error(err)
			}
			if _, err := w.Attempt("one", "second", selection.Filters{}); err != nil { //nolint:contextcheck // The world has the test's own.
				t.Error(err)
			}
			return world.ErrRefused
		}
		w.GiveUp = func(context.Context, error) error { return backup.ErrOver }
		if _, err := w.Attempt("one", "first", selection.Filters{}); !errors.Is(err, world.ErrRefused) {
			t.Errorf("got %v", err)
		}
		if diff := cmp.Diff(w.Cluster.Contents(), w.Restored()); diff != "" {
			t.Error(diff)
		}
	})
}
