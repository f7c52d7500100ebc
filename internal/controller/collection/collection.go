// Package collection has what nobody needs removed from locations, from time to time.
//
// It looks at locations that are Ready and whose part of this cluster is its own. What is removed is decided by package
// collection of core; what came of it is the condition Collected and status.collection. The other conditions, and the rest
// of the status, are those of the loop of locations.
package collection

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"
	"time"

	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/utils/clock"
	ctrl "sigs.k8s.io/controller-runtime"
	"sigs.k8s.io/controller-runtime/pkg/client"

	kahuv1 "github.com/soda-cdm/kahu/api/v1beta1"
	"github.com/soda-cdm/kahu/internal/controller/failure"
	"github.com/soda-cdm/kahu/internal/controller/place"
	"github.com/soda-cdm/kahu/internal/core"
	"github.com/soda-cdm/kahu/internal/core/archive"
	"github.com/soda-cdm/kahu/internal/core/collection"
	"github.com/soda-cdm/kahu/internal/engine/removal"
	"github.com/soda-cdm/kahu/internal/reconcile"
)

const (
	// AtOnce is how many locations are looked through at once.
	AtOnce = 2
	// longest bounds one look.
	longest = time.Hour
	// retryTime is how soon one that failed, or found no place, is tried again.
	retryTime = 10 * time.Second
	// againTime is how soon the segments of runs that were found to be abandoned are looked at again: longer than it takes
	// to write a manifest.
	againTime = time.Minute
)

// Tasks are the locations that are being looked through in this process.
type Tasks = reconcile.Tasks[struct{}, removal.Collected]

// Controller has locations looked through.
type Controller struct {
	// Client reads and writes Kahu's own kinds, Direct reads them from the API server itself.
	Client client.Client
	Direct client.Reader
	// Finder finds the files of locations.
	Finder *place.Finder
	// Tasks keeps the looks that go on.
	Tasks *Tasks
	// ClusterID tells what cluster this is.
	ClusterID string
	// Every is the time between two looks at a location, Grace how long nothing of an attempt must have been written.
	Every, Grace time.Duration
	// Window is that of engine.Remover.
	Window time.Duration
	// Removed is told how many segments and other files were removed at a location; it may be nil.
	Removed func(location string, segments, others int)
	// Clock gives times.
	Clock clock.PassiveClock

	mu  sync.Mutex
	due map[types.UID]time.Time // when a location is looked through again, where that is sooner than usual
}

type scope struct {
	location *kahuv1.BackupLocation
	files    place.Files // set by find
}

// Loop returns the controller as a loop of steps.
func (c *Controller) Loop() *reconcile.Loop[*kahuv1.BackupLocation, *scope] {
	c.due = map[types.UID]time.Time{}
	return &reconcile.Loop[*kahuv1.BackupLocation, *scope]{
		Client:  c.Client,
		New:     func() *kahuv1.BackupLocation { return &kahuv1.BackupLocation{} },
		Scope:   func(location *kahuv1.BackupLocation) *scope { return &scope{location: location} },
		Release: c.Tasks.Release,
		Steps: []reconcile.Step[*scope]{
			{Name: "leaving what cannot be looked through", Do: c.leave},
			{Name: "concluding", Do: c.conclude},
			{Name: "waiting until it is time", Do: c.await},
			{Name: "finding the files", Do: c.find},
			{Name: "looking for what nobody needs", Do: c.begin},
		},
	}
}

// SetUp registers the controller and its tasks with the manager.
func (c *Controller) SetUp(manager ctrl.Manager) error {
	built, err := c.Tasks.SetUp(manager, "collection", &kahuv1.BackupLocation{}, 1)
	if err != nil {
		return err
	}
	return built.Complete(c.Loop())
}

// leave ends the pass for a location that goes, is not ready, or of which this cluster must not remove anything.
func (c *Controller) leave(_ context.Context, s *scope) error {
	conditions := s.location.Status.Conditions
	reason, message := "", ""
	switch {
	case !s.location.DeletionTimestamp.IsZero():
		c.Tasks.Cancel(s.location.UID)
		c.forget(s.location.UID)
		return reconcile.ErrDone
	case s.location.Spec.AccessMode == kahuv1.AccessReadOnly:
		reason, message = kahuv1.ReasonLocationReadOnly, "The location is read-only: nothing is removed."
	case meta.IsStatusConditionFalse(conditions, kahuv1.ConditionOwned):
		reason, message = kahuv1.ReasonNotOwner, "Another cluster may need what is there: nothing is removed. See the condition Owned."
	case meta.IsStatusConditionFalse(conditions, kahuv1.ConditionDiscoverable):
		reason, message = kahuv1.ReasonListingUnsupported, "The provider cannot list: what runs left that ended where nobody could clean up "+
			"after them stays there."
	case meta.IsStatusConditionTrue(conditions, kahuv1.ConditionReady) && meta.IsStatusConditionTrue(conditions, kahuv1.ConditionOwned):
		return nil
	}
	c.Tasks.Cancel(s.location.UID)
	if reason != "" {
		s.say(metav1.ConditionFalse, reason, message)
	}
	return reconcile.ErrDone // The location is looked at again when its conditions change.
}

func (c *Controller) forget(uid types.UID) {
	c.mu.Lock()
	defer c.mu.Unlock()
	delete(c.due, uid)
}

// say writes the condition Collected.
func (s *scope) say(status metav1.ConditionStatus, reason, message string) {
	meta.SetStatusCondition(&s.location.Status.Conditions, metav1.Condition{
		Type: kahuv1.ConditionCollected, Status: status, Reason: reason,
		Message: reconcile.Bounded(message, failure.MaxText), ObservedGeneration: s.location.Generation,
	})
}

// conclude writes what a look came to.
func (c *Controller) conclude(_ context.Context, s *scope) error {
	snapshot, there := c.Tasks.Look(s.location.UID)
	if !there {
		return nil
	}
	if !snapshot.Ended {
		return reconcile.ErrDone // Its end wakes the next pass.
	}
	c.Tasks.Forget(s.location.UID)
	found, now := snapshot.Result, c.Clock.Now()
	if c.Removed != nil {
		c.Removed(s.location.Name, found.Segments, found.Others)
	}
	s.location.Status.Collection = &kahuv1.LocationCollection{
		Time: &metav1.Time{Time: now}, RemovedSegments: int64(found.Segments), RemovedFiles: int64(found.Others),
		WaitingSegments: int64(waiting(found.Kept)),
	}
	next := now.Add(c.Every)
	if found.Again {
		next = now.Add(min(c.Every, againTime))
	}
	c.mu.Lock()
	c.due[s.location.UID] = next
	c.mu.Unlock()
	s.say(verdict(found, snapshot.Err))
	return nil
}

// waiting returns how many segments no backup needs and were kept.
func waiting(kept map[collection.Reason]int) int {
	sum := 0
	for reason, count := range kept {
		if reason != collection.Named {
			sum += count
		}
	}
	return sum
}

// verdict says in words what a look came to.
func verdict(found removal.Collected, err error) (status metav1.ConditionStatus, reason, message string) {
	switch {
	case err != nil:
		reason, _ := place.Reason(err)
		return metav1.ConditionFalse, reason, fmt.Sprintf("Looking for what nobody needs: %v", err)
	case len(found.Unknown) > 0:
		return metav1.ConditionFalse, kahuv1.ReasonNeedsUnknown, fmt.Sprintf(
			"Neither manifest nor intent of %s (the first is %s) can be read, so that nobody can say which segments they need: no "+
				"segment is removed. Bring the files back from a copy of the store, or delete these backups.",
			core.Count(int64(len(found.Unknown)), "backup"), found.Unknown[0])
	}
	message = fmt.Sprintf("%s and %s that nobody needs were removed.",
		core.Count(int64(found.Segments), "segment"), core.Count(int64(found.Others), "other file"))
	if left := waiting(found.Kept); left > 0 {
		message += fmt.Sprintf(" %s may still be needed, or were written not long ago.", core.Count(int64(left), "other segment"))
	}
	return metav1.ConditionTrue, kahuv1.ReasonCollected, message
}

// await ends the pass until it is time for the next look.
func (c *Controller) await(_ context.Context, s *scope) error {
	if left := c.left(s); left > 0 {
		return reconcile.After(left)
	}
	return nil
}

// left returns how long it is to the next look. An earlier process's last one is in the status, and a new location has
// nothing that nobody needs. However wrong these times are by the clock of this process, it is no longer than usual.
func (c *Controller) left(s *scope) time.Duration {
	c.mu.Lock()
	defer c.mu.Unlock()
	now := c.Clock.Now()
	if _, known := c.due[s.location.UID]; !known {
		last := s.location.CreationTimestamp.Time
		if looked := s.location.Status.Collection; looked != nil && looked.Time != nil {
			last = looked.Time.Time
		}
		c.due[s.location.UID] = now.Add(min(last.Add(c.Every).Sub(now), c.Every))
	}
	return c.due[s.location.UID].Sub(now)
}

func (c *Controller) find(ctx context.Context, s *scope) error {
	_, files, err := c.Finder.Ready(ctx, s.location.Name)
	if _, is := errors.AsType[*place.NotUsableError](err); is {
		return reconcile.After(retryTime)
	}
	s.files = files
	return err
}

// begin starts a look.
func (c *Controller) begin(_ context.Context, s *scope) error {
	if c.Finder.Nonce(s.location.Status.LocationID) == "" {
		return reconcile.After(retryTime) // It is Ready as an earlier manager left it.
	}
	location, files := s.location.DeepCopy(), s.files
	leave, free := c.Finder.Remove(s.location)
	if !free {
		return reconcile.After(retryTime) // A copy counts on what is there.
	}
	begun := c.Tasks.Begin(location, func(ctx context.Context, _ func(struct{})) (removal.Collected, error) {
		defer leave()
		ctx, cancel := context.WithTimeout(ctx, longest)
		defer cancel()
		return c.look(ctx, location, files)
	})
	if !begun {
		leave()
		return reconcile.After(retryTime)
	}
	return reconcile.ErrDone
}

// look goes through this cluster's part of a location and those that it has inherited. What keeps one from being looked
// through keeps no other.
func (c *Controller) look(ctx context.Context, location *kahuv1.BackupLocation, files place.Files) (removal.Collected, error) {
	all, wrong := removal.Collected{}, []error(nil)
	for _, clusterID := range append([]string{c.ClusterID}, inherited(location)...) {
		part := &place.Part{ClusterID: clusterID, Self: c.ClusterID, Files: files, Clock: c.Clock}
		found, err := (&removal.Collection{
			ClusterID: clusterID, Grace: c.Grace, Running: c.running, Memory: c.Finder.Memory(location),
			Owned: c.Finder.Hold(c.Direct, location, part).Check, Window: c.Window,
		}).Run(ctx, files)
		all.Add(found)
		if err != nil && clusterID != c.ClusterID {
			err = fmt.Errorf("in the part of cluster %s: %w", clusterID, err)
		}
		wrong = append(wrong, err)
	}
	return all, errors.Join(wrong...)
}

// inherited returns the clusters whose parts of a location are this cluster's.
func inherited(location *kahuv1.BackupLocation) []string {
	var ids []string
	for i := range location.Status.Inherited {
		row := &location.Status.Inherited[i]
		if row.Reason == kahuv1.ReasonInherited && place.Inherits(location, row.ClusterID) {
			ids = append(ids, row.ClusterID)
		}
	}
	return ids
}

// running tells which backups an attempt of this cluster could make real, or somebody is removing.
func (c *Controller) running(ctx context.Context) (func(id archive.BackupID) bool, error) {
	backups := &kahuv1.BackupList{}
	if err := c.Direct.List(ctx, backups); err != nil {
		return nil, fmt.Errorf("listing backups: %w", err)
	}
	running := map[archive.BackupID]bool{}
	for i := range backups.Items {
		backup := &backups.Items[i]
		own := archive.BackupID{ClusterID: c.ClusterID, Name: backup.Name, UID: string(backup.UID)}
		if origin := backup.Spec.Origin; origin != nil {
			own = archive.BackupID{ClusterID: origin.ClusterID, Name: origin.Name, UID: origin.UID}
		} else if backup.Status.Stage != kahuv1.StageFinished || !backup.DeletionTimestamp.IsZero() {
			running[own] = true
		}
		if slices.ContainsFunc(backup.Status.Copies, isGoingOn) {
			running[own] = true
		}
	}
	return func(id archive.BackupID) bool { return running[id] }, nil
}

// isGoingOn tells whether a copy is being made, waits to be tried again, or is being removed: its intent says what it counts on,
// however long nothing else is written.
func isGoingOn(copying kahuv1.BackupCopyStatus) bool {
	return copying.State == kahuv1.StateProcessing || copying.State == kahuv1.StateDeleting ||
		copying.State == kahuv1.StateNew && copying.Tries > 0
}
