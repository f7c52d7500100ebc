package v1beta1

import (
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
)

// AnnotationTakeOwnership on a BackupLocation, with the location's id as its value,
// makes this cluster the owner of its part of the location whoever wrote there last.
// With "/" and the id of a cluster of spec.inheritedClusters after it, it is about the
// part of that one. It is a person's decision, and is taken back once it is carried out.
const AnnotationTakeOwnership = "kahu.io/take-ownership"

// BackupLocation is a provider with its configuration: a place that holds
// backups. It alone is enough to list, verify and restore every backup in it.
//
// +kubebuilder:object:root=true
// +kubebuilder:subresource:status
// +kubebuilder:resource:path=backuplocations,scope=Cluster,shortName=bl,categories=kahu
// +kubebuilder:printcolumn:name="Provider",type=string,JSONPath=`.spec.providerName`
// +kubebuilder:printcolumn:name="Ready",type=string,JSONPath=`.status.conditions[?(@.type=="Ready")].status`
// +kubebuilder:printcolumn:name="Reason",type=string,priority=1,JSONPath=`.status.conditions[?(@.type=="Ready")].reason`
// +kubebuilder:printcolumn:name="Backups",type=integer,JSONPath=`.status.backups`
// +kubebuilder:printcolumn:name="Age",type=date,JSONPath=`.metadata.creationTimestamp`
type BackupLocation struct {
	metav1.TypeMeta `json:",inline"`
	// metadata is the standard object metadata.
	// +optional
	metav1.ObjectMeta `json:"metadata,omitzero"`

	// spec says which provider the location uses, and how.
	// +required
	Spec BackupLocationSpec `json:"spec,omitzero"`

	// status is what was found at the location.
	// +optional
	Status BackupLocationStatus `json:"status,omitzero"`
}

// BackupLocationList is a list of BackupLocations.
//
// +kubebuilder:object:root=true
type BackupLocationList struct {
	metav1.TypeMeta `json:",inline"`
	// metadata is the standard list metadata.
	// +optional
	metav1.ListMeta `json:"metadata,omitzero"`
	// items are the BackupLocations.
	Items []BackupLocation `json:"items"`
}

// BackupLocationSpec says which provider a location uses, and how.
type BackupLocationSpec struct {
	// providerName is the name of the Provider that stores the backups.
	// +required
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=253
	ProviderName string `json:"providerName,omitempty"`

	// config is handed to the provider on every call; which keys it knows is in
	// the provider's own documentation. Everybody who can read a BackupLocation
	// can read it: credentials belong in credentialsSecretRef.
	// +optional
	// +mapType=atomic
	// +kubebuilder:validation:MaxProperties=64
	// +kubebuilder:validation:XValidation:rule="self.all(k, size(k) <= 253 && size(self[k]) <= 16384)",message="a key of spec.config has at most 253 characters and a value at most 16384: shorten it"
	Config map[string]string `json:"config,omitempty"`

	// credentialsSecretRef is a Secret in Kahu's own namespace. Its data goes to
	// the provider beside config, and nowhere else.
	// +optional
	CredentialsSecretRef SecretReference `json:"credentialsSecretRef,omitzero"`

	// accessMode is ReadWrite or ReadOnly; absent means ReadWrite. What is at a
	// ReadOnly location can be listed, verified and restored; Kahu writes nothing
	// there, removes nothing, and does not mark an empty place. It can be changed
	// at any time.
	// +optional
	// +kubebuilder:validation:Enum=ReadWrite;ReadOnly
	AccessMode LocationAccessMode `json:"accessMode,omitempty"`

	// limits are how many runs go on at once with this location. The others wait in
	// a queue, oldest first.
	// +optional
	Limits LocationLimits `json:"limits,omitzero"`

	// compression says how hard to try to make what is written to the location
	// small. It can be changed at any time: what is there stays as it is.
	// +optional
	Compression LocationCompression `json:"compression,omitzero"`

	// encryption says who can read what is written to the location. Absent means
	// that everybody can who can read the store. Once backups are encrypted, taking
	// it away leaves them encrypted, and those that come later not.
	// +optional
	Encryption *LocationEncryption `json:"encryption,omitempty"`

	// inheritedClusters are the ids of clusters that are gone and whose parts of the
	// location this cluster takes over: from then on it deletes and collects there as
	// in its own part. A part in which something was written not long ago is not
	// taken over until that is long enough ago, as its cluster may live. To remove an
	// id ends it, and removes nothing.
	// +optional
	// +listType=set
	// +kubebuilder:validation:MaxItems=16
	// +kubebuilder:validation:items:MinLength=1
	// +kubebuilder:validation:items:MaxLength=63
	// +kubebuilder:validation:items:Pattern=`^[a-z0-9]([-a-z0-9]*[a-z0-9])?$`
	InheritedClusters []string `json:"inheritedClusters,omitempty"`
}

// LocationAccessMode says what may be done with a location.
type LocationAccessMode string

// The access modes.
const (
	// AccessReadWrite is for locations that take backups.
	AccessReadWrite LocationAccessMode = "ReadWrite"
	// AccessReadOnly is for locations from which backups are restored only.
	AccessReadOnly LocationAccessMode = "ReadOnly"
)

// LocationCompression says how what is written to a location is compressed.
type LocationCompression struct {
	// level is Fastest, Balanced or Smallest; absent means Fastest. Segments are
	// always zstd, so that every reader reads every level. What cannot be made
	// smaller is stored as it is, at no cost worth measuring.
	// +optional
	// +kubebuilder:validation:Enum=Fastest;Balanced;Smallest
	Level CompressionLevel `json:"level,omitempty"`
}

// CompressionLevel trades processor time for space.
type CompressionLevel string

// The levels of compression. The figures are of objects as clusters have them,
// against Fastest.
const (
	// CompressionFastest is for clusters whose processors are busy, or whose store is large.
	CompressionFastest CompressionLevel = "Fastest"
	// CompressionBalanced saves 4 to 7 % of the space in about three times the processor time.
	CompressionBalanced CompressionLevel = "Balanced"
	// CompressionSmallest saves as much again in about 25 times the processor time, and 36 MB of memory for each backup
	// that is being written.
	CompressionSmallest CompressionLevel = "Smallest"
)

// LocationLimits are how many runs go on at once with a location.
type LocationLimits struct {
	// backups is how many backups are written at once. Absent or 0 means as the
	// manager is set.
	// +optional
	// +kubebuilder:validation:Minimum=0
	// +kubebuilder:validation:Maximum=1000
	Backups int32 `json:"backups,omitempty"`

	// restores is how many restores are read at once. Absent or 0 means as the
	// manager is set.
	// +optional
	// +kubebuilder:validation:Minimum=0
	// +kubebuilder:validation:Maximum=1000
	Restores int32 `json:"restores,omitempty"`
}

// SecretReference names a Secret in Kahu's own namespace.
type SecretReference struct {
	// name is the name of the Secret. Empty means none.
	// +optional
	// +kubebuilder:validation:MaxLength=253
	// +kubebuilder:validation:XValidation:rule=`self == "" || !format.dns1123Subdomain().validate(self).hasValue()`,message="must be the name of a Secret in Kahu's namespace, without the namespace: lower-case letters, digits, '-' and '.'"
	Name string `json:"name,omitempty"`
}

// BackupLocationStatus is what was found at a location.
type BackupLocationStatus struct {
	// conditions say whether the location can be used (Ready), whether a person
	// must act (Stalled) and whether its backups can be listed (Discoverable).
	// +optional
	// +listType=map
	// +listMapKey=type
	// +kubebuilder:validation:MaxItems=16
	Conditions []metav1.Condition `json:"conditions,omitempty"`

	// locationID is the id in the location's marker, kahu.json. Once it is known,
	// a location without its marker or with another id is Stalled.
	// +optional
	// +kubebuilder:validation:MaxLength=64
	LocationID string `json:"locationID,omitempty"`

	// lastProbeTime is when the location was last looked at.
	// +optional
	// +nullable
	LastProbeTime *metav1.Time `json:"lastProbeTime,omitempty"`

	// backups is the number of backups found at the location, of all clusters.
	// Absent means that they were never listed.
	// +optional
	// +kubebuilder:validation:Minimum=0
	Backups *int32 `json:"backups,omitempty"`

	// owner is this cluster's proof that its part of the location is its own.
	// +optional
	Owner LocationOwner `json:"owner,omitzero"`

	// clusterID is the id of this cluster, which is the name of its part.
	// +optional
	// +kubebuilder:validation:MaxLength=63
	ClusterID string `json:"clusterID,omitempty"`

	// clusters are the clusters that have something at the location, this one too.
	// Of more than 100 it has those that wrote last.
	// +optional
	// +listType=map
	// +listMapKey=id
	// +kubebuilder:validation:MaxItems=100
	Clusters []LocationCluster `json:"clusters,omitempty"`

	// inherited is how it stands with the parts that spec.inheritedClusters names.
	// +optional
	// +listType=map
	// +listMapKey=clusterID
	// +kubebuilder:validation:MaxItems=16
	Inherited []InheritedCluster `json:"inherited,omitempty"`

	// collection is what the last look for files that nobody needs came to.
	// +optional
	Collection *LocationCollection `json:"collection,omitempty"`

	// encryption is how what is written to the location is encrypted and signed.
	// +optional
	Encryption *LocationEncryptionStatus `json:"encryption,omitempty"`

	// observedGeneration is the generation of the spec that the status is about.
	// +optional
	// +kubebuilder:validation:Minimum=0
	ObservedGeneration int64 `json:"observedGeneration,omitempty"`
}

// LocationCluster is what one cluster has at a location. All times are those that the
// store gave its files.
type LocationCluster struct {
	// id is the id of the cluster, which is the name of its part.
	// +required
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=128
	ID string `json:"id,omitempty"`

	// backups is how many backups of it are there.
	// +optional
	// +kubebuilder:validation:Minimum=0
	Backups int32 `json:"backups,omitempty"`

	// lastBackupTime is when the newest of them became real.
	// +optional
	// +nullable
	LastBackupTime *metav1.Time `json:"lastBackupTime,omitempty"`

	// lastWriteTime is when something was last written in its part.
	// +optional
	// +nullable
	LastWriteTime *metav1.Time `json:"lastWriteTime,omitempty"`

	// ownerWriteTime is when its owner file was last written: at the latest when its
	// last manager began. Absent means that it has none.
	// +optional
	// +nullable
	OwnerWriteTime *metav1.Time `json:"ownerWriteTime,omitempty"`
}

// InheritedCluster is how it stands with the part of another cluster that this one
// takes over.
type InheritedCluster struct {
	// clusterID is the id of that cluster.
	// +required
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=63
	ClusterID string `json:"clusterID,omitempty"`

	// owner is this cluster's proof that the part is its own.
	// +optional
	Owner LocationOwner `json:"owner,omitzero"`

	// reason is Inherited where this cluster owns the part, or else why it does not.
	// +optional
	// +kubebuilder:validation:MaxLength=64
	Reason string `json:"reason,omitempty"`

	// message says what to do.
	// +optional
	// +kubebuilder:validation:MaxLength=2048
	Message string `json:"message,omitempty"`
}

// LocationCollection is what a look for files came to that no backup of this
// cluster, or of one that it inherited, and no run that is under way, needs.
type LocationCollection struct {
	// time is when the look ended.
	// +optional
	// +nullable
	Time *metav1.Time `json:"time,omitempty"`

	// removedSegments is how many segments were removed.
	// +optional
	// +kubebuilder:validation:Minimum=0
	RemovedSegments int64 `json:"removedSegments,omitempty"`

	// removedFiles is how many other files were removed, of runs that ended where
	// nobody could clean up after them.
	// +optional
	// +kubebuilder:validation:Minimum=0
	RemovedFiles int64 `json:"removedFiles,omitempty"`

	// waitingSegments is how many segments no backup needs and were kept: they are
	// of runs that are under way, or were written not long ago.
	// +optional
	// +kubebuilder:validation:Minimum=0
	WaitingSegments int64 `json:"waitingSegments,omitempty"`
}

// LocationOwner remembers the nonces that this cluster wrote to owner.json. One
// that is neither of them stops deletion and collection until a person decides.
type LocationOwner struct {
	// nonce is the nonce that this cluster wrote last, and knows to be written.
	// +optional
	// +kubebuilder:validation:MaxLength=64
	Nonce string `json:"nonce,omitempty"`

	// pendingNonce is the nonce that this cluster is about to write: recorded
	// before, so that a crash between the two is not taken for another owner.
	// +optional
	// +kubebuilder:validation:MaxLength=64
	PendingNonce string `json:"pendingNonce,omitempty"`
}
