package undo

import (
	"context"
	"errors"
	"fmt"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	kahuv1 "github.com/soda-cdm/kahu/api/v1beta1"
	"github.com/soda-cdm/kahu/internal/controller/failure"
	"github.com/soda-cdm/kahu/internal/core"
	"github.com/soda-cdm/kahu/internal/engine"
	"github.com/soda-cdm/kahu/internal/engine/undo"
	"github.com/soda-cdm/kahu/internal/reconcile"
)

// conclude writes what became of the wish.
func (c *Controller) conclude(_ context.Context, s *scope) error {
	snapshot, there := c.Tasks.Look(s.restore.UID)
	if !there || !snapshot.Ended {
		return nil
	}
	if errors.Is(snapshot.Err, failure.ErrNotWanted) || errors.Is(snapshot.Err, context.Canceled) {
		return reconcile.ErrDone // The wish is another one by now, or the next manager goes on.
	}
	s.show(snapshot.Result)
	s.finish(c.Clock.Now())
	s.say(verdict(snapshot.Result, snapshot.Err, s.answer().DryRun))
	return reconcile.ErrDone
}

// stopped answers a wish whose deletions were stopped.
func (s *scope) stopped(found undo.Result, now time.Time, message string) {
	s.show(found)
	s.finish(now)
	s.say(metav1.ConditionFalse, kahuv1.ReasonPartiallyUndone, message+unclear(found))
}

// verdict returns what the condition says.
func verdict(found undo.Result, err error, dryRun bool) (status metav1.ConditionStatus, reason, message string) {
	deleted, all := core.Count(found.Deleted, "object"), core.Count(found.Deleted+found.Kept, "object")
	switch {
	case err != nil:
		status, reason = metav1.ConditionFalse, kahuv1.ReasonUndoFailed
		message = fmt.Sprintf("It could not go on after %s: %s. Give %s another value to go on.", deleted, err, kahuv1.AnnotationUndo)
	case dryRun:
		status, reason = metav1.ConditionUnknown, kahuv1.ReasonUndoPreviewed
		message = fmt.Sprintf("Of %s, %d would be deleted and %d kept. Nothing was deleted.", all, found.Deleted, found.Kept)
	case found.Kept > 0:
		status, reason = metav1.ConditionFalse, kahuv1.ReasonPartiallyUndone
		message = fmt.Sprintf("Of %s, %d deleted and %d kept: see status.undo.rows.", all, found.Deleted, found.Kept)
	case found.Unclear > 0:
		status, reason = metav1.ConditionTrue, kahuv1.ReasonUndone
		message = fmt.Sprintf("Nothing that is known to be the restore's is left: %s deleted.", deleted)
	default:
		status, reason = metav1.ConditionTrue, kahuv1.ReasonUndone
		message = fmt.Sprintf("Nothing that the restore created is left: %s deleted.", deleted)
	}
	return status, reason, message + unclear(found)
}

// unclear tells of what may be the restore's and stays as nobody can say it; it is empty where there is no such thing.
func unclear(found undo.Result) string {
	if found.Unclear == 0 {
		return ""
	}
	return fmt.Sprintf(" Made while the restore ran, without any field, and not touched, as nobody can say by whom: %s.",
		core.Count(found.Unclear, "object"))
}

// finish says that the wish has its answer.
func (s *scope) finish(now time.Time) { s.answer().Time = &metav1.Time{Time: now} }

// show writes what was done.
func (s *scope) show(found undo.Result) {
	answer := s.answer()
	answer.Deleted, answer.Kept, answer.Rows = found.Deleted, found.Kept, nil
	for _, row := range found.KeptRows {
		answer.Rows = append(answer.Rows, rowOf(row, kahuv1.UndoActionKeep))
	}
	for _, row := range found.DeletedRows {
		answer.Rows = append(answer.Rows, rowOf(row, kahuv1.UndoActionDelete))
	}
	answer.Rows = answer.Rows[:min(len(answer.Rows), failure.MaxRows)]
}

func rowOf(row engine.Row, action kahuv1.UndoAction) kahuv1.UndoRow {
	return kahuv1.UndoRow{
		APIVersion: row.Kind.APIVersion(), Kind: row.Kind.Name, Namespace: row.Key.Namespace, Name: row.Key.Name,
		Action: action, Reason: row.Reason, Message: reconcile.Bounded(row.Message, failure.MaxRowText),
	}
}
