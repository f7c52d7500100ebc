package plane

import (
	"bytes"
	"cmp"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"strings"
	"syscall"
	"time"

	"k8s.io/utils/clock"

	"github.com/soda-cdm/kahu/devcluster/internal/process"
)

// EndedError says that a component has ended, and what it wrote last.
type EndedError struct {
	Component string
	// Status is how it ended, like "exit status 1" or "signal: killed".
	Status string
	// LogFile is the whole log, LastLines its end.
	LogFile   string
	LastLines string
}

// Error gives all of it, in several lines.
func (e *EndedError) Error() string {
	text := fmt.Sprintf("%s has ended (%s); its log is %s", e.Component, e.Status, e.LogFile)
	if e.LastLines != "" {
		text += " and ends with:\n" + e.LastLines
	}
	return text
}

// child is a running component.
type child struct {
	name     string
	command  *exec.Cmd
	log      *os.File
	identity process.Identity
	done     chan struct{}
}

// program is what a component runs.
type program struct {
	// name is what the binary becomes.
	name string
	// path is another binary, if it is one.
	path      string
	arguments []string
	// namespaces are the flags of those that it has for itself, clone(2).
	namespaces uintptr
}

// newChild starts a component. The calling thread has to live as long as the component.
func (r *run) newChild(name string, what program) (*child, error) {
	log, err := os.OpenFile(r.Layout.Log(name), os.O_CREATE|os.O_WRONLY|os.O_APPEND, 0o600)
	if err != nil {
		return nil, fmt.Errorf("opening the log of %s: %w", name, err)
	}
	command := &exec.Cmd{
		Path:   cmp.Or(what.path, r.Executable),
		Args:   append([]string{what.name}, what.arguments...),
		Dir:    r.Layout.Folder,
		Env:    r.Environment,
		Stdout: log,
		Stderr: log,
		SysProcAttr: &syscall.SysProcAttr{
			Pdeathsig:  syscall.SIGKILL, // nothing outlives the supervisor
			Setpgid:    true,            // an interrupt at the terminal is for the supervisor alone
			Cloneflags: what.namespaces,
		},
	}
	if err := command.Start(); err != nil {
		return nil, errors.Join(fmt.Errorf("starting %s: %w", name, err), log.Close())
	}
	// A child that has ended already is a zombie until it is waited for: its end is told by wait.
	identity, err := process.Identify(command.Process.Pid)
	if err != nil && !errors.Is(err, process.ErrGone) {
		return nil, errors.Join(err, command.Process.Kill(), command.Wait(), log.Close())
	}
	return &child{name: name, command: command, log: log, identity: identity, done: make(chan struct{})}, nil
}

// wait waits for the component's end and tells how it came.
func (c *child) wait() error {
	defer close(c.done)
	err := c.command.Wait()
	status := c.command.ProcessState.String()
	if c.command.ProcessState == nil {
		status = err.Error()
	}
	return errors.Join(&EndedError{
		Component: c.name,
		Status:    status,
		LogFile:   c.log.Name(),
		LastLines: lastLines(c.log.Name()),
	}, c.log.Close())
}

// end asks the component to end, kills it after the grace, and waits for it.
func (c *child) end(timers clock.Clock, grace time.Duration) {
	if grace > 0 && c.signal(syscall.SIGTERM) {
		timer := timers.NewTimer(grace)
		defer timer.Stop()
		select {
		case <-c.done:
			return
		case <-timer.C():
		}
	}
	c.signal(syscall.SIGKILL)
	<-c.done // comes for certain: the kernel does not ask the process
}

// signal reports whether the component was still there to get it.
func (c *child) signal(signal os.Signal) bool {
	return c.command.Process.Signal(signal) == nil
}

// lastLines gives the end of a log: at most 10 lines of at most 4 KiB together.
func lastLines(path string) string {
	const most, bytesMost = 10, 4 << 10
	log, err := os.Open(path) //nolint:gosec // a file of our own folder
	if err != nil {
		return ""
	}
	defer func() { _ = log.Close() }() // was only read
	size, err := log.Seek(0, io.SeekEnd)
	if err != nil {
		return ""
	}
	content := make([]byte, min(size, bytesMost))
	n, err := log.ReadAt(content, size-int64(len(content)))
	if err != nil && !errors.Is(err, io.EOF) {
		return ""
	}
	lines := strings.Split(string(bytes.TrimSpace(content[:n])), "\n")
	return strings.Join(lines[max(0, len(lines)-most):], "\n")
}
