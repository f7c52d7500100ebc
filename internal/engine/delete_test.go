package engine_test

import (
	"encoding/json"
	"errors"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/soda-cdm/kahu/internal/core"
	"github.com/soda-cdm/kahu/internal/core/archive"
	"github.com/soda-cdm/kahu/internal/core/selection"
	"github.com/soda-cdm/kahu/internal/engine"
	"github.com/soda-cdm/kahu/provider"
)

// twoBackups makes two backups and returns the names of the files of the second one and of others, which must stay.
func twoBackups(w *world) []string {
	w.t.Helper()
	w.shop()
	w.put(archive.MarkerName, "{}")
	w.put(archive.SegmentPrefix(clusterID, "attemptfirst1")+"000001.tar.zst", "of another attempt")
	w.put(archive.SegmentPrefix("another-cluster", "attemptfirst")+"000001.tar.zst", "of another cluster")
	if _, err := w.backup("second", selection.Filters{}); err != nil {
		w.t.Fatal(err)
	}
	others := w.names()
	if _, err := w.backup("first", selection.Filters{}); err != nil {
		w.t.Fatal(err)
	}
	return others
}

func TestDeleteInOrder(t *testing.T) {
	w := newWorld(t)
	others := twoBackups(w)
	w.driver.recorded()
	if err := engine.Delete(t.Context(), w.files, id("first"), ""); err != nil {
		t.Fatal(err)
	}
	removed := slices.DeleteFunc(w.driver.recorded(), func(call string) bool { return !strings.HasPrefix(call, "delete ") })
	first, last := "delete "+id("first").ManifestName(), "delete "+id("first").IntentName()
	if len(removed) < 6 || removed[0] != first || removed[len(removed)-1] != last || slices.Index(removed, last) != len(removed)-1 {
		t.Errorf("removed in this order: %v", removed)
	}
	if diff := cmp.Diff(others, w.names()); diff != "" {
		t.Error(diff)
	}
	if err := engine.Delete(t.Context(), w.files, id("first"), ""); err != nil {
		t.Errorf("deleting what is gone: %v", err)
	}
}

// TestDeleteInterrupted stops the deletion at each of its calls, before and after it, and then repeats it.
func TestDeleteInterrupted(t *testing.T) {
	for when, unlisted := range map[string]bool{"before": false, "after": false, "before, unlisted": true} {
		t.Run(when, func(t *testing.T) {
			finished := false
			for stop := 0; !finished; stop++ {
				w := newWorld(t)
				w.driver.unlisted = unlisted
				others := twoBackups(w)
				w.driver.recorded()
				dead := func(number int, _, _ string) error {
					if number >= stop {
						return provider.ErrUnavailable
					}
					return nil
				}
				if when == "after" {
					w.driver.after = dead
				} else {
					w.driver.before = dead
				}
				err := engine.Delete(t.Context(), w.files, id("first"), "attemptfirst")
				finished = err == nil
				if !finished && !errors.Is(err, core.ErrUnavailable) {
					t.Fatalf("stopped at call %d: %v", stop, err)
				}
				w.driver.before, w.driver.after = nil, nil
				whole := w.has(id("first").ManifestName())
				if _, err := w.restore("first", newWorld(t).cluster); whole && err != nil {
					t.Fatalf("stopped at call %d: there is a manifest and the backup cannot be restored: %v", stop, err)
				}
				if err := engine.Delete(t.Context(), w.files, id("first"), "attemptfirst"); err != nil {
					t.Fatal(err)
				}
				if diff := cmp.Diff(others, w.names()); diff != "" {
					t.Fatalf("stopped at call %d and repeated: %s", stop, diff)
				}
			}
		})
	}
}

func TestDeleteDebris(t *testing.T) {
	segment := archive.SegmentPrefix(clusterID, "lost") + "000003.tar.zst"
	intent, err := archive.EncodeIntent(archive.Intent{Backup: id("debris"), Attempt: "lost", Started: newWorld(t).clock.Now()})
	if err != nil {
		t.Fatal(err)
	}
	cases := map[string]struct {
		files   map[string]string
		attempt string
	}{
		"intent and segment":      {map[string]string{id("debris").IntentName(): string(intent), segment: "x"}, ""},
		"segment alone":           {map[string]string{segment: "x"}, "lost"},
		"broken intent":           {map[string]string{id("debris").IntentName(): "{", segment: "x"}, "lost"},
		"broken manifest":         {map[string]string{id("debris").ManifestName(): "{", id("debris").IntentName(): string(intent), segment: "x"}, ""},
		"index and report":        {map[string]string{id("debris").IndexName(): "x", id("debris").ReportName(): "x"}, ""},
		"nothing":                 {nil, "lost"},
		"nothing, and none known": {nil, ""},
	}
	for name, test := range cases {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t)
			for file, content := range test.files {
				w.put(file, content)
			}
			if err := engine.Delete(t.Context(), w.files, id("debris"), test.attempt); err != nil {
				t.Fatal(err)
			}
			if names := w.names(); len(names) > 0 {
				t.Errorf("left: %v", names)
			}
		})
	}
}

// TestDeleteManySegments stops the deletion in a store that cannot list when many segments are gone.
func TestDeleteManySegments(t *testing.T) {
	w := newWorld(t)
	w.driver.unlisted = true
	const many = 50
	for number := range many {
		w.put(archive.SegmentID{ClusterID: clusterID, Attempt: "lost", Number: number + 1}.Name(), "x")
	}
	removed := 0
	w.driver.before = func(_ int, call, _ string) error {
		if call == "delete" {
			removed++
		}
		if removed > many/2 {
			return provider.ErrUnavailable
		}
		return nil
	}
	if err := engine.Delete(t.Context(), w.files, id("lost"), "lost"); !errors.Is(err, core.ErrUnavailable) {
		t.Fatalf("got %v", err)
	}
	w.driver.before = nil
	if err := engine.Delete(t.Context(), w.files, id("lost"), "lost"); err != nil {
		t.Fatal(err)
	}
	if names := w.names(); len(names) > 0 {
		t.Errorf("left: %v", names)
	}
}

// TestDeleteRefused: what cannot be understood for now is left alone.
func TestDeleteRefused(t *testing.T) {
	t.Run("newer", func(t *testing.T) {
		w := newWorld(t)
		twoBackups(w)
		w.put(id("first").ManifestName(), newerManifest(t, w.content(id("first").ManifestName())))
		before := w.names()
		err := engine.Delete(t.Context(), w.files, id("first"), "attemptfirst")
		if _, is := errors.AsType[*archive.NewerFormatError](err); !is {
			t.Errorf("got %v", err)
		}
		if diff := cmp.Diff(before, w.names()); diff != "" {
			t.Error(diff)
		}
	})
	for name, class := range map[string]error{
		"away": provider.ErrUnavailable, "denied": provider.ErrPermissionDenied, "some error": errRefused,
	} {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t)
			twoBackups(w)
			before := w.names()
			w.driver.before = func(_ int, call, name string) error {
				if call == "download" && name == id("first").ManifestName() {
					return class
				}
				return nil
			}
			if err := engine.Delete(t.Context(), w.files, id("first"), "attemptfirst"); !errors.Is(err, class) {
				t.Errorf("got %v", err)
			}
			if diff := cmp.Diff(before, w.names()); diff != "" {
				t.Error(diff)
			}
		})
	}
	t.Run("a name that leaves the folder", func(t *testing.T) {
		w := newWorld(t)
		if err := engine.Delete(t.Context(), w.files, archive.BackupID{ClusterID: "..", Name: "a", UID: "b"}, ""); !errors.Is(err, core.ErrInvalid) {
			t.Errorf("got %v", err)
		}
	})
}

// TestDeleteMeetsLateManifest: a run that was given up writes its manifest while its files are being removed.
func TestDeleteMeetsLateManifest(t *testing.T) {
	w := newWorld(t)
	others := twoBackups(w)
	manifest := string(w.content(id("first").ManifestName()))
	w.driver.before = func(_ int, call, name string) error {
		if call == "delete" && strings.Contains(name, "/segments/") {
			w.put(id("first").ManifestName(), manifest)
		}
		return nil
	}
	if err := engine.Delete(t.Context(), w.files, id("first"), ""); err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(others, w.names()); diff != "" {
		t.Error(diff)
	}
}

// newerManifest is a manifest with format version 3 and the right digest.
func newerManifest(t *testing.T, content []byte) string {
	t.Helper()
	body, _, _ := strings.Cut(string(content), "\n")
	body = strings.Replace(body, `"formatVersion":1`, `"formatVersion":3`, 1)
	digest, err := json.Marshal(map[string]string{"digest": string(archive.DigestOf([]byte(body)))})
	if err != nil {
		t.Fatal(err)
	}
	return body + "\n" + string(digest) + "\n"
}

func TestReadManifest(t *testing.T) {
	w := newWorld(t)
	twoBackups(w)
	whole := string(w.content(id("first").ManifestName()))
	cases := map[string]struct {
		content string
		err     error
	}{
		"whole":               {whole, nil},
		"of another backup":   {string(w.content(id("second").ManifestName())), core.ErrCorrupt},
		"cut":                 {whole[:len(whole)/2], core.ErrCorrupt},
		"one bit is wrong":    {strings.Replace(whole, `"complete":true`, `"complete":trUe`, 1), core.ErrCorrupt},
		"empty":               {"", core.ErrCorrupt},
		"longer than allowed": {whole + strings.Repeat(" ", archive.MaxManifestSize), core.ErrCorrupt},
		"newer":               {newerManifest(t, []byte(whole)), core.ErrUnsupported},
	}
	for name, test := range cases {
		t.Run(name, func(t *testing.T) {
			w.put(id("first").ManifestName(), test.content)
			manifest, err := engine.ReadManifest(t.Context(), w.files, id("first"))
			if !errors.Is(err, test.err) || (err == nil) != (test.err == nil) {
				t.Fatalf("got %v, want %v", err, test.err)
			}
			if err == nil && manifest.ID != id("first") {
				t.Errorf("got %+v", manifest.ID)
			}
		})
	}
	if _, err := engine.ReadManifest(t.Context(), w.files, id("none")); !errors.Is(err, core.ErrNotFound) {
		t.Errorf("got %v", err)
	}
	if _, err := engine.ReadManifest(t.Context(), w.files, archive.BackupID{}); !errors.Is(err, core.ErrInvalid) {
		t.Errorf("got %v", err)
	}
}

func TestDiscover(t *testing.T) {
	w := newWorld(t)
	twoBackups(w)
	w.put(id("debris").IntentName(), "{}")
	w.put(id("deep").Folder()+"more/manifest.json", "{}")
	foreign := archive.BackupID{ClusterID: "00000000", Name: "a", UID: "b"}
	w.put(foreign.ManifestName(), "not read")
	var found []archive.BackupID
	visit := func(id archive.BackupID) error {
		found = append(found, id)
		return nil
	}
	if err := engine.Discover(t.Context(), w.files, visit); err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff([]archive.BackupID{foreign, id("first"), id("second")}, found); diff != "" {
		t.Error(diff)
	}
	if err := engine.Discover(t.Context(), w.files, func(archive.BackupID) error { return errRefused }); !errors.Is(err, errRefused) {
		t.Errorf("got %v", err)
	}
	w = newWorld(t)
	w.driver.unlisted = true
	if err := engine.Discover(t.Context(), w.files, visit); !errors.Is(err, core.ErrUnsupported) {
		t.Errorf("got %v", err)
	}
}
