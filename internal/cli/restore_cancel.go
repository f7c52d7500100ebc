package cli

import (
	"context"
	"fmt"
	"slices"

	"github.com/spf13/cobra"
	"k8s.io/apimachinery/pkg/api/meta"
	"k8s.io/apimachinery/pkg/types"
	"sigs.k8s.io/controller-runtime/pkg/client"

	kahuv1 "github.com/soda-cdm/kahu/api/v1beta1"
)

func newRestoreCancel(shared *session) *cobra.Command {
	limits := &waiting{}
	command := &cobra.Command{
		Use:   "cancel NAME",
		Short: "End a restore; what it has created stays",
		Long: `End a restore; what it has created stays.

One that is over stays as it is, unless its claims wait for their volumes: then it
holds nothing any more for them. When it is deleted, their orders end, and the
claims wait in vain.`,
		Args: exactly("NAME"),
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
	restore := &kahuv1.Restore{}
	if err := unlessForbidden(to.Get(ctx, client.ObjectKey{Name: name}, restore)); err != nil {
		return fmt.Errorf("reading Restore %s: %w", name, err)
	}
	if restore.Status.Stage == kahuv1.StageFinished && !isCancelled(restore.Status.Conditions) && !awaitsVolumes(restore) {
		_, err = fmt.Fprintf(s.Out, "restore %s had ended already: %s\n", name, stateOf(restore.Status.State))
		return err
	}
	restore.Name = name
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
	_, err = fmt.Fprint(s.Out, cancelText(restore))
	return err
}

// cancelText says what became of a restore that is to end.
func cancelText(restore *kahuv1.Restore) string {
	name := restore.Name
	switch status := &restore.Status; {
	case status.Stage != kahuv1.StageFinished:
		return fmt.Sprintf("restore %s is being cancelled\n", name)
	case isCancelled(status.Conditions):
		return fmt.Sprintf("restore %s is cancelled: %s\n", name, countsText(status.Counts))
	case awaitsVolumes(restore):
		return fmt.Sprintf("restore %s had ended already: %s; it holds nothing any more for the claims that wait for their volumes: "+
			"when it is deleted, their orders end, and the claims wait in vain\n", name, stateOf(status.State))
	}
	return fmt.Sprintf("restore %s had ended already: %s\n", name, stateOf(restore.Status.State))
}

// awaitsVolumes tells whether claims of a restore that is over still wait for their volumes.
func awaitsVolumes(restore *kahuv1.Restore) bool {
	ready := meta.FindStatusCondition(restore.Status.Conditions, kahuv1.ConditionReady)
	if ready != nil && ready.Reason == kahuv1.ReasonVolumesWaiting {
		return true
	}
	volumes := restore.Status.Volumes
	return volumes != nil && !restore.Spec.DryRun && (volumes.Waiting > 0 ||
		slices.ContainsFunc(volumes.Claims, func(row kahuv1.RestoreVolume) bool { return row.Phase == kahuv1.RestoreVolumeInProgress }))
}
