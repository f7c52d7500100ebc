package filesystem_test

import (
	"os"
	"testing"
	"time"

	"github.com/soda-cdm/kahu/provider"
	"github.com/soda-cdm/kahu/provider/conformance"
	"github.com/soda-cdm/kahu/providers/filesystem"
)

// now is the clock of the tests. It stands still, a day and more behind every file that they make.
func now() time.Time { return time.Date(2000, time.January, 1, 0, 0, 0, 0, time.UTC) }

func newStore(root string) *filesystem.Store {
	return filesystem.New(filesystem.Options{Root: root, Version: "test", Now: now})
}

func TestConformance(t *testing.T) {
	for name, attributes := range map[string]provider.Attributes{
		"root":   nil,
		"folder": {filesystem.AttributePath: "team/backups"},
	} {
		t.Run(name, func(t *testing.T) {
			root := t.TempDir()
			store := newStore(root)
			conformance.Run(t, func(*testing.T) conformance.Target {
				return conformance.Target{Driver: store, Attributes: attributes}
			})
			expectOnly(t, root, filesystem.PartialFolder, "team")
		})
	}
}

// expectOnly reports what is in a folder besides some names.
func expectOnly(t *testing.T, folder string, names ...string) {
	t.Helper()
	entries, err := os.ReadDir(folder)
	if err != nil {
		t.Fatal(err)
	}
	for _, entry := range entries {
		expected := false
		for _, name := range names {
			expected = expected || entry.Name() == name
		}
		if !expected {
			t.Errorf("%s has been left in %s", entry.Name(), folder)
		}
	}
}
