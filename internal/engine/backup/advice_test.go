package backup_test

import (
	"slices"
	"strings"
	"testing"

	"github.com/soda-cdm/kahu/internal/core"
	"github.com/soda-cdm/kahu/internal/core/selection"
	"github.com/soda-cdm/kahu/internal/core/volumeplan"
	"github.com/soda-cdm/kahu/internal/engine/backup"
	"github.com/soda-cdm/kahu/internal/testkit/world"
)

// warned tells whether each of these is a part of a warning.
func warned(t *testing.T, warnings []string, parts ...string) {
	t.Helper()
	for _, part := range parts {
		if !slices.ContainsFunc(warnings, func(text string) bool { return strings.Contains(text, part) }) {
			t.Errorf("%q is not among %q", part, warnings)
		}
	}
}

// TestIdleRules: a rule that is for no claim, and a class that is not used, are warned of.
func TestIdleRules(t *testing.T) {
	t.Parallel()
	rules := []volumeplan.Rule{
		{Claims: []string{"mistyped"}, Action: volumeplan.Skip}, {Claims: []string{"data"}, Action: volumeplan.BackUp, GroupClass: "together"},
	}
	for _, claimed := range []bool{true, false} {
		w := world.New(t)
		w.Volumes, w.VolumeSettings = &volumes{}, volumeplan.Settings{Rules: rules}
		want := []string{"spec.volumeRules[0], spec.volumeRules[1]: no claim of the backup, which has 0 claims, is matched"}
		if w.Shop(); claimed {
			claims(w, "data")
			want = []string{
				"spec.volumeRules[0]: no claim of the backup, which has 1 claim, is matched",
				"PersistentVolumeClaim shop/data: spec.volumeRules[1].groupSnapshotClass together is not used",
			}
		}
		result, err := w.Try(t.Context(), 0, selection.Filters{IncludeNamespaces: []string{"shop"}})
		if err != nil {
			t.Fatal(err)
		}
		warned(t, result.Warnings, want...)
	}
}

// TestOffloadIsNotHeldStill: of the volume of a pod that hooks hold still, which its provider takes itself, it is warned; whoever goes on
// with a run does not know the pods any more.
func TestOffloadIsNotHeldStill(t *testing.T) {
	t.Parallel()
	const what = "provider array takes the volume itself, and begins when the applications go on"
	try := func(prepare func(w *world.World)) []string {
		w := world.New(t)
		w.Volumes = &volumes{}
		prepare(w)
		claims(w, "offloaded", "data")
		result, err := w.Try(t.Context(), 0, selection.Filters{IncludeNamespaces: []string{"shop"}})
		if err != nil {
			t.Fatal(err)
		}
		return result.Warnings
	}
	of := core.Key{Resource: "persistentvolumeclaims", Namespace: "shop", Name: "offloaded"}
	held := try(func(w *world.World) { w.Hooks = &holds{claims: []core.Key{of}} })
	warned(t, held, "PersistentVolumeClaim shop/offloaded: "+what)
	again := try(func(w *world.World) { w.Held = &backup.Held{Attempt: "zeroth"} })
	warned(t, again, "PersistentVolumeClaim shop/offloaded: "+what)
	others := try(func(w *world.World) { w.Hooks = &holds{} })
	if text := strings.Join(slices.Concat(others, held, again), "\n"); strings.Count(text, what) != 2 || strings.Contains(text, "shop/data: provider") {
		t.Errorf("it warns of others, too: %s", text)
	}
}
