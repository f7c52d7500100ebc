package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"time"
)

const (
	// patience bounds the whole demo.
	patience = 8 * time.Minute
	// mercy is how long a process has to end by itself.
	mercy = 20 * time.Second
)

// stage is what the story is played on: programs, a folder, two clusters, and what runs beside them.
type stage struct {
	tell     *teller
	bin      string // absolute
	dir      string // everything that the demo writes
	clusters []*cluster
	running  []*process
}

// build makes the folder and finds the programs.
func build(wish options, tell *teller) (*stage, error) {
	bin, err := filepath.Abs(wish.bin)
	if err != nil {
		return nil, fmt.Errorf("finding the programs: %w", err)
	}
	programs := []string{"devcluster", "kahu", "kubectl-kahu"}
	if wish.drill {
		programs = append(programs, "versitygw")
	}
	for _, name := range programs {
		if _, err := os.Stat(filepath.Join(bin, name)); err != nil {
			return nil, fmt.Errorf("finding the programs, run `make build` first: %w", err)
		}
	}
	dir, err := os.MkdirTemp("", "kahu-demo-")
	if err != nil {
		return nil, fmt.Errorf("making a folder: %w", err)
	}
	made := &stage{tell: tell, bin: bin, dir: dir}
	// Under this name, the program is kubectl and nothing else.
	if err := os.Symlink(made.program("devcluster"), filepath.Join(dir, "kubectl")); err != nil {
		return nil, errors.Join(err, os.RemoveAll(dir))
	}
	for _, name := range []string{"first", "second"} {
		made.clusters = append(made.clusters, &cluster{stage: made, name: name})
	}
	return made, nil
}

func (s *stage) program(name string) string { return filepath.Join(s.bin, name) }

func (s *stage) store() string { return filepath.Join(s.dir, "store") }

// output runs a program to its end and returns what it printed. What it says on the side is part of the error.
func output(ctx context.Context, path string, args ...string) ([]byte, error) {
	command := exec.CommandContext(ctx, path, args...) //nolint:gosec // The programs are ours.
	var out, side bytes.Buffer
	command.Stdout, command.Stderr = &out, &side
	command.Cancel = func() error { return command.Process.Signal(syscall.SIGTERM) }
	command.WaitDelay = mercy
	// A person's Ctrl-C reaches this process alone, which then ends the others in order.
	command.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	if err := command.Run(); err != nil {
		line := strings.Join(append([]string{filepath.Base(path)}, args...), " ")
		return out.Bytes(), fmt.Errorf("running %s: %w: %s", shorten(line), err, strings.TrimSpace(side.String()))
	}
	return out.Bytes(), nil
}

func shorten(line string) string {
	const most = 300
	if len(line) > most {
		return line[:most] + "..."
	}
	return line
}

// process is a program that runs beside the story.
type process struct {
	name    string
	log     string // path
	command *exec.Cmd
	ended   chan struct{} // closed when the process has ended
}

// start starts a program whose output goes to a file.
func (s *stage) start(name string, stdout *os.File, path string, args ...string) (*process, error) {
	log := filepath.Join(s.dir, name+".log")
	file, err := os.Create(log) //nolint:gosec // The folder is ours.
	if err != nil {
		return nil, fmt.Errorf("making a log: %w", err)
	}
	defer func() { _ = file.Close() }() // The process has its own.
	//nolint:gosec,noctx // The programs are ours. They live until the stage is cleared, or longer.
	command := exec.Command(path, args...)
	command.Stdout, command.Stderr = file, file
	if stdout != nil {
		command.Stdout = stdout
	}
	command.SysProcAttr = &syscall.SysProcAttr{Setsid: true} // a person's Ctrl-C is not for it
	if err := command.Start(); err != nil {
		return nil, fmt.Errorf("starting %s: %w", name, err)
	}
	started := &process{name: name, log: log, command: command, ended: make(chan struct{})}
	go func() {
		defer close(started.ended)
		_ = command.Wait() // How it ended is in its log.
	}()
	s.running = append(s.running, started)
	return started, nil
}

// stop ends a process and waits until it has ended.
func (p *process) stop() error {
	if err := p.command.Process.Signal(syscall.SIGTERM); err != nil && !errors.Is(err, os.ErrProcessDone) {
		return fmt.Errorf("ending %s: %w", p.name, err)
	}
	timer := time.NewTimer(mercy)
	defer timer.Stop()
	select {
	case <-p.ended:
		return nil
	case <-timer.C:
	}
	if err := p.command.Process.Kill(); err != nil && !errors.Is(err, os.ErrProcessDone) {
		return fmt.Errorf("killing %s: %w", p.name, err)
	}
	<-p.ended
	return fmt.Errorf("ending %s: it had to be killed", p.name)
}

// guard returns a context that ends with the process.
func (p *process) guard(ctx context.Context) (context.Context, context.CancelFunc) {
	ctx, cancel := context.WithCancelCause(ctx)
	go func() {
		select {
		case <-p.ended:
			cancel(fmt.Errorf("%s ended by itself", p.name))
		case <-ctx.Done():
		}
	}()
	return ctx, func() { cancel(nil) }
}

// clear ends all that runs and removes all that was written.
func (s *stage) clear(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, 3*mercy)
	defer cancel()
	var failures []error
	for _, process := range slices.Backward(s.running) {
		failures = append(failures, process.stop())
	}
	for _, cluster := range s.clusters {
		failures = append(failures, cluster.down(ctx))
	}
	failures = append(failures, os.RemoveAll(s.dir))
	return errors.Join(failures...)
}

// showLogs shows the end of every log.
func (s *stage) showLogs() {
	for _, process := range s.running {
		content, err := os.ReadFile(process.log)
		if err != nil || len(content) == 0 {
			continue
		}
		lines := strings.Split(strings.TrimSpace(string(content)), "\n")
		const most = 25
		s.tell.chapterf("The end of the log of %s:\n%s", process.name, strings.Join(lines[max(0, len(lines)-most):], "\n"))
	}
}

// leave says how to look around in what keeps running, and how to end it.
func (s *stage) leave() error {
	script := []string{"#!/bin/sh", "# Ends what the demo left running, and removes it."}
	for _, process := range s.running {
		if process.name == proxyName(s.clusters[0]) || process.name == proxyName(s.clusters[1]) {
			if err := process.stop(); err != nil {
				return err
			}
			continue
		}
		script = append(script, fmt.Sprintf("kill %d # %s", process.command.Process.Pid, process.name))
	}
	for _, cluster := range s.clusters {
		script = append(script, fmt.Sprintf("%s down --dir %s --name %s", s.program("devcluster"), s.dir, cluster.name))
	}
	script = append(script, "rm -r "+s.dir, "")
	end := filepath.Join(s.dir, "end.sh")
	if err := os.WriteFile(end, []byte(strings.Join(script, "\n")), 0o600); err != nil {
		return fmt.Errorf("writing how to end it: %w", err)
	}
	s.tell.chapterf(`Everything is left running. To look around:
  export PATH=%[1]s:%[2]s:$PATH   # kubectl, and kubectl-kahu for it to find
  export KUBECONFIG=%[3]s   # or %[4]s
  kubectl get backups.kahu.io,restores.kahu.io,backuplocations.kahu.io
  kubectl kahu backup describe everything
  find %[5]s -type f   # the backup itself; zstd -dc X.tar.zst | tar t
To end it:
  sh %[6]s`, s.dir, s.bin, s.clusters[0].kubeconfig, s.clusters[1].kubeconfig, s.store(), end)
	return nil
}
