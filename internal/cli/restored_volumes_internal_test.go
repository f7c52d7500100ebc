package cli

import (
	"strings"
	"testing"

	kahuv1 "github.com/soda-cdm/kahu/api/v1beta1"
)

// TestDescribeRestoredVolumes: a person sees which claim failed and why, which wait, and which were not touched.
func TestDescribeRestoredVolumes(t *testing.T) {
	d := &description{}
	d.restoredVolumes(nil)
	if d.text.String() != "" {
		t.Errorf("of nothing: %q", d.text.String())
	}
	d.restoredVolumes(&kahuv1.RestoreVolumes{
		Total: 5, Completed: 1, Failed: 1, Waiting: 1, Existing: 1, BytesDone: 1 << 20, BytesTotal: 2 << 20, Claims: []kahuv1.RestoreVolume{
			{Namespace: "shop", Name: "bad", Phase: kahuv1.RestoreVolumeFailed, Way: kahuv1.VolumeWaySnapshot, ProviderName: "csi", Message: "the array is full"},
			{Namespace: "shop", Name: "data", Phase: kahuv1.RestoreVolumeCompleted, Way: kahuv1.VolumeWayOffload, ProviderName: "vendor", BytesTotal: 1 << 20},
		},
	})
	text := d.text.String()
	for _, want := range []string{
		"Volumes (5)", "1 completed, 1 failed, 1 waiting for a pod, 1 there already and not touched, 1", "... and 3 more",
		"Failed     shop/bad: by Snapshot with csi: the array is full\n", "Completed  shop/data: by Offload with vendor: 0",
	} {
		if !strings.Contains(text, want) {
			t.Errorf("%q is not in\n%s", want, text)
		}
	}
}

// TestDescribePlanProblems: what is in the way of what a dry run has looked at is told, and where the plan is.
func TestDescribePlanProblems(t *testing.T) {
	restore := &kahuv1.Restore{Spec: kahuv1.RestoreSpec{DryRun: true}, Status: kahuv1.RestoreStatus{Preview: &kahuv1.RestorePreview{}}}
	restore.Name = "look"
	if text := restoreText(restore, nil, nil); strings.Contains(text, "Problems") {
		t.Error(text)
	}
	restore.Status.Preview.Problems = []string{"the disk is on fire"}
	if text := restoreText(restore, nil, nil); !strings.Contains(text, "the disk is on fire") || !strings.Contains(text, "kubectl kahu restore plan look") {
		t.Error(text)
	}
}
