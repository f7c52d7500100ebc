package cli

import (
	"context"
	"fmt"
	"strings"

	"github.com/spf13/cobra"
	"sigs.k8s.io/controller-runtime/pkg/client"

	kahuv1 "github.com/soda-cdm/kahu/api/v1beta1"
)

func newBackupDescribe(shared *session) *cobra.Command {
	return &cobra.Command{
		Use:   "describe NAME",
		Short: "Tell everything that is known of a backup",
		Args:  exactly("NAME"),
		RunE: func(command *cobra.Command, args []string) error {
			return shared.describeBackup(command.Context(), args[0])
		},
	}
}

func (s *session) describeBackup(ctx context.Context, name string) error {
	from, err := s.client()
	if err != nil {
		return err
	}
	backup := &kahuv1.Backup{}
	if err := from.Get(ctx, client.ObjectKey{Name: name}, backup); err != nil {
		return fmt.Errorf("reading Backup %s: %w", name, err)
	}
	if done, err := s.printWhole(backup); done {
		return err
	}
	_, err = fmt.Fprint(s.Out, backupText(backup))
	return err
}

// backupText is a person's view of a backup.
func backupText(backup *kahuv1.Backup) string {
	d, status := &description{}, &backup.Status
	d.line("Name", backup.Name)
	d.line("Location", backup.Spec.MetadataLocation)
	if origin := backup.Spec.Origin; origin != nil {
		d.line("Origin", fmt.Sprintf("backup %s of cluster %s", origin.Name, origin.ClusterID))
	}
	d.line("Stage", status.Stage)
	d.line("State", stateOf(status.State))
	d.line("Queue", strings.TrimPrefix(queued(status.QueuePosition), ", "))
	d.line("Failure", status.FailureReason)
	d.line("Started", timeOf(status.StartTimestamp))
	d.line("Ended", timeOf(status.CompletionTimestamp))
	d.line("Took", took(status.StartTimestamp, status.CompletionTimestamp))
	d.line("Objects", fmt.Sprintf("%d of %s in %s, %d of them because others need them", status.Counts.Objects,
		plural(status.Counts.Kinds, "kind"), plural(status.Counts.Namespaces, "namespace"), status.Counts.NeededObjects))
	d.line("Left out", fmt.Sprintf("%d by a rule, %d that were being deleted", status.Counts.SkippedObjects, status.Counts.VanishedObjects))
	d.line("Size", fmt.Sprintf("%s of JSON, %s stored in %s, index %s", size(status.Sizes.ObjectBytes),
		size(status.Sizes.SegmentBytes), plural(status.Counts.Segments, "segment"), size(status.Sizes.IndexBytes)))
	d.line("Folder", status.ArchivePath)
	d.block("Wrong in the spec", status.ValidationErrors)
	d.block(titled("Missing", status.Counts.Missing), problems(status.Missing))
	d.block(titled("Warnings", status.Counts.Warnings), status.Warnings)
	if found := status.Verification; found != nil {
		d.block(titled("Damaged", found.DamagedTotal), damage(found))
	}
	d.conditions(status.Conditions)
	return d.text.String()
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
