package quiesce

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/soda-cdm/kahu/internal/core"
	"github.com/soda-cdm/kahu/internal/core/hook"
)

// The bounds of post commands.
const (
	// defaultPatience is how long a post command is tried whose pod cannot be reached; one whose container does not run, or whose run
	// was ended, is tried for shortPatience.
	defaultPatience = 30 * time.Minute
	shortPatience   = time.Minute
	// retryTime is the first pause between two tries, maxRetryTime the longest.
	retryTime    = time.Second
	maxRetryTime = 15 * time.Second
	// postTime bounds all post commands together, however many pods there are.
	postTime = time.Hour
	// namedPods is how many pods are named in a message.
	namedPods = 10
)

// errOwed: the commands after are still owed.
var errOwed = errors.New("the commands after could not be run in every pod yet, and are owed")

// owed is a pod in which post commands are left.
type owed struct {
	number int // of its plan
	next   int // the first command that is left
	last   hook.Result
}

// post runs the post commands of each pod whose pre commands may have run, and of those that have none: all of them, whatever
// came of the ones before. A pod that cannot be reached holds up no other one, and is asked again, round by round. It tells
// whether some could not be run.
func (w *work) post(ctx context.Context) (left bool) {
	running, cancel := context.WithTimeout(context.WithoutCancel(ctx), postTime)
	defer cancel()
	began, wait := w.Clock.Now(), w.owing()
	short := min(shortPatience, cmp.Or(w.Patience, defaultPatience))
	for pause := retryTime; ; pause = min(2*pause, maxRetryTime) {
		wait = w.postRound(running, wait)
		waited := w.Clock.Since(began)
		wait = slices.DeleteFunc(wait, func(of owed) bool { return w.giveUp(of, waited) })
		if len(wait) == 0 || ctx.Err() != nil && waited >= short || running.Err() != nil {
			break
		}
		select {
		case <-running.Done():
		case <-w.Clock.After(pause):
		}
	}
	return len(wait) > 0 || len(w.stranded) > 0
}

// owing returns the pods whose post commands are to run.
func (w *work) owing() []owed {
	var all []owed
	for number := range w.plans {
		if len(w.plans[number].Pre) == 0 || w.states[number].begun {
			all = append(all, owed{number: number})
		}
	}
	return all
}

// postRound runs what is left in each pod, and returns that of those that cannot be reached.
func (w *work) postRound(ctx context.Context, wait []owed) []owed {
	var group errgroup.Group
	group.SetLimit(max(1, w.AtOnce))
	var mu sync.Mutex
	var left []owed
	for _, of := range wait {
		group.Go(func() error {
			commands := w.plans[of.number].Post
			for ; of.next < len(commands); of.next++ {
				of.last = w.Commands.Run(ctx, w.plans[of.number].Pod, commands[of.next])
				if isAway(of.last.Outcome) {
					mu.Lock()
					left = append(left, of)
					mu.Unlock()
					return nil
				}
				w.note(of.number, noted{commands[of.next], of.last, "PostHook"})
			}
			return nil
		})
	}
	_ = group.Wait() // They return none.
	slices.SortFunc(left, func(a, b owed) int { return cmp.Compare(a.number, b.number) })
	return left
}

// isAway tells of a command that did not run, as far as anybody knows, and is tried again.
func isAway(outcome string) bool {
	return outcome == hook.Unreachable || outcome == hook.ContainerNotRunning
}

// giveUp gives up a pod that was waited for long enough: what is left of its commands has failed, and it may be held still for as long
// as nobody runs them.
func (w *work) giveUp(of owed, waited time.Duration) bool {
	patience := cmp.Or(w.Patience, defaultPatience)
	if of.last.Outcome == hook.ContainerNotRunning {
		patience = min(patience, shortPatience)
	}
	if waited < patience {
		return false
	}
	plan := w.plans[of.number]
	for _, command := range plan.Post[of.next:] {
		w.note(of.number, noted{command, of.last, "PostHook"})
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	w.stranded = append(w.stranded, PodText(plan.Pod.Namespace, plan.Pod.Name))
	key := core.Key{Resource: "pods", Namespace: plan.Pod.Namespace, Name: plan.Pod.Name}
	w.ledger.Warn(key, strandedText([]string{key.Namespace + "/" + key.Name}, notRun))
	return true
}

// PodText is how Outcome.Stranded names a pod.
func PodText(namespace, name string) string { return fmt.Sprintf("Pod %s/%s", namespace, name) }

// notRun is what happened to commands that could not be run.
const notRun = "could not be run"

// strand adds that pods may be held still, which is why the run fails if nothing else is, and what happened to their commands.
func (o *Outcome) strand(pods []string, reason, happened string) {
	if len(pods) == 0 {
		return
	}
	o.Stranded = append(o.Stranded, pods...)
	o.Reason = cmp.Or(o.Reason, reason)
	text := strandedText(pods, happened)
	if o.Message != "" {
		text += ". " + o.Message
	}
	o.Message = text
}

func strandedText(pods []string, happened string) string {
	named := strings.Join(pods[:min(len(pods), namedPods)], ", ")
	if more := len(pods) - namedPods; more > 0 {
		named += fmt.Sprintf(" and %d more", more)
	}
	return "the application may still be held still in " + named + ": the hooks after " + happened + " there; run them by hand"
}
