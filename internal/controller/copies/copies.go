// Package copies has backups copied to other locations, as spec.copies of a Backup asks for, of a view too.
//
// Each copy has a row in status.copies. They are made one after the other, as what reads the backup for one would slow down
// the other; one that failed lets the others pass until it is tried again. That a copy cannot be made says nothing of the
// backup: the condition Copied is about the copies, and Ready, Reconciling and Stalled stay those of the run.
//
// What is in the status is enough for another process to go on: it begins the copying anew, and what was sent is there.
package copies

import (
	"context"
	"sync"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/utils/clock"
	ctrl "sigs.k8s.io/controller-runtime"
	"sigs.k8s.io/controller-runtime/pkg/client"

	kahuv1 "github.com/soda-cdm/kahu/api/v1beta1"
	"github.com/soda-cdm/kahu/internal/controller/place"
	"github.com/soda-cdm/kahu/internal/core/archive"
	"github.com/soda-cdm/kahu/internal/core/copyplan"
	enginecopies "github.com/soda-cdm/kahu/internal/engine/copies"
	"github.com/soda-cdm/kahu/internal/reconcile"
)

const (
	// workers is how many objects are reconciled at once.
	workers = 4
	// AtOnce is how many backups are copied at once, in all; those to one location leave a place to the others.
	AtOnce = 2
	// waitTime is how soon a pass that found a manager that ends looks again.
	waitTime = 5 * time.Second
	// claimTime is how soon a location is looked at again that this process has not claimed yet.
	claimTime = time.Second
)

// Tasks are the backups that are being copied in this process.
type Tasks = reconcile.Tasks[enginecopies.Progress, enginecopies.Result]

// Runner copies backups.
type Runner interface {
	// Run makes a copy, or leaves none behind.
	Run(ctx context.Context, request enginecopies.Request, from enginecopies.Source, to enginecopies.Target) (enginecopies.Result, error)
	// Abandon removes what was sent of a copy that nobody wants any more.
	Abandon(ctx context.Context, leaving enginecopies.Leaving, to enginecopies.Target) error
}

// Controller makes the copies.
type Controller struct {
	// Client reads and writes Kahu's own kinds, Direct reads them from the API server itself.
	Client client.Client
	Direct client.Reader
	// Finder finds the files of locations.
	Finder *place.Finder
	// Runner copies backups, Tasks keeps those that are being copied.
	Runner Runner
	Tasks  *Tasks
	// ClusterID tells what cluster this is.
	ClusterID string
	// Changed is told of each status that was written, with the object as it was before; it may be nil.
	Changed func(before, after *kahuv1.Backup)
	// Clock gives times, NewAttempt the ids of tries, NewID identities.
	Clock      clock.PassiveClock
	NewAttempt func() string
	NewID      func() string
	// Fence is for how long a copy that another process makes may show no sign of life until it is taken over.
	Fence time.Duration

	mu   sync.Mutex
	held map[types.UID]*holding
}

type scope struct {
	backup *kahuv1.Backup
	rows   []copyplan.Row // set by sync: the rows of the status, as the decisions have them
	at     int            // set by choose: the row that is dealt with
}

// row returns the row that is dealt with, as the decisions have it and as the status does.
func (s *scope) row() (*copyplan.Row, *kahuv1.BackupCopyStatus) {
	return &s.rows[s.at], shown(s.backup, s.rows[s.at].Location)
}

// named returns what goes into the queue: the name alone.
func (s *scope) named() client.Object {
	return &metav1.PartialObjectMetadata{ObjectMeta: metav1.ObjectMeta{Name: s.backup.Name, UID: s.backup.UID}}
}

// Loop returns the controller as a loop of steps. The conditions Ready, Reconciling and Stalled are those of the run.
func (c *Controller) Loop() *reconcile.Loop[*kahuv1.Backup, *scope] {
	c.held = map[types.UID]*holding{}
	return &reconcile.Loop[*kahuv1.Backup, *scope]{
		Client:  c.Client,
		New:     func() *kahuv1.Backup { return &kahuv1.Backup{} },
		Scope:   func(backup *kahuv1.Backup) *scope { return &scope{backup: backup} },
		Changed: c.Changed,
		Release: c.Tasks.Release,
		Steps: []reconcile.Step[*scope]{
			{Name: "leaving what nobody asks", Do: c.leaveUnasked},
			{Name: "taking the wishes", Do: c.telling(c.sync)},
			{Name: "ending what is not wanted", Do: c.telling(c.endEarlier)},
			{Name: "waiting for the run", Do: c.telling(c.awaitRun)},
			{Name: "choosing a copy", Do: c.telling(c.choose)},
			{Name: "waiting for the locations", Do: c.telling(c.awaitLocations)},
			{Name: "beginning", Do: c.telling(c.begin)},
			{Name: "taking over", Do: c.telling(c.takeOver)},
			{Name: "copying", Do: c.telling(c.run)},
			{Name: "concluding", Do: c.telling(c.conclude)},
		},
	}
}

// SetUp registers the controller and its tasks with the manager.
func (c *Controller) SetUp(manager ctrl.Manager) error {
	built, err := c.Tasks.SetUp(manager, "copies", &kahuv1.Backup{}, workers)
	if err != nil {
		return err
	}
	return built.Complete(c.Loop())
}

// leaveUnasked ends the pass where no copy is asked for, or the Backup is being deleted: what goes on then ends, and removes
// what it has sent.
func (c *Controller) leaveUnasked(_ context.Context, s *scope) error {
	unasked := len(s.backup.Spec.Copies) == 0 && len(s.backup.Status.Copies) == 0
	if !unasked && s.backup.DeletionTimestamp.IsZero() {
		return nil
	}
	if unasked {
		removeCondition(s.backup)
	}
	if !c.Tasks.Cancel(s.backup.UID) {
		return reconcile.Waiting(kahuv1.ReasonCopying, "the copying is being stopped", 0)
	}
	c.Tasks.Forget(s.backup.UID)
	c.letGo(s.backup.UID)
	return reconcile.ErrDone
}

// sync makes the rows those of the wishes.
func (*Controller) sync(_ context.Context, s *scope) error {
	wishes := make([]copyplan.Wish, 0, len(s.backup.Spec.Copies))
	for _, wish := range s.backup.Spec.Copies {
		wishes = append(wishes, copyplan.Wish{Location: wish.Location, Token: wish.Token})
	}
	s.rows = copyplan.Sync(wishes, rowsOf(s.backup.Status.Copies))
	return nil
}

// endEarlier stops the task of a copy that nobody wants any more, or that is another process's by now, and forgets one whose
// end is on record.
func (c *Controller) endEarlier(_ context.Context, s *scope) error {
	held := c.heldOf(s.backup.UID)
	if held == nil || c.goesOn(s, held) {
		return nil
	}
	if !c.Tasks.Cancel(s.backup.UID) {
		return reconcile.Waiting(kahuv1.ReasonCopying, "the copying is being stopped", 0)
	}
	c.Tasks.Forget(s.backup.UID)
	if !c.isRival(s, held) {
		c.letGo(s.backup.UID)
	}
	return nil
}

// goesOn tells whether the status still has this process's try, or is from before it.
func (*Controller) goesOn(s *scope, held *holding) bool {
	for _, row := range s.rows {
		if row.Location != held.location || row.Token != held.token {
			continue
		}
		if row.Tries < held.tries {
			return true // This copy of the object is from before the try.
		}
		return row.Phase == copyplan.Running && shown(s.backup, row.Location).Attempt == held.attempt
	}
	return false
}

// awaitRun ends the pass while the backup is being made: the end of the run wakes the next one.
func (c *Controller) awaitRun(_ context.Context, s *scope) error {
	status := &s.backup.Status
	if status.Stage == kahuv1.StageFinished && status.LastBackup != nil {
		return nil
	}
	finished := status.Stage == kahuv1.StageFinished
	for i := range s.rows {
		row := &s.rows[i]
		switch {
		case row.Phase != copyplan.Waiting:
		case finished:
			row.Phase, row.Reason = copyplan.GivenUp, kahuv1.ReasonBackupFailed
			row.Message = "there is no backup to copy, as the run failed"
			shown(s.backup, row.Location).Time = &metav1.Time{Time: c.Clock.Now()}
		default:
			row.Reason, row.Message = kahuv1.ReasonBackupNotFinished, "the backup is copied when its run is over"
		}
	}
	return reconcile.ErrDone
}

// choose decides which copy is dealt with.
func (c *Controller) choose(_ context.Context, s *scope) error {
	at, wait := copyplan.Next(s.rows, c.Clock.Now())
	switch {
	case at >= 0:
		s.at = at
		return nil
	case wait > 0:
		return reconcile.Waiting(kahuv1.ReasonRetrying, "a copy is tried again", wait)
	}
	return reconcile.ErrDone
}

// awaitLocations ends the pass while a location is about to be looked at, or to be claimed, as after a restart: that is no try.
func (c *Controller) awaitLocations(ctx context.Context, s *scope) error {
	row, _ := s.row()
	if _, there := c.Tasks.Look(s.backup.UID); there {
		return nil
	}
	target, _, err := c.Finder.Ready(ctx, row.Location)
	if place.Unseen(err) || err == nil && c.Finder.IsUnclaimed(target) {
		return reconcile.After(claimTime)
	}
	_, _, err = c.Finder.Ready(ctx, s.backup.Spec.MetadataLocation)
	if row.Phase != copyplan.Leaving && place.Unseen(err) {
		return reconcile.After(claimTime)
	}
	return nil // What else is wrong with them is found by who needs them.
}

// id returns the backup's name in its store.
func (c *Controller) id(backup *kahuv1.Backup) archive.BackupID {
	if origin := backup.Spec.Origin; origin != nil {
		return archive.BackupID{ClusterID: origin.ClusterID, Name: origin.Name, UID: origin.UID}
	}
	return archive.BackupID{ClusterID: c.ClusterID, Name: backup.Name, UID: string(backup.UID)}
}
