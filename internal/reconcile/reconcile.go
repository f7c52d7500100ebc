// Package reconcile is the loop that every controller of Kahu runs in.
//
// A controller is a list of Steps, read from top to bottom. Each pass gathers what it needs into a scope, runs the
// steps, which act on the world and change the object in memory only, and then writes the object's status once. A
// step opens with a guard on what is true already, so that a pass that begins anywhere ends in the same place.
//
// A step ends in one of four ways. With nil, and the next step follows. With Done or After, and the pass is over, all
// being well. With Waiting, and the pass is over and is repeated after a time, or earlier when something that is watched
// changes. With Stalled, and the pass is over until a person changes something. Any other error is a fault: the pass
// is repeated with back-off, and what is shown is that it will be.
//
// The conditions Ready, Reconciling and Stalled follow from that and are written here, so that they mean the same on
// every kind (the conventions of kstatus). Steps write the conditions that are particular to their kind.
package reconcile

import (
	"context"
	"errors"
	"fmt"
	"time"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	ctrl "sigs.k8s.io/controller-runtime"
	"sigs.k8s.io/controller-runtime/pkg/client"
)

// Step is one thing that a controller does about an object, whose scope is S.
type Step[S any] struct {
	// Name is a short verb phrase for the log.
	Name string
	// Do acts, or finds that there is nothing to do. It changes the object in memory only.
	Do func(ctx context.Context, scope S) error
}

// Loop reconciles objects of the type T with steps over the scope S.
type Loop[T client.Object, S any] struct {
	// Client reads the objects and writes their status.
	Client client.Client
	// New returns an empty object.
	New func() T
	// Conditions returns where the object keeps its conditions. It is nil where Ready, Reconciling and Stalled are those
	// of another loop over the same objects.
	Conditions func(object T) *[]metav1.Condition
	// Scope returns the scope of one pass; steps change the object that is in it.
	Scope func(object T) S
	// Steps are run in order.
	Steps []Step[S]
	// Release is told of each pass, with the name of the object and its UID, empty where it is gone, so that what was
	// begun for an earlier object of that name can be ended. It may be nil.
	Release func(name string, living types.UID)
	// Changed is told of each status that was written, with the object as it was before. It must not change them, and
	// may be nil.
	Changed func(before, after T)
	// Resync is the time after which an object is looked at again although nothing changed; zero means never.
	Resync time.Duration
}

// Reconcile runs one pass over the object of that name.
func (l *Loop[T, S]) Reconcile(ctx context.Context, request ctrl.Request) (ctrl.Result, error) {
	object := l.New()
	err := l.Client.Get(ctx, request.NamespacedName, object)
	if l.Release != nil && client.IgnoreNotFound(err) == nil {
		l.Release(request.Name, object.GetUID())
	}
	if err != nil {
		return ctrl.Result{}, client.IgnoreNotFound(err)
	}
	before, ok := object.DeepCopyObject().(T)
	if !ok {
		return ctrl.Result{}, fmt.Errorf("copying %T: the copy has another type", object)
	}

	outcome := l.run(ctx, object)
	if l.Conditions != nil {
		show(l.Conditions(object), outcome, object.GetGeneration())
	}

	// The version as it is now: a step may have changed the object's metadata through the API.
	before.SetResourceVersion(object.GetResourceVersion())
	patch := client.MergeFromWithOptions(before, client.MergeFromWithOptimisticLock{})
	written, err := l.patchStatus(ctx, object, patch)
	if err != nil {
		return again(err)
	}
	if written && l.Changed != nil {
		l.Changed(before, object)
	}
	return l.result(outcome)
}

// run runs the steps until one of them ends the pass.
func (l *Loop[T, S]) run(ctx context.Context, object T) error {
	scope := l.Scope(object)
	for _, step := range l.Steps {
		if err := step.Do(ctx, scope); err != nil {
			return named(step.Name, err)
		}
	}
	return nil
}

// patchStatus writes the status if anything in it changed; a status patch that is empty but for the lock costs nothing.
func (l *Loop[T, S]) patchStatus(ctx context.Context, object T, patch client.Patch) (written bool, err error) {
	data, err := patch.Data(object)
	if err != nil {
		return false, fmt.Errorf("comparing the status: %w", err)
	}
	if !hasStatus(data) {
		return false, nil
	}
	if err := l.Client.Status().Patch(ctx, object, patch); err != nil {
		return false, fmt.Errorf("writing the status: %w", err)
	}
	return true, nil
}

// again turns an error of the status write into what happens next: an object that is gone needs nothing, one that
// somebody else changed is looked at afresh without a word.
func again(err error) (ctrl.Result, error) {
	if apierrors.IsConflict(err) {
		return ctrl.Result{RequeueAfter: shortest}, nil
	}
	return ctrl.Result{}, client.IgnoreNotFound(err)
}

// named adds the step to a fault; the other outcomes speak for themselves.
func named(step string, err error) error {
	if isOutcome(err) {
		return err
	}
	return fmt.Errorf("%s: %w", step, err)
}

// result turns the outcome of a pass into what controller-runtime does next.
func (l *Loop[T, S]) result(outcome error) (ctrl.Result, error) {
	var waiting *WaitingError
	var after *AfterError
	switch {
	case errors.As(outcome, &after):
		return ctrl.Result{RequeueAfter: after.After}, nil
	case isWell(outcome), isStalled(outcome):
		return ctrl.Result{RequeueAfter: l.Resync}, nil
	case errors.As(outcome, &waiting):
		return ctrl.Result{RequeueAfter: waiting.After}, nil
	case apierrors.IsConflict(outcome):
		return ctrl.Result{RequeueAfter: shortest}, nil
	default:
		return ctrl.Result{}, outcome
	}
}
