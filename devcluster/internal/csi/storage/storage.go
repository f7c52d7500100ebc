// Package storage is the storage system behind a CSI driver: a folder, with a
// folder in it for each volume and each snapshot.
//
//	volumes/<id>/about.json      what the volume is, and beside it
//	volumes/<id>/data/           the files of a file-system volume, or
//	volumes/<id>/block           the bytes of a block volume
//	snapshots/<id>/...           the same, as it was when the snapshot was cut
//	groups/<id>/about.json       the snapshots that were cut at one instant
//	behaviour.json               what a test wants to go slowly or wrong
//
// Everything is made under new/ and moved to its place when it is whole, so
// that a process that is killed leaves nothing that is half there. Ids come
// from the names that the caller gives: asking twice gives the same.
package storage

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"sync"

	"k8s.io/utils/clock"
)

// The classes of errors.
var (
	// ErrNotFound says that a volume or snapshot is not there.
	ErrNotFound = errors.New("not found")
	// ErrExists says that the name is taken by something else.
	ErrExists = errors.New("exists already, and is another one")
	// ErrRange says that a size cannot be had.
	ErrRange = errors.New("size out of range")
	// ErrNotReady says that a snapshot cannot be read yet.
	ErrNotReady = errors.New("not ready yet")
	// ErrPending says that the same is being made already.
	ErrPending = errors.New("is being made already")
	// ErrRefused says that the behaviour has it refused.
	ErrRefused = errors.New("refused")
)

// Freezer holds still whoever writes to volumes.
type Freezer interface {
	// Freeze returns when nobody writes any more; the thaw that it gives lets them go on.
	Freeze(ctx context.Context) (thaw func() error, err error)
}

// System is one storage system. Several processes may read it; one may change it.
type System struct {
	Folder string
	Clock  clock.Clock
	// Freezer is nil where nobody is to be held.
	Freezer Freezer
	// Devices says that block volumes get a loop device, which takes root.
	Devices bool

	mutex sync.Mutex
	// pending is the names of snapshots and groups that are being made.
	pending sync.Map
}

// The folders of the system, and the files in that of a volume or snapshot.
const (
	volumesFolder   = "volumes"
	snapshotsFolder = "snapshots"
	groupsFolder    = "groups"
	newFolder       = "new"

	aboutFile  = "about.json"
	dataFolder = "data"
	blockFile  = "block"
)

// Open makes the folders, removes what a killed process left half done, and
// gives block volumes their devices again, which do not outlive the machine.
func (s *System) Open() error {
	s.mutex.Lock()
	defer s.mutex.Unlock()
	if err := os.RemoveAll(filepath.Join(s.Folder, newFolder)); err != nil {
		return fmt.Errorf("opening the storage: %w", err)
	}
	for _, name := range []string{volumesFolder, snapshotsFolder, groupsFolder, newFolder} {
		if err := os.MkdirAll(filepath.Join(s.Folder, name), 0o755); err != nil { //nolint:gosec // pods of any user reach their volumes through it
			return fmt.Errorf("opening the storage: %w", err)
		}
	}
	return s.attachAll()
}

// idBytes is how much of a digest is in an id.
const idBytes = 10

// idOf gives the id of a name.
func idOf(kind, name string) string {
	sum := sha256.Sum256([]byte(name))
	return kind + "-" + hex.EncodeToString(sum[:idBytes])
}

// IsID reports whether a word can be an id, of something that is there or not.
func IsID(word string) bool {
	_, digits, _ := strings.Cut(word, "-")
	sum, err := hex.DecodeString(digits)
	return err == nil && len(sum) == idBytes
}

// place is the folder of a volume, snapshot or group. The id may come from
// anywhere: it stays a name within the folder.
func (s *System) place(folder, id string) string {
	return filepath.Join(s.Folder, folder, filepath.Base(filepath.Clean("/"+id)))
}

// make makes something under new/ and moves it to its place.
func (s *System) make(folder, id string, about any, fill func(made string) error) error {
	made, err := os.MkdirTemp(filepath.Join(s.Folder, newFolder), id+"-")
	if err != nil {
		return fmt.Errorf("making %s: %w", id, err)
	}
	err = errors.Join(os.Chmod(made, 0o755), fill(made)) //nolint:gosec // pods of any user reach their volumes through it
	if err == nil {
		err = write(filepath.Join(made, aboutFile), about)
	}
	if err == nil {
		err = os.Rename(made, s.place(folder, id))
	}
	if err != nil {
		return errors.Join(fmt.Errorf("making %s: %w", id, err), os.RemoveAll(made))
	}
	return nil
}

// remove takes something out of its place, and is nil where it is not.
func (s *System) remove(folder, id string) error {
	gone := filepath.Join(s.Folder, newFolder, id+"-gone")
	err := os.Rename(s.place(folder, id), gone)
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return fmt.Errorf("removing %s: %w", id, err)
	}
	return os.RemoveAll(gone)
}

// read reads what a volume, snapshot or group is.
func (s *System) read(folder, id string, about any) error {
	content, err := os.ReadFile(filepath.Join(s.place(folder, id), aboutFile))
	if errors.Is(err, fs.ErrNotExist) || id == "" {
		return fmt.Errorf("%s %q: %w", folder, id, ErrNotFound)
	}
	if err != nil {
		return fmt.Errorf("reading %s: %w", id, err)
	}
	if err := json.Unmarshal(content, about); err != nil {
		return fmt.Errorf("reading %s: %w", id, err)
	}
	return nil
}

// list gives what every entry of a folder is, by id. What goes meanwhile is not in it.
func list[T any](s *System, folder string) ([]T, error) {
	entries, err := os.ReadDir(filepath.Join(s.Folder, folder))
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return nil, fmt.Errorf("listing %s: %w", folder, err)
	}
	found := make([]T, 0, len(entries))
	for _, entry := range entries {
		var about T
		err := s.read(folder, entry.Name(), &about)
		if errors.Is(err, ErrNotFound) {
			continue
		}
		if err != nil {
			return nil, err
		}
		found = append(found, about)
	}
	return found, nil
}

// write writes a file whole or not at all.
func write(path string, about any) error {
	content, err := json.MarshalIndent(about, "", "  ")
	if err != nil {
		return err
	}
	temporary := path + ".new"
	if err := os.WriteFile(temporary, append(content, '\n'), 0o644); err != nil { //nolint:gosec // nothing of it is secret
		return err
	}
	return os.Rename(temporary, path)
}
