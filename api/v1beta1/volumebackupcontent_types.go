package v1beta1

import (
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
)

// VolumeBackupContent is the backup of one volume: the work order that a backup
// gives to a volume provider, and what the provider knows the result by. The
// manager creates it, the sidecar of the provider carries it out, and nobody writes
// one by hand.
//
// +kubebuilder:object:root=true
// +kubebuilder:subresource:status
// +kubebuilder:resource:path=volumebackupcontents,scope=Cluster,shortName=vbc,categories=kahu
// +kubebuilder:printcolumn:name="Phase",type=string,JSONPath=`.status.phase`
// +kubebuilder:printcolumn:name="Backup",type=string,JSONPath=`.spec.backupName`
// +kubebuilder:printcolumn:name="Namespace",type=string,JSONPath=`.spec.claim.namespace`
// +kubebuilder:printcolumn:name="Claim",type=string,JSONPath=`.spec.claim.name`
// +kubebuilder:printcolumn:name="Way",type=string,priority=1,JSONPath=`.spec.way`
// +kubebuilder:printcolumn:name="Provider",type=string,priority=1,JSONPath=`.spec.providerName`
// +kubebuilder:printcolumn:name="Done",type=integer,priority=1,JSONPath=`.status.progress.bytesDone`
// +kubebuilder:printcolumn:name="Total",type=integer,priority=1,JSONPath=`.status.progress.bytesTotal`
// +kubebuilder:printcolumn:name="Reason",type=string,priority=1,JSONPath=`.status.reason`
// +kubebuilder:printcolumn:name="Age",type=date,JSONPath=`.metadata.creationTimestamp`
type VolumeBackupContent struct {
	metav1.TypeMeta `json:",inline"`
	// metadata is the standard object metadata.
	// +optional
	metav1.ObjectMeta `json:"metadata,omitzero"`

	// spec says which volume is backed up, by whom and how. It cannot be changed,
	// except cancel and deletionPolicy.
	// +required
	Spec VolumeBackupContentSpec `json:"spec,omitzero"`

	// status is how far the provider is, and what it knows the result by.
	// +optional
	Status VolumeBackupContentStatus `json:"status,omitzero"`
}

// VolumeBackupContentList is a list of VolumeBackupContents.
//
// +kubebuilder:object:root=true
type VolumeBackupContentList struct {
	metav1.TypeMeta `json:",inline"`
	// metadata is the standard list metadata.
	// +optional
	metav1.ListMeta `json:"metadata,omitzero"`
	// items are the VolumeBackupContents.
	Items []VolumeBackupContent `json:"items"`
}

// VolumeSnapshotSource is a snapshot in the storage system.
type VolumeSnapshotSource struct {
	// driver is the name of the CSI driver that holds the snapshot.
	// +required
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=253
	Driver string `json:"driver,omitempty"`

	// handle is the driver's own name of the snapshot.
	// +required
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=1024
	Handle string `json:"handle,omitempty"`

	// cutTimestamp is the instant whose data is in the snapshot, by the clock of the
	// storage system.
	// +optional
	CutTimestamp metav1.MicroTime `json:"cutTimestamp,omitzero"`

	// restoreSize is the least size of a volume that is made from the snapshot, in
	// bytes. Absent where the driver does not tell.
	// +optional
	// +kubebuilder:validation:Minimum=0
	RestoreSize *int64 `json:"restoreSize,omitempty"`

	// deletionSecret names the Secret that the CSI driver needs to delete the
	// snapshot. Absent where it needs none.
	// +optional
	DeletionSecret *SnapshotSecret `json:"deletionSecret,omitempty"`

	// group is the group with which the snapshot was cut at one instant. Absent where
	// it was cut by itself.
	// +optional
	Group *VolumeSnapshotGroup `json:"group,omitempty"`
}

// SnapshotSecret names a Secret of a CSI driver, of any namespace.
type SnapshotSecret struct {
	// namespace is that of the Secret.
	// +required
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=63
	Namespace string `json:"namespace,omitempty"`

	// name is that of the Secret.
	// +required
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=253
	Name string `json:"name,omitempty"`
}

// VolumeSnapshotGroup is several snapshots that were cut at one instant. Many
// storage systems delete them together only.
type VolumeSnapshotGroup struct {
	// handle is the driver's own name of the group.
	// +required
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=1024
	Handle string `json:"handle,omitempty"`

	// snapshots are the driver's own names of all snapshots of the group.
	// +required
	// +listType=atomic
	// +kubebuilder:validation:MinItems=1
	// +kubebuilder:validation:MaxItems=32
	// +kubebuilder:validation:items:MinLength=1
	// +kubebuilder:validation:items:MaxLength=1024
	Snapshots []string `json:"snapshots,omitempty"`
}

// VolumeBackupContentSpec says which volume is backed up, by whom and how.
//
// +kubebuilder:validation:XValidation:rule="self.backupName == oldSelf.backupName && self.backupUID == oldSelf.backupUID && self.providerName == oldSelf.providerName && self.way == oldSelf.way && self.claim == oldSelf.claim && self.persistentVolume == oldSelf.persistentVolume",message="a VolumeBackupContent is one order: only cancel and deletionPolicy can be changed"
// +kubebuilder:validation:XValidation:rule="has(self.location) == has(oldSelf.location) && (!has(self.location) || self.location == oldSelf.location)",message="spec.location cannot be changed: a VolumeBackupContent is one order",fieldPath=".location"
// +kubebuilder:validation:XValidation:rule="has(self.snapshot) == has(oldSelf.snapshot) && (!has(self.snapshot) || self.snapshot == oldSelf.snapshot)",message="spec.snapshot cannot be changed: a VolumeBackupContent is one order",fieldPath=".snapshot"
// +kubebuilder:validation:XValidation:rule="has(self.source) == has(oldSelf.source) && (!has(self.source) || self.source == oldSelf.source)",message="spec.source cannot be changed: a VolumeBackupContent is one order",fieldPath=".source"
// +kubebuilder:validation:XValidation:rule="has(self.base) == has(oldSelf.base) && (!has(self.base) || self.base == oldSelf.base)",message="spec.base cannot be changed: a VolumeBackupContent is one order",fieldPath=".base"
// +kubebuilder:validation:XValidation:rule="has(self.existing) == has(oldSelf.existing) && (!has(self.existing) || self.existing == oldSelf.existing)",message="spec.existing cannot be changed: a VolumeBackupContent is one order",fieldPath=".existing"
// +kubebuilder:validation:XValidation:rule="(has(self.timeout) ? duration(self.timeout) : duration('0s')) == (has(oldSelf.timeout) ? duration(oldSelf.timeout) : duration('0s'))",message="spec.timeout cannot be changed: a VolumeBackupContent is one order",fieldPath=".timeout"
// +kubebuilder:validation:XValidation:rule="!oldSelf.?cancel.orValue(false) || self.?cancel.orValue(false)",message="spec.cancel cannot be taken back",fieldPath=".cancel"
// +kubebuilder:validation:XValidation:rule="has(self.existing) || self.way != 'Snapshot' || has(self.snapshot)",message="the way Snapshot needs spec.snapshot",fieldPath=".snapshot"
// +kubebuilder:validation:XValidation:rule="has(self.existing) || self.way != 'Volume' || has(self.source)",message="the way Volume needs spec.source",fieldPath=".source"
type VolumeBackupContentSpec struct {
	// backupName is the name of the Backup whose volume this is.
	// +required
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=72
	BackupName string `json:"backupName,omitempty"`

	// backupUID is the UID of that Backup.
	// +required
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=63
	BackupUID string `json:"backupUID,omitempty"`

	// providerName is the name of the volume provider that carries the order out.
	// +required
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=253
	ProviderName string `json:"providerName,omitempty"`

	// location is the BackupLocation whose configuration and credentials the
	// provider is given. Absent where it needs none, as its data stays in the storage
	// system.
	// +optional
	// +kubebuilder:validation:MaxLength=253
	Location string `json:"location,omitempty"`

	// way says what the provider is given: Offload the volume itself, Snapshot a
	// snapshot, Volume a claim to mount.
	// +required
	Way VolumeWay `json:"way,omitempty"`

	// claim is the application's claim whose volume is backed up.
	// +required
	Claim VolumeClaim `json:"claim,omitzero"`

	// persistentVolume is the name of the volume that the claim is bound to.
	// +required
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=253
	PersistentVolume string `json:"persistentVolume,omitempty"`

	// snapshot is the snapshot that the provider is given.
	// +optional
	Snapshot *VolumeSnapshotSource `json:"snapshot,omitempty"`

	// source is the claim that the provider mounts, in Kahu's own namespace or, of a
	// live volume, the application's.
	// +optional
	Source *VolumeClaim `json:"source,omitempty"`

	// base is the backup of the same volume on which this one builds. Absent: all of
	// the volume is read.
	// +optional
	Base *VolumeBackupIdentity `json:"base,omitempty"`

	// existing makes this the order for a backup that is there already: nothing is
	// begun, and the data is removed when the object is deleted with the
	// deletionPolicy Delete.
	// +optional
	Existing *VolumeBackupIdentity `json:"existing,omitempty"`

	// timeout is how long the order may take in all, for example 24h. Absent or 0s
	// means no limit but the one on standing still.
	// +optional
	// +kubebuilder:validation:Type=string
	// +kubebuilder:validation:MaxLength=64
	Timeout metav1.Duration `json:"timeout,omitzero"`

	// deletionPolicy says what the deletion of this object does to the data: Retain,
	// the default, leaves it, Delete has the provider remove it first.
	// +optional
	// +kubebuilder:default=Retain
	DeletionPolicy DeletionPolicy `json:"deletionPolicy,omitempty"`

	// cancel ends the order. It cannot be taken back.
	// +optional
	Cancel bool `json:"cancel,omitempty"`
}

// VolumeBackupContentStatus is how far the provider is. Its only writer is the
// sidecar of the provider.
type VolumeBackupContentStatus struct {
	VolumeOrderStatus `json:",inline"`

	// backup is what the provider knows the backup by. It is there as soon as the
	// provider has begun, and is good only when the phase is Completed.
	// +optional
	Backup *VolumeBackupIdentity `json:"backup,omitempty"`
}
