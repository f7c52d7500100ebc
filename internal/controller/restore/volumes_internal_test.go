package restore

import (
	"fmt"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	kahuv1 "github.com/soda-cdm/kahu/api/v1beta1"
	"github.com/soda-cdm/kahu/internal/core"
	"github.com/soda-cdm/kahu/internal/core/volumework"
	"github.com/soda-cdm/kahu/internal/engine"
	"github.com/soda-cdm/kahu/internal/engine/restore/preview"
)

func restoredOf(name string, state volumework.State) volumework.Restored {
	return volumework.Restored{
		Claim: core.Key{Resource: "persistentvolumeclaims", Namespace: "shop", Name: name}, Provider: "csi", Way: "Snapshot",
		State: state, Message: "m " + name, BytesDone: 7, BytesTotal: 5,
	}
}

func rowOf(name string, phase kahuv1.RestoreVolumePhase) kahuv1.RestoreVolume {
	return kahuv1.RestoreVolume{
		Namespace: "shop", Name: name, Phase: phase, Way: kahuv1.VolumeWaySnapshot, ProviderName: "csi", BytesDone: 7, BytesTotal: 7, Message: "m " + name,
	}
}

// TestVolumesOf: all are counted, and those that a person must look at come first.
func TestVolumesOf(t *testing.T) {
	if got := volumesOf(nil); got != nil {
		t.Errorf("of nothing: %+v", got)
	}
	got := volumesOf([]volumework.Restored{
		restoredOf("a", volumework.Done), restoredOf("b", volumework.Planned), restoredOf("c", volumework.Left), restoredOf("d", volumework.Untouched),
		restoredOf("e", volumework.Delayed), restoredOf("f", volumework.Going), restoredOf("g", volumework.Lost),
	})
	want := &kahuv1.RestoreVolumes{
		Total: 7, Completed: 1, Failed: 1, Waiting: 1, Existing: 1, BytesDone: 49, BytesTotal: 49, Claims: []kahuv1.RestoreVolume{
			rowOf("g", kahuv1.RestoreVolumeFailed), rowOf("f", kahuv1.RestoreVolumeInProgress), rowOf("e", kahuv1.RestoreVolumeWaiting),
			rowOf("d", kahuv1.RestoreVolumeExisting), rowOf("c", kahuv1.RestoreVolumeSkipped), rowOf("b", kahuv1.RestoreVolumePlanned),
			rowOf("a", kahuv1.RestoreVolumeCompleted),
		},
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
}

// TestVolumesOfMany: there is room for a hundred rows, and the one that failed is among them.
func TestVolumesOfMany(t *testing.T) {
	var found []volumework.Restored
	for i := range 300 {
		found = append(found, restoredOf(fmt.Sprint(i), volumework.Done))
	}
	failed := restoredOf("bad", volumework.Lost)
	failed.Message = strings.Repeat("x", 5000)
	got := volumesOf(append(found, failed))
	if got.Total != 301 || got.Completed != 300 || len(got.Claims) != 100 || got.Claims[0].Name != "bad" || len(got.Claims[0].Message) > 1024 {
		t.Errorf("%d of %d, %d rows, the first %.100v", got.Completed, got.Total, len(got.Claims), got.Claims[0])
	}
}

// TestMovingVolumes: while a run goes on, it shows for which volumes it waits.
func TestMovingVolumes(t *testing.T) {
	got := movingVolumes(&engine.Progress{
		Volumes: &volumework.Progress{Done: 1, Failed: 2, Total: 5, BytesDone: 9, BytesTotal: 4}, Going: []volumework.Restored{restoredOf("f", volumework.Going)},
	})
	want := &kahuv1.RestoreVolumes{
		Total: 5, Completed: 1, Failed: 2, BytesDone: 9, BytesTotal: 9, Claims: []kahuv1.RestoreVolume{rowOf("f", kahuv1.RestoreVolumeInProgress)},
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
}

// TestShowProgress: what has failed is in the status before the run is over, and so is what the run waits for.
func TestShowProgress(t *testing.T) {
	failed := engine.Row{
		Kind: core.Kind{Version: "v1", Name: "PersistentVolumeClaim"}, Key: core.Key{Namespace: "shop", Name: "g"}, Reason: "VolumeRestoreFailed", Message: "fire",
	}
	lost := []volumework.Restored{restoredOf("g", volumework.Lost)}
	for name, test := range map[string]struct {
		now    engine.Progress
		stage  kahuv1.Stage
		claims int64
		says   string
	}{
		"objects":                {engine.Progress{Done: 1, Total: 2}, "", 0, "Objects are being created."},
		"objects, and one fails": {engine.Progress{Done: 1, Total: 2, FailedTotal: 1, Failed: []engine.Row{failed}, Going: lost}, "", 1, "status.failed: 1 object"},
		"volumes":                {engine.Progress{Done: 2, Total: 2, Volumes: &volumework.Progress{Total: 2}, Going: lost}, kahuv1.StageVolumes, 1, "The data of volumes"},
		"hooks":                  {engine.Progress{Done: 2, Total: 2, After: true, Restored: lost, FailedTotal: 1, Failed: []engine.Row{failed}}, kahuv1.StagePostHook, 1, "hooks"},
	} {
		t.Run(name, func(t *testing.T) {
			status := &kahuv1.RestoreStatus{}
			err := showProgress(status, &test.now)
			if status.Stage != test.stage || int64(len(status.Failed)) != test.now.FailedTotal || status.Counts.Failed != test.now.FailedTotal ||
				status.Progress.ItemsRestored != test.now.Done {
				t.Errorf("%+v", status)
			}
			if err == nil || !strings.Contains(err.Error(), test.says) {
				t.Errorf("it says %v", err)
			}
			if test.claims > 0 && (status.Volumes == nil || status.Volumes.Failed != test.claims || status.Volumes.Claims[0].Phase != kahuv1.RestoreVolumeFailed) {
				t.Errorf("volumes: %+v", status.Volumes)
			}
		})
	}
}

// TestPreviewed: a dry run of what would be refused is not Complete, and names the problems.
func TestPreviewed(t *testing.T) {
	for name, test := range map[string]struct {
		found  preview.Result
		status metav1.ConditionStatus
		says   string
	}{
		"fine":     {preview.Result{}, metav1.ConditionTrue, "has what a restore would do."},
		"problems": {preview.Result{Problems: []string{"a"}}, metav1.ConditionTrue, "1 problem in its way"},
		"refused":  {preview.Result{Problems: []string{"a"}, Refused: true}, metav1.ConditionFalse, "create nothing"},
	} {
		if status, message := previewed(&test.found); status != test.status || !strings.Contains(message, test.says) {
			t.Errorf("%s: %s, %s", name, status, message)
		}
	}
}
