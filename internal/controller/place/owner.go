package place

import (
	"context"
	"fmt"
	"slices"

	"k8s.io/utils/clock"

	kahuv1 "github.com/soda-cdm/kahu/api/v1beta1"
	"github.com/soda-cdm/kahu/internal/core"
	enginelocation "github.com/soda-cdm/kahu/internal/engine/location"
)

// HowToTake says how a person decides that this cluster is the owner.
func HowToTake(location *kahuv1.BackupLocation) string {
	return fmt.Sprintf("If this cluster alone should own them: kubectl kahu location own %s --location-id %s",
		location.Name, location.Status.LocationID)
}

// HowToInherit says how a person decides that this cluster owns the part of another one.
func HowToInherit(location *kahuv1.BackupLocation, clusterID string) string {
	return fmt.Sprintf("If this cluster alone should own it: kubectl kahu location inherit %s --cluster %s --force", location.Name, clusterID)
}

// Decision is the value of the annotation with which a person decides about the part of another cluster.
func Decision(location *kahuv1.BackupLocation, clusterID string) string {
	return location.Status.LocationID + "/" + clusterID
}

// Inherits tells whether a location's spec has this cluster take over the part of another one.
func Inherits(location *kahuv1.BackupLocation, clusterID string) bool {
	return slices.Contains(location.Spec.InheritedClusters, clusterID)
}

// Inherited returns how it stands with the part of another cluster; nil where nothing is known of it.
func Inherited(location *kahuv1.BackupLocation, clusterID string) *kahuv1.InheritedCluster {
	rows := location.Status.Inherited
	at := slices.IndexFunc(rows, func(row kahuv1.InheritedCluster) bool { return row.ClusterID == clusterID })
	if at < 0 {
		return nil
	}
	return &rows[at]
}

// Part is the part of a cluster at a location.
type Part struct {
	// ClusterID is the cluster whose part it is, and Self this one.
	ClusterID, Self string
	// Files are those of the location.
	Files enginelocation.Files
	// Clock gives times.
	Clock clock.PassiveClock
}

// HowToOwn says how a person decides that this cluster owns the part.
func (p *Part) HowToOwn(location *kahuv1.BackupLocation) string {
	if p.ClusterID != p.Self {
		return HowToInherit(location, p.ClusterID)
	}
	return HowToTake(location)
}

// CheckOwner makes sure that the place is the one that a location knows, that something may be removed there, and that this
// cluster is the owner of the part: of its own, or of one that the location's spec has it take over.
func (p *Part) CheckOwner(ctx context.Context, location *kahuv1.BackupLocation, known string) error {
	if location.Spec.AccessMode == kahuv1.AccessReadOnly {
		return ErrReadOnly
	}
	if known == "" {
		return fmt.Errorf("BackupLocation %q has not been looked at: %w", location.Name, core.ErrUnavailable)
	}
	at := &enginelocation.Location{Files: p.Files, Clock: p.Clock}
	if _, err := at.Open(ctx, known); err != nil {
		return err
	}
	owner := location.Status.Owner
	if p.ClusterID != p.Self {
		row := Inherited(location, p.ClusterID)
		if row == nil || !Inherits(location, p.ClusterID) {
			return fmt.Errorf("this cluster has not taken over the part of cluster %s: %w", p.ClusterID, enginelocation.ErrNotOwner)
		}
		owner = row.Owner
	}
	return at.CheckOwner(ctx, p.ClusterID, owner.Nonce, owner.PendingNonce)
}
