package volume_test

import (
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	kahuv1 "github.com/soda-cdm/kahu/api/v1beta1"
	"github.com/soda-cdm/kahu/internal/core/volumeplan"
	"github.com/soda-cdm/kahu/internal/core/volumework"
	"github.com/soda-cdm/kahu/internal/volume"
)

// begunIs wants another attempt to find these decisions, with all that is needed to go on with them.
func (w *world) begunIs(when string, want []volumeplan.Decision) {
	w.Helper()
	got, err := w.volumes.Begun(w.Context(), w.run)
	if err != nil {
		w.Fatal(err)
	}
	slices.SortFunc(got, func(a, b volumeplan.Decision) int { return strings.Compare(a.Claim.Name, b.Claim.Name) })
	want = slices.Clone(want)
	for i := range want {
		want[i].Claim.Labels, want[i].Claim.Annotations, want[i].Claim.AccessModes = nil, nil, nil
	}
	if diff := cmp.Diff(want, got); diff != "" {
		w.Errorf("%s, begun is (-want +got):\n%s", when, diff)
	}
}

// TestBegun: what was decided is known as soon as snapshots are asked for, and when there are orders, though nobody could decide
// so any more.
func TestBegun(t *testing.T) {
	w := newWorld(t, volume.Options{})
	w.provider("begun")
	w.class("begun")
	decisions := w.plan(w.claim("a"), w.claim("b"))
	w.begunIs("before anything is asked for", nil)
	w.serve()
	w.cutAndWant(decisions, 0)
	w.begunIs("after the cut", decisions)
	w.provide(kahuv1.VolumePhaseCompleted)
	if _, err := w.volumes.BackUp(t.Context(), w.run, decisions, func(volumework.Progress) {}); err != nil {
		t.Fatal(err)
	}
	if err := w.volumes.Release(t.Context(), w.run); err != nil || len(w.list("VolumeSnapshot")) > 0 {
		t.Fatal(err, "snapshots are left")
	}
	w.begunIs("of the orders alone", decisions)
}

// TestBegunTogether: a group tells it of all of its claims.
func TestBegunTogether(t *testing.T) {
	w, decisions := grouped(t, volume.Options{})
	w.serveGroups(cutAll)
	w.cutAndWant(decisions, 0)
	w.begunIs("after the cut", decisions)
}
