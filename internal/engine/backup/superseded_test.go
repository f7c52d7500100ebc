package backup_test

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/soda-cdm/kahu/internal/core"
	"github.com/soda-cdm/kahu/internal/core/damage"
	"github.com/soda-cdm/kahu/internal/core/increment"
	"github.com/soda-cdm/kahu/internal/testkit/world"
)

// TestComparisonsThatNobodyNeedsAreRemoved: those stay that the next incremental and the next differential backup begin with.
func TestComparisonsThatNobodyNeedsAreRemoved(t *testing.T) {
	t.Parallel()
	w := newWriteOnly(t)
	expect := func(names ...string) {
		t.Helper()
		var there []string
		for _, name := range []string{"one", "two", "three", "four", "five", "six"} {
			if w.Has(world.ID(name).ComparisonNameOf("")) {
				there = append(there, name)
			}
		}
		if !slices.Equal(there, names) {
			t.Errorf("comparison files of %v, want %v", there, names)
		}
	}
	w.backup("one", increment.Auto)
	w.backup("two", increment.Incremental)
	expect("one", "two")
	w.backup("three", increment.Incremental)
	expect("one", "three")
	// One that is incomplete is nobody's base.
	w.Cluster.Put(t, world.Claims, "shop", "bound", `{"spec":{"volumeName":"pv-1"},"status":{"phase":"Bound"}}`)
	if four := w.backup("four", increment.Incremental); four.Manifest.Complete {
		t.Fatal("it is complete")
	}
	w.made = w.made[:3]
	expect("one", "three")
	w.Cluster.Remove(world.Claims, "shop", "bound")
	if five := w.backup("five", increment.Differential); five.Choice.Mode != increment.Differential {
		t.Errorf("%+v", five.Choice)
	}
	expect("one", "five")
	if err := w.Plain().Remove(t.Context(), world.ID("five").ComparisonNameOf("")); err != nil {
		t.Fatal(err)
	}
	if six := w.backup("six", increment.Incremental); six.Choice.Reason != increment.ComparisonMissing {
		t.Errorf("%+v", six.Choice)
	}
	expect("six") // A full one supersedes all.
	for _, name := range []string{"one", "two", "three", "five", "six"} {
		w.Reads(name, w.anna)
		if found := w.Verify(name, damage.Sample{}); found.DamagedTotal > 0 {
			t.Errorf("%s: %+v", name, found)
		}
	}
}

// TestFullBackupsSupersedeComparisons: of many full ones only the last has a file, also of those that were left for long; a cluster
// that is not the owner leaves them alone.
func TestFullBackupsSupersedeComparisons(t *testing.T) {
	t.Parallel()
	w := newWriteOnly(t)
	const earlier = 9
	for i := range earlier {
		made := w.made
		w.made = nil // As if what each supersedes had been left.
		w.backup(fmt.Sprintf("full%d", i), increment.Full)
		w.made = append(made, w.made...)
	}
	left := func() (names []string) {
		for _, name := range w.AllNames() {
			if strings.Contains(name, "/comparison") {
				names = append(names, name)
			}
		}
		return names
	}
	w.owner = func(context.Context) (bool, error) { return false, nil }
	if result := w.backup("notowner", increment.Full); result.Unswept != "" || len(left()) != earlier+1 {
		t.Errorf("a cluster that is not the owner left %d files, %q", len(left()), result.Unswept)
	}
	w.owner = func(context.Context) (bool, error) { return false, core.ErrUnavailable }
	if result := w.backup("unknown", increment.Full); result.Unswept == "" || len(left()) != earlier+2 {
		t.Errorf("where nobody knows the owner %d files are left, %q", len(left()), result.Unswept)
	}
	w.owner = nil
	w.backup("last", increment.Full)
	if names := left(); !slices.Equal(names, []string{world.ID("last").ComparisonNameOf("")}) {
		t.Errorf("left: %q", names)
	}
}
