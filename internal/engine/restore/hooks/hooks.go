// Package hooks runs the hooks of a restore: commands in pods that are there already, before anything is changed, and commands
// in what was restored, when its containers are ready; and it knows which init containers a restored pod gets.
//
// A command before runs at most once: that they begin is put on record first, and no other attempt runs any. A command after
// runs at least once: an attempt that goes on with a restore runs all of them.
//
// Begin with Session.
package hooks

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"github.com/go-logr/logr"
	"golang.org/x/sync/errgroup"
	"k8s.io/utils/clock"

	"github.com/soda-cdm/kahu/internal/core"
	"github.com/soda-cdm/kahu/internal/core/hook"
	"github.com/soda-cdm/kahu/internal/core/selection"
	"github.com/soda-cdm/kahu/internal/engine"
	"github.com/soda-cdm/kahu/internal/engine/pods"
	"github.com/soda-cdm/kahu/internal/engine/quiesce"
)

// The bounds of a run of hooks.
const (
	// maxPods bounds the pods in which commands run for one restore, maxLists the namespaces that are listed one by one.
	maxPods  = 10_000
	maxLists = 100
	// freshTime is how long it counts that the run was this attempt's, recordTime bounds the writing of a record.
	freshTime  = time.Second
	recordTime = 15 * time.Second
)

// Cluster is what is asked of a cluster.
type Cluster interface {
	pods.Cluster
	engine.LivingGetter
	engine.ChangeWaiter
}

// Record is what outlives this process.
type Record interface {
	// Begin writes down that commands before may run from now on. After an error none may.
	Begin(ctx context.Context, begun quiesce.Begun) error
	// Before writes down that all of them have run, After that nothing is left to run.
	Before(ctx context.Context, outcome quiesce.Outcome) error
	After(ctx context.Context, outcome quiesce.Outcome) error
}

// Runner runs hooks.
type Runner struct {
	Cluster  Cluster
	Commands quiesce.Commands
	Clock    clock.WithTicker
	// Log is told of every command and what it wrote.
	Log logr.Logger
	// AtOnce is in how many pods commands run at the same time, at least 1.
	AtOnce int
	// Patience is how long a command after is tried again whose pod cannot be reached; 0 means a minute.
	Patience time.Duration
}

// Request is one wish.
type Request struct {
	// Name is that of the Restore.
	Name string
	// Sets are the hooks of the spec.
	Sets []hook.Set
	// Begun tells that the commands before have run in an earlier attempt.
	Begun bool
	// Record is what outlives this process.
	Record Record
}

// Scope is what a restore knows when it has a plan.
type Scope struct {
	// Kinds are those of the backup and of the cluster, Filters those of the restore, and Namespaces those into which it
	// restores, by their names in the cluster.
	Kinds      []core.Kind
	Filters    selection.Filters
	Namespaces []string
	// Source returns under which namespace and name filters mean an object of the cluster.
	Source func(kind core.Kind, namespace, name string) (inNamespace, asName string)
	// Made tells whether this restore has made a living object what it is.
	Made func(living core.Living) bool
	// Confirm returns an error where the run is not this attempt's any more.
	Confirm func(ctx context.Context) error
	// Lineage tells what controlled, in the backup, what is restored without that. It is asked for where sets choose restored pods.
	Lineage func(ctx context.Context) (*hook.Lineage, error)
	// Resumed tells that an earlier attempt has restored some of it already.
	Resumed bool
	// Waits is told once that the hooks after wait for containers, or run; nil: nobody wants to know.
	Waits func()
	// Ledger is told of every command.
	Ledger *engine.Ledger
}

func (s *Scope) waits() {
	if s.Waits != nil {
		s.Waits()
	}
}

// Session is the hooks of one run.
type Session struct {
	runner  *Runner
	request Request
	scope   Scope
	chosen  *selection.Selector
	rules   *hook.Rules
	lineage *hook.Lineage
	// annotated tells that a restored object has an annotation that asks for a command after, in itself or in a template.
	annotated atomic.Bool

	earlier bool // an earlier attempt has run the commands before
	mu      sync.Mutex
	matches hook.Matches
}

// Session returns the hooks of a run.
func (r *Runner) Session(request Request) *Session {
	return &Session{runner: r, request: request, earlier: request.Begun, matches: hook.Matches{}}
}

// match takes note of the sets that choose a pod, and whether the restore is about that.
func (s *Session) match(sets []string, in bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.matches.Add(sets, in)
}

// warnOfUnmatched tells of sets that are for no pod. What an earlier attempt has seen, nobody knows any more.
func (s *Session) warnOfUnmatched() {
	if s.earlier || s.scope.Resumed {
		return
	}
	for _, text := range s.matches.Unmatched(s.request.Sets, "of the restore") {
		s.scope.Ledger.Warn(core.Key{}, text)
	}
}

// Prepare finds out whether the hooks can be run in that scope.
func (s *Session) Prepare(ctx context.Context, scope Scope) (err error) {
	rules, problems := hook.Compile(s.request.Sets, scope.Kinds)
	for _, set := range s.request.Sets {
		for _, init := range set.Init {
			problems = append(problems, hook.CheckInit(init.Origin+".initContainers", init.Containers)...)
		}
	}
	if len(problems) > 0 {
		return &engine.InvalidError{Problems: problems}
	}
	s.scope, s.rules = scope, rules
	s.chosen, _ = selection.Compile(scope.Filters, scope.Kinds) // What is wrong with them has been told when objects were chosen.
	if slices.ContainsFunc(s.request.Sets, func(set hook.Set) bool { return len(set.Init)+len(set.Post) > 0 }) {
		s.lineage, err = scope.Lineage(ctx)
	}
	return err
}

// Before runs the commands before anything is changed.
func (s *Session) Before(ctx context.Context) error {
	wanted := slices.ContainsFunc(s.request.Sets, func(set hook.Set) bool { return len(set.Pre) > 0 })
	if !wanted || s.request.Begun {
		return nil
	}
	plans, err := s.existing(ctx)
	if err != nil || len(plans) == 0 {
		return err
	}
	work := s.work()
	if err := s.request.Record.Begin(ctx, quiesce.Begun{Began: s.runner.Clock.Now(), Pods: plans}); err != nil {
		return fmt.Errorf("writing down that hooks begin: %w", err)
	}
	s.request.Begun = true
	confirmed := s.runner.Clock.Now()
	mayBegin := func() bool { return s.mayBegin(ctx, work, &confirmed) }
	var group errgroup.Group
	group.SetLimit(max(1, s.runner.AtOnce))
	for _, plan := range plans {
		group.Go(func() error {
			for _, command := range plan.Pre {
				if !mayBegin() {
					work.leave()
					break
				}
				// It is waited for also where the run is ended meanwhile: what it does is then known.
				work.note(noted{plan.Pod, command, s.runner.Commands.Run(context.WithoutCancel(ctx), plan.Pod, command), true})
			}
			return nil
		})
	}
	_ = group.Wait() // They return none.
	err = cmp.Or(work.failed(), ctx.Err())
	if work.interrupted() {
		return err // The record says that they have begun, and nobody says that they have run.
	}
	outcome := work.outcome(err, len(plans))
	recording, cancel := context.WithTimeout(context.WithoutCancel(ctx), recordTime)
	defer cancel()
	return errors.Join(err, s.request.Record.Before(recording, outcome))
}

// mayBegin tells whether a command before may begin.
func (s *Session) mayBegin(ctx context.Context, work *work, confirmed *time.Time) bool {
	if ctx.Err() != nil || work.failed() != nil {
		return false
	}
	work.asking.Lock()
	defer work.asking.Unlock()
	if s.runner.Clock.Since(*confirmed) < freshTime {
		return true
	}
	asked := s.runner.Clock.Now()
	if err := s.scope.Confirm(ctx); err != nil {
		work.stop(err)
		return false
	}
	*confirmed = asked
	return true
}

// existing returns what runs in the pods that are there.
func (s *Session) existing(ctx context.Context) ([]hook.Plan, error) {
	look := &search{
		Session: s, finder: &pods.Finder{Cluster: s.runner.Cluster, Kinds: s.scope.Kinds}, asleep: map[core.Key]bool{},
	}
	for _, namespace := range s.listed() {
		before := len(look.plans)
		again := func() { look.plans = look.plans[:before] }
		visit := s.ours(func(object core.Object, pod hook.Pod) error { return look.visit(ctx, object, pod) })
		if err := look.finder.Each(ctx, namespace, again, visit); err != nil {
			return nil, err
		}
	}
	return look.plans, nil
}

// search looks for what runs in the pods that are there.
type search struct {
	*Session

	finder *pods.Finder
	plans  []hook.Plan
	asleep map[core.Key]bool // the pods that do not run, of which people have been told
}

// visit takes note of what runs in a pod.
func (s *search) visit(ctx context.Context, object core.Object, pod hook.Pod) (err error) {
	if pod.Over || pod.Going {
		return nil
	}
	if pod.Owners, err = s.finder.Owners(ctx, object); err != nil {
		return err
	}
	known := pod.Known(s.scope.Source)
	commands, sets := s.rules.Before(&known)
	in := s.chosen == nil || hook.InScope(s.chosen, &known)
	s.match(sets, in)
	switch {
	case len(commands) == 0 || !in:
		return nil
	case !pod.Running:
		if !s.asleep[object.Key()] {
			s.asleep[object.Key()] = true
			s.scope.Ledger.Warn(object.Key(), fmt.Sprintf("Pod %s/%s has hooks and does not run: they are left out", pod.Namespace, pod.Name))
		}
		return nil
	case len(s.plans) == maxPods:
		return fmt.Errorf("hooks are to run in more than %d pods: %w", maxPods, core.ErrInvalid)
	}
	s.plans = append(s.plans, hook.Plan{Pod: pod, Pre: commands})
	return nil
}

// ours visits those pods only that are in the namespaces of the restore.
func (s *Session) ours(visit func(object core.Object, pod hook.Pod) error) func(object core.Object, pod hook.Pod) error {
	return func(object core.Object, pod hook.Pod) error {
		if !slices.Contains(s.scope.Namespaces, pod.Namespace) {
			return nil
		}
		return visit(object, pod)
	}
}

// listed returns the namespaces that are listed; an empty one means all.
func (s *Session) listed() []string {
	if len(s.scope.Namespaces) > maxLists {
		return []string{""}
	}
	return s.scope.Namespaces
}

func (s *Session) work() *work {
	return &work{Runner: s.runner, name: s.request.Name, ledger: s.scope.Ledger}
}
