package engine_test

import (
	"errors"
	"fmt"
	"strings"
	"sync"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/soda-cdm/kahu/internal/core"
	"github.com/soda-cdm/kahu/internal/core/selection"
	"github.com/soda-cdm/kahu/internal/engine/removal"
	"github.com/soda-cdm/kahu/internal/testkit/fakecluster"
	"github.com/soda-cdm/kahu/internal/testkit/world"
	"github.com/soda-cdm/kahu/provider"
)

// fault is a way in which a store fails from or at its n-th call.
type fault struct {
	// forEver tells whether all later calls fail too: the run cannot clean up.
	forEver bool
	// done tells whether the call does what it was asked for before it fails.
	done bool
	// only, if set, is the beginning of the calls that fail, of which the n-th is meant.
	only string
	err  error
}

// install makes the driver fail at the n-th call, and returns whether it did.
func (f fault) install(d *world.Driver, n int) (failed *bool) {
	failed = new(bool)
	var mu sync.Mutex // calls come at once
	count := 0
	fail := func(_ int, call, _ string) error {
		mu.Lock()
		defer mu.Unlock()
		if !strings.HasPrefix(call, f.only) {
			return nil
		}
		count++
		if count-1 == n || f.forEver && count-1 > n {
			*failed = true
			return f.err
		}
		return nil
	}
	if f.done {
		d.After = fail
	} else {
		d.Before = fail
	}
	return failed
}

// TestStoreFails lets each call of the store fail in turn. Whatever happens, there is no manifest, or a backup that can
// be restored whole; a run that says that it succeeded has made one; and a deletion afterwards leaves nothing.
func TestStoreFails(t *testing.T) {
	faults := map[string]fault{
		"once":                         {false, false, "", provider.ErrUnavailable},
		"once, and was done":           {false, true, "", provider.ErrUnavailable},
		"for ever":                     {true, false, "", provider.ErrUnavailable},
		"for ever, and was done":       {true, true, "", provider.ErrUnavailable},
		"strangely":                    {false, false, "", world.ErrRefused},
		"strangely, and was done":      {false, true, "", world.ErrRefused},
		"full":                         {true, false, "create", provider.ErrResourceExhausted},
		"denied writing":               {true, false, "create", provider.ErrPermissionDenied},
		"loses what it has just taken": {false, false, "stat", provider.ErrDataLoss},
	}
	for name, fault := range faults {
		for _, unlisted := range []bool{false, true} {
			t.Run(fmt.Sprintf("%s, unlisted %t", name, unlisted), func(t *testing.T) {
				failed := true
				for n := 0; failed; n++ {
					failed = oneFault(t, fault, unlisted, n)
				}
			})
		}
	}
}

func oneFault(t *testing.T, fault fault, unlisted bool, n int) bool {
	t.Helper()
	w := world.New(t)
	w.Workers = 1
	w.Driver.Unlisted = unlisted
	w.Shop()
	failed := fault.install(w.Driver, n)
	result, err := w.Backup("one", selection.Filters{})
	w.Driver.Before, w.Driver.After = nil, nil
	if !*failed && err != nil {
		t.Fatalf("call %d: %v", n, err)
	}
	names := w.Names()
	if w.Has(world.ID("one").ManifestName()) {
		if diff := cmp.Diff(w.Cluster.Contents(), w.Restored()); diff != "" {
			t.Fatalf("call %d: the backup is not whole: %s", n, diff)
		}
	} else if err == nil {
		t.Fatalf("call %d: the run says that it succeeded, and there is no manifest: %+v", n, result)
	}
	if err != nil && fault.only == "create" && len(names) > 0 {
		t.Fatalf("call %d: the store refused writing, could remove, and has %v", n, names)
	}
	if err := removal.Delete(t.Context(), w.Plain(), world.ID("one"), "attemptone"); err != nil {
		t.Fatalf("call %d: deleting: %v", n, err)
	}
	if names := w.Names(); len(names) > 0 {
		t.Fatalf("call %d: left after deletion: %v", n, names)
	}
	return *failed
}

// TestStoreIsFull: a store that refuses to grow is afterwards as it was before, with others' files in it.
func TestStoreIsFull(t *testing.T) {
	for n := 0; ; n++ {
		w := world.New(t)
		w.TwoBackups()
		before := w.Names()
		failed := fault{true, false, "create", provider.ErrResourceExhausted}.install(w.Driver, n)
		_, err := w.Backup("third", selection.Filters{})
		if !*failed {
			if err != nil || n < 5 {
				t.Errorf("after %d writes: %v", n, err)
			}
			return
		}
		if !errors.Is(err, core.ErrFull) {
			t.Errorf("write %d: %v", n, err)
		}
		if diff := cmp.Diff(before, w.Names()); diff != "" {
			t.Errorf("write %d: %s", n, diff)
		}
	}
}

// TestDamage changes or removes each file of a backup in turn: a restore then creates nothing.
func TestDamage(t *testing.T) {
	whole := world.New(t)
	whole.Shop()
	if _, err := whole.Backup("one", selection.Filters{}); err != nil {
		t.Fatal(err)
	}
	restoredFiles := 0
	for _, name := range whole.Names() {
		if name == world.ID("one").IntentName() || name == world.ID("one").ReportName() {
			continue
		}
		restoredFiles++
		content := whole.Content(name)
		damages := map[string][]byte{"cut": content[:len(content)-1], "empty": {}, "gone": nil}
		for _, at := range []int{0, len(content) / 3, len(content) / 2, len(content) - 2} {
			flipped := append([]byte(nil), content...)
			flipped[at] ^= 1
			damages[fmt.Sprintf("bit in byte %d", at)] = flipped
		}
		for damage, content := range damages {
			t.Run(name[strings.LastIndex(name, "/")+1:]+" "+damage, func(t *testing.T) {
				w := world.New(t)
				for _, each := range whole.Names() {
					w.Put(each, string(whole.Content(each)))
				}
				w.Put(name, string(content))
				if damage == "gone" {
					if err := w.Plain().Remove(t.Context(), name); err != nil {
						t.Fatal(err)
					}
				}
				target := fakecluster.New(world.AllKinds()...)
				_, err := w.Restore("one", target)
				missing := damage == "gone" && name == world.ID("one").ManifestName()
				if !missing && !errors.Is(err, core.ErrCorrupt) || missing && !errors.Is(err, core.ErrNotFound) {
					t.Errorf("got %v", err)
				}
				if created := target.Contents(); len(created) > 0 {
					t.Errorf("created %v", created)
				}
			})
		}
	}
	if restoredFiles < 3 {
		t.Errorf("only %d files", restoredFiles)
	}
}
