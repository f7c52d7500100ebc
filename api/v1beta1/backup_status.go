package v1beta1

import (
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
)

// BackupStatus is how far a backup has come and what came of it. The manager is
// its only writer.
type BackupStatus struct {
	// stage is the furthest part of the run that has begun. A run is over when it
	// is Finished.
	// +optional
	Stage Stage `json:"stage,omitempty"`

	// state is how the run is. Completed means complete.
	// +optional
	State State `json:"state,omitempty"`

	// observedGeneration is the generation of the spec that the status is about.
	// +optional
	// +kubebuilder:validation:Minimum=0
	ObservedGeneration int64 `json:"observedGeneration,omitempty"`

	// conditions are what a person or a program asks: Accepted, Reconciling, Stalled,
	// Ready, Complete, HooksCompleted, Copied, Verified and DataDeleted.
	// +optional
	// +listType=map
	// +listMapKey=type
	// +kubebuilder:validation:MaxItems=16
	Conditions []metav1.Condition `json:"conditions,omitempty"`

	// attempt is the id of the process's try at this run. A manager that finds a
	// run in Processing with another attempt than its own goes on with it.
	// +optional
	// +kubebuilder:validation:MaxLength=64
	Attempt string `json:"attempt,omitempty"`

	// interruptions is how often a manager stopped while the run went on, and
	// another one went on with it.
	// +optional
	// +kubebuilder:validation:Minimum=0
	Interruptions int32 `json:"interruptions,omitempty"`

	// earlierAttempts are the attempts that were interrupted, the oldest first.
	// +optional
	// +listType=atomic
	// +kubebuilder:validation:MaxItems=16
	// +kubebuilder:validation:items:MaxLength=64
	EarlierAttempts []string `json:"earlierAttempts,omitempty"`

	// queuePosition is the place of the run in the queue of those that wait for
	// their turn, 1 for the next one. Absent when it does not wait. It is exact for
	// the first ten.
	// +optional
	// +kubebuilder:validation:Minimum=0
	QueuePosition int32 `json:"queuePosition,omitempty"`

	// validationErrors are what is wrong with the spec: which field, and what to do.
	// +optional
	// +nullable
	// +listType=atomic
	// +kubebuilder:validation:MaxItems=100
	// +kubebuilder:validation:items:MaxLength=1024
	ValidationErrors []string `json:"validationErrors,omitempty"`

	// failureReason says in a sentence why the run failed and what to do.
	// +optional
	// +kubebuilder:validation:MaxLength=2048
	FailureReason string `json:"failureReason,omitempty"`

	// startTimestamp is when the run began.
	// +optional
	// +nullable
	StartTimestamp *metav1.Time `json:"startTimestamp,omitempty"`

	// completionTimestamp is when the run ended, whatever came of it.
	// +optional
	// +nullable
	CompletionTimestamp *metav1.Time `json:"completionTimestamp,omitempty"`

	// lastBackup is when the backup became real: its manifest was written.
	// +optional
	// +nullable
	LastBackup *metav1.Time `json:"lastBackup,omitempty"`

	// progress is how much has been read and written so far.
	// +optional
	Progress BackupProgress `json:"progress,omitzero"`

	// counts are how many of what the backup has.
	// +optional
	Counts BackupCounts `json:"counts,omitzero"`

	// sizes are how many bytes the backup has.
	// +optional
	Sizes BackupSizes `json:"sizes,omitzero"`

	// mode is what the run was: Full, Incremental or Differential.
	// +optional
	Mode BackupMode `json:"mode,omitempty"`

	// incremental is what was taken over from an earlier backup, or why nothing was
	// although the spec asked for it. Absent of a backup that was to be full.
	// +optional
	// +nullable
	Incremental *BackupIncrement `json:"incremental,omitempty"`

	// timings are how long the steps of the run took, in their order; of a run that was
	// interrupted, those of its last attempt.
	// +optional
	// +listType=atomic
	// +kubebuilder:validation:MaxItems=32
	Timings []StepTiming `json:"timings,omitempty"`

	// kinds are how many objects the backup has of which kind, the most frequent
	// ones first, at most 100. counts.kinds is the number of all of them.
	// +optional
	// +listType=atomic
	// +kubebuilder:validation:MaxItems=100
	Kinds []BackupKind `json:"kinds,omitempty"`

	// hooks are the commands that ran in pods around the cut of the volumes. Absent:
	// none has begun.
	// +optional
	// +nullable
	Hooks *BackupHooks `json:"hooks,omitempty"`

	// volumes are what came of the data of volumes, and how far it is. Absent: no
	// claim was looked at.
	// +optional
	// +nullable
	Volumes *BackupVolumes `json:"volumes,omitempty"`

	// resources are single objects worth showing, at most 100.
	// +optional
	// +listType=atomic
	// +kubebuilder:validation:MaxItems=100
	Resources []RunResource `json:"resources,omitempty"`

	// warnings are what a person should know although nothing failed, at most 100.
	// counts.warnings is the number of all of them.
	// +optional
	// +listType=atomic
	// +kubebuilder:validation:MaxItems=100
	// +kubebuilder:validation:items:MaxLength=1024
	Warnings []string `json:"warnings,omitempty"`

	// missing is what was asked for and is not in the backup, at most 100 rows.
	// counts.missing is the number of all of them.
	// +optional
	// +listType=atomic
	// +kubebuilder:validation:MaxItems=100
	Missing []ItemProblem `json:"missing,omitempty"`

	// verification is what was found when the data was last read back, which the
	// annotation kahu.io/verify asks for.
	// +optional
	// +nullable
	Verification *BackupVerification `json:"verification,omitempty"`

	// copies are how far the copies of spec.copies have come.
	// +optional
	// +listType=map
	// +listMapKey=location
	// +kubebuilder:validation:MaxItems=16
	Copies []BackupCopyStatus `json:"copies,omitempty"`

	// locationID is the id of the location that the backup is at.
	// +optional
	// +kubebuilder:validation:MaxLength=64
	LocationID string `json:"locationID,omitempty"`

	// originLocationID is the id of the location that the backup was written to,
	// where this is a copy of it at another one. Absent: this is no copy.
	// +optional
	// +kubebuilder:validation:MaxLength=128
	OriginLocationID string `json:"originLocationID,omitempty"`

	// clusterID is the id of the cluster that the backup is of.
	// +optional
	// +kubebuilder:validation:MaxLength=64
	ClusterID string `json:"clusterID,omitempty"`

	// archivePath is the folder of the backup at the location, below its prefix.
	// +optional
	// +kubebuilder:validation:MaxLength=1024
	ArchivePath string `json:"archivePath,omitempty"`

	// expiry is when the backup may be removed by a rule. Absent means never.
	// +optional
	// +nullable
	Expiry *metav1.Time `json:"expiry,omitempty"`
}

// BackupIncrement is what a backup took over from an earlier one.
type BackupIncrement struct {
	// baseName is the name of the backup that it was compared with.
	// +optional
	// +kubebuilder:validation:MaxLength=253
	BaseName string `json:"baseName,omitempty"`

	// baseUID is the UID of that Backup.
	// +optional
	// +kubebuilder:validation:MaxLength=128
	BaseUID string `json:"baseUID,omitempty"`

	// reason is why the backup is full although the spec asked for another mode.
	// +optional
	// +kubebuilder:validation:MaxLength=64
	Reason string `json:"reason,omitempty"`

	// message says the same for people.
	// +optional
	// +kubebuilder:validation:MaxLength=1024
	Message string `json:"message,omitempty"`

	// unchangedObjects is the number of objects that were taken over from the base
	// without being read.
	// +optional
	// +kubebuilder:validation:Minimum=0
	UnchangedObjects int64 `json:"unchangedObjects,omitempty"`

	// readObjects is the number of objects that were read from the API server.
	// +optional
	// +kubebuilder:validation:Minimum=0
	ReadObjects int64 `json:"readObjects,omitempty"`

	// writtenObjects is the number of objects, of these, whose content the base does
	// not have, and which were written.
	// +optional
	// +kubebuilder:validation:Minimum=0
	WrittenObjects int64 `json:"writtenObjects,omitempty"`

	// writtenBytes is the size of the segments that the backup wrote.
	// +optional
	// +kubebuilder:validation:Minimum=0
	WrittenBytes int64 `json:"writtenBytes,omitempty"`

	// referredBytes is the size of the segments of earlier backups that it refers to,
	// with all that is in them.
	// +optional
	// +kubebuilder:validation:Minimum=0
	ReferredBytes int64 `json:"referredBytes,omitempty"`
}

// BackupProgress is how much of a backup has been read and written so far.
type BackupProgress struct {
	// itemsDone is the number of objects that have been dealt with.
	// +optional
	// +kubebuilder:validation:Minimum=0
	ItemsDone int64 `json:"itemsDone,omitempty"`

	// itemsTotal is the number of objects that are known of so far. It grows while kinds are
	// listed.
	// +optional
	// +kubebuilder:validation:Minimum=0
	ItemsTotal int64 `json:"itemsTotal,omitempty"`

	// bytesDone is the number of bytes of objects that have been read, as JSON.
	// +optional
	// +kubebuilder:validation:Minimum=0
	BytesDone int64 `json:"bytesDone,omitempty"`

	// bytesWritten is the number of bytes that have been written to the location.
	// +optional
	// +kubebuilder:validation:Minimum=0
	BytesWritten int64 `json:"bytesWritten,omitempty"`
}

// BackupCounts are how many of what a backup has.
type BackupCounts struct {
	// objects is the number of objects in the backup.
	// +optional
	// +kubebuilder:validation:Minimum=0
	Objects int64 `json:"objects,omitempty"`

	// neededObjects is the number of objects, of these, that are in because others need them.
	// +optional
	// +kubebuilder:validation:Minimum=0
	NeededObjects int64 `json:"neededObjects,omitempty"`

	// kinds is the number of kinds with at least one object in the backup.
	// +optional
	// +kubebuilder:validation:Minimum=0
	Kinds int64 `json:"kinds,omitempty"`

	// namespaces is the number of namespaces with at least one object in the backup.
	// +optional
	// +kubebuilder:validation:Minimum=0
	Namespaces int64 `json:"namespaces,omitempty"`

	// segments is the number of segments that hold the objects.
	// +optional
	// +kubebuilder:validation:Minimum=0
	Segments int64 `json:"segments,omitempty"`

	// skippedObjects is the number of objects that a rule left out.
	// +optional
	// +kubebuilder:validation:Minimum=0
	SkippedObjects int64 `json:"skippedObjects,omitempty"`

	// vanishedObjects is the number of objects that were deleted while the backup ran.
	// +optional
	// +kubebuilder:validation:Minimum=0
	VanishedObjects int64 `json:"vanishedObjects,omitempty"`

	// missing is the number of objects and kinds that were asked for and are not in the
	// backup.
	// +optional
	// +kubebuilder:validation:Minimum=0
	Missing int64 `json:"missing,omitempty"`

	// warnings is the number of warnings.
	// +optional
	// +kubebuilder:validation:Minimum=0
	Warnings int64 `json:"warnings,omitempty"`
}

// BackupSizes are how many bytes a backup has, each as stored at the location
// except objectBytes.
type BackupSizes struct {
	// objectBytes is the size of all objects as JSON, not compressed.
	// +optional
	// +kubebuilder:validation:Minimum=0
	ObjectBytes int64 `json:"objectBytes,omitempty"`

	// segmentBytes is the size of all segments.
	// +optional
	// +kubebuilder:validation:Minimum=0
	SegmentBytes int64 `json:"segmentBytes,omitempty"`

	// indexBytes is the size of the index.
	// +optional
	// +kubebuilder:validation:Minimum=0
	IndexBytes int64 `json:"indexBytes,omitempty"`

	// comparisonBytes is the size of the file with which a cluster that cannot read its
	// backups compares the next one.
	// +optional
	// +kubebuilder:validation:Minimum=0
	ComparisonBytes int64 `json:"comparisonBytes,omitempty"`

	// reportBytes is the size of the report.
	// +optional
	// +kubebuilder:validation:Minimum=0
	ReportBytes int64 `json:"reportBytes,omitempty"`

	// manifestBytes is the size of the manifest.
	// +optional
	// +kubebuilder:validation:Minimum=0
	ManifestBytes int64 `json:"manifestBytes,omitempty"`
}
