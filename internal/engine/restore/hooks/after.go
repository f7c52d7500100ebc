package hooks

import (
	"cmp"
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
	// pauseTime is between two looks at the pods, however often these change; lookTime is when they are looked at again without
	// a change.
	pauseTime = 250 * time.Millisecond
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

	mu    sync.Mutex
	pods  map[types.UID]*target
	owner map[types.UID]bool // whether this restore made it
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
		pods: map[types.UID]*target{}, owner: map[types.UID]bool{},
	}
	a.running.SetLimit(max(1, s.runner.AtOnce))
	var err error
	if len(s.scope.Namespaces) > 0 {
		if a.workloads, err = s.workloads(ctx, a.began); err != nil {
			return err
		}
		err = a.loop(ctx)
	}
	_ = a.running.Wait() // They return none.
	if err != nil {
		return err
	}
	if len(a.pods)+len(a.workloads) == 0 && a.failed() == nil {
		return nil
	}
	err = a.failed()
	recording, cancel := context.WithTimeout(context.WithoutCancel(ctx), recordTime)
	defer cancel()
	return errors.Join(err, s.request.Record.After(recording, a.outcome(err, len(a.pods))))
}

// loop looks at the pods whenever one has changed, until nothing is left to wait for.
func (a *after) loop(ctx context.Context) error {
	watching, end := context.WithCancel(ctx)
	defer end()
	watched := false
	for {
		if err := a.look(ctx); err != nil {
			return err
		}
		next, left := a.begin(ctx)
		if !left {
			return nil
		}
		if !watched {
			watched = true
			go a.watch(watching)
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
		case <-a.runner.Clock.After(pauseTime):
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
	there := map[types.UID]bool{}
	err := a.each(ctx, finder, func() { clear(there) }, func(object core.Object, pod hook.Pod) error {
		there[pod.UID] = true
		return a.see(ctx, finder, object, pod)
	})
	if err != nil {
		return err
	}
	a.mu.Lock()
	for uid, each := range a.pods {
		if !there[uid] {
			each.gone = true
		}
	}
	a.mu.Unlock()
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

// see takes note of a pod.
func (a *after) see(ctx context.Context, finder *pods.Finder, object core.Object, pod hook.Pod) (err error) {
	if a.seeKnown(&pod) || pod.Over || pod.Going || !a.rules.MayRestored(&pod) {
		return nil
	}
	if pod.Owners, err = finder.Owners(ctx, object); err != nil {
		return err
	}
	means := pod.Known(a.scope.Source)
	asked, problems := a.rules.Restored(&means)
	if len(asked.Post)+len(problems) == 0 {
		return nil
	}
	made, err := a.restored(ctx, &pod)
	if err != nil || !made {
		return err
	}
	return a.add(object.Key(), &target{pod: pod, commands: asked.Post}, problems)
}

// seeKnown takes note of how a pod is that is known already.
func (a *after) seeKnown(pod *hook.Pod) bool {
	a.mu.Lock()
	defer a.mu.Unlock()
	known := a.pods[pod.UID]
	if known == nil {
		return false
	}
	known.pod.Ready, known.pod.Running, known.pod.Over = pod.Ready, pod.Running, pod.Over
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

// begin begins what can begin and gives up what has waited for long enough, and returns when that is next, and whether
// anything is left.
func (a *after) begin(ctx context.Context) (next time.Duration, left bool) {
	a.mu.Lock()
	defer a.mu.Unlock()
	next = lookTime
	for _, each := range a.pods {
		if each.over {
			continue
		}
		if !each.begun {
			next = min(next, a.beginOne(ctx, each))
		}
		left = left || !each.over
	}
	for _, each := range a.workloads {
		if each.over {
			continue
		}
		next = min(next, a.await(each))
		left = left || !each.over
	}
	return next, left
}

// beginOne begins the commands of a pod if its containers are ready, or gives it up.
func (a *after) beginOne(ctx context.Context, each *target) time.Duration {
	wait := a.began.Add(longest(each.commands)).Sub(a.runner.Clock.Now())
	switch {
	case each.gone || each.pod.Over:
		each.over = true
		if len(each.pod.Owners) == 0 {
			a.missPod(each.pod, each.commands, hook.PodGone, "it went away, or ended, before its containers were ready")
		}
	case each.ready():
		pod := each.pod
		each.begun = a.running.TryGo(func() error {
			a.run(ctx, each, pod)
			return nil
		})
	case wait <= 0:
		each.over = true
		a.missPod(each.pod, each.commands, hook.NotReady, fmt.Sprintf("its containers were not ready within %s", longest(each.commands)))
	}
	return max(0, wait)
}

func (a *after) missPod(pod hook.Pod, commands []hook.Command, outcome, why string) {
	key := core.Key{Resource: "pods", Namespace: pod.Namespace, Name: pod.Name}
	a.miss(key, !continues(commands), outcome, fmt.Sprintf("PostHook in Pod %s/%s: %s: %s", pod.Namespace, pod.Name, outcome, why))
}

// ready tells whether every container in which commands are to run is ready, as far as the pod has it.
func (t *target) ready() bool {
	if !t.pod.Running {
		return false
	}
	for _, command := range t.commands {
		container := command.Container
		if container == "" && len(t.pod.Containers) > 0 {
			container = t.pod.Containers[0]
		}
		if slices.Contains(t.pod.Containers, container) && !slices.Contains(t.pod.Ready, container) {
			return false
		}
	}
	return true
}

// run runs the commands of a pod, one after the other. After one that failed and is not told to continue, none is run.
func (a *after) run(ctx context.Context, each *target, pod hook.Pod) {
	defer a.wake()
	gone := false
	for _, command := range each.commands {
		result := a.insist(ctx, pod, command)
		if ctx.Err() != nil {
			break // The next attempt runs it again.
		}
		gone = result.Outcome == hook.PodGone
		if gone && len(pod.Owners) > 0 {
			key := core.Key{Resource: "pods", Namespace: pod.Namespace, Name: pod.Name}
			a.ledger.Warn(key, fmt.Sprintf("PostHook in Pod %s/%s: it went away; its workload makes another one", pod.Namespace, pod.Name))
			break
		}
		of := noted{pod, command, result, false}
		a.note(of)
		if !of.harmless() && !command.Continue {
			break
		}
	}
	a.mu.Lock()
	defer a.mu.Unlock()
	each.over, each.gone = true, each.gone || gone
}

// insist runs a command until it has run, for a while: that its pod cannot be reached may pass.
func (a *after) insist(ctx context.Context, pod hook.Pod, command hook.Command) hook.Result {
	began := a.runner.Clock.Now()
	for {
		result := a.runner.Commands.Run(ctx, pod, command)
		passing := result.Outcome == hook.Unreachable || result.Outcome == hook.ContainerNotRunning
		if !passing || a.runner.Clock.Since(began) >= cmp.Or(a.runner.Patience, defaultPatience) {
			return result
		}
		select {
		case <-ctx.Done():
			return result
		case <-a.runner.Clock.After(retryTime):
		}
	}
}

// await sees whether as many pods of a workload have been there as it is to have, or gives it up.
func (a *after) await(each *workload) time.Duration {
	have := int64(0)
	for _, one := range a.pods {
		if !one.gone && slices.ContainsFunc(one.pod.Owners, func(owner hook.Owner) bool { return owner.UID == each.object.UID }) {
			have++
		}
	}
	wait := each.until.Sub(a.runner.Clock.Now())
	want, known := each.desired()
	switch {
	case known && have >= want:
		each.over = true
	case wait <= 0:
		each.over = true
		key := each.object.Key()
		a.miss(key, !continues(each.commands), hook.NotReady, fmt.Sprintf("PostHook in the pods of %s %s/%s: %s: it has %d of %d pods after %s",
			each.kind, key.Namespace, key.Name, hook.NotReady, have, want, longest(each.commands)))
	}
	return max(0, wait)
}
