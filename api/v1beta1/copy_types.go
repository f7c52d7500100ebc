package v1beta1

import (
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
)

// BackupCopy asks for a copy of a backup at another location.
type BackupCopy struct {
	// location is the name of the BackupLocation that the backup is copied to.
	// +required
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=253
	Location string `json:"location,omitempty"`

	// name is the name of the Backup object that shows the copy in this cluster.
	// Absent: <name of the backup>-<location>.
	// +optional
	// +kubebuilder:validation:MaxLength=63
	// +kubebuilder:validation:Pattern=`^([a-z0-9]([-a-z0-9]*[a-z0-9])?([.][a-z0-9]([-a-z0-9]*[a-z0-9])?)*)?$`
	Name string `json:"name,omitempty"`

	// token asks anew whenever it is given another value, such as a time: after the
	// copying has failed, or where the copy was deleted. What lies at the location
	// already is not sent again.
	// +optional
	// +kubebuilder:validation:MaxLength=253
	Token string `json:"token,omitempty"`
}

// BackupCopyStatus is how far one copy of a backup has come.
type BackupCopyStatus struct {
	// location is the name of the BackupLocation of the copy.
	// +required
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=253
	Location string `json:"location,omitempty"`

	// token is that of the wish that this is the answer to.
	// +optional
	// +kubebuilder:validation:MaxLength=253
	Token string `json:"token,omitempty"`

	// state is how the copy is: New while it waits, Processing, Completed, Failed,
	// and Deleting while what was sent of one that nobody wants is removed.
	// +optional
	State State `json:"state,omitempty"`

	// reason is one of the reasons of this package.
	// +optional
	// +kubebuilder:validation:MaxLength=128
	Reason string `json:"reason,omitempty"`

	// message says what the copy waits for, why it failed and what to do, or what is
	// to be known of it.
	// +optional
	// +kubebuilder:validation:MaxLength=1024
	Message string `json:"message,omitempty"`

	// attempt is the id of the process's try at the copy.
	// +optional
	// +kubebuilder:validation:MaxLength=64
	Attempt string `json:"attempt,omitempty"`

	// tries is how often the copying began, at most 20 times.
	// +optional
	// +kubebuilder:validation:Minimum=0
	Tries int32 `json:"tries,omitempty"`

	// retryTime is when the next try begins. Absent where none is waited for.
	// +optional
	// +nullable
	RetryTime *metav1.Time `json:"retryTime,omitempty"`

	// queuePosition is the place of the copy in the queue of those that wait for
	// their turn, 1 for the next one. Absent when it does not wait.
	// +optional
	// +kubebuilder:validation:Minimum=0
	QueuePosition int32 `json:"queuePosition,omitempty"`

	// startTime is when the last try began.
	// +optional
	// +nullable
	StartTime *metav1.Time `json:"startTime,omitempty"`

	// time is when the copy became real, or was given up. Absent while it goes on.
	// +optional
	// +nullable
	Time *metav1.Time `json:"time,omitempty"`

	// files is the number of files that are at the location.
	// +optional
	// +kubebuilder:validation:Minimum=0
	Files int64 `json:"files,omitempty"`

	// filesTotal is the number of files that the backup has.
	// +optional
	// +kubebuilder:validation:Minimum=0
	FilesTotal int64 `json:"filesTotal,omitempty"`

	// bytes is the number of bytes that were sent in the last try.
	// +optional
	// +kubebuilder:validation:Minimum=0
	Bytes int64 `json:"bytes,omitempty"`

	// bytesPresent is the number of bytes that were at the location before it.
	// +optional
	// +kubebuilder:validation:Minimum=0
	BytesPresent int64 `json:"bytesPresent,omitempty"`

	// bytesTotal is the number of bytes that the backup has.
	// +optional
	// +kubebuilder:validation:Minimum=0
	BytesTotal int64 `json:"bytesTotal,omitempty"`
}
