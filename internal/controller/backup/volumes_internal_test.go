package backup

import (
	"context"
	"fmt"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/utils/ptr"

	kahuv1 "github.com/soda-cdm/kahu/api/v1beta1"
	"github.com/soda-cdm/kahu/internal/core/volumeplan"
	"github.com/soda-cdm/kahu/internal/core/volumework"
)

func outcomeOf(name string, verdict volumeplan.Verdict, bytes *int64) volumework.Outcome {
	return volumework.Outcome{Bytes: bytes, Decision: volumeplan.Decision{
		Claim: volumeplan.Claim{Namespace: "shop", Name: name}, Verdict: verdict, Reason: "R-" + name, Message: "m " + name,
		Way: volumeplan.Snapshot, Provider: "csi",
	}}
}

// TestVolumesOf: all are counted, and those that a person must look at come first.
func TestVolumesOf(t *testing.T) {
	if got := volumesOf(nil); got != nil {
		t.Errorf("of nothing: %+v", got)
	}
	got := volumesOf([]volumework.Outcome{
		outcomeOf("a", volumeplan.Chosen, ptr.To[int64](7)), outcomeOf("b", volumeplan.Skipped, nil),
		outcomeOf("c", volumeplan.Impossible, nil), outcomeOf("d", volumeplan.Chosen, nil),
	})
	row := func(name string, phase kahuv1.BackupVolumePhase, bytes int64) kahuv1.BackupVolume {
		return kahuv1.BackupVolume{
			Namespace: "shop", Name: name, Phase: phase, Way: kahuv1.VolumeWaySnapshot, ProviderName: "csi", Bytes: bytes,
			Reason: "R-" + name, Message: "m " + name,
		}
	}
	want := &kahuv1.BackupVolumes{
		Total: 4, Completed: 2, Failed: 1, Skipped: 1, BytesDone: 7, BytesTotal: 7, Claims: []kahuv1.BackupVolume{
			row("c", kahuv1.BackupVolumeFailed, 0), row("b", kahuv1.BackupVolumeSkipped, 0),
			row("a", kahuv1.BackupVolumeCompleted, 7), row("d", kahuv1.BackupVolumeCompleted, 0),
		},
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
}

// TestVolumesOfMany: there is room for a hundred rows, and the one that failed is among them.
func TestVolumesOfMany(t *testing.T) {
	var outcomes []volumework.Outcome
	for i := range 300 {
		outcomes = append(outcomes, outcomeOf(fmt.Sprint(i), volumeplan.Chosen, ptr.To[int64](1)))
	}
	failed := outcomeOf("bad", volumeplan.Impossible, nil)
	failed.Decision.Message = strings.Repeat("x", 5000)
	got := volumesOf(append(outcomes, failed))
	if got.Total != 301 || got.Completed != 300 || got.BytesDone != 300 || len(got.Claims) != 100 || got.Claims[0].Name != "bad" || len(got.Claims[0].Message) > 1024 {
		t.Errorf("%d of %d, %d rows, the first %.100v", got.Completed, got.Total, len(got.Claims), got.Claims[0])
	}
}

// TestMovingVolumes: a provider that knows of no total has none that is less than what is done.
func TestMovingVolumes(t *testing.T) {
	got := movingVolumes(&volumework.Progress{Done: 1, Failed: 2, Total: 5, BytesDone: 9, BytesTotal: 4})
	if diff := cmp.Diff(&kahuv1.BackupVolumes{Total: 5, Completed: 1, Failed: 2, BytesDone: 9, BytesTotal: 9}, got); diff != "" {
		t.Error(diff)
	}
}

// forgetting counts what is forgotten.
type forgetting struct {
	Volumes

	times int
}

func (f *forgetting) Forget(context.Context, volumework.Run) error {
	f.times++
	return nil
}

// TestForgetVolumes: of a run without a manifest, nothing is forgotten that still tells whose the snapshots are.
func TestForgetVolumes(t *testing.T) {
	complete := func(status metav1.ConditionStatus, reason string) []metav1.Condition {
		return []metav1.Condition{{Type: kahuv1.ConditionComplete, Status: status, Reason: reason}}
	}
	cases := map[string]struct {
		policy     kahuv1.DeletionPolicy
		conditions []metav1.Condition
		origin     *kahuv1.BackupOrigin
		want       int
	}{
		"Completed":            {kahuv1.DeletionPolicyRetain, complete(metav1.ConditionTrue, kahuv1.ReasonCompleted), nil, 1},
		"PartiallyFailed":      {kahuv1.DeletionPolicyRetain, complete(metav1.ConditionFalse, kahuv1.ReasonPartiallyFailed), nil, 1},
		"Failed":               {kahuv1.DeletionPolicyRetain, complete(metav1.ConditionFalse, kahuv1.ReasonCancelled), nil, 0},
		"StillRunning":         {kahuv1.DeletionPolicyRetain, nil, nil, 0},
		"TheDefinitionIsGoing": {kahuv1.DeletionPolicyDelete, nil, nil, 1},
		"View":                 {kahuv1.DeletionPolicyRetain, complete(metav1.ConditionTrue, kahuv1.ReasonCompleted), &kahuv1.BackupOrigin{}, 0},
	}
	for name, test := range cases {
		volumes := &forgetting{}
		s := &scope{backup: &kahuv1.Backup{}}
		s.backup.Spec.DeletionPolicy, s.backup.Spec.Origin, s.backup.Status.Conditions = test.policy, test.origin, test.conditions
		if err := (&Controller{Volumes: volumes}).forgetVolumes(t.Context(), s); err != nil || volumes.times != test.want {
			t.Errorf("%s: forgotten %d times, want %d: %v", name, volumes.times, test.want, err)
		}
	}
}
