package backuplocation

import (
	"context"
	"fmt"

	"sigs.k8s.io/controller-runtime/pkg/client"

	kahuv1 "github.com/soda-cdm/kahu/api/v1beta1"
	"github.com/soda-cdm/kahu/internal/reconcile"
)

// refuseSecond stalls a location at a place that has a name in this cluster already: every backup would be shown twice, and
// the claims of the two would contradict each other. The place is that of the location on whose record its id is; where
// two came to it at once, it is the older one's. The other one is looked at again from time to time.
func (c *Controller) refuseSecond(ctx context.Context, s *scope, id string) error {
	locations := &kahuv1.BackupLocationList{}
	if err := c.Client.List(ctx, locations); err != nil {
		return fmt.Errorf("listing locations: %w", err)
	}
	for i := range locations.Items {
		other := &locations.Items[i]
		if other.UID == s.location.UID || other.Status.LocationID != id || !other.DeletionTimestamp.IsZero() {
			continue
		}
		if s.location.Status.LocationID == "" || older(other, s.location) {
			return reconcile.Stalled(kahuv1.ReasonLocationTwice, fmt.Sprintf("BackupLocation %q is the same place (location %s): "+
				"use that one and delete this one, or correct spec.config", other.Name, id))
		}
	}
	return nil
}

// older tells whether the first of two locations is older, or as old and has the smaller name.
func older(a, b client.Object) bool {
	if made, than := a.GetCreationTimestamp(), b.GetCreationTimestamp(); !made.Equal(&than) {
		return made.Before(&than)
	}
	return a.GetName() < b.GetName()
}
