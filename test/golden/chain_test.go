package golden_test

import (
	"context"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/soda-cdm/kahu/internal/core/archive"
	"github.com/soda-cdm/kahu/internal/core/copyplan"
	"github.com/soda-cdm/kahu/internal/core/increment"
	"github.com/soda-cdm/kahu/internal/core/seal"
	"github.com/soda-cdm/kahu/internal/engine/backup"
	"github.com/soda-cdm/kahu/internal/engine/copies"
)

// aDay is between two backups of a chain.
const aDay = 24 * time.Hour

// writeChain writes a full backup and three that build on others, of a cluster in which objects are changed, added and removed
// all the time. Each has what a full one of the same moment has.
func writeChain(w *world) *world {
	w.t.Helper()
	w.cluster.Remove(configMaps, "shop", "large")
	w.link("monday", increment.Full, "")

	w.cluster.Change(w.t, configMaps, "shop", "settings", `{"data":{"greeting":"haere mai"}}`)
	w.cluster.Put(w.t, configMaps, "shop", "added", `{"data":{"day":"tuesday"}}`)
	w.cluster.Remove(configMaps, "shop-data", "part-3")
	w.link("tuesday", increment.Incremental, "monday")

	w.cluster.Change(w.t, secrets, "shop", "password", `{"data":{"key":"YW5vdGhlcg=="}}`)
	w.cluster.Change(w.t, widgets, "shop-data", "w", `{"spec":{"size":43}}`)
	w.cluster.Remove(deployments, "shop", "web")
	w.link("wednesday", increment.Differential, "monday")

	// Made anew as it was, changed back to what it was, and one that was added is gone.
	w.cluster.Remove(configMaps, "shop-data", "part-1")
	w.cluster.Put(w.t, configMaps, "shop-data", "part-1", `{"data":{"number":"1"}}`)
	w.cluster.Change(w.t, widgets, "shop-data", "w", `{"spec":{"size":42}}`)
	w.cluster.Remove(configMaps, "shop", "added")
	w.cluster.Put(w.t, roles, "", "shop:writer", `{"rules":[{"apiGroups":[""],"resources":["configmaps"],"verbs":["update"]}]}`)
	w.link("thursday", increment.Incremental, "wednesday")
	return w
}

// link makes a backup that builds on a certain one, none where it is empty.
func (w *world) link(name string, mode increment.Mode, base string) {
	w.t.Helper()
	w.clock.SetTime(w.clock.Now().Add(aDay))
	use, request := w.backup(name, archive.Fastest)
	request.Increment = backup.Increment{
		Wish: increment.Wish{Mode: mode, Now: w.clock.Now()}, Candidates: w.made,
		Owned: func(ctx context.Context) (bool, error) { return true, w.location().CheckOwner(ctx, clusterID, nonce) },
	}
	result, err := use.Run(w.t.Context(), request, w.files)
	check(w.t, err)
	if made := result.Manifest.Increment; result.Choice.Mode != mode || made.Base.Name != base || base != "" && made.Unchanged == 0 {
		w.t.Fatalf("%s builds on %+v: %+v", name, made, result.Choice)
	}
	candidate := increment.Candidate{
		ID: backupID(name), Mode: mode, Attempt: result.Manifest.Attempt, Started: result.Manifest.Started, Alike: true,
	}
	if base != "" {
		candidate.Base = backupID(base)
	}
	w.made = append(w.made, candidate)
	w.compareWithFull(name)
}

// compareWithFull sees that a backup brings back what a full one of the same moment does, which is written to elsewhere.
func (w *world) compareWithFull(name string) {
	w.t.Helper()
	full := newLocation(w.t)
	full.cluster = w.cluster
	full.mustBackup(name, archive.Fastest)
	want, _ := full.restore(backupID(name), "compare", nil)
	got, _ := w.copy().restore(backupID(name), "compare", w.keys())
	if diff := cmp.Diff(want.Contents(), got.Contents()); diff != "" {
		w.t.Fatalf("%s is not what a full backup is:\n%s", name, diff)
	}
}

// copy is a location with the same files and keys.
func (w *world) copy() *world {
	w.t.Helper()
	made := newWorld(w.t)
	made.place, made.signing, made.identities, made.secretTexts = w.place, w.signing, w.identities, w.secretTexts
	for _, name := range w.names() {
		made.put(name, w.content(name))
	}
	return made
}

// writeCopied writes copies of two backups of a chain, and returns the location to which they were copied.
func writeCopied(from *world) *world {
	from.t.Helper()
	writeChain(from)
	to := newWorld(from.t)
	to.place = secondID
	to.open()
	to.identities, to.secretTexts, to.signing = from.identities, from.secretTexts, from.signing
	shelf := copyplan.Place{Name: "shelf", ID: from.place}
	if from.signing != nil {
		shelf.Encrypted, shelf.Epoch = true, from.state.Epoch.ID()
	}
	use := &copies.Copy{Clock: from.clock, Senders: 1}
	for _, name := range []string{"tuesday", "thursday"} {
		_, err := use.Run(from.t.Context(), copies.Request{
			Backup: backupID(name), Attempt: "copy" + name, Confirm: func(context.Context) error { return nil },
			From: shelf, To: copyplan.Place{Name: "offsite", ID: to.place},
		}, from.files, to.files)
		check(from.t, err)
	}
	return to
}

// sealed is a location that is encrypted.
func sealed(t *testing.T) *world {
	t.Helper()
	w := newLocation(t)
	w.seal()
	return w
}

// blind is a location that is encrypted, of a cluster that has none of the identities and compares with files of its own.
func blind(t *testing.T) *world {
	t.Helper()
	w := sealed(t)
	var err error
	w.comparison, err = seal.NewKey()
	check(t, err)
	return w
}

// TestChains sees that the generations have what the chains and the copies of today have: backups of every mode, which need
// segments of others, and copies that do not lie where they were made.
func TestChains(t *testing.T) {
	t.Parallel()
	modes, compared := map[string]int{}, 0
	for name, folder := range locations(t) {
		w := load(t, folder)
		for _, id := range w.discover() {
			manifest := w.manifestOf(id)
			kind := name[strings.Index(name, "/")+1:]
			modes[kind+" "+manifest.Increment.Mode]++
			if manifest.Encryption.Comparison != (archive.Comparison{}) {
				compared++
			}
			if foreign := w.foreign(&manifest); !manifest.Increment.IsZero() && foreign == 0 {
				t.Errorf("%s: %s needs no segment of another backup", name, id.Name)
			}
			if isCopy := manifest.LocationID != w.place; isCopy != strings.HasPrefix(kind, "copied") {
				t.Errorf("%s: that %s is a copy is %t", name, id.Name, isCopy)
			}
		}
	}
	if compared == 0 {
		t.Error("no backup has a file to compare with")
	}
	for _, kind := range []string{"chain", "chain-sealed", "chain-blind"} {
		for mode, want := range map[string]int{"": 1, archive.ModeIncremental: 2, archive.ModeDifferential: 1} {
			if got := modes[kind+" "+mode]; got < want {
				t.Errorf("%s: %d backups of mode %q", kind, got, mode)
			}
		}
	}
}
