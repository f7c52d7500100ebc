package hooks_test

import (
	"context"
	"errors"
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
	"github.com/soda-cdm/kahu/internal/engine"
	"github.com/soda-cdm/kahu/internal/engine/quiesce"
	"github.com/soda-cdm/kahu/internal/engine/restore/hooks"
	"github.com/soda-cdm/kahu/internal/testkit/fakecluster"
)

var errOther = errors.New("another has it")

const (
	statusOfReady = `{"phase":"Running","containerStatuses":[{"name":"main","ready":true,"state":{"running":{}}}]}`

	ready   = `{"spec":{"containers":[{"name":"main"}]},"status":` + statusOfReady + `}`
	waiting = `{"spec":{"containers":[{"name":"main"}]},"status":{"phase":"Running","containerStatuses":[{"name":"main","state":{"running":{}}}]}}`
)

// stage is a cluster, what is on record, and all that happens, in its order.
type stage struct {
	cluster *fakecluster.Cluster
	answer  func(what string) string // the outcome of a command; empty means Completed
	refuse  map[string]error         // of the record
	made    map[string]bool          // what this restore made, by its name
	end     func()                   // ends the run

	first  bool // nothing was restored before
	ledger *engine.Ledger

	mu      sync.Mutex
	events  []string
	outcome quiesce.Outcome
}

func newStage() *stage {
	return &stage{cluster: fakecluster.New(hook.PodKind(), replicaSets(), claims()), refuse: map[string]error{}, made: map[string]bool{}}
}

func claims() core.Kind {
	return core.Kind{Version: "v1", Name: "PersistentVolumeClaim", Resource: "persistentvolumeclaims", Namespaced: true}
}

func replicaSets() core.Kind {
	return core.Kind{Group: "apps", Version: "v1", Name: "ReplicaSet", Resource: "replicasets", Namespaced: true}
}

func (s *stage) happens(what string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.events = append(s.events, what)
}

func (s *stage) happened() []string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return slices.Clone(s.events)
}

func (s *stage) Run(_ context.Context, pod hook.Pod, command hook.Command) hook.Result {
	what := pod.Name + " " + strings.Join(command.Words, " ")
	s.happens(what)
	outcome := hook.Completed
	if s.answer != nil && s.answer(what) != "" {
		outcome = s.answer(what)
	}
	now := clock.RealClock{}.Now()
	return hook.Result{Outcome: outcome, Container: "main", Message: "said " + outcome, Began: now, Ended: now}
}

func (s *stage) Begin(context.Context, quiesce.Begun) error {
	s.happens("begin")
	return s.refuse["begin"]
}

func (s *stage) Before(_ context.Context, outcome quiesce.Outcome) error {
	s.happens("before")
	s.outcome = outcome
	return nil
}

func (s *stage) After(_ context.Context, outcome quiesce.Outcome) error {
	s.happens("after")
	s.outcome = outcome
	return nil
}

// session is that of a restore of shop into the namespace there.
func (s *stage) session(t *testing.T, request hooks.Request) *hooks.Session {
	t.Helper()
	ledger, err := engine.NewLedger(clock.RealClock{})
	if err != nil {
		t.Fatal(err)
	}
	request.Record = s
	s.ledger = ledger
	made := (&hooks.Runner{Cluster: s.cluster, Commands: s, Clock: clock.RealClock{}, AtOnce: 1, Patience: time.Nanosecond}).Session(request)
	err = made.Prepare(t.Context(), hooks.Scope{
		Lineage: func(context.Context) (*hook.Lineage, error) { return hook.NewLineage(nil, nil), nil }, Resumed: !s.first,
		Kinds: []core.Kind{hook.PodKind(), replicaSets()}, Namespaces: []string{"there"}, Ledger: ledger,
		Source:  func(_ core.Kind, _, name string) (string, string) { return "shop", name },
		Made:    func(living core.Living) bool { return s.made[living.Name] },
		Confirm: func(context.Context) error { return s.refuse["confirm"] },
	})
	if err != nil {
		t.Fatal(err)
	}
	return made
}

func words(wait time.Duration, commands ...string) (all []hook.Command) {
	for _, each := range commands {
		all = append(all, hook.Command{Origin: each, Words: []string{each}, Timeout: time.Second, Wait: wait})
	}
	return all
}

func TestBefore(t *testing.T) {
	t.Parallel()
	set := hook.Set{Field: "a", Pre: words(0, "drain", "stop")}
	set.Filters.IncludeNamespaces = []string{"shop"}
	cases := map[string]struct {
		change func(s *stage, request *hooks.Request)
		want   []string
		fails  bool
	}{
		"all":           {want: []string{"begin", "db drain", "db stop", "before"}},
		"begun earlier": {change: func(_ *stage, request *hooks.Request) { request.Begun = true }},
		"no record":     {change: func(s *stage, _ *hooks.Request) { s.refuse["begin"] = errOther }, want: []string{"begin"}, fails: true},
		"no pod": {change: func(s *stage, _ *hooks.Request) {
			s.cluster.Remove(hook.PodKind(), "there", "db")
		}},
		"ended in between": {change: func(s *stage, _ *hooks.Request) {
			s.answer = func(string) string {
				s.end()
				return ""
			}
		}, want: []string{"begin", "db drain"}, fails: true},
		"ended at the last one": {change: func(s *stage, _ *hooks.Request) {
			s.answer = func(what string) string {
				if what == "db stop" {
					s.end()
				}
				return ""
			}
		}, want: []string{"begin", "db drain", "db stop", "before"}, fails: true},
		"one fails": {change: func(s *stage, _ *hooks.Request) {
			s.answer = func(string) string { return hook.CommandFailed }
		}, want: []string{"begin", "db drain", "before"}, fails: true},
	}
	for name, test := range cases {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := newStage()
			s.cluster.Put(t, hook.PodKind(), "there", "db", ready)
			s.cluster.Put(t, hook.PodKind(), "shop", "elsewhere", ready)
			request := hooks.Request{Sets: []hook.Set{set}}
			if test.change != nil {
				test.change(s, &request)
			}
			var ctx context.Context
			ctx, s.end = context.WithCancel(t.Context())
			err := s.session(t, request).Before(ctx)
			if diff := cmp.Diff(test.want, s.happened()); diff != "" || (err != nil) != test.fails {
				t.Errorf("%v (-want +got):\n%s", err, diff)
			}
		})
	}
}

// TestAfterBefore: that commands before have run is on record, and so is that none comes any more, also where none comes after and
// in the attempt after the one that ran them.
func TestAfterBefore(t *testing.T) {
	t.Parallel()
	for name, again := range map[string]bool{"the same attempt": false, "the next one": true} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := newStage()
			s.cluster.Put(t, hook.PodKind(), "there", "db", ready)
			session := s.session(t, hooks.Request{Sets: []hook.Set{{Field: "a", Pre: words(0, "drain")}}, Begun: again})
			if err := errors.Join(session.Before(t.Context()), session.After(t.Context())); err != nil {
				t.Fatal(err)
			}
			want := []string{"begin", "db drain", "before", "after"}
			if again {
				want = want[3:]
			}
			if diff := cmp.Diff(want, s.happened()); diff != "" {
				t.Errorf("(-want +got):\n%s", diff)
			}
		})
	}
}

func TestAfter(t *testing.T) {
	t.Parallel()
	const wait = 400 * time.Millisecond
	cases := map[string]struct {
		pod      string
		commands []hook.Command
		answer   func(what string) string
		made     bool
		want     []string
		reason   string
	}{
		"restored":      {pod: ready, made: true, want: []string{"db warm", "db tell", "after"}},
		"not restored":  {pod: ready},
		"never ready":   {pod: waiting, made: true, want: []string{"after"}, reason: hook.NotReady},
		"it has ended":  {pod: `{"status":{"phase":"Succeeded"}}`, made: true},
		"the first one": {pod: ready, made: true, answer: func(string) string { return hook.CommandFailed }, want: []string{"db warm", "after"}, reason: hook.CommandFailed},
		"no container":  {pod: ready, made: true, answer: func(string) string { return hook.ContainerNotFound }, want: []string{"db warm", "after"}, reason: hook.ContainerNotFound},
		"it goes away":  {pod: ready, made: true, answer: func(string) string { return hook.PodGone }, want: []string{"db warm", "after"}, reason: hook.PodGone},
		"continue": {
			pod: ready, made: true, commands: []hook.Command{{Words: []string{"warm"}, Continue: true, Timeout: time.Second}, words(wait, "tell")[0]},
			answer: func(what string) string {
				if what == "db warm" {
					return hook.TimedOut
				}
				return ""
			},
			want: []string{"db warm", "db tell", "after"},
		},
	}
	for name, test := range cases {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := newStage()
			s.cluster.Put(t, hook.PodKind(), "there", "db", test.pod)
			s.made["db"], s.answer = test.made, test.answer
			commands := test.commands
			if commands == nil {
				commands = words(wait, "warm", "tell")
			}
			err := s.session(t, hooks.Request{Sets: []hook.Set{{Field: "a", Post: commands}}}).After(t.Context())
			if diff := cmp.Diff(test.want, s.happened()); diff != "" || s.outcome.Reason != test.reason || (err != nil) != (test.reason != "") {
				t.Errorf("%v, %+v (-want +got):\n%s", err, s.outcome, diff)
			}
		})
	}
}

// TestAfterWaits: the commands run when a container has become ready, and in every pod that a restored workload is to have.
func TestAfterWaits(t *testing.T) {
	t.Parallel()
	s := newStage()
	s.made["web"] = true
	s.cluster.Put(t, replicaSets(), "there", "web", `{"spec":{"replicas":2,"template":{"metadata":{"annotations":{"post.hook.restore.kahu.io/command":"warm"}}}}}`)
	owner, err := s.cluster.Living(t.Context(), replicaSets(), "there", "web")
	if err != nil {
		t.Fatal(err)
	}
	pod := func(content string) string {
		return `{"metadata":{"annotations":{"post.hook.restore.kahu.io/command":"warm"},"ownerReferences":[{"apiVersion":"apps/v1","kind":"ReplicaSet","name":"web","uid":"` +
			string(owner.UID) + `","controller":true}]},` + content[1:]
	}
	s.cluster.Put(t, hook.PodKind(), "there", "web-1", pod(waiting))
	ended := make(chan error, 1)
	session := s.session(t, hooks.Request{})
	go func() { ended <- session.After(t.Context()) }()
	s.cluster.Put(t, hook.PodKind(), "there", "web-2", pod(ready))
	select {
	case err := <-ended:
		t.Fatalf("it does not wait: %v, %v", err, s.happened())
	case <-clock.RealClock{}.After(time.Second):
	}
	s.cluster.Change(t, hook.PodKind(), "there", "web-1", `{"status":`+statusOfReady+`}`)
	select {
	case err = <-ended:
	case <-clock.RealClock{}.After(2 * time.Minute):
		t.Fatalf("it does not end: %v", s.happened())
	}
	got := s.happened()
	slices.Sort(got)
	if diff := cmp.Diff([]string{"after", "web-1 warm", "web-2 warm"}, got); diff != "" || err != nil || s.outcome.Pods != 2 {
		t.Errorf("%v %+v (-want +got):\n%s", err, s.outcome, diff)
	}
}

// TestSetsWithoutPods: a set that is for no pod is warned of by its field and name, by whoever has seen all of the restore.
func TestSetsWithoutPods(t *testing.T) {
	t.Parallel()
	for name, test := range map[string]struct{ first, begun bool }{
		"the first attempt": {true, false}, "another one": {false, false}, "after commands before": {true, true},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := newStage()
			s.first, s.made = test.first, map[string]bool{"web": true}
			s.cluster.Put(t, hook.PodKind(), "there", "db", ready)
			s.cluster.Put(t, hook.PodKind(), "there", "web", ready)
			set := func(pod string) hook.Set {
				made := hook.Set{Field: "set of " + pod, Name: "a name"}
				made.Filters.IncludeResources = []selection.ResourceFilter{{Kind: "pods", Name: pod}}
				return made
			}
			before, after, idle, foreign, drafted := set("db"), set("web"), set("mistyped"), set("db"), set("file")
			before.Pre, after.Post, idle.Pre, idle.Post = words(0, "drain"), words(0, "go"), words(0, "drain"), words(0, "go")
			foreign.Field, foreign.Post, drafted.Post = "foreign set", words(0, "go"), words(0, "go")
			session := s.session(t, hooks.Request{Sets: []hook.Set{before, after, idle, foreign, drafted}, Begun: test.begun})
			session.Asked(hook.PodKind(), core.Key{Resource: "pods", Namespace: "shop", Name: "file"}, map[string]any{"metadata": map[string]any{}})
			if err := errors.Join(session.Before(t.Context()), session.After(t.Context())); err != nil {
				t.Fatal(err)
			}
			var want []string
			if test.first && !test.begun {
				want = []string{
					`set of mistyped "a name" chooses no pod of the restore, and nothing runs for it: see whether its names and labels are right`,
					`foreign set "a name" chooses no pod of the restore, and nothing runs for it: the pods that it chooses are not part of it, see whether the filters of the spec are right`,
				}
			}
			if diff := cmp.Diff(want, s.ledger.Warnings); diff != "" {
				t.Errorf("(-want +got):\n%s", diff)
			}
		})
	}
}

// TestWhyNotReady: whoever waited in vain is told for what.
func TestWhyNotReady(t *testing.T) {
	t.Parallel()
	for name, test := range map[string]struct{ pod, want string }{
		"no image": {
			`{"spec":{"containers":[{"name":"main"}]},"status":{"phase":"Pending","containerStatuses":[{"name":"main",
				"state":{"waiting":{"reason":"ImagePullBackOff"}}}]}}`,
			"container main waits: ImagePullBackOff",
		},
		"no claim": {
			`{"spec":{"containers":[{"name":"main"}],"volumes":[{"name":"a","persistentVolumeClaim":{"claimName":"lost"}}]},"status":{"phase":"Pending",
				"conditions":[{"type":"PodScheduled","status":"False","reason":"Unschedulable"}]}}`,
			"PersistentVolumeClaim lost is not there; no node has taken it: Unschedulable",
		},
		"no volume": {
			`{"spec":{"containers":[{"name":"main"}],"volumes":[{"name":"a","ephemeral":{}}]},"status":{"phase":"Pending"}}`,
			"PersistentVolumeClaim db-a has no volume; no node has begun it yet",
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := newStage()
			s.made["db"] = true
			s.cluster.Put(t, claims(), "there", "db-a", `{"status":{"phase":"Pending"}}`)
			s.cluster.Put(t, hook.PodKind(), "there", "db", test.pod)
			err := s.session(t, hooks.Request{Sets: []hook.Set{{Field: "a", Post: words(400*time.Millisecond, "warm")}}}).After(t.Context())
			if err == nil || s.outcome.Reason != hook.NotReady || !strings.Contains(s.outcome.Message, test.want) {
				t.Errorf("%v, %+v", err, s.outcome)
			}
		})
	}
}
