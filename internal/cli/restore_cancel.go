package cli

import (
	"context"
	"fmt"

	"github.com/spf13/cobra"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	"sigs.k8s.io/controller-runtime/pkg/client"

	kahuv1 "github.com/soda-cdm/kahu/api/v1beta1"
)

func newRestoreCancel(shared *session) *cobra.Command {
	limits := &waiting{}
	command := &cobra.Command{
		Use:   "cancel NAME",
		Short: "End a restore; what it has created stays",
		Args:  exactly("NAME"),
		RunE: func(command *cobra.Command, args []string) error {
			return shared.cancelRestore(command.Context(), args[0], *limits)
		},
	}
	limits.register(command, "wait until the restore has ended")
	return command
}

func (s *session) cancelRestore(ctx context.Context, name string, limits waiting) error {
	to, err := s.client()
	if err != nil {
		return err
	}
	restore := &kahuv1.Restore{ObjectMeta: metav1.ObjectMeta{Name: name}}
	patch := client.RawPatch(types.MergePatchType, []byte(`{"spec":{"cancel":true}}`))
	if err := to.Patch(ctx, restore, patch); err != nil {
		return fmt.Errorf("cancelling Restore %s: %w", name, err)
	}
	if limits.wait {
		restore, err = s.awaitRestore(ctx, to, name, limits)
		if err != nil {
			return err
		}
	}
	switch status := &restore.Status; {
	case status.Stage != kahuv1.StageFinished:
		_, err = fmt.Fprintf(s.Out, "restore %s is being cancelled\n", name)
	case isCancelled(status.Conditions):
		_, err = fmt.Fprintf(s.Out, "restore %s is cancelled: %s\n", name, countsText(status.Counts))
	default:
		_, err = fmt.Fprintf(s.Out, "restore %s had ended already: %s\n", name, stateOf(status.State))
	}
	return err
}
