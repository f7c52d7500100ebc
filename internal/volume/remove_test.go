package volume_test

import (
	"context"
	"slices"
	"testing"

	kahuv1 "github.com/soda-cdm/kahu/api/v1beta1"
	"github.com/soda-cdm/kahu/internal/core/archive"
	"github.com/soda-cdm/kahu/internal/core/volumework"
	"github.com/soda-cdm/kahu/internal/volume"
)

// obey plays a provider that lets orders go, and tells of which it removed the data.
func (w *world) obey() func() []string {
	ctx, cancel := context.WithCancel(w.Context())
	ended := make(chan struct{})
	var removed []string
	go func() {
		defer close(ended)
		for pause(ctx) {
			for _, order := range w.orders(ctx) {
				if order.DeletionTimestamp.IsZero() {
					continue
				}
				handle := "retained"
				if order.Spec.DeletionPolicy == kahuv1.DeletionPolicyDelete && order.Spec.Existing != nil {
					handle = order.Spec.Existing.Handle
				} else if order.Spec.DeletionPolicy == kahuv1.DeletionPolicyDelete {
					handle = order.Status.Backup.Handle
				}
				order.Finalizers = nil
				if w.Update(context.WithoutCancel(ctx), &order) == nil { // Who sees it gone may stop this at once.
					removed = append(removed, handle)
				}
			}
		}
	}()
	return func() []string {
		cancel()
		<-ended
		slices.Sort(removed)
		return removed
	}
}

func TestDataIsRemoved(t *testing.T) {
	w := newWorld(t, volume.Options{})
	w.provider("remover")
	w.class("remover")
	decisions := w.plan(w.claim("a"))
	w.serve()
	if failed, err := w.volumes.Cut(t.Context(), w.run, volumework.Moment{Attempt: "first"}, decisions); err != nil || len(failed) > 0 {
		t.Fatalf("cutting: %v, %v", failed, err)
	}
	w.provide(kahuv1.VolumePhaseCompleted)
	outcomes, err := w.volumes.BackUp(t.Context(), w.run, decisions, quiet)
	if err != nil || outcomes[0].Reason != "" {
		t.Fatalf("%+v, %v", outcomes, err)
	}
	stop := w.obey()
	rows := []archive.Volume{
		{Provider: "remover", Way: "Snapshot", Handle: outcomes[0].Handle, Attributes: outcomes[0].Attributes}, // There is an order for it.
		{Provider: "remover", Way: "Snapshot", Handle: "an-old-one"},                                           // Its names are encrypted.
	}
	if err := w.volumes.Remove(t.Context(), w.run, rows); err != nil {
		t.Fatal(err)
	}
	if removed := stop(); !slices.Equal(removed, []string{"an-old-one", outcomes[0].Handle}) {
		t.Errorf("removed: %v", removed)
	}
	if left := len(w.orders(t.Context())) + len(w.list("VolumeSnapshot")); left > 0 {
		t.Errorf("%d orders and snapshots are left", left)
	}
}

// TestDataOfTwoDriversIsRemoved: a provider that stands before several storage systems may know two backups by one handle, which
// their attributes tell apart.
func TestDataOfTwoDriversIsRemoved(t *testing.T) {
	w := newWorld(t, volume.Options{})
	stop := w.obey()
	rows := []archive.Volume{
		{Provider: "csi", Way: "Snapshot", Handle: "snap-1", Attributes: map[string]string{"driver": "disks.example.com"}},
		{Provider: "csi", Way: "Snapshot", Handle: "snap-1", Attributes: map[string]string{"driver": "other.example.com"}},
	}
	if err := w.volumes.Remove(t.Context(), w.run, rows); err != nil {
		t.Fatal(err)
	}
	if removed := stop(); !slices.Equal(removed, []string{"snap-1", "snap-1"}) {
		t.Errorf("removed: %v", removed)
	}
}

func TestDataIsRetained(t *testing.T) {
	w := newWorld(t, volume.Options{})
	w.provider("retainer")
	w.class("retainer")
	decisions := w.plan(w.claim("a"))
	w.serve()
	if failed, err := w.volumes.Cut(t.Context(), w.run, volumework.Moment{Attempt: "first"}, decisions); err != nil || len(failed) > 0 {
		t.Fatalf("cutting: %v, %v", failed, err)
	}
	w.provide(kahuv1.VolumePhaseCompleted)
	if _, err := w.volumes.BackUp(t.Context(), w.run, decisions, quiet); err != nil {
		t.Fatal(err)
	}
	stop := w.obey()
	if err := w.volumes.Forget(t.Context(), w.run); err != nil {
		t.Fatal(err)
	}
	w.eventually("the order is gone", func() bool { return len(w.orders(t.Context())) == 0 })
	if removed := stop(); !slices.Equal(removed, []string{"retained"}) {
		t.Errorf("removed: %v", removed)
	}
}

func quiet(volumework.Progress) {}
