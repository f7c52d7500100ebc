package engine_test

import (
	"bytes"
	"context"
	"crypto/rand"
	"encoding/json"
	"errors"
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
)

func TestEncryptedRoundTrip(t *testing.T) {
	anna := newIdentity(t)
	w := newSealedWorld(t, anna)
	w.shop()
	w.cluster.Put(t, configMaps, "shop", "large", `{"data":{"key":"`+strings.Repeat("Kahu ", 400_000)+`"}}`)
	made := w.mustBackup("one")
	if made.Manifest.Signer != w.signing.Signer() || made.Manifest.Encryption.Epoch != w.state.Epoch.ID() {
		t.Errorf("%+v", made.Manifest.Encryption)
	}
	to, result, err := w.restoreSealed("one", w.trust(), anna)
	if err != nil || result.FailedTotal > 0 || result.Counts.Created != 8 {
		t.Fatalf("%+v, %v", result, err)
	}
	if len(to.Contents()) != len(w.cluster.Contents()) {
		t.Errorf("restored %v, of %v", to.Contents(), w.cluster.Contents())
	}
	if result.Report == "" || !seal.IsSealed(w.content(result.Report)) {
		t.Errorf("the report %q of the restore is not encrypted", result.Report)
	}
	if found := w.verify("one", damage.Sample{}, anna); found.DamagedTotal > 0 || found.Objects != 8 || found.Sealed != nil {
		t.Errorf("%+v", found)
	}
	if found := w.verify("one", damage.Sample{Share: 0.01, Seed: 1}, anna); found.DamagedTotal > 0 || found.Objects == 0 {
		t.Errorf("a sample: %+v", found)
	}
}

// TestNothingIsReadableWithoutTheKey looks for names and contents of objects in all that lies in the store.
func TestNothingIsReadableWithoutTheKey(t *testing.T) {
	w := newSealedWorld(t, newIdentity(t))
	w.cluster.Put(t, namespaces, "", "canary-namespace", `{}`)
	w.cluster.Put(t, secrets, "canary-namespace", "canary-secret", `{"data":{"key":"Y2FuYXJ5LXZhbHVl"}}`)
	w.cluster.Put(t, claims, "canary-namespace", "canary-claim", `{"spec":{"volumeName":"canary-volume"},"status":{"phase":"Bound"}}`)
	result, err := w.sealedBackup("one", func(request *engine.BackupRequest) {
		request.Object = json.RawMessage(`{"spec":{"includeNamespaces":["canary-namespace"]}}`)
	})
	if err != nil || result.Manifest.Complete || len(result.Missing) != 1 {
		t.Fatalf("%+v, %v", result, err)
	}
	for _, name := range w.allNames() {
		if bytes.Contains(w.content(name), []byte("canary")) || strings.Contains(name, "canary") {
			t.Errorf("%s tells what is in the backup", name)
		}
	}
}

func TestWriteOnlyClusterSaysWhichKeyIsNeeded(t *testing.T) {
	anna, bert := newIdentity(t), newIdentity(t)
	w := newSealedWorld(t, anna, bert)
	w.shop()
	made := w.mustBackup("one")
	stored := engine.Stored{Backup: id("one"), Files: w.files, Keys: w.keys()}
	_, _, restoreErr := w.restoreSealed("one", w.trust())
	_, _, strangerErr := w.restoreSealed("one", w.trust(), newIdentity(t))
	_, reportErr := engine.InspectReport(t.Context(), stored, "")
	_, objectsErr := engine.InspectObjects(t.Context(), stored, selection.Filters{}, "")
	_, diffErr := engine.InspectDiff(t.Context(), w.cluster, engine.DiffRequest{Old: stored})
	for name, err := range map[string]error{
		"restore": restoreErr, "restore with another key": strangerErr, "report": reportErr, "objects": objectsErr, "diff": diffErr,
	} {
		needed, is := errors.AsType[*seal.KeyNeededError](err)
		if !is || needed.Epoch != w.state.Epoch.ID() {
			t.Errorf("%s: %v", name, err)
			continue
		}
		for _, recipient := range []string{anna.Recipient().ID(), bert.Recipient().ID()} {
			if !strings.Contains(err.Error(), recipient) {
				t.Errorf("%s does not name recipient %s: %v", name, recipient, err)
			}
		}
	}
	found := w.verify("one", damage.Sample{})
	if found.Sealed == nil || found.DamagedTotal > 0 || found.Files != int64(len(made.Manifest.Files())+1) || found.Objects != 0 {
		t.Errorf("verified without the key: %+v", found)
	}
	w.put(id("one").IndexName(), "damaged")
	if found := w.verify("one", damage.Sample{}); found.DamagedTotal != 1 || found.Damaged[0].File != id("one").IndexName() {
		t.Errorf("damage, without the key: %+v", found)
	}
}

// TestEveryByteOfAnEncryptedBackupCounts alters each file at many places: Verify finds it with the key and without it,
// and nothing is restored.
func TestEveryByteOfAnEncryptedBackupCounts(t *testing.T) {
	anna := newIdentity(t)
	w := newSealedWorld(t, anna)
	w.shop()
	w.mustBackup("one")
	for _, name := range w.names() {
		if !strings.HasPrefix(name, archive.ClustersFolder) {
			continue
		}
		content := w.content(name)
		step := max(1, len(content)/60)
		for i := 0; i < len(content); i += step {
			damaged := bytes.Clone(content)
			damaged[i] ^= 1
			w.put(name, string(damaged))
			if found := w.verify("one", damage.Sample{}, anna); found.DamagedTotal == 0 {
				t.Fatalf("byte %d of %s: not found", i, name)
			}
			if found := w.verify("one", damage.Sample{}); found.DamagedTotal == 0 {
				t.Fatalf("byte %d of %s: not found without the key", i, name)
			}
			if name == id("one").IntentName() || name == id("one").ReportName() {
				continue // A restore does not read them.
			}
			if to, _, err := w.restoreSealed("one", w.trust(), anna); !errors.Is(err, core.ErrCorrupt) || len(to.Contents()) > 0 {
				t.Fatalf("byte %d of %s: restored %v, %v", i, name, to.Contents(), err)
			}
		}
		w.put(name, string(content))
	}
	if found := w.verify("one", damage.Sample{}, anna); found.DamagedTotal > 0 {
		t.Errorf("whole again: %+v", found)
	}
}

func TestUnknownSignersAreRefused(t *testing.T) {
	anna := newIdentity(t)
	w := newSealedWorld(t, anna)
	w.shop()
	w.mustBackup("one")
	if _, err := w.backup("plain", selection.Filters{}); err != nil {
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
		"nobody is trusted":  {"one", engine.Trust{Required: true}, w.signing.Signer()},
		"another is trusted": {"one", engine.Trust{Required: true, Signers: []seal.Signer{other.Signer()}}, w.signing.Signer()},
		"not signed":         {"plain", w.trust(), ""},
	} {
		to, _, err := w.restoreSealed(test.backup, test.trust, anna)
		unknown, is := errors.AsType[*engine.UnknownSignerError](err)
		if !is || unknown.Signer != test.want || len(to.Contents()) > 0 {
			t.Errorf("%s: %v, restored %v", name, err, to.Contents())
		}
	}
	for _, backup := range []string{"one", "plain"} {
		if _, _, err := w.restoreSealed(backup, engine.Trust{}, anna); err != nil {
			t.Errorf("%s, told to: %v", backup, err)
		}
	}
}

func TestRecipientsComeAndGo(t *testing.T) {
	anna, bert, carl := newIdentity(t), newIdentity(t), newIdentity(t)
	w := newSealedWorld(t, anna)
	w.shop()
	w.mustBackup("one")
	first := w.state.Epoch.ID()
	segments := w.segmentsOf("one")

	if kept := w.keep([]seal.Identity{anna}, anna, bert); kept.Began != "" || w.state.Epoch.ID() != first || kept.Reads[bert.Recipient().ID()] != 1 {
		t.Errorf("added with an identity at hand: %+v", kept)
	}
	w.reads("one", bert)
	if kept := w.keep(nil, anna); kept.Began != seal.ReasonRemoved || w.state.Epoch.ID() == first {
		t.Errorf("removed: %+v", kept)
	}
	w.mustBackup("two")
	w.reads("two", anna)
	w.reads("one", bert) // What he could read he still can.
	w.cannotRead("two", bert)
	if kept := w.keep(nil, anna, carl); kept.Began != seal.ReasonAdded || kept.Epochs != 3 {
		t.Errorf("added without an identity: %+v", kept)
	}
	w.mustBackup("three")
	w.reads("three", carl)
	w.cannotRead("two", carl)
	// With an identity at hand, the keys of all earlier epochs are wrapped for those who lack them.
	if kept := w.keep([]seal.Identity{anna}, anna, carl); kept.Began != "" || kept.Readable != 3 || kept.Reads[carl.Recipient().ID()] != 3 {
		t.Errorf("wrapped afterwards: %+v", kept)
	}
	w.reads("one", carl)
	w.reads("two", carl)
	if !bytes.Equal(segments, w.segmentsOf("one")) {
		t.Error("the segments of the first backup were written again")
	}
}

func TestLostKeyFilesAreNotWrittenTo(t *testing.T) {
	anna := newIdentity(t)
	w := newSealedWorld(t, anna)
	w.shop()
	first := w.state.Epoch.ID()
	name := seal.WrapName(first, anna.Recipient().ID())
	if err := w.plain().Remove(t.Context(), name); err != nil {
		t.Fatal(err)
	}
	if kept := w.keep(nil, anna); kept.Began != "" || !w.has(name) {
		t.Errorf("a file that was gone is not there again: %+v", kept)
	}
	w.put(name, "swapped by somebody")
	if _, err := w.sealedBackup("one", nil); !errors.Is(err, core.ErrCorrupt) || w.has(id("one").ManifestName()) {
		t.Errorf("backed up to a key that nobody has: %v", err)
	}
	if kept := w.keep(nil, anna); kept.Began != seal.ReasonLost || w.state.Epoch.ID() == first {
		t.Errorf("%+v", kept)
	}
	w.mustBackup("two")
	w.reads("two", anna)
}

// TestInterruptedEncryptedBackups goes on with what an earlier attempt has copied, where a key opens it, and copies it
// again where none does.
func TestInterruptedEncryptedBackups(t *testing.T) {
	anna := newIdentity(t)
	for name, test := range map[string]struct {
		held   []seal.Identity
		change func(w *sealedWorld)
		taken  bool
	}{
		"with the key":      {held: []seal.Identity{anna}, taken: true},
		"without the key":   {},
		"in another epoch":  {held: []seal.Identity{anna}, change: func(w *sealedWorld) { w.keep(nil, anna, newIdentity(w.t)) }},
		"of another signer": {held: []seal.Identity{anna}, change: func(w *sealedWorld) { w.signing, _ = seal.NewSigningKey(rand.Reader) }},
	} {
		t.Run(name, func(t *testing.T) {
			w := newSealedWorld(t, anna)
			w.shop()
			w.workers = 1
			w.driver.before = func(_ int, call, name string) error {
				if call == "create" && strings.Contains(name, "/index") {
					return core.ErrUnavailable
				}
				return nil
			}
			w.giveUp = func(context.Context, error) error { return engine.ErrSuperseded }
			if _, err := w.sealedBackup("one", nil); err == nil {
				t.Fatal("the index was written")
			}
			checkpoints := slices.DeleteFunc(w.names(), func(name string) bool { return !strings.Contains(name, "/checkpoint-") })
			if len(checkpoints) == 0 || !seal.IsSealed(w.content(checkpoints[0])) {
				t.Fatalf("checkpoints: %v", checkpoints)
			}
			w.driver.before = nil
			if test.change != nil {
				test.change(w)
			}
			result, err := w.sealedBackup("one", func(request *engine.BackupRequest) {
				request.Attempt, request.Earlier, request.Sealing = "second", []string{"attemptone"}, w.sealing(test.held...)
			})
			if err != nil {
				t.Fatal(err)
			}
			taken := slices.ContainsFunc(result.Manifest.Segments, func(file archive.File) bool { return strings.Contains(file.Name, "attemptone") })
			if taken != test.taken {
				t.Errorf("taken over: %t, segments %v", taken, result.Manifest.Segments)
			}
			if found := w.verify("one", damage.Sample{}, anna); found.DamagedTotal > 0 || found.Objects != 7 {
				t.Errorf("%+v", found)
			}
		})
	}
}

func TestInspectEncrypted(t *testing.T) {
	anna := newIdentity(t)
	w := newSealedWorld(t, anna)
	w.shop()
	w.cluster.Put(t, claims, "shop", "data", `{"spec":{"volumeName":"volume-1"},"status":{"phase":"Bound"}}`)
	w.mustBackup("one")
	stored := engine.Stored{Backup: id("one"), Files: w.files, Keys: w.keys(anna)}
	objects, objectsErr := engine.InspectObjects(t.Context(), stored, selection.Filters{}, "")
	report, reportErr := engine.InspectReport(t.Context(), stored, "")
	w.cluster.Put(t, configMaps, "shop", "settings-1", `{"data":{"key":"other"}}`)
	changed, diffErr := engine.InspectDiff(t.Context(), w.cluster, engine.DiffRequest{Old: stored, Fields: true})
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
		anna := newIdentity(t)
		w := newSealedWorld(t, anna)
		w.driver.unlisted = unlisted
		w.state = engine.KeyState{}
		w.keep(nil, anna)
		w.shop()
		w.mustBackup("one")
		if err := engine.Delete(t.Context(), w.files, id("one")); err != nil {
			t.Fatal(err)
		}
		left := slices.DeleteFunc(w.names(), func(name string) bool { return strings.HasPrefix(name, seal.KeysFolder) })
		if len(left) > 0 {
			t.Errorf("left: %v", left)
		}
	}
}
