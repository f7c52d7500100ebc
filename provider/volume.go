package provider

import (
	"context"
	"fmt"
)

// VolumeDriver is what every driver that backs up volumes has.
//
// All methods can be called by many goroutines at once, return soon after their context ends, and can be repeated
// after an error.
type VolumeDriver interface {
	Identity
	VolumeStore
}

// VolumeStore backs up volumes and makes volumes from backups, one volume at a time.
//
// What takes long is begun by one call and followed by others. What was begun, and how it ended, outlives the process of
// the driver: whoever asks knows nothing but the handle, and may itself have been started again.
type VolumeStore interface {
	VolumeBackups
	VolumeRestores
}

// VolumeBackups backs up volumes.
type VolumeBackups interface {
	// StartBackup begins the backup of a volume, and returns at once. It is known by the name of its order and that of
	// the volume: a repeated call begins nothing new and returns the same identity, also when the backup has ended.
	StartBackup(ctx context.Context, request StartBackupRequest) (BackupIdentity, error)
	// DeleteBackup removes the backup that was made under the order, and ends it first if it is under way. That there is
	// none of the handle is a success.
	DeleteBackup(ctx context.Context, order string, backup BackupIdentity, attributes Attributes) error
	// CancelBackup ends a backup that is under way, and may return before it has ended: BackupStat tells
	// VolumeCancelled, or ErrNotFound, when nothing of it goes on. A backup that has ended, or is not there, stays as it
	// is, which is a success.
	CancelBackup(ctx context.Context, backup BackupIdentity, attributes Attributes) error
	// BackupStat tells how far a backup is, or returns ErrNotFound.
	BackupStat(ctx context.Context, backup BackupIdentity, attributes Attributes) (VolumeStat, error)
}

// VolumeRestores makes volumes from backups.
type VolumeRestores interface {
	// CreateVolumeFromBackup begins to make a volume, and returns at once. It is known by the name of its order and that
	// of the claim: a repeated call begins nothing new and returns the same answer.
	CreateVolumeFromBackup(ctx context.Context, request CreateVolumeRequest) (RestoredVolume, error)
	// CancelRestore ends a restore that is under way, and removes what was made, and may return before that is done:
	// RestoreStat tells VolumeCancelled, or ErrNotFound, when it is. A restore that has ended, or is not there, stays as
	// it is, which is a success.
	CancelRestore(ctx context.Context, volume VolumeIdentity, attributes Attributes) error
	// RestoreStat tells how far a restore is, or returns ErrNotFound. VolumeStat.FullReason means nothing here.
	RestoreStat(ctx context.Context, volume VolumeIdentity, attributes Attributes) (VolumeStat, error)
}

// StartBackupRequest asks for the backup of a volume.
type StartBackupRequest struct {
	// Order is the name of the work order.
	Order string
	// Volume is the volume. A driver with CapabilityOffload, or with none of the needs, takes it itself.
	Volume Volume
	// Snapshot is given to a driver with CapabilityNeedsSnapshot.
	Snapshot *Snapshot
	// Source is given to a driver with CapabilityNeedsVolume, in place of a snapshot.
	Source *ClaimSource
	// Base is an earlier backup of the same volume to build on, for a driver with CapabilityVolumeBase. One that does not
	// have it any more, or cannot use it, reads all of the volume and says so in VolumeStat.FullReason.
	Base *BackupIdentity
	// Attributes are those of the backup location.
	Attributes Attributes
}

// CreateVolumeRequest asks for a volume that is made from a backup.
type CreateVolumeRequest struct {
	// Order is the name of the work order.
	Order string
	// Claim is the claim that the volume is for. It need not exist.
	Claim Claim
	// Backup is the backup.
	Backup BackupIdentity
	// Attributes are those of the backup location.
	Attributes Attributes
}

// RestoredVolume is a volume that a driver makes, or has made by the cluster.
type RestoredVolume struct {
	// Volume is what RestoreStat and CancelRestore are asked with. Without a DataSource, a PersistentVolume for the claim
	// is made of it.
	Volume VolumeIdentity
	// DataSource, if there is one, is what the claim is to be made from, in the claim's namespace. The claim is created as
	// soon as this is known.
	DataSource *DataSource
}

// DataSource names an object in the namespace of a claim, from which the claim's volume is made.
type DataSource struct {
	// APIGroup, Kind and Name are those of the object, such as snapshot.storage.k8s.io and VolumeSnapshot.
	APIGroup, Kind, Name string
}

// Validate returns an error that wraps ErrInvalidArgument if no driver can carry out the request.
func (r StartBackupRequest) Validate() error {
	if r.Base != nil {
		if err := validateHandle(r.Base.Handle); err != nil {
			return err
		}
	}
	switch {
	case r.Order == "":
		return fmt.Errorf("the name of the order is empty: %w", ErrInvalidArgument)
	case r.Volume.Name == "":
		return fmt.Errorf("the volume has no name: %w", ErrInvalidArgument)
	case r.Snapshot != nil && r.Source != nil:
		return fmt.Errorf("volume %s is given as a snapshot and as a claim: %w", r.Volume.Name, ErrInvalidArgument)
	case r.Snapshot != nil && r.Snapshot.Handle == "":
		return fmt.Errorf("the snapshot of volume %s has no handle: %w", r.Volume.Name, ErrInvalidArgument)
	case r.Source != nil:
		return validateClaim(r.Source.Namespace, r.Source.Name)
	}
	return nil
}

// Validate returns an error that wraps ErrInvalidArgument if no driver can carry out the request.
func (r CreateVolumeRequest) Validate() error {
	if r.Order == "" {
		return fmt.Errorf("the name of the order is empty: %w", ErrInvalidArgument)
	}
	if err := validateClaim(r.Claim.Namespace, r.Claim.Name); err != nil {
		return err
	}
	return validateHandle(r.Backup.Handle)
}

// validateClaim refuses a claim that cannot be found.
func validateClaim(namespace, name string) error {
	if namespace == "" || name == "" {
		return fmt.Errorf("a claim lacks its namespace or name: %w", ErrInvalidArgument)
	}
	return nil
}
