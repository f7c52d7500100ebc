package removal_test

import (
	"encoding/json"
	"errors"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/soda-cdm/kahu/internal/core"
	"github.com/soda-cdm/kahu/internal/core/archive"
	"github.com/soda-cdm/kahu/internal/engine"
	"github.com/soda-cdm/kahu/internal/engine/location"
	"github.com/soda-cdm/kahu/internal/engine/removal"
	"github.com/soda-cdm/kahu/internal/testkit/world"
	"github.com/soda-cdm/kahu/provider"
)

func TestDeleteInOrder(t *testing.T) {
	w := world.New(t)
	others := w.TwoBackups()
	w.Driver.Recorded()
	if err := removal.Delete(t.Context(), w.Files, world.ID("first"), ""); err != nil {
		t.Fatal(err)
	}
	removed := slices.DeleteFunc(w.Driver.Recorded(), func(call string) bool { return !strings.HasPrefix(call, "delete ") })
	first, last := "delete "+world.ID("first").ManifestName(), "delete "+world.ID("first").IntentName()
	if len(removed) < 6 || removed[0] != first || removed[len(removed)-1] != last || slices.Index(removed, last) != len(removed)-1 {
		t.Errorf("removed in this order: %v", removed)
	}
	if diff := cmp.Diff(others, w.Names()); diff != "" {
		t.Error(diff)
	}
	if err := removal.Delete(t.Context(), w.Files, world.ID("first"), ""); err != nil {
		t.Errorf("deleting what is gone: %v", err)
	}
}

// TestDeleteInterrupted stops the deletion at each of its calls, before and after it, and then repeats it.
func TestDeleteInterrupted(t *testing.T) {
	for when, unlisted := range map[string]bool{"before": false, "after": false, "before, unlisted": true} {
		t.Run(when, func(t *testing.T) {
			finished := false
			for stop := 0; !finished; stop++ {
				w := world.New(t)
				w.Driver.Unlisted = unlisted
				others := w.TwoBackups()
				w.Driver.Recorded()
				dead := func(number int, _, _ string) error {
					if number >= stop {
						return provider.ErrUnavailable
					}
					return nil
				}
				if when == "after" {
					w.Driver.After = dead
				} else {
					w.Driver.Before = dead
				}
				err := removal.Delete(t.Context(), w.Files, world.ID("first"), "attemptfirst")
				finished = err == nil
				if !finished && !errors.Is(err, core.ErrUnavailable) {
					t.Fatalf("stopped at call %d: %v", stop, err)
				}
				w.Driver.Before, w.Driver.After = nil, nil
				whole := w.Has(world.ID("first").ManifestName())
				if _, err := w.Restore("first", world.New(t).Cluster); whole && err != nil {
					t.Fatalf("stopped at call %d: there is a manifest and the backup cannot be restored: %v", stop, err)
				}
				if err := removal.Delete(t.Context(), w.Files, world.ID("first"), "attemptfirst"); err != nil {
					t.Fatal(err)
				}
				if diff := cmp.Diff(others, w.Names()); diff != "" {
					t.Fatalf("stopped at call %d and repeated: %s", stop, diff)
				}
			}
		})
	}
}

func TestDeleteDebris(t *testing.T) {
	segment := archive.SegmentPrefix(world.ClusterID, "lost") + "000003.tar.zst"
	intent, err := archive.EncodeIntent(archive.Intent{Backup: world.ID("debris"), Attempt: "lost", Started: world.New(t).Clock.Now()})
	if err != nil {
		t.Fatal(err)
	}
	cases := map[string]struct {
		files   map[string]string
		attempt string
	}{
		"intent and segment":      {map[string]string{world.ID("debris").IntentName(): string(intent), segment: "x"}, ""},
		"segment alone":           {map[string]string{segment: "x"}, "lost"},
		"broken intent":           {map[string]string{world.ID("debris").IntentName(): "{", segment: "x"}, "lost"},
		"broken manifest":         {map[string]string{world.ID("debris").ManifestName(): "{", world.ID("debris").IntentName(): string(intent), segment: "x"}, ""},
		"index and report":        {map[string]string{world.ID("debris").IndexName(): "x", world.ID("debris").ReportName(): "x"}, ""},
		"nothing":                 {nil, "lost"},
		"nothing, and none known": {nil, ""},
	}
	for name, test := range cases {
		t.Run(name, func(t *testing.T) {
			w := world.New(t)
			for file, content := range test.files {
				w.Put(file, content)
			}
			if err := removal.Delete(t.Context(), w.Files, world.ID("debris"), test.attempt); err != nil {
				t.Fatal(err)
			}
			if names := w.Names(); len(names) > 0 {
				t.Errorf("left: %v", names)
			}
		})
	}
}

// TestDeleteManySegments stops the deletion in a store that cannot list when many segments are gone.
func TestDeleteManySegments(t *testing.T) {
	w := world.New(t)
	w.Driver.Unlisted = true
	const many = 50
	for number := range many {
		w.Put(archive.SegmentID{ClusterID: world.ClusterID, Attempt: "lost", Number: number + 1}.Name(), "x")
	}
	removed := 0
	w.Driver.Before = func(_ int, call, _ string) error {
		if call == "delete" {
			removed++
		}
		if removed > many/2 {
			return provider.ErrUnavailable
		}
		return nil
	}
	if err := removal.Delete(t.Context(), w.Files, world.ID("lost"), "lost"); !errors.Is(err, core.ErrUnavailable) {
		t.Fatalf("got %v", err)
	}
	w.Driver.Before = nil
	if err := removal.Delete(t.Context(), w.Files, world.ID("lost"), "lost"); err != nil {
		t.Fatal(err)
	}
	if names := w.Names(); len(names) > 0 {
		t.Errorf("left: %v", names)
	}
}

// TestDeleteRefused: what cannot be understood for now is left alone.
func TestDeleteRefused(t *testing.T) {
	t.Run("newer", func(t *testing.T) {
		w := world.New(t)
		w.TwoBackups()
		w.Put(world.ID("first").ManifestName(), newerManifest(t, w.Content(world.ID("first").ManifestName())))
		before := w.Names()
		err := removal.Delete(t.Context(), w.Files, world.ID("first"), "attemptfirst")
		if _, is := errors.AsType[*archive.NewerFormatError](err); !is {
			t.Errorf("got %v", err)
		}
		if diff := cmp.Diff(before, w.Names()); diff != "" {
			t.Error(diff)
		}
	})
	for name, class := range map[string]error{
		"away": provider.ErrUnavailable, "denied": provider.ErrPermissionDenied, "some error": world.ErrRefused,
	} {
		t.Run(name, func(t *testing.T) {
			w := world.New(t)
			w.TwoBackups()
			before := w.Names()
			w.Driver.Before = func(_ int, call, name string) error {
				if call == "download" && name == world.ID("first").ManifestName() {
					return class
				}
				return nil
			}
			if err := removal.Delete(t.Context(), w.Files, world.ID("first"), "attemptfirst"); !errors.Is(err, class) {
				t.Errorf("got %v", err)
			}
			if diff := cmp.Diff(before, w.Names()); diff != "" {
				t.Error(diff)
			}
		})
	}
	t.Run("a name that leaves the folder", func(t *testing.T) {
		w := world.New(t)
		if err := removal.Delete(t.Context(), w.Files, archive.BackupID{ClusterID: "..", Name: "a", UID: "b"}, ""); !errors.Is(err, core.ErrInvalid) {
			t.Errorf("got %v", err)
		}
	})
}

// TestDeleteMeetsLateManifest: a run that was given up writes its manifest while its files are being removed.
func TestDeleteMeetsLateManifest(t *testing.T) {
	w := world.New(t)
	others := w.TwoBackups()
	manifest := string(w.Content(world.ID("first").ManifestName()))
	w.Driver.Before = func(_ int, call, name string) error {
		if call == "delete" && strings.Contains(name, "/segments/") {
			w.Put(world.ID("first").ManifestName(), manifest)
		}
		return nil
	}
	if err := removal.Delete(t.Context(), w.Files, world.ID("first"), ""); err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(others, w.Names()); diff != "" {
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
	w := world.New(t)
	w.TwoBackups()
	whole := string(w.Content(world.ID("first").ManifestName()))
	cases := map[string]struct {
		content string
		err     error
	}{
		"whole":               {whole, nil},
		"of another backup":   {string(w.Content(world.ID("second").ManifestName())), core.ErrCorrupt},
		"cut":                 {whole[:len(whole)/2], core.ErrCorrupt},
		"one bit is wrong":    {strings.Replace(whole, `"complete":true`, `"complete":trUe`, 1), core.ErrCorrupt},
		"empty":               {"", core.ErrCorrupt},
		"longer than allowed": {whole + strings.Repeat(" ", archive.MaxManifestSize), core.ErrCorrupt},
		"newer":               {newerManifest(t, []byte(whole)), core.ErrUnsupported},
	}
	for name, test := range cases {
		t.Run(name, func(t *testing.T) {
			w.Put(world.ID("first").ManifestName(), test.content)
			manifest, err := engine.ReadManifest(t.Context(), w.Files, world.ID("first"))
			if !errors.Is(err, test.err) || (err == nil) != (test.err == nil) {
				t.Fatalf("got %v, want %v", err, test.err)
			}
			if err == nil && manifest.ID != world.ID("first") {
				t.Errorf("got %+v", manifest.ID)
			}
		})
	}
	if _, err := engine.ReadManifest(t.Context(), w.Files, world.ID("none")); !errors.Is(err, core.ErrNotFound) {
		t.Errorf("got %v", err)
	}
	if _, err := engine.ReadManifest(t.Context(), w.Files, archive.BackupID{}); !errors.Is(err, core.ErrInvalid) {
		t.Errorf("got %v", err)
	}
}

func TestDiscover(t *testing.T) {
	w := world.New(t)
	w.TwoBackups()
	w.Put(world.ID("debris").IntentName(), "{}")
	w.Put(world.ID("deep").Folder()+"more/manifest.json", "{}")
	foreign := archive.BackupID{ClusterID: "00000000", Name: "a", UID: "b"}
	w.Put(foreign.ManifestName(), "not read")
	var found []archive.BackupID
	visit := func(id archive.BackupID) error {
		found = append(found, id)
		return nil
	}
	if err := location.Discover(t.Context(), w.Files, visit); err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff([]archive.BackupID{foreign, world.ID("first"), world.ID("second")}, found); diff != "" {
		t.Error(diff)
	}
	if err := location.Discover(t.Context(), w.Files, func(archive.BackupID) error { return world.ErrRefused }); !errors.Is(err, world.ErrRefused) {
		t.Errorf("got %v", err)
	}
	w = world.New(t)
	w.Driver.Unlisted = true
	if err := location.Discover(t.Context(), w.Files, visit); !errors.Is(err, core.ErrUnsupported) {
		t.Errorf("got %v", err)
	}
}
