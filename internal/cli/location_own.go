package cli

import (
	"context"
	"fmt"

	"github.com/spf13/cobra"
	"k8s.io/apimachinery/pkg/api/meta"
	"sigs.k8s.io/controller-runtime/pkg/client"

	kahuv1 "github.com/soda-cdm/kahu/api/v1beta1"
)

func newLocationOwn(shared *session) *cobra.Command {
	limits, id := &waiting{}, ""
	command := &cobra.Command{
		Use:   "own NAME --location-id ID",
		Short: "Decide that this cluster owns its part of a location, whoever wrote there last",
		Long: `Decide that this cluster owns its part of a location, whoever wrote there last.

It is needed where the condition Owned of the location is False with the reason
NotOwner: another cluster has the same identity, as one of the two is a copy of the
other, or this one has forgotten what it wrote. The owner alone may delete backups.
Before you decide, make sure that the other cluster is gone, or that the backups
of both may be deleted from here. The id is repeated so that no other place is meant.`,
		Example: `  kubectl kahu location own default --location-id "$(kubectl get bl default -o jsonpath={.status.locationID})"`,
		Args:    exactly("NAME"),
		RunE: func(command *cobra.Command, args []string) error {
			return shared.ownLocation(command.Context(), args[0], id, *limits)
		},
	}
	limits.register(command, "wait until this cluster is the owner")
	command.Flags().StringVar(&id, "location-id", "", "id of the location, as location describe shows it (required)")
	return command
}

// ownLocation writes down a person's decision, and waits until it is carried out where that is asked for.
func (s *session) ownLocation(ctx context.Context, name, id string, limits waiting) error {
	to, location, err := s.location(ctx, name)
	if err != nil {
		return err
	}
	if err := mayOwn(location, id); err != nil {
		return err
	}
	// What the condition Owned says may be from before the other one wrote, so it does not keep from deciding.
	before := location.DeepCopy()
	if location.Annotations == nil {
		location.Annotations = map[string]string{}
	}
	location.Annotations[kahuv1.AnnotationTakeOwnership] = id
	if err := to.Patch(ctx, location, client.MergeFrom(before)); err != nil {
		return fmt.Errorf("annotating BackupLocation %s: %w", name, err)
	}
	if !limits.wait {
		_, err := fmt.Fprintf(s.Out, "location %s is being taken over; `kubectl kahu location describe %s` shows the condition Owned\n", name, name)
		return err
	}
	return s.waitForOwnership(ctx, to, name, limits)
}

// mayOwn tells what speaks against a decision.
func mayOwn(location *kahuv1.BackupLocation, id string) error {
	if id == "" || id != location.Status.LocationID {
		return usageError{fmt.Errorf("--location-id %q: location %s has the id %q; repeat it if it is the one that is meant",
			id, location.Name, location.Status.LocationID)}
	}
	if location.Spec.AccessMode == kahuv1.AccessReadOnly {
		return usageError{fmt.Errorf("location %s is read-only: nobody writes or deletes there from here, and nobody needs to own it",
			location.Name)}
	}
	return nil
}

// waitForOwnership waits until the manager has taken the decision away, which it does when it has found this cluster to be the
// owner, or has made it that.
func (s *session) waitForOwnership(ctx context.Context, to client.WithWatch, name string, limits waiting) error {
	ctx, cancel := context.WithTimeout(ctx, limits.timeout)
	defer cancel()
	err := s.waitFor(ctx, to, &kahuv1.BackupLocationList{}, name, func(object client.Object) (bool, error) {
		now, ok := object.(*kahuv1.BackupLocation)
		if !ok || now.Annotations[kahuv1.AnnotationTakeOwnership] != "" {
			return false, nil
		}
		return meta.IsStatusConditionTrue(now.Status.Conditions, kahuv1.ConditionOwned), nil
	})
	if err != nil {
		return fmt.Errorf("waiting for this cluster to own its part of location %s: %w", name, err)
	}
	_, err = fmt.Fprintf(s.Out, "this cluster owns its part of location %s\n", name)
	return err
}
