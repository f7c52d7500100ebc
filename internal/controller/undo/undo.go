// Package undo takes restores back when somebody asks for it.
//
// The wish is the annotation kahu.io/undo of a Restore that is over; each new value asks once. The answer is the condition
// Undone and status.undo, which carries the value as its token. A wish that comes before the run is over is answered and
// not kept, so that a copy of a Restore with its annotations does not take itself back. What is written into the status
// is enough for another process to go on: a wish without an answer is taken up again, and finds what is left.
package undo

import (
	"context"
	"fmt"
	"time"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/utils/clock"
	ctrl "sigs.k8s.io/controller-runtime"
	"sigs.k8s.io/controller-runtime/pkg/client"

	kahuv1 "github.com/soda-cdm/kahu/api/v1beta1"
	"github.com/soda-cdm/kahu/internal/controller/failure"
	"github.com/soda-cdm/kahu/internal/core"
	"github.com/soda-cdm/kahu/internal/core/undo"
	"github.com/soda-cdm/kahu/internal/core/volumework"
	"github.com/soda-cdm/kahu/internal/engine"
	engineundo "github.com/soda-cdm/kahu/internal/engine/undo"
	"github.com/soda-cdm/kahu/internal/reconcile"
)

const (
	// workers is how many objects are reconciled at once.
	workers = 2
	// waitTime is how soon a wish that waits for a place is looked at again.
	waitTime = 5 * time.Second
	// maxToken bounds a token, in bytes.
	maxToken = 253
)

// Tasks are the restores that are being taken back by this process.
type Tasks = reconcile.Tasks[engine.Progress, engineundo.Result]

// Runner takes restores back.
type Runner interface {
	// Run takes one back.
	Run(ctx context.Context, request engineundo.Request) (engineundo.Result, error)
}

// Orders are those for volumes that a restore gave.
type Orders interface {
	// CancelUnclaimed has those of a restore end whose claims are gone.
	CancelUnclaimed(ctx context.Context, run volumework.Run) error
}

// Controller answers the wishes.
type Controller struct {
	// Client reads and writes Kahu's own kinds, through a cache; Direct reads from the API server itself.
	Client client.Client
	Direct client.Reader
	// Runner takes restores back, Tasks keeps those that are being taken back.
	Runner Runner
	Tasks  *Tasks
	// Orders are those for volumes; nil where there are none.
	Orders Orders
	// Clock gives times.
	Clock clock.PassiveClock
	// Changed is told of each status that was written, with the object as it was before; it may be nil.
	Changed func(before, after *kahuv1.Restore)
}

type scope struct{ restore *kahuv1.Restore }

// answer returns where the answer goes; it is there once the wish was taken up.
func (s *scope) answer() *kahuv1.RestoreUndo { return s.restore.Status.Undo }

// isTaken tells whether the answer is one to the present wish.
func (s *scope) isTaken() bool { return s.answer() != nil && s.answer().Token == tokenOf(s.restore) }

// say writes the condition Undone.
func (s *scope) say(status metav1.ConditionStatus, reason, message string) {
	meta.SetStatusCondition(&s.restore.Status.Conditions, metav1.Condition{
		Type: kahuv1.ConditionUndone, Status: status, Reason: reason,
		Message: reconcile.Bounded(message, failure.MaxText), ObservedGeneration: s.restore.Generation,
	})
}

// tokenOf returns what the wish says, or nothing where there is none.
func tokenOf(restore *kahuv1.Restore) string {
	return reconcile.Bounded(restore.Annotations[kahuv1.AnnotationUndo], maxToken)
}

// Loop returns the controller as a loop of steps. The conditions Ready, Reconciling and Stalled are those of the run.
func (c *Controller) Loop() *reconcile.Loop[*kahuv1.Restore, *scope] {
	return &reconcile.Loop[*kahuv1.Restore, *scope]{
		Client:  c.Client,
		New:     func() *kahuv1.Restore { return &kahuv1.Restore{} },
		Scope:   func(restore *kahuv1.Restore) *scope { return &scope{restore: restore} },
		Release: c.Tasks.Release,
		Changed: c.Changed,
		Steps: []reconcile.Step[*scope]{
			{Name: "leaving what nobody asks", Do: c.leaveUnasked},
			{Name: "ending an earlier wish", Do: c.endEarlier},
			{Name: "taking the wish", Do: c.take},
			{Name: "deleting", Do: c.run},
			{Name: "answering", Do: c.conclude},
		},
	}
}

// SetUp registers the controller and its tasks with the manager.
func (c *Controller) SetUp(manager ctrl.Manager) error {
	built, err := c.Tasks.SetUp(manager, "undo", &kahuv1.Restore{}, workers)
	if err != nil {
		return err
	}
	return built.Complete(c.Loop())
}

// leaveUnasked ends the pass where there is no wish, or it has its answer. A wish that is taken back is not carried on.
func (c *Controller) leaveUnasked(_ context.Context, s *scope) error {
	unasked := tokenOf(s.restore) == "" || !s.restore.DeletionTimestamp.IsZero()
	open := s.answer() != nil && s.answer().Time == nil
	if answered := s.isTaken() && !open; !unasked && !answered {
		return nil
	}
	if !c.Tasks.Cancel(s.restore.UID) {
		return reconcile.Waiting(kahuv1.ReasonUndoing, "the deletions are being stopped", 0)
	}
	if open {
		snapshot, _ := c.Tasks.Look(s.restore.UID)
		s.stopped(snapshot.Result, c.Clock.Now(), "The wish was taken back before everything was deleted.")
	}
	c.Tasks.Forget(s.restore.UID)
	return reconcile.ErrDone
}

// endEarlier stops the task of a wish that another one has replaced, and answers that wish first: what was deleted for it
// is on record before the task is forgotten.
func (c *Controller) endEarlier(_ context.Context, s *scope) error {
	if s.isTaken() {
		return nil
	}
	if !c.Tasks.Cancel(s.restore.UID) {
		return reconcile.Waiting(kahuv1.ReasonUndoing, "the deletions for an earlier wish are being stopped", 0)
	}
	snapshot, there := c.Tasks.Look(s.restore.UID)
	if earlier := s.answer(); there && earlier != nil && !earlier.DryRun && earlier.Time == nil {
		s.stopped(snapshot.Result, c.Clock.Now(), "Another wish came before everything was deleted.")
		return reconcile.ErrDone // Its writing begins the next pass.
	}
	c.Tasks.Forget(s.restore.UID)
	return nil
}

// take writes the wish into the status, and answers one that comes too early.
func (c *Controller) take(_ context.Context, s *scope) error {
	if s.isTaken() {
		return nil
	}
	before := s.answer()
	s.restore.Status.Undo = &kahuv1.RestoreUndo{
		Token: tokenOf(s.restore), DryRun: s.restore.Annotations[kahuv1.AnnotationUndoDryRun] == "true",
		StartTime: &metav1.Time{Time: c.Clock.Now()},
	}
	if s.answer().DryRun {
		s.answer().Earlier = carriedOut(before)
	}
	if s.restore.Status.Stage != kahuv1.StageFinished {
		s.finish(c.Clock.Now())
		s.say(metav1.ConditionUnknown, kahuv1.ReasonRestoreNotFinished,
			"The restore is not over: set spec.cancel, or wait for its end, and ask again with another value of "+kahuv1.AnnotationUndo+".")
		return reconcile.ErrDone
	}
	s.say(metav1.ConditionUnknown, kahuv1.ReasonUndoing, "What the restore created is being looked for.")
	return reconcile.ErrDone // What is to be done is on record before it is done; that begins the next pass.
}

// carriedOut returns what is kept of an answer when a look takes its place: the last undo that may have deleted something.
func carriedOut(before *kahuv1.RestoreUndo) *kahuv1.EarlierUndo {
	switch {
	case before == nil:
		return nil
	case before.DryRun:
		return before.Earlier
	}
	return &kahuv1.EarlierUndo{
		Token: before.Token, StartTime: before.StartTime, Time: before.Time, Deleted: before.Deleted, Kept: before.Kept,
	}
}

// run begins the work, or shows how far it is.
func (c *Controller) run(_ context.Context, s *scope) error {
	snapshot, there := c.Tasks.Look(s.restore.UID)
	if there && snapshot.Ended {
		return nil
	}
	if !there {
		restore := s.restore.DeepCopy()
		request := engineundo.Request{
			RestoreUID: string(restore.UID), During: during(&restore.Status, restore.CreationTimestamp), DryRun: s.answer().DryRun,
			Confirm: func(ctx context.Context) error { return c.confirm(ctx, restore) },
		}
		begun := c.Tasks.Begin(restore, func(ctx context.Context, show func(engine.Progress)) (engineundo.Result, error) {
			request.Show = show
			found, err := c.Runner.Run(ctx, request)
			if err != nil || request.DryRun || c.Orders == nil {
				return found, err
			}
			return found, c.Orders.CancelUnclaimed(ctx, volumework.Run{Name: restore.Name, UID: string(restore.UID)})
		})
		if !begun {
			return reconcile.Waiting(kahuv1.ReasonPending, "other restores are being undone", waitTime)
		}
		return reconcile.ErrDone
	}
	s.say(metav1.ConditionUnknown, kahuv1.ReasonUndoing,
		fmt.Sprintf("Dealt with: %d of %s.", snapshot.Progress.Done, core.Count(snapshot.Progress.Total, "object")))
	return reconcile.ErrDone
}

// during returns when the restore can have created objects.
func during(status *kahuv1.RestoreStatus, created metav1.Time) undo.Period {
	period := undo.Period{From: created.Time}
	if status.CompletionTimestamp != nil {
		period.To = status.CompletionTimestamp.Time
	}
	return period
}

// confirm makes sure that the wish is still there, as the API server itself has it.
func (c *Controller) confirm(ctx context.Context, restore *kahuv1.Restore) error {
	now := &kahuv1.Restore{}
	err := c.Direct.Get(ctx, client.ObjectKeyFromObject(restore), now)
	if client.IgnoreNotFound(err) != nil {
		return fmt.Errorf("reading the Restore: %w", err)
	}
	if apierrors.IsNotFound(err) || now.UID != restore.UID || !now.DeletionTimestamp.IsZero() || tokenOf(now) != tokenOf(restore) {
		return failure.ErrNotWanted
	}
	return nil
}
