package cli

import (
	"strings"
	"testing"

	kahuv1 "github.com/soda-cdm/kahu/api/v1beta1"
)

// TestDescribeVolumes: a person sees which claim failed and why, and how far those are that go on.
func TestDescribeVolumes(t *testing.T) {
	d := &description{}
	d.volumes(nil)
	if d.text.String() != "" {
		t.Errorf("of nothing: %q", d.text.String())
	}
	d.volumes(&kahuv1.BackupVolumes{
		Total: 5, Completed: 1, Failed: 1, Skipped: 1, BytesDone: 1 << 20, BytesTotal: 2 << 20, Claims: []kahuv1.BackupVolume{
			{Namespace: "shop", Name: "bad", Phase: kahuv1.BackupVolumeFailed, Way: kahuv1.VolumeWaySnapshot, ProviderName: "csi", Message: "the array is full"},
			{Namespace: "shop", Name: "data", Phase: kahuv1.BackupVolumeCompleted, Way: kahuv1.VolumeWayOffload, ProviderName: "vendor", Bytes: 1 << 20},
		},
	})
	text := d.text.String()
	for _, want := range []string{
		"Volumes (5)", "1 completed, 1 failed, 1 left out, 2 going on, 1", "... and 3 more",
		"Failed    shop/bad: by Snapshot with csi: the array is full\n", "Completed shop/data: by Offload with vendor: 1",
	} {
		if !strings.Contains(text, want) {
			t.Errorf("%q is not in\n%s", want, text)
		}
	}
}
