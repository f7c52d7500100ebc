package v1beta1

import (
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
)

// VolumeAction is what a rule does with the data of a claim.
//
// +kubebuilder:validation:Enum=Backup;Skip
type VolumeAction string

const (
	// VolumeActionBackup backs the data up, as the rule says.
	VolumeActionBackup VolumeAction = "Backup"
	// VolumeActionSkip leaves the data out. The claim itself is in the backup.
	VolumeActionSkip VolumeAction = "Skip"
)

// GroupSnapshot says whether snapshots are cut at one instant.
//
// +kubebuilder:validation:Enum=Preferred;Required;Never
type GroupSnapshot string

const (
	// GroupSnapshotPreferred has snapshots cut at one instant where that can be done.
	GroupSnapshotPreferred GroupSnapshot = "Preferred"
	// GroupSnapshotRequired has snapshots cut at one instant or not at all.
	GroupSnapshotRequired GroupSnapshot = "Required"
	// GroupSnapshotNever has a snapshot cut by itself.
	GroupSnapshotNever GroupSnapshot = "Never"
)

// VolumeSize is a number of bytes, such as 10Gi, 1.5T or "1000".
//
// +kubebuilder:validation:MinLength=1
// +kubebuilder:validation:MaxLength=24
// +kubebuilder:validation:Pattern=`^[0-9]+([.][0-9]+)?([KMGTPE]i|[kMGTPE])?$`
type VolumeSize string

// VolumeRule says what is done with the data of the claims that it matches. A claim
// must match everything that the rule names; a rule that names nothing matches all.
//
// +kubebuilder:validation:XValidation:rule="self.action != 'Skip' || (!has(self.way) && !has(self.providerName) && !has(self.snapshotClass))",message="a rule that skips backs nothing up: remove way, providerName and snapshotClass, or set action to Backup",fieldPath=".action"
// +kubebuilder:validation:XValidation:rule="!has(self.snapshotClass) || !has(self.way) || self.way != 'Offload'",message="the way Offload cuts no snapshot: remove snapshotClass, or set way to Snapshot or Volume",fieldPath=".snapshotClass"
// +kubebuilder:validation:XValidation:rule="!has(self.minSize) || !has(self.maxSize) || quantity(self.minSize).compareTo(quantity(self.maxSize)) <= 0",message="minSize is more than maxSize: no claim is of such a size",fieldPath=".minSize"
// +kubebuilder:validation:XValidation:rule="!has(self.maxSize) || quantity(self.maxSize).compareTo(quantity('1')) >= 0",message="no volume is so small: remove maxSize, or give a greater one such as 10Gi",fieldPath=".maxSize"
// +kubebuilder:validation:XValidation:rule="(!has(self.groupSnapshot) && !has(self.groupSnapshotClass)) || (self.action != 'Skip' && (!has(self.way) || self.way == 'Snapshot'))",message="only snapshots are cut in groups: remove groupSnapshot and groupSnapshotClass, or set action to Backup and way to Snapshot",fieldPath=".action"
// +kubebuilder:validation:XValidation:rule="!has(self.groupSnapshotClass) || !has(self.groupSnapshot) || self.groupSnapshot != 'Never'",message="groupSnapshot says that no group is cut: remove groupSnapshotClass, or set groupSnapshot to Preferred or Required",fieldPath=".groupSnapshotClass"
type VolumeRule struct {
	// namespaces are those of the claims. A * at the end of a name stands for
	// anything. Empty means all.
	// +optional
	// +listType=atomic
	// +kubebuilder:validation:MaxItems=100
	// +kubebuilder:validation:items:MinLength=1
	// +kubebuilder:validation:items:MaxLength=63
	// +kubebuilder:validation:items:Pattern=`^[-a-z0-9]*\*?$`
	Namespaces []string `json:"namespaces,omitempty"`

	// claims are their names. A * at the end of a name stands for anything. Empty
	// means all.
	// +optional
	// +listType=atomic
	// +kubebuilder:validation:MaxItems=100
	// +kubebuilder:validation:items:MinLength=1
	// +kubebuilder:validation:items:MaxLength=253
	// +kubebuilder:validation:items:Pattern=`^[-.a-z0-9]*\*?$`
	Claims []string `json:"claims,omitempty"`

	// storageClasses are the classes that the claims name. A * at the end of a name
	// stands for anything. Empty means all.
	// +optional
	// +listType=atomic
	// +kubebuilder:validation:MaxItems=100
	// +kubebuilder:validation:items:MinLength=1
	// +kubebuilder:validation:items:MaxLength=253
	// +kubebuilder:validation:items:Pattern=`^[-.a-z0-9]*\*?$`
	StorageClasses []string `json:"storageClasses,omitempty"`

	// drivers are the CSI drivers of their volumes. A * at the end of a name stands
	// for anything. Empty means all, and volumes without one.
	// +optional
	// +listType=atomic
	// +kubebuilder:validation:MaxItems=100
	// +kubebuilder:validation:items:MinLength=1
	// +kubebuilder:validation:items:MaxLength=63
	// +kubebuilder:validation:items:Pattern=`^[-.A-Za-z0-9]*\*?$`
	Drivers []string `json:"drivers,omitempty"`

	// volumeMode is what their volumes are: Filesystem, or Block. Absent means both.
	// +optional
	// +kubebuilder:validation:Enum=Filesystem;Block
	VolumeMode corev1.PersistentVolumeMode `json:"volumeMode,omitempty"`

	// labelSelector selects claims by their labels. Absent means all.
	// +optional
	LabelSelector *metav1.LabelSelector `json:"labelSelector,omitempty"`

	// annotations are those that a claim must have, with these values.
	// +optional
	// +mapType=atomic
	// +kubebuilder:validation:MaxProperties=16
	// +kubebuilder:validation:XValidation:rule="self.all(k, size(k) <= 317 && size(self[k]) <= 1024)",message="an annotation has a key of at most 317 and a value of at most 1024 characters"
	Annotations map[string]string `json:"annotations,omitempty"`

	// minSize is the least capacity of their volumes, itself included, for example
	// 10Gi. Absent means none.
	// +optional
	MinSize VolumeSize `json:"minSize,omitempty"`

	// maxSize is the greatest capacity of their volumes, itself included, for example
	// 1Ti. Absent means none.
	// +optional
	MaxSize VolumeSize `json:"maxSize,omitempty"`

	// action says whether the data is backed up: Backup or Skip.
	// +required
	Action VolumeAction `json:"action,omitempty"`

	// way says how the data reaches its provider: Offload, Snapshot or Volume, and no
	// other. Absent: the best way that there is.
	// +optional
	Way VolumeWay `json:"way,omitempty"`

	// providerName is the name of the Provider that backs the data up, and no other.
	// Absent: the first that can.
	// +optional
	// +kubebuilder:validation:MaxLength=253
	ProviderName string `json:"providerName,omitempty"`

	// snapshotClass is the name of the VolumeSnapshotClass with which a snapshot is
	// cut; the way is then Snapshot, or Volume. Absent: the default one of the
	// driver, or its only one.
	// +optional
	// +kubebuilder:validation:MaxLength=253
	SnapshotClass string `json:"snapshotClass,omitempty"`

	// groupSnapshot says whether the snapshot is cut at one instant with those of
	// the other claims of its namespace, driver and provider: Preferred, where that
	// can be done; Required, or the claim is missing from the backup; Never. Absent
	// means Preferred.
	// +optional
	GroupSnapshot GroupSnapshot `json:"groupSnapshot,omitempty"`

	// groupSnapshotClass is the name of the VolumeGroupSnapshotClass with which
	// they are cut. Absent: the default one of the driver, or its only one.
	// +optional
	// +kubebuilder:validation:MaxLength=253
	GroupSnapshotClass string `json:"groupSnapshotClass,omitempty"`
}
