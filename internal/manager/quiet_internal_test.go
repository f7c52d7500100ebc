package manager

import (
	"context"
	"errors"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/go-logr/logr"
	"github.com/go-logr/logr/funcr"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/client-go/rest"
	"k8s.io/client-go/tools/leaderelection/resourcelock"
	ctrl "sigs.k8s.io/controller-runtime"
	metricsserver "sigs.k8s.io/controller-runtime/pkg/metrics/server"
)

// leaseInMemory is a lease that nobody else wants.
type leaseInMemory struct {
	record *resourcelock.LeaderElectionRecord
}

func (l *leaseInMemory) Get(context.Context) (*resourcelock.LeaderElectionRecord, []byte, error) {
	if l.record == nil {
		return nil, nil, apierrors.NewNotFound(schema.GroupResource{}, "lease")
	}
	return l.record, nil, nil
}

func (l *leaseInMemory) Create(_ context.Context, record resourcelock.LeaderElectionRecord) error {
	l.record = &record
	return nil
}

func (l *leaseInMemory) Update(_ context.Context, record resourcelock.LeaderElectionRecord) error {
	l.record = &record
	return nil
}

func (*leaseInMemory) RecordEvent(string) {}
func (*leaseInMemory) Identity() string   { return "me" }
func (*leaseInMemory) Describe() string   { return "a lease in memory" }

// linesAtEnd lets a manager lead and ends it, and returns what it logged once one of the last lines has come.
func linesAtEnd(t *testing.T, loggerOf func(ctx context.Context) logr.Logger) []string {
	t.Helper()
	logged := make(chan string, 1000)
	ctx, end := context.WithCancel(logr.NewContext(t.Context(), funcr.New(func(_, line string) { logged <- line }, funcr.Options{})))
	defer end()
	made, err := ctrl.NewManager(&rest.Config{Host: "https://127.0.0.1:1"}, ctrl.Options{
		LeaderElection: true, LeaderElectionResourceLockInterface: &leaseInMemory{}, LeaderElectionReleaseOnCancel: true,
		Metrics: metricsserver.Options{BindAddress: "0"}, Logger: loggerOf(ctx),
	})
	if err != nil {
		t.Fatal(err)
	}
	over := make(chan error, 1)
	go func() { over <- made.Start(ctx) }()
	select {
	case <-made.Elected():
	case <-time.After(30 * time.Second): //nolint:forbidigo // It bounds the test.
		t.Fatal("it does not lead")
	}
	end()
	if err := <-over; err != nil {
		t.Errorf("it ended with %v", err)
	}
	var lines []string
	bound := time.After(time.Second) //nolint:forbidigo // A line that must not come is waited for this long.
	for {
		select {
		case line := <-logged:
			lines = append(lines, line)
			if strings.Contains(line, afterStop) {
				return lines
			}
		case <-bound:
			return lines
		}
	}
}

// TestCleanEndIsNoError: a manager that is asked to end says nothing of an error; controller-runtime itself does, in the
// words that are held back here.
func TestCleanEndIsNoError(t *testing.T) {
	t.Parallel()
	isOne := func(line string) bool { return strings.Contains(line, afterStop) && strings.Contains(line, leaseLost) }
	plain := linesAtEnd(t, logr.FromContextOrDiscard)
	if !slices.ContainsFunc(plain, isOne) {
		t.Errorf("controller-runtime has other words by now: %q", plain)
	}
	quiet := linesAtEnd(t, quietAtEnd)
	if slices.ContainsFunc(quiet, isOne) || len(quiet) == 0 {
		t.Errorf("logged %q", quiet)
	}
}

// TestNoLogger: whoever wants no lines gets none.
func TestNoLogger(t *testing.T) {
	t.Parallel()
	quietAtEnd(logr.NewContext(t.Context(), logr.Discard())).WithName("manager").Error(errors.New("lost"), "no line")
}

// TestEverythingElseIsLogged: the same line before the end, other lines at the end, with names and values.
func TestEverythingElseIsLogged(t *testing.T) {
	t.Parallel()
	lost := errors.New(leaseLost)
	for name, test := range map[string]struct {
		err     error
		message string
		ended   bool
		want    int
	}{
		"the line at the end":      {lost, afterStop, true, 0},
		"the line before the end":  {lost, afterStop, false, 1},
		"another error at the end": {errors.New("a worker does not end"), afterStop, true, 1},
		"no error":                 {nil, afterStop, true, 1},
		"another line at the end":  {lost, "something else", true, 1},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			var lines []string
			ctx, end := context.WithCancel(logr.NewContext(t.Context(), funcr.New(func(_, line string) { lines = append(lines, line) }, funcr.Options{})))
			defer end()
			logger := quietAtEnd(ctx).WithName("manager").WithValues("a", "b")
			if test.ended {
				end()
			}
			logger.Error(test.err, test.message)
			if len(lines) != test.want {
				t.Errorf("logged %q", lines)
			}
		})
	}
}
