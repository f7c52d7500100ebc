package hooks

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/soda-cdm/kahu/internal/core"
	"github.com/soda-cdm/kahu/internal/core/hook"
)

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
		a.missPod(each.pod, each.commands, hook.NotReady, fmt.Sprintf("its containers were not ready within %s: %s",
			longest(each.commands), a.obstacle(ctx, &each.pod)))
	}
	return max(0, wait)
}

// maxClaims bounds the claims of a pod that are asked after.
const maxClaims = 10

// obstacle says what keeps the containers of a pod from being ready: the claims that it waits for, and what the cluster says.
func (a *after) obstacle(ctx context.Context, pod *hook.Pod) string {
	why := pod.Obstacle
	if pod.Running {
		return why // Its volumes are mounted.
	}
	for _, name := range pod.Claims[:min(len(pod.Claims), maxClaims)] {
		claim, err := a.runner.Cluster.Living(ctx, claimKind(), pod.Namespace, name)
		switch {
		case errors.Is(err, core.ErrNotFound):
			why = "PersistentVolumeClaim " + name + " is not there; " + why
		case err == nil && !claim.Bound:
			why = "PersistentVolumeClaim " + name + " has no volume; " + why
		}
	}
	return why
}

func claimKind() core.Kind {
	return core.Kind{Version: "v1", Name: "PersistentVolumeClaim", Resource: "persistentvolumeclaims", Namespaced: true}
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
