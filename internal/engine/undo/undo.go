package undo

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"time"

	"k8s.io/apimachinery/pkg/types"
	"k8s.io/utils/clock"

	"github.com/soda-cdm/kahu/internal/core"
	"github.com/soda-cdm/kahu/internal/core/undo"
	"github.com/soda-cdm/kahu/internal/engine"
)

// Cluster is what an undo asks of a cluster.
type Cluster interface {
	engine.KindLister
	engine.LivingGetter
	engine.LivingLister
	engine.ObjectDeleter
}

// Runner deletes what a restore created and what has not changed since, and nothing else. It asks the cluster alone: objects
// say themselves which restore made them. So it can be begun again at any time, and goes on where it ended.
type Runner struct {
	// Cluster is where the objects are.
	Cluster Cluster
	// Clock paces the progress.
	Clock clock.PassiveClock
	// Deleters is how many objects are deleted at once; at least 1.
	Deleters int
	// Patience is how long namespaces and definitions that were deleted are waited for; 0 means two minutes.
	Patience time.Duration
}

// Request is one wish.
type Request struct {
	// RestoreUID is the UID of the Restore, and During the time in which it created objects.
	RestoreUID string
	During     undo.Period
	// DryRun looks what would go, and deletes nothing.
	DryRun bool
	// Confirm makes sure that it is still wanted; its error ends it. It is asked before each step.
	Confirm func(ctx context.Context) error
	// Show receives the progress, at most once a second. It must not block.
	Show func(progress engine.Progress)
}

// Result is what became of it.
type Result struct {
	// Deleted and Kept count the objects that the restore created and that were there: those that went, or would go, and
	// those that stay.
	Deleted, Kept int64
	// Unclear is the number of objects of which nobody can say who made them, and that were made while the restore ran. They
	// stay.
	Unclear int64
	// DeletedRows and KeptRows are the first of them. A row of an object that was deleted has a message where it is not
	// gone yet.
	DeletedRows, KeptRows []engine.Row
}

// run is one run of Undo.
type run struct {
	*Runner

	request  Request
	progress *engine.Meter
	kinds    []core.Kind          // set by look
	unserved []core.UnservedGroup // set by look
	plan     *undo.Plan           // set by look

	mu        sync.Mutex
	result    Result
	protected map[types.UID]core.Key // owners of what turned out to stay, and what that is
	leaving   []core.Living          // namespaces and definitions whose deletion was asked for
}

// Run takes a restore back. An error means that it could not go on; the result says what had been done until then.
func (u *Runner) Run(ctx context.Context, request Request) (Result, error) {
	if request.Confirm == nil {
		request.Confirm = func(context.Context) error { return nil }
	}
	work := &run{
		Runner: u, request: request, progress: engine.NewMeter(u.Clock, request.Show),
		protected: map[types.UID]core.Key{},
	}
	err := work.look(ctx)
	if err == nil && request.DryRun {
		work.tell()
	} else if err == nil {
		err = work.delete(ctx)
	}
	return work.result, err
}

// look asks the cluster for everything that the restore created, and decides what of it goes.
func (r *run) look(ctx context.Context) error {
	kinds, unserved, err := r.Cluster.Kinds(ctx)
	if err != nil {
		return fmt.Errorf("%w: %w", engine.ErrCluster, err)
	}
	// What contains others comes first.
	slices.SortStableFunc(kinds, func(a, b core.Kind) int { return cmp.Compare(contents(a), contents(b)) })
	r.kinds, r.unserved = kinds, unserved
	survey := r.newSurvey(nil)
	for _, kind := range kinds {
		if err := r.survey(ctx, survey, kind, ""); err != nil {
			return err
		}
	}
	r.plan = survey.Plan()
	r.result.Unclear = survey.Unclear()
	for _, row := range r.plan.Kept {
		r.keep(row.Living, row.Reason, row.Message)
	}
	r.progress.Expect(r.plan.Deleted())
	return nil
}

// contents is 0 for kinds that contain others.
func contents(kind core.Kind) int {
	if engine.IsNamespace(kind) || engine.IsDefinition(kind) {
		return 0
	}
	return 1
}

func (r *run) newSurvey(going map[types.UID]bool) *undo.Survey {
	survey := undo.NewSurvey(r.request.RestoreUID, going)
	survey.During = r.request.During
	if len(r.unserved) > 0 {
		names := make([]string, 0, len(r.unserved))
		for _, group := range r.unserved {
			names = append(names, group.GroupVersion)
		}
		survey.Blind("what it has of " + strings.Join(names, ", ") + " cannot be seen, as these groups are not served")
	}
	return survey
}

// survey adds all objects of a kind, in one namespace or in all.
func (r *run) survey(ctx context.Context, survey *undo.Survey, kind core.Kind, namespace string) error {
	err := r.Cluster.EachLiving(ctx, kind, namespace, func(living core.Living) error {
		survey.Add(living)
		return nil
	})
	if errors.Is(err, core.ErrUnsupported) {
		return nil // It was served a moment ago, and went with its objects.
	}
	return err
}

// tell notes what would go.
func (r *run) tell() {
	for _, step := range r.plan.Steps {
		for _, row := range step {
			r.gone(row.Living)
		}
	}
}

// delete carries the plan out, step by step.
func (r *run) delete(ctx context.Context) error {
	for _, step := range r.plan.Steps {
		if err := r.request.Confirm(ctx); err != nil {
			return fmt.Errorf("confirming that the undo is still wanted: %w", err)
		}
		deleting, inner := engine.NewCrew(ctx, r.Deleters)
		for _, row := range step {
			if deleting.Do(inner, func(ctx context.Context) error { return r.deleteOne(ctx, row.Living) }) != nil {
				break
			}
		}
		if err := cmp.Or(deleting.End(), ctx.Err()); err != nil {
			return err
		}
	}
	return r.awaitGone(ctx)
}

// deleteOne deletes one object unless there is a new reason against it.
func (r *run) deleteOne(ctx context.Context, living core.Living) error {
	defer r.progress.Done(1, 0)
	if kept, is := r.isProtected(living); is {
		r.keep(living, undo.ReasonOwnsKept, fmt.Sprintf("%s, which stays, would be deleted with it", kept))
		return nil
	}
	var last error
	for try := 1; ; try++ {
		if last != nil || contents(living.Kind) == 0 {
			again, goes, failed := r.lookAgain(ctx, living)
			if failed != nil || !goes {
				return r.vanished(living, last, failed)
			}
			living = again
		}
		err := r.Cluster.Delete(ctx, living, false)
		if !worthAnother(last, err, try) {
			return r.deleted(ctx, living, err)
		}
		last = err
	}
}

// worthAnother tells whether an object is looked at again after a deletion that failed: somebody has changed it, or no answer
// came. A cluster that cannot be reached ends the undo there; one that answers is asked once more.
func worthAnother(last, err error, try int) bool {
	if errors.Is(err, core.ErrUnavailable) {
		return !errors.Is(last, core.ErrUnavailable)
	}
	return errors.Is(err, core.ErrConflict) && try < engine.MaxChanges
}

// errVanished: the object is not there any more, or is being deleted.
var errVanished = errors.New("vanished")

// vanished notes an object that is not there any more, where its last deletion had no answer: it was that which did it.
func (r *run) vanished(living core.Living, last, err error) error {
	if !errors.Is(err, errVanished) {
		return err
	}
	if errors.Is(last, core.ErrUnavailable) {
		r.gone(living)
	}
	return nil
}

// deleted notes what came of a deletion.
func (r *run) deleted(ctx context.Context, living core.Living, err error) error {
	switch {
	case ctx.Err() != nil:
		return ctx.Err()
	case err != nil:
		r.keep(living, undo.ReasonRefused, err.Error())
	default:
		r.gone(living)
	}
	return nil
}

// lookAgain reads an object that has changed, or into which it must be looked just before it goes. It returns false where
// the object is not to be deleted any more, and errVanished where somebody has deleted it.
func (r *run) lookAgain(ctx context.Context, living core.Living) (core.Living, bool, error) {
	again, err := r.Cluster.Living(ctx, living.Kind, living.Namespace, living.Name)
	if errors.Is(err, core.ErrNotFound) || err == nil && (again.UID != living.UID || again.Terminating) {
		return again, false, errVanished
	}
	if err != nil {
		return again, false, fmt.Errorf("%w: %w", engine.ErrCluster, err)
	}
	judged, err := r.judgeAgain(ctx, again)
	if err == nil && judged.Reason != "" {
		r.keep(again, judged.Reason, judged.Message)
	}
	return again, err == nil && judged.Reason == "", err
}

func (r *run) judgeAgain(ctx context.Context, again core.Living) (undo.Judgement, error) {
	judged := undo.Judge(again, r.request.RestoreUID)
	switch {
	case !judged.Made:
		return undo.Judgement{Reason: undo.ReasonChanged, Message: "it was written anew"}, nil
	case judged.Reason != "" || contents(again.Kind) > 0:
		return judged, nil
	}
	inside, err := r.lookInto(ctx, again)
	if inside != "" {
		judged.Reason, judged.Message = undo.ReasonNotEmpty, inside
	}
	return judged, err
}

// lookInto looks what is in a namespace or a definition now, and returns what stays in it.
func (r *run) lookInto(ctx context.Context, within core.Living) (string, error) {
	survey := r.newSurvey(r.plan.Going)
	survey.Add(within)
	for _, kind := range r.kinds {
		var err error
		switch {
		case engine.IsNamespace(within.Kind) && kind.Namespaced:
			err = r.survey(ctx, survey, kind, within.Name)
		case engine.IsDefinition(within.Kind) && kind.GroupResource().String() == within.Name:
			err = r.survey(ctx, survey, kind, "")
		}
		if err != nil {
			return "", err
		}
	}
	return survey.Plan().Inside(within.UID), nil
}

// keep notes that an object stays, and that its owners do.
func (r *run) keep(living core.Living, reason, message string) {
	r.mu.Lock()
	defer r.mu.Unlock()
	for _, owner := range living.Owners {
		r.protected[owner.UID] = living.Key()
	}
	r.result.Kept++
	if len(r.result.KeptRows) < engine.MaxRows {
		r.result.KeptRows = append(r.result.KeptRows, engine.Row{Kind: living.Kind, Key: living.Key(), Reason: reason, Message: message})
	}
}

func (r *run) isProtected(living core.Living) (core.Key, bool) {
	r.mu.Lock()
	defer r.mu.Unlock()
	kept, is := r.protected[living.UID]
	return kept, is
}

// gone notes that an object goes.
func (r *run) gone(living core.Living) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.result.Deleted++
	if len(r.result.DeletedRows) < engine.MaxRows {
		r.result.DeletedRows = append(r.result.DeletedRows, engine.Row{Kind: living.Kind, Key: living.Key()})
	}
	if contents(living.Kind) == 0 {
		r.leaving = append(r.leaving, living)
	}
}

// awaitGone waits for the namespaces and definitions, whose contents go after them. What takes longer is named.
func (r *run) awaitGone(ctx context.Context) error {
	waiting, cancel := context.WithTimeout(ctx, cmp.Or(r.Patience, engine.Patience))
	defer cancel()
	for _, living := range r.leaving {
		err := r.Cluster.AwaitGone(waiting, living)
		if ctx.Err() != nil {
			return ctx.Err()
		}
		at := slices.IndexFunc(r.result.DeletedRows, func(row engine.Row) bool { return row.Key == living.Key() })
		if err != nil && at >= 0 {
			r.result.DeletedRows[at].Message = "it is still being deleted: " + err.Error()
		}
	}
	return nil
}
