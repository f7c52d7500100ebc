package copies_test

import (
	"context"
	"errors"
	"slices"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"k8s.io/utils/clock"

	"github.com/soda-cdm/kahu/internal/core"
	"github.com/soda-cdm/kahu/internal/core/archive"
	"github.com/soda-cdm/kahu/internal/engine"
	"github.com/soda-cdm/kahu/internal/engine/copies"
	"github.com/soda-cdm/kahu/internal/engine/location"
	"github.com/soda-cdm/kahu/internal/engine/removal"
	driver "github.com/soda-cdm/kahu/internal/testkit/world"
	"github.com/soda-cdm/kahu/provider/memory"
)

// The tests of this file let a manager sleep before each of its calls to the target in turn, have another one lead meanwhile and do
// what it does, and let the first one wake up. See engine.Remover for why that does no harm. All happens in the time of
// synctest, which passes when everybody waits.

// manager is a process that led once, and claimed the target then.
type manager struct {
	t     *testing.T
	to    *memory.Store
	nonce string
}

// leads makes another manager the one that leads.
func leads(t *testing.T, to *memory.Store, nonce string) *manager {
	t.Helper()
	at := &location.Location{Files: files(to), Clock: clock.RealClock{}}
	if err := at.TakeOwner(t.Context(), clusterID, nonce); err != nil {
		t.Fatal(err)
	}
	return &manager{t: t, to: to, nonce: nonce}
}

// owned is what it asks about the target through a driver.
func (m *manager) owned(through *driver.Driver) func(ctx context.Context) error {
	at := &location.Location{Files: files(through)}
	return func(ctx context.Context) error { return at.CheckClaim(ctx, clusterID, m.nonce, "first", "second") }
}

// wait lets so much time pass.
func (m *manager) wait(long time.Duration) {
	timer := time.NewTimer(long)
	defer timer.Stop()
	<-timer.C
}

// collect collects twice what is older than a moment and of no run, but those that are named.
func (m *manager) collect(through *driver.Driver, running ...string) error {
	use := &removal.Collection{
		ClusterID: clusterID, Grace: time.Nanosecond, Owned: m.owned(through),
		Running: func(context.Context) (func(archive.BackupID) bool, error) {
			return func(of archive.BackupID) bool { return slices.Contains(running, of.Name) }, nil
		},
	}
	for range 2 {
		if _, err := use.Run(m.t.Context(), files(through)); err != nil {
			return err
		}
		m.wait(2 * engine.RemovalTime)
	}
	return nil
}

// delete removes a backup.
func (m *manager) delete(through *driver.Driver, name string) error {
	return (&removal.Deletion{Owned: m.owned(through)}).Delete(m.t.Context(), files(through), id(name))
}

// abandon removes what was sent of a copy that nobody wants.
func (m *manager) abandon(through *driver.Driver, name string) error {
	leaving := copies.Leaving{Backup: id(name), Attempts: []string{"copy1"}, Owned: m.owned(through)}
	return (&copies.Copy{}).Abandon(m.t.Context(), leaving, files(through))
}

// copy copies a backup when nobody else can remove anything any more.
func (m *manager) copy(w *world, through *driver.Driver, name, attempt string) error {
	m.wait(2 * engine.RemovalTime)
	wish := request(name)
	wish.Attempt, wish.Confirm = attempt, m.owned(through)
	_, err := w.copy(m.t.Context(), w.from, through, wish)
	return err
}

// sleeping returns a driver of the target whose process sleeps before the call of that number, while something else happens.
func sleeping(to *memory.Store, at int, meanwhile func()) (through *driver.Driver, slept *atomic.Bool) {
	slept = &atomic.Bool{}
	awake := make(chan struct{}) // Unlike a lock, it lets the time of synctest pass.
	return &driver.Driver{Store: to, Before: func(number int, _, _ string) error {
		switch {
		case number < at:
		case slept.CompareAndSwap(false, true):
			meanwhile()
			close(awake)
		default:
			<-awake
		}
		return nil
	}}, slept
}

// deed is what a manager does through a driver.
type deed func(w *world, of *manager, through *driver.Driver) error

// eachPause lets the first manager sleep before each of its calls, and the second one lead and act meanwhile. It looks at the
// copy of the last backup when both are done.
func eachPause(t *testing.T, prepare func(w *world), first, second deed) {
	t.Helper()
	copied := 0
	for at, over := 0, false; !over && !t.Failed(); at++ {
		synctest.Test(t, func(t *testing.T) {
			w := newWorld(t)
			base := w.plain("base", 3)
			w.plain("last", 1, base.Segments...)
			prepare(w)
			of := leads(t, w.to, "first")
			through, slept := sleeping(w.to, at, func() {
				if err := second(w, leads(t, w.to, "second"), &driver.Driver{Store: w.to}); err != nil {
					t.Errorf("asleep before call %d: the second manager: %v", at, err)
				}
			})
			err := first(w, of, through)
			over = !slept.Load()
			if over && err != nil {
				t.Fatalf("undisturbed: %v", err)
			}
			if isThere(t, w, at) {
				copied++
			}
		})
	}
	if copied == 0 {
		t.Error("no copy ever came to be")
	}
}

// isThere tells whether the copy of the last backup is there, and fails the test where it is not whole.
func isThere(t *testing.T, w *world, at int) bool {
	t.Helper()
	there, broken := isWhole(t, w.to, "last")
	if there && broken != nil {
		t.Errorf("a pause before call %d: the copy is there, and not whole: %v", at, broken)
	}
	return there
}

// copyBase puts the base at the target.
func copyBase(w *world) {
	w.t.Helper()
	if _, err := w.copy(w.t.Context(), w.from, w.to, request("base")); err != nil {
		w.t.Fatal(err)
	}
}

// orphanBase puts the segments of the base there, and nobody needs them.
func orphanBase(w *world) {
	w.t.Helper()
	copyBase(w)
	if err := files(w.to).Remove(w.t.Context(), id("base").ManifestName()); err != nil {
		w.t.Fatal(err)
	}
}

// beginLast leaves at the target what a copy that was interrupted right before its manifest has sent.
func beginLast(w *world) {
	w.t.Helper()
	wish := request("last")
	wish.Confirm = func(context.Context) error { return errUnwanted }
	if _, err := w.copy(w.t.Context(), w.from, w.to, wish); !errors.Is(err, errUnwanted) {
		w.t.Fatal(err)
	}
}

func copyLast(w *world, of *manager, through *driver.Driver) error {
	return of.copy(w, through, "last", "of"+of.nonce)
}

// TestDeposedManagerRemoves: one that slept in the middle of a removal takes nothing away that its successor's copy counts on.
func TestDeposedManagerRemoves(t *testing.T) {
	t.Parallel()
	for name, test := range removals() {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			eachPause(t, test.prepare, test.remove, copyLast)
		})
	}
}

// TestDeposedManagerCopiesDuringRemoval: the leader has found out what nobody needs, and is slow; a manager that was deposed and
// does not know it comes to need it, and may not.
func TestDeposedManagerCopiesDuringRemoval(t *testing.T) {
	t.Parallel()
	for name, test := range removals() {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			for at, over := 0, false; !over && !t.Failed(); at++ {
				synctest.Test(t, func(t *testing.T) {
					w := newWorld(t)
					base := w.plain("base", 3)
					w.plain("last", 1, base.Segments...)
					test.prepare(w)
					deposed, leader := leads(t, w.to, "first"), leads(t, w.to, "second")
					through, paused := sleeping(w.to, at, func() {
						wish := request("last")
						wish.Attempt, wish.Confirm = "late", deposed.owned(&driver.Driver{Store: w.to})
						if _, err := w.copy(t.Context(), w.from, w.to, wish); err != nil && !errors.Is(err, core.ErrUnavailable) {
							t.Error(err)
						}
					})
					if err := test.remove(w, leader, through); err != nil && !errors.Is(err, context.DeadlineExceeded) {
						t.Error(err)
					}
					over = !paused.Load()
					isThere(t, w, at)
				})
			}
		})
	}
}

// removals are the ways in which something is removed that a copy of the last backup could count on.
func removals() map[string]struct {
	prepare func(w *world)
	remove  deed
} {
	return map[string]struct {
		prepare func(w *world)
		remove  deed
	}{
		"Deletion":   {copyBase, func(_ *world, of *manager, through *driver.Driver) error { return of.delete(through, "base") }},
		"Collection": {orphanBase, func(_ *world, of *manager, through *driver.Driver) error { return of.collect(through) }},
		"Abandoning": {beginLast, func(_ *world, of *manager, through *driver.Driver) error { return of.abandon(through, "last") }},
	}
}

// TestDeposedManagerCopies: one that slept in the middle of a copy makes no manifest real of which its successor has removed
// files.
func TestDeposedManagerCopies(t *testing.T) {
	t.Parallel()
	for name, test := range map[string]struct {
		prepare func(w *world)
		second  deed
	}{
		"Deletion": {copyBase, func(_ *world, of *manager, through *driver.Driver) error { return of.delete(through, "base") }},
		"Collection, still on record": {orphanBase, func(_ *world, of *manager, through *driver.Driver) error {
			return of.collect(through, "last")
		}},
		"Collection, unknown": {orphanBase, func(_ *world, of *manager, through *driver.Driver) error { return of.collect(through) }},
		"Abandoning":          {orphanBase, func(_ *world, of *manager, through *driver.Driver) error { return of.abandon(through, "last") }},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			eachPause(t, test.prepare, copyLast, test.second)
		})
	}
}
