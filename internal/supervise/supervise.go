// Package supervise runs a small tree of processes: it starts them, starts those again that end, and ends all of
// them when it ends itself.
//
// Children never outlive their supervisor, not even one that is killed: the kernel signals them when it dies.
package supervise

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os/exec"
	"slices"
	"sync"
	"syscall"
	"time"

	"github.com/go-logr/logr"
	"golang.org/x/sync/errgroup"
	"k8s.io/utils/clock"
)

const (
	// grace is how long a child may take to end once it is asked to.
	grace = 45 * time.Second
	// firstPause and longestPause bound the wait before a child that ended is started again.
	firstPause   = 200 * time.Millisecond
	longestPause = 10 * time.Second
	// steady is how long a child must have run for its next end to count as the first.
	steady = 30 * time.Second
)

// Child is one process of the tree.
type Child struct {
	// Name is what the log calls it.
	Name string
	// Path is the program, Args its arguments without the program's name.
	Path string
	Args []string
	// Env is its environment, as in exec.Cmd: nil means the supervisor's own.
	Env []string
}

// Supervisor runs children until its context ends.
type Supervisor struct {
	// Output receives what the children write; it is written to by one goroutine at a time.
	Output io.Writer
	// Logger receives starts and ends.
	Logger logr.Logger
	// Clock times the pauses between starts.
	Clock clock.Clock
}

// Run starts the children and returns when the context has ended and all of them with it: the last child is ended
// first, and the one before it when it has ended, so that a child can use those before it until its end. A program
// that cannot be started at all is an error, which ends the others.
func (s *Supervisor) Run(ctx context.Context, children []Child) error {
	output := &serialWriter{out: s.Output}
	group, ctx := errgroup.WithContext(ctx)
	next := ctx.Done()
	for _, child := range slices.Backward(children) {
		own, end := context.WithCancel(context.WithoutCancel(ctx))
		ended := make(chan struct{})
		before := next
		group.Go(func() error {
			<-before
			end()
			return nil
		})
		group.Go(func() error {
			defer close(ended)
			return s.keep(own, child, output)
		})
		next = ended
	}
	return group.Wait()
}

// keep runs one child again and again.
func (s *Supervisor) keep(ctx context.Context, child Child, output io.Writer) error {
	pause := firstPause
	for {
		started := s.Clock.Now()
		err := s.once(ctx, child, output)
		if ctx.Err() != nil {
			return nil //nolint:nilerr // A child that was asked to end may say so in any way.
		}
		var exit *exec.ExitError
		if err != nil && !errors.As(err, &exit) {
			return fmt.Errorf("starting %s: %w", child.Name, err)
		}
		if s.Clock.Since(started) > steady {
			pause = firstPause
		}
		s.Logger.Info("child ended and is started again", "child", child.Name, "exit", describe(err), "pause", pause.String())
		select {
		case <-ctx.Done():
			return nil
		case <-s.Clock.After(pause):
		}
		pause = min(2*pause, longestPause)
	}
}

// once runs one child until it ends or the context does.
func (s *Supervisor) once(ctx context.Context, child Child, output io.Writer) error {
	command := exec.CommandContext(ctx, child.Path, child.Args...) //nolint:gosec // To run what it is given is the purpose.
	command.Env = child.Env
	command.Stdout, command.Stderr = output, output
	command.Cancel = func() error { return command.Process.Signal(syscall.SIGTERM) }
	command.WaitDelay = grace
	return start(command, func() {
		s.Logger.Info("child started", "child", child.Name, "pid", command.Process.Pid)
	})
}

func describe(err error) string {
	if err == nil {
		return "exit status 0"
	}
	return err.Error()
}

// serialWriter lets several children write to one place without mixing inside a write.
type serialWriter struct {
	mu  sync.Mutex
	out io.Writer
}

// Write writes the bytes as a whole.
func (w *serialWriter) Write(data []byte) (int, error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.out.Write(data)
}
