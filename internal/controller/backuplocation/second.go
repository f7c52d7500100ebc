package backuplocation

import (
	"context"
	"errors"
	"fmt"

	"sigs.k8s.io/controller-runtime/pkg/client"

	kahuv1 "github.com/soda-cdm/kahu/api/v1beta1"
	"github.com/soda-cdm/kahu/internal/controller/place"
	"github.com/soda-cdm/kahu/internal/core/nesting"
	enginelocation "github.com/soda-cdm/kahu/internal/engine/location"
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

// open opens the place. Where it lies in that of another location, or around it, it is not made a location; one that it is already
// is used, as its backups are needed.
func (c *Controller) open(ctx context.Context, s *scope) (string, error) {
	at, known := c.place(s), s.location.Status.LocationID
	if known != "" || at.ReadOnly {
		return at.Open(ctx, known)
	}
	other, err := c.nestedWith(ctx, s)
	if err != nil {
		return "", err
	}
	if other == "" {
		return at.Open(ctx, "")
	}
	at.ReadOnly = true
	id, err := at.Open(ctx, "")
	if errors.Is(err, enginelocation.ErrMarkerMissing) {
		err = &place.NotUsableError{
			Reason: kahuv1.ReasonLocationNested, Field: "spec.config",
			Message: fmt.Sprintf("the place lies in that of BackupLocation %q, or around it: choose a folder beside it", other),
		}
	}
	return id, err
}

// nestedWith returns the name of a location that was there before, and in or around whose place this one lies; empty where there
// is none.
func (c *Controller) nestedWith(ctx context.Context, s *scope) (string, error) {
	locations := &kahuv1.BackupLocationList{}
	if err := c.Client.List(ctx, locations); err != nil {
		return "", fmt.Errorf("listing locations: %w", err)
	}
	for i := range locations.Items {
		other := &locations.Items[i]
		isBefore := other.Status.LocationID != "" || older(other, s.location)
		if other.UID != s.location.UID && other.DeletionTimestamp.IsZero() && isBefore && nesting.Nested(placeOf(other), placeOf(s.location)) {
			return other.Name, nil
		}
	}
	return "", nil
}

func placeOf(location *kahuv1.BackupLocation) nesting.Place {
	return nesting.Place{Provider: location.Spec.ProviderName, Config: location.Spec.Config}
}

// older tells whether the first of two locations is older, or as old and has the smaller name.
func older(a, b client.Object) bool {
	if made, than := a.GetCreationTimestamp(), b.GetCreationTimestamp(); !made.Equal(&than) {
		return made.Before(&than)
	}
	return a.GetName() < b.GetName()
}
