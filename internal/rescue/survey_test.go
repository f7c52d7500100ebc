package rescue_test

import (
	"context"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/soda-cdm/kahu/internal/core/archive"
	"github.com/soda-cdm/kahu/internal/core/recovery"
	"github.com/soda-cdm/kahu/internal/core/seal"
	"github.com/soda-cdm/kahu/internal/rescue"
	"github.com/soda-cdm/kahu/internal/store"
	"github.com/soda-cdm/kahu/provider"
	"github.com/soda-cdm/kahu/providers/filesystem"
)

// golden are the locations that are kept for ever.
const golden = "../../test/golden/testdata/first"

func everything(archive.BackupID) bool { return true }

// reading is a driver that fails the test where somebody writes.
type reading struct {
	*filesystem.Store

	t *testing.T
}

func (r reading) Upload(_ context.Context, name string, _ provider.Attributes, _ io.Reader) error {
	r.t.Errorf("%s was written", name)
	return provider.ErrPermissionDenied
}

func (r reading) Create(ctx context.Context, name string, attributes provider.Attributes, content io.Reader) error {
	return r.Upload(ctx, name, attributes, content)
}

func (r reading) Delete(_ context.Context, name string, _ provider.Attributes) error {
	r.t.Errorf("%s was removed", name)
	return provider.ErrPermissionDenied
}

func open(t *testing.T, folder string) *store.Store {
	t.Helper()
	root, err := filepath.Abs(folder)
	if err != nil {
		t.Fatal(err)
	}
	return store.New(reading{filesystem.New(filesystem.Options{Root: root, Now: nil}), t}, store.Options{Attempts: 1})
}

func TestLook(t *testing.T) {
	t.Parallel()
	found, err := rescue.Look(t.Context(), open(t, filepath.Join(golden, "plain", "location")), nil, everything)
	if err != nil || len(found) != 2 || found[0].ID.Name != "later" || found[0].Objects == 0 || !found[0].Complete() {
		t.Errorf("%+v, %v", found, err)
	}
	none, err := rescue.Look(t.Context(), open(t, filepath.Join(golden, "interrupted", "location")), nil, everything)
	if err != nil || len(none) != 0 {
		t.Errorf("a backup that was interrupted: %+v, %v", none, err)
	}
}

func TestLookTellsOfADamagedManifest(t *testing.T) {
	t.Parallel()
	folder := t.TempDir()
	if err := os.CopyFS(folder, os.DirFS(filepath.Join(golden, "plain", "location"))); err != nil {
		t.Fatal(err)
	}
	names, err := filepath.Glob(filepath.Join(folder, "clusters/*/backups/later/*/manifest.json"))
	if err != nil || len(names) != 1 {
		t.Fatal(names, err)
	}
	if err := os.WriteFile(names[0], []byte("{}\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	found, err := rescue.Look(t.Context(), open(t, folder), nil, everything)
	if err != nil {
		t.Fatal(err)
	}
	choice, err := recovery.Choose(found, recovery.Wish{})
	if err != nil || choice.ID.Name != "nightly" || len(choice.Passed) != 1 {
		t.Errorf("%+v, %v", choice, err)
	}
}

// TestLookRefuses: each place that is the wrong one says so, and nothing is written to any.
func TestLookRefuses(t *testing.T) {
	t.Parallel()
	full := t.TempDir()
	if err := os.WriteFile(filepath.Join(full, "photo.jpg"), []byte("a bird"), 0o600); err != nil {
		t.Fatal(err)
	}
	for name, test := range map[string]struct{ folder, want string }{
		"empty":           {t.TempDir(), "the place is empty"},
		"something else":  {full, "photo.jpg"},
		"not there":       {filepath.Join(full, "nowhere"), "is not there"},
		"too high a path": {filepath.Join(golden, "plain"), "not a location of Kahu"},
	} {
		_, err := rescue.Look(t.Context(), open(t, test.folder), nil, everything)
		if err == nil || !strings.Contains(err.Error(), test.want) {
			t.Errorf("%s: %v", name, err)
		}
	}
}

// TestLookBelow: a place above the locations names them, whether it is a location itself or not.
func TestLookBelow(t *testing.T) {
	t.Parallel()
	for name, itself := range map[string]bool{"a folder": false, "a location without backups": true} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			above := t.TempDir()
			for _, at := range []string{"production", "team/staging", "far/too/deep"} {
				if err := os.CopyFS(filepath.Join(above, at), os.DirFS(filepath.Join(golden, "plain", "location"))); err != nil {
					t.Fatal(err)
				}
			}
			if itself {
				marker, err := os.ReadFile(filepath.Join(golden, "plain", "location", archive.MarkerName))
				if err != nil {
					t.Fatal(err)
				}
				if err := os.WriteFile(filepath.Join(above, archive.MarkerName), marker, 0o600); err != nil {
					t.Fatal(err)
				}
			}
			_, err := rescue.Look(t.Context(), open(t, above), nil, everything)
			if err == nil || !strings.Contains(err.Error(), "production, team/staging") || strings.Contains(err.Error(), "deep") {
				t.Errorf("got %v", err)
			}
			nobody := func(archive.BackupID) bool { return false }
			if found, err := rescue.Look(t.Context(), open(t, filepath.Join(above, "production")), nil, nobody); err != nil || len(found) > 0 {
				t.Errorf("of none of its backups: %v, %v", found, err)
			}
		})
	}
}

func TestTryKey(t *testing.T) {
	t.Parallel()
	files := open(t, filepath.Join(golden, "sealed", "location"))
	found, err := rescue.Look(t.Context(), files, nil, everything)
	if err != nil {
		t.Fatal(err)
	}
	choice, err := recovery.Choose(found, recovery.Wish{AllowIncomplete: true})
	if err != nil {
		t.Fatal(err)
	}
	for name, test := range map[string]struct {
		of   string // the golden location whose key is tried
		want string
	}{
		"the key":     {"sealed", ""},
		"another key": {"interrupted-sealed", "does not open"},
		"no key":      {"", "--identity"},
	} {
		var held []seal.Identity
		if test.of != "" {
			content, err := os.ReadFile(filepath.Join(golden, test.of, "identity.txt"))
			if err != nil {
				t.Fatal(err)
			}
			if held, err = seal.ParseIdentities(content); err != nil {
				t.Fatal(err)
			}
		}
		err := rescue.TryKey(t.Context(), files, choice, held)
		if (err == nil) != (test.want == "") || err != nil && !strings.Contains(err.Error(), test.want) {
			t.Errorf("%s: %v", name, err)
		}
	}
}
