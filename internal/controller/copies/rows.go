package copies

import (
	"context"
	"fmt"
	"strings"
	"time"

	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	kahuv1 "github.com/soda-cdm/kahu/api/v1beta1"
	"github.com/soda-cdm/kahu/internal/controller/failure"
	"github.com/soda-cdm/kahu/internal/core"
	"github.com/soda-cdm/kahu/internal/core/copyplan"
	"github.com/soda-cdm/kahu/internal/reconcile"
)

// phases pairs what the decisions and the status call the same.
func phases() map[copyplan.Phase]kahuv1.State {
	return map[copyplan.Phase]kahuv1.State{
		copyplan.Waiting: kahuv1.StateNew, copyplan.Running: kahuv1.StateProcessing, copyplan.Made: kahuv1.StateCompleted,
		copyplan.GivenUp: kahuv1.StateFailed, copyplan.Leaving: kahuv1.StateDeleting,
	}
}

func phaseOf(state kahuv1.State) copyplan.Phase {
	for phase, name := range phases() {
		if name == state {
			return phase
		}
	}
	return copyplan.Waiting
}

// rowsOf returns the rows of a status as the decisions have them.
func rowsOf(rows []kahuv1.BackupCopyStatus) []copyplan.Row {
	made := make([]copyplan.Row, 0, len(rows))
	for i := range rows {
		row := &rows[i]
		one := copyplan.Row{
			Wish:  copyplan.Wish{Location: row.Location, Token: row.Token},
			Phase: phaseOf(row.State), Tries: int(row.Tries), Reason: row.Reason, Message: row.Message,
		}
		if row.RetryTime != nil {
			one.Due = row.RetryTime.Time
		}
		made = append(made, one)
	}
	return made
}

// shown returns the row of the status about a location, which is made where there is none.
func shown(backup *kahuv1.Backup, location string) *kahuv1.BackupCopyStatus {
	for i := range backup.Status.Copies {
		if backup.Status.Copies[i].Location == location {
			return &backup.Status.Copies[i]
		}
	}
	backup.Status.Copies = append(backup.Status.Copies, kahuv1.BackupCopyStatus{Location: location})
	return &backup.Status.Copies[len(backup.Status.Copies)-1]
}

// telling writes what a step decided about the rows into the status, and the condition that follows from them.
func (c *Controller) telling(do func(ctx context.Context, s *scope) error) func(ctx context.Context, s *scope) error {
	return func(ctx context.Context, s *scope) error {
		err := do(ctx, s)
		s.tell()
		return err
	}
}

func (s *scope) tell() {
	before := s.backup.Status.Copies
	s.backup.Status.Copies = nil
	for i := range s.rows {
		row, kept := &s.rows[i], kahuv1.BackupCopyStatus{}
		for j := range before {
			if before[j].Location == row.Location && before[j].Token == row.Token {
				kept = before[j]
			}
		}
		kept.Location, kept.Token, kept.State = row.Location, row.Token, phases()[row.Phase]
		kept.Tries, kept.RetryTime = int32(min(row.Tries, 1<<30)), nil //nolint:gosec // It is bounded.
		kept.Reason, kept.Message = row.Reason, reconcile.Bounded(row.Message, failure.MaxRowText)
		if row.Phase == copyplan.Waiting && !row.Due.IsZero() {
			kept.RetryTime = &metav1.Time{Time: row.Due.Truncate(time.Second)}
		}
		if row.Phase != copyplan.Waiting {
			kept.QueuePosition = 0
		}
		s.backup.Status.Copies = append(s.backup.Status.Copies, kept)
	}
	s.say()
}

// say writes the condition Copied.
func (s *scope) say() {
	if len(s.rows) == 0 {
		removeCondition(s.backup)
		return
	}
	status, reason, message := condition(s.rows)
	meta.SetStatusCondition(&s.backup.Status.Conditions, metav1.Condition{
		Type: kahuv1.ConditionCopied, Status: status, Reason: reason,
		Message: reconcile.Bounded(message, failure.MaxText), ObservedGeneration: s.backup.Generation,
	})
}

func removeCondition(backup *kahuv1.Backup) {
	meta.RemoveStatusCondition(&backup.Status.Conditions, kahuv1.ConditionCopied)
}

// condition returns what the condition says of the rows.
func condition(rows []copyplan.Row) (status metav1.ConditionStatus, reason, message string) {
	verdict := copyplan.Judge(rows)
	if verdict.GivenUp+verdict.Failing > 0 {
		return metav1.ConditionFalse, verdict.Reason, "The backup is as it is said to be; a copy of it is missing: " + verdict.Message
	}
	if verdict.Made == len(rows) {
		names := make([]string, 0, len(rows))
		for _, row := range rows {
			names = append(names, row.Location)
		}
		return metav1.ConditionTrue, kahuv1.ReasonCopied, fmt.Sprintf("The backup lies at %s too: %s.",
			core.Count(int64(len(names)), "other location"), strings.Join(names, ", "))
	}
	for _, row := range rows {
		if row.Phase == copyplan.Waiting && row.Reason != "" && verdict.Made == 0 {
			return metav1.ConditionUnknown, row.Reason, "The backup will be copied: " + row.Message
		}
	}
	return metav1.ConditionUnknown, kahuv1.ReasonCopying,
		fmt.Sprintf("The backup is being copied; %d of %s made.", verdict.Made, core.Count(int64(len(rows)), "copy"))
}
