package supervise_test

import (
	"bytes"
	"context"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/go-logr/logr"
	"k8s.io/utils/clock"

	"github.com/soda-cdm/kahu/internal/supervise"
)

// lines collects output and tells when a number of lines has come.
type lines struct {
	mu   sync.Mutex
	text bytes.Buffer
	want int
	done chan struct{}
}

func (l *lines) Write(data []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	before := strings.Count(l.text.String(), "\n")
	l.text.Write(data)
	if after := strings.Count(l.text.String(), "\n"); before < l.want && after >= l.want {
		close(l.done)
	}
	return len(data), nil
}

func run(t *testing.T, want int, children ...supervise.Child) (string, error) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 30*time.Second)
	defer cancel()
	output := &lines{want: want, done: make(chan struct{})}
	go func() {
		select {
		case <-output.done:
		case <-ctx.Done():
		}
		cancel()
	}()
	supervisor := supervise.Supervisor{Output: output, Logger: logr.Discard(), Clock: clock.RealClock{}}
	err := supervisor.Run(ctx, children)
	output.mu.Lock()
	defer output.mu.Unlock()
	return output.text.String(), err
}

func TestChildThatEndsIsStartedAgain(t *testing.T) {
	text, err := run(t, 3, supervise.Child{Name: "short", Path: "/bin/sh", Args: []string{"-c", "echo here; exit 3"}})
	if err != nil {
		t.Fatal(err)
	}
	if got := strings.Count(text, "here\n"); got < 3 {
		t.Errorf("the child ran %d times, want at least 3", got)
	}
}

func TestEndOfTheContextEndsTheChildren(t *testing.T) {
	marker := filepath.Join(t.TempDir(), "ended")
	script := `trap 'echo done > "` + marker + `"; exit 0' TERM; echo ready; while :; do sleep 0.05; done`
	if _, err := run(t, 1, supervise.Child{Name: "long", Path: "/bin/sh", Args: []string{"-c", script}}); err != nil {
		t.Fatal(err)
	}
	if _, err := os.Stat(marker); err != nil {
		t.Errorf("the child was not asked to end before it was ended: %v", err)
	}
}

func TestProgramThatIsNotThereEndsAll(t *testing.T) {
	_, err := run(t, 1000,
		supervise.Child{Name: "missing", Path: filepath.Join(t.TempDir(), "nothing")},
		supervise.Child{Name: "long", Path: "/bin/sleep", Args: []string{"60"}})
	if err == nil || !strings.Contains(err.Error(), "starting missing") {
		t.Errorf("got %v, want an error that names the child", err)
	}
}

// TestHopelessChildEndsAll: what it said last is in the error.
func TestHopelessChildEndsAll(t *testing.T) {
	for name, script := range map[string]string{"it fails": "echo hello; echo wrong address >&2; exit 1", "it ends": "echo wrong address"} {
		t.Run(name, func(t *testing.T) {
			text, err := run(t, 1000,
				supervise.Child{Name: "short", Path: "/bin/sh", Args: []string{"-c", script}},
				supervise.Child{Name: "long", Path: "/bin/sleep", Args: []string{"60"}})
			if !errors.Is(err, supervise.ErrHopeless) || !strings.Contains(err.Error(), "short ended 5 times") || !strings.Contains(err.Error(), ": wrong address: ") {
				t.Errorf("got %v", err)
			}
			if got := strings.Count(text, "wrong address\n"); got != 5 {
				t.Errorf("it ran %d times", got)
			}
		})
	}
}

// TestWhatCanPassIsTriedOn: neither what a child says that can pass, nor what somebody killed, ends the tree.
func TestWhatCanPassIsTriedOn(t *testing.T) {
	for name, script := range map[string]string{"it says so": "echo here; exit 75", "killed": "echo here; kill -KILL $$"} {
		t.Run(name, func(t *testing.T) {
			if text, err := run(t, 6, supervise.Child{Name: "short", Path: "/bin/sh", Args: []string{"-c", script}}); err != nil {
				t.Errorf("%v after %q", err, text)
			}
		})
	}
}
