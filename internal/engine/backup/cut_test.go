package backup_test

import (
	"context"
	"errors"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/soda-cdm/kahu/internal/core"
	"github.com/soda-cdm/kahu/internal/core/archive"
	"github.com/soda-cdm/kahu/internal/core/selection"
	"github.com/soda-cdm/kahu/internal/core/volumework"
	"github.com/soda-cdm/kahu/internal/engine"
	enginebackup "github.com/soda-cdm/kahu/internal/engine/backup"
	"github.com/soda-cdm/kahu/internal/testkit/world"
)

// holds are hooks that hold still, and remember what was not cut meanwhile.
type holds struct {
	uncut  []volumework.Uncut
	claims []core.Key // of the pods that hold still
}

func (h *holds) Prepare([]core.Kind, *selection.Selector) error { return nil }

func (h *holds) Claims() []core.Key { return h.claims }

func (h *holds) Around(
	ctx context.Context, _ *engine.Ledger, cut func(ctx context.Context, held bool) ([]volumework.Uncut, error),
) (err error) {
	h.uncut, err = cut(ctx, true)
	return err
}

// claims puts claims with volumes into the shop.
func claims(w *world.World, names ...string) {
	w.Shop()
	for _, name := range names {
		w.Cluster.Put(w.T, world.Claims, "shop", name, `{"spec":{"volumeName":"pv"},"status":{"phase":"Bound"}}`)
	}
}

// TestUncutIsTold: whoever has applications hold still is told which volumes were not cut meanwhile.
func TestUncutIsTold(t *testing.T) {
	w, deals, hooks := world.New(t), &volumes{}, &holds{}
	w.Volumes, w.Hooks = deals, hooks
	claims(w, "data", "uncut")
	result, err := w.Try(t.Context(), 0, selection.Filters{IncludeNamespaces: []string{"shop"}})
	if err != nil || result.Manifest.Complete || !deals.moment.Held || deals.moment.Over || deals.moment.Attempt != result.Manifest.Attempt {
		t.Fatalf("%v: %+v, %+v", err, result.Missing, deals.moment)
	}
	if want := []volumework.Uncut{{Namespace: "shop", Name: "uncut", Message: "the array is full"}}; !cmp.Equal(want, hooks.uncut) {
		t.Errorf("told is %+v", hooks.uncut)
	}
}

// TestNothingIsCutAfterwards: an attempt that goes on after applications have gone on asks for what was cut for the earlier one,
// and what was not cut then is missing, by name, and given up.
func TestNothingIsCutAfterwards(t *testing.T) {
	from := time.Unix(1_700_000_000, 0)
	w, deals := world.New(t), &volumes{cuts: map[string]time.Time{"other": from.Add(20 * time.Second), "wrong": from.Add(-time.Hour)}}
	w.Volumes, w.Held = deals, &enginebackup.Held{
		Attempt: "zeroth", From: from, To: from.Add(time.Minute),
		Uncut: []volumework.Uncut{{Namespace: "shop", Name: "late", Message: "the storage system took too long"}},
	}
	claims(w, "data", "late", "other", "wrong")
	result, err := w.Try(t.Context(), 1, selection.Filters{IncludeNamespaces: []string{"shop"}})
	if err != nil {
		t.Fatal(err)
	}
	if want := (volumework.Moment{Attempt: "zeroth", Over: true, From: from, To: from.Add(time.Minute)}); deals.moment != want {
		t.Errorf("the moment is %+v", deals.moment)
	}
	if len(result.Missing) != 1 || result.Missing[0].Key.Name != "late" || result.Missing[0].Reason != "SnapshotFailed" || result.Manifest.Complete {
		t.Errorf("missing is %+v", result.Missing)
	}
	if !slices.Contains(deals.calls, "drop late") || slices.ContainsFunc(result.Manifest.Volumes, func(row archive.Volume) bool { return row.Name == "late" }) {
		t.Errorf("%q, %+v", deals.calls, result.Manifest.Volumes)
	}
	text := strings.Join(result.Warnings, "\n")
	if strings.Contains(text, "of different times") {
		t.Errorf("applications held still for all of them, and it warns: %s", text)
	}
	if !strings.Contains(text, "shop/wrong: its snapshot is dated") || strings.Contains(text, "shop/other: its snapshot is dated") {
		t.Errorf("of the clocks it says: %s", text)
	}
}

// TestClocks: a snapshot that was cut while applications held still is of that time whatever it is dated, and that is said.
func TestClocks(t *testing.T) {
	w := world.New(t)
	w.Volumes = &volumes{cuts: map[string]time.Time{"late": w.Clock.Now().Add(time.Hour), "data": w.Clock.Now()}}
	w.Hooks = &holds{}
	claims(w, "data", "late")
	result, err := w.Try(t.Context(), 0, selection.Filters{IncludeNamespaces: []string{"shop"}})
	if err != nil || !result.Manifest.Complete {
		t.Fatalf("%v: %+v", err, result.Missing)
	}
	text := strings.Join(result.Warnings, "\n")
	if strings.Count(text, "the clocks differ") != 1 || !strings.Contains(text, "shop/late: its snapshot is dated") {
		t.Errorf("warnings: %s", text)
	}
}

// TestDeposedReleasesNothing: an attempt whose run is another's leaves the snapshots, which that one may go on with.
func TestDeposedReleasesNothing(t *testing.T) {
	w, deals := world.New(t), &volumes{}
	w.Volumes = deals
	w.Confirm = func(context.Context) error { return world.ErrRefused }
	claims(w, "data")
	result, err := w.Try(t.Context(), 0, selection.Filters{IncludeNamespaces: []string{"shop"}})
	if !errors.Is(err, world.ErrRefused) || deals.released != 0 || !slices.Contains(deals.calls, "back up") {
		t.Errorf("%v: released %d times, %q", err, deals.released, deals.calls)
	}
	if !result.Begun {
		t.Error("it had begun, and does not say so")
	}
}
