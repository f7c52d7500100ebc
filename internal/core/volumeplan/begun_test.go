package volumeplan_test

import (
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/soda-cdm/kahu/internal/core/volumeplan"
)

// TestBegun: what an earlier attempt has begun is decided, whatever the facts are now; all else is decided by them.
func TestBegun(t *testing.T) {
	known := volumeplan.Claim{
		Namespace: "shop", Name: "data", UID: "u-data", StorageClass: "fast", Volume: "pv-data", Source: "csi", Driver: disks, Size: 5, Mode: "Block",
	}
	begun := volumeplan.Decision{
		Claim: known, Verdict: volumeplan.Chosen, Way: volumeplan.Snapshot, Provider: "gone", SnapshotClass: "gone", KeepsSnapshot: true,
	}
	cases := map[string]struct {
		reason string
		now    volumeplan.Claim
		lacks  bool // an order of a version that wrote nothing down
		want   volumeplan.Claim
	}{
		"Gone":       {reason: "The data is there.", now: volumeplan.Claim{Namespace: "shop", Name: "data", Gone: true}, want: known},
		"Unreadable": {reason: "The data is there.", now: volumeplan.Claim{Namespace: "shop", Name: "data", Unreadable: "refused"}, want: known},
		"Another": {
			reason: "A claim that was made again is not the one that is backed up.",
			now:    volumeplan.Claim{Namespace: "shop", Name: "data", UID: "u-other", Volume: "pv-other", Size: 9}, want: known,
		},
		"Left out": {
			reason: "It was backed up before somebody said so.",
			now: volumeplan.Claim{
				Namespace: "shop", Name: "data", UID: "u-data", Volume: "pv-data", Source: "csi", Size: 9, Annotations: map[string]string{volumeplan.Annotation: "skip"},
			},
			want: volumeplan.Claim{
				Namespace: "shop", Name: "data", UID: "u-data", StorageClass: "fast", Volume: "pv-data", Source: "csi", Driver: disks, Size: 5, Mode: "Block",
				Annotations: map[string]string{volumeplan.Annotation: "skip"},
			},
		},
		"Lacks": {
			reason: "What nobody wrote down is as it is now.", lacks: true,
			now:  volumeplan.Claim{Namespace: "shop", Name: "data", UID: "u-data", StorageClass: "slow", Volume: "pv-data", Size: 9, Mode: "Block"},
			want: volumeplan.Claim{Namespace: "shop", Name: "data", UID: "u-data", StorageClass: "slow", Volume: "pv-data", Size: 9, Mode: "Block"},
		},
	}
	for name, test := range cases {
		t.Run(name, func(t *testing.T) {
			was, want := begun, begun
			want.Claim = test.want
			if test.lacks {
				was.Claim = volumeplan.Claim{Namespace: "shop", Name: "data", UID: "u-data", Volume: "pv-data"}
			}
			given := facts()
			given.Claims = []volumeplan.Claim{test.now, claim(func(claim *volumeplan.Claim) { claim.Name = "other" })}
			given.Begun = []volumeplan.Decision{was}
			got := volumeplan.Plan(given, volumeplan.Settings{})
			if len(got) != 2 || got[1].Claim.Name != "other" || got[1].Provider == "gone" || got[1].Verdict != volumeplan.Chosen {
				t.Fatalf("%+v", got)
			}
			if diff := cmp.Diff(want, got[0]); diff != "" {
				t.Errorf("%s (-want +got):\n%s", test.reason, diff)
			}
		})
	}
}
