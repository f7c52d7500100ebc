package v1beta1

// BackupVolumes is what came of the data of volumes.
type BackupVolumes struct {
	// total is the number of claims in the backup that were looked at.
	// +optional
	// +kubebuilder:validation:Minimum=0
	Total int64 `json:"total,omitempty"`

	// completed is the number of claims whose data is in the backup.
	// +optional
	// +kubebuilder:validation:Minimum=0
	Completed int64 `json:"completed,omitempty"`

	// failed is the number of claims whose data should be in the backup and is not.
	// +optional
	// +kubebuilder:validation:Minimum=0
	Failed int64 `json:"failed,omitempty"`

	// skipped is the number of claims whose data was left out, as somebody wanted or
	// as there is none.
	// +optional
	// +kubebuilder:validation:Minimum=0
	Skipped int64 `json:"skipped,omitempty"`

	// bytesDone is the number of bytes that providers have dealt with, of those that
	// tell.
	// +optional
	// +kubebuilder:validation:Minimum=0
	BytesDone int64 `json:"bytesDone,omitempty"`

	// bytesTotal is the number of bytes that they expect.
	// +optional
	// +kubebuilder:validation:Minimum=0
	BytesTotal int64 `json:"bytesTotal,omitempty"`

	// claims are what came of each, at most 100: first those that failed, then those
	// that were left out. They are known when the run is over.
	// +optional
	// +listType=atomic
	// +kubebuilder:validation:MaxItems=100
	Claims []BackupVolume `json:"claims,omitempty"`
}

// BackupVolumePhase is what came of the data of one claim.
//
// +kubebuilder:validation:Enum=Completed;Failed;Skipped
type BackupVolumePhase string

const (
	// BackupVolumeCompleted is a claim whose data is in the backup.
	BackupVolumeCompleted BackupVolumePhase = "Completed"
	// BackupVolumeFailed is a claim whose data should be in the backup and is not.
	BackupVolumeFailed BackupVolumePhase = "Failed"
	// BackupVolumeSkipped is a claim whose data was left out.
	BackupVolumeSkipped BackupVolumePhase = "Skipped"
)

// BackupVolume is what came of the data of one claim.
type BackupVolume struct {
	// namespace is the namespace of the claim.
	// +optional
	// +kubebuilder:validation:MaxLength=63
	Namespace string `json:"namespace,omitempty"`

	// name is the name of the claim.
	// +optional
	// +kubebuilder:validation:MaxLength=253
	Name string `json:"name,omitempty"`

	// phase is what came of it.
	// +optional
	Phase BackupVolumePhase `json:"phase,omitempty"`

	// way is how the data reached its provider.
	// +optional
	Way VolumeWay `json:"way,omitempty"`

	// providerName is the name of the Provider that has it.
	// +optional
	// +kubebuilder:validation:MaxLength=253
	ProviderName string `json:"providerName,omitempty"`

	// bytes is how much data the provider has dealt with, where it tells.
	// +optional
	// +kubebuilder:validation:Minimum=0
	Bytes int64 `json:"bytes,omitempty"`

	// reason is why it failed, was left out, or is backed up in this way.
	// +optional
	// +kubebuilder:validation:MaxLength=64
	Reason string `json:"reason,omitempty"`

	// message says the same for people.
	// +optional
	// +kubebuilder:validation:MaxLength=1024
	Message string `json:"message,omitempty"`
}
