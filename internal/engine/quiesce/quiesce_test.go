package quiesce_test

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"k8s.io/utils/clock"

	"github.com/soda-cdm/kahu/internal/core"
	"github.com/soda-cdm/kahu/internal/core/hook"
	"github.com/soda-cdm/kahu/internal/core/selection"
	"github.com/soda-cdm/kahu/internal/core/volumework"
	"github.com/soda-cdm/kahu/internal/engine"
	"github.com/soda-cdm/kahu/internal/engine/quiesce"
	"github.com/soda-cdm/kahu/internal/testkit/fakecluster"
)

var (
	errOther = errors.New("another has it")
	errCut   = errors.New("no snapshot")
)

// stage is a cluster with pods, what is on record, and all that happens, in its order.
type stage struct {
	cluster *fakecluster.Cluster
	answer  func(ctx context.Context, what string) string // the outcome of a command; empty means Completed
	refuse  map[string]error                              // of the record
	uncut   []volumework.Uncut                            // what cannot be cut
	slow    bool                                          // to write down what was cut takes all the quiet time

	mu      sync.Mutex
	events  []string
	outcome quiesce.Outcome
	begun   quiesce.Begun
	held    quiesce.Held
}

func newStage(t *testing.T, pods ...string) *stage {
	t.Helper()
	made := &stage{cluster: fakecluster.New(hook.PodKind()), refuse: map[string]error{}}
	for _, name := range pods {
		made.cluster.Put(t, hook.PodKind(), "shop", name, `{"spec":{"containers":[{"name":"main"}]},"status":{"phase":"Running"}}`)
	}
	return made
}

func (s *stage) happens(what string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.events = append(s.events, what)
}

func (s *stage) Run(ctx context.Context, pod hook.Pod, command hook.Command) hook.Result {
	what := pod.Name + " " + strings.Join(command.Words, " ")
	s.happens(what)
	outcome := hook.Completed
	if s.answer != nil {
		if got := s.answer(ctx, what); got != "" {
			outcome = got
		}
	}
	now := clock.RealClock{}.Now()
	return hook.Result{Outcome: outcome, Container: "main", Message: "said " + outcome, Began: now, Ended: now, Output: "secret"}
}

func (s *stage) Begin(_ context.Context, begun quiesce.Begun) error {
	s.happens("begin")
	s.begun = begun
	return s.refuse["begin"]
}

func (s *stage) Confirm(context.Context) error { return s.refuse["confirm"] }

func (s *stage) Held(ctx context.Context, held quiesce.Held) error {
	s.happens("held")
	s.held = held
	if s.slow {
		s.slow = false
		<-ctx.Done()
		return ctx.Err()
	}
	return s.refuse["held"]
}

func (s *stage) End(ctx context.Context, outcome quiesce.Outcome) error {
	s.happens("end")
	s.outcome = outcome
	return errors.Join(ctx.Err(), s.refuse["end"])
}

func (s *stage) runner() *quiesce.Runner {
	return &quiesce.Runner{Cluster: s.cluster, Commands: s, Clock: clock.RealClock{}, AtOnce: 1, Patience: time.Nanosecond}
}

func words(commands ...string) (all []hook.Command) {
	for _, each := range commands {
		all = append(all, hook.Command{Origin: each, Words: []string{each}, Timeout: time.Second})
	}
	return all
}

func (s *stage) request() quiesce.Request {
	return quiesce.Request{
		Sets:  []hook.Set{{Field: "a", Pre: words("freeze", "sync"), Post: words("thaw", "tell")}},
		Limit: time.Minute, Record: s,
	}
}

// around runs hooks around a cut.
func (s *stage) around(ctx context.Context, t *testing.T, request quiesce.Request, cut func(ctx context.Context) error) (*engine.Ledger, error) {
	t.Helper()
	ledger, err := engine.NewLedger(clock.RealClock{})
	if err != nil {
		t.Fatal(err)
	}
	session := s.runner().Session(request)
	kinds := []core.Kind{hook.PodKind()}
	chosen, _ := selection.Compile(request.Filters, kinds)
	if err := session.Prepare(kinds, chosen); err != nil {
		return ledger, err
	}
	return ledger, session.Around(ctx, ledger, func(ctx context.Context, held bool) ([]volumework.Uncut, error) {
		s.happens("cut")
		if held != (len(s.events) > 1) {
			t.Errorf("the cut is told held: %v", held)
		}
		if cut == nil {
			return s.uncut, nil
		}
		return s.uncut, cut(ctx)
	})
}

// TestAround: what happens, in which order, whatever goes wrong.
func TestAround(t *testing.T) {
	t.Parallel()
	whole := []string{"begin", "db freeze", "db sync", "cut", "held", "db thaw", "db tell", "end"}
	without := []string{"begin", "db freeze", "db sync", "cut", "db thaw", "db tell", "end"}
	fails := func(at, as string) func(s *stage) {
		return func(s *stage) {
			s.answer = func(_ context.Context, what string) string {
				if what == at {
					return as
				}
				return ""
			}
		}
	}
	cases := map[string]struct {
		change func(s *stage)
		adjust func(request *quiesce.Request)
		cut    func(ctx context.Context) error
		want   []string
		reason string // of the failure
		is     error  // another failure
	}{
		"all is well":     {want: whole},
		"a pre hook":      {change: fails("db freeze", hook.CommandFailed), want: []string{"begin", "db freeze", "db thaw", "db tell", "end"}, reason: hook.CommandFailed},
		"one in time":     {change: fails("db sync", hook.TimedOut), want: []string{"begin", "db freeze", "db sync", "db thaw", "db tell", "end"}, reason: hook.TimedOut},
		"a post hook":     {change: fails("db thaw", hook.CommandFailed), want: whole, reason: hook.CommandFailed},
		"a container":     {change: fails("db freeze", hook.ContainerNotFound), want: []string{"begin", "db freeze", "db thaw", "db tell", "end"}, reason: hook.ContainerNotFound},
		"gone afterwards": {change: fails("db thaw", hook.PodGone), want: whole},
		"a container that may be missing": {
			change: fails("db freeze", hook.ContainerNotFound), want: whole,
			adjust: func(request *quiesce.Request) { request.Sets[0].Pre[0].SkipMissing = true },
		},
		"one that may fail": {
			change: fails("db freeze", hook.CommandFailed), want: whole,
			adjust: func(request *quiesce.Request) { request.Sets[0].Pre[0].Continue = true },
		},
		"the cut": {
			cut: func(context.Context) error { return errCut }, want: without, is: errCut,
		},
		"what was cut is not written down": {change: func(s *stage) { s.refuse["held"] = errOther }, want: whole, is: errOther},
		"what was cut is written down too late": {
			change: func(s *stage) { s.slow = true }, adjust: func(request *quiesce.Request) { request.Limit = 50 * time.Millisecond },
			want: []string{"begin", "db freeze", "db sync", "cut", "held", "db thaw", "db tell", "held", "end"},
		},
		"a cut without end": {
			cut:    func(ctx context.Context) error { <-ctx.Done(); return ctx.Err() },
			adjust: func(request *quiesce.Request) { request.Limit = 50 * time.Millisecond }, want: without, reason: quiesce.ReasonQuiesceTimeout,
		},
		"the record is not to be had": {
			change: func(s *stage) { s.refuse["begin"] = errOther }, want: []string{"begin"}, is: errOther,
		},
		"deposed before a hook": {
			change: func(s *stage) {
				s.refuse["confirm"] = errOther
				s.answer = func(_ context.Context, what string) string {
					if what == "db freeze" {
						<-clock.RealClock{}.After(1100 * time.Millisecond)
					}
					return ""
				}
			}, want: []string{"begin", "db freeze", "db thaw", "db tell", "end"}, is: errOther,
		},
		"the end is not written down": {change: func(s *stage) { s.refuse["end"] = errOther }, want: whole, is: errOther},
		"a namespace without pods": {
			adjust: func(request *quiesce.Request) { request.Filters.IncludeNamespaces = []string{"bank"} }, want: []string{"cut"},
		},
	}
	for name, test := range cases {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := newStage(t, "db")
			request := s.request()
			if test.change != nil {
				test.change(s)
			}
			if test.adjust != nil {
				test.adjust(&request)
			}
			_, err := s.around(t.Context(), t, request, test.cut)
			if diff := cmp.Diff(test.want, s.events); diff != "" {
				t.Errorf("(-want +got):\n%s", diff)
			}
			switch {
			case test.reason != "":
				if failed, is := errors.AsType[*quiesce.FailedError](err); !is || failed.Reason != test.reason || s.outcome.Reason != test.reason {
					t.Errorf("it fails with %v, on record is %q", err, s.outcome.Reason)
				}
			case !errors.Is(err, test.is), test.is == nil && err != nil:
				t.Errorf("it ends with %v", err)
			}
		})
	}
}

// TestHeldIsOnRecord: what could not be cut is on record before anybody goes on, with the time of the rest.
func TestHeldIsOnRecord(t *testing.T) {
	t.Parallel()
	s := newStage(t, "db")
	s.uncut = []volumework.Uncut{{Namespace: "shop", Name: "data", Message: "the array is full"}}
	if _, err := s.around(t.Context(), t, s.request(), nil); err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(s.uncut, s.held.Uncut); diff != "" || s.held.From.Before(s.begun.Began) || s.held.To.Before(s.held.From) || s.outcome.Ended.Before(s.held.To) {
		t.Errorf("on record is %+v, begun at %s, ended at %s: %s", s.held, s.begun.Began, s.outcome.Ended, diff)
	}
}

// TestCancelled: a run that is cancelled while its volumes are cut has its post hooks run, with a context of their own.
func TestCancelled(t *testing.T) {
	t.Parallel()
	s := newStage(t, "db")
	ctx, cancel := context.WithCancel(t.Context())
	s.answer = func(ctx context.Context, what string) string {
		if ctx.Err() != nil {
			t.Errorf("%s has no time", what)
		}
		return ""
	}
	_, err := s.around(ctx, t, s.request(), func(ctx context.Context) error { cancel(); return ctx.Err() })
	if want := []string{"begin", "db freeze", "db sync", "cut", "db thaw", "db tell", "end"}; !slices.Equal(want, s.events) || !errors.Is(err, context.Canceled) {
		t.Errorf("%v: %q", err, s.events)
	}
}

// TestPods: one after the other stops at the first failure, and those go on in which something may have run. Nothing of what
// commands write is in a warning, or on record.
func TestPods(t *testing.T) {
	t.Parallel()
	s := newStage(t, "a", "b", "c")
	s.cluster.Put(t, hook.PodKind(), "shop", "ended", `{"spec":{"containers":[{"name":"main"}]},"status":{"phase":"Succeeded"}}`)
	s.cluster.Put(t, hook.PodKind(), "shop", "waits", `{"spec":{"containers":[{"name":"main"}]},"status":{"phase":"Pending"}}`)
	s.answer = func(_ context.Context, what string) string {
		if what == "b freeze" {
			return hook.CommandFailed
		}
		return ""
	}
	ledger, err := s.around(t.Context(), t, s.request(), nil)
	want := []string{"begin", "a freeze", "a sync", "b freeze", "a thaw", "a tell", "b thaw", "b tell", "end"}
	if diff := cmp.Diff(want, s.events); diff != "" || err == nil {
		t.Errorf("%v (-want +got):\n%s", err, diff)
	}
	if len(s.begun.Pods) != 3 || s.outcome.Pods != 3 || s.outcome.Commands != 7 || s.outcome.Failed != 1 {
		t.Errorf("on record are %d pods, %+v", len(s.begun.Pods), s.outcome)
	}
	said := fmt.Sprint(ledger.Warnings, s.outcome, err)
	if strings.Contains(said, "secret") || !strings.Contains(said, "shop/waits") || !strings.Contains(said, "shop/b") {
		t.Errorf("it says %s", said)
	}
}

// TestInsists: a pod that cannot be reached is asked again for a while, before and not after.
func TestInsists(t *testing.T) {
	t.Parallel()
	s := newStage(t, "db")
	tries := 0
	s.answer = func(_ context.Context, what string) string {
		if what == "db thaw" && tries < 2 {
			tries++
			return hook.Unreachable
		}
		return ""
	}
	runner := s.runner()
	runner.Patience = time.Minute
	session := runner.Session(s.request())
	kinds := []core.Kind{hook.PodKind()}
	chosen, _ := selection.Compile(selection.Filters{}, kinds)
	ledger, _ := engine.NewLedger(clock.RealClock{})
	err := errors.Join(session.Prepare(kinds, chosen), session.Around(t.Context(), ledger, func(context.Context, bool) ([]volumework.Uncut, error) { return nil, nil }))
	want := []string{"begin", "db freeze", "db sync", "held", "db thaw", "db thaw", "db thaw", "db tell", "end"}
	if !slices.Equal(want, s.events) || err != nil {
		t.Errorf("%v: %q", err, s.events)
	}
}

// TestPostHookThatNeverRan: a post hook whose pod cannot be reached holds up no other one, and when it is given up, the status names
// the pod that may still be held still.
func TestPostHookThatNeverRan(t *testing.T) {
	t.Parallel()
	for _, outcome := range []string{hook.Unreachable, hook.ContainerNotRunning} {
		s := newStage(t, "cache", "db")
		s.answer = func(_ context.Context, what string) string {
			if what == "cache thaw" {
				return outcome
			}
			return ""
		}
		ledger, err := s.around(t.Context(), t, s.request(), nil)
		if err == nil || len(s.outcome.Stranded) != 1 || !strings.Contains(s.outcome.Message, "may still be held still in Pod shop/cache") || s.outcome.Reason != outcome {
			t.Errorf("%s: %v: on record is %+v", outcome, err, s.outcome)
		}
		if !slices.Contains(s.events, "db tell") || !strings.Contains(strings.Join(ledger.Warnings, "\n"), "held still in") {
			t.Errorf("%s: %q, %q", outcome, s.events, ledger.Warnings)
		}
	}
}

// TestPostHookThatFailed: a post hook that ran and failed may leave its pod held still, which the status and the failure say, with
// its name; one that may fail, and one of a pod in which nothing ran before, leave nobody so. It is not run again.
func TestPostHookThatFailed(t *testing.T) {
	t.Parallel()
	for name, test := range map[string]struct {
		adjust func(set *hook.Set)
		fails  []string
		held   bool
	}{
		"it":                     {fails: []string{"db thaw"}, held: true},
		"both":                   {fails: []string{"db thaw", "db tell"}, held: true},
		"and one before":         {fails: []string{"db freeze", "db thaw"}, held: true},
		"it may":                 {fails: []string{"db thaw"}, adjust: func(set *hook.Set) { set.Post[0].Continue = true }},
		"nothing was held still": {fails: []string{"db thaw"}, adjust: func(set *hook.Set) { set.Pre = nil }},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := newStage(t, "db")
			s.answer = func(_ context.Context, what string) string {
				if slices.Contains(test.fails, what) {
					return hook.CommandFailed
				}
				return ""
			}
			request := s.request()
			if test.adjust != nil {
				test.adjust(&request.Sets[0])
			}
			_, err := s.around(t.Context(), t, request, nil)
			const text = "the application may still be held still in Pod shop/db: the hooks after failed there; run them by hand. "
			failed, is := errors.AsType[*quiesce.FailedError](err)
			if (is && strings.HasPrefix(failed.Message, text)) != test.held || strings.HasPrefix(s.outcome.Message, text) != test.held ||
				slices.Equal(s.outcome.Stranded, []string{"Pod shop/db"}) != test.held {
				t.Errorf("%v: %+v", err, s.outcome)
			}
			if at := slices.Index(s.events, "db thaw"); slices.Contains(s.events[at+1:], "db thaw") {
				t.Errorf("it runs again: %q", s.events)
			}
		})
	}
}

// TestPostHookStaysOwed: one that could not be run when the run is taken away stays on record as owed; whoever goes on with it finds
// the same.
func TestPostHookStaysOwed(t *testing.T) {
	t.Parallel()
	s := newStage(t, "db")
	s.answer = func(_ context.Context, what string) string {
		if what == "db thaw" {
			return hook.Unreachable
		}
		return ""
	}
	ctx, cancel := context.WithCancel(t.Context())
	if _, err := s.around(ctx, t, s.request(), func(context.Context) error { cancel(); return nil }); err == nil || slices.Contains(s.events, "end") {
		t.Errorf("db is held still, and on record is that nothing is owed: %v, %q", err, s.events)
	}
	recorded := promised(s.begun.Pods)
	if outcome, err := s.runner().Resume(ctx, s.request(), recorded); err == nil {
		t.Errorf("who goes on, and ends too, says that they have run: %+v", outcome)
	}
	if outcome, err := s.runner().Resume(t.Context(), s.request(), recorded); err != nil || len(outcome.Stranded) != 1 {
		t.Errorf("who goes on: %+v, %v", outcome, err)
	}
	s.answer = nil
	if outcome, err := s.runner().Resume(t.Context(), s.request(), recorded); err != nil || len(outcome.Stranded) != 0 || outcome.Reason != "" {
		t.Errorf("when it can be reached again: %+v, %v", outcome, err)
	}
}

// TestClaims: whoever cuts volumes is told which of them are of pods that hold still.
func TestClaims(t *testing.T) {
	t.Parallel()
	s := newStage(t)
	const volumes = `{"spec":{"containers":[{"name":"main"}],"volumes":[{"name":"data","persistentVolumeClaim":{"claimName":"db-data"}},` +
		`{"name":"scratch","ephemeral":{}},{"name":"other","emptyDir":{}}]},"status":{"phase":"Running"}}`
	s.cluster.Put(t, hook.PodKind(), "shop", "db", volumes)
	s.cluster.Put(t, hook.PodKind(), "bank", "db", volumes)
	request := s.request()
	request.Sets[0].Filters.IncludeNamespaces = []string{"shop"}
	request.Sets = append(request.Sets, hook.Set{Field: "b", Filters: selection.Filters{IncludeNamespaces: []string{"bank"}}, Post: words("after")})
	session := s.runner().Session(request)
	kinds := []core.Kind{hook.PodKind()}
	chosen, _ := selection.Compile(selection.Filters{}, kinds)
	ledger, _ := engine.NewLedger(clock.RealClock{})
	var told []core.Key
	err := errors.Join(session.Prepare(kinds, chosen), session.Around(t.Context(), ledger, func(context.Context, bool) ([]volumework.Uncut, error) {
		told = session.Claims()
		return nil, nil
	}))
	claim := func(name string) core.Key {
		return core.Key{Resource: "persistentvolumeclaims", Namespace: "shop", Name: name}
	}
	if diff := cmp.Diff([]core.Key{claim("db-data"), claim("db-scratch")}, told); diff != "" || err != nil {
		t.Errorf("%v (-want +got):\n%s", err, diff)
	}
}
