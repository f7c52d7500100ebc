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

	// group names the claims whose snapshots were cut at one instant with this one:
	// those with the same. Absent where it was cut by itself.
	// +optional
	// +kubebuilder:validation:MaxLength=1024
	Group string `json:"group,omitempty"`

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

// RestoreVolumes is what came of the volumes of a restore whose data is in the
// backup.
type RestoreVolumes struct {
	// total is the number of claims that are restored and whose data is in the backup.
	// +optional
	// +kubebuilder:validation:Minimum=0
	Total int64 `json:"total,omitempty"`

	// completed is the number of claims that have their volume, with the data of the
	// backup.
	// +optional
	// +kubebuilder:validation:Minimum=0
	Completed int64 `json:"completed,omitempty"`

	// failed is the number of claims that are not there with that data.
	// +optional
	// +kubebuilder:validation:Minimum=0
	Failed int64 `json:"failed,omitempty"`

	// waiting is the number of claims that get their volume when a pod uses them.
	// +optional
	// +kubebuilder:validation:Minimum=0
	Waiting int64 `json:"waiting,omitempty"`

	// existing is the number of claims that were there already: their data was not
	// touched.
	// +optional
	// +kubebuilder:validation:Minimum=0
	Existing int64 `json:"existing,omitempty"`

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
	// that go on, that wait for a pod, and that were there already. While the run
	// waits for volumes they are those that it waits for.
	// +optional
	// +listType=atomic
	// +kubebuilder:validation:MaxItems=100
	Claims []RestoreVolume `json:"claims,omitempty"`
}

// RestoreVolumePhase is what came of the volume of one claim.
//
// +kubebuilder:validation:Enum=InProgress;Completed;Failed;Waiting;Existing;Skipped;Planned
type RestoreVolumePhase string

const (
	// RestoreVolumeInProgress is a claim whose volume is being made.
	RestoreVolumeInProgress RestoreVolumePhase = "InProgress"
	// RestoreVolumeCompleted is a claim that has its volume, with the data of the
	// backup.
	RestoreVolumeCompleted RestoreVolumePhase = "Completed"
	// RestoreVolumeFailed is a claim that is not there with that data.
	RestoreVolumeFailed RestoreVolumePhase = "Failed"
	// RestoreVolumeWaiting is a claim that gets its volume when a pod uses it.
	RestoreVolumeWaiting RestoreVolumePhase = "Waiting"
	// RestoreVolumeExisting is a claim that was there already: its data was not
	// touched.
	RestoreVolumeExisting RestoreVolumePhase = "Existing"
	// RestoreVolumeSkipped is a claim that is made again with its pod, and without that
	// data.
	RestoreVolumeSkipped RestoreVolumePhase = "Skipped"
	// RestoreVolumePlanned is a claim whose volume was not ordered: by a dry run, or
	// by a run that ended before.
	RestoreVolumePlanned RestoreVolumePhase = "Planned"
)

// RestoreVolume is what came of the volume of one claim.
type RestoreVolume struct {
	// namespace is the namespace of the claim in this cluster.
	// +optional
	// +kubebuilder:validation:MaxLength=63
	Namespace string `json:"namespace,omitempty"`

	// name is the name of the claim in this cluster.
	// +optional
	// +kubebuilder:validation:MaxLength=253
	Name string `json:"name,omitempty"`

	// phase is what came of it.
	// +optional
	Phase RestoreVolumePhase `json:"phase,omitempty"`

	// way is how the data was backed up.
	// +optional
	Way VolumeWay `json:"way,omitempty"`

	// providerName is the name of the Provider that has the data.
	// +optional
	// +kubebuilder:validation:MaxLength=253
	ProviderName string `json:"providerName,omitempty"`

	// bytesDone is how much data the provider has dealt with, where it tells.
	// +optional
	// +kubebuilder:validation:Minimum=0
	BytesDone int64 `json:"bytesDone,omitempty"`

	// bytesTotal is how much data it expects.
	// +optional
	// +kubebuilder:validation:Minimum=0
	BytesTotal int64 `json:"bytesTotal,omitempty"`

	// message says why, where there is something to say.
	// +optional
	// +kubebuilder:validation:MaxLength=1024
	Message string `json:"message,omitempty"`
}
