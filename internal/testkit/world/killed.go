package world

import (
	"context"
	"encoding/json"
	"slices"
	"strings"

	"github.com/soda-cdm/kahu/internal/core/selection"
	"github.com/soda-cdm/kahu/internal/engine/backup"
)

// Attempts are the names of attempts at one backup, in order.
var Attempts = []string{"first", "second", "third", "fourth", "fifth"}

// Try is the attempt of that number, with a checkpoint after every kind.
func (w *World) Try(ctx context.Context, number int, filters selection.Filters) (backup.Result, error) {
	w.T.Helper()
	confirm := w.Confirm
	if confirm == nil {
		confirm = func(context.Context) error { return nil }
	}
	use := &backup.Runner{Cluster: w.Cluster, Clock: w.Clock, Listers: w.Workers, Packers: w.Workers, Writer: "test"}
	return use.Run(ctx, backup.Request{
		ID: ID("one"), Attempt: Attempts[number], Earlier: slices.Clone(Attempts[:number]),
		LocationID: "location", ServerVersion: "v1", Object: json.RawMessage(`{}`),
		Filters: filters, VolumeData: true, Confirm: confirm, GiveUp: w.GiveUp, Volumes: w.Volumes, Hooks: w.Hooks, Held: w.Held,
		VolumeSettings: w.VolumeSettings,
	}, w.Files)
}

// Moment is when a process is killed: before or after a call.
type Moment string

// The moments.
const (
	Before Moment = "before"
	After  Moment = "after"
)

// Killed is the attempt of that number, whose process is killed before or after its n-th call to the store, counted from
// 0. It returns false where the attempt was over before.
func (w *World) Killed(number, n int, at Moment, filters selection.Filters) bool {
	w.T.Helper()
	ctx, cancel := context.WithCancel(w.T.Context())
	defer cancel()
	dead := false
	kill := func(call int, _, _ string) error {
		w.Driver.mu.Lock()
		defer w.Driver.mu.Unlock()
		if call >= n {
			dead = true
			cancel()
		}
		if dead {
			return ErrRefused
		}
		return nil
	}
	w.Driver.Recorded()
	if at == After {
		w.Driver.After = kill
		w.Driver.Before = func(int, string, string) error {
			w.Driver.mu.Lock()
			defer w.Driver.mu.Unlock()
			if dead {
				return ErrRefused
			}
			return nil
		}
	} else {
		w.Driver.Before = kill
	}
	_, err := w.Try(ctx, number, filters)
	w.Driver.Before, w.Driver.After = nil, nil
	if !dead && err != nil {
		w.T.Fatalf("attempt %d, over before call %d: %v", number, n, err)
	}
	return dead
}

// BackupInParts makes backup one in two attempts, so that it has several segments. The first one is killed after its first
// checkpoint.
func (w *World) BackupInParts() {
	w.T.Helper()
	ctx, cancel := context.WithCancel(w.T.Context())
	defer cancel()
	checkpoints := 0
	w.Driver.Before = func(_ int, _, name string) error {
		w.Driver.mu.Lock()
		defer w.Driver.mu.Unlock()
		if strings.Contains(name, "/checkpoint-") {
			checkpoints++
		}
		if checkpoints < 2 { //nolint:mnd // The second one is not written.
			return nil
		}
		cancel()
		return ErrRefused
	}
	if _, err := w.Try(ctx, 0, selection.Filters{}); err == nil {
		w.T.Fatal("the first attempt was not killed")
	}
	w.Driver.Before = nil
	if _, err := w.Try(w.T.Context(), 1, selection.Filters{}); err != nil {
		w.T.Fatal(err)
	}
}
