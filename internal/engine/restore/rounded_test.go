package restore_test

import (
	"context"
	"encoding/json"
	"testing"

	corev1 "k8s.io/api/core/v1"

	"github.com/soda-cdm/kahu/internal/core"
	"github.com/soda-cdm/kahu/internal/core/selection"
	"github.com/soda-cdm/kahu/internal/core/volumeplan"
	"github.com/soda-cdm/kahu/internal/testkit/fakecluster"
	"github.com/soda-cdm/kahu/internal/testkit/world"
)

// rounding is a storage system whose volumes are of whole GiB, as many are.
type rounding struct{ taken }

func (r rounding) Look(ctx context.Context, claims []core.Key) (volumeplan.Facts, error) {
	facts, err := r.taken.Look(ctx, claims)
	for i := range facts.Claims {
		facts.Claims[i].Size = 10 << 30
	}
	return facts, err
}

// TestClaimOfARoundedVolume: a claim that asked for less than its volume has (10G, and the driver makes 10Gi) asks, when it is restored,
// for as much as its volume had: of a smaller one no provisioner makes a volume from the snapshot.
func TestClaimOfARoundedVolume(t *testing.T) {
	w, makes := world.New(t), &making{}
	w.Shop()
	w.Volumes, w.Restores = rounding{}, makes
	w.Cluster.Put(t, world.Claims, "shop", "data",
		`{"spec":{"volumeName":"pv-data","accessModes":["ReadWriteOnce"],"resources":{"requests":{"storage":"10G"}}},"status":{"phase":"Bound","capacity":{"storage":"10Gi"}}}`)
	result, err := w.Backup("one", selection.Filters{})
	if err != nil || !result.Manifest.Complete || len(result.Manifest.Volumes) != 1 {
		t.Fatalf("%+v, %v", result.Manifest.Volumes, err)
	}
	if _, err := w.Restore("one", fakecluster.New(append(world.AllKinds(), fakecluster.Kind("", "PersistentVolume", "persistentvolumes", false))...)); err != nil {
		t.Fatal(err)
	}
	claim := &corev1.PersistentVolumeClaim{}
	if err := json.Unmarshal(makes.orders["data"].Claim, claim); err != nil {
		t.Fatal(err)
	}
	if asked := claim.Spec.Resources.Requests[corev1.ResourceStorage]; asked.Value() < result.Manifest.Volumes[0].Size {
		t.Errorf("the backup is Completed with a volume of %d bytes, and the restored claim asks for %s, which provider csi refuses", result.Manifest.Volumes[0].Size, asked.String())
	}
}
