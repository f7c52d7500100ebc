package cli

import (
	"context"
	"fmt"

	"github.com/spf13/cobra"
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	"sigs.k8s.io/controller-runtime/pkg/client"

	kahuv1 "github.com/soda-cdm/kahu/api/v1beta1"
)

func newBackupCancel(shared *session) *cobra.Command {
	limits := &waiting{}
	command := &cobra.Command{
		Use:   "cancel NAME",
		Short: "End a backup that goes on; what it has written is removed",
		Args:  exactly("NAME"),
		RunE: func(command *cobra.Command, args []string) error {
			return shared.cancelBackup(command.Context(), args[0], *limits)
		},
	}
	limits.register(command, "wait until the backup has ended")
	return command
}

func (s *session) cancelBackup(ctx context.Context, name string, limits waiting) error {
	to, err := s.client()
	if err != nil {
		return err
	}
	backup := &kahuv1.Backup{ObjectMeta: metav1.ObjectMeta{Name: name}}
	patch := client.RawPatch(types.MergePatchType, []byte(`{"spec":{"cancel":true}}`))
	if err := to.Patch(ctx, backup, patch); err != nil {
		return fmt.Errorf("cancelling Backup %s: %w", name, err)
	}
	if limits.wait {
		backup, err = s.awaitBackup(ctx, to, name, limits)
		if err != nil {
			return err
		}
	}
	switch status := &backup.Status; {
	case status.Stage != kahuv1.StageFinished:
		_, err = fmt.Fprintf(s.Out, "backup %s is being cancelled\n", name)
	case isCancelled(status.Conditions):
		_, err = fmt.Fprintf(s.Out, "backup %s is cancelled\n", name)
	default:
		_, err = fmt.Fprintf(s.Out, "backup %s had ended already: %s\n", name, stateOf(status.State))
	}
	return err
}

func isCancelled(conditions []metav1.Condition) bool {
	complete := meta.FindStatusCondition(conditions, kahuv1.ConditionComplete)
	return complete != nil && complete.Reason == kahuv1.ReasonCancelled
}
