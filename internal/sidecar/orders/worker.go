package orders

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	ctrl "sigs.k8s.io/controller-runtime"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/controller/controllerutil"
	"sigs.k8s.io/controller-runtime/pkg/event"

	kahuv1 "github.com/soda-cdm/kahu/api/v1beta1"
	"github.com/soda-cdm/kahu/internal/core/volumeorder"
)

// fieldManager owns the statuses of orders.
const fieldManager = client.FieldOwner("kahu-volume-service")

// placePause is after how long an order that waits for a place looks again, should nobody have told it.
const placePause = 10 * time.Second

// desk is what the workers of both kinds share.
type desk struct {
	options Options
	cluster client.Client
	direct  client.Reader
	tracks  tracks
	places  places

	counting sync.Mutex
	counted  bool // Whether the orders that were under way have their places. Guarded by counting.
}

// worker carries out the orders of one kind.
type worker struct {
	*desk

	kind kind
	wake chan event.GenericEvent
}

// pass is one look at an order.
type pass struct {
	*worker
	*order

	key   key
	track *track
	now   time.Time
	// away says why the driver cannot be used, nil when it can.
	away error
	// moved says that there was progress which is not written yet. Set by progress.
	moved bool
}

// Reconcile does the next step of an order.
func (w *worker) Reconcile(ctx context.Context, request ctrl.Request) (ctrl.Result, error) {
	name := key{w.kind.name, request.Name}
	object := w.kind.object()
	if err := w.cluster.Get(ctx, request.NamespacedName, object); err != nil {
		if apierrors.IsNotFound(err) {
			w.forget(name)
		}
		return ctrl.Result{}, client.IgnoreNotFound(err)
	}
	found := w.kind.order(object)
	if found.ended() && object.GetDeletionTimestamp().IsZero() {
		w.forget(name)
		return ctrl.Result{}, nil
	}
	provider, condition := w.options.Health.Look()
	if provider == "" || condition.Standby {
		return ctrl.Result{RequeueAfter: longestPause}, nil
	}
	if found.provider != provider {
		return ctrl.Result{}, nil
	}
	now := w.options.Clock.Now()
	pass := &pass{worker: w, order: found, key: name, track: w.tracks.of(name, object.GetUID(), now), now: now, away: condition.Err}
	result, err := pass.do(ctx)
	if apierrors.IsConflict(err) || apierrors.IsNotFound(err) {
		return ctrl.Result{RequeueAfter: firstPause}, nil // It was changed meanwhile: the cache is about to tell.
	}
	return result, err
}

// forget drops what is remembered of an order.
func (w *worker) forget(name key) {
	w.tracks.forget(name)
	w.places.give(name)
}

// do decides on the next step and does it.
func (p *pass) do(ctx context.Context) (ctrl.Result, error) {
	switch {
	case p.waits():
		p.places.give(p.key)
	case p.begun():
		p.places.occupy(p.key)
	}
	if p.away != nil {
		p.track.moved = p.now // Who is not there does not stand still.
	}
	step, why := volumeorder.Next(p.known())
	if step != p.track.step {
		p.track.step, p.track.pause, p.track.next = step, 0, time.Time{}
	}
	if wait := p.track.next.Sub(p.now); wait > 0 {
		return ctrl.Result{RequeueAfter: wait}, nil
	}
	return p.step(ctx, step, why)
}

// step does a step.
func (p *pass) step(ctx context.Context, step volumeorder.Step, why volumeorder.Cause) (ctrl.Result, error) {
	because := map[volumeorder.Step]func(context.Context, volumeorder.Cause) (ctrl.Result, error){
		volumeorder.Begin: p.begin, volumeorder.Cancel: p.cancel, volumeorder.Fail: p.fail,
	}
	if do := because[step]; do != nil {
		return do(ctx, why)
	}
	steps := map[volumeorder.Step]func(context.Context) (ctrl.Result, error){
		volumeorder.Hold: p.hold, volumeorder.Intend: p.intend, volumeorder.Look: p.look,
		volumeorder.Complete: p.complete, volumeorder.Remove: p.remove, volumeorder.Release: p.release,
	}
	if do := steps[step]; do != nil {
		return do(ctx)
	}
	p.forget(p.key)
	return ctrl.Result{}, nil
}

// known returns what is known of the order.
func (p *pass) known() volumeorder.Order {
	known := p.facts
	known.Ended = p.ended()
	known.Held = controllerutil.ContainsFinalizer(p.object, kahuv1.VolumeFinalizer)
	known.Deleted = !p.object.GetDeletionTimestamp().IsZero()
	known.Timeout = p.timeout
	if !p.patient {
		known.Patience = p.options.Limits.Patience
	}
	if start := p.status.StartTimestamp; !start.IsZero() {
		known.Intended = true
		known.Elapsed = p.now.Sub(start.Time)
		known.Still = p.now.Sub(p.track.moved)
		known.Unsure = known.Ended && volumeorder.EndedEarly(p.status.Reason)
	}
	return known
}

// hold keeps the object until it is let go.
func (p *pass) hold(ctx context.Context) (ctrl.Result, error) {
	return p.finalizer(ctx, controllerutil.AddFinalizer)
}

// release lets the object go.
func (p *pass) release(ctx context.Context) (ctrl.Result, error) {
	defer p.forget(p.key)
	return p.finalizer(ctx, controllerutil.RemoveFinalizer)
}

// finalizer adds or removes the finalizer, unless the object has changed meanwhile.
func (p *pass) finalizer(ctx context.Context, change func(client.Object, string) bool) (ctrl.Result, error) {
	before := p.object.DeepCopyObject().(client.Object) //nolint:forcetypeassert // It is a copy of one.
	change(p.object, kahuv1.VolumeFinalizer)
	patch := client.MergeFromWithOptions(before, client.MergeFromWithOptimisticLock{})
	return ctrl.Result{}, p.cluster.Patch(ctx, p.object, patch, fieldManager)
}

// intend writes down that the driver will be asked to begin, as soon as there is a place.
func (p *pass) intend(ctx context.Context) (ctrl.Result, error) {
	if p.away != nil {
		return p.wait(ctx, kahuv1.ReasonProviderUnavailable, p.away)
	}
	if err := p.count(ctx); err != nil {
		return ctrl.Result{}, err
	}
	if !p.places.take(p.key, p.waker()) {
		return ctrl.Result{RequeueAfter: placePause}, nil
	}
	p.status.Phase = kahuv1.VolumePhaseNew
	p.status.StartTimestamp = metav1.NewMicroTime(p.now)
	p.status.Reason, p.status.FailureReason = "", ""
	return p.write(ctx)
}

// waker returns what puts the order before a worker again.
func (p *pass) waker() func() {
	object := p.kind.object()
	object.SetName(p.object.GetName())
	return func() {
		select {
		case p.wake <- event.GenericEvent{Object: object}:
		default: // It looks by itself.
		}
	}
}

// count gives a place to each order that was under way when this process started.
func (d *desk) count(ctx context.Context) error {
	d.counting.Lock()
	defer d.counting.Unlock()
	if d.counted {
		return nil
	}
	provider, _ := d.options.Health.Look()
	for _, each := range []kind{backups(d), restores(d)} {
		list := each.list()
		if err := d.cluster.List(ctx, list); err != nil {
			return fmt.Errorf("listing orders: %w", err)
		}
		for _, found := range each.orders(list) {
			if found.provider == provider && found.begun() && !found.waits() {
				d.places.occupy(key{each.name, found.object.GetName()})
			}
		}
	}
	d.counted = true
	return nil
}

// write writes the status, on top of what was read and no other way.
func (p *pass) write(ctx context.Context) (ctrl.Result, error) {
	if err := p.cluster.Status().Update(ctx, p.object, fieldManager); err != nil {
		return ctrl.Result{}, fmt.Errorf("writing the status of %s: %w", p.object.GetName(), err)
	}
	p.track.told = p.now
	return ctrl.Result{RequeueAfter: firstPause}, nil
}

// wait tells what the order waits for, unless that is told already, and looks again later.
func (p *pass) wait(ctx context.Context, reason string, why error) (ctrl.Result, error) {
	pause := p.track.later(p.now)
	message := bounded(why.Error())
	if p.status.Reason != reason || p.now.Sub(p.track.told) >= tellEvery && p.status.FailureReason != message {
		p.status.Reason, p.status.FailureReason = reason, message
		if _, err := p.write(ctx); err != nil {
			return ctrl.Result{}, err
		}
	}
	return ctrl.Result{RequeueAfter: pause}, nil
}

// complete writes down that the order is done.
func (p *pass) complete(ctx context.Context) (ctrl.Result, error) {
	p.status.Reason, p.status.FailureReason = "", ""
	return p.end(ctx, kahuv1.VolumePhaseCompleted)
}

// fail writes down that the order came to nothing.
func (p *pass) fail(ctx context.Context, why volumeorder.Cause) (ctrl.Result, error) {
	p.status.Reason, p.status.FailureReason = why.Reason, bounded(why.Message)
	return p.end(ctx, kahuv1.VolumePhaseFailed)
}

// end writes how the order ended.
func (p *pass) end(ctx context.Context, phase kahuv1.VolumePhase) (ctrl.Result, error) {
	p.status.Phase = phase
	p.status.CompletionTimestamp = metav1.NewMicroTime(p.now)
	result, err := p.write(ctx)
	if err != nil {
		return result, err
	}
	p.places.give(p.key)
	p.options.Logger.Info("order has ended", "kind", p.kind.name, "name", p.object.GetName(), "phase", phase, "reason", p.status.Reason)
	return result, nil
}

// errUnconfirmed: the driver did not say in time that it has ended the work.
var errUnconfirmed = errors.New("the driver did not confirm in time that the work has ended")
