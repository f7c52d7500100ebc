package e2e_test

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"io"
	"io/fs"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/soda-cdm/kahu/internal/core"
	"github.com/soda-cdm/kahu/internal/store"
)

// side is a store as somebody sees it who works on it without Kahu.
type side interface {
	// names returns the names of all files.
	names() []string
	// read, write and remove deal with one whole file.
	read(name string) []byte
	write(name string, content []byte)
	remove(name string)
}

// listing is the digest of every file by its name, without what tells of the side of the reader: the owner's file, which
// every leader writes, the file with which it learns the store's time, and the reports of restores.
type listing map[string]string

func (w *world) listing() listing {
	w.t.Helper()
	found := listing{}
	for _, name := range w.store.names() {
		parts := strings.Split(strings.ReplaceAll(name, "%2F", "/"), "/")
		if last := parts[len(parts)-1]; last == "owner.json" || last == "clock.json" || slices.Contains(parts, "restores") {
			continue
		}
		sum := sha256.Sum256(w.store.read(name))
		found[name] = hex.EncodeToString(sum[:])
	}
	return found
}

// unchanged fails the test unless the store is as it was.
func (w *world) unchanged(before listing) {
	w.t.Helper()
	if difference := cmp.Diff(before, w.listing()); difference != "" {
		w.t.Errorf("the store changed (-before +after):\n%s", difference)
	}
}

// added returns the names of the files that were not there before.
func (w *world) added(before listing) []string {
	w.t.Helper()
	after := w.listing()
	maps.DeleteFunc(after, func(name, _ string) bool { return before[name] != "" })
	return slices.Sorted(maps.Keys(after))
}

// oneOf returns the first of the names with that end.
func oneOf(t *testing.T, names []string, end string) string {
	t.Helper()
	at := slices.IndexFunc(names, func(name string) bool { return strings.HasSuffix(name, end) })
	if at < 0 {
		t.Fatalf("none of %v ends in %s", names, end)
	}
	return names[at]
}

// driverSide is the store behind a driver.
type driverSide struct {
	t     *testing.T
	files *store.Store
}

func (s driverSide) names() []string {
	s.t.Helper()
	var names []string
	err := s.files.List(s.t.Context(), "", func(file core.FileInfo) error {
		names = append(names, file.Name)
		return nil
	})
	if err != nil {
		s.t.Fatalf("listing the store: %v", err)
	}
	return names
}

func (s driverSide) read(name string) []byte {
	s.t.Helper()
	file, err := s.files.Open(s.t.Context(), name)
	if err != nil {
		s.t.Fatalf("opening %s: %v", name, err)
	}
	defer func() { _ = file.Close() }() // was only read
	content, err := io.ReadAll(file)
	if err != nil {
		s.t.Fatalf("reading %s: %v", name, err)
	}
	return content
}

func (s driverSide) write(name string, content []byte) {
	s.t.Helper()
	if err := s.files.Replace(s.t.Context(), name, bytes.Clone(content)); err != nil {
		s.t.Fatalf("writing %s: %v", name, err)
	}
}

func (s driverSide) remove(name string) {
	s.t.Helper()
	if err := s.files.Remove(s.t.Context(), name); err != nil {
		s.t.Fatalf("removing %s: %v", name, err)
	}
}

// folderSide is the folder of a filesystem store.
type folderSide struct {
	t      *testing.T
	folder string
}

func (s folderSide) names() []string {
	s.t.Helper()
	var names []string
	err := filepath.WalkDir(s.folder, func(path string, entry os.DirEntry, err error) error {
		if errors.Is(err, fs.ErrNotExist) {
			return nil // It was removed since the listing of its folder.
		}
		if err != nil || entry.IsDir() {
			return err
		}
		name, err := filepath.Rel(s.folder, path)
		names = append(names, filepath.ToSlash(name))
		return err
	})
	if err != nil {
		s.t.Fatalf("listing the store: %v", err)
	}
	return names
}

func (s folderSide) read(name string) []byte {
	s.t.Helper()
	content, err := os.ReadFile(filepath.Join(s.folder, name))
	if err != nil {
		s.t.Fatal(err)
	}
	return content
}

func (s folderSide) write(name string, content []byte) {
	s.t.Helper()
	if err := os.WriteFile(filepath.Join(s.folder, name), content, 0o600); err != nil {
		s.t.Fatal(err)
	}
}

func (s folderSide) remove(name string) {
	s.t.Helper()
	if err := os.Remove(filepath.Join(s.folder, name)); err != nil {
		s.t.Fatal(err)
	}
}
