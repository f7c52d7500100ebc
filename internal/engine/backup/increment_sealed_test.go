package backup_test

import (
	"context"
	"testing"
	"time"

	"github.com/soda-cdm/kahu/internal/core/damage"
	"github.com/soda-cdm/kahu/internal/core/increment"
	"github.com/soda-cdm/kahu/internal/core/seal"
	"github.com/soda-cdm/kahu/internal/engine/backup"
	"github.com/soda-cdm/kahu/internal/testkit/world"
)

// building returns a wish to build on backup one.
func building(one backup.Result, sealing *backup.Sealing) func(request *backup.Request) {
	return func(request *backup.Request) {
		request.Sealing = sealing
		request.Increment = backup.Increment{
			Wish:       increment.Wish{Mode: increment.Incremental},
			Candidates: []increment.Candidate{{ID: one.Manifest.ID, Mode: increment.Full, Attempt: one.Manifest.Attempt, Started: time.Unix(1, 0), Alike: true}},
			Owned:      func(context.Context) (bool, error) { return true, nil },
		}
	}
}

// TestIncrementIsEncrypted: who can read an incremental backup can read all of it; where that would not be so, or where the
// cluster cannot read what it writes, the backup is full.
func TestIncrementIsEncrypted(t *testing.T) {
	t.Parallel()
	anna, otto := world.NewIdentity(t), world.NewIdentity(t)
	w := world.NewSealed(t, anna)
	w.Shop()
	one := w.MustBackup("one")
	build := func(name string, reason increment.Reason, held ...seal.Identity) {
		t.Helper()
		made, err := w.SealedBackup(name, building(one, w.Sealing(held...)))
		if err != nil || made.Choice.Reason != reason || (made.Manifest.Increment.Mode == "") != (reason != "") {
			t.Fatalf("%s: %+v, %v; want %q", name, made.Choice, err, reason)
		}
	}
	w.Cluster.Change(t, world.ConfigMaps, "shop", "settings-1", `{"data":{"key":"other"}}`)
	build("two", "", anna)
	to, result, err := w.RestoreSealed("two", w.Trust(), anna)
	if err != nil || result.FailedTotal > 0 || len(to.Contents()) != len(w.Cluster.Contents()) {
		t.Errorf("restoring: %+v, %v", result, err)
	}
	if found := w.Verify("two", damage.Sample{}, anna); found.DamagedTotal > 0 || found.Objects != 7 {
		t.Errorf("%+v", found)
	}
	build("blind", increment.KeyNeeded)
	w.Keep([]seal.Identity{anna}, otto) // Anna is removed: another epoch begins.
	build("three", increment.KeyChanged, otto)
	w.Reads("three", otto)
}
