package cli

import (
	"context"
	"errors"
	"fmt"

	"github.com/spf13/cobra"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	kahuv1 "github.com/soda-cdm/kahu/api/v1beta1"
)

func newRestoreDelete(shared *session) *cobra.Command {
	limits := &waiting{}
	command := &cobra.Command{
		Use:   "delete NAME...",
		Short: "Delete the record of a restore; what it restored stays",
		Long: `Delete the record of a restore; what it restored stays.

A restore that goes on is stopped.`,
		Args: someNames,
		RunE: func(command *cobra.Command, args []string) error {
			return each(args, func(name string) error {
				restore := &kahuv1.Restore{ObjectMeta: metav1.ObjectMeta{Name: name}}
				return shared.delete(command.Context(), "restore", restore, &kahuv1.RestoreList{}, *limits)
			})
		},
	}
	limits.register(command, "wait until the object is gone")
	return command
}

func newLocationDelete(shared *session) *cobra.Command {
	limits := &waiting{}
	command := &cobra.Command{
		Use:   "delete NAME...",
		Short: "Forget a place that holds backups; what lies there stays",
		Long: `Forget a place that holds backups; what lies there stays.

The Backup objects that only show what lies there go with it. Those of this cluster
stay and cannot be restored until a location for the same place is made again
under the same name; they are this cluster's own then as they were before.`,
		Args: someNames,
		RunE: func(command *cobra.Command, args []string) error {
			return each(args, func(name string) error {
				location := &kahuv1.BackupLocation{ObjectMeta: metav1.ObjectMeta{Name: name}}
				return shared.delete(command.Context(), "location", location, &kahuv1.BackupLocationList{}, *limits)
			})
		},
	}
	limits.register(command, "wait until the object is gone")
	return command
}

// each does something about each name; an error about one does not keep it from the others.
func each(names []string, act func(name string) error) error {
	var wrong []error
	for _, name := range names {
		err := act(name)
		if errors.Is(err, ErrInterrupted) || errors.Is(err, ErrTimeout) {
			return err
		}
		wrong = append(wrong, err)
	}
	return errors.Join(wrong...)
}

// delete deletes an object, and waits until it is gone where that is asked for.
func (s *session) delete(ctx context.Context, word string, object client.Object, list client.ObjectList, limits waiting) error {
	to, err := s.client()
	if err != nil {
		return err
	}
	name := object.GetName()
	if err := to.Delete(ctx, object); err != nil {
		return fmt.Errorf("deleting %s %s: %w", word, name, err)
	}
	if !limits.wait {
		_, err = fmt.Fprintf(s.Out, "%s %s is being deleted\n", word, name)
		return err
	}
	ctx, cancel := context.WithTimeout(ctx, limits.timeout)
	defer cancel()
	held := &awaitedEnd{session: s, word: word, name: name}
	if err := held.end(s.waitFor(ctx, to, list, name, held.see)); err != nil {
		return err
	}
	_, err = fmt.Fprintf(s.Out, "%s %s deleted\n", word, name)
	return err
}
