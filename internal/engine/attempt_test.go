package engine_test

import (
	"context"
	"errors"
	"sync"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/soda-cdm/kahu/internal/core"
	"github.com/soda-cdm/kahu/internal/core/selection"
	"github.com/soda-cdm/kahu/internal/engine"
	"github.com/soda-cdm/kahu/internal/testkit/fakecluster"
)

// TestCancelled ends the run at each call of the cluster: it ends with the context's error, and leaves
// what another attempt can go on with, or a deletion finds.
func TestCancelled(t *testing.T) {
	for stop := 0; ; stop++ {
		w := newWorld(t)
		w.shop()
		ctx, cancel := context.WithCancel(t.Context())
		var mu sync.Mutex
		calls := 0
		w.cluster.Intercept = func(fakecluster.Call) error {
			mu.Lock()
			defer mu.Unlock()
			if calls++; calls > stop {
				cancel()
				return ctx.Err()
			}
			return nil
		}
		use := &engine.Backup{Cluster: w.cluster, Clock: w.clock, Listers: 2, Packers: 2, Writer: "test"}
		_, err := use.Run(ctx, engine.BackupRequest{
			ID: id("one"), Attempt: "one", LocationID: "location", Object: []byte(`{}`),
			Confirm: func(context.Context) error { return nil },
		}, w.files)
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
		if w.has(id("one").ManifestName()) {
			t.Errorf("stopped at call %d: there is a manifest", stop)
		}
		if err := engine.Delete(t.Context(), w.files, id("one")); err != nil {
			t.Errorf("stopped at call %d: deleting: %v", stop, err)
		}
		if names := w.names(); len(names) > 0 {
			t.Errorf("stopped at call %d: left after deletion: %v", stop, names)
		}
	}
}

// TestSecondAttempt: an attempt that finds the intent, or the backup, of another one does it no harm.
func TestSecondAttempt(t *testing.T) {
	w := newWorld(t)
	w.shop()
	if _, err := w.attempt("one", "first", selection.Filters{}); err != nil {
		t.Fatal(err)
	}
	before := w.names()
	if _, err := w.attempt("one", "second", selection.Filters{}); !errors.Is(err, core.ErrAlreadyExists) {
		t.Errorf("got %v", err)
	}
	if diff := cmp.Diff(before, w.names()); diff != "" {
		t.Error(diff)
	}
	t.Run("that came in between", func(t *testing.T) {
		w := newWorld(t)
		w.shop()
		w.confirm = func(ctx context.Context) error {
			// Another process has given this run up and made the backup itself.
			w.confirm = nil
			if err := engine.Delete(ctx, w.files, id("one"), "first"); err != nil {
				t.Error(err)
			}
			if _, err := w.attempt("one", "second", selection.Filters{}); err != nil { //nolint:contextcheck // The world has the test's own.
				t.Error(err)
			}
			return errRefused
		}
		w.giveUp = func(context.Context, error) error { return engine.ErrOver }
		if _, err := w.attempt("one", "first", selection.Filters{}); !errors.Is(err, errRefused) {
			t.Errorf("got %v", err)
		}
		if diff := cmp.Diff(w.cluster.Contents(), w.restored()); diff != "" {
			t.Error(diff)
		}
	})
}
