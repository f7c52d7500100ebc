package cli

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/spf13/cobra"
	"sigs.k8s.io/controller-runtime/pkg/client"

	kahuv1 "github.com/soda-cdm/kahu/api/v1beta1"
)

func newRestoreDescribe(shared *session) *cobra.Command {
	return &cobra.Command{
		Use:   "describe NAME",
		Short: "Tell everything that is known of a restore",
		Args:  exactly("NAME"),
		RunE: func(command *cobra.Command, args []string) error {
			return shared.describeRestore(command.Context(), args[0])
		},
	}
}

func (s *session) describeRestore(ctx context.Context, name string) error {
	from, err := s.client()
	if err != nil {
		return err
	}
	restore := &kahuv1.Restore{}
	if err := from.Get(ctx, client.ObjectKey{Name: name}, restore); err != nil {
		return fmt.Errorf("reading Restore %s: %w", name, err)
	}
	if done, err := s.printWhole(restore); done {
		return err
	}
	_, err = fmt.Fprint(s.Out, restoreText(restore))
	return err
}

// restoreText is a person's view of a restore.
func restoreText(restore *kahuv1.Restore) string {
	d, status := &description{}, &restore.Status
	d.line("Name", restore.Name)
	d.line("Backup", restore.Spec.BackupName)
	var mapping []string
	for _, from := range slices.Sorted(maps.Keys(restore.Spec.NamespaceMapping)) {
		mapping = append(mapping, fmt.Sprintf("%s -> %s", from, restore.Spec.NamespaceMapping[from]))
	}
	d.block("Namespaces mapped", mapping)
	d.line("Prefix", restore.Spec.ResourcePrefix)
	d.line("Stage", status.Stage)
	d.line("State", stateOf(status.State))
	d.line("Queue", strings.TrimPrefix(queued(status.QueuePosition), ", "))
	d.line("Failure", status.FailureReason)
	if status.Interruptions > 0 {
		d.line("Interrupted", fmt.Sprintf("%d times", status.Interruptions))
	}
	d.line("Started", timeOf(status.StartTimestamp))
	d.line("Ended", timeOf(status.CompletionTimestamp))
	d.line("Took", took(status.StartTimestamp, status.CompletionTimestamp))
	d.line("Progress", fmt.Sprintf("%d of %d objects", status.Progress.ItemsRestored, status.Progress.TotalItems))
	d.line("Objects", countsText(status.Counts))
	d.line("Not asked for", status.Counts.SkippedExcluded)
	d.line("Report", status.ReportPath)
	d.block("Wrong in the spec", status.ValidationErrors)
	d.block(titled("Failed", status.Counts.Failed), problems(status.Failed))
	d.block(titled("Warnings", status.Counts.Warnings), status.Warnings)
	d.conditions(status.Conditions)
	return d.text.String()
}
