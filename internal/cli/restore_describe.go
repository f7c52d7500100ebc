package cli

import (
	"context"
	"fmt"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	kahuv1 "github.com/soda-cdm/kahu/api/v1beta1"
)

func newRestoreDescribe(shared *session) *cobra.Command {
	return newRunDescribe("restore", shared.describeRestore)
}

func (s *session) describeRestore(ctx context.Context, wish described) error {
	name := wish.name
	restore := &kahuv1.Restore{}
	from, err := s.read(ctx, "Restore", name, restore)
	if err != nil {
		return err
	}
	if done, err := s.printWhole(restore); done {
		return err
	}
	failed, warnings := problems(restore.Status.Failed), restore.Status.Warnings
	if wish.whole && restore.Status.ReportPath != "" {
		failed, warnings, err = s.rowsOfReport(ctx, from, kahuv1.InspectionSpec{RestoreName: name})
		if err != nil {
			return err
		}
	}
	_, err = fmt.Fprint(s.Out, restoreText(restore, failed, warnings))
	return err
}

// restoreText is a person's view of a restore.
func restoreText(restore *kahuv1.Restore, failed, warnings []string) string {
	d, status := &description{}, &restore.Status
	d.line("Name", restore.Name)
	d.line("Backup", restore.Spec.BackupName)
	d.line("Location", status.MetadataLocation)
	d.restoreSpec(&restore.Spec)
	d.line("Stage", status.Stage)
	d.line("State", restoreState(restore))
	d.line("Queue", strings.TrimPrefix(queued(status.QueuePosition), ", "))
	d.line("Failure", status.FailureReason)
	d.line("Interrupted", times(status.Interruptions))
	d.line("Started", timeOf(status.StartTimestamp))
	d.line("Ended", timeOf(status.CompletionTimestamp))
	d.line("Took", took(status.StartTimestamp, status.CompletionTimestamp, status.Timings))
	if plan := status.Preview; plan != nil {
		d.line("Dry run", strings.TrimSuffix(planSums(plan), "\n"))
	} else {
		d.line("Progress", fmt.Sprintf("%d of %s", status.Progress.ItemsRestored, plural(status.Progress.TotalItems, "object")))
		d.line("Objects", countsText(status.Counts))
	}
	d.line("Not asked for", status.Counts.SkippedExcluded)
	d.line("Report", status.ReportPath)
	d.block("Wrong in the spec", status.ValidationErrors)
	d.planProblems(restore)
	kinds := make([]string, 0, len(status.Kinds))
	for _, kind := range status.Kinds {
		kinds = append(kinds, fmt.Sprintf("%s %s: %d created, %d updated, %d skipped, %d failed",
			kind.Kind, kind.APIVersion, kind.Created, kind.Updated, kind.Skipped, kind.Failed))
	}
	d.block("Objects by kind", kinds)
	d.timings(restore.CreationTimestamp, status.StartTimestamp, status.Timings)
	d.restoredVolumes(status.Volumes)
	d.restoreHooks(status.Hooks)
	d.list(rows{"Failed", status.Counts.Failed, failed})
	d.list(rows{"Warnings", status.Counts.Warnings, warnings})
	if undone := status.Undo; undone != nil {
		d.block(undoTitle(undone), strings.Split(strings.TrimSpace(undoText(undone, func(_, text string) string { return text })), "\n"))
	}
	if undone := status.Undo; undone != nil && undone.Earlier != nil {
		d.line("Undo before", earlierUndo(undone.Earlier))
	}
	d.conditions(status.Conditions)
	return d.text.String()
}

// planProblems writes what is in the way of what a dry run has looked at, and where the whole plan is.
func (d *description) planProblems(restore *kahuv1.Restore) {
	plan := restore.Status.Preview
	if plan == nil || len(plan.Problems) == 0 && plan.Conflict == 0 {
		return
	}
	lines := append(slices.Clone(plan.Problems), fmt.Sprintf("`kubectl kahu restore plan %s` shows every object", restore.Name))
	d.block(titled("Problems", int64(len(plan.Problems))), lines)
}
