// Package backuplocation looks after the places that hold backups.
//
// A location is Ready when its provider is available, its store answers and its marker is the one that it had
// before. The backups that lie in it, of any cluster, are shown as Backup objects: those that this cluster did not
// make, or whose objects were lost, appear as views.
package backuplocation

import (
	"context"
	"errors"
	"sync"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/utils/clock"
	ctrl "sigs.k8s.io/controller-runtime"
	"sigs.k8s.io/controller-runtime/pkg/builder"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/controller"
	"sigs.k8s.io/controller-runtime/pkg/event"
	"sigs.k8s.io/controller-runtime/pkg/handler"
	"sigs.k8s.io/controller-runtime/pkg/predicate"
	ctrlreconcile "sigs.k8s.io/controller-runtime/pkg/reconcile"

	kahuv1 "github.com/soda-cdm/kahu/api/v1beta1"
	"github.com/soda-cdm/kahu/internal/controller/place"
	enginelocation "github.com/soda-cdm/kahu/internal/engine/location"
	"github.com/soda-cdm/kahu/internal/reconcile"
)

const (
	// probeTime bounds one look at a location, its listing included.
	probeTime = 5 * time.Minute
	// workers is how many locations are looked at once: a store that hangs holds up no other.
	workers = 8
	// retryTime is the time after which a location that cannot be used is looked at again.
	retryTime = 2 * time.Second
	// writeTime is how soon the second half of a claim follows the first.
	writeTime = 50 * time.Millisecond
)

// Controller reconciles BackupLocation objects.
type Controller struct {
	// Client reads and writes Kahu's own kinds.
	Client client.Client
	// Direct reads Kahu's own kinds from the API server itself, where a cache may be behind.
	Direct client.Reader
	// Finder finds the locations' files.
	Finder *place.Finder
	// ClusterID is the identity of this cluster, Namespace Kahu's own.
	ClusterID string
	Namespace string
	// Changed, BackupChanged and Gone are told of statuses that were written, with the object as it was before, and of
	// locations that are gone. They may be nil.
	Changed       func(before, after *kahuv1.BackupLocation)
	BackupChanged func(before, after *kahuv1.Backup)
	Gone          func(name string)
	// Clock gives times, NewID identities and nonces.
	Clock clock.PassiveClock
	NewID func() string
	// Every is the time between two looks at a location.
	Every time.Duration
	// InheritAfter is for how long nothing must have been written in the part of another cluster that is taken over.
	InheritAfter time.Duration

	mu      sync.Mutex
	claims  map[string]*claiming               // by location id, of parts of others by memoryKey
	claimed map[string]bool                    // by memoryKey: the parts whose nonce this process has written
	waits   map[string]waits                   // by memoryKey: when a part of another cluster is looked at again
	looks   map[string]context.CancelCauseFunc // the looks at locations that go on
	there   map[string]bool                    // by name: the locations that this process has seen
}

type scope struct {
	location *kahuv1.BackupLocation
	files    place.Files   // set by find
	again    time.Duration // set by inherit: after which time there is more to do; 0 for never
}

// Loop returns the controller as a loop of steps, which has claimed and looks at nothing yet.
func (c *Controller) Loop() *reconcile.Loop[*kahuv1.BackupLocation, *scope] {
	c.claims, c.claimed = map[string]*claiming{}, map[string]bool{}
	c.looks, c.there = map[string]context.CancelCauseFunc{}, map[string]bool{}
	c.waits = map[string]waits{}
	return &reconcile.Loop[*kahuv1.BackupLocation, *scope]{
		Client:     c.Client,
		New:        func() *kahuv1.BackupLocation { return &kahuv1.BackupLocation{} },
		Conditions: func(location *kahuv1.BackupLocation) *[]metav1.Condition { return &location.Status.Conditions },
		Scope:      func(location *kahuv1.BackupLocation) *scope { return &scope{location: location} },
		Changed:    c.Changed,
		Release:    c.release,
		Resync:     c.Every,
		Steps: []reconcile.Step[*scope]{
			{Name: "leaving what is being deleted", Do: c.leave},
			{Name: "finding the files", Do: c.find},
			{Name: "checking the marker", Do: c.looking(c.checkMarker)},
			{Name: "claiming ownership", Do: c.looking(c.unlessReadOnly(c.claim))},
			{Name: "taking over parts of others", Do: c.looking(c.inherit)},
			{Name: "keeping keys", Do: c.looking(c.keepKeys)},
			{Name: "showing what lies there", Do: c.looking(c.discover)},
		},
	}
}

// SetUp registers the controller with the manager.
func (c *Controller) SetUp(manager ctrl.Manager) error {
	// Status writes of its own wake nobody; annotations do, as a person decides with one.
	changed := predicate.Or(predicate.GenerationChangedPredicate{}, predicate.AnnotationChangedPredicate{})
	return ctrl.NewControllerManagedBy(manager).Named("backuplocation").
		For(&kahuv1.BackupLocation{}, builder.WithPredicates(changed)).
		Watches(&kahuv1.Provider{}, handler.EnqueueRequestsFromMapFunc(c.ofProvider)).
		Watches(&kahuv1.Backup{}, handler.EnqueueRequestsFromMapFunc(ofBackup), builder.WithPredicates(ended())).
		WithOptions(controller.Options{MaxConcurrentReconciles: workers}).
		Complete(c.Loop())
}

// release tells of a location that is gone. One that never was is no such: a run that named it wakes this loop when it
// fails, and what was counted of that stays.
func (c *Controller) release(name string, living types.UID) {
	c.mu.Lock()
	was := c.there[name]
	c.there[name] = true
	if living == "" {
		delete(c.there, name)
	}
	c.mu.Unlock()
	if was && living == "" && c.Gone != nil {
		c.Gone(name)
	}
}

// ofBackup returns the location of a backup, and those of its copies.
func ofBackup(_ context.Context, object client.Object) []ctrlreconcile.Request {
	backup, ok := object.(*kahuv1.Backup)
	if !ok {
		return nil
	}
	requests := []ctrlreconcile.Request{{NamespacedName: client.ObjectKey{Name: backup.Spec.MetadataLocation}}}
	for i := range backup.Status.Copies {
		key := client.ObjectKey{Name: backup.Status.Copies[i].Location}
		requests = append(requests, ctrlreconcile.Request{NamespacedName: key})
	}
	return requests
}

// ended lets those changes of backups through after which something else lies at their location.
func ended() predicate.Predicate { //nolint:ireturn // controller-runtime wants its interface.
	stage := func(object client.Object) kahuv1.Stage {
		if backup, ok := object.(*kahuv1.Backup); ok && backup.Spec.Origin == nil {
			return backup.Status.Stage
		}
		return ""
	}
	return predicate.Funcs{
		CreateFunc: func(event.CreateEvent) bool { return false },
		UpdateFunc: func(change event.UpdateEvent) bool {
			return stage(change.ObjectNew) == kahuv1.StageFinished && stage(change.ObjectOld) != kahuv1.StageFinished ||
				copied(change.ObjectNew) > copied(change.ObjectOld)
		},
		DeleteFunc:  func(change event.DeleteEvent) bool { return stage(change.Object) != "" },
		GenericFunc: func(event.GenericEvent) bool { return false },
	}
}

// copied returns how many copies of a backup are made.
func copied(object client.Object) int {
	number := 0
	if backup, ok := object.(*kahuv1.Backup); ok {
		for i := range backup.Status.Copies {
			if backup.Status.Copies[i].State == kahuv1.StateCompleted {
				number++
			}
		}
	}
	return number
}

// ofProvider returns the locations at a provider that changed. Looks at them through a provider that has gone are
// broken off: a driver that hangs would hold them for minutes, and the location would seem to be Ready. Where the
// provider may have come back at another endpoint, that is noted at once: what goes on at the location, this very look
// included, goes on there.
func (c *Controller) ofProvider(ctx context.Context, object client.Object) []ctrlreconcile.Request {
	provider, ok := object.(*kahuv1.Provider)
	if !ok {
		return nil
	}
	locations := &kahuv1.BackupLocationList{}
	if err := c.Client.List(ctx, locations); err != nil {
		return nil // The locations are looked at again in any case, after a time.
	}
	var requests []ctrlreconcile.Request
	for i := range locations.Items {
		if locations.Items[i].Spec.ProviderName != provider.Name {
			continue
		}
		if _, err := c.Finder.Of(ctx, &locations.Items[i]); err != nil {
			c.breakOff(locations.Items[i].Name)
		}
		key := client.ObjectKeyFromObject(&locations.Items[i])
		requests = append(requests, ctrlreconcile.Request{NamespacedName: key})
	}
	return requests
}

// errGone: the provider has gone while its location was looked at.
var errGone = errors.New("the provider is not available any more")

// looking makes a step that asks the store one that has an end, and that is broken off when the provider has gone.
func (c *Controller) looking(do func(ctx context.Context, s *scope) error) func(ctx context.Context, s *scope) error {
	return func(ctx context.Context, s *scope) error {
		ctx, cancel := context.WithTimeout(ctx, probeTime)
		defer cancel()
		ctx, breakOff := context.WithCancelCause(ctx)
		defer breakOff(nil)
		c.setLook(s.location.Name, breakOff)
		defer c.setLook(s.location.Name, nil)
		err := do(ctx, s)
		if err != nil && errors.Is(context.Cause(ctx), errGone) {
			return reconcile.Waiting(kahuv1.ReasonProviderUnavailable, errGone.Error(), retryTime)
		}
		return err
	}
}

func (c *Controller) setLook(location string, breakOff context.CancelCauseFunc) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.looks[location] = breakOff
	if breakOff == nil {
		delete(c.looks, location)
	}
}

func (c *Controller) breakOff(location string) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if breakOff, there := c.looks[location]; there {
		breakOff(errGone)
	}
}

// leave ends the pass for a location that goes: it has nothing to clean, and its backups stay where they are.
func (c *Controller) leave(_ context.Context, s *scope) error {
	s.location.Status.ObservedGeneration = s.location.Generation
	if !s.location.DeletionTimestamp.IsZero() {
		return reconcile.ErrDone
	}
	return nil
}

func (c *Controller) find(ctx context.Context, s *scope) error {
	files, err := c.Finder.Of(ctx, s.location)
	if unusable, is := errors.AsType[*place.NotUsableError](err); is && !unusable.Passing {
		s.location.Status.LastProbeTime = &metav1.Time{Time: c.Clock.Now()} // A verdict is as old as the look.
	}
	if err != nil {
		return outcome(err)
	}
	s.files = files
	return nil
}

// checkMarker looks whether the place is what it was, and marks it where it is new.
func (c *Controller) checkMarker(ctx context.Context, s *scope) error {
	s.location.Status.LastProbeTime = &metav1.Time{Time: c.Clock.Now()}
	id, err := c.open(ctx, s)
	if err != nil {
		return outcome(err)
	}
	if err := c.refuseSecond(ctx, s, id); err != nil {
		return err
	}
	s.location.Status.LocationID, s.location.Status.ClusterID = id, c.ClusterID
	return nil
}

func (c *Controller) place(s *scope) *enginelocation.Location {
	return &enginelocation.Location{Files: s.files, Clock: c.Clock, NewID: c.NewID, ReadOnly: s.isReadOnly()}
}

// outcome turns an error of the store into what the conditions say of it.
func outcome(err error) error {
	reason, stalled := place.Reason(err)
	if stalled {
		return reconcile.Stalled(reason, message(reason, err))
	}
	var unusable *place.NotUsableError
	if errors.As(err, &unusable) || reason != kahuv1.ReasonStoreFailed {
		return reconcile.Waiting(reason, message(reason, err), retryTime)
	}
	return err
}

// message adds what to do to an error that does not say it.
func message(reason string, err error) string {
	advice := map[string]string{
		kahuv1.ReasonMarkerMissing: "; check that the store is the right one and mounted, and that spec.config names the right place",
		kahuv1.ReasonMarkerMismatch: "; point spec.config back to the place it named before, or create another " +
			"BackupLocation for this one",
		kahuv1.ReasonMarkerInvalid: "; restore kahu.json from a copy of the store",
		kahuv1.ReasonStoreFull:     "; free space in the store, or delete backups",
		kahuv1.ReasonStoreDenied:   "; check spec.config and the credentials",
	}
	return err.Error() + advice[reason]
}
