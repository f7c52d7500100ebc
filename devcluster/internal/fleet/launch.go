package fleet

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"syscall"

	"golang.org/x/sys/unix"

	"github.com/soda-cdm/kahu/devcluster/internal/plane"
	"github.com/soda-cdm/kahu/devcluster/internal/process"
)

// ReportDescriptor is the file descriptor on which a supervisor in the
// background reports once: the state when it is ready, or why it never was.
const ReportDescriptor = 3

// Report is what a supervisor in the background says to the one who started it.
type Report struct {
	State plane.State `json:"state"`
	Error string      `json:"error,omitempty"`
}

// launch starts a supervisor into the background and waits for its report.
func (f Fleet) launch(ctx context.Context, layout plane.Layout, options UpOptions) (plane.State, error) {
	reader, writer, err := os.Pipe()
	if err != nil {
		return plane.State{}, fmt.Errorf("making a pipe: %w", err)
	}
	defer func() { _ = reader.Close() }() // was only read
	supervisor, err := f.detach(layout, options, writer)
	if err := errors.Join(err, writer.Close()); err != nil {
		return plane.State{}, fmt.Errorf("starting the supervisor: %w", err)
	}
	// The supervisor keeps its own limit: the rest is for its clearing up.
	if err := reader.SetReadDeadline(f.Clock.Now().Add(options.Limit + endLimit)); err != nil {
		return plane.State{}, fmt.Errorf("limiting the wait for the supervisor: %w", err)
	}
	defer context.AfterFunc(ctx, func() { _ = reader.SetReadDeadline(f.Clock.Now()) })()

	report, err := readReport(reader)
	if err != nil {
		if ctx.Err() != nil {
			err = context.Cause(ctx)
		}
		err = fmt.Errorf("starting cluster %s: %w; see %s", layout.Name, err, layout.Log("supervisor"))
		return plane.State{}, errors.Join(err, signalAndWait(supervisor, unix.SIGTERM, endLimit))
	}
	if report.Error != "" {
		return plane.State{}, fmt.Errorf("starting cluster %s: %s", layout.Name, report.Error)
	}
	return report.State, nil
}

// detach starts the supervisor in a session of its own, so that it stays when the terminal goes.
func (f Fleet) detach(layout plane.Layout, options UpOptions, report *os.File) (process.Identity, error) {
	path := layout.Log("supervisor")
	if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
		return process.Identity{}, err
	}
	log, err := os.OpenFile(path, os.O_CREATE|os.O_WRONLY|os.O_APPEND, 0o600) //nolint:gosec // a file of our own folder
	if err != nil {
		return process.Identity{}, err
	}
	defer func() { _ = log.Close() }() // the supervisor has its own
	arguments := f.Supervise(layout, options)
	command := &exec.Cmd{
		Path:        arguments[0],
		Args:        arguments,
		Dir:         layout.Folder,
		Stdout:      log,
		Stderr:      log,
		ExtraFiles:  []*os.File{report},
		SysProcAttr: &syscall.SysProcAttr{Setsid: true},
	}
	if err := command.Start(); err != nil {
		return process.Identity{}, err
	}
	identity, err := process.Identify(command.Process.Pid)
	if errors.Is(err, process.ErrGone) {
		err = nil // then its report says why
	}
	return identity, errors.Join(err, command.Process.Release())
}

func readReport(reader io.Reader) (Report, error) {
	var report Report
	err := json.NewDecoder(reader).Decode(&report)
	if errors.Is(err, io.EOF) {
		err = errors.New("the supervisor ended without a report")
	}
	return report, err
}
