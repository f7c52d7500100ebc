package engine

import (
	"cmp"
	"context"
	"fmt"
	"time"
)

// How a manager that slept removes nothing that somebody counts on by then.
//
// Leader election has no fencing, and no store has any: a manager that was stopped in the middle of a removal wakes up when
// another one leads, and what it had found to be garbage may have been found at the location by a copy that counts on it. The
// file owner.json is what both go by:
//
//   - Each manager writes a nonce of its own into owner.json before it removes or copies anything at the location, and
//     never the same one after another was there. While a nonce is there, nobody else has claimed the place since.
//   - What is removed is removed in windows. A window begins with a look at owner.json, which must hold the nonce that it
//     held when the survey began, and all calls of the window carry its deadline. So when a manager has written its nonce,
//     nothing that an earlier one decided is removed later than one window after that.
//   - Who counts on what is there, as a copy does, waits for twice the window after its manager has written its nonce before
//     it looks at the first file, and looks for its nonce once more after the last one, right before its manifest. If the
//     nonce is still there, nobody else has begun a window in between, and who begins later finds intent or manifest in
//     its survey: the intent goes only when the manifest is there, and a survey looks for intents after manifests, and takes
//     a manifest that came in between for one that nobody can read.
//   - Within one process a lock keeps the two apart (place.Finder: Remove and Use).
//
// An incremental backup needs none of this, but its intent: what it counts on is named by a manifest that was there after the
// intent, and is no garbage (see package collection of core). That what nobody names may be named again, by a copy, is why
// who removes must not rely on garbage staying garbage.
//
// What remains is a driver that carries out a call after its deadline, and a store that shows an old owner.json after a new
// one was written.

// RemovalTime is how long files may be removed after a look at who owns the place.
const RemovalTime = 10 * time.Second

const (
	// filesPerLook is how many files are removed until the owner is looked for again.
	filesPerLook = 100
	// windowTries bounds how many windows in a row may be too short for a single file.
	windowTries = 6
)

// Remover removes files while the place is this process's.
type Remover struct {
	Files FileRemover
	// Owned returns an error unless the place is still what it was and this process the one that claimed it last. It may be
	// nil where what is removed can be of use to nobody.
	Owned func(ctx context.Context) error
	// Window bounds the time from the beginning of the question until the last file that is removed on its answer; 0 means
	// RemovalTime.
	Window time.Duration
}

// Remove removes the files in their order, and tells how many are gone.
func (r *Remover) Remove(ctx context.Context, names []string) (removed int, err error) {
	for late := 0; removed < len(names); {
		done, isLate, err := r.window(ctx, names[removed:min(len(names), removed+filesPerLook)])
		removed += done
		if late++; done > 0 {
			late = 0
		}
		if err != nil && (!isLate || late >= windowTries) {
			return removed, err
		}
	}
	return removed, nil
}

// window asks and removes as many of the files as it can in its time, and tells whether it was that which was too short.
func (r *Remover) window(ctx context.Context, names []string) (done int, isLate bool, err error) {
	window, late := ctx, func() bool { return false }
	if r.Owned != nil {
		bounded, cancel := context.WithTimeout(ctx, cmp.Or(r.Window, RemovalTime))
		defer cancel()
		window, late = bounded, func() bool { return ctx.Err() == nil && bounded.Err() != nil }
		if err := r.Owned(window); err != nil {
			return 0, late(), fmt.Errorf("looking at the owner before removing %s: %w", names[0], err)
		}
	}
	for at, name := range names {
		if err := r.Files.Remove(window, name); err != nil {
			return at, late(), fmt.Errorf("removing %s: %w", name, err)
		}
	}
	return len(names), false, nil
}
