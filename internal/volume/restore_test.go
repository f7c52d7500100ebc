package volume_test

import (
	"context"
	"strings"
	"testing"
	"time"

	"k8s.io/apimachinery/pkg/types"
	"sigs.k8s.io/controller-runtime/pkg/client"

	kahuv1 "github.com/soda-cdm/kahu/api/v1beta1"
	"github.com/soda-cdm/kahu/internal/core/volumework"
	"github.com/soda-cdm/kahu/internal/volume"
)

// answer plays a provider that writes the status of restores, by the name of the claim.
func (w *world) answer(statuses map[string]kahuv1.VolumeRestoreContentStatus) {
	ctx, cancel := context.WithCancel(w.Context())
	ended := make(chan struct{})
	w.Cleanup(func() { cancel(); <-ended })
	go func() {
		defer close(ended)
		for pause(ctx) {
			list := &kahuv1.VolumeRestoreContentList{}
			_ = w.List(ctx, list, client.MatchingLabels{kahuv1.RestoreUIDLabel: w.run.UID})
			for i := range list.Items {
				if status, wanted := statuses[list.Items[i].Spec.Claim.Name]; wanted && list.Items[i].Status.Phase == "" {
					list.Items[i].Status = status
					_ = w.Status().Update(ctx, &list.Items[i])
				}
			}
		}
	}()
}

func (w *world) wish(claim string) volumework.RestoreOrder {
	return volumework.RestoreOrder{
		Namespace: w.namespace, Name: claim, Claim: []byte(`{"kind":"PersistentVolumeClaim"}`), Provider: "maker", Handle: "h",
		Attributes: map[string]string{"a": "b"},
	}
}

func TestVolumesAreMade(t *testing.T) {
	w := newWorld(t, volume.Options{})
	w.provider("maker")
	if why, err := w.volumes.Away(t.Context(), "maker"); why != "" || err != nil {
		t.Errorf("maker is away: %s, %v", why, err)
	}
	if why, err := w.volumes.Away(t.Context(), "stranger"); !strings.Contains(why, "no volume provider") || err != nil {
		t.Errorf("stranger is there: %s, %v", why, err)
	}
	phase := func(phase kahuv1.VolumePhase) kahuv1.VolumeOrderStatus {
		return kahuv1.VolumeOrderStatus{Phase: phase, FailureReason: "the disk is on fire"}
	}
	w.answer(map[string]kahuv1.VolumeRestoreContentStatus{
		"sourced": {
			VolumeOrderStatus: phase(kahuv1.VolumePhaseInProgress),
			DataSource:        &kahuv1.VolumeDataSource{APIGroup: "g", Kind: "K", Name: "n"},
		},
		"whole":  {VolumeOrderStatus: phase(kahuv1.VolumePhaseCompleted), Volume: &kahuv1.VolumeIdentity{Handle: "v"}},
		"broken": {VolumeOrderStatus: phase(kahuv1.VolumePhaseFailed)},
	})
	for range 2 { // An attempt that goes on gets the same answers.
		made, err := w.volumes.Make(t.Context(), w.run, w.wish("sourced"))
		if err != nil || made.Group != "g" || made.Kind != "K" || made.Source != "n" {
			t.Errorf("sourced: %+v, %v", made, err)
		}
		if made, err = w.volumes.Make(t.Context(), w.run, w.wish("whole")); err != nil || made.Volume != "v" {
			t.Errorf("whole: %+v, %v", made, err)
		}
		if _, err = w.volumes.Make(t.Context(), w.run, w.wish("broken")); err == nil || !strings.Contains(err.Error(), "the disk is on fire") {
			t.Errorf("broken: %v", err)
		}
	}
	orders := &kahuv1.VolumeRestoreContentList{}
	if err := w.List(t.Context(), orders, client.MatchingLabels{kahuv1.RestoreUIDLabel: w.run.UID}); err != nil || len(orders.Items) != 3 {
		t.Errorf("%d orders, %v", len(orders.Items), err)
	}
	if owner := orders.Items[0].OwnerReferences; len(owner) != 1 || owner[0].UID != types.UID(w.run.UID) || owner[0].Kind != "Restore" {
		t.Errorf("owners: %+v", owner)
	}
}

func TestMakerThatStaysAwayIsGivenUp(t *testing.T) {
	w := newWorld(t, volume.Options{Patience: time.Second})
	w.provider("maker")
	gone := &kahuv1.Provider{}
	if err := w.Get(t.Context(), client.ObjectKey{Name: "maker"}, gone); err != nil {
		t.Fatal(err)
	}
	gone.Status.State = kahuv1.ProviderStateUnavailable
	if err := w.Status().Update(t.Context(), gone); err != nil {
		t.Fatal(err)
	}
	if _, err := w.volumes.Make(t.Context(), w.run, w.wish("a")); err == nil || !strings.Contains(err.Error(), "no sign of life") {
		t.Errorf("%v", err)
	}
}

// TestOrdersOfARestoreEnd: those that are over stay as they are, and the others are told to end until they are.
func TestOrdersOfARestoreEnd(t *testing.T) {
	w := newWorld(t, volume.Options{})
	w.provider("maker")
	w.claim("kept")
	w.answer(map[string]kahuv1.VolumeRestoreContentStatus{
		"whole": {VolumeOrderStatus: kahuv1.VolumeOrderStatus{Phase: kahuv1.VolumePhaseCompleted}, Volume: &kahuv1.VolumeIdentity{Handle: "v"}},
		"kept": {
			VolumeOrderStatus: kahuv1.VolumeOrderStatus{Phase: kahuv1.VolumePhaseInProgress},
			DataSource:        &kahuv1.VolumeDataSource{APIGroup: "g", Kind: "K", Name: "n"},
		},
		"gone": {
			VolumeOrderStatus: kahuv1.VolumeOrderStatus{Phase: kahuv1.VolumePhaseInProgress},
			DataSource:        &kahuv1.VolumeDataSource{APIGroup: "g", Kind: "K", Name: "n"},
		},
	})
	for _, claim := range []string{"whole", "kept", "gone"} {
		if _, err := w.volumes.Make(t.Context(), w.run, w.wish(claim)); err != nil {
			t.Fatal(err)
		}
	}
	cancelled := func() map[string]bool {
		list, found := &kahuv1.VolumeRestoreContentList{}, map[string]bool{}
		if err := w.List(t.Context(), list, client.MatchingLabels{kahuv1.RestoreUIDLabel: w.run.UID}); err != nil {
			t.Fatal(err)
		}
		for i := range list.Items {
			found[list.Items[i].Spec.Claim.Name] = list.Items[i].Spec.Cancel
		}
		return found
	}
	if err := w.volumes.CancelUnclaimed(t.Context(), w.run); err != nil {
		t.Fatal(err)
	}
	if got := cancelled(); got["whole"] || got["kept"] || !got["gone"] {
		t.Errorf("cancelled without their claims: %v", got)
	}
	for range 2 {
		if going, err := w.volumes.Cancel(t.Context(), w.run); going != 2 || err != nil {
			t.Errorf("%d go on, %v", going, err)
		}
	}
	if got := cancelled(); got["whole"] || !got["kept"] || !got["gone"] {
		t.Errorf("cancelled: %v", got)
	}
	list := &kahuv1.VolumeRestoreContentList{}
	if err := w.List(t.Context(), list, client.MatchingLabels{kahuv1.RestoreUIDLabel: w.run.UID}); err != nil {
		t.Fatal(err)
	}
	for i := range list.Items {
		list.Items[i].Status.Phase = kahuv1.VolumePhaseFailed
		if err := w.Status().Update(t.Context(), &list.Items[i]); err != nil {
			t.Fatal(err)
		}
	}
	if going, err := w.volumes.Cancel(t.Context(), w.run); going != 0 || err != nil {
		t.Errorf("%d go on, %v", going, err)
	}
}
