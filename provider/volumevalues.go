package provider

import (
	"errors"
	"fmt"
)

// Limits of what a driver may answer.
const (
	// MaxHandleBytes is the length limit of a handle.
	MaxHandleBytes = 1024
	// MaxIdentityAttributes is how many attributes an identity may have.
	MaxIdentityAttributes = 64
	// MaxAttributeKeyBytes and MaxAttributeValueBytes are the length limits of one of them.
	MaxAttributeKeyBytes   = 253
	MaxAttributeValueBytes = 4096
)

// Keys of the attributes of a Snapshot that Kahu has taken of a volume of a CSI driver.
const (
	// SnapshotDriver is the name of the CSI driver.
	SnapshotDriver = "driver"
	// SnapshotCutTime is when the snapshot was cut, in RFC 3339 with fractions of a second.
	SnapshotCutTime = "cutTime"
	// SnapshotRestoreSize is the least size of a volume that is made from the snapshot, in bytes.
	SnapshotRestoreSize = "restoreSize"
	// SnapshotSecretNamespace and SnapshotSecretName name the Secret that the CSI driver needs to delete the snapshot. They
	// are absent where it needs none.
	SnapshotSecretNamespace = "deletionSecretNamespace"
	SnapshotSecretName      = "deletionSecretName"
	// SnapshotGroup is the storage system's name of the group with which the snapshot was cut at one instant, if it was.
	SnapshotGroup = "group"
	// SnapshotGroupMembers are the handles of all snapshots of that group, as a JSON array of strings.
	SnapshotGroupMembers = "groupMembers"
)

// Volume is a PersistentVolume.
type Volume struct {
	// Name is its name.
	Name string
	// Encoded is the core/v1 PersistentVolume in its own protocol buffer encoding, which its methods Marshal and
	// Unmarshal write and read.
	Encoded []byte
}

// Claim is a PersistentVolumeClaim.
type Claim struct {
	// Namespace and Name are its own.
	Namespace, Name string
	// Encoded is the core/v1 PersistentVolumeClaim in its own protocol buffer encoding.
	Encoded []byte
}

// Snapshot is a snapshot of a volume in the storage system.
type Snapshot struct {
	// Handle is the storage system's name of it.
	Handle string
	// Attributes are further facts: see SnapshotDriver and its like.
	Attributes map[string]string
}

// ClaimSource is a claim that a driver can mount.
type ClaimSource struct {
	// Namespace and Name are those of the claim.
	Namespace, Name string
	// Live says that it is the volume which the application writes to, and not one made from a snapshot.
	Live bool
}

// BackupIdentity is what a driver knows the backup of a volume by.
type BackupIdentity struct {
	// Handle is the driver's own name of the backup, never empty.
	Handle string
	// Attributes are what the driver wants to be given back with the handle. No secrets.
	Attributes map[string]string
}

// VolumeIdentity is what a storage system knows a volume by that a driver makes.
type VolumeIdentity struct {
	// Handle is its name, never empty.
	Handle string
	// Attributes become the volume attributes of a PersistentVolume. No secrets.
	Attributes map[string]string
}

// VolumeState is how the work on a volume is.
type VolumeState string

const (
	// VolumeRunning says that the work goes on.
	VolumeRunning VolumeState = "Running"
	// VolumeSucceeded says that everything is done, and durable.
	VolumeSucceeded VolumeState = "Succeeded"
	// VolumeFailed says that the work came to nothing.
	VolumeFailed VolumeState = "Failed"
	// VolumeCancelled says that the work was ended by a Cancel call, and nothing of it goes on.
	VolumeCancelled VolumeState = "Cancelled"
)

// VolumeStat is how far the work on a volume is.
type VolumeStat struct {
	// State is one of the above. A driver always tells it; of one without CapabilityVolumeState, a Client takes it from
	// the percentage: VolumeSucceeded at 100, VolumeRunning below.
	State VolumeState
	// BytesDone is how much of the data has been worked on. Nil where the driver does not tell.
	BytesDone *int64
	// BytesTotal is how much data there is to be worked on. Nil where the driver does not tell.
	BytesTotal *int64
	// Percent is how much is done, 0 to 100.
	Percent int
	// Err says why the work failed.
	Err error
	// FullReason says why all of the volume was read although a base was given. Empty where it was built on.
	FullReason string
}

// validateHandle refuses a handle that no driver can have given.
func validateHandle(handle string) error {
	switch {
	case handle == "":
		return fmt.Errorf("a handle is empty: %w", ErrInvalidArgument)
	case len(handle) > MaxHandleBytes:
		return fmt.Errorf("a handle has %d bytes, the limit is %d: %w", len(handle), MaxHandleBytes, ErrInvalidArgument)
	}
	return nil
}

// checkIdentity returns what is wrong with a handle and attributes that a driver gave.
func checkIdentity(handle string, attributes map[string]string) error {
	switch {
	case handle == "":
		return errors.New("the driver gave no handle")
	case len(handle) > MaxHandleBytes:
		return fmt.Errorf("the driver gave a handle of %d bytes, the limit is %d", len(handle), MaxHandleBytes)
	case len(attributes) > MaxIdentityAttributes:
		return fmt.Errorf("the driver gave %d attributes with a handle, the limit is %d", len(attributes), MaxIdentityAttributes)
	}
	for key, value := range attributes {
		if len(key) > MaxAttributeKeyBytes || len(value) > MaxAttributeValueBytes {
			return fmt.Errorf("the driver gave an attribute with a key of %d and a value of %d bytes, the limits are %d and %d",
				len(key), len(value), MaxAttributeKeyBytes, MaxAttributeValueBytes)
		}
	}
	return nil
}
