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

// verdict returns what the condition says.
func verdict(found engine.UndoResult, err error, dryRun bool) (status metav1.ConditionStatus, reason, message string) {
	switch {
	case err != nil:
		return metav1.ConditionFalse, kahuv1.ReasonUndoFailed, fmt.Sprintf(
			"It could not go on after %s: %s. Give %s another value to go on.", core.Count(found.Deleted, "object"), err, kahuv1.AnnotationUndo)
	case dryRun:
		return metav1.ConditionUnknown, kahuv1.ReasonUndoPreviewed, fmt.Sprintf(
			"Of %s, %d would be deleted and %d kept. Nothing was deleted.", core.Count(found.Deleted+found.Kept, "object"), found.Deleted, found.Kept)
	case found.Kept > 0:
		return metav1.ConditionFalse, kahuv1.ReasonPartiallyUndone, fmt.Sprintf(
			"Of %s, %d deleted and %d kept: see status.undo.rows.", core.Count(found.Deleted+found.Kept, "object"), found.Deleted, found.Kept)
	}
	message = fmt.Sprintf("Nothing that the restore created is left: %s deleted.", core.Count(found.Deleted, "object"))
	if found.Unclear > 0 {
		message = fmt.Sprintf("Nothing that is known to be the restore's is left: %s deleted. Made while it ran, without any field, and "+
			"kept, as nobody can say by whom: %s.", core.Count(found.Deleted, "object"), core.Count(found.Unclear, "object"))
	}
	return metav1.ConditionTrue, kahuv1.ReasonUndone, message
}

// finish says that the wish has its answer.
func (s *scope) finish(now time.Time) { s.answer().Time = &metav1.Time{Time: now} }

// show writes what was done.
func (s *scope) show(found engine.UndoResult) {
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
