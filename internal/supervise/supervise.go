// Package supervise runs a small tree of processes: it starts them, starts those again that end, and ends all of
// them when it ends itself.
//
// Children never outlive their supervisor, not even one that is killed: the kernel signals them when it dies.
package supervise

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"os/exec"
	"slices"
	"strings"
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
	// maxStarts is how often a child is started that ends by itself each time and was never steady. What it fails at is then
	// not going to pass: its arguments, or an address that is taken.
	maxStarts = 5
)

// ExitPassing is the exit code with which a child says that it ended because of something that can pass, such as an API server
// that is away: it is started again for ever.
const ExitPassing = 75

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

// ErrHopeless says that a child ended by itself after each of its first starts.
var ErrHopeless = errors.New("it would not live the next time either")

// Run starts the children and returns when the context has ended and all of them with it: the last child is ended
// first, and the one before it when it has ended, so that a child can use those before it until its end. A program
// that cannot be started at all is an error, which ends the others, and so is ErrHopeless.
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
	pause, starts := firstPause, starts{}
	for {
		started := s.Clock.Now()
		last := &lastWords{out: output}
		err := s.once(ctx, child, last)
		if ctx.Err() != nil {
			return nil //nolint:nilerr // A child that was asked to end may say so in any way.
		}
		var exit *exec.ExitError
		if err != nil && !errors.As(err, &exit) {
			return fmt.Errorf("starting %s: %w", child.Name, err)
		}
		isSteady := s.Clock.Since(started) > steady
		if isSteady {
			pause = firstPause
		}
		if starts.areHopeless(exit, isSteady) {
			return fmt.Errorf("%s ended %d times in a row soon after its start, the last time with %s: %s: %w",
				child.Name, maxStarts, describe(err), last, ErrHopeless)
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

// starts counts the starts of a child after which it ended by itself. A child that was steady once lives with its arguments.
type starts struct {
	failed    int
	wasSteady bool
}

// areHopeless counts an end, and tells whether another start is of no use. A child that a signal ended did not end by itself.
func (s *starts) areHopeless(exit *exec.ExitError, isSteady bool) bool {
	s.wasSteady = s.wasSteady || isSteady
	switch {
	case s.wasSteady:
	case exit != nil && !exit.Exited():
		s.failed = 0
	case exit != nil && exit.ExitCode() == ExitPassing:
	default:
		s.failed++
	}
	return !s.wasSteady && s.failed >= maxStarts
}

// maxWordBytes is how much is kept of what a child said last.
const maxWordBytes = 2048

// lastWords passes on what a child says, and keeps the end of it.
type lastWords struct {
	out  io.Writer
	kept []byte
}

// Write passes the bytes on.
func (w *lastWords) Write(data []byte) (int, error) {
	w.kept = append(w.kept, data...)
	w.kept = bytes.Clone(w.kept[max(0, len(w.kept)-maxWordBytes):])
	return w.out.Write(data)
}

// String returns the last line.
func (w *lastWords) String() string {
	text := strings.TrimSpace(strings.ToValidUTF8(string(w.kept), ""))
	return text[strings.LastIndexByte(text, '\n')+1:]
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
