package place

import (
	"context"
	"fmt"
	"time"

	"k8s.io/apimachinery/pkg/api/meta"
	"sigs.k8s.io/controller-runtime/pkg/client"

	kahuv1 "github.com/soda-cdm/kahu/api/v1beta1"
	"github.com/soda-cdm/kahu/internal/core"
	enginelocation "github.com/soda-cdm/kahu/internal/engine/location"
)

// claim is what this process has written into the owner file of a location: the nonce that nobody else ever writes, and
// when that was done.
type claim struct {
	nonce string
	since time.Time
}

// Claimed notes when this process has written the nonce into the owner file of its cluster's part of a location; the zero time
// where nobody ever did before.
func (f *Finder) Claimed(locationID, nonce string, since time.Time) {
	f.claims.Store(locationID, claim{nonce: nonce, since: since})
}

// Nonce returns what this process wrote into the owner file of a location last; empty where it has not yet.
func (f *Finder) Nonce(locationID string) string { return f.claimOf(locationID).nonce }

// IsUnclaimed tells whether this process is about to claim a location.
func (f *Finder) IsUnclaimed(location *kahuv1.BackupLocation) bool {
	return f.Nonce(location.Status.LocationID) == "" && location.Spec.AccessMode != kahuv1.AccessReadOnly &&
		!meta.IsStatusConditionFalse(location.Status.Conditions, kahuv1.ConditionOwned)
}

func (f *Finder) claimOf(locationID string) claim {
	found, there := f.claims.Load(locationID)
	if !there {
		return claim{}
	}
	return found.(claim) //nolint:forcetypeassert // There are no others.
}

// settle waits until nothing that an earlier manager decided to remove can be removed any more.
func (f *Finder) settle(ctx context.Context, locationID string) error {
	if f.Clock == nil {
		return nil
	}
	of := f.claimOf(locationID)
	if of.nonce == "" {
		return enginelocation.ErrNotClaimed
	}
	if of.since.IsZero() {
		return nil
	}
	timer := time.NewTimer(f.Fence - f.Clock.Since(of.since))
	defer timer.Stop()
	select {
	case <-timer.C:
		return nil
	case <-ctx.Done():
		return context.Cause(ctx)
	}
}

// Hold is the word of this process that a part of a location is its cluster's and its own: what it does on that word alone
// another manager does not do at the same time. See engine.Remover.
type Hold struct {
	reader     client.Reader
	name       string
	locationID string
	part       *Part
	nonce      string
}

// Hold gives the word that holds now, whatever it is: Check tells. The reader asks the API server itself.
func (f *Finder) Hold(reader client.Reader, location *kahuv1.BackupLocation, part *Part) *Hold {
	id := location.Status.LocationID
	return &Hold{reader: reader, name: location.Name, locationID: id, part: part, nonce: f.Nonce(id)}
}

// Check returns an error unless the place has the marker of the location, may be written to, and has in the owner file of this
// cluster's own part the nonce that this process had written there when the word was given: of all managers of a cluster,
// who wrote there last may act at the location. The part of another cluster must have been taken over besides. It asks
// the API server itself: what is remembered there may have changed since. Another manager of this cluster that has claimed the
// location since is no reason to give up for good, and gives a location.ErrNotClaimed; somebody else gives a
// location.ErrNotOwner.
func (h *Hold) Check(ctx context.Context) error {
	now, err := h.Claimed(ctx)
	if err != nil || h.part.ClusterID == h.part.Self {
		return err
	}
	return h.part.CheckOwner(ctx, now, h.locationID)
}

// Claimed is Check without what it asks about the part of another cluster. It returns the location as it is now.
func (h *Hold) Claimed(ctx context.Context) (*kahuv1.BackupLocation, error) {
	now := &kahuv1.BackupLocation{}
	if err := h.reader.Get(ctx, client.ObjectKey{Name: h.name}, now); err != nil {
		return nil, fmt.Errorf("reading BackupLocation %s: %w", h.name, err)
	}
	if err := Writable(now); err != nil {
		return nil, err
	}
	if now.Status.LocationID != h.locationID {
		return nil, fmt.Errorf("BackupLocation %q is not location %s any more: %w", h.name, h.locationID, core.ErrUnavailable)
	}
	at := &enginelocation.Location{Files: h.part.Files}
	if _, err := at.Open(ctx, h.locationID); err != nil {
		return nil, err
	}
	return now, at.CheckClaim(ctx, h.part.Self, h.nonce, now.Status.Owner.Nonce, now.Status.Owner.PendingNonce)
}
