// Package fleet is the clusters of one folder: started into the background,
// found again, and ended.
//
// Each cluster is a folder named after it. Whoever changes one holds its lock,
// so that two who start the same cluster at once get the same cluster.
package fleet

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"time"

	"golang.org/x/sys/unix"
	"k8s.io/utils/clock"

	"github.com/soda-cdm/kahu/devcluster/internal/csi/driver"
	"github.com/soda-cdm/kahu/devcluster/internal/plane"
	"github.com/soda-cdm/kahu/devcluster/internal/process"
)

// Limits of waiting for processes to end, by themselves and when killed.
const (
	endLimit  = 20 * time.Second
	killLimit = 5 * time.Second
)

var validName = regexp.MustCompile(`^[a-z0-9]([-a-z0-9]{0,38}[a-z0-9])?$`)

// Fleet is the clusters under a folder.
type Fleet struct {
	Root  string
	Clock clock.Clock
	// Supervise gives the executable and the arguments that supervise a cluster
	// and tell of it on file descriptor 3, see Report.
	Supervise func(layout plane.Layout, options UpOptions) []string
}

// Layout gives the place of a cluster. Fails when the name is not a DNS label of at most 40 letters.
func (f Fleet) Layout(name string) (plane.Layout, error) {
	if !validName.MatchString(name) {
		return plane.Layout{}, fmt.Errorf("%q is no name for a cluster: use at most 40 of a-z, 0-9 and -", name)
	}
	return plane.Layout{Name: name, Folder: filepath.Join(f.Root, name)}, nil
}

// States gives the state of every cluster there is, by name.
func (f Fleet) States() ([]plane.State, error) {
	entries, err := os.ReadDir(f.Root)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, fmt.Errorf("listing clusters: %w", err)
	}
	var states []plane.State
	for _, entry := range entries {
		layout, err := f.Layout(entry.Name())
		if err != nil || !plane.Exists(layout) {
			continue // not one of ours
		}
		state, err := plane.Read(layout)
		if err != nil {
			return nil, err
		}
		states = append(states, state)
	}
	return states, nil
}

// Up starts a cluster, or finds it running already: then it says so. The
// leftovers of one that died are cleared first, its data kept unless fresh.
func (f Fleet) Up(ctx context.Context, name string, options UpOptions) (plane.State, Found, error) {
	layout, err := f.Layout(name)
	if err != nil {
		return plane.State{}, "", err
	}
	unlock, err := f.lock(ctx, name, options.Limit)
	if err != nil {
		return plane.State{}, "", err
	}
	defer unlock()

	found, err := f.clear(layout, options)
	if err != nil {
		return plane.State{}, "", err
	}
	if found == Running {
		state, err := plane.Read(layout)
		if err == nil {
			err = options.fit(state)
		}
		return state, found, err
	}
	state, err := f.launch(ctx, layout, options)
	return state, found, err
}

// UpOptions say how a cluster is started.
type UpOptions struct {
	// Fresh has the data of an earlier life removed.
	Fresh bool
	// Nodes is how many nodes with containers it gets; 0 for a control plane alone.
	Nodes int
	// CSI has it get CSI drivers.
	CSI bool
	// Limit bounds the time until the cluster is ready.
	Limit time.Duration
}

// fit fails where a running cluster is not what is wanted.
func (o UpOptions) fit(state plane.State) error {
	if o.Nodes > 0 && o.Nodes != len(state.Nodes) {
		return fmt.Errorf("cluster %s is up with %d nodes and not %d: take it down first", state.Name, len(state.Nodes), o.Nodes)
	}
	if o.CSI && !state.CSI {
		return fmt.Errorf("cluster %s is up without CSI drivers: take it down first", state.Name)
	}
	return nil
}

// Found is what was there when a cluster was to be started.
type Found string

// What can be found.
const (
	Nothing Found = "Nothing"
	Running Found = "Running"
	Data    Found = "Data"
)

// clear ends what is left of an earlier life, unless that goes on.
func (f Fleet) clear(layout plane.Layout, options UpOptions) (Found, error) {
	state, err := plane.Read(layout)
	if errors.Is(err, fs.ErrNotExist) {
		return Nothing, nil
	}
	if err != nil {
		return "", err
	}
	if state.Phase == plane.Ready && !options.Fresh {
		return Running, nil
	}
	if err := f.end(layout, state); err != nil {
		return "", err
	}
	if options.Fresh {
		return Nothing, plane.Remove(layout)
	}
	return Data, nil
}

// Down ends a cluster and removes its data unless they are to be kept, and
// reports whether there was one.
func (f Fleet) Down(ctx context.Context, name string, options DownOptions) (bool, error) {
	layout, err := f.Layout(name)
	if err != nil {
		return false, err
	}
	if !plane.Exists(layout) {
		return false, nil
	}
	unlock, err := f.lock(ctx, name, options.Limit)
	if err != nil {
		return false, err
	}
	defer unlock()

	state, err := plane.Read(layout)
	if errors.Is(err, fs.ErrNotExist) {
		return false, nil // another one was quicker
	}
	if err != nil {
		return false, err
	}
	if err := f.end(layout, state); err != nil {
		return true, err
	}
	if options.KeepData {
		return true, nil
	}
	return true, plane.Remove(layout)
}

// DownOptions say how a cluster is ended.
type DownOptions struct {
	// KeepData leaves the folder, for the next start.
	KeepData bool
	// Limit bounds the time to wait for another command's lock.
	Limit time.Duration
}

// end ends a cluster and removes what its processes leave behind, but for its data.
func (f Fleet) end(layout plane.Layout, state plane.State) error {
	if err := endProcesses(state, f.Clock); err != nil {
		return err
	}
	return plane.Sweep(layout, state, f.Clock)
}

// endProcesses ends the processes of a cluster: the supervisor, which ends the
// others in good order, and then whatever of them is there still.
func endProcesses(state plane.State, timers clock.Clock) error {
	if err := signalAndWait(state.Supervisor, unix.SIGTERM, endLimit); err != nil && !errors.Is(err, errStillThere) {
		return fmt.Errorf("ending the supervisor: %w", err)
	}
	if err := signalAndWait(state.Supervisor, unix.SIGKILL, killLimit); err != nil {
		return fmt.Errorf("killing the supervisor: %w", err)
	}
	for _, component := range slices.Backward(state.Components) {
		if err := signalAndWait(component.Process, unix.SIGKILL, killLimit); err != nil {
			return fmt.Errorf("killing %s: %w", component.Name, err)
		}
		if component.Name != driver.Program {
			continue
		}
		if err := plane.Thaw(state.Network, timers); err != nil { // else the nodes, which come next, would not end
			return err
		}
	}
	return nil
}

var errStillThere = errors.New("it does not end")

// signalAndWait is nil for a process that has ended, or never was.
func signalAndWait(id process.Identity, signal unix.Signal, limit time.Duration) error {
	err := id.Signal(signal)
	if errors.Is(err, process.ErrGone) {
		return nil
	}
	if err != nil {
		return fmt.Errorf("process %d: %w", id.PID, err)
	}
	ended, err := id.Wait(limit)
	if err != nil {
		return fmt.Errorf("waiting for process %d: %w", id.PID, err)
	}
	if !ended {
		return fmt.Errorf("process %d after %s: %w", id.PID, limit, errStillThere)
	}
	return nil
}
