// Package inspection answers Inspection objects: each is one question about what lies at a location, and one page of the
// answer.
//
// A question is answered once. The answer is looked for beside the loop, for at most a time, so that a store that hangs
// holds up no other question; what is found is written with the state Completed, and the object goes when it has been
// there for a while. A question that is not answered when the manager ends is answered by the next one: to answer
// changes nothing.
package inspection

import (
	"context"
	"errors"
	"fmt"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/utils/clock"
	ctrl "sigs.k8s.io/controller-runtime"
	"sigs.k8s.io/controller-runtime/pkg/client"

	kahuv1 "github.com/soda-cdm/kahu/api/v1beta1"
	"github.com/soda-cdm/kahu/internal/controller/failure"
	"github.com/soda-cdm/kahu/internal/controller/place"
	"github.com/soda-cdm/kahu/internal/controller/queue"
	"github.com/soda-cdm/kahu/internal/core"
	"github.com/soda-cdm/kahu/internal/core/inspection"
	"github.com/soda-cdm/kahu/internal/reconcile"
)

const (
	// workers is how many objects are reconciled at once; none of them waits for a store.
	workers = 2
	// waitTime is how soon a question that waits for something looks again.
	waitTime = 500 * time.Millisecond
	// answerTime bounds the work on one answer.
	answerTime = 2 * time.Minute
	// perLocation is how many answers are looked for at once at one location.
	perLocation = 3
)

// Tasks are the answers that are being looked for in this process.
type Tasks = reconcile.Tasks[struct{}, inspection.Page]

// Controller reconciles Inspection objects.
type Controller struct {
	// Client reads and writes Kahu's own kinds.
	Client client.Client
	// Subjects are what can be asked about.
	Subjects map[kahuv1.InspectionSubject]Subject
	// Tasks keeps the work.
	Tasks *Tasks
	// Clock gives times.
	Clock clock.PassiveClock
	// Patience is how long a question waits for its location before it fails; Keep is how long an answer stays.
	Patience, Keep time.Duration
}

type scope struct{ inspection *kahuv1.Inspection }

func (s *scope) status() *kahuv1.InspectionStatus { return &s.inspection.Status }

// Loop returns the controller as a loop of steps.
func (c *Controller) Loop() *reconcile.Loop[*kahuv1.Inspection, *scope] {
	return &reconcile.Loop[*kahuv1.Inspection, *scope]{
		Client:     c.Client,
		New:        func() *kahuv1.Inspection { return &kahuv1.Inspection{} },
		Conditions: func(object *kahuv1.Inspection) *[]metav1.Condition { return &object.Status.Conditions },
		Scope:      func(object *kahuv1.Inspection) *scope { return &scope{inspection: object} },
		Release:    c.Tasks.Release,
		Resync:     c.Keep, // A question that failed is removed too.
		Steps: []reconcile.Step[*scope]{
			{Name: "leaving what is being deleted", Do: c.leave},
			{Name: "removing what is old", Do: c.expire},
			{Name: "looking for the answer", Do: c.ask},
			{Name: "writing the answer", Do: c.conclude},
		},
	}
}

// SetUp registers the controller and its tasks with the manager.
func (c *Controller) SetUp(manager ctrl.Manager) error {
	built, err := c.Tasks.SetUp(manager, "inspection", &kahuv1.Inspection{}, workers)
	if err != nil {
		return err
	}
	return built.Complete(c.Loop())
}

// leave ends the pass, and the work, for an object that goes.
func (c *Controller) leave(_ context.Context, s *scope) error {
	if s.inspection.DeletionTimestamp.IsZero() {
		return nil
	}
	c.Tasks.Cancel(s.inspection.UID)
	return reconcile.ErrDone
}

// expire removes an object whose answer has been there for long enough.
func (c *Controller) expire(ctx context.Context, s *scope) error {
	status := s.status()
	if status.State != kahuv1.StateCompleted && status.State != kahuv1.StateFailed {
		return nil
	}
	c.Tasks.Forget(s.inspection.UID)
	left := c.Keep - c.Clock.Since(status.CompletionTimestamp.Time)
	switch {
	case left > 0 && status.State == kahuv1.StateFailed:
		return reconcile.Repeat(status.Conditions)
	case left > 0:
		return reconcile.After(left)
	}
	uid := s.inspection.UID
	err := c.Client.Delete(ctx, named(s.inspection), client.Preconditions{UID: &uid})
	if client.IgnoreNotFound(err) != nil {
		return fmt.Errorf("deleting the inspection: %w", err)
	}
	return reconcile.Repeat(status.Conditions)
}

// ask begins the work on the answer, or waits for its end.
func (c *Controller) ask(ctx context.Context, s *scope) error {
	if snapshot, there := c.Tasks.Look(s.inspection.UID); there {
		if snapshot.Ended {
			return nil
		}
		return reconcile.Waiting(kahuv1.ReasonProcessing, "The answer is being looked for.", 0)
	}
	status := s.status()
	status.State, status.ObservedGeneration = kahuv1.StateProcessing, s.inspection.Generation
	subject, known := c.Subjects[s.inspection.Spec.Subject]
	if !known {
		return c.fail(s, failure.Failure{
			Reason:  kahuv1.ReasonValidationFailed,
			Message: fmt.Sprintf("spec.subject: this version of Kahu knows nothing of %q", s.inspection.Spec.Subject),
		})
	}
	location, answer, err := subject.Ask(ctx, s.inspection)
	if err != nil {
		return c.refuseOrWait(s, err)
	}
	position := int32(0)
	if err := queue.Enter(c.Tasks, queue.Wish{Run: s.inspection, Location: location, Limit: perLocation, Now: c.Clock.Now()}, &position); err != nil {
		return err
	}
	page := s.inspection.Spec.Page
	begun := c.Tasks.Begin(named(s.inspection), func(ctx context.Context, _ func(struct{})) (inspection.Page, error) {
		ctx, cancel := context.WithTimeout(ctx, answerTime)
		defer cancel()
		return answer(ctx, page)
	})
	if !begun {
		return reconcile.Waiting(kahuv1.ReasonPending, "The manager is ending; another one goes on.", waitTime)
	}
	return reconcile.Waiting(kahuv1.ReasonProcessing, "The answer is being looked for.", 0)
}

// named returns what names an object, and nothing else of it.
func named(object *kahuv1.Inspection) *kahuv1.Inspection {
	return &kahuv1.Inspection{ObjectMeta: metav1.ObjectMeta{Name: object.Name, UID: object.UID}}
}

// refuseOrWait fails a question that a person has to mend, and lets one whose location may come back wait for a while.
func (c *Controller) refuseOrWait(s *scope, err error) error {
	if !place.Unseen(err) {
		c.Tasks.Leave(s.inspection.UID) // Others can go on meanwhile.
	}
	var unusable *place.NotUsableError
	if !errors.As(err, &unusable) {
		return err
	}
	if unusable.Passing && c.Clock.Since(s.inspection.CreationTimestamp.Time) < c.Patience {
		return reconcile.Waiting(unusable.Reason, unusable.Error(), waitTime)
	}
	return c.fail(s, failure.Failure{Reason: unusable.Reason, Message: unusable.Error()})
}

// conclude writes the answer, or why there is none.
func (c *Controller) conclude(_ context.Context, s *scope) error {
	snapshot, there := c.Tasks.Look(s.inspection.UID)
	if !there || !snapshot.Ended {
		return nil
	}
	if snapshot.Err != nil {
		return c.fail(s, whyNot(snapshot.Err))
	}
	status := s.status()
	status.State, status.CompletionTimestamp = kahuv1.StateCompleted, &metav1.Time{Time: c.Clock.Now()}
	status.Lines, status.NextPage = snapshot.Result.Lines, snapshot.Result.Next
	message := "This is the last page of the answer."
	if status.NextPage != "" {
		message = "There are more pages: create another Inspection, with status.nextPage in its spec.page."
	}
	reconcile.SetReady(&status.Conditions, kahuv1.ReasonAnswered, message, s.inspection.Generation)
	return reconcile.After(c.Keep)
}

// whyNot finds the reason in what an Answer returned.
func whyNot(err error) failure.Failure {
	switch {
	case errors.Is(err, inspection.ErrToken):
		return failure.Failure{
			Reason: kahuv1.ReasonPageInvalid, Message: "spec.page: " + err.Error() + ": begin with the first page again",
		}
	case errors.Is(err, context.DeadlineExceeded):
		return failure.Failure{
			Reason:  kahuv1.ReasonLocationUnreachable,
			Message: fmt.Sprintf("the store did not give the answer in %s: see whether it can be reached, and ask again", answerTime),
		}
	case errors.Is(err, core.ErrNotFound):
		return failure.Failure{
			Reason: kahuv1.ReasonManifestNotFound, Message: "the location has no manifest of this backup: " + err.Error(),
		}
	}
	return failure.OfReading(err)
}

// fail ends the question without an answer.
func (c *Controller) fail(s *scope, why failure.Failure) error {
	status := s.status()
	status.State, status.CompletionTimestamp = kahuv1.StateFailed, &metav1.Time{Time: c.Clock.Now()}
	return reconcile.Stalled(why.Reason, why.Message)
}
