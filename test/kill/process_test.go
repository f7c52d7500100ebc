package kill_test

import (
	"errors"
	"maps"
	"os"
	"os/exec"
	"path/filepath"
	"syscall"
)

// process is a child of the test.
type process struct {
	w       *world
	name    string
	command *exec.Cmd
	ended   chan struct{}
	leader  string // who led when it was disturbed
}

// start runs a child, whose end the test's end is.
func (w *world) start(name, path string, arguments ...string) *process {
	w.t.Helper()
	made, err := w.spawn(name, path, arguments...)
	if err != nil {
		w.t.Fatalf("starting %s: %v", name, err)
	}
	w.t.Cleanup(made.kill)
	return made
}

// spawn runs a child, whose end the end of this process is.
func (w *world) spawn(name, path string, arguments ...string) (*process, error) {
	output, err := os.OpenFile(filepath.Join(w.folder, "output-"+name), os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o600)
	if err != nil {
		return nil, err
	}
	command := exec.CommandContext(w.lifetime, path, arguments...)
	command.Stdout, command.Stderr = output, output
	command.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
	if err := command.Start(); err != nil {
		return nil, errors.Join(err, output.Close())
	}
	made := &process{w: w, name: name, command: command, ended: make(chan struct{})}
	go func() {
		defer close(made.ended)
		_ = command.Wait() // It is told by the closed channel.
		_ = output.Close()
	}()
	return made, nil
}

// keep runs a child that comes back when it has ended, until the test has ended.
func (w *world) keep(name, path string, arguments ...string) {
	w.t.Helper()
	started, err := w.spawn(name, path, arguments...)
	if err != nil {
		w.t.Fatalf("starting %s: %v", name, err)
	}
	w.keeps[name] = started
	go func() {
		for w.again(started) {
			if started, err = w.spawn(name, path, arguments...); err != nil {
				panic(err) // A test binary that can start no process any more.
			}
			w.keeps[name] = started
			w.mu.Unlock()
		}
	}()
}

// again waits for the end of a process, and tells whether it is to be started again. The lock is held then.
func (w *world) again(last *process) bool {
	<-last.ended
	w.mu.Lock()
	if w.over {
		w.mu.Unlock()
		return false
	}
	return true
}

// kept returns a process of the provider as it is now.
func (w *world) kept(name string) *process {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.keeps[name]
}

// stopKeeping ends the processes of the provider.
func (w *world) stopKeeping() {
	w.mu.Lock()
	w.over = true
	last := maps.Clone(w.keeps)
	w.mu.Unlock()
	for _, each := range last {
		each.kill()
	}
}

// kill ends the process, and returns when it has ended.
func (p *process) kill() {
	_ = p.command.Process.Kill() // fails if it has ended, which is as good
	<-p.ended
}

// hasEnded tells whether the process has ended.
func (p *process) hasEnded() bool {
	select {
	case <-p.ended:
		return true
	default:
		return false
	}
}
