package cli

import (
	"context"
	"strconv"

	"github.com/spf13/cobra"
	"sigs.k8s.io/controller-runtime/pkg/client"

	kahuv1 "github.com/soda-cdm/kahu/api/v1beta1"
)

func newRestoreGet(shared *session) *cobra.Command {
	return &cobra.Command{
		Use:   "get [NAME...]",
		Short: "Show restores in a table",
		RunE: func(command *cobra.Command, args []string) error {
			return shared.getRestores(command.Context(), args)
		},
	}
}

func (s *session) getRestores(ctx context.Context, names []string) error {
	list := &kahuv1.RestoreList{}
	if err := s.fetch(ctx, list, names, func(ctx context.Context, from client.Reader, name string) error {
		one := &kahuv1.Restore{}
		if err := from.Get(ctx, client.ObjectKey{Name: name}, one); err != nil {
			return err
		}
		list.Items = append(list.Items, *one)
		return nil
	}); err != nil {
		return err
	}
	if done, err := s.printWhole(wholeOf(list, len(list.Items), names, func() any { return &list.Items[0] })); done {
		return err
	}
	rows := table{head: []string{"NAME", "BACKUP", "STAGE", "STATE", "CREATED", "THERE", "FAILED", "AGE"}}
	for i := range list.Items {
		restore := &list.Items[i]
		row := []string{restore.Name, restore.Spec.BackupName, string(restore.Status.Stage), restoreState(restore)}
		counts := restore.Status.Counts
		for _, number := range []int64{counts.Created, counts.SkippedExisting, counts.Failed} {
			text := strconv.FormatInt(number, 10)
			if isPreviewed(restore) {
				text = "-" // Nothing was written.
			}
			row = append(row, text)
		}
		rows.rows = append(rows.rows, append(row, s.age(restore)))
	}
	return s.printTable(rows)
}
