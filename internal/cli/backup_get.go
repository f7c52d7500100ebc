package cli

import (
	"context"
	"fmt"
	"strconv"

	"github.com/spf13/cobra"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"sigs.k8s.io/controller-runtime/pkg/client"

	kahuv1 "github.com/soda-cdm/kahu/api/v1beta1"
)

func newBackupGet(shared *session) *cobra.Command {
	return &cobra.Command{
		Use:   "get [NAME...]",
		Short: "Show backups in a table",
		RunE: func(command *cobra.Command, args []string) error {
			return shared.getBackups(command.Context(), args)
		},
	}
}

func (s *session) getBackups(ctx context.Context, names []string) error {
	list := &kahuv1.BackupList{}
	if err := s.fetch(ctx, list, names, func(ctx context.Context, from client.Reader, name string) error {
		one := &kahuv1.Backup{}
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
	rows := table{head: []string{"NAME", "LOCATION", "STAGE", "STATE", "MODE", "OBJECTS", "SIZE", "ORIGIN", "AGE"}}
	for i := range list.Items {
		backup := &list.Items[i]
		origin := "this cluster"
		if backup.Spec.Origin != nil {
			origin = originOf(backup, list.Items)
		}
		rows.rows = append(rows.rows, []string{
			backup.Name, backup.Spec.MetadataLocation, string(backup.Status.Stage), string(stateOf(backup.Status.State)), modeColumn(backup),
			strconv.FormatInt(backup.Status.Counts.Objects, 10), size(backup.Status.Sizes.SegmentBytes), origin, s.age(backup),
		})
	}
	return s.printTable(rows)
}

// originOf says whose backup a view shows: of a copy, by the Backup object that it is a copy of, where that is among those that
// are shown.
func originOf(backup *kahuv1.Backup, among []kahuv1.Backup) string {
	origin := backup.Spec.Origin
	whole := origin.ClusterID + "/" + origin.Name
	if backup.Status.OriginLocationID == "" {
		return whole
	}
	for i := range among {
		other := &among[i]
		same := string(other.UID) == origin.UID || other.Spec.Origin != nil && other.Spec.Origin.UID == origin.UID
		if same && other.Status.OriginLocationID == "" {
			return "copy of " + other.Name
		}
	}
	return "copy of " + whole
}

// fetch reads all objects of a list, or those of these names.
func (s *session) fetch(
	ctx context.Context, list client.ObjectList, names []string, one func(ctx context.Context, from client.Reader, name string) error,
) error {
	from, err := s.client()
	if err != nil {
		return err
	}
	if len(names) == 0 {
		if err := from.List(ctx, list); err != nil {
			return fmt.Errorf("listing: %w", err)
		}
		return nil
	}
	for _, name := range names {
		if err := one(ctx, from, name); err != nil {
			return fmt.Errorf("reading %s: %w", name, err)
		}
	}
	return nil
}

// wholeOf returns what -o prints: the one object that was asked for by name, or a list.
func wholeOf(list client.ObjectList, found int, names []string, first func() any) any {
	if len(names) == 1 && found == 1 {
		return first()
	}
	list.GetObjectKind().SetGroupVersionKind(schema.GroupVersionKind{Version: "v1", Kind: "List"})
	return list
}
