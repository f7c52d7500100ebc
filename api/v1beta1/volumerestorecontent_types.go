package v1beta1

import (
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
)

// VolumeRestoreContent is the restore of one volume: the work order that a restore
// gives to a volume provider. The manager creates it, the sidecar of the provider
// carries it out, and nobody writes one by hand.
//
// +kubebuilder:object:root=true
// +kubebuilder:subresource:status
// +kubebuilder:resource:path=volumerestorecontents,scope=Cluster,shortName=vrc,categories=kahu
// +kubebuilder:printcolumn:name="Phase",type=string,JSONPath=`.status.phase`
// +kubebuilder:printcolumn:name="Restore",type=string,JSONPath=`.spec.restoreName`
// +kubebuilder:printcolumn:name="Namespace",type=string,JSONPath=`.spec.claim.namespace`
// +kubebuilder:printcolumn:name="Claim",type=string,JSONPath=`.spec.claim.name`
// +kubebuilder:printcolumn:name="Provider",type=string,priority=1,JSONPath=`.spec.providerName`
// +kubebuilder:printcolumn:name="Done",type=integer,priority=1,JSONPath=`.status.progress.bytesDone`
// +kubebuilder:printcolumn:name="Total",type=integer,priority=1,JSONPath=`.status.progress.bytesTotal`
// +kubebuilder:printcolumn:name="Reason",type=string,priority=1,JSONPath=`.status.reason`
// +kubebuilder:printcolumn:name="Age",type=date,JSONPath=`.metadata.creationTimestamp`
type VolumeRestoreContent struct {
	metav1.TypeMeta `json:",inline"`
	// metadata is the standard object metadata.
	// +optional
	metav1.ObjectMeta `json:"metadata,omitzero"`

	// spec says which volume is made, by whom and from what. It cannot be changed,
	// except cancel.
	// +required
	Spec VolumeRestoreContentSpec `json:"spec,omitzero"`

	// status is how far the provider is, and what it has made.
	// +optional
	Status VolumeRestoreContentStatus `json:"status,omitzero"`
}

// VolumeRestoreContentList is a list of VolumeRestoreContents.
//
// +kubebuilder:object:root=true
type VolumeRestoreContentList struct {
	metav1.TypeMeta `json:",inline"`
	// metadata is the standard list metadata.
	// +optional
	metav1.ListMeta `json:"metadata,omitzero"`
	// items are the VolumeRestoreContents.
	Items []VolumeRestoreContent `json:"items"`
}

// VolumeRestoreContentSpec says which volume is made, by whom and from what.
//
// +kubebuilder:validation:XValidation:rule="self.restoreName == oldSelf.restoreName && self.restoreUID == oldSelf.restoreUID && self.providerName == oldSelf.providerName && self.backup == oldSelf.backup && self.claim == oldSelf.claim",message="a VolumeRestoreContent is one order: only cancel can be changed"
// +kubebuilder:validation:XValidation:rule="has(self.location) == has(oldSelf.location) && (!has(self.location) || self.location == oldSelf.location)",message="a VolumeRestoreContent is one order: only cancel can be changed",fieldPath=".location"
// +kubebuilder:validation:XValidation:rule="!oldSelf.?cancel.orValue(false) || self.?cancel.orValue(false)",message="spec.cancel cannot be taken back",fieldPath=".cancel"
type VolumeRestoreContentSpec struct {
	// restoreName is the name of the Restore whose volume this is.
	// +required
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=253
	RestoreName string `json:"restoreName,omitempty"`

	// restoreUID is the UID of that Restore.
	// +required
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=63
	RestoreUID string `json:"restoreUID,omitempty"`

	// providerName is the name of the volume provider that carries the order out.
	// +required
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=253
	ProviderName string `json:"providerName,omitempty"`

	// location is the BackupLocation whose configuration and credentials the
	// provider is given. Absent where it needs none.
	// +optional
	// +kubebuilder:validation:MaxLength=253
	Location string `json:"location,omitempty"`

	// backup is what the provider knows the backup of the volume by.
	// +required
	Backup VolumeBackupIdentity `json:"backup,omitzero"`

	// claim is the claim that the volume is made for. It does not exist yet.
	// +required
	Claim VolumeClaim `json:"claim,omitzero"`

	// claimTemplate is that PersistentVolumeClaim as it will be created, but for its
	// volumeName and data source.
	// +required
	// +kubebuilder:validation:Schemaless
	// +kubebuilder:pruning:PreserveUnknownFields
	ClaimTemplate JSONValue `json:"claimTemplate,omitzero"`

	// timeout is how long the order may take in all, for example 24h. Absent or 0s
	// means no limit but the one on standing still.
	// +optional
	// +kubebuilder:validation:Type=string
	// +kubebuilder:validation:MaxLength=64
	Timeout metav1.Duration `json:"timeout,omitzero"`

	// cancel ends the order: what was made is removed. It cannot be taken back.
	// +optional
	Cancel bool `json:"cancel,omitempty"`
}

// VolumeIdentity is what a storage system knows a volume by.
type VolumeIdentity struct {
	// handle is the storage system's own name of the volume.
	// +required
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=1024
	Handle string `json:"handle,omitempty"`

	// attributes are further facts, which become the volume attributes of a
	// PersistentVolume. No secrets.
	// +optional
	// +mapType=atomic
	// +kubebuilder:validation:MaxProperties=64
	// +kubebuilder:validation:XValidation:rule="self.all(k, size(k) <= 253 && size(self[k]) <= 4096)",message="an attribute has a key of at most 253 and a value of at most 4096 characters"
	Attributes map[string]string `json:"attributes,omitempty"`
}

// VolumeDataSource names the object, in the namespace of the claim, from which the
// claim's volume is made.
type VolumeDataSource struct {
	// apiGroup is the group of the object.
	// +optional
	// +kubebuilder:validation:MaxLength=253
	APIGroup string `json:"apiGroup,omitempty"`

	// kind is the kind of the object, for example VolumeSnapshot.
	// +required
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=63
	Kind string `json:"kind,omitempty"`

	// name is the name of the object.
	// +required
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=253
	Name string `json:"name,omitempty"`
}

// VolumeRestoreContentStatus is how far the provider is. Its only writer is the
// sidecar of the provider.
type VolumeRestoreContentStatus struct {
	VolumeOrderStatus `json:",inline"`

	// volume is the volume that the provider makes. The claim is bound to it when
	// the phase is Completed.
	// +optional
	Volume *VolumeIdentity `json:"volume,omitempty"`

	// dataSource is what the claim is made from, where the provider has it made by
	// the cluster. The claim is created as soon as this is there, and the phase is
	// Completed when it is bound.
	// +optional
	DataSource *VolumeDataSource `json:"dataSource,omitempty"`
}
