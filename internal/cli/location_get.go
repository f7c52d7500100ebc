package cli

import (
	"context"
	"strconv"

	"github.com/spf13/cobra"
	"k8s.io/apimachinery/pkg/api/meta"
	"sigs.k8s.io/controller-runtime/pkg/client"

	kahuv1 "github.com/soda-cdm/kahu/api/v1beta1"
)

func newLocationGet(shared *session) *cobra.Command {
	return &cobra.Command{
		Use:   "get [NAME...]",
		Short: "Show the places that hold backups in a table",
		RunE: func(command *cobra.Command, args []string) error {
			return shared.getLocations(command.Context(), args)
		},
	}
}

func (s *session) getLocations(ctx context.Context, names []string) error {
	list := &kahuv1.BackupLocationList{}
	if err := s.fetch(ctx, list, names, func(ctx context.Context, from client.Reader, name string) error {
		one := &kahuv1.BackupLocation{}
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
	rows := table{head: []string{"NAME", "PROVIDER", "READY", "REASON", "BACKUPS", "AGE"}}
	for i := range list.Items {
		location := &list.Items[i]
		ready, reason := "Unknown", ""
		if condition := meta.FindStatusCondition(location.Status.Conditions, kahuv1.ConditionReady); condition != nil {
			ready, reason = string(condition.Status), condition.Reason
		}
		rows.rows = append(rows.rows, []string{
			location.Name, location.Spec.ProviderName, ready, reason, backupsOf(location), s.age(location),
		})
	}
	return s.printTable(rows)
}

// backupsOf returns how many backups lie at a location, if that is known.
func backupsOf(location *kahuv1.BackupLocation) string {
	if location.Status.Backups == nil {
		return "?"
	}
	return strconv.Itoa(int(*location.Status.Backups))
}

// backupsText is backupsOf with its unit.
func backupsText(location *kahuv1.BackupLocation) string {
	if location.Status.Backups == nil {
		return "its backups cannot be listed"
	}
	return plural(int64(*location.Status.Backups), "backup")
}
