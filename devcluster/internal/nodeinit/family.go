package nodeinit

import (
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"time"

	"golang.org/x/sys/unix"
	"k8s.io/utils/clock"

	"github.com/soda-cdm/kahu/devcluster/internal/node"
	"github.com/soda-cdm/kahu/devcluster/internal/tool"
)

// family is the processes of a node: the own children, which are waited for by
// name, and the orphans, which come to the first process of a namespace.
type family struct {
	config node.Config
	logs   map[string]*os.File
	fail   context.CancelCauseFunc

	mutex    sync.Mutex
	children map[int]bool
}

func newFamily(config node.Config, fail context.CancelCauseFunc) *family {
	return &family{config: config, logs: map[string]*os.File{}, fail: fail, children: map[int]bool{}}
}

func (f *family) openLogs() error {
	for _, daemon := range append(f.config.Daemons(), f.config.Containerd()) {
		log, err := os.OpenFile(f.config.Log(daemon.Name), os.O_CREATE|os.O_WRONLY|os.O_APPEND, 0o600)
		if err != nil {
			return fmt.Errorf("opening the log of %s: %w", daemon.Name, err)
		}
		f.logs[daemon.Name] = log
	}
	return nil
}

// start starts a program that lives as long as the node: its end is the node's.
func (f *family) start(daemon node.Daemon) error {
	path := "/proc/self/exe" // the own binary, which is out of sight here
	if !daemon.Own {
		found, err := tool.Find(daemon.Name)
		if err != nil {
			return err
		}
		path = found
	}
	command := &exec.Cmd{
		Path:   path,
		Args:   append([]string{daemon.Name}, daemon.Arguments...),
		Env:    environment(),
		Stdout: f.logs[daemon.Name],
		Stderr: f.logs[daemon.Name],
	}
	if err := f.begin(command); err != nil {
		return fmt.Errorf("starting %s: %w", daemon.Name, err)
	}
	go func() {
		err := f.wait(command)
		f.fail(fmt.Errorf("%s has ended (%s, %w); its log is %s",
			daemon.Name, command.ProcessState, err, f.config.Log(daemon.Name)))
	}()
	return nil
}

// output runs a program to its end and gives what it said.
func (f *family) output(ctx context.Context, name string, arguments ...string) (string, error) {
	path, err := tool.Find(name)
	if err != nil {
		return "", err
	}
	var said strings.Builder
	command := exec.CommandContext(ctx, path, arguments...) //nolint:gosec // found among the machine's own
	command.Env, command.Stdout, command.Stderr = environment(), &said, &said
	if err := f.begin(command); err != nil {
		return "", err
	}
	err = f.wait(command)
	return strings.TrimSpace(said.String()), err
}

func environment() []string {
	return []string{"PATH=" + tool.Path, "HOME=/root"}
}

// begin starts a child and knows it for one before anybody can take it for an orphan.
func (f *family) begin(command *exec.Cmd) error {
	f.mutex.Lock()
	defer f.mutex.Unlock()
	if err := command.Start(); err != nil {
		return err
	}
	f.children[command.Process.Pid] = true
	return nil
}

func (f *family) wait(command *exec.Cmd) error {
	err := command.Wait()
	f.mutex.Lock()
	defer f.mutex.Unlock()
	delete(f.children, command.Process.Pid)
	return err
}

// adopt takes the ends of orphans, until the context ends.
func (f *family) adopt(ctx context.Context) {
	ended := make(chan os.Signal, 1)
	signal.Notify(ended, syscall.SIGCHLD)
	go func() {
		defer signal.Stop(ended)
		for {
			select {
			case <-ctx.Done():
				return
			case <-ended:
				f.reap()
			}
		}
	}()
}

// reap waits for every orphan that has ended.
func (f *family) reap() {
	f.mutex.Lock()
	defer f.mutex.Unlock()
	stats, err := filepath.Glob("/proc/[0-9]*/stat")
	if err != nil {
		return
	}
	for _, path := range stats {
		pid, err := strconv.Atoi(filepath.Base(filepath.Dir(path)))
		if err != nil || f.children[pid] || !endedChild(path) {
			continue
		}
		_, _ = unix.Wait4(pid, nil, unix.WNOHANG, nil) // who is not there needs no waiting for
	}
}

// endedChild reports whether a process is a zombie and a child of this one.
func endedChild(stat string) bool {
	content, err := os.ReadFile(stat) //nolint:gosec // the kernel's own
	if err != nil {
		return false
	}
	return isEndedChild(string(content))
}

func isEndedChild(stat string) bool {
	// The second field is the program's name in brackets, and may hold anything.
	fields := strings.Fields(stat[strings.LastIndexByte(stat, ')')+1:])
	return len(fields) > 1 && fields[0] == "Z" && fields[1] == "1"
}

// end tells why the node ends: nil when it was asked to.
func (*family) end(ctx context.Context) error {
	cause := context.Cause(ctx)
	if errors.Is(cause, context.Canceled) {
		return nil
	}
	return cause
}

// untilListening waits until something listens on a socket. Nothing tells of
// that, so this tries, at most a hundred times a second.
func untilListening(ctx context.Context, timers clock.Clock, socket string) error {
	deadline := timers.Now().Add(socketLimit)
	for {
		connection, err := (&net.Dialer{}).DialContext(ctx, "unix", socket)
		if err == nil {
			return connection.Close()
		}
		if timers.Now().After(deadline) {
			return fmt.Errorf("waiting for %s: %w", socket, err)
		}
		select {
		case <-ctx.Done():
			return context.Cause(ctx)
		case <-timers.After(10 * time.Millisecond):
		}
	}
}
