package cli

import (
	"context"
	"errors"
	"fmt"

	"github.com/spf13/cobra"
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	kahuv1 "github.com/soda-cdm/kahu/api/v1beta1"
)

func newBackupDelete(shared *session) *cobra.Command {
	limits := &waiting{}
	command := &cobra.Command{
		Use:   "delete NAME...",
		Short: "Delete a backup, its data at the location first",
		Long: `Delete a backup, its data at the location first.

The data stays where the Backup says deletionPolicy: Retain, and where the object
only shows a backup of another cluster.`,
		Args: someNames,
		RunE: func(command *cobra.Command, args []string) error {
			return each(args, func(name string) error { return shared.deleteBackup(command.Context(), name, *limits) })
		},
	}
	limits.register(command, "wait until data and object are gone")
	return command
}

func (s *session) deleteBackup(ctx context.Context, name string, limits waiting) error {
	to, err := s.client()
	if err != nil {
		return err
	}
	backup := &kahuv1.Backup{ObjectMeta: metav1.ObjectMeta{Name: name}}
	if err := to.Delete(ctx, backup); err != nil {
		return fmt.Errorf("deleting Backup %s: %w", name, err)
	}
	if limits.wait {
		if err := s.waitUntilGone(ctx, to, name, limits); err != nil {
			return err
		}
		_, err = fmt.Fprintf(s.Out, "backup %s deleted\n", name)
		return err
	}
	_, err = fmt.Fprintf(s.Out, "backup %s is being deleted\n", name)
	return err
}

// waitUntilGone waits until the object is gone, and shows what holds it.
func (s *session) waitUntilGone(ctx context.Context, to client.WithWatch, name string, limits waiting) error {
	ctx, cancel := context.WithTimeout(ctx, limits.timeout)
	defer cancel()
	shown := ""
	err := s.waitFor(ctx, to, &kahuv1.BackupList{}, name, func(object client.Object) (bool, error) {
		backup, ok := object.(*kahuv1.Backup)
		if !ok {
			return false, nil
		}
		held := meta.FindStatusCondition(backup.Status.Conditions, kahuv1.ConditionDataDeleted)
		if held != nil && held.Message != shown {
			shown = held.Message
			s.say("backup " + name + ": " + shown)
		}
		return false, nil
	})
	if errors.Is(err, errGone) {
		return nil
	}
	return err
}
