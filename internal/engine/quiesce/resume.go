package quiesce

import (
	"context"
	"errors"
	"fmt"

	"k8s.io/apimachinery/pkg/types"

	"github.com/soda-cdm/kahu/internal/core/hook"
	"github.com/soda-cdm/kahu/internal/core/selection"
	"github.com/soda-cdm/kahu/internal/engine"
	"github.com/soda-cdm/kahu/internal/engine/pods"
)

// Owed is what is on record of post hooks that have not run.
type Owed struct {
	// Promises are those of pods that are on record by name, Pods how many pods there are in all.
	Promises []hook.Promise
	Pods     int
}

// Resume runs the post hooks of a run whose process died after it had put on record that it begins: what the pods on record were
// promised, whatever is asked of them now; and where the record has not all of them, what is asked of the others that the backup
// chooses.
func (r *Runner) Resume(ctx context.Context, request Request, owed Owed) (Outcome, error) {
	kinds, _, err := r.Cluster.Kinds(ctx)
	if err != nil {
		return Outcome{}, fmt.Errorf("%w: %w", engine.ErrCluster, err)
	}
	ledger, err := engine.NewLedger(r.Clock)
	if err != nil {
		return Outcome{}, err
	}
	kinds = selection.Cohabiting(kinds)
	again := &resumption{finder: &pods.Finder{Cluster: r.Cluster, Kinds: kinds}, sets: request.Sets, known: map[types.UID]bool{}}
	for i := range owed.Promises {
		if err := again.keep(ctx, &owed.Promises[i]); err != nil {
			return Outcome{}, err
		}
	}
	if more := owed.Pods - len(owed.Promises); more > 0 {
		rules, _ := hook.Compile(request.Sets, kinds)
		chosen, _ := selection.Compile(request.Filters, kinds)
		search := &search{Runner: r, kinds: kinds, rules: rules, filters: request.Filters, ledger: ledger, lenient: true, matches: hook.Matches{}}
		plans, err := search.find(ctx, func(pod *hook.Pod) bool {
			return !again.known[pod.UID] && (chosen == nil || hook.InScope(chosen, pod))
		})
		if err != nil {
			return Outcome{}, err
		}
		again.plans = append(again.plans, plans...)
		again.unnamed = max(0, more-len(plans))
	}
	work := &work{Runner: r, name: request.Name, record: request.Record, ledger: ledger, plans: again.plans, began: r.Clock.Now()}
	return work.resume(ctx, again)
}

// resumption is what is left of what pods were promised.
type resumption struct {
	finder *pods.Finder
	sets   []hook.Set

	known   map[types.UID]bool // the pods on record
	plans   []hook.Plan        // what can be run
	rows    []Row              // of pods in which nothing can be
	lost    []string           // those of them that may be held still
	unnamed int                // the pods that are not on record by name, and of which nothing is asked any more
}

// keep finds out what is to run in a pod on record.
func (r *resumption) keep(ctx context.Context, promise *hook.Promise) error {
	r.known[promise.UID] = true
	row := Row{Namespace: promise.Namespace, Pod: promise.Name, UID: promise.UID, Post: hook.PodGone, Message: "the pod is gone"}
	pod, there, err := r.finder.One(ctx, promise.Namespace, promise.Name, promise.UID)
	if err != nil {
		return err
	}
	if !there || pod.Over {
		r.rows = append(r.rows, row)
		return nil
	}
	commands, known := promise.Commands(r.sets, &pod)
	if !known {
		row.Post, row.Message = hook.Changed, "what was to run after the cut was too long to be put on record, and what asked for it is another one now"
		r.rows, r.lost = append(r.rows, row), append(r.lost, PodText(promise.Namespace, promise.Name))
		return nil
	}
	r.plans = append(r.plans, hook.Plan{Pod: pod, Post: commands})
	return nil
}

// resume runs the post commands of all pods.
func (w *work) resume(ctx context.Context, again *resumption) (Outcome, error) {
	w.begin()
	for i := range w.states {
		w.states[i].begun = true
	}
	if w.post(ctx) && ctx.Err() != nil {
		return Outcome{}, errors.Join(ctx.Err(), errOwed)
	}
	outcome := w.outcome(nil)
	outcome.Rows = append(outcome.Rows, again.rows...)
	lost := again.lost
	if again.unnamed > 0 {
		lost = append(lost, fmt.Sprintf("%d pods that are not on record by name, and are gone or are asked nothing any more", again.unnamed))
	}
	outcome.strand(lost, hook.Changed, notRun)
	return outcome, nil
}
