// Package mover moves the data of one volume: into a repository, or out of one. It knows no cluster: what it does is a Task, and what
// came of it a Result, both of which somebody else brings from and to where they are needed.
package mover

import (
	"encoding/json"
	"fmt"
	"unicode/utf8"

	"github.com/soda-cdm/kahu/provider"
	"github.com/soda-cdm/kahu/providers/datamover/repository"
)

// Action is what a mover does.
type Action string

const (
	// Save reads the volume and stores what it has.
	Save Action = "Save"
	// Load writes a backup into the volume.
	Load Action = "Load"
)

// Task is what a mover is to do. It has no secrets.
type Task struct {
	Action Action `json:"action"`
	// Place is where the repository lies.
	Place Place `json:"place"`
	// Source says whose volume it is. Of a Load, only its names count, for messages.
	Source Source `json:"source"`
	// Path is where the volume is: a folder, or a device.
	Path string `json:"path"`
	// Block tells that it is a device.
	Block bool `json:"block,omitempty"`
	// Base is the backup on which a Save builds, or empty.
	Base string `json:"base,omitempty"`
	// Backup is what a Load gives back.
	Backup string `json:"backup,omitempty"`
	// Parallel is how much is done at once. Zero means as much as there are processors.
	Parallel int `json:"parallel,omitempty"`
}

// Place is where a repository lies, for somebody who reaches a store over the network.
type Place struct {
	// Address is where the store is served, as provider.Dial takes it, and ServerName the name in its certificate.
	Address    string `json:"address"`
	ServerName string `json:"serverName,omitempty"`
	// Attributes go with every call.
	Attributes provider.Attributes `json:"attributes,omitempty"`
	// Prefix is what the names of all objects of the repository begin with.
	Prefix string `json:"prefix,omitempty"`
}

// Source says of which volume something is saved.
type Source struct {
	Cluster   string `json:"cluster"`
	Namespace string `json:"namespace"`
	Claim     string `json:"claim"`
	Order     string `json:"order"`
}

func (s Source) ofRepository() repository.Source { return repository.Source(s) }

func (s Source) whole() bool {
	return s.Cluster != "" && s.Namespace != "" && s.Claim != "" && s.Order != ""
}

// ReadTask reads a task.
func ReadTask(text []byte) (Task, error) {
	var task Task
	if err := json.Unmarshal(text, &task); err != nil {
		return Task{}, fmt.Errorf("reading the task: %w: %w", provider.ErrInvalidArgument, err)
	}
	return task, task.validate()
}

func (t Task) validate() error {
	lacks := func(field string) error {
		return fmt.Errorf("the task lacks its %s: %w", field, provider.ErrInvalidArgument)
	}
	switch {
	case t.Action != Save && t.Action != Load:
		return fmt.Errorf("the action of the task is %q, and not %s or %s: %w", t.Action, Save, Load, provider.ErrInvalidArgument)
	case t.Place.Address == "":
		return lacks("place.address")
	case t.Path == "":
		return lacks("path")
	case t.Action == Load && t.Backup == "":
		return lacks("backup")
	case t.Action == Save && !t.Source.whole():
		return lacks("source")
	}
	return nil
}

// Result is what came of a task.
type Result struct {
	// Backup is what a Load is given. Empty after a failure.
	Backup string `json:"backup,omitempty"`
	// Bytes and Files are the size of the volume's content.
	Bytes int64 `json:"bytes"`
	Files int64 `json:"files,omitempty"`
	// Read, Kept and Stored are bytes that were read from the volume, taken over from the base without reading, and new to the
	// repository, compressed.
	Read   int64 `json:"read,omitempty"`
	Kept   int64 `json:"kept,omitempty"`
	Stored int64 `json:"stored,omitempty"`
	// Missing is how many entries could not be read, or not written as they were; Changed how many files were written to while
	// they were read. Named tells of the first of them.
	Missing int64    `json:"missing,omitempty"`
	Changed int64    `json:"changed,omitempty"`
	Named   []string `json:"named,omitempty"`
	// Error says why the task failed, and Passing that it may succeed when it is tried again.
	Error   string `json:"error,omitempty"`
	Passing bool   `json:"passing,omitempty"`
}

// MaxResultBytes is how much of a result the cluster keeps when a container has ended.
const MaxResultBytes = 4096

// Encode returns the result as text that the cluster keeps. Names that do not fit are left out, and the counts stay right.
func (r Result) Encode() ([]byte, error) {
	const most = MaxResultBytes / 2
	r.Error = clip(r.Error, most)
	for {
		text, err := json.Marshal(r)
		if err != nil || len(text) <= MaxResultBytes {
			return text, err
		}
		if len(r.Named) > 0 {
			r.Named = r.Named[:len(r.Named)/2] //nolint:mnd // Half of them.
			continue
		}
		r.Error = clip(r.Error, len(r.Error)/2) //nolint:mnd // Half of it.
	}
}

// clip shortens a text to a number of bytes.
func clip(text string, most int) string {
	if len(text) <= most {
		return text
	}
	for most > 0 && !utf8.RuneStart(text[most]) {
		most--
	}
	return text[:most]
}
