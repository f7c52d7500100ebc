package v1beta1

import (
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
)

// Backup is one run of a backup, and its result; or, with spec.origin, a view of
// a backup that was found at a location. Its data is at the location, and a
// location alone is enough to restore it.
//
// +kubebuilder:object:root=true
// +kubebuilder:subresource:status
// +kubebuilder:resource:path=backups,scope=Cluster,shortName=kbak,categories=kahu
// +kubebuilder:printcolumn:name="Stage",type=string,JSONPath=`.status.stage`
// +kubebuilder:printcolumn:name="State",type=string,JSONPath=`.status.state`
// +kubebuilder:printcolumn:name="Location",type=string,JSONPath=`.spec.metadataLocation`
// +kubebuilder:printcolumn:name="Objects",type=integer,JSONPath=`.status.counts.objects`
// +kubebuilder:printcolumn:name="Complete",type=string,priority=1,JSONPath=`.status.conditions[?(@.type=="Complete")].status`
// +kubebuilder:printcolumn:name="Reason",type=string,priority=1,JSONPath=`.status.conditions[?(@.type=="Ready")].reason`
// +kubebuilder:printcolumn:name="Cluster",type=string,priority=1,JSONPath=`.status.clusterID`
// +kubebuilder:printcolumn:name="Mode",type=string,priority=1,JSONPath=`.status.mode`
// +kubebuilder:printcolumn:name="Base",type=string,priority=1,JSONPath=`.status.incremental.baseName`
// +kubebuilder:printcolumn:name="Queue",type=integer,priority=1,JSONPath=`.status.queuePosition`
// +kubebuilder:printcolumn:name="Age",type=date,JSONPath=`.metadata.creationTimestamp`
// +kubebuilder:validation:XValidation:rule="self.metadata.name.size() <= (has(self.spec.origin) ? 72 : 63)",message="the name of a Backup has at most 63 characters, as it becomes part of the names of files at the location: choose a shorter one"
type Backup struct {
	metav1.TypeMeta `json:",inline"`
	// metadata is the standard object metadata. The name has at most 63
	// characters; that of a view at most 72.
	// +optional
	metav1.ObjectMeta `json:"metadata,omitzero"`

	// spec says what to back up, and where to. It cannot be changed, except
	// copies, deletionPolicy and cancel.
	// +required
	Spec BackupSpec `json:"spec,omitzero"`

	// status is how far the run has come and what came of it.
	// +optional
	Status BackupStatus `json:"status,omitzero"`
}

// BackupList is a list of Backups.
//
// +kubebuilder:object:root=true
type BackupList struct {
	metav1.TypeMeta `json:",inline"`
	// metadata is the standard list metadata.
	// +optional
	metav1.ListMeta `json:"metadata,omitzero"`
	// items are the Backups.
	Items []Backup `json:"items"`
}

// DeletionPolicy says what the deletion of a Backup does to its data.
//
// +kubebuilder:validation:Enum=Delete;Retain
type DeletionPolicy string

const (
	// DeletionPolicyDelete deletes the data first, and the object then.
	DeletionPolicyDelete DeletionPolicy = "Delete"
	// DeletionPolicyRetain keeps the data. The backup then comes back as a view.
	DeletionPolicyRetain DeletionPolicy = "Retain"
)

// BackupMode says what of the objects a backup reads and writes.
//
// +kubebuilder:validation:Enum=Full;Incremental;Differential;Auto
type BackupMode string

const (
	// BackupModeFull reads and writes every object.
	BackupModeFull BackupMode = "Full"
	// BackupModeIncremental reads and writes what has changed since the last backup.
	BackupModeIncremental BackupMode = "Incremental"
	// BackupModeDifferential reads and writes what has changed since the last full
	// backup.
	BackupModeDifferential BackupMode = "Differential"
	// BackupModeAuto is Incremental, and Full every so often.
	BackupModeAuto BackupMode = "Auto"
)

// FullEvery says how often a full backup is made. What comes first counts; what is
// absent has its default.
type FullEvery struct {
	// backups is the number of backups of which one is full. Absent means 100.
	// +optional
	// +kubebuilder:validation:Minimum=1
	// +kubebuilder:validation:Maximum=1000
	Backups int32 `json:"backups,omitempty"`

	// age is the age at which the last full backup is too old to build on, for
	// example 24h. Absent or 0s means 168h, a week.
	// +optional
	// +kubebuilder:validation:Type=string
	// +kubebuilder:validation:MaxLength=64
	// +kubebuilder:validation:XValidation:rule="duration(self) >= duration('0s')",message="spec.fullEvery.age must be a duration that is not negative, such as 24h"
	Age metav1.Duration `json:"age,omitzero"`
}

// BackupSpec says what to back up, and where to.
//
// +kubebuilder:validation:XValidation:rule="self.metadataLocation == oldSelf.metadataLocation",message="spec.metadataLocation cannot be changed: a Backup is one run, create another for another wish",fieldPath=".metadataLocation"
// +kubebuilder:validation:XValidation:rule="has(self.includeNamespaces) && has(oldSelf.includeNamespaces) ? self.includeNamespaces == oldSelf.includeNamespaces : (!has(self.includeNamespaces) || size(self.includeNamespaces) == 0) && (!has(oldSelf.includeNamespaces) || size(oldSelf.includeNamespaces) == 0)",message="spec.includeNamespaces cannot be changed: a Backup is one run, create another for another wish",fieldPath=".includeNamespaces"
// +kubebuilder:validation:XValidation:rule="has(self.excludeNamespaces) && has(oldSelf.excludeNamespaces) ? self.excludeNamespaces == oldSelf.excludeNamespaces : (!has(self.excludeNamespaces) || size(self.excludeNamespaces) == 0) && (!has(oldSelf.excludeNamespaces) || size(oldSelf.excludeNamespaces) == 0)",message="spec.excludeNamespaces cannot be changed: a Backup is one run, create another for another wish",fieldPath=".excludeNamespaces"
// +kubebuilder:validation:XValidation:rule="has(self.includeResources) && has(oldSelf.includeResources) ? self.includeResources == oldSelf.includeResources : (!has(self.includeResources) || size(self.includeResources) == 0) && (!has(oldSelf.includeResources) || size(oldSelf.includeResources) == 0)",message="spec.includeResources cannot be changed: a Backup is one run, create another for another wish",fieldPath=".includeResources"
// +kubebuilder:validation:XValidation:rule="has(self.excludeResources) && has(oldSelf.excludeResources) ? self.excludeResources == oldSelf.excludeResources : (!has(self.excludeResources) || size(self.excludeResources) == 0) && (!has(oldSelf.excludeResources) || size(oldSelf.excludeResources) == 0)",message="spec.excludeResources cannot be changed: a Backup is one run, create another for another wish",fieldPath=".excludeResources"
// +kubebuilder:validation:XValidation:rule="has(self.references) && has(oldSelf.references) ? self.references == oldSelf.references : (!has(self.references) || size(self.references) == 0) && (!has(oldSelf.references) || size(oldSelf.references) == 0)",message="spec.references cannot be changed: a Backup is one run, create another for another wish",fieldPath=".references"
// +kubebuilder:validation:XValidation:rule="has(self.volumeBackupLocations) && has(oldSelf.volumeBackupLocations) ? self.volumeBackupLocations == oldSelf.volumeBackupLocations : (!has(self.volumeBackupLocations) || size(self.volumeBackupLocations) == 0) && (!has(oldSelf.volumeBackupLocations) || size(oldSelf.volumeBackupLocations) == 0)",message="spec.volumeBackupLocations cannot be changed: a Backup is one run, create another for another wish",fieldPath=".volumeBackupLocations"
// +kubebuilder:validation:XValidation:rule="has(self.volumeRules) && has(oldSelf.volumeRules) ? self.volumeRules == oldSelf.volumeRules : (!has(self.volumeRules) || size(self.volumeRules) == 0) && (!has(oldSelf.volumeRules) || size(oldSelf.volumeRules) == 0)",message="spec.volumeRules cannot be changed: a Backup is one run, create another for another wish",fieldPath=".volumeRules"
// +kubebuilder:validation:XValidation:rule="!has(self.volumeRules) || size(self.volumeRules) == 0 || !has(self.enableVolumeBackup) || self.enableVolumeBackup",message="spec.volumeRules say how the data of volumes is backed up, and spec.enableVolumeBackup is false: remove one of them",fieldPath=".volumeRules"
// +kubebuilder:validation:XValidation:rule="has(self.label) == has(oldSelf.label) && (!has(self.label) || self.label == oldSelf.label)",message="spec.label cannot be changed: a Backup is one run, create another for another wish",fieldPath=".label"
// +kubebuilder:validation:XValidation:rule="has(self.mode) && has(oldSelf.mode) ? self.mode == oldSelf.mode : (!has(self.mode) || self.mode == 'Full') && (!has(oldSelf.mode) || oldSelf.mode == 'Full')",message="spec.mode cannot be changed: a Backup is one run, create another for another wish",fieldPath=".mode"
// +kubebuilder:validation:XValidation:rule="has(self.hook) && has(oldSelf.hook) ? self.hook == oldSelf.hook : (!has(self.hook) || ((!has(self.hook.resources) || size(self.hook.resources) == 0) && !has(self.hook.quiesceTimeout))) && (!has(oldSelf.hook) || ((!has(oldSelf.hook.resources) || size(oldSelf.hook.resources) == 0) && !has(oldSelf.hook.quiesceTimeout)))",message="spec.hook cannot be changed: a Backup is one run, create another for another wish",fieldPath=".hook"
// +kubebuilder:validation:XValidation:rule="has(self.fullEvery) && has(oldSelf.fullEvery) ? self.fullEvery == oldSelf.fullEvery : (!has(self.fullEvery) || (!has(self.fullEvery.backups) && !has(self.fullEvery.age))) && (!has(oldSelf.fullEvery) || (!has(oldSelf.fullEvery.backups) && !has(oldSelf.fullEvery.age)))",message="spec.fullEvery cannot be changed: a Backup is one run, create another for another wish",fieldPath=".fullEvery"
// +kubebuilder:validation:XValidation:rule="!has(self.fullEvery) || (!has(self.fullEvery.backups) && !has(self.fullEvery.age)) || (has(self.mode) && self.mode == 'Auto')",message="spec.fullEvery says how often the mode Auto makes a full backup: set spec.mode to Auto, or remove it",fieldPath=".fullEvery"
// +kubebuilder:validation:XValidation:rule="self.?enableVolumeBackup.orValue(true) == oldSelf.?enableVolumeBackup.orValue(true)",message="spec.enableVolumeBackup cannot be changed: a Backup is one run, create another for another wish",fieldPath=".enableVolumeBackup"
// +kubebuilder:validation:XValidation:rule="has(self.origin) == has(oldSelf.origin) && (!has(self.origin) || self.origin == oldSelf.origin)",message="spec.origin is set at creation or never: it makes a Backup a view of what is at a location",fieldPath=".origin"
// +kubebuilder:validation:XValidation:rule="!oldSelf.?cancel.orValue(false) || self.?cancel.orValue(false)",message="spec.cancel cannot be taken back: create another Backup",fieldPath=".cancel"
// +kubebuilder:validation:XValidation:rule="!has(self.copies) || self.copies.all(c, c.location != self.metadataLocation)",message="spec.copies names the location of the backup itself: name another BackupLocation",fieldPath=".copies"
type BackupSpec struct {
	// metadataLocation is the name of the BackupLocation that the backup is
	// written to; of a view, the one that it was found at.
	// +required
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=253
	MetadataLocation string `json:"metadataLocation,omitempty"`

	// includeNamespaces are the namespaces backed up. Empty means all.
	// +optional
	// +listType=atomic
	// +kubebuilder:validation:MaxItems=1000
	IncludeNamespaces []NamespaceName `json:"includeNamespaces,omitempty"`

	// excludeNamespaces are the namespaces left out. They win over includeNamespaces.
	// +optional
	// +listType=atomic
	// +kubebuilder:validation:MaxItems=1000
	ExcludeNamespaces []NamespaceName `json:"excludeNamespaces,omitempty"`

	// includeResources are the objects backed up. Empty means all.
	// +optional
	// +listType=atomic
	// +kubebuilder:validation:MaxItems=1000
	IncludeResources []ResourceFilter `json:"includeResources,omitempty"`

	// excludeResources are the objects left out. They win over includeResources.
	// +optional
	// +listType=atomic
	// +kubebuilder:validation:MaxItems=1000
	ExcludeResources []ResourceFilter `json:"excludeResources,omitempty"`

	// label selects objects by their labels. Absent means all.
	// +optional
	Label *metav1.LabelSelector `json:"label,omitempty"`

	// references are fields in which custom resources name other objects, for
	// definitions that cannot be annotated with kahu.io/references. What they name
	// comes with the objects.
	// +optional
	// +listType=atomic
	// +kubebuilder:validation:MaxItems=100
	References []Reference `json:"references,omitempty"`

	// mode says what is read and written: Full, the default, everything; Incremental
	// what has changed since the last backup, Differential since the last full one;
	// Auto is Incremental, and Full every so often. Whatever the mode, a restore needs
	// the location and no other backup.
	// +optional
	Mode BackupMode `json:"mode,omitempty"`

	// fullEvery says how often the mode Auto makes a full backup.
	// +optional
	FullEvery FullEvery `json:"fullEvery,omitzero"`

	// hook is the commands that run in pods before and after.
	// +optional
	Hook BackupHook `json:"hook,omitzero"`

	// volumeBackupLocations are the BackupLocations that volume data is written to:
	// their providers back volumes up, the first that can, and no other. Empty means
	// any volume provider.
	// +optional
	// +listType=atomic
	// +kubebuilder:validation:MaxItems=100
	// +kubebuilder:validation:items:MaxLength=253
	VolumeBackupLocations []string `json:"volumeBackupLocations,omitempty"`

	// volumeRules say whether and how the data of single claims is backed up. The
	// first rule that matches a claim counts; a claim that none matches is backed up
	// in the best way that there is. The annotation kahu.io/volume-backup of a claim
	// wins over them.
	// +optional
	// +listType=atomic
	// +kubebuilder:validation:MaxItems=50
	VolumeRules []VolumeRule `json:"volumeRules,omitempty"`

	// enableMetadataBackup says that objects are backed up. Absent means true.
	// +optional
	// +kubebuilder:validation:XValidation:rule="self",message="a backup without objects is not supported yet: remove spec.enableMetadataBackup, or set it to true",reason=FieldValueForbidden
	EnableMetadataBackup *bool `json:"enableMetadataBackup,omitempty"`

	// enableVolumeBackup says that the data of volumes is backed up. Absent means
	// true. When it is true, a bound claim that no provider can back up makes the
	// backup incomplete, by name. When it is false, claims and volumes are backed
	// up as objects, and a warning says that their data is not.
	// +optional
	EnableVolumeBackup *bool `json:"enableVolumeBackup,omitempty"`

	// reclaimPolicy never had an effect. It is accepted, and draws a warning:
	// deletionPolicy is the field that works.
	// +optional
	ReclaimPolicy ReclaimPolicy `json:"reclaimPolicy,omitzero"`

	// copies are the other locations that the backup is copied to once it is made.
	// They can be changed at any time: one that is added is made, of a view too; one
	// that is taken away while it goes on is ended, and one that was made stays at
	// its location. Each is a backup of its own there, shown as a view, and is not
	// touched when this Backup is deleted.
	// +optional
	// +listType=map
	// +listMapKey=location
	// +kubebuilder:validation:MaxItems=8
	Copies []BackupCopy `json:"copies,omitempty"`

	// deletionPolicy says what the deletion of this Backup does to its data:
	// Delete, the default, removes the data first; Retain keeps it. It can be
	// changed at any time. Of a view, Delete has an effect where this cluster made
	// the backup, or has taken over the part of the location in which it lies.
	// +optional
	// +kubebuilder:default=Delete
	DeletionPolicy DeletionPolicy `json:"deletionPolicy,omitempty"`

	// cancel ends the run, at whatever stage it is: what it has written is removed,
	// and it ends as Failed with the reason Cancelled. A run that is over stays as
	// it is. It can be set at any time, and not be taken back.
	// +optional
	Cancel bool `json:"cancel,omitempty"`

	// origin makes this Backup a view of a backup at the location, and says which.
	// A view is never run. It is set at creation or never.
	// +optional
	Origin *BackupOrigin `json:"origin,omitempty"`
}

// ReclaimPolicy is accepted from old manifests and has no effect.
type ReclaimPolicy struct {
	// reclaimPolicyDelete has no effect.
	// +optional
	// +kubebuilder:validation:MaxLength=253
	ReclaimPolicyDelete string `json:"reclaimPolicyDelete,omitempty"`

	// reclaimPolicyRetain has no effect.
	// +optional
	// +kubebuilder:validation:MaxLength=253
	ReclaimPolicyRetain string `json:"reclaimPolicyRetain,omitempty"`
}

// BackupOrigin is the identity of a backup at its location.
type BackupOrigin struct {
	// clusterID is the id of the cluster that wrote the backup.
	// +required
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=63
	// +kubebuilder:validation:Pattern=`^[a-z0-9]([-a-z0-9]*[a-z0-9])?$`
	ClusterID string `json:"clusterID,omitempty"`

	// uid is the UID that the Backup had in that cluster.
	// +required
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=63
	// +kubebuilder:validation:Pattern=`^[a-z0-9]([-a-z0-9]*[a-z0-9])?$`
	UID string `json:"uid,omitempty"`

	// name is the name that the Backup had in that cluster. The view's own name
	// differs where that one is taken here.
	// +required
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=63
	// +kubebuilder:validation:Pattern=`^[a-z0-9]([-a-z0-9]*[a-z0-9])?([.][a-z0-9]([-a-z0-9]*[a-z0-9])?)*$`
	Name string `json:"name,omitempty"`
}
