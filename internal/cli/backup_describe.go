package cli

import (
	"context"
	"fmt"
	"strings"

	"github.com/spf13/cobra"

	kahuv1 "github.com/soda-cdm/kahu/api/v1beta1"
)

func newBackupDescribe(shared *session) *cobra.Command {
	return newRunDescribe("backup", shared.describeBackup)
}

func (s *session) describeBackup(ctx context.Context, wish described) error {
	name := wish.name
	backup := &kahuv1.Backup{}
	from, err := s.read(ctx, "Backup", name, backup)
	if err != nil {
		return err
	}
	if done, err := s.printWhole(backup); done {
		return err
	}
	missing, warnings := problems(backup.Status.Missing), backup.Status.Warnings
	if wish.whole && backup.Status.LastBackup != nil {
		missing, warnings, err = s.rowsOfReport(ctx, from, kahuv1.InspectionSpec{BackupName: name})
		if err != nil {
			return err
		}
	}
	_, err = fmt.Fprint(s.Out, backupText(backup, missing, warnings))
	return err
}

// backupText is a person's view of a backup.
func backupText(backup *kahuv1.Backup, missing, warnings []string) string {
	d, status := &description{}, &backup.Status
	d.line("Name", backup.Name)
	d.line("Location", backup.Spec.MetadataLocation)
	if origin := backup.Spec.Origin; origin != nil {
		d.line("Origin", fmt.Sprintf("backup %s of cluster %s", origin.Name, origin.ClusterID))
	}
	if first := backup.Status.OriginLocationID; first != "" {
		d.line("Copied from", "location with id "+first)
	}
	d.backupSpec(&backup.Spec)
	d.line("Mode", modeText(backup))
	d.line("Stage", status.Stage)
	d.line("State", stateOf(status.State))
	d.line("Queue", strings.TrimPrefix(queued(status.QueuePosition), ", "))
	d.line("Failure", status.FailureReason)
	d.line("Interrupted", times(status.Interruptions))
	d.line("Started", timeOf(status.StartTimestamp))
	d.line("Ended", timeOf(status.CompletionTimestamp))
	d.line("Took", took(status.StartTimestamp, status.CompletionTimestamp, status.Timings))
	d.line("Objects", fmt.Sprintf("%d of %s in %s, %d of them because others need them", status.Counts.Objects,
		plural(status.Counts.Kinds, "kind"), plural(status.Counts.Namespaces, "namespace"), status.Counts.NeededObjects))
	d.line("Left out", fmt.Sprintf("%d by a rule, %d that were being deleted", status.Counts.SkippedObjects, status.Counts.VanishedObjects))
	d.line("Size", sizesText(status))
	d.line("Segments", sharedText(status))
	d.line("Folder", status.ArchivePath)
	d.block("Wrong in the spec", status.ValidationErrors)
	kinds := make([]string, 0, len(status.Kinds))
	for _, kind := range status.Kinds {
		kinds = append(kinds, fmt.Sprintf("%7d %s %s", kind.Objects, kind.Kind, kind.APIVersion))
	}
	if more := status.Counts.Kinds - int64(len(kinds)); more > 0 && len(kinds) > 0 {
		kinds = append(kinds, fmt.Sprintf("... and %s more", plural(more, "kind")))
	}
	d.block(titled("Objects by kind", status.Counts.Kinds), kinds)
	d.timings(backup.CreationTimestamp, status.StartTimestamp, status.Timings)
	d.hooks(status.Hooks)
	d.volumes(status.Volumes)
	d.list(rows{"Missing", status.Counts.Missing, missing})
	d.list(rows{"Warnings", status.Counts.Warnings, warnings})
	d.block(titled("Copies", int64(len(backup.Spec.Copies))), copies(backup))
	if found := status.Verification; found != nil {
		d.block(titled("Damaged", found.DamagedTotal), damage(found))
	}
	d.conditions(status.Conditions)
	return d.text.String()
}

// sizesText says how large a backup is.
func sizesText(status *kahuv1.BackupStatus) string {
	sizes := fmt.Sprintf("%s of JSON, %s stored in %s, index %s", size(status.Sizes.ObjectBytes),
		size(status.Sizes.SegmentBytes), plural(status.Counts.Segments, "segment"), size(status.Sizes.IndexBytes))
	if compared := status.Sizes.ComparisonBytes; compared > 0 {
		sizes += ", comparison file " + size(compared)
	}
	return sizes
}

// times says how often something was, or nothing where it was not.
func times(number int32) string {
	if number == 0 {
		return ""
	}
	return plural(int64(number), "time")
}

func titled(title string, number int64) string { return fmt.Sprintf("%s (%d)", title, number) }

// problems returns a line for each row.
func problems(rows []kahuv1.ItemProblem) []string {
	lines := make([]string, 0, len(rows))
	for _, row := range rows {
		name := row.Name
		if row.Namespace != "" {
			name = row.Namespace + "/" + name
		}
		lines = append(lines, fmt.Sprintf("%s %s: %s: %s", row.Kind, name, row.Reason, row.Message))
	}
	return lines
}
