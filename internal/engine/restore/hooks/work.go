package hooks

import (
	"cmp"
	"errors"
	"fmt"
	"slices"
	"sync"
	"time"

	"github.com/soda-cdm/kahu/internal/core"
	"github.com/soda-cdm/kahu/internal/core/hook"
	"github.com/soda-cdm/kahu/internal/engine"
	"github.com/soda-cdm/kahu/internal/engine/quiesce"
)

// work is commands of one moment while they run.
type work struct {
	*Runner

	name   string // of the Restore
	ledger *engine.Ledger

	asking   sync.Mutex // whether the run is still this attempt's
	mu       sync.Mutex
	rows     []quiesce.Row
	failure  *quiesce.FailedError
	stopped  error
	left     bool // commands have not begun
	commands int
	wrong    int
}

// noted is a command and what came of it.
type noted struct {
	pod     hook.Pod
	command hook.Command
	result  hook.Result
	before  bool
}

// harmless tells whether nothing is wrong.
func (n *noted) harmless() bool {
	return n.result.Outcome == hook.Completed || n.result.Outcome == hook.ContainerNotFound && n.command.SkipMissing
}

// stop has no further command begin.
func (w *work) stop(err error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.stopped = cmp.Or(w.stopped, err)
}

// leave takes note that commands do not begin.
func (w *work) leave() {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.left = true
}

// interrupted tells whether commands have not begun although none has failed.
func (w *work) interrupted() bool {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.left && w.failure == nil
}

// failed returns why the run fails, if it does.
func (w *work) failed() error {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.failure != nil {
		return w.failure
	}
	return w.stopped
}

// note writes down what came of a command.
func (w *work) note(of noted) {
	pod, result := of.pod, of.result
	action := "PostHook"
	if of.before {
		action = "PreHook"
	}
	key := core.Key{Resource: "pods", Namespace: pod.Namespace, Name: pod.Name}
	took := result.Ended.Sub(result.Began).Round(time.Millisecond)
	text := fmt.Sprintf("container %s, %s: %s after %s", result.Container, of.command.Origin, result.Outcome, took)
	if result.Message != "" {
		text += ": " + result.Message
	}
	w.Log.Info(hook.LogLine, "restore", w.name, "action", action, "namespace", pod.Namespace, "pod", pod.Name, "container", result.Container,
		"hook", of.command.Origin, "outcome", result.Outcome, "took", took.String(), "message", result.Message, "output", result.Output)
	said := text
	if result.Output != "" {
		said += "; it wrote: " + result.Output
	}
	w.ledger.Note(key, action, said)
	text = fmt.Sprintf("%s in Pod %s/%s: %s", action, pod.Namespace, pod.Name, text)
	harmless := of.harmless()
	if !harmless {
		text += result.Wrote("restore", w.name)
		w.ledger.Warn(key, text)
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	w.commands++
	w.add(of)
	if !harmless {
		w.wrong++
		if !of.command.Continue {
			w.fail(result.Outcome, text)
		}
	}
}

// miss writes down that something was not run, and whether the run fails for that.
func (w *work) miss(key core.Key, fails bool, outcome, text string) { //nolint:revive // It says what onError says.
	w.ledger.Note(key, "PostHook", text)
	w.ledger.Warn(key, text)
	w.mu.Lock()
	defer w.mu.Unlock()
	w.wrong++
	if fails {
		w.fail(outcome, text)
	}
}

func (w *work) fail(outcome, text string) {
	if w.failure == nil {
		w.failure = &quiesce.FailedError{Reason: outcome, Message: text}
	}
}

// add adds what came of a command to the row of its container.
func (w *work) add(of noted) {
	at := slices.IndexFunc(w.rows, func(row quiesce.Row) bool { return row.UID == of.pod.UID && row.Container == of.result.Container })
	if at < 0 {
		at = len(w.rows)
		w.rows = append(w.rows, quiesce.Row{Namespace: of.pod.Namespace, Pod: of.pod.Name, UID: of.pod.UID, Container: of.result.Container})
	}
	row := &w.rows[at]
	outcome := &row.Post
	if of.before {
		outcome = &row.Pre
	}
	if *outcome == "" || *outcome == hook.Completed {
		*outcome = of.result.Outcome
	}
	row.Message = cmp.Or(row.Message, of.result.Message)
}

// outcome sums up.
func (w *work) outcome(err error, inPods int) quiesce.Outcome {
	w.mu.Lock()
	defer w.mu.Unlock()
	sum := quiesce.Outcome{Pods: inPods, Commands: w.commands, Failed: w.wrong, Ended: w.Clock.Now(), Rows: w.rows}
	failed := w.failure
	if failed != nil || errors.As(err, &failed) {
		sum.Reason, sum.Message = failed.Reason, failed.Message
	}
	return sum
}
