package engine_test

import (
	"bytes"
	"context"
	"crypto/rand"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/soda-cdm/kahu/internal/core"
	"github.com/soda-cdm/kahu/internal/core/archive"
	"github.com/soda-cdm/kahu/internal/core/damage"
	"github.com/soda-cdm/kahu/internal/core/inspection"
	"github.com/soda-cdm/kahu/internal/core/seal"
	"github.com/soda-cdm/kahu/internal/core/selection"
	"github.com/soda-cdm/kahu/internal/engine"
	enginebackup "github.com/soda-cdm/kahu/internal/engine/backup"
	"github.com/soda-cdm/kahu/internal/engine/inspect"
	"github.com/soda-cdm/kahu/internal/engine/keyring"
	"github.com/soda-cdm/kahu/internal/engine/removal"
	"github.com/soda-cdm/kahu/internal/testkit/world"
)

func TestEncryptedRoundTrip(t *testing.T) {
	anna := world.NewIdentity(t)
	w := world.NewSealed(t, anna)
	w.Shop()
	w.Cluster.Put(t, world.ConfigMaps, "shop", "large", `{"data":{"key":"`+strings.Repeat("Kahu ", 400_000)+`"}}`)
	made := w.MustBackup("one")
	if made.Manifest.Signer != w.Signing.Signer() || made.Manifest.Encryption.Epoch != w.State.Epoch.ID() {
		t.Errorf("%+v", made.Manifest.Encryption)
	}
	to, result, err := w.RestoreSealed("one", w.Trust(), anna)
	if err != nil || result.FailedTotal > 0 || result.Counts.Created != 8 {
		t.Fatalf("%+v, %v", result, err)
	}
	if len(to.Contents()) != len(w.Cluster.Contents()) {
		t.Errorf("restored %v, of %v", to.Contents(), w.Cluster.Contents())
	}
	if result.Report == "" || !seal.IsSealed(w.Content(result.Report)) {
		t.Errorf("the report %q of the restore is not encrypted", result.Report)
	}
	if found := w.Verify("one", damage.Sample{}, anna); found.DamagedTotal > 0 || found.Objects != 8 || found.Sealed != nil {
		t.Errorf("%+v", found)
	}
	if found := w.Verify("one", damage.Sample{Share: 0.01, Seed: 1}, anna); found.DamagedTotal > 0 || found.Objects == 0 {
		t.Errorf("a sample: %+v", found)
	}
}

// TestNothingIsReadableWithoutTheKey looks for names and contents of objects in all that lies in the store.
func TestNothingIsReadableWithoutTheKey(t *testing.T) {
	w := world.NewSealed(t, world.NewIdentity(t))
	w.Cluster.Put(t, world.Namespaces, "", "canary-namespace", `{}`)
	w.Cluster.Put(t, world.Secrets, "canary-namespace", "canary-secret", `{"data":{"key":"Y2FuYXJ5LXZhbHVl"}}`)
	w.Cluster.Put(t, world.Claims, "canary-namespace", "canary-claim", `{"spec":{"volumeName":"canary-volume"},"status":{"phase":"Bound"}}`)
	result, err := w.SealedBackup("one", func(request *enginebackup.Request) {
		request.Object = json.RawMessage(`{"spec":{"includeNamespaces":["canary-namespace"]}}`)
	})
	if err != nil || result.Manifest.Complete || len(result.Missing) != 1 {
		t.Fatalf("%+v, %v", result, err)
	}
	for _, name := range w.AllNames() {
		if bytes.Contains(w.Content(name), []byte("canary")) || strings.Contains(name, "canary") {
			t.Errorf("%s tells what is in the backup", name)
		}
	}
}

func TestWriteOnlyClusterSaysWhichKeyIsNeeded(t *testing.T) {
	anna, bert := world.NewIdentity(t), world.NewIdentity(t)
	w := world.NewSealed(t, anna, bert)
	w.Shop()
	made := w.MustBackup("one")
	stored := inspect.Stored{Backup: world.ID("one"), Files: w.Files, Keys: w.Keys()}
	_, _, restoreErr := w.RestoreSealed("one", w.Trust())
	_, _, strangerErr := w.RestoreSealed("one", w.Trust(), world.NewIdentity(t))
	_, reportErr := inspect.Report(t.Context(), stored, "")
	_, objectsErr := inspect.Objects(t.Context(), stored, selection.Filters{}, "")
	_, diffErr := inspect.Diff(t.Context(), w.Cluster, inspect.DiffRequest{Old: stored})
	for name, err := range map[string]error{
		"restore": restoreErr, "restore with another key": strangerErr, "report": reportErr, "objects": objectsErr, "diff": diffErr,
	} {
		needed, is := errors.AsType[*seal.KeyNeededError](err)
		if !is || needed.Epoch != w.State.Epoch.ID() {
			t.Errorf("%s: %v", name, err)
			continue
		}
		for _, recipient := range []string{anna.Recipient().ID(), bert.Recipient().ID()} {
			if !strings.Contains(err.Error(), recipient) {
				t.Errorf("%s does not name recipient %s: %v", name, recipient, err)
			}
		}
	}
	found := w.Verify("one", damage.Sample{})
	if found.Sealed == nil || found.DamagedTotal > 0 || found.Files != int64(len(made.Manifest.Files())+1) || found.Objects != 0 {
		t.Errorf("verified without the key: %+v", found)
	}
	w.Put(world.ID("one").IndexName(), "damaged")
	if found := w.Verify("one", damage.Sample{}); found.DamagedTotal != 1 || found.Damaged[0].File != world.ID("one").IndexName() {
		t.Errorf("damage, without the key: %+v", found)
	}
}

// TestEveryByteOfAnEncryptedBackupCounts alters each file at many places: Verify finds it with the key and without it,
// and nothing is restored.
func TestEveryByteOfAnEncryptedBackupCounts(t *testing.T) {
	anna := world.NewIdentity(t)
	w := world.NewSealed(t, anna)
	w.Shop()
	w.MustBackup("one")
	for _, name := range w.Names() {
		if !strings.HasPrefix(name, archive.ClustersFolder) {
			continue
		}
		content := w.Content(name)
		step := max(1, len(content)/60)
		for i := 0; i < len(content); i += step {
			damaged := bytes.Clone(content)
			damaged[i] ^= 1
			w.Put(name, string(damaged))
			if found := w.Verify("one", damage.Sample{}, anna); found.DamagedTotal == 0 {
				t.Fatalf("byte %d of %s: not found", i, name)
			}
			if found := w.Verify("one", damage.Sample{}); found.DamagedTotal == 0 {
				t.Fatalf("byte %d of %s: not found without the key", i, name)
			}
			if name == world.ID("one").IntentName() || name == world.ID("one").ReportName() {
				continue // A restore does not read them.
			}
			if to, _, err := w.RestoreSealed("one", w.Trust(), anna); !errors.Is(err, core.ErrCorrupt) || len(to.Contents()) > 0 {
				t.Fatalf("byte %d of %s: restored %v, %v", i, name, to.Contents(), err)
			}
		}
		w.Put(name, string(content))
	}
	if found := w.Verify("one", damage.Sample{}, anna); found.DamagedTotal > 0 {
		t.Errorf("whole again: %+v", found)
	}
}

func TestUnknownSignersAreRefused(t *testing.T) {
	anna := world.NewIdentity(t)
	w := world.NewSealed(t, anna)
	w.Shop()
	w.MustBackup("one")
	if _, err := w.Backup("plain", selection.Filters{}); err != nil {
		t.Fatal(err)
	}
	other, err := seal.NewSigningKey(rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	for name, test := range map[string]struct {
		backup string
		trust  engine.Trust
		want   seal.Signer
	}{
		"nobody is trusted":  {"one", engine.Trust{Required: true}, w.Signing.Signer()},
		"another is trusted": {"one", engine.Trust{Required: true, Signers: []seal.Signer{other.Signer()}}, w.Signing.Signer()},
		"not signed":         {"plain", w.Trust(), ""},
	} {
		to, _, err := w.RestoreSealed(test.backup, test.trust, anna)
		unknown, is := errors.AsType[*engine.UnknownSignerError](err)
		if !is || unknown.Signer != test.want || len(to.Contents()) > 0 {
			t.Errorf("%s: %v, restored %v", name, err, to.Contents())
		}
		if !strings.Contains(fmt.Sprint(err), "--allow-unknown-signer") {
			t.Errorf("%s: it does not name the flag: %v", name, err)
		}
	}
	for _, backup := range []string{"one", "plain"} {
		if _, _, err := w.RestoreSealed(backup, engine.Trust{}, anna); err != nil {
			t.Errorf("%s, told to: %v", backup, err)
		}
	}
}

func TestRecipientsComeAndGo(t *testing.T) {
	anna, bert, carl := world.NewIdentity(t), world.NewIdentity(t), world.NewIdentity(t)
	w := world.NewSealed(t, anna)
	w.Shop()
	w.MustBackup("one")
	first := w.State.Epoch.ID()
	segments := w.SegmentsOf("one")

	if kept := w.Keep([]seal.Identity{anna}, anna, bert); kept.Began != "" || w.State.Epoch.ID() != first || kept.Reads[bert.Recipient().ID()] != 1 {
		t.Errorf("added with an identity at hand: %+v", kept)
	}
	w.Reads("one", bert)
	if kept := w.Keep(nil, anna); kept.Began != seal.ReasonRemoved || w.State.Epoch.ID() == first {
		t.Errorf("removed: %+v", kept)
	}
	w.MustBackup("two")
	w.Reads("two", anna)
	w.Reads("one", bert) // What he could read he still can.
	w.CannotRead("two", bert)
	if kept := w.Keep(nil, anna, carl); kept.Began != seal.ReasonAdded || kept.Epochs != 3 {
		t.Errorf("added without an identity: %+v", kept)
	}
	w.MustBackup("three")
	w.Reads("three", carl)
	w.CannotRead("two", carl)
	// With an identity at hand, the keys of all earlier epochs are wrapped for those who lack them.
	if kept := w.Keep([]seal.Identity{anna}, anna, carl); kept.Began != "" || kept.Readable != 3 || kept.Reads[carl.Recipient().ID()] != 3 {
		t.Errorf("wrapped afterwards: %+v", kept)
	}
	w.Reads("one", carl)
	w.Reads("two", carl)
	if !bytes.Equal(segments, w.SegmentsOf("one")) {
		t.Error("the segments of the first backup were written again")
	}
}

func TestLostKeyFilesAreNotWrittenTo(t *testing.T) {
	anna := world.NewIdentity(t)
	w := world.NewSealed(t, anna)
	w.Shop()
	first := w.State.Epoch.ID()
	name := seal.WrapName(first, anna.Recipient().ID())
	if err := w.Plain().Remove(t.Context(), name); err != nil {
		t.Fatal(err)
	}
	if kept := w.Keep(nil, anna); kept.Began != "" || !w.Has(name) {
		t.Errorf("a file that was gone is not there again: %+v", kept)
	}
	w.Put(name, "swapped by somebody")
	if _, err := w.SealedBackup("one", nil); !errors.Is(err, core.ErrCorrupt) || w.Has(world.ID("one").ManifestName()) {
		t.Errorf("backed up to a key that nobody has: %v", err)
	}
	if kept := w.Keep(nil, anna); kept.Began != seal.ReasonLost || w.State.Epoch.ID() == first {
		t.Errorf("%+v", kept)
	}
	w.MustBackup("two")
	w.Reads("two", anna)
}

// TestInterruptedEncryptedBackups goes on with what an earlier attempt has copied, where a key opens it, and copies it
// again where none does.
func TestInterruptedEncryptedBackups(t *testing.T) {
	anna := world.NewIdentity(t)
	for name, test := range map[string]struct {
		held   []seal.Identity
		change func(w *world.Sealed)
		taken  bool
	}{
		"with the key":      {held: []seal.Identity{anna}, taken: true},
		"without the key":   {},
		"in another epoch":  {held: []seal.Identity{anna}, change: func(w *world.Sealed) { w.Keep(nil, anna, world.NewIdentity(w.T)) }},
		"of another signer": {held: []seal.Identity{anna}, change: func(w *world.Sealed) { w.Signing, _ = seal.NewSigningKey(rand.Reader) }},
	} {
		t.Run(name, func(t *testing.T) {
			w := world.NewSealed(t, anna)
			w.Shop()
			w.Workers = 1
			w.Driver.Before = func(_ int, call, name string) error {
				if call == "create" && strings.Contains(name, "/index") {
					return core.ErrUnavailable
				}
				return nil
			}
			w.GiveUp = func(context.Context, error) error { return enginebackup.ErrSuperseded }
			if _, err := w.SealedBackup("one", nil); err == nil {
				t.Fatal("the index was written")
			}
			checkpoints := slices.DeleteFunc(w.Names(), func(name string) bool { return !strings.Contains(name, "/checkpoint-") })
			if len(checkpoints) == 0 || !seal.IsSealed(w.Content(checkpoints[0])) {
				t.Fatalf("checkpoints: %v", checkpoints)
			}
			w.Driver.Before = nil
			if test.change != nil {
				test.change(w)
			}
			result, err := w.SealedBackup("one", func(request *enginebackup.Request) {
				request.Attempt, request.Earlier, request.Sealing = "second", []string{"attemptone"}, w.Sealing(test.held...)
			})
			if err != nil {
				t.Fatal(err)
			}
			taken := slices.ContainsFunc(result.Manifest.Segments, func(file archive.File) bool { return strings.Contains(file.Name, "attemptone") })
			if taken != test.taken {
				t.Errorf("taken over: %t, segments %v", taken, result.Manifest.Segments)
			}
			if found := w.Verify("one", damage.Sample{}, anna); found.DamagedTotal > 0 || found.Objects != 7 {
				t.Errorf("%+v", found)
			}
		})
	}
}

func TestInspectEncrypted(t *testing.T) {
	anna := world.NewIdentity(t)
	w := world.NewSealed(t, anna)
	w.Shop()
	w.Cluster.Put(t, world.Claims, "shop", "data", `{"spec":{"volumeName":"volume-1"},"status":{"phase":"Bound"}}`)
	w.MustBackup("one")
	stored := inspect.Stored{Backup: world.ID("one"), Files: w.Files, Keys: w.Keys(anna)}
	objects, objectsErr := inspect.Objects(t.Context(), stored, selection.Filters{}, "")
	report, reportErr := inspect.Report(t.Context(), stored, "")
	w.Cluster.Put(t, world.ConfigMaps, "shop", "settings-1", `{"data":{"key":"other"}}`)
	changed, diffErr := inspect.Diff(t.Context(), w.Cluster, inspect.DiffRequest{Old: stored, Fields: true})
	if err := errors.Join(objectsErr, reportErr, diffErr); err != nil {
		t.Fatal(err)
	}
	for name, page := range map[string]inspection.Page{"objects": objects, "report": report, "diff": changed} {
		if len(page.Lines) == 0 {
			t.Errorf("%s: nothing", name)
		}
	}
	if last := changed.Lines[len(changed.Lines)-1]; !strings.Contains(last, `"changed":1`) {
		t.Errorf("%s", last)
	}
}

func TestDeleteEncrypted(t *testing.T) {
	for _, unlisted := range []bool{false, true} {
		anna := world.NewIdentity(t)
		w := world.NewSealed(t, anna)
		w.Driver.Unlisted = unlisted
		w.State = keyring.State{}
		w.Keep(nil, anna)
		w.Shop()
		w.MustBackup("one")
		if err := removal.Delete(t.Context(), w.Files, world.ID("one")); err != nil {
			t.Fatal(err)
		}
		left := slices.DeleteFunc(w.Names(), func(name string) bool { return strings.HasPrefix(name, seal.KeysFolder) })
		if len(left) > 0 {
			t.Errorf("left: %v", left)
		}
	}
}
