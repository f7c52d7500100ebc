package volume

import (
	"testing"

	"github.com/google/go-cmp/cmp"

	kahuv1 "github.com/soda-cdm/kahu/api/v1beta1"
	"github.com/soda-cdm/kahu/internal/core/volumeplan"
)

// TestBegunWithoutRecord: what an order says of itself is enough to go on with it. An order for a removal is no decision.
func TestBegunWithoutRecord(t *testing.T) {
	given, removal := doneOrder("o1", "d", "h1"), doneOrder("o2", "d", "h2")
	given.Spec.Claim, given.Spec.PersistentVolume = kahuv1.VolumeClaim{Namespace: "shop", Name: "data", UID: "u-data"}, "pv-data"
	removal.Spec.Claim, removal.Spec.Existing = kahuv1.VolumeClaim{Namespace: "shop", Name: "logs"}, &kahuv1.VolumeBackupIdentity{Handle: "h2"}
	c, _ := fakeClient(t, Options{}, given, removal)
	got, err := c.Begun(t.Context(), theRun)
	want := []volumeplan.Decision{{
		Claim:   volumeplan.Claim{Namespace: "shop", Name: "data", UID: "u-data", Volume: "pv-data", Driver: "d"},
		Verdict: volumeplan.Chosen, Message: "an earlier attempt has ordered it from provider csi",
		Way: volumeplan.Snapshot, Provider: "csi", KeepsSnapshot: true,
	}}
	if diff := cmp.Diff(want, got); diff != "" || err != nil {
		t.Errorf("%v (-want +got):\n%s", err, diff)
	}
}
