package backup_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/klauspost/compress/zstd"

	"github.com/soda-cdm/kahu/internal/core"
	"github.com/soda-cdm/kahu/internal/core/archive"
	"github.com/soda-cdm/kahu/internal/core/damage"
	"github.com/soda-cdm/kahu/internal/core/increment"
	"github.com/soda-cdm/kahu/internal/core/seal"
	"github.com/soda-cdm/kahu/internal/core/selection"
	"github.com/soda-cdm/kahu/internal/engine"
	"github.com/soda-cdm/kahu/internal/engine/backup"
	"github.com/soda-cdm/kahu/internal/engine/keyring"
	"github.com/soda-cdm/kahu/internal/engine/removal"
	"github.com/soda-cdm/kahu/internal/testkit/world"
)

// writeOnly is a cluster that cannot read its backups. Anna can.
type writeOnly struct {
	*world.Sealed

	anna     seal.Identity
	owner    func(context.Context) (bool, error) // nil: this cluster is
	made     []increment.Candidate
	filters  selection.Filters
	contents map[string]map[string]string // what the cluster had at each backup
}

func newWriteOnly(t *testing.T) *writeOnly {
	t.Helper()
	anna := world.NewIdentity(t)
	w := &writeOnly{Sealed: world.NewSealed(t, anna), anna: anna, contents: map[string]map[string]string{}}
	w.Comparison = newKey(t)
	w.Shop()
	w.Cluster.Put(t, world.Deployments, "shop", "web", needy)
	w.Cluster.Put(t, world.Claims, "shop", "data", `{"spec":{"storageClassName":"fast"}}`)
	return w
}

func newKey(t *testing.T) *seal.Key {
	t.Helper()
	key, err := seal.NewKey()
	if err != nil {
		t.Fatal(err)
	}
	return key
}

// backup makes a backup in a mode, with some identities at hand. It may be a base from then on.
func (w *writeOnly) backup(name string, mode increment.Mode, held ...seal.Identity) backup.Result {
	w.T.Helper()
	owned := w.owner
	if owned == nil {
		owned = func(context.Context) (bool, error) { return true, nil }
	}
	result, err := w.SealedBackup(name, func(request *backup.Request) {
		request.Sealing, request.Filters = w.Sealing(held...), w.filters
		request.Increment = backup.Increment{
			Wish: increment.Wish{Mode: mode}, Candidates: w.made, Owned: owned,
		}
	})
	if err != nil {
		w.T.Fatal(err)
	}
	w.made = append(w.made, increment.Candidate{
		ID: world.ID(name), Mode: result.Choice.Mode, Attempt: result.Manifest.Attempt, Started: time.Unix(int64(len(w.made)), 0), Alike: true,
	})
	w.contents[name] = w.Cluster.Contents()
	return result
}

// comparisonOf opens the comparison file of a backup, as this cluster and whoever has its key can.
func (w *writeOnly) comparisonOf(name string, key *seal.Key) (*archive.HeldComparison, error) {
	source, err := key.Open(bytes.NewReader(w.Content(world.ID(name).ComparisonNameOf(""))))
	if err != nil {
		return nil, err
	}
	return archive.HoldComparison(source)
}

// TestWriteOnlyClusterBuildsOnWhatItCannotRead makes a series of backups of a cluster that changes; whoever has the identity
// restores each as it was.
func TestWriteOnlyClusterBuildsOnWhatItCannotRead(t *testing.T) {
	t.Parallel()
	for filters, wish := range map[string]selection.Filters{"everything": {}, "a namespace": {IncludeNamespaces: []string{"shop"}}} {
		t.Run(filters, func(t *testing.T) {
			t.Parallel()
			w := newWriteOnly(t)
			w.filters = wish
			expect := func(result backup.Result, mode increment.Mode, base string, written int64) {
				t.Helper()
				made := result.Manifest.Increment
				if result.Choice.Mode != mode || made.Mode != string(mode) || made.Base != world.ID(base) || made.Written != written {
					t.Errorf("%+v, %+v; want %s on %s, %d written", result.Choice, made, mode, base, written)
				}
			}
			if one := w.backup("one", increment.Incremental); one.Choice.Reason != increment.NoBase {
				t.Errorf("%+v", one.Choice)
			}
			w.Cluster.Change(t, world.ConfigMaps, "shop", "settings-1", `{"data":{"key":"other"}}`)
			w.Cluster.Put(t, world.Secrets, "shop", "added", `{"data":{"key":"YWRkZWQ="}}`)
			two := w.backup("two", increment.Incremental)
			expect(two, increment.Incremental, "one", 2)
			if two.Manifest.Increment.Unchanged == 0 || two.Manifest.Increment.Read <= 2 {
				t.Errorf("what matters is read in the cluster, and what does not is not: %+v", two.Manifest.Increment)
			}
			w.Cluster.Remove(world.ConfigMaps, "shop", "settings-1")
			w.Cluster.Put(t, world.ConfigMaps, "shop", "settings-1", `{"data":{"key":"anew"}}`)
			w.Cluster.Change(t, world.Secrets, "shop", "added", `{"data":{"key":"Y2hhbmdlZA=="}}`)
			w.Cluster.Change(t, world.Secrets, "shop", "added", `{"data":{"key":"YWRkZWQ="}}`) // And back: read and not written.
			expect(w.backup("three", increment.Incremental), increment.Incremental, "two", 1)
			expect(w.backup("four", increment.Differential), increment.Differential, "one", 2)
			expect(w.backup("five", increment.Incremental), increment.Incremental, "four", 0)
			for name, had := range w.contents {
				to, result, err := w.RestoreSealed(name, w.Trust(), w.anna)
				if err != nil || result.FailedTotal > 0 {
					t.Fatalf("%s: %+v, %v", name, result, err)
				}
				if diff := cmp.Diff(had, to.Contents()); diff != "" {
					t.Errorf("restored from %s (-then +now):\n%s", name, diff)
				}
				w.Reads(name, w.anna)
				if _, _, err := w.RestoreSealed(name, w.Trust()); !isKeyNeeded(err) {
					t.Errorf("%s is restored without an identity: %v", name, err)
				}
			}
		})
	}
}

func isKeyNeeded(err error) bool {
	_, is := errors.AsType[*seal.KeyNeededError](err)
	return is
}

// TestRecordsWithoutTheIndexAreThoseWithIt: of one cluster at one moment two backups are made, one by comparing with the index
// and one without being able to read it. Nobody can tell them apart by what their indexes say.
func TestRecordsWithoutTheIndexAreThoseWithIt(t *testing.T) {
	t.Parallel()
	w := newWriteOnly(t)
	w.backup("one", increment.Full)
	w.Cluster.Change(t, world.ConfigMaps, "shop", "settings-1", `{"data":{"key":"other"},"metadata":{"labels":{"l":"m"}}}`)
	base := w.made
	w.backup("blind", increment.Incremental)
	w.made = base
	w.backup("seeing", increment.Incremental, w.anna)
	records := map[string][]archive.Record{}
	for _, name := range []string{"blind", "seeing"} {
		manifest, err := engine.ReadManifest(t.Context(), w.Plain(), world.ID(name))
		if err != nil {
			t.Fatal(err)
		}
		contents, err := engine.ContentsOf(t.Context(), w.Plain(), w.Keys(w.anna), &manifest)
		if err != nil {
			t.Fatal(err)
		}
		err = contents.EachRecord(t.Context(), manifest.Index, func(record archive.Record) error {
			record.Frame.Segment = strings.ReplaceAll(record.Frame.Segment, "attempt"+name, "attempt")
			records[name] = append(records[name], record)
			return nil
		})
		if err != nil {
			t.Fatal(err)
		}
	}
	if diff := cmp.Diff(records["seeing"], records["blind"]); diff != "" || len(records["blind"]) == 0 {
		t.Errorf("(-with the index +without):\n%s", diff)
	}
}

// TestComparisonKeyOpensNothingElse tries the key of the cluster on everything that lies in the store, and looks into what it
// opens for names and values.
func TestComparisonKeyOpensNothingElse(t *testing.T) {
	t.Parallel()
	w := newWriteOnly(t)
	w.Cluster.Put(t, world.Namespaces, "", "canary-namespace", `{}`)
	w.Cluster.Put(t, world.Secrets, "canary-namespace", "canary-secret", `{"metadata":{"labels":{"canary-label":"canary-is"}},"data":{"key":"Y2FuYXJ5LXZhbHVl"}}`)
	w.Cluster.Put(t, world.ConfigMaps, "canary-namespace", "canary-odd", `{"metadata":{"ownerReferences":[{"apiVersion":"v1","kind":"Secret","name":"canary-secret","uid":"canary-owner"}]}}`)
	w.backup("one", increment.Full)
	w.Cluster.Change(t, world.Secrets, "canary-namespace", "canary-secret", `{"data":{"key":"Y2FuYXJ5LW90aGVy"}}`)
	w.backup("two", increment.Incremental)
	opened := 0
	for _, name := range w.AllNames() {
		content := w.Content(name)
		if bytes.Contains(content, []byte("canary")) || bytes.Contains(content, []byte("Y2FuYXJ5")) || strings.Contains(name, "canary") {
			t.Errorf("%s tells what is in the backup", name)
		}
		if !seal.IsSealed(content) {
			continue
		}
		plain, err := w.Comparison.Open(bytes.NewReader(content))
		if err != nil {
			continue
		}
		opened++
		if !strings.Contains(name, "/comparison.") {
			t.Errorf("the cluster's key opens %s", name)
		}
		if lines := decompressed(t, plain); bytes.Contains(lines, []byte("canary")) || !bytes.Contains(lines, []byte(`"uid"`)) {
			t.Errorf("%s names objects:\n%s", name, lines)
		}
	}
	if opened != 2 {
		t.Errorf("%d files were opened", opened)
	}
	if _, err := w.comparisonOf("one", newKey(t)); !errors.Is(err, core.ErrCorrupt) {
		t.Errorf("opened with another key: %v", err)
	}
}

func decompressed(t *testing.T, source io.Reader) []byte {
	t.Helper()
	decoder, err := zstd.NewReader(source)
	if err != nil {
		t.Fatal(err)
	}
	defer decoder.Close()
	lines, err := io.ReadAll(decoder)
	if err != nil {
		t.Fatal(err)
	}
	return lines
}

// TestWhereNothingCanBeComparedTheBackupIsFull, and says why.
func TestWhereNothingCanBeComparedTheBackupIsFull(t *testing.T) {
	t.Parallel()
	file := world.ID("one").ComparisonNameOf("")
	for name, test := range map[string]struct {
		before func(w *writeOnly) // the base is made
		after  func(w *writeOnly)
		want   increment.Reason
	}{
		"no key": {after: func(w *writeOnly) { w.Comparison = nil }, want: increment.KeyNeeded},
		"never written": {
			before: func(w *writeOnly) { w.Comparison = nil },
			after:  func(w *writeOnly) { w.Comparison = newKey(w.T) }, want: increment.ComparisonMissing,
		},
		"removed": {after: func(w *writeOnly) {
			if err := w.Plain().Remove(w.T.Context(), file); err != nil {
				w.T.Fatal(err)
			}
		}, want: increment.ComparisonMissing},
		"another key": {after: func(w *writeOnly) { w.Comparison = newKey(w.T) }, want: increment.ComparisonKeyChanged},
		"damaged": {after: func(w *writeOnly) {
			content := w.Content(file)
			content[len(content)-30] ^= 1
			w.Put(file, string(content))
		}, want: increment.ComparisonDamaged},
		"forged": {after: func(w *writeOnly) { // Everybody who knows the public half can encrypt to it.
			forged, err := w.Comparison.Epoch().SealBytes([]byte("forged"))
			if err != nil {
				w.T.Fatal(err)
			}
			w.Put(file, string(forged))
		}, want: increment.ComparisonDamaged},
		"another epoch": {after: func(w *writeOnly) { w.Keep(nil, world.NewIdentity(w.T)) }, want: increment.KeyChanged},
		"as it was":     {},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w := newWriteOnly(t)
			if test.before != nil {
				test.before(w)
			}
			w.backup("one", increment.Full)
			if test.after != nil {
				test.after(w)
			}
			two := w.backup("two", increment.Incremental)
			if two.Choice.Reason != test.want || (two.Choice.Message == "") != (test.want == "") || two.Manifest.Increment.IsZero() != (test.want != "") {
				t.Fatalf("%+v, want %q", two.Choice, test.want)
			}
			if warned := strings.Contains(fmt.Sprint(two.Warnings), "damaged"); warned != (test.want == increment.ComparisonDamaged) {
				t.Errorf("warnings: %q", two.Warnings)
			}
		})
	}
}

// TestBackupsAreRestoredWithoutTheirComparison: whatever becomes of the file, only Verify minds.
func TestBackupsAreRestoredWithoutTheirComparison(t *testing.T) {
	t.Parallel()
	w := newWriteOnly(t)
	w.backup("one", increment.Full)
	file := world.ID("one").ComparisonNameOf("")
	restores := func() {
		t.Helper()
		if to, _, err := w.RestoreSealed("one", w.Trust(), w.anna); err != nil || len(to.Contents()) != len(w.Cluster.Contents()) {
			t.Errorf("restored %d, %v", len(to.Contents()), err)
		}
	}
	whole := w.Content(file)
	for at := 0; at < len(whole); at += max(1, len(whole)/20) {
		damaged := bytes.Clone(whole)
		damaged[at] ^= 1
		w.Put(file, string(damaged))
		for _, held := range [][]seal.Identity{nil, {w.anna}} {
			found := w.Verify("one", damage.Sample{}, held...)
			if found.DamagedTotal != 1 || found.Damaged[0].File != file || found.DamagedObjects != 0 || !strings.Contains(found.Damaged[0].Message, "does not need") {
				t.Fatalf("byte %d: %+v", at, found)
			}
		}
	}
	restores()
	if err := w.Plain().Remove(t.Context(), file); err != nil {
		t.Fatal(err)
	}
	if found := w.Verify("one", damage.Sample{}, w.anna); found.DamagedTotal > 0 {
		t.Errorf("it is gone: %+v", found)
	}
	restores()
}

// TestComparisonGoesWithItsBackup, where the store can list and where it cannot, and stays when what is left over is swept.
func TestComparisonGoesWithItsBackup(t *testing.T) {
	t.Parallel()
	for _, unlisted := range []bool{false, true} {
		w := newWriteOnly(t)
		w.Driver.Unlisted, w.State = unlisted, keyring.State{}
		w.Keep(nil, w.anna)
		made := w.backup("one", increment.Full)
		file := world.ID("one").ComparisonNameOf("")
		if err := removal.Sweep(t.Context(), w.Files, made.Manifest, "attemptone"); err != nil || !w.Has(file) {
			t.Errorf("it was swept away: %v", err)
		}
		if err := removal.Delete(t.Context(), w.Files, world.ID("one")); err != nil {
			t.Fatal(err)
		}
		for _, name := range w.Names() {
			if !strings.HasPrefix(name, seal.KeysFolder) {
				t.Errorf("left, unlisted %t: %s", unlisted, name)
			}
		}
	}
}

// TestInterruptedWriteOnlyBackupKeepsItsBase: the next attempt copies again what was copied, and builds on the same base.
func TestInterruptedWriteOnlyBackupKeepsItsBase(t *testing.T) {
	t.Parallel()
	w := newWriteOnly(t)
	w.backup("one", increment.Full)
	w.Cluster.Change(t, world.ConfigMaps, "shop", "settings-1", `{"data":{"key":"other"}}`)
	w.GiveUp = func(context.Context, error) error { return backup.ErrSuperseded }
	w.Driver.Before = func(_ int, call, name string) error {
		if call == "create" && strings.Contains(name, "/two/") && strings.Contains(name, "/report") {
			return core.ErrUnavailable
		}
		return nil
	}
	wish := func(request *backup.Request) {
		request.Increment = backup.Increment{
			Wish: increment.Wish{Mode: increment.Incremental}, Candidates: w.made, Owned: func(context.Context) (bool, error) { return true, nil },
		}
	}
	if _, err := w.SealedBackup("two", wish); err == nil {
		t.Fatal("it was not interrupted")
	}
	w.Driver.Before = nil
	result, err := w.SealedBackup("two", func(request *backup.Request) {
		wish(request)
		request.Attempt, request.Earlier = "second", []string{"attempttwo"}
	})
	if err != nil || result.Manifest.Increment.Base != world.ID("one") || result.Manifest.Encryption.Comparison.File.Name != world.ID("two").ComparisonNameOf("second") {
		t.Fatalf("%+v, %v", result.Manifest, err)
	}
	if w.Has(world.ID("two").ComparisonNameOf("")) {
		t.Error("the file of the interrupted attempt is left")
	}
	to, _, err := w.RestoreSealed("two", w.Trust(), w.anna)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(w.Cluster.Contents(), to.Contents()); diff != "" {
		t.Error(diff)
	}
}
