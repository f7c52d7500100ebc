package quiesce

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/soda-cdm/kahu/internal/core"
	"github.com/soda-cdm/kahu/internal/core/hook"
	"github.com/soda-cdm/kahu/internal/engine"
)

// The bounds of a run of hooks.
const (
	// freshTime is how long it counts that the run was this attempt's: before each pre command it is asked again after that.
	freshTime = time.Second
	// confirmTime bounds that question, and the writing of a record.
	confirmTime = 15 * time.Second
)

// work is the hooks of one run while they run.
type work struct {
	*Runner

	name   string // of the Backup
	record Record
	ledger *engine.Ledger
	plans  []hook.Plan
	began  time.Time

	mu        sync.Mutex
	states    []state // of each plan
	failure   *FailedError
	confirmed time.Time
	first     time.Time // when the first command began
	last      time.Time // when the last one ended
	commands  int
	failed    int
	unwritten *Held    // what was cut, until it is written down
	stranded  []string // the pods whose post commands could not be run
	unfreed   []string // those in which they ran, and failed
}

// state is how far a pod is.
type state struct {
	begun bool // a pre command may have run
	rows  []Row
}

func (w *work) begin() { w.states = make([]state, len(w.plans)) }

// around runs everything, and returns why the run fails, if it does.
func (w *work) around(ctx context.Context, limit time.Duration, cut CutFunc) error {
	w.begin()
	w.began = w.Clock.Now()
	if err := w.record.Begin(ctx, Begun{Began: w.began, Deadline: w.began.Add(limit), Pods: w.plans}); err != nil {
		return fmt.Errorf("writing down that hooks begin: %w", err)
	}
	w.confirmed = w.began
	quiet, cancel := context.WithTimeoutCause(ctx, limit, fmt.Errorf("the %s of spec.hook.quiesceTimeout were over, for which an application is "+
		"kept from writing at most", limit))
	defer cancel()
	err := w.pre(quiet)
	if err == nil {
		err = w.hold(quiet, cut)
	}
	if ctx.Err() == nil && errors.Is(quiet.Err(), context.DeadlineExceeded) && err != nil {
		err = &FailedError{Reason: ReasonQuiesceTimeout, Message: fmt.Sprintf("the volumes were not cut within the %s of "+
			"spec.hook.quiesceTimeout, for which an application is kept from writing at most; it goes on, and there is no backup. See what its "+
			"commands before and the snapshots wait for, or create another Backup with a longer one", limit)}
	}
	if w.post(ctx) && ctx.Err() != nil {
		return errors.Join(err, errOwed) // They stay on record as owed, and who goes on runs them.
	}
	if err == nil && w.unwritten != nil {
		err = w.writeHeld(ctx)
	}
	return w.end(ctx, err)
}

// end writes down what came of all hooks, and returns why the run fails, if it does.
func (w *work) end(ctx context.Context, err error) error {
	outcome := w.outcome(err)
	recording, cancel := context.WithTimeout(context.WithoutCancel(ctx), confirmTime)
	defer cancel()
	if failed := w.record.End(recording, outcome); failed != nil {
		err = errors.Join(err, fmt.Errorf("writing down that hooks are done: %w", failed))
	}
	if err == nil && w.failure != nil {
		err = w.failure
	}
	if _, is := errors.AsType[*FailedError](err); is && len(outcome.Stranded) > 0 {
		return &FailedError{Reason: outcome.Reason, Message: outcome.Message}
	}
	return err
}

// hold has volumes cut in the quiet time, and writes down what came of that before anybody goes on: whoever goes on with the run
// knows then which volumes are of this moment. Where that cannot be written in the quiet time, applications do not wait for it.
func (w *work) hold(quiet context.Context, cut CutFunc) error {
	from := w.Clock.Now()
	uncut, err := cut(quiet, true)
	if err != nil {
		return err
	}
	w.unwritten = &Held{From: from, To: w.Clock.Now(), Uncut: uncut}
	if err := w.writeHeld(quiet); err != nil && quiet.Err() == nil {
		return err
	}
	return nil
}

// writeHeld writes down what was cut. It is tried again by the caller where time is up.
func (w *work) writeHeld(ctx context.Context) error {
	recording, cancel := context.WithTimeout(ctx, confirmTime)
	defer cancel()
	if err := w.record.Held(recording, *w.unwritten); err != nil {
		return fmt.Errorf("writing down what was cut: %w", err)
	}
	w.unwritten = nil
	return nil
}

// pre runs the pre commands: those of one pod one after the other, in several pods at once. After a failure none begins.
func (w *work) pre(ctx context.Context) error {
	var group errgroup.Group
	group.SetLimit(max(1, w.AtOnce))
	var stopped error
	for number := range w.plans {
		group.Go(func() error {
			for _, command := range w.plans[number].Pre {
				if err := w.mayBegin(ctx); err != nil {
					w.mu.Lock()
					stopped = cmp.Or(stopped, err)
					w.mu.Unlock()
					return nil
				}
				w.preOne(ctx, number, command)
			}
			return nil
		})
	}
	_ = group.Wait() // They return none.
	if w.failure != nil {
		return w.failure
	}
	return stopped
}

// errStopped: another hook has failed.
var errStopped = errors.New("another hook has failed")

// mayBegin returns why no further pre command begins.
func (w *work) mayBegin(ctx context.Context) error {
	w.mu.Lock()
	defer w.mu.Unlock()
	switch {
	case w.failure != nil:
		return errStopped
	case ctx.Err() != nil:
		return ctx.Err()
	case w.Clock.Since(w.confirmed) < freshTime:
		return nil
	}
	asked := w.Clock.Now()
	confirming, cancel := context.WithTimeout(ctx, confirmTime)
	defer cancel()
	if err := w.record.Confirm(confirming); err != nil {
		return fmt.Errorf("asking whether the run is still this manager's, before a hook: %w", err)
	}
	w.confirmed = asked
	return nil
}

// preOne runs a pre command. It is waited for also where the run is ended meanwhile: a post command that ran beside it could
// come too early.
func (w *work) preOne(ctx context.Context, number int, command hook.Command) {
	w.mu.Lock()
	w.states[number].begun = true
	w.mu.Unlock()
	running := context.WithoutCancel(ctx)
	if deadline, has := ctx.Deadline(); has {
		var cancel context.CancelFunc
		running, cancel = context.WithDeadline(running, deadline)
		defer cancel()
	}
	w.note(number, noted{command, w.Commands.Run(running, w.plans[number].Pod, command), "PreHook"})
}

// noted is a command and what came of it.
type noted struct {
	command hook.Command
	result  hook.Result
	action  string
}

// note writes down what came of a command.
func (w *work) note(number int, of noted) {
	pod, result := w.plans[number].Pod, of.result
	key := core.Key{Resource: "pods", Namespace: pod.Namespace, Name: pod.Name}
	text := fmt.Sprintf("container %s, %s: %s after %s", result.Container, of.command.Origin, result.Outcome, result.Ended.Sub(result.Began).Round(time.Millisecond))
	if result.Message != "" {
		text += ": " + result.Message
	}
	w.Log.Info(hook.LogLine, "backup", w.name, "action", of.action, "namespace", pod.Namespace, "pod", pod.Name, "container", result.Container,
		"hook", of.command.Origin, "outcome", result.Outcome, "took", result.Ended.Sub(result.Began).String(), "message", result.Message, "output", result.Output)
	said := text
	if result.Output != "" {
		said += "; it wrote: " + result.Output
	}
	w.ledger.Note(key, of.action, said)
	text = fmt.Sprintf("%s in Pod %s/%s: %s", of.action, pod.Namespace, pod.Name, text)
	if result.Outcome != hook.Completed {
		text += result.Wrote("backup", w.name)
		w.ledger.Warn(key, text)
	}
	w.count(number, of, text)
}

// count adds what came of a command to the sums, and to the row of its container.
func (w *work) count(number int, of noted, text string) {
	result := of.result
	w.mu.Lock()
	defer w.mu.Unlock()
	w.commands++
	if w.first.IsZero() || result.Began.Before(w.first) {
		w.first = result.Began
	}
	if result.Ended.After(w.last) {
		w.last = result.Ended
	}
	w.states[number].add(w.plans[number].Pod, of)
	if of.harmless() {
		return
	}
	w.failed++
	if of.command.Continue {
		return
	}
	w.unfree(number, of)
	if w.failure == nil {
		w.failure = &FailedError{Reason: result.Outcome, Message: text}
	}
}

// unfree takes note of a pod in which a post command has failed, unless nothing was to hold it still. One that could not be run is
// stranded when it is given up.
func (w *work) unfree(number int, of noted) {
	pod := PodText(w.plans[number].Pod.Namespace, w.plans[number].Pod.Name)
	if of.action == "PostHook" && !isAway(of.result.Outcome) && w.states[number].begun && !slices.Contains(w.unfreed, pod) {
		w.unfreed = append(w.unfreed, pod)
	}
}

// harmless tells whether nothing is wrong. A pod that is gone needs nothing after.
func (n *noted) harmless() bool {
	switch n.result.Outcome {
	case hook.Completed:
		return true
	case hook.ContainerNotFound:
		return n.command.SkipMissing
	case hook.PodGone:
		return n.action == "PostHook"
	}
	return false
}

// add adds what came of a command to the row of its container.
func (s *state) add(pod hook.Pod, of noted) {
	at := slices.IndexFunc(s.rows, func(row Row) bool { return row.Container == of.result.Container })
	if at < 0 {
		at = len(s.rows)
		s.rows = append(s.rows, Row{Namespace: pod.Namespace, Pod: pod.Name, UID: pod.UID, Container: of.result.Container})
	}
	row := &s.rows[at]
	outcome := &row.Pre
	if of.action == "PostHook" {
		outcome = &row.Post
	}
	if *outcome == "" || *outcome == hook.Completed {
		*outcome = of.result.Outcome
	}
	row.Message = cmp.Or(row.Message, of.result.Message)
}

// outcome sums up.
func (w *work) outcome(err error) Outcome {
	w.mu.Lock()
	defer w.mu.Unlock()
	sum := Outcome{Pods: len(w.plans), Commands: w.commands, Failed: w.failed, Ended: w.Clock.Now()}
	if !w.first.IsZero() {
		sum.Quiesced = w.last.Sub(w.first)
	}
	for number := range w.states {
		sum.Rows = append(sum.Rows, w.states[number].rows...)
	}
	failed := w.failure
	if failed == nil && err != nil && !errors.As(err, &failed) {
		failed = &FailedError{Reason: ReasonCutFailed, Message: err.Error()}
	}
	if failed != nil {
		sum.Reason, sum.Message = failed.Reason, failed.Message
	}
	sum.strand(w.unfreed, hook.CommandFailed, "failed")
	sum.strand(w.stranded, hook.Unreachable, notRun)
	return sum
}
