package backup_test

import (
	"context"
	"strings"
	"testing"

	"github.com/soda-cdm/kahu/internal/core"
	"github.com/soda-cdm/kahu/internal/core/selection"
	"github.com/soda-cdm/kahu/internal/core/volumeplan"
	"github.com/soda-cdm/kahu/internal/core/volumework"
	"github.com/soda-cdm/kahu/internal/testkit/world"
)

// ordered are volumes of which an earlier attempt has cut snapshots and given orders, all of which are Completed.
type ordered struct {
	volumes

	since func(facts *volumeplan.Facts) // what has changed
}

func (o *ordered) Look(ctx context.Context, claims []core.Key) (volumeplan.Facts, error) {
	facts, err := o.volumes.Look(ctx, claims)
	o.since(&facts)
	return facts, err
}

func (o *ordered) Begun(context.Context, volumework.Run) ([]volumeplan.Decision, error) {
	return []volumeplan.Decision{{
		Claim: volumeplan.Claim{Namespace: "shop", Name: "data", UID: "u-data", Volume: "pv-data", Driver: "disks.example.com", Size: 7}, Verdict: volumeplan.Chosen,
		Way: volumeplan.Snapshot, Provider: "disks", SnapshotClass: "snap", KeepsSnapshot: true,
	}}, nil
}

// TestOrdersOfAnEarlierAttemptCount: what an earlier attempt has backed up is in the backup, whatever has become since of the claim,
// or of the provider, which need do nothing any more.
func TestOrdersOfAnEarlierAttemptCount(t *testing.T) {
	for name, since := range map[string]func(facts *volumeplan.Facts){
		"ProviderIsBeingRestarted": func(facts *volumeplan.Facts) { facts.Providers[0].Unavailable = "the sidecar does not renew its lease" },
		"NamespaceIsGone": func(facts *volumeplan.Facts) {
			facts.Claims[0] = volumeplan.Claim{Namespace: "shop", Name: "data", Gone: true}
		},
		"ClassIsGone": func(facts *volumeplan.Facts) { facts.Classes = nil },
	} {
		t.Run(name, func(t *testing.T) {
			w := world.New(t)
			w.Volumes = &ordered{since: since}
			claims(w, "data")
			result, err := w.Try(t.Context(), 1, selection.Filters{IncludeNamespaces: []string{"shop"}})
			if err != nil {
				t.Fatal(err)
			}
			if len(result.Manifest.Volumes) != 1 || result.Manifest.Volumes[0].Handle != "snap-data" || !result.Manifest.Complete {
				t.Errorf("the order of shop/data is Completed: volumes %+v, complete is %v, missing %+v, warnings %q",
					result.Manifest.Volumes, result.Manifest.Complete, result.Missing, result.Warnings)
			}
		})
	}
}

// TestVolumeWithoutItsClaim: data that is in the storage system is named by the manifest also where the claim went before its
// object was copied for good.
func TestVolumeWithoutItsClaim(t *testing.T) {
	w := world.New(t)
	w.Volumes = &ordered{since: func(*volumeplan.Facts) {}}
	w.Shop()
	result, err := w.Try(t.Context(), 1, selection.Filters{IncludeNamespaces: []string{"shop"}})
	if err != nil {
		t.Fatal(err)
	}
	if len(result.Manifest.Volumes) != 1 || !strings.Contains(strings.Join(result.Warnings, "\n"), "shop/data: its data is in the backup, its object is not") {
		t.Errorf("volumes %+v, warnings %q", result.Manifest.Volumes, result.Warnings)
	}
}

// cutting are volumes that look into the store when they are cut.
type cutting struct {
	volumes

	look func()
}

func (c *cutting) Cut(
	ctx context.Context, run volumework.Run, at volumework.Moment, chosen []volumeplan.Decision,
) (map[core.Key]error, error) {
	c.look()
	return c.volumes.Cut(ctx, run, at, chosen)
}

// TestClaimsAreOnRecordBeforeTheyAreCut: an attempt that goes on finds the claims whose volumes were cut, though they are gone.
func TestClaimsAreOnRecordBeforeTheyAreCut(t *testing.T) {
	w, looked := world.New(t), false
	w.Volumes = &cutting{look: func() {
		looked = true
		if name := world.ID("one").CheckpointName(world.Attempts[0], 1); !w.Has(name) {
			t.Errorf("there is no %s among %q", name, w.Names())
		}
	}}
	claims(w, "data")
	if _, err := w.Attempt("one", world.Attempts[0], selection.Filters{IncludeNamespaces: []string{"shop"}}); err != nil || !looked {
		t.Fatal(err, looked)
	}
}
