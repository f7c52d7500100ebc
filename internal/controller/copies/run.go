package copies

import (
	"context"
	"errors"
	"fmt"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	kahuv1 "github.com/soda-cdm/kahu/api/v1beta1"
	"github.com/soda-cdm/kahu/internal/controller/failure"
	"github.com/soda-cdm/kahu/internal/core"
	"github.com/soda-cdm/kahu/internal/core/copyplan"
	enginecopies "github.com/soda-cdm/kahu/internal/engine/copies"
	"github.com/soda-cdm/kahu/internal/reconcile"
)

// begin gives the copy that waits its turn, and puts on record that it is begun. The pass ends with it, and the next one
// copies.
func (c *Controller) begin(_ context.Context, s *scope) error {
	row, shows := s.row()
	if row.Phase != copyplan.Waiting {
		return nil
	}
	wish := reconcile.Wish{Group: row.Location, GroupLimit: AtOnce, Since: s.backup.CreationTimestamp.Time}
	turn := c.Tasks.Enter(s.named(), wish)
	shows.QueuePosition = int32(min(turn.Position, 1<<30)) //nolint:gosec // It is bounded.
	if turn.Position > 0 {
		if row.Tries == 0 {
			row.Reason = kahuv1.ReasonQueued
			row.Message = fmt.Sprintf("number %d of %d in the queue of copies", turn.Position, turn.Waiting)
		}
		return reconcile.ErrDone // It is woken when its turn has come.
	}
	c.start(s)
	return reconcile.ErrDone
}

// start puts another try on record.
func (c *Controller) start(s *scope) {
	row, shows := s.row()
	row.Phase, row.Due = copyplan.Running, time.Time{}
	row.Tries++
	if row.Tries == 1 {
		row.Reason, row.Message = "", "" // Later tries keep what ended the one before.
	}
	shows.Attempt = c.hold(s.backup.UID, row).attempt
	shows.StartTime, shows.Time = &metav1.Time{Time: c.Clock.Now()}, nil
	shows.Files, shows.Bytes, shows.BytesPresent = 0, 0, 0
}

// takeOver goes on with a copy that another process began and did not finish: with another try, as what it sent is there.
func (c *Controller) takeOver(_ context.Context, s *scope) error {
	row, shows := s.row()
	held := c.heldOf(s.backup.UID)
	if row.Phase != copyplan.Running || held != nil && held.attempt == shows.Attempt {
		return nil
	}
	if held != nil && held.location == row.Location && held.token == row.Token {
		if held.tries > row.Tries {
			return reconcile.ErrDone // The object is from before this process's try, whose write wakes the next pass.
		}
		if c.isRival(s, held) {
			return reconcile.After(c.Fence)
		}
	}
	if row.Tries >= copyplan.MaxTries {
		*row = copyplan.Ended(*row, fmt.Errorf("the manager stopped while the copying went on: %w", core.ErrUnavailable),
			kahuv1.ReasonInterrupted, c.Clock.Now())
		shows.Time = &metav1.Time{Time: c.Clock.Now()}
		return reconcile.ErrDone
	}
	c.letGo(s.backup.UID)
	c.start(s)
	return reconcile.ErrDone
}

// run begins the task, or shows how far it is.
func (c *Controller) run(ctx context.Context, s *scope) error {
	row, shows := s.row()
	snapshot, there := c.Tasks.Look(s.backup.UID)
	if there {
		c.show(shows, snapshot.Progress)
		if snapshot.Ended {
			return nil
		}
		return reconcile.ErrDone
	}
	work, err := c.work(ctx, s)
	if err != nil {
		c.Tasks.Leave(s.backup.UID) // Others can be copied meanwhile.
		return c.end(s, enginecopies.Result{}, err)
	}
	if turn := c.Tasks.Enter(s.named(), reconcile.Wish{
		Group: row.Location, GroupLimit: AtOnce, Since: s.backup.CreationTimestamp.Time,
	}); turn.Position > 0 {
		return reconcile.ErrDone
	}
	if !c.Tasks.Begin(s.backup.DeepCopy(), work) {
		return reconcile.After(waitTime) // The manager is ending; another one goes on.
	}
	return reconcile.ErrDone
}

// show writes how far a copy is.
func (*Controller) show(shows *kahuv1.BackupCopyStatus, progress enginecopies.Progress) {
	if progress == (enginecopies.Progress{}) {
		return
	}
	shows.Files, shows.FilesTotal = progress.Files, progress.FilesTotal
	shows.Bytes, shows.BytesPresent, shows.BytesTotal = progress.Sent, progress.Present, progress.Total
}

// conclude writes what became of the try.
func (c *Controller) conclude(_ context.Context, s *scope) error {
	snapshot, there := c.Tasks.Look(s.backup.UID)
	if !there || !snapshot.Ended {
		return nil
	}
	if errors.Is(snapshot.Err, context.Canceled) || errors.Is(snapshot.Err, failure.ErrNotWanted) {
		// Whoever ended it, or goes on in its place, decides what becomes of it.
		c.Tasks.Forget(s.backup.UID)
		return reconcile.After(waitTime)
	}
	_, shows := s.row()
	c.show(shows, snapshot.Result.Progress)
	return c.end(s, snapshot.Result, snapshot.Err)
}

// end puts on record what became of a try. The task is kept until that is written.
func (c *Controller) end(s *scope, result enginecopies.Result, err error) error {
	row, shows := s.row()
	if row.Phase == copyplan.Leaving {
		// What could not be removed is left to the collection at the location.
		c.Tasks.Forget(s.backup.UID)
		s.rows = append(s.rows[:s.at:s.at], s.rows[s.at+1:]...)
		return reconcile.After(again)
	}
	*row = copyplan.Ended(*row, final(err), reasonOf(err), c.Clock.Now())
	if row.Phase == copyplan.Made {
		row.Message = result.Note
	}
	if row.Phase == copyplan.Waiting {
		return reconcile.Waiting(row.Reason, row.Message, row.Due.Sub(c.Clock.Now()))
	}
	shows.Time = &metav1.Time{Time: c.Clock.Now()}
	return reconcile.ErrDone
}

// final makes an error that does not pass before a person has changed the location one for which nothing is tried again.
func final(err error) error {
	if err != nil && reasonOf(err) == kahuv1.ReasonLocationReadOnly {
		return &copyplan.RefusedError{Reason: kahuv1.ReasonLocationReadOnly, Message: err.Error() + "; then ask for the copy again"}
	}
	return err
}

// again is how soon a pass follows one that has ended something, where the next thing can begin.
const again = 50 * time.Millisecond
