package v1beta1

import (
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
)

const (
	// AnnotationVerify on a Backup, a view too, asks for its data to be read back
	// and compared with what was written. Each new value, such as a time, asks once.
	AnnotationVerify = "kahu.io/verify"
	// AnnotationVerifySample beside it asks for a part of the objects only, as a
	// percentage such as 10%. The other files of the backup are read whole.
	AnnotationVerifySample = "kahu.io/verify-sample"
)

// BackupVerification is what was found when the data of a backup was last read
// back.
type BackupVerification struct {
	// token is the value of the annotation kahu.io/verify that asked for it.
	// +optional
	// +kubebuilder:validation:MaxLength=253
	Token string `json:"token,omitempty"`

	// startTime is when the reading began.
	// +optional
	// +nullable
	StartTime *metav1.Time `json:"startTime,omitempty"`

	// time is when the reading ended. Absent while it goes on.
	// +optional
	// +nullable
	Time *metav1.Time `json:"time,omitempty"`

	// sampled is the part of the objects that was read, such as 10%. Absent: all.
	// +optional
	// +kubebuilder:validation:MaxLength=16
	Sampled string `json:"sampled,omitempty"`

	// seed decided which objects are in the sample. It follows from the token, so
	// that the same token reads the same objects.
	// +optional
	// +kubebuilder:validation:Minimum=0
	Seed int64 `json:"seed,omitempty"`

	// files is the number of files that were read besides the manifest.
	// +optional
	// +kubebuilder:validation:Minimum=0
	Files int64 `json:"files,omitempty"`

	// bytes is the number of bytes that were read of them.
	// +optional
	// +kubebuilder:validation:Minimum=0
	Bytes int64 `json:"bytes,omitempty"`

	// objects is the number of objects that were read so far and are as they were
	// written.
	// +optional
	// +kubebuilder:validation:Minimum=0
	Objects int64 `json:"objects,omitempty"`

	// objectsTotal is the number of objects in the backup, sample or not. Those that
	// are neither in objects nor in damagedObjects were not read.
	// +optional
	// +kubebuilder:validation:Minimum=0
	ObjectsTotal int64 `json:"objectsTotal,omitempty"`

	// attempts is the number of readings that the store ended early, at most 5.
	// +optional
	// +kubebuilder:validation:Minimum=0
	Attempts int32 `json:"attempts,omitempty"`

	// retryTime is when the next reading begins. Absent where the last one was not
	// ended early, or goes on.
	// +optional
	// +nullable
	RetryTime *metav1.Time `json:"retryTime,omitempty"`

	// damagedObjects is the number of objects that cannot be restored.
	// +optional
	// +kubebuilder:validation:Minimum=0
	DamagedObjects int64 `json:"damagedObjects,omitempty"`

	// damagedTotal is the number of pieces of damage, of which damaged has the first.
	// +optional
	// +kubebuilder:validation:Minimum=0
	DamagedTotal int64 `json:"damagedTotal,omitempty"`

	// damaged are the pieces of damage in the order of their files, at most 100.
	// +optional
	// +listType=atomic
	// +kubebuilder:validation:MaxItems=100
	Damaged []DamagedPart `json:"damaged,omitempty"`
}

// DamagedPart is a part of a file of a backup that is not as it was written.
type DamagedPart struct {
	// file is the name of the file at the location, below its prefix.
	// +optional
	// +kubebuilder:validation:MaxLength=1024
	File string `json:"file,omitempty"`

	// offset is the number of bytes before the damaged part. Absent where the place
	// is not known.
	// +optional
	// +kubebuilder:validation:Minimum=0
	Offset *int64 `json:"offset,omitempty"`

	// length is the number of bytes of the damaged part, as far as it is known.
	// +optional
	// +kubebuilder:validation:Minimum=0
	Length int64 `json:"length,omitempty"`

	// reason is FileMissing, FileDamaged or FilesContradict.
	// +optional
	// +kubebuilder:validation:MaxLength=128
	Reason string `json:"reason,omitempty"`

	// message says what was found.
	// +optional
	// +kubebuilder:validation:MaxLength=1024
	Message string `json:"message,omitempty"`

	// objects are the first of the objects that cannot be restored because of it.
	// +optional
	// +listType=atomic
	// +kubebuilder:validation:MaxItems=10
	// +kubebuilder:validation:items:MaxLength=600
	Objects []string `json:"objects,omitempty"`

	// objectsTotal is the number of all of them.
	// +optional
	// +kubebuilder:validation:Minimum=0
	ObjectsTotal int64 `json:"objectsTotal,omitempty"`
}
