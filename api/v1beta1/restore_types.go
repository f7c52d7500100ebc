package v1beta1

import (
	"maps"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
)

// Restore is one run of a restore, and its result.
//
// +kubebuilder:object:root=true
// +kubebuilder:subresource:status
// +kubebuilder:resource:path=restores,scope=Cluster,shortName=krest,categories=kahu
// +kubebuilder:printcolumn:name="Stage",type=string,JSONPath=`.status.stage`
// +kubebuilder:printcolumn:name="State",type=string,JSONPath=`.status.state`
// +kubebuilder:printcolumn:name="Backup",type=string,JSONPath=`.spec.backupName`
// +kubebuilder:printcolumn:name="Restored",type=integer,JSONPath=`.status.progress.itemsRestored`
// +kubebuilder:printcolumn:name="Dry-Run",type=boolean,JSONPath=`.spec.dryRun`
// +kubebuilder:printcolumn:name="Total",type=integer,priority=1,JSONPath=`.status.progress.totalItems`
// +kubebuilder:printcolumn:name="Reason",type=string,priority=1,JSONPath=`.status.conditions[?(@.type=="Ready")].reason`
// +kubebuilder:printcolumn:name="Queue",type=integer,priority=1,JSONPath=`.status.queuePosition`
// +kubebuilder:printcolumn:name="Age",type=date,JSONPath=`.metadata.creationTimestamp`
type Restore struct {
	metav1.TypeMeta `json:",inline"`
	// metadata is the standard object metadata.
	// +optional
	metav1.ObjectMeta `json:"metadata,omitzero"`

	// spec says what to restore, and how. It cannot be changed.
	// +required
	Spec RestoreSpec `json:"spec,omitzero"`

	// status is how far the run has come and what came of it.
	// +optional
	Status RestoreStatus `json:"status,omitzero"`
}

// RestoreList is a list of Restores.
//
// +kubebuilder:object:root=true
type RestoreList struct {
	metav1.TypeMeta `json:",inline"`
	// metadata is the standard list metadata.
	// +optional
	metav1.ListMeta `json:"metadata,omitzero"`
	// items are the Restores.
	Items []Restore `json:"items"`
}

// RestoreSpec says what to restore, and how.
//
// +kubebuilder:validation:XValidation:rule="self.backupName == oldSelf.backupName",message="spec.backupName cannot be changed: a Restore is one run, create another for another wish",fieldPath=".backupName"
// +kubebuilder:validation:XValidation:rule="has(self.metadataLocation) == has(oldSelf.metadataLocation) && (!has(self.metadataLocation) || self.metadataLocation == oldSelf.metadataLocation)",message="spec.metadataLocation cannot be changed: a Restore is one run, create another for another wish",fieldPath=".metadataLocation"
// +kubebuilder:validation:XValidation:rule="has(self.clusterID) == has(oldSelf.clusterID) && (!has(self.clusterID) || self.clusterID == oldSelf.clusterID)",message="spec.clusterID cannot be changed: a Restore is one run, create another for another wish",fieldPath=".clusterID"
// +kubebuilder:validation:XValidation:rule="has(self.backupUID) == has(oldSelf.backupUID) && (!has(self.backupUID) || self.backupUID == oldSelf.backupUID)",message="spec.backupUID cannot be changed: a Restore is one run, create another for another wish",fieldPath=".backupUID"
// +kubebuilder:validation:XValidation:rule="has(self.metadataLocation) || (!has(self.clusterID) && !has(self.backupUID))",message="spec.clusterID and spec.backupUID choose among the backups at a location: name it in spec.metadataLocation, or leave them out",fieldPath=".metadataLocation"
// +kubebuilder:validation:XValidation:rule="has(self.includeNamespaces) && has(oldSelf.includeNamespaces) ? self.includeNamespaces == oldSelf.includeNamespaces : (!has(self.includeNamespaces) || size(self.includeNamespaces) == 0) && (!has(oldSelf.includeNamespaces) || size(oldSelf.includeNamespaces) == 0)",message="spec.includeNamespaces cannot be changed: a Restore is one run, create another for another wish",fieldPath=".includeNamespaces"
// +kubebuilder:validation:XValidation:rule="has(self.excludeNamespaces) && has(oldSelf.excludeNamespaces) ? self.excludeNamespaces == oldSelf.excludeNamespaces : (!has(self.excludeNamespaces) || size(self.excludeNamespaces) == 0) && (!has(oldSelf.excludeNamespaces) || size(oldSelf.excludeNamespaces) == 0)",message="spec.excludeNamespaces cannot be changed: a Restore is one run, create another for another wish",fieldPath=".excludeNamespaces"
// +kubebuilder:validation:XValidation:rule="has(self.includeResources) && has(oldSelf.includeResources) ? self.includeResources == oldSelf.includeResources : (!has(self.includeResources) || size(self.includeResources) == 0) && (!has(oldSelf.includeResources) || size(oldSelf.includeResources) == 0)",message="spec.includeResources cannot be changed: a Restore is one run, create another for another wish",fieldPath=".includeResources"
// +kubebuilder:validation:XValidation:rule="has(self.excludeResources) && has(oldSelf.excludeResources) ? self.excludeResources == oldSelf.excludeResources : (!has(self.excludeResources) || size(self.excludeResources) == 0) && (!has(oldSelf.excludeResources) || size(oldSelf.excludeResources) == 0)",message="spec.excludeResources cannot be changed: a Restore is one run, create another for another wish",fieldPath=".excludeResources"
// +kubebuilder:validation:XValidation:rule="has(self.references) && has(oldSelf.references) ? self.references == oldSelf.references : (!has(self.references) || size(self.references) == 0) && (!has(oldSelf.references) || size(oldSelf.references) == 0)",message="spec.references cannot be changed: a Restore is one run, create another for another wish",fieldPath=".references"
// +kubebuilder:validation:XValidation:rule="has(self.labelSelector) == has(oldSelf.labelSelector) && (!has(self.labelSelector) || self.labelSelector == oldSelf.labelSelector)",message="spec.labelSelector cannot be changed: a Restore is one run, create another for another wish",fieldPath=".labelSelector"
// +kubebuilder:validation:XValidation:rule="has(self.namespaceMapping) && has(oldSelf.namespaceMapping) ? self.namespaceMapping == oldSelf.namespaceMapping : (!has(self.namespaceMapping) || size(self.namespaceMapping) == 0) && (!has(oldSelf.namespaceMapping) || size(oldSelf.namespaceMapping) == 0)",message="spec.namespaceMapping cannot be changed: a Restore is one run, create another for another wish",fieldPath=".namespaceMapping"
// +kubebuilder:validation:XValidation:rule="self.?includeClusterResource == oldSelf.?includeClusterResource",message="spec.includeClusterResource cannot be changed: a Restore is one run, create another for another wish",fieldPath=".includeClusterResource"
// +kubebuilder:validation:XValidation:rule="self.?preserveNodePort.orValue(false) == oldSelf.?preserveNodePort.orValue(false)",message="spec.preserveNodePort cannot be changed: a Restore is one run, create another for another wish",fieldPath=".preserveNodePort"
// +kubebuilder:validation:XValidation:rule="self.?preserveClusterIpAddr.orValue(false) == oldSelf.?preserveClusterIpAddr.orValue(false)",message="spec.preserveClusterIpAddr cannot be changed: a Restore is one run, create another for another wish",fieldPath=".preserveClusterIpAddr"
// +kubebuilder:validation:XValidation:rule="self.?allowIncomplete.orValue(false) == oldSelf.?allowIncomplete.orValue(false)",message="spec.allowIncomplete cannot be changed: a Restore is one run, create another for another wish",fieldPath=".allowIncomplete"
// +kubebuilder:validation:XValidation:rule="self.?allowUnknownSigner.orValue(false) == oldSelf.?allowUnknownSigner.orValue(false)",message="spec.allowUnknownSigner cannot be changed: a Restore is one run, create another for another wish",fieldPath=".allowUnknownSigner"
// +kubebuilder:validation:XValidation:rule="has(self.transforms) && has(oldSelf.transforms) ? self.transforms == oldSelf.transforms : (!has(self.transforms) || size(self.transforms) == 0) && (!has(oldSelf.transforms) || size(oldSelf.transforms) == 0)",message="spec.transforms cannot be changed: a Restore is one run, create another for another wish",fieldPath=".transforms"
// +kubebuilder:validation:XValidation:rule="has(self.transformSets) && has(oldSelf.transformSets) ? self.transformSets == oldSelf.transformSets : (!has(self.transformSets) || size(self.transformSets) == 0) && (!has(oldSelf.transformSets) || size(oldSelf.transformSets) == 0)",message="spec.transformSets cannot be changed: a Restore is one run, create another for another wish",fieldPath=".transformSets"
// +kubebuilder:validation:XValidation:rule="has(self.imageMapping) && has(oldSelf.imageMapping) ? self.imageMapping == oldSelf.imageMapping : (!has(self.imageMapping) || size(self.imageMapping) == 0) && (!has(oldSelf.imageMapping) || size(oldSelf.imageMapping) == 0)",message="spec.imageMapping cannot be changed: a Restore is one run, create another for another wish",fieldPath=".imageMapping"
// +kubebuilder:validation:XValidation:rule="has(self.storageClassMapping) && has(oldSelf.storageClassMapping) ? self.storageClassMapping == oldSelf.storageClassMapping : (!has(self.storageClassMapping) || size(self.storageClassMapping) == 0) && (!has(oldSelf.storageClassMapping) || size(oldSelf.storageClassMapping) == 0)",message="spec.storageClassMapping cannot be changed: a Restore is one run, create another for another wish",fieldPath=".storageClassMapping"
// +kubebuilder:validation:XValidation:rule="has(self.existingResourcePolicy) && has(oldSelf.existingResourcePolicy) ? self.existingResourcePolicy == oldSelf.existingResourcePolicy : (!has(self.existingResourcePolicy) || self.existingResourcePolicy == 'Skip') && (!has(oldSelf.existingResourcePolicy) || oldSelf.existingResourcePolicy == 'Skip')",message="spec.existingResourcePolicy cannot be changed: a Restore is one run, create another for another wish",fieldPath=".existingResourcePolicy"
// +kubebuilder:validation:XValidation:rule="has(self.hook) && has(oldSelf.hook) ? self.hook == oldSelf.hook : (!has(self.hook) || !has(self.hook.resources) || size(self.hook.resources) == 0) && (!has(oldSelf.hook) || !has(oldSelf.hook.resources) || size(oldSelf.hook.resources) == 0)",message="spec.hook cannot be changed: a Restore is one run, create another for another wish",fieldPath=".hook"
// +kubebuilder:validation:XValidation:rule="self.?dryRun.orValue(false) == oldSelf.?dryRun.orValue(false)",message="spec.dryRun cannot be changed: a Restore is one run, create another for another wish",fieldPath=".dryRun"
// +kubebuilder:validation:XValidation:rule="self.?cancel.orValue(false) || !oldSelf.?cancel.orValue(false)",message="spec.cancel cannot be taken back: create another Restore",fieldPath=".cancel"
// +kubebuilder:validation:XValidation:rule="(has(self.finishedJobs) && self.finishedJobs == 'RunAgain') == (has(oldSelf.finishedJobs) && oldSelf.finishedJobs == 'RunAgain')",message="spec.finishedJobs cannot be changed: a Restore is one run, create another for another wish",fieldPath=".finishedJobs"
// +kubebuilder:validation:XValidation:rule="has(self.restoreStatus) == has(oldSelf.restoreStatus) && (!has(self.restoreStatus) || self.restoreStatus == oldSelf.restoreStatus)",message="spec.restoreStatus cannot be changed: a Restore is one run, create another for another wish",fieldPath=".restoreStatus"
type RestoreSpec struct {
	// backupName is the name of the Backup to restore, run here or a view; with
	// metadataLocation, the name that the backup was given when it was made.
	// +required
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=253
	BackupName string `json:"backupName,omitempty"`

	// metadataLocation is the BackupLocation at which the backup lies. With it, no
	// Backup object is needed: the location is looked into. Absent means that the
	// Backup object says where.
	// +optional
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=253
	MetadataLocation string `json:"metadataLocation,omitempty"`

	// clusterID is the cluster that made the backup, where several have made one of
	// that name at metadataLocation: the UID of its kube-system namespace.
	// +optional
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=64
	ClusterID string `json:"clusterID,omitempty"`

	// backupUID is the UID of the Backup, where there are several of that name. With
	// clusterID as well, a location whose provider cannot list will do.
	// +optional
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=64
	BackupUID string `json:"backupUID,omitempty"`

	// includeNamespaces are the namespaces restored, by their names in the backup. Empty means all.
	// +optional
	// +listType=atomic
	// +kubebuilder:validation:MaxItems=1000
	IncludeNamespaces []NamespaceName `json:"includeNamespaces,omitempty"`

	// excludeNamespaces are the namespaces left out. They win over includeNamespaces.
	// +optional
	// +listType=atomic
	// +kubebuilder:validation:MaxItems=1000
	ExcludeNamespaces []NamespaceName `json:"excludeNamespaces,omitempty"`

	// includeResources are the objects restored, by their names in the backup. Empty means all.
	// +optional
	// +listType=atomic
	// +kubebuilder:validation:MaxItems=1000
	IncludeResources []ResourceFilter `json:"includeResources,omitempty"`

	// excludeResources are the objects left out. They win over includeResources.
	// +optional
	// +listType=atomic
	// +kubebuilder:validation:MaxItems=1000
	ExcludeResources []ResourceFilter `json:"excludeResources,omitempty"`

	// labelSelector selects objects by their labels. Absent means all.
	// +optional
	LabelSelector *metav1.LabelSelector `json:"labelSelector,omitempty"`

	// references are fields in which custom resources name other objects, for
	// definitions that cannot be annotated with kahu.io/references. What they name
	// comes with the objects.
	// +optional
	// +listType=atomic
	// +kubebuilder:validation:MaxItems=100
	References []Reference `json:"references,omitempty"`

	// namespaceMapping gives namespaces another name on their way back.
	// +optional
	NamespaceMapping NamespaceMapping `json:"namespaceMapping,omitempty"`

	// includeClusterResource says whether cluster-scoped objects are restored.
	// Absent means: as the filters say.
	// +optional
	IncludeClusterResource *bool `json:"includeClusterResource,omitempty"`

	// resourcePrefix is put before the names of restored objects, and where other
	// objects name them. Objects at cluster scope keep their names, but for cluster
	// roles and their bindings. It ends as it is written: blue- makes blue-web of web.
	// +optional
	// +kubebuilder:validation:MaxLength=63
	// +kubebuilder:validation:XValidation:rule=`self.matches('^([a-z][a-z0-9-]*)?$')`,message="a prefix is of lower-case letters, digits and hyphens, and begins with a letter"
	ResourcePrefix string `json:"resourcePrefix,omitempty"`

	// preserveNodePort keeps the node ports of services. Otherwise the cluster
	// chooses new ones.
	// +optional
	PreserveNodePort bool `json:"preserveNodePort,omitempty"`

	// preserveClusterIpAddr keeps the cluster addresses of services. Otherwise the
	// cluster chooses new ones; headless services stay headless.
	// +optional
	PreserveClusterIPAddr bool `json:"preserveClusterIpAddr,omitempty"` //nolint:tagliatelle // The name is inherited.

	// finishedJobs says what becomes of Jobs, and of Pods that no controller made, that
	// had finished when they were backed up. Keep, the default: a Job comes back finished,
	// and a Pod does not come back. RunAgain: both are created as new, and run again.
	// +optional
	FinishedJobs FinishedJobs `json:"finishedJobs,omitempty"`

	// restoreStatus chooses the objects whose status is restored after they were
	// created. Absent means none: controllers write it again.
	// +optional
	RestoreStatus *StatusSelection `json:"restoreStatus,omitempty"`

	// hook is the commands that run in pods before anything is changed and after it is
	// restored, and the init containers of restored pods.
	// +optional
	Hook RestoreHook `json:"hook,omitzero"`

	// allowIncomplete allows a restore from a backup that is not complete. What is
	// missing in it is then missing here.
	// +optional
	AllowIncomplete bool `json:"allowIncomplete,omitempty"`

	// allowUnknownSigner allows a restore from an encrypted location of a backup that
	// is signed by nobody whom the location trusts. Whoever can write to the store
	// can have made it.
	// +optional
	AllowUnknownSigner bool `json:"allowUnknownSigner,omitempty"`

	// transformSets are names of TransformSets, which are applied to each restored
	// object in their order, after all that a restore changes by itself.
	// +optional
	// +listType=atomic
	// +kubebuilder:validation:MaxItems=16
	// +kubebuilder:validation:items:MinLength=1
	// +kubebuilder:validation:items:MaxLength=253
	TransformSets []string `json:"transformSets,omitempty"`

	// imageMapping is from registries, paths or repositories of images to others. It
	// comes after the transformSets.
	// +optional
	ImageMapping ImageMapping `json:"imageMapping,omitempty"`

	// storageClassMapping is from names of storage classes to others. It comes after
	// the transformSets.
	// +optional
	StorageClassMapping StorageClassMapping `json:"storageClassMapping,omitempty"`

	// transforms are applied last, to each object that they match, in order.
	// +optional
	// +listType=atomic
	// +kubebuilder:validation:MaxItems=64
	Transforms []Transform `json:"transforms,omitempty"`

	// existingResourcePolicy says what is done about an object that is there already:
	// Skip leaves it, Update makes it equal to the backup, Recreate deletes it and
	// creates it again where it differs and nothing else is lost with it, Fail ends
	// the run before anything is written. Absent means Skip.
	// +optional
	ExistingResourcePolicy ExistingResourcePolicy `json:"existingResourcePolicy,omitempty"`

	// dryRun asks what the run would do, object by object, and writes nothing to the
	// cluster. The answer is in status.preview, and as a whole in a file at the
	// location.
	// +optional
	DryRun bool `json:"dryRun,omitempty"`

	// cancel ends the run, at whatever stage it is. What it has created stays. It
	// can be set at any time and cannot be taken back.
	// +optional
	Cancel bool `json:"cancel,omitempty"`
}

// ExistingResourcePolicy says what a restore does about an object that is there
// already.
//
// +kubebuilder:validation:Enum=Skip;Update;Recreate;Fail
// +kubebuilder:validation:MaxLength=16
type ExistingResourcePolicy string

// The policies for objects that are there already.
const (
	// ExistingResourcePolicySkip leaves them as they are.
	ExistingResourcePolicySkip ExistingResourcePolicy = "Skip"
	// ExistingResourcePolicyUpdate makes them equal to the backup.
	ExistingResourcePolicyUpdate ExistingResourcePolicy = "Update"
	// ExistingResourcePolicyRecreate deletes those that differ, and creates them.
	ExistingResourcePolicyRecreate ExistingResourcePolicy = "Recreate"
	// ExistingResourcePolicyFail ends the run before anything is written.
	ExistingResourcePolicyFail ExistingResourcePolicy = "Fail"
)

// FinishedJobs says what becomes of work that had finished.
//
// +kubebuilder:validation:Enum=Keep;RunAgain
// +kubebuilder:validation:MaxLength=16
type FinishedJobs string

const (
	// FinishedJobsKeep brings Jobs back finished, and leaves Pods out.
	FinishedJobsKeep FinishedJobs = "Keep"
	// FinishedJobsRunAgain creates both as new.
	FinishedJobsRunAgain FinishedJobs = "RunAgain"
)

// StatusSelection chooses the objects whose status is restored.
type StatusSelection struct {
	// includeResources are the objects whose status is restored, by their names in
	// the backup. There is at least one.
	// +required
	// +listType=atomic
	// +kubebuilder:validation:MinItems=1
	// +kubebuilder:validation:MaxItems=100
	IncludeResources []ResourceFilter `json:"includeResources,omitempty"`

	// excludeResources are the objects whose status is not. They win over
	// includeResources.
	// +optional
	// +listType=atomic
	// +kubebuilder:validation:MaxItems=100
	ExcludeResources []ResourceFilter `json:"excludeResources,omitempty"`
}

// NamespaceMapping is from the names of namespaces in a backup to their names in
// this cluster.
//
// +mapType=atomic
// +kubebuilder:object:generate=false
// +kubebuilder:validation:MaxProperties=256
// +kubebuilder:validation:XValidation:rule="self.all(k, size(k) <= 63 && !format.dns1123Label().validate(k).hasValue())",message="the keys of spec.namespaceMapping must be names of namespaces: lower-case letters, digits and '-', at most 63 characters"
// +kubebuilder:validation:XValidation:rule="self.all(k, self.exists_one(other, self[other] == self[k]))",message="two namespaces in spec.namespaceMapping have the same target: give each a target of its own"
type NamespaceMapping map[string]NamespaceName

// DeepCopy returns a copy that shares nothing with the mapping; nil of nil. It is
// written by hand, as the generator does not know aliases.
func (m NamespaceMapping) DeepCopy() NamespaceMapping { return maps.Clone(m) }
