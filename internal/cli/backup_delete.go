package cli

import (
	"context"
	"fmt"
	"slices"

	"github.com/spf13/cobra"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"sigs.k8s.io/controller-runtime/pkg/client"

	kahuv1 "github.com/soda-cdm/kahu/api/v1beta1"
)

func newBackupDelete(shared *session) *cobra.Command {
	wish := &deletion{}
	command := &cobra.Command{
		Use:   "delete NAME...",
		Short: "Delete a backup, its data at the location first",
		Long: `Delete a backup, its data at the location first.

The data stays where the Backup says deletionPolicy: Retain, and where the object
only shows what lies at a location. With --data it goes all the same: so is a copy
deleted, or a backup whose object was lost. That of another cluster goes only
where this one has taken over its part of the location: see location inherit.
Copies of a backup are not deleted with it.`,
		Args: someNames,
		RunE: func(command *cobra.Command, args []string) error {
			return each(args, func(name string) error { return shared.deleteBackup(command.Context(), name, *wish) })
		},
	}
	command.Flags().BoolVar(&wish.data, "data", false, "delete the data too where the object says Retain")
	wish.register(command, "wait until data and object are gone")
	return command
}

// deletion are the flags of backup delete.
type deletion struct {
	waiting

	data bool
}

// claimData makes the deletion of an object that says Retain one of its data.
func (s *session) claimData(ctx context.Context, to client.Client, name string) error {
	backup := &kahuv1.Backup{}
	if err := to.Get(ctx, client.ObjectKey{Name: name}, backup); err != nil {
		return fmt.Errorf("reading Backup %s: %w", name, err)
	}
	if err := s.mayDeleteData(ctx, to, backup); err != nil {
		return err
	}
	before := backup.DeepCopy()
	backup.Spec.DeletionPolicy = kahuv1.DeletionPolicyDelete
	if backup.Spec.Origin != nil {
		// As the manager would do it, which may not come to it before the object is deleted. It looks whose data it is.
		backup.OwnerReferences = nil
		if !slices.Contains(backup.Finalizers, kahuv1.BackupFinalizer) {
			backup.Finalizers = append(backup.Finalizers, kahuv1.BackupFinalizer)
		}
	}
	if err := to.Patch(ctx, backup, client.MergeFromWithOptions(before, client.MergeFromWithOptimisticLock{})); err != nil {
		return fmt.Errorf("changing spec.deletionPolicy of Backup %s: %w", name, err)
	}
	return nil
}

// mayDeleteData refuses what would remove the object and leave the data.
func (*session) mayDeleteData(ctx context.Context, from client.Client, backup *kahuv1.Backup) error {
	origin, location := backup.Spec.Origin, &kahuv1.BackupLocation{}
	if origin == nil {
		return nil
	}
	err := from.Get(ctx, client.ObjectKey{Name: backup.Spec.MetadataLocation}, location)
	if apierrors.IsNotFound(err) {
		return nil // The manager waits for it.
	}
	if err != nil {
		return fmt.Errorf("reading BackupLocation %s: %w", backup.Spec.MetadataLocation, err)
	}
	own := location.Status.ClusterID
	if own == "" || origin.ClusterID == own || slices.Contains(location.Spec.InheritedClusters, origin.ClusterID) {
		return nil
	}
	return fmt.Errorf("backup %s is of cluster %s, and its data is not this cluster's to delete. If that cluster is gone: "+
		"kubectl kahu location inherit %s --cluster %s --wait", backup.Name, origin.ClusterID, location.Name, origin.ClusterID)
}

func (s *session) deleteBackup(ctx context.Context, name string, wish deletion) error {
	to, err := s.client()
	if err != nil {
		return err
	}
	if wish.data {
		if err := s.claimData(ctx, to, name); err != nil {
			return err
		}
	}
	limits, backup := wish.waiting, &kahuv1.Backup{}
	if err := unlessForbidden(to.Get(ctx, client.ObjectKey{Name: name}, backup)); err != nil {
		return fmt.Errorf("reading Backup %s: %w", name, err)
	}
	stays := dataThatStays(backup)
	backup.Name = name
	if err := to.Delete(ctx, backup); err != nil {
		return fmt.Errorf("deleting Backup %s: %w", name, err)
	}
	if limits.wait {
		if err := s.waitUntilGone(ctx, to, name, limits); err != nil {
			return err
		}
		_, err = fmt.Fprintf(s.Out, "backup %s deleted%s\n", name, stays)
		return err
	}
	_, err = fmt.Fprintf(s.Out, "backup %s is being deleted%s\n", name, stays)
	return err
}

// dataThatStays says that only the object goes, where that is so, and what would delete the data.
func dataThatStays(backup *kahuv1.Backup) string {
	isEmpty := backup.Spec.Origin == nil && backup.Status.LastBackup == nil
	if backup.Spec.DeletionPolicy != kahuv1.DeletionPolicyRetain || isEmpty {
		return ""
	}
	return fmt.Sprintf("; its data stays at location %s, which will show it again, and goes with `kubectl kahu backup delete --data`",
		backup.Spec.MetadataLocation)
}

// waitUntilGone waits until the object is gone, and shows what holds it.
func (s *session) waitUntilGone(ctx context.Context, to client.WithWatch, name string, limits waiting) error {
	ctx, cancel := context.WithTimeout(ctx, limits.timeout)
	defer cancel()
	held := &awaitedEnd{session: s, word: "backup", name: name}
	return held.end(s.waitFor(ctx, to, &kahuv1.BackupList{}, name, held.see))
}
