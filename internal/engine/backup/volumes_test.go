package backup_test

import (
	"context"
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/soda-cdm/kahu/internal/core"
	"github.com/soda-cdm/kahu/internal/core/selection"
	"github.com/soda-cdm/kahu/internal/core/volumeplan"
	"github.com/soda-cdm/kahu/internal/core/volumework"
	"github.com/soda-cdm/kahu/internal/engine"
	"github.com/soda-cdm/kahu/internal/testkit/world"
)

// volumes are in memory: each claim's name says what becomes of it.
type volumes struct {
	asked    []core.Key
	begun    []volumeplan.Decision
	calls    []string
	released int
	moment   volumework.Moment
	cuts     map[string]time.Time // when the claims of these names were cut, where not as all others
}

func (v *volumes) Look(_ context.Context, claims []core.Key) (volumeplan.Facts, error) {
	v.asked = claims
	found := volumeplan.Facts{
		Providers: []volumeplan.Provider{
			{Name: "disks", NeedsSnapshot: true, KeepsSnapshot: true, Drivers: []string{"disks.example.com"}},
			{Name: "array", Offloads: true, Drivers: []string{"array.example.com"}},
			{Name: "mover", NeedsVolume: true, Drivers: []string{"live.example.com"}},
		},
		Classes: []volumeplan.Class{{Name: "snap", Driver: "disks.example.com"}},
	}
	for _, key := range claims {
		claim := volumeplan.Claim{Namespace: key.Namespace, Name: key.Name, UID: "u-" + key.Name, Volume: "pv-" + key.Name, Source: "csi", Driver: "disks.example.com", Size: 7}
		switch key.Name {
		case "strange":
			claim.Driver, claim.Source = "", "nfs"
		case "offloaded":
			claim.Driver = "array.example.com"
		case "live":
			claim.Driver = "live.example.com"
		case "unbound":
			claim.Volume = ""
		case "skipped":
			claim.Annotations = map[string]string{volumeplan.Annotation: "skip"}
		}
		found.Claims = append(found.Claims, claim)
	}
	return found, nil
}

func (v *volumes) Begun(context.Context, volumework.Run) ([]volumeplan.Decision, error) {
	return v.begun, nil
}

func (v *volumes) Cut(
	_ context.Context, run volumework.Run, at volumework.Moment, chosen []volumeplan.Decision,
) (map[core.Key]error, error) {
	v.calls, v.moment = append(v.calls, "cut "+run.UID), at
	failed := map[core.Key]error{}
	for _, each := range chosen {
		if each.Claim.Name == "uncut" {
			failed[each.Claim.Key()] = errors.New("the array is full")
		}
	}
	return failed, nil
}

func (v *volumes) Drop(_ context.Context, _ volumework.Run, claims []core.Key) error {
	for _, claim := range claims {
		v.calls = append(v.calls, "drop "+claim.Name)
	}
	return nil
}

func (v *volumes) BackUp(
	_ context.Context, _ volumework.Run, chosen []volumeplan.Decision, _ func(volumework.Progress),
) ([]volumework.Outcome, error) {
	v.calls = append(v.calls, "back up")
	var outcomes []volumework.Outcome
	for _, each := range chosen {
		outcome := volumework.Outcome{Decision: each, Handle: "snap-" + each.Claim.Name, Cut: time.Unix(1_700_000_000, 0)}
		if cut, there := v.cuts[each.Claim.Name]; there {
			outcome.Cut = cut
		}
		if each.Claim.Name == "failed" {
			outcome.Reason, outcome.Message = "VolumeBackupFailed", "the disk is on fire"
		}
		outcomes = append(outcomes, outcome)
	}
	return outcomes, nil
}

func (v *volumes) Release(context.Context, volumework.Run) error {
	v.released++
	return nil
}

// TestVolumes: each claim in the backup is a row in the manifest, or missing by name, or skipped as somebody wanted.
func TestVolumes(t *testing.T) {
	w, deals := world.New(t), &volumes{}
	w.Volumes = deals
	w.Shop()
	for _, name := range []string{"data", "failed", "uncut", "strange", "unbound", "skipped"} {
		w.Cluster.Put(t, world.Claims, "shop", name, `{"spec":{"volumeName":"pv"},"status":{"phase":"Bound"}}`)
	}
	w.Cluster.Put(t, world.Claims, "elsewhere", "other", `{"spec":{"volumeName":"pv"},"status":{"phase":"Bound"}}`)
	result, err := w.Backup("one", selection.Filters{IncludeNamespaces: []string{"shop"}})
	if err != nil {
		t.Fatal(err)
	}
	if len(deals.asked) != 6 || strings.Join(deals.calls, ", ") != "cut "+world.ID("one").UID+", drop uncut, back up" || deals.released != 1 {
		t.Errorf("asked %v, calls %v, released %d", deals.asked, deals.calls, deals.released)
	}
	rows := result.Manifest.Volumes
	if len(rows) != 1 || rows[0].Name != "data" || rows[0].Handle != "snap-data" || rows[0].Provider != "disks" || rows[0].Way != "Snapshot" || rows[0].Cut.IsZero() {
		t.Errorf("volumes: %+v", rows)
	}
	missing := map[string]string{}
	for _, row := range result.Missing {
		missing[row.Key.Name] = row.Reason
	}
	want := map[string]string{"failed": "VolumeBackupFailed", "uncut": "SnapshotFailed", "strange": "VolumeWithoutProvider"}
	if len(missing) != len(want) || result.Manifest.Complete {
		t.Errorf("missing: %v", missing)
	}
	for name, reason := range want {
		if missing[name] != reason {
			t.Errorf("%s: %q", name, missing[name])
		}
	}
	if text := strings.Join(result.Warnings, "\n"); !strings.Contains(text, "shop/skipped") || strings.Contains(text, "unbound") {
		t.Errorf("warnings: %s", text)
	}
}

// TestLiveVolume: a volume of which there is no snapshot is named in a warning, and makes nothing incomplete.
func TestLiveVolume(t *testing.T) {
	w := world.New(t)
	w.Volumes = &volumes{cuts: map[string]time.Time{"live": {}}}
	w.Shop()
	for _, name := range []string{"data", "live"} {
		w.Cluster.Put(t, world.Claims, "shop", name, `{"spec":{"volumeName":"pv"},"status":{"phase":"Bound"}}`)
	}
	result, err := w.Backup("one", selection.Filters{IncludeNamespaces: []string{"shop"}})
	if err != nil {
		t.Fatal(err)
	}
	text := strings.Join(result.Warnings, "\n")
	if strings.Count(text, "crash-consistent") != 1 || !strings.Contains(text, "shop/live: provider mover read the volume while it was in use") {
		t.Errorf("warnings: %s", text)
	}
	if !result.Manifest.Complete {
		t.Errorf("missing: %+v", result.Missing)
	}
}

// TestInstants: snapshots that two attempts have cut are of different times, and that is said; of one attempt, or where all are
// of one time, there is nothing to say.
func TestInstants(t *testing.T) {
	const warning = "from 2023-11-14T22:13:20Z to 2023-11-14T22:14:00Z"
	later := map[string]time.Time{"later": time.Unix(1_700_000_040, 0)}
	cases := map[string]struct {
		attempt int
		cuts    map[string]time.Time
		warned  bool
	}{
		"OneAttempt":   {0, later, false},
		"SameInstant":  {1, nil, false},
		"TwoInstants":  {1, later, true},
		"OneWithout":   {1, map[string]time.Time{"later": {}}, false},
		"NearlyAtOnce": {1, map[string]time.Time{"later": time.Unix(1_700_000_001, 0)}, false},
	}
	for name, test := range cases {
		t.Run(name, func(t *testing.T) {
			w := world.New(t)
			w.Volumes = &volumes{cuts: test.cuts}
			w.Shop()
			for _, name := range []string{"data", "later"} {
				w.Cluster.Put(t, world.Claims, "shop", name, `{"spec":{"volumeName":"pv"},"status":{"phase":"Bound"}}`)
			}
			result, err := w.Try(t.Context(), test.attempt, selection.Filters{IncludeNamespaces: []string{"shop"}})
			if err != nil {
				t.Fatal(err)
			}
			if text := strings.Join(result.Warnings, "\n"); strings.Contains(text, warning) != test.warned || strings.Contains(text, "of different times") != test.warned {
				t.Errorf("warnings: %s", text)
			}
		})
	}
}

// TestVolumesAreShown: that the data of volumes moves is shown at once, however lately something else was.
func TestVolumesAreShown(t *testing.T) {
	var shown []engine.Progress
	meter := engine.NewMeter(world.New(t).Clock, func(now engine.Progress) { shown = append(shown, now) })
	meter.Done(3, 7)
	meter.Volumes(volumework.Progress{Total: 2})
	meter.Volumes(volumework.Progress{Total: 2, Done: 1})
	if len(shown) != 2 || shown[0].Volumes != nil || shown[1].Volumes == nil || shown[1].Volumes.Total != 2 || shown[1].Done != 3 {
		t.Errorf("shown: %+v", shown)
	}
}
