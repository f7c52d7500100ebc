package v1beta1

import (
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
)

// VolumePhase is how a work order for one volume is.
//
// +kubebuilder:validation:Enum=New;InProgress;Completed;Failed;Deleting
type VolumePhase string

const (
	// VolumePhaseNew is an order that its provider has not begun.
	VolumePhaseNew VolumePhase = "New"
	// VolumePhaseInProgress is an order that its provider has begun.
	VolumePhaseInProgress VolumePhase = "InProgress"
	// VolumePhaseCompleted is an order of which everything is done.
	VolumePhaseCompleted VolumePhase = "Completed"
	// VolumePhaseFailed is an order that came to nothing: failureReason says why.
	VolumePhaseFailed VolumePhase = "Failed"
	// VolumePhaseDeleting is an order whose data is being removed.
	VolumePhaseDeleting VolumePhase = "Deleting"
)

// VolumeWay says how the data of a volume reaches its provider.
//
// +kubebuilder:validation:Enum=Offload;Snapshot;Volume
type VolumeWay string

const (
	// VolumeWayOffload gives the provider the volume itself: it does all the rest.
	VolumeWayOffload VolumeWay = "Offload"
	// VolumeWaySnapshot gives the provider a snapshot of the volume.
	VolumeWaySnapshot VolumeWay = "Snapshot"
	// VolumeWayVolume gives the provider a claim that it can mount: of a snapshot, or
	// of the volume itself where no snapshot can be had.
	VolumeWayVolume VolumeWay = "Volume"
)

// VolumeBackupIdentity is what a provider knows the backup of a volume by.
type VolumeBackupIdentity struct {
	// handle is the provider's own name of the backup.
	// +required
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=1024
	Handle string `json:"handle,omitempty"`

	// attributes are what the provider wants to be given back with the handle. No
	// secrets.
	// +optional
	// +mapType=atomic
	// +kubebuilder:validation:MaxProperties=64
	// +kubebuilder:validation:XValidation:rule="self.all(k, size(k) <= 253 && size(self[k]) <= 4096)",message="an attribute has a key of at most 253 and a value of at most 4096 characters"
	Attributes map[string]string `json:"attributes,omitempty"`
}

// VolumeClaim names a PersistentVolumeClaim.
type VolumeClaim struct {
	// namespace is the namespace of the claim.
	// +required
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=63
	Namespace string `json:"namespace,omitempty"`

	// name is the name of the claim.
	// +required
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=253
	Name string `json:"name,omitempty"`

	// uid is the UID of the claim, where it exists.
	// +optional
	// +kubebuilder:validation:MaxLength=128
	UID string `json:"uid,omitempty"`
}

// VolumeProgress is how far the work on one volume is.
type VolumeProgress struct {
	// bytesDone is how much of the volume's data has been worked on. Absent where
	// the provider does not tell.
	// +optional
	// +kubebuilder:validation:Minimum=0
	BytesDone *int64 `json:"bytesDone,omitempty"`

	// bytesTotal is how much data there is to be worked on. Absent where the
	// provider does not tell.
	// +optional
	// +kubebuilder:validation:Minimum=0
	BytesTotal *int64 `json:"bytesTotal,omitempty"`

	// percent is how much is done, of a hundred. Absent where the provider does not
	// tell.
	// +optional
	// +kubebuilder:validation:Minimum=0
	// +kubebuilder:validation:Maximum=100
	Percent *int32 `json:"percent,omitempty"`

	// lastTimestamp is when there was progress for the last time.
	// +optional
	LastTimestamp metav1.MicroTime `json:"lastTimestamp,omitzero"`
}

// VolumeOrderStatus is what the orders for a backup and for a restore have in
// common. Its only writer is the sidecar of the provider.
type VolumeOrderStatus struct {
	// phase is how the order is. Absent means New.
	// +optional
	Phase VolumePhase `json:"phase,omitempty"`

	// progress is how far the work is.
	// +optional
	Progress VolumeProgress `json:"progress,omitzero"`

	// startTimestamp is when the provider was asked to begin.
	// +optional
	StartTimestamp metav1.MicroTime `json:"startTimestamp,omitzero"`

	// completionTimestamp is when the order was Completed or Failed.
	// +optional
	CompletionTimestamp metav1.MicroTime `json:"completionTimestamp,omitzero"`

	// reason is one word for why the order is Failed, or what it waits for.
	// +optional
	// +kubebuilder:validation:MaxLength=128
	Reason string `json:"reason,omitempty"`

	// failureReason says for people why the order is Failed, or what it waits for.
	// +optional
	// +kubebuilder:validation:MaxLength=4096
	FailureReason string `json:"failureReason,omitempty"`
}
