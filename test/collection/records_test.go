package collection_test

import (
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"time"

	"github.com/soda-cdm/kahu/internal/core/archive"
	"github.com/soda-cdm/kahu/internal/core/increment"
)

// The states of a record.
const (
	processing = "Processing"
	deleting   = "Deleting"
	completed  = "Completed"
)

// record is what an API server would know of a backup at one of the places.
type record struct {
	ID      archive.BackupID `json:"id"`
	State   string           `json:"state"`
	Attempt string           `json:"attempt"`
	Earlier []string         `json:"earlier"`
	// Finished: it was Completed once, and others may have built on it.
	Finished bool `json:"finished"`
	// Fence: until then an attempt may write its manifest that was taken over while it lived.
	Fence time.Time `json:"fence"`
	// Age is that of the cluster of which the backup is, Wish what it was to be.
	Age  int            `json:"age"`
	Wish increment.Mode `json:"wish"`
	// Mode, Base and Started are what others know who build on it.
	Mode    increment.Mode   `json:"mode"`
	Base    archive.BackupID `json:"base"`
	Started time.Time        `json:"started"`
}

// attempts returns all attempts at the backup.
func (r record) attempts() []string { return append(append([]string{}, r.Earlier...), r.Attempt) }

// records are a folder with a file for each record. Changes are made one at a time, whoever makes them.
type records struct{ folder string }

var errOthers = errors.New("the record is not what it was")

// locked does something while nobody else does.
func (r records) locked(do func() error) error {
	file, err := lock(filepath.Join(r.folder, "lock"), syscall.LOCK_EX)
	if err != nil {
		return err
	}
	defer file.Close()
	return do()
}

func lock(path string, how int) (*os.File, error) {
	file, err := os.OpenFile(path, os.O_CREATE|os.O_RDWR, 0o600)
	if err != nil {
		return nil, err
	}
	if err := syscall.Flock(int(file.Fd()), how); err != nil {
		return nil, errors.Join(err, file.Close())
	}
	return file, nil
}

// change changes a record, which is the zero value where there is none; a record without a state is removed.
func (r records) change(name string, how func(record *record) error) error {
	return r.locked(func() error {
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
		return replace(path, content)
	})
}

func replace(path string, content []byte) error {
	if err := os.WriteFile(path+".new", content, 0o600); err != nil {
		return err
	}
	return os.Rename(path+".new", path)
}

// lose removes a record, whatever it is.
func (r records) lose(name string) error {
	return r.change(name, func(record *record) error { record.State = ""; return nil })
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
		name := strings.TrimSuffix(filepath.Base(path), ".json")
		found, err := r.read(name)
		if err != nil {
			return nil, fmt.Errorf("record %s: %w", name, err)
		}
		if found.State != "" {
			all = append(all, found)
		}
	}
	return all, nil
}

// hold marks that a process works on something, until it lets go or dies; ok is false where another one does.
func (r records) hold(what string) (letGo func(), ok bool) { return r.take(what, syscall.LOCK_EX) }

// remove and use keep those apart who remove what nobody needs from those who count on what is there, as the manager does for
// what it does itself. Several of one sort may be at work at once. Ok is false while the others are.
func (r records) remove() (leave func(), ok bool) { return r.unless("users", "removers") }
func (r records) use() (leave func(), ok bool)    { return r.unless("removers", "users") }

func (r records) unless(others, own string) (leave func(), ok bool) {
	err := r.locked(func() error {
		free, none := r.take(others, syscall.LOCK_EX)
		if !none {
			return errOthers
		}
		defer free()
		if leave, ok = r.take(own, syscall.LOCK_SH); !ok {
			return errOthers
		}
		return nil
	})
	return leave, err == nil
}

func (r records) take(what string, how int) (letGo func(), ok bool) {
	file, err := lock(filepath.Join(r.folder, what+".held"), how|syscall.LOCK_NB)
	if err != nil {
		return nil, false
	}
	return func() { _ = file.Close() }, true
}

// older lets the cluster grow older, and returns its age.
func (r records) older() (age int, err error) {
	err = r.locked(func() error {
		path := filepath.Join(r.folder, "age")
		content, err := os.ReadFile(path)
		if err == nil {
			age, err = strconv.Atoi(string(content))
		}
		if err != nil && !errors.Is(err, fs.ErrNotExist) {
			return err
		}
		age++
		return replace(path, []byte(strconv.Itoa(age)))
	})
	return age, err
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
