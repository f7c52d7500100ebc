package volume

import (
	"context"
	"errors"
	"fmt"
	"sync"

	"golang.org/x/sync/errgroup"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/utils/ptr"
	"sigs.k8s.io/controller-runtime/pkg/client"

	kahuv1 "github.com/soda-cdm/kahu/api/v1beta1"
	"github.com/soda-cdm/kahu/internal/core/volumeplan"
	"github.com/soda-cdm/kahu/internal/core/volumework"
)

// The reasons why the backup of a volume failed.
const (
	// ReasonSnapshotFailed: no snapshot could be had.
	ReasonSnapshotFailed = "SnapshotFailed"
	// ReasonOrderFailed: the provider could not do it.
	ReasonOrderFailed = "VolumeBackupFailed"
)

// keepsSnapshot marks an order whose snapshot is the backup, and must stay when the order is Completed.
const keepsSnapshot = "kahu.io/keeps-snapshot"

// BackUp gives an order for every volume, and returns what became of them when all are over. What another attempt has ordered
// is waited for. An error means that nothing is known of the orders.
func (c *Client) BackUp(
	ctx context.Context, run volumework.Run, decisions []volumeplan.Decision, show func(volumework.Progress),
) ([]volumework.Outcome, error) {
	ordered, err := c.orders(ctx, run)
	if err != nil {
		return nil, err
	}
	working, done := context.WithCancel(ctx) // Over when all outcomes are known: nobody waits for what was given up.
	defer done()
	work := &backingUp{Client: c, run: run, show: show, done: done, outcomes: map[string]*volumework.Outcome{}}
	for i := range decisions { // All of them, before one can be over.
		work.outcomes[work.nameOf(&decisions[i])] = &volumework.Outcome{Decision: decisions[i]}
	}
	if err := work.giveAndWait(working, decisions, ordered); err != nil && (ctx.Err() != nil || !work.over()) {
		return nil, err
	}
	if err := c.markKept(ctx, run); err != nil {
		return nil, err
	}
	outcomes := make([]volumework.Outcome, 0, len(decisions))
	for i := range decisions {
		outcomes = append(outcomes, *work.outcomes[work.nameOf(&decisions[i])])
	}
	return outcomes, nil
}

// orders returns the orders of a run by their names.
func (c *Client) orders(ctx context.Context, run volumework.Run) (map[string]*kahuv1.VolumeBackupContent, error) {
	list := &kahuv1.VolumeBackupContentList{}
	if err := c.api.List(ctx, list, ofRun(run)); err != nil && !meta.IsNoMatchError(err) {
		return nil, fmt.Errorf("listing the work orders of backup %s: %w", run.Name, err)
	}
	found := map[string]*kahuv1.VolumeBackupContent{}
	for i := range list.Items {
		found[list.Items[i].Name] = &list.Items[i]
	}
	return found, nil
}

// backingUp is the backup of the volumes of one run.
type backingUp struct {
	*Client

	run    volumework.Run
	show   func(volumework.Progress)
	done   func()          // ends all waiting
	before []client.Object // orders that an earlier attempt has given

	mu       sync.Mutex
	outcomes map[string]*volumework.Outcome // by the names of the orders
	states   map[string]*state
}

// state is how one order is.
type state struct {
	over                  bool
	failed                bool
	bytesDone, bytesTotal int64
}

// fail ends the backup of one volume.
func (w *backingUp) fail(decision *volumeplan.Decision, reason string, err error) {
	w.settle(w.nameOf(decision), func(outcome *volumework.Outcome, now *state) {
		if now.over {
			return // What was said first counts.
		}
		outcome.Reason, outcome.Message = reason, err.Error()
		now.over, now.failed = true, true
	})
}

// settle changes what is known of an order, and shows how far all are.
func (w *backingUp) settle(name string, change func(outcome *volumework.Outcome, now *state)) {
	w.mu.Lock()
	defer w.mu.Unlock()
	outcome, known := w.outcomes[name]
	if !known {
		return
	}
	if w.states == nil {
		w.states = map[string]*state{}
	}
	if w.states[name] == nil {
		w.states[name] = &state{}
	}
	change(outcome, w.states[name])
	progress := volumework.Progress{Total: int64(len(w.outcomes))}
	for _, each := range w.states {
		progress.BytesDone += each.bytesDone
		progress.BytesTotal += each.bytesTotal
		switch {
		case each.failed:
			progress.Failed++
		case each.over:
			progress.Done++
		}
	}
	w.show(progress)
	if w.allOver() {
		w.done()
	}
}

// over tells whether nothing is waited for any more.
func (w *backingUp) over() bool {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.allOver()
}

// allOver is over for who holds the lock.
func (w *backingUp) allOver() bool {
	for name := range w.outcomes {
		if w.states[name] == nil || !w.states[name].over {
			return false
		}
	}
	return true
}

// fromSnapshots gives the orders for volumes of which snapshots were cut, each as soon as its snapshot can be used.
func (w *backingUp) fromSnapshots(ctx context.Context, decisions []*volumeplan.Decision) error {
	if len(decisions) == 0 {
		return nil
	}
	waiting := map[client.ObjectKey]*volumeplan.Decision{}
	var cut []client.Object // One that is gone by now is waited for no more.
	for _, each := range decisions {
		cut = append(cut, objectOf(snapshotKind, each.Claim.Namespace, snapshotName(w.run, each.Claim.Key())))
		waiting[client.ObjectKey{Namespace: each.Claim.Namespace, Name: snapshotName(w.run, each.Claim.Key())}] = each
	}
	bounded, cancel := context.WithTimeoutCause(ctx, w.options.ReadyTime, errSlow)
	defer cancel()
	retained, last := map[client.ObjectKey]bool{}, map[client.ObjectKey]string{}
	err := w.follow(bounded, follower{
		list: func() client.ObjectList { return listOf(snapshotKind) }, options: []client.ListOption{ofRun(w.run)},
		over: func() bool { return len(waiting) == 0 }, before: cut,
		look: func(ctx context.Context, object client.Object, gone bool) error {
			key := client.ObjectKeyFromObject(object)
			decision, made := waiting[key], snapshotOf(object.(*unstructured.Unstructured)) //nolint:forcetypeassert // Nothing else is in the list.
			if decision == nil {
				return nil
			}
			if last[key] = made.failure; gone {
				delete(waiting, key)
				w.fail(decision, ReasonSnapshotFailed, fmt.Errorf("its VolumeSnapshot %s was deleted while the backup ran", key))
				return nil
			}
			return w.advance(ctx, advancing{key: key, decision: decision, made: made, retained: retained, waiting: waiting})
		},
	})
	if ctx.Err() != nil {
		return ctx.Err()
	}
	for key, decision := range waiting {
		reason := errSlow
		if last[key] != "" {
			reason = errors.New(last[key])
		} else if err != nil {
			reason = err
		}
		w.fail(decision, ReasonSnapshotFailed, fmt.Errorf("its VolumeSnapshot %s cannot be used: %w", key, reason))
	}
	return nil
}

// hold has a snapshot outlive its namespace, and returns what its content says.
func (w *backingUp) hold(ctx context.Context, made snapshot, of fate) (held content, err error) {
	err = patiently(ctx, func() error {
		if held, err = w.secure(ctx, w.run, made.content, of); err == nil && made.ready && held.handle == "" {
			err = errNoHandle
		}
		return err
	})
	return held, err
}

// errNoHandle: a snapshot can be used, and its content does not name it yet.
var errNoHandle = errors.New("its content does not say what the driver knows it by")

// advancing is a snapshot on its way to be used.
type advancing struct {
	key      client.ObjectKey
	decision *volumeplan.Decision
	made     snapshot
	retained map[client.ObjectKey]bool
	waiting  map[client.ObjectKey]*volumeplan.Decision
}

// news tells whether something is to be done about the snapshot.
func (a *advancing) news() bool {
	return a.made.content != "" && (!a.retained[a.key] || a.made.ready || a.made.failure != "")
}

// advance has a snapshot outlive its namespace as soon as it has a content, and gives the order when it can be used: only then is it
// on record that it becomes the backup. Where something is wrong with it, its content is looked at again: it may be gone.
func (w *backingUp) advance(ctx context.Context, a advancing) error {
	if w.isGivenUp(a.decision) {
		delete(a.waiting, a.key)
	}
	if a.waiting[a.key] == nil || !a.news() {
		return nil
	}
	held, err := w.hold(ctx, a.made, fate{policy: policyRetain, keeps: a.decision.KeepsSnapshot && a.made.ready})
	if err == nil && !a.made.ready {
		a.retained[a.key] = true
		return nil
	}
	delete(a.waiting, a.key)
	if err != nil {
		w.fail(a.decision, ReasonSnapshotFailed, err)
		return ctx.Err()
	}
	cut := held.cut
	if cut.IsZero() {
		cut = a.made.cut
	}
	w.order(ctx, a.decision, &kahuv1.VolumeSnapshotSource{
		Driver: held.driver, Handle: held.handle, CutTimestamp: metav1.NewMicroTime(cut), RestoreSize: a.made.restoreSize, DeletionSecret: held.secret,
	})
	return nil
}

// order creates the work order of a volume.
func (w *backingUp) order(ctx context.Context, decision *volumeplan.Decision, cut *kahuv1.VolumeSnapshotSource) {
	claim := &decision.Claim
	order := &kahuv1.VolumeBackupContent{
		ObjectMeta: metav1.ObjectMeta{
			Name:       w.nameOf(decision),
			Finalizers: []string{kahuv1.VolumeFinalizer},
		},
		Spec: kahuv1.VolumeBackupContentSpec{
			BackupName: w.run.Name, BackupUID: w.run.UID, ProviderName: decision.Provider, Location: decision.Location,
			Way:              kahuv1.VolumeWay(decision.Way),
			Claim:            kahuv1.VolumeClaim{Namespace: claim.Namespace, Name: claim.Name, UID: claim.UID},
			PersistentVolume: claim.Volume, Snapshot: cut, DeletionPolicy: kahuv1.DeletionPolicyRetain,
		},
	}
	sign(order, w.run)
	record(order, decision)
	if decision.KeepsSnapshot {
		order.Annotations[keepsSnapshot] = "true"
	}
	if decision.Way == volumeplan.Volume {
		source, err := w.source(ctx, decision, cut)
		if err != nil {
			w.fail(decision, ReasonSnapshotFailed, err)
			return
		}
		order.Spec.Source = source
	}
	if w.isGivenUp(decision) {
		return
	}
	err := patiently(ctx, func() error { return w.api.Create(ctx, order.DeepCopy()) })
	if err != nil && !apierrors.IsAlreadyExists(err) {
		w.fail(decision, ReasonOrderFailed, fmt.Errorf("giving the order to provider %s: %w", decision.Provider, err))
	}
	if w.isGivenUp(decision) {
		w.revoke(ctx, decision) // It was, while the order was given.
	}
}

// source returns the claim that a provider mounts: of the snapshot, or where there is none the application's.
func (w *backingUp) source(ctx context.Context, decision *volumeplan.Decision, cut *kahuv1.VolumeSnapshotSource) (*kahuv1.VolumeClaim, error) {
	if cut != nil {
		return w.expose(ctx, w.run, decision, cut)
	}
	claim := &decision.Claim
	return &kahuv1.VolumeClaim{Namespace: claim.Namespace, Name: claim.Name, UID: claim.UID}, nil
}

// nameOf returns the name of the order for a decision.
func (w *backingUp) nameOf(decision *volumeplan.Decision) string {
	return OrderName(w.run, decision.Claim.Namespace, decision.Claim.Name)
}

// giveAndWait gives the orders that nobody has given, each as soon as that can be done, and waits until all are over.
func (w *backingUp) giveAndWait(ctx context.Context, decisions []volumeplan.Decision, ordered map[string]*kahuv1.VolumeBackupContent) error {
	var snapshots, grouped []*volumeplan.Decision
	for i := range decisions {
		each := &decisions[i]
		if earlier := ordered[w.nameOf(each)]; earlier != nil {
			w.before = append(w.before, earlier)
			continue
		}
		switch {
		case each.Group.Name != "":
			grouped = append(grouped, each)
		case each.SnapshotClass != "":
			snapshots = append(snapshots, each)
		default:
			w.order(ctx, each, nil)
		}
	}
	together, inner := errgroup.WithContext(ctx)
	together.Go(func() error { return w.fromSnapshots(inner, snapshots) })
	together.Go(func() error { return w.fromGroups(inner, grouped) })
	together.Go(func() error { return w.await(inner) })
	together.Go(func() error { return w.watchProviders(inner) })
	return together.Wait()
}

// await waits until all orders are over.
func (w *backingUp) await(ctx context.Context) error {
	return w.follow(ctx, follower{
		list: func() client.ObjectList { return &kahuv1.VolumeBackupContentList{} }, options: []client.ListOption{ofRun(w.run)},
		look: w.look, over: w.over, before: w.before,
	})
}

// look takes notice of how an order is.
func (w *backingUp) look(ctx context.Context, object client.Object, gone bool) error {
	order, is := object.(*kahuv1.VolumeBackupContent)
	if !is {
		return nil
	}
	var foreign error
	if order.Status.Phase == kahuv1.VolumePhaseCompleted {
		if foreign = patiently(ctx, func() error { return w.checkExposed(ctx, order) }); ctx.Err() != nil {
			return ctx.Err()
		}
	}
	deleted := gone || !order.DeletionTimestamp.IsZero()
	w.settle(order.Name, func(outcome *volumework.Outcome, now *state) {
		if now.over {
			return
		}
		done := &order.Status.Progress
		now.bytesDone, now.bytesTotal = ptr.Deref(done.BytesDone, now.bytesDone), ptr.Deref(done.BytesTotal, now.bytesTotal)
		over, why := endOf(order, foreign)
		if deleted {
			over, why = true, "its work order "+order.Name+" was deleted"
		}
		switch now.over = over; {
		case why != "":
			now.failed = true
			outcome.Reason, outcome.Message = ReasonOrderFailed, why
		case over:
			conclude(outcome, order)
		}
	})
	return nil
}
