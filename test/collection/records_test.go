package collection_test

import (
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"syscall"

	"github.com/soda-cdm/kahu/internal/core/archive"
)

// The states of a record.
const (
	processing = "Processing"
	deleting   = "Deleting"
	completed  = "Completed"
)

// record is what an API server would know of a backup.
type record struct {
	ID       archive.BackupID `json:"id"`
	State    string           `json:"state"`
	Attempt  string           `json:"attempt"`
	Earlier  []string         `json:"earlier"`
	Finished bool             `json:"finished"` // it was Completed once: others may have built on it
}

// attempts returns all attempts at the backup.
func (r record) attempts() []string { return append(append([]string{}, r.Earlier...), r.Attempt) }

// records are a folder with a file for each record. Changes are made one at a time, whoever makes them.
type records struct{ folder string }

var errOthers = errors.New("the record is not what it was")

// change changes a record, which is the zero value where there is none; a record without a state is removed.
func (r records) change(name string, how func(record *record) error) error {
	lock, err := os.OpenFile(filepath.Join(r.folder, "lock"), os.O_CREATE|os.O_RDWR, 0o600)
	if err != nil {
		return err
	}
	defer lock.Close()
	if err := syscall.Flock(int(lock.Fd()), syscall.LOCK_EX); err != nil {
		return err
	}
	found, err := r.read(name)
	if err != nil {
		return err
	}
	if err := how(&found); err != nil {
		return err
	}
	path := filepath.Join(r.folder, name+".json")
	if found.State == "" {
		if err := os.Remove(path); !errors.Is(err, fs.ErrNotExist) {
			return err
		}
		return nil
	}
	content, err := json.Marshal(found)
	if err != nil {
		return err
	}
	if err := os.WriteFile(path+".new", content, 0o600); err != nil {
		return err
	}
	return os.Rename(path+".new", path)
}

func (r records) read(name string) (record, error) {
	content, err := os.ReadFile(filepath.Join(r.folder, name+".json"))
	if errors.Is(err, fs.ErrNotExist) {
		return record{}, nil
	}
	if err != nil {
		return record{}, err
	}
	var found record
	return found, json.Unmarshal(content, &found)
}

// all returns all records, by name.
func (r records) all() ([]record, error) {
	paths, err := filepath.Glob(filepath.Join(r.folder, "*.json"))
	if err != nil {
		return nil, err
	}
	var all []record
	for _, path := range paths {
		name := filepath.Base(path)
		found, err := r.read(name[:len(name)-len(".json")])
		if err != nil {
			return nil, fmt.Errorf("record %s: %w", name, err)
		}
		if found.State != "" {
			all = append(all, found)
		}
	}
	return all, nil
}

// hold marks that a process works on the backup, until it lets go or dies; ok is false where another one does.
func (r records) hold(name string) (letGo func(), ok bool) {
	file, err := os.OpenFile(filepath.Join(r.folder, name+".held"), os.O_CREATE|os.O_RDWR, 0o600)
	if err != nil {
		return nil, false
	}
	if err := syscall.Flock(int(file.Fd()), syscall.LOCK_EX|syscall.LOCK_NB); err != nil {
		_ = file.Close()
		return nil, false
	}
	return func() { _ = file.Close() }, true
}

// tell adds a line to what happened.
func (r records) tell(what string) {
	file, err := os.OpenFile(filepath.Join(r.folder, "happened"), os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o600)
	if err != nil {
		return
	}
	_, _ = file.WriteString(what + "\n")
	_ = file.Close()
}
