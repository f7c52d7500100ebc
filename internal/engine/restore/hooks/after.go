package hooks

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"
	"time"

	"golang.org/x/sync/errgroup"
	"k8s.io/apimachinery/pkg/types"

	"github.com/soda-cdm/kahu/internal/core"
	"github.com/soda-cdm/kahu/internal/core/hook"
	"github.com/soda-cdm/kahu/internal/core/selection"
	"github.com/soda-cdm/kahu/internal/engine/pods"
)

const (
	// pauseTime is between two looks at the pods, however often these change, and restShare times as long as a look took where that
	// is more; lookTime is when they are looked at again without a change.
	pauseTime = 250 * time.Millisecond
	restShare = 2
	lookTime  = 10 * time.Second
	// defaultPatience is how long a command is tried whose pod cannot be reached, retryTime the pause between.
	defaultPatience = time.Minute
	retryTime       = time.Second
)

// after is the commands after a restore while they are waited for and run.
type after struct {
	*Session
	*work

	began     time.Time
	workloads []*workload
	woken     chan struct{}
	running   errgroup.Group

	passed map[types.UID]bool // the pods in which none are to run
	owner  map[types.UID]bool // whether this restore made it

	mu   sync.Mutex
	pods map[types.UID]*target
}

// target is a pod in which commands are to run.
type target struct {
	pod      hook.Pod
	commands []hook.Command
	begun    bool
	over     bool // all of them have run, or are given up
	gone     bool
}

// After waits for the containers of what was restored, and runs the commands after.
func (s *Session) After(ctx context.Context) error {
	a := &after{
		Session: s, work: s.work(), began: s.runner.Clock.Now(), woken: make(chan struct{}, 1),
		pods: map[types.UID]*target{}, passed: map[types.UID]bool{}, owner: map[types.UID]bool{},
	}
	a.running.SetLimit(max(1, s.runner.AtOnce))
	var err error
	if s.mayAsk() {
		if a.workloads, err = s.workloads(ctx, a.began); err != nil {
			return err
		}
		err = a.loop(ctx)
	}
	_ = a.running.Wait() // They return none.
	if err != nil {
		return err
	}
	s.warnOfUnmatched()
	if len(a.pods)+len(a.workloads) == 0 && a.failed() == nil && !s.request.Begun {
		return nil // There is no record that would have to be ended.
	}
	err = a.failed()
	recording, cancel := context.WithTimeout(context.WithoutCancel(ctx), recordTime)
	defer cancel()
	return errors.Join(err, s.request.Record.After(recording, a.outcome(err, len(a.pods))))
}

// mayAsk tells whether anything of the restore can ask for a command after. Where nothing does, the cluster is asked nothing.
func (s *Session) mayAsk() bool {
	if len(s.scope.Namespaces) == 0 {
		return false
	}
	// What an earlier attempt has restored is not read again.
	return s.annotated.Load() || s.scope.Resumed || slices.ContainsFunc(s.request.Sets, func(set hook.Set) bool { return len(set.Post) > 0 })
}

// loop looks at the pods whenever one has changed, until nothing is left to wait for.
func (a *after) loop(ctx context.Context) error {
	watching, end := context.WithCancel(ctx)
	var watchers sync.WaitGroup
	defer watchers.Wait()
	defer end()
	watched := false
	for {
		began := a.runner.Clock.Now()
		if err := a.look(ctx); err != nil {
			return err
		}
		pause := max(pauseTime, restShare*a.runner.Clock.Since(began))
		next, left := a.begin(ctx)
		if !left {
			return nil
		}
		if !watched {
			watched = true
			a.scope.waits()
			watchers.Go(func() { a.watch(watching) })
		}
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-a.woken:
		case <-a.runner.Clock.After(max(pauseTime, min(next, lookTime))):
		}
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-a.runner.Clock.After(pause):
		}
	}
}

// watch wakes the loop when a pod has changed.
func (a *after) watch(ctx context.Context) {
	since := ""
	for ctx.Err() == nil {
		next, err := a.runner.Cluster.WaitChange(ctx, hook.PodKind(), since)
		if err != nil {
			since = ""
			select {
			case <-ctx.Done():
			case <-a.runner.Clock.After(retryTime):
			}
			continue
		}
		since = next
		a.wake()
	}
}

func (a *after) wake() {
	select {
	case a.woken <- struct{}{}:
	default:
	}
}

// look finds the pods in which commands are to run, and sees how the known ones are.
func (a *after) look(ctx context.Context) error {
	finder := &pods.Finder{Cluster: a.runner.Cluster, Kinds: a.scope.Kinds}
	there := map[types.UID]bool{} // those of the known ones
	see := a.ours(func(object core.Object, pod hook.Pod) error {
		known, err := a.see(ctx, finder, object, pod)
		if known {
			there[pod.UID] = true
		}
		return err
	})
	for _, namespace := range a.listed() {
		// What was seen is seen, where a list begins again.
		if err := finder.Each(ctx, namespace, func() {}, see); err != nil {
			return err
		}
	}
	a.mu.Lock()
	for uid, each := range a.pods {
		if !there[uid] {
			each.gone = true
		}
	}
	a.mu.Unlock()
	return a.lookAgain(ctx)
}

// lookAgain reads the workloads again whose pods are waited for.
func (a *after) lookAgain(ctx context.Context) error {
	for _, each := range a.workloads {
		if each.over {
			continue
		}
		found, err := a.runner.Cluster.Get(ctx, each.kind, each.object.Namespace, each.object.Name)
		switch {
		case errors.Is(err, core.ErrNotFound):
			each.over = true // Whoever deleted it wants no pods of it.
		case err != nil:
			return fmt.Errorf("reading a restored workload: %w", err)
		default:
			each.object = found
		}
	}
	return nil
}

// see takes note of a pod, and tells whether it is one in which commands are to run.
func (a *after) see(ctx context.Context, finder *pods.Finder, object core.Object, pod hook.Pod) (known bool, err error) {
	if a.seeKnown(&pod) {
		return true, nil
	}
	if a.passed[pod.UID] || pod.Over || pod.Going || !a.rules.MayRestored(&pod) {
		return false, nil
	}
	if pod.Owners, err = finder.Owners(ctx, object); err != nil {
		return false, err
	}
	means := pod.Known(a.scope.Source)
	means.Owners = append(means.Owners, a.above(&means)...)
	asked, problems := a.rules.Restored(&means)
	made := false
	if len(asked.Post)+len(problems) > 0 {
		if made, err = a.restored(ctx, &pod); err != nil {
			return false, err
		}
	}
	if a.match(asked.Sets, made); !made {
		a.passed[pod.UID] = true
		return false, nil
	}
	return true, a.add(object.Key(), &target{pod: pod, commands: asked.Post}, problems)
}

// above returns what controlled a pod in the backup, or the last of its owners that are there.
func (a *after) above(means *hook.Pod) []hook.Owner {
	kind, name := hook.PodKind(), means.Name
	if last := len(means.Owners) - 1; last >= 0 {
		kind, name = means.Owners[last].Kind, means.Owners[last].Name
	}
	return a.lineage.Owners(core.Key{Group: kind.Group, Resource: kind.Resource, Namespace: means.Namespace, Name: name})
}

// seeKnown takes note of how a pod is that is known already.
func (a *after) seeKnown(pod *hook.Pod) bool {
	a.mu.Lock()
	defer a.mu.Unlock()
	known := a.pods[pod.UID]
	if known == nil {
		return false
	}
	known.pod.Ready, known.pod.Running, known.pod.Over, known.pod.Obstacle = pod.Ready, pod.Running, pod.Over, pod.Obstacle
	known.gone = known.gone || pod.Going
	return true
}

// add adds a pod in which commands are to run. Where something is wrong with what it asks for, none are.
func (a *after) add(key core.Key, found *target, problems []selection.Problem) error {
	if len(problems) > 0 {
		found.commands, found.begun, found.over = nil, true, true
		a.miss(key, true, hook.ReasonInvalid, problems[0].Field+": "+problems[0].Message)
	}
	a.mu.Lock()
	defer a.mu.Unlock()
	if len(a.pods) == maxPods {
		return fmt.Errorf("hooks are to run in more than %d pods: %w", maxPods, core.ErrInvalid)
	}
	a.pods[found.pod.UID] = found
	return nil
}

// restored tells whether a pod, or what owns it at any distance, was made by this restore. Each owner is asked for once.
func (a *after) restored(ctx context.Context, pod *hook.Pod) (bool, error) {
	made, err := a.isMade(ctx, hook.PodKind(), pod.Namespace, pod.Name, pod.UID)
	if err != nil || made {
		return made, err
	}
	for _, owner := range pod.Owners {
		made, known := a.owner[owner.UID]
		if !known {
			if made, err = a.isMade(ctx, owner.Kind, pod.Namespace, owner.Name, owner.UID); err != nil {
				return false, err
			}
			a.owner[owner.UID] = made
		}
		if made {
			return true, nil
		}
	}
	return false, nil
}
