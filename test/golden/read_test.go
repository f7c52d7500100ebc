package golden_test

import (
	"bytes"
	"encoding/json"
	"io/fs"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/soda-cdm/kahu/internal/core/archive"
	"github.com/soda-cdm/kahu/internal/core/damage"
	"github.com/soda-cdm/kahu/internal/core/seal"
	"github.com/soda-cdm/kahu/internal/core/selection"
	"github.com/soda-cdm/kahu/internal/engine"
	"github.com/soda-cdm/kahu/internal/engine/inspect"
	"github.com/soda-cdm/kahu/internal/engine/keyring"
	"github.com/soda-cdm/kahu/internal/engine/location"
	"github.com/soda-cdm/kahu/internal/engine/verify"
)

// reading is all that is read from a location.
type reading struct {
	// Backups are those that are found, in their order.
	Backups []backupReading `json:"backups"`
	// RestoreReports are the lines of reports that restores had left there.
	RestoreReports []json.RawMessage `json:"restoreReports"`
	// Interrupted is what becomes of the backup that was killed, where there is one.
	Interrupted *backupReading `json:"interrupted,omitempty"`
}

// backupReading is all that is read from a backup.
type backupReading struct {
	ID         archive.BackupID  `json:"id"`
	Format     int               `json:"format"`
	Attempt    string            `json:"attempt"`
	Complete   bool              `json:"complete"`
	Missing    []archive.Missing `json:"missing"`
	Counts     archive.Counts    `json:"counts"`
	Sizes      archive.Sizes     `json:"sizes"`
	Increment  archive.Increment `json:"increment,omitzero"`
	Encryption string            `json:"encryption,omitempty"`
	Signed     bool              `json:"signed"`
	Segments   []string          `json:"segments"`
	// Objects and Report are lines of answers to people; the times in a report are those of the writer.
	Objects []json.RawMessage `json:"objects"`
	Report  []json.RawMessage `json:"report"`
	// Verified are the objects that are as they were written, Restored is what a restore creates in an empty cluster.
	Verified int64                      `json:"verified"`
	Created  int64                      `json:"created"`
	Restored map[string]json.RawMessage `json:"restored"`
	// Volumes are the rows of the manifest, Ordered is what providers are asked to make of them.
	Volumes []archive.Volume `json:"volumes,omitempty"`
	Ordered []volumeReading  `json:"ordered,omitempty"`
}

// TestGenerations reads every location of every generation, and compares what it reads with what was expected when it was
// written.
func TestGenerations(t *testing.T) {
	t.Parallel()
	for name, folder := range locations(t) {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			found, err := json.Marshal(load(t, folder).read())
			check(t, err)
			if diff := cmp.Diff(expected(t, folder), values(t, found)); diff != "" {
				t.Errorf("what was written (-) is not what is read (+):\n%s", diff)
			}
		})
	}
}

// TestGenerationsAreWhole: nothing of what was written is lost unnoticed, and nothing is there that nobody wrote down.
func TestGenerationsAreWhole(t *testing.T) {
	t.Parallel()
	want := []string{}
	for generation, names := range written() {
		for _, name := range names {
			want = append(want, generation+"/"+name)
		}
	}
	got := slices.Collect(maps.Keys(locations(t)))
	slices.Sort(want)
	slices.Sort(got)
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("written (-), there (+):\n%s", diff)
	}
}

// locations returns the folders of all locations of all generations, by their names.
func locations(t *testing.T) map[string]string {
	t.Helper()
	folders, err := filepath.Glob(filepath.Join(generations, "*", "*"))
	check(t, err)
	if len(folders) == 0 {
		t.Fatal("there is nothing to read")
	}
	found := map[string]string{}
	for _, folder := range folders {
		found[filepath.Base(filepath.Dir(folder))+"/"+filepath.Base(folder)] = folder
	}
	return found
}

// expected returns what must be read from a location.
func expected(t *testing.T, folder string) any {
	t.Helper()
	content, err := os.ReadFile(filepath.Join(folder, expectedFile))
	check(t, err)
	return values(t, content)
}

// values decodes JSON, without a change of its numbers.
func values(t *testing.T, content []byte) any {
	t.Helper()
	decoder := json.NewDecoder(bytes.NewReader(content))
	decoder.UseNumber()
	var found any
	check(t, decoder.Decode(&found))
	return found
}

// load puts a location from a folder into memory.
func load(t *testing.T, folder string) *world {
	t.Helper()
	w := newWorld(t)
	root := os.DirFS(filepath.Join(folder, locationFolder))
	check(t, fs.WalkDir(root, ".", func(name string, entry fs.DirEntry, err error) error {
		if err != nil || entry.IsDir() {
			return err
		}
		content, err := fs.ReadFile(root, name)
		w.put(name, content)
		return err
	}))
	if strings.HasPrefix(filepath.Base(folder), "copied") {
		w.place = secondID
	}
	content, err := os.ReadFile(filepath.Join(folder, signingFile))
	if os.IsNotExist(err) {
		return w
	}
	check(t, err)
	w.signing, err = seal.ParseSigningKey(content)
	check(t, err)
	content, err = os.ReadFile(filepath.Join(folder, identityFile))
	check(t, err)
	w.identities, err = seal.ParseIdentities(content)
	check(t, err)
	return w
}

// read reads everything, and goes on with a backup that was killed.
func (w *world) read() reading {
	w.t.Helper()
	_, err := w.location().Open(w.t.Context(), w.place)
	check(w.t, err)
	check(w.t, w.location().CheckOwner(w.t.Context(), clusterID, nonce))
	found := reading{Backups: []backupReading{}, RestoreReports: w.restoreReports()}
	for _, id := range w.discover() {
		found.Backups = append(found.Backups, w.readBackup(id))
	}
	if len(found.Backups) > 0 {
		return found
	}
	w.rememberEpoch()
	result := w.resume("nightly")
	resumed := w.readBackup(result.Manifest.ID)
	if !slices.ContainsFunc(resumed.Segments, func(name string) bool { return strings.Contains(name, "/firstnightly-") }) {
		w.t.Errorf("nothing of the attempt that was killed was taken over: %v", resumed.Segments)
	}
	// Today's writer wrote a part of it, with today's compressor, and what it tells of the resumption may have other words.
	resumed.Sizes.Segments, resumed.Report = 0, nil
	found.Interrupted = &resumed
	return found
}

func (w *world) discover() []archive.BackupID {
	w.t.Helper()
	var found []archive.BackupID
	check(w.t, location.Discover(w.t.Context(), w.files, func(id archive.BackupID) error {
		found = append(found, id)
		return nil
	}))
	return found
}

// rememberEpoch takes the key to encrypt with from the location. Only a test may: a cluster remembers it.
func (w *world) rememberEpoch() {
	w.t.Helper()
	for _, name := range w.names() {
		if strings.HasSuffix(name, "/epoch.json") {
			record, err := seal.DecodeEpoch(w.content(name))
			check(w.t, err)
			w.state.Epoch, err = seal.ParseEpoch(record.PublicKey)
			check(w.t, err)
		}
	}
}

// readBackup reads a backup by all ways that there are, an encrypted one with each of its identities.
func (w *world) readBackup(id archive.BackupID) backupReading {
	w.t.Helper()
	manifest, err := engine.ReadManifest(w.t.Context(), w.files, id)
	check(w.t, err)
	stored := inspect.Stored{Backup: id, Files: w.files, Keys: w.keys()}
	found := backupReading{
		ID: manifest.ID, Format: manifest.FormatVersion, Attempt: manifest.Attempt, Complete: manifest.Complete, Missing: manifest.Missing,
		Counts: manifest.Counts, Sizes: manifest.Sizes, Increment: manifest.Increment, Encryption: manifest.Encryption.Scheme, Signed: manifest.Signer != "",
		Volumes: manifest.Volumes,
	}
	for _, segment := range manifest.Segments {
		found.Segments = append(found.Segments, segment.Name)
	}
	objects, err := inspect.Objects(w.t.Context(), stored, selection.Filters{}, "")
	check(w.t, err)
	report, err := inspect.Report(w.t.Context(), stored, "")
	check(w.t, err)
	found.Objects, found.Report = raw(objects.Lines), raw(report.Lines)
	if objects.Next+report.Next != "" {
		w.t.Error("an answer has more than a page")
	}
	w.restoreWithEach(&found)
	return found
}

// restoreWithEach verifies and restores, with each identity on its own.
func (w *world) restoreWithEach(found *backupReading) {
	w.t.Helper()
	rings := []*keyring.Ring{w.keys()}
	if found.Encryption != "" {
		rings = nil
		for _, identity := range w.identities {
			rings = append(rings, w.keys(identity))
		}
	}
	for i, keys := range rings {
		verified, err := (&verify.Runner{Clock: w.clock, Readers: 2}).Run(w.t.Context(),
			verify.Request{Backup: found.ID, Sample: damage.Sample{}, Keys: keys}, w.files)
		check(w.t, err)
		if verified.DamagedTotal > 0 || verified.Sealed != nil {
			w.t.Errorf("identity %d: %+v", i, verified)
		}
		cluster, held, result := w.restoreVolumes(found.ID, "read"+strconv.Itoa(i), keys)
		if result.FailedTotal > 0 {
			w.t.Errorf("identity %d: %+v", i, result.Failed)
		}
		found.Ordered = held.ordered()
		found.Verified, found.Created, found.Restored = verified.Objects, result.Counts.Created, map[string]json.RawMessage{}
		for key, content := range cluster.Contents() {
			found.Restored[key] = json.RawMessage(content)
		}
	}
}

// restoreReports returns the lines of the reports that restores have left at the location.
func (w *world) restoreReports() []json.RawMessage {
	w.t.Helper()
	found := []json.RawMessage{}
	for _, name := range w.names() {
		if !strings.Contains(name, "/restores/") {
			continue
		}
		page, err := inspect.Lines(w.t.Context(), w.files, name, "")
		check(w.t, err)
		found = append(found, raw(page.Lines)...)
	}
	return found
}

func raw(lines []string) []json.RawMessage {
	made := []json.RawMessage{}
	for _, line := range lines {
		made = append(made, json.RawMessage(bytes.TrimSpace([]byte(line))))
	}
	return made
}
