package sidecar

import (
	"errors"
	"fmt"
	"time"

	coordinationv1 "k8s.io/api/coordination/v1"
	"k8s.io/utils/clock"
	"k8s.io/utils/ptr"
)

// placeAnnotation is on the Lease of a provider and says which place the sidecar that holds it serves.
const placeAnnotation = "kahu.io/place"

// errTaken: another sidecar serves the provider, of another place.
var errTaken = errors.New("another sidecar serves the provider")

// claim tells whether this sidecar may hold the Lease of its provider. Two sidecars of the same place are one that was started
// again, and the later one goes on at once. Of two places only one can be the provider of a name: whoever wrote itself into the
// Provider last would get what belongs to the other. So the later one stands by for as long as the other renews its Lease.
type claim struct {
	holder, place string
	clock         clock.PassiveClock

	// renewed is the last renewal by the other one, and seen when it was seen first: the times in the Lease are of the
	// clock of another machine.
	renewed time.Time
	seen    time.Time
}

// judge returns errTaken for a Lease that another sidecar holds, until it was not renewed for its duration. A Lease without a
// holder was given back.
func (c *claim) judge(lease *coordinationv1.Lease) error {
	holder, place, renewed := ptr.Deref(lease.Spec.HolderIdentity, ""), lease.Annotations[placeAnnotation], lease.Spec.RenewTime
	if holder == "" || holder == c.holder || place == "" || place == c.place || renewed == nil {
		return nil
	}
	now := c.clock.Now()
	if !renewed.Time.Equal(c.renewed) {
		c.renewed, c.seen = renewed.Time, now
	}
	if now.Sub(c.seen) >= time.Duration(ptr.Deref(lease.Spec.LeaseDurationSeconds, 0))*time.Second {
		return nil
	}
	return fmt.Errorf("%w: %s, of the place %s, renews lease %s/%s, and this is of the place %s: stop one of them, or give its driver another name",
		errTaken, holder, place, lease.Namespace, lease.Name, c.place)
}
