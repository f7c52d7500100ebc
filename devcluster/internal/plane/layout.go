// Package plane runs one control plane: a folder of data, four processes and
// a port, and the record of them on disk.
//
// The supervisor is the process that starts the components, watches over them
// and ends them all when one ends. What it does is told to others through the
// state file, which names every process in a way that outlives it.
package plane

import (
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"time"

	"github.com/soda-cdm/kahu/devcluster/internal/process"
)

// Layout is a cluster's name and the folder that holds all its files.
type Layout struct {
	Name   string
	Folder string
}

// PKI is the folder of keys and certificates.
func (l Layout) PKI() string { return filepath.Join(l.Folder, "pki") }

// Kubeconfig is the administrator's.
func (l Layout) Kubeconfig() string { return filepath.Join(l.Folder, "kubeconfig") }

// Log is the file that a component, or the supervisor, writes to.
func (l Layout) Log(component string) string {
	return filepath.Join(l.Folder, "logs", component+".log")
}

func (l Layout) state() string { return filepath.Join(l.Folder, "state.json") }

func (l Layout) key(name string) string { return filepath.Join(l.PKI(), name) }

// Phase says how a cluster is.
type Phase string

// The phases. Starting, Ready, Failed and Stopped are what a supervisor
// records; Dead is what one sees of a supervisor that could not record its end.
const (
	Starting Phase = "Starting"
	Ready    Phase = "Ready"
	Failed   Phase = "Failed"
	Stopped  Phase = "Stopped"
	Dead     Phase = "Dead"
)

// State is what is known of a cluster.
type State struct {
	Name       string    `json:"name"`
	Phase      Phase     `json:"phase"`
	Server     string    `json:"server"`
	Port       int       `json:"port"`
	Kubeconfig string    `json:"kubeconfig"`
	StartedAt  time.Time `json:"startedAt"`
	// ReadySeconds is how long it took from the start until it was ready.
	ReadySeconds float64          `json:"readySeconds,omitempty"`
	Error        string           `json:"error,omitempty"`
	Supervisor   process.Identity `json:"supervisor"`
	// Network is the number of the cluster's own network, and Nodes what is in it; 0 without nodes.
	Network int    `json:"network,omitempty"`
	Nodes   []Node `json:"nodes,omitempty"`
	// CSI says that the cluster has CSI drivers.
	CSI bool `json:"csi,omitempty"`
	// Components are in the order of their start.
	Components []Component `json:"components"`
}

// Component is one process of the control plane, or the first process of a node.
type Component struct {
	Name    string           `json:"name"`
	Process process.Identity `json:"process"`
}

// Read gives the state of a cluster as it is now: a record of processes that
// are no more is given as Dead. Fails with fs.ErrNotExist where there is none.
func Read(layout Layout) (State, error) {
	content, err := os.ReadFile(layout.state())
	if err != nil {
		return State{}, fmt.Errorf("reading the state of cluster %s: %w", layout.Name, err)
	}
	var state State
	if err := json.Unmarshal(content, &state); err != nil {
		return State{}, fmt.Errorf("reading %s: %w", layout.state(), err)
	}
	if (state.Phase == Starting || state.Phase == Ready) && !state.Supervisor.Alive() {
		state.Phase = Dead
		state.Error = "the supervisor has ended without a word; see " + layout.Log("supervisor")
	}
	return state, nil
}

// Exists reports whether the folder is a cluster's.
func Exists(layout Layout) bool {
	_, err := os.Stat(layout.state())
	return err == nil
}

// Remove deletes a cluster's folder. It touches no folder that is not a cluster's.
func Remove(layout Layout) error {
	if !Exists(layout) {
		return fmt.Errorf("removing %s: %w", layout.Folder, fs.ErrNotExist)
	}
	// The state goes last, so that a removal that was cut short can be repeated.
	entries, err := os.ReadDir(layout.Folder)
	if err != nil {
		return fmt.Errorf("removing cluster %s: %w", layout.Name, err)
	}
	for _, entry := range entries {
		if entry.Name() != filepath.Base(layout.state()) {
			err = errors.Join(err, os.RemoveAll(filepath.Join(layout.Folder, entry.Name())))
		}
	}
	if err != nil {
		return fmt.Errorf("removing cluster %s: %w", layout.Name, err)
	}
	return os.RemoveAll(layout.Folder)
}

// write records a state. Whoever reads meanwhile sees the one before or this one.
func (l Layout) write(state State) error {
	content, err := json.MarshalIndent(state, "", "  ")
	if err != nil {
		return fmt.Errorf("encoding the state: %w", err)
	}
	return writeFile(l.state(), append(content, '\n'))
}

// writeFile writes a file for its owner only, whole or not at all.
func writeFile(path string, content []byte) error {
	temporary := path + ".new"
	if err := os.WriteFile(temporary, content, 0o600); err != nil {
		return fmt.Errorf("writing %s: %w", path, err)
	}
	if err := os.Rename(temporary, path); err != nil {
		return fmt.Errorf("moving %s to its place: %w", path, err)
	}
	return nil
}
