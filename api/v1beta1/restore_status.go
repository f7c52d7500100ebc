package v1beta1

import (
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
)

// RestoreStatus is how far a restore has come and what came of it. The manager
// is its only writer.
type RestoreStatus struct {
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
	// Ready and Complete.
	// +optional
	// +listType=map
	// +listMapKey=type
	// +kubebuilder:validation:MaxItems=16
	Conditions []metav1.Condition `json:"conditions,omitempty"`

	// attempt is the id of the process's try at this run. A manager that finds a
	// run in Processing with another attempt than its own goes on with it under a
	// new one.
	// +optional
	// +kubebuilder:validation:MaxLength=64
	Attempt string `json:"attempt,omitempty"`

	// transformSets are the sets of spec.transformSets as they were when the run was
	// accepted, which are what it uses: at most 256 KiB.
	// +optional
	// +listType=atomic
	// +kubebuilder:validation:MaxItems=16
	TransformSets []UsedTransformSet `json:"transformSets,omitempty"`
	// interruptions is how often the run was interrupted and gone on with. After
	// the fifth it ends as Interrupted.
	// +optional
	// +kubebuilder:validation:Minimum=0
	Interruptions int32 `json:"interruptions,omitempty"`

	// metadataLocation is the BackupLocation that the backup is read from, and that
	// the report is written to.
	// +optional
	// +kubebuilder:validation:MaxLength=253
	MetadataLocation string `json:"metadataLocation,omitempty"`

	// archivePath is the folder of the backup at the location.
	// +optional
	// +kubebuilder:validation:MaxLength=1024
	ArchivePath string `json:"archivePath,omitempty"`

	// reportPath is the name of the report at the location, which tells what
	// happened to each object; empty where it could not be written.
	// +optional
	// +kubebuilder:validation:MaxLength=1024
	ReportPath string `json:"reportPath,omitempty"`

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

	// progress is how many objects have been dealt with so far.
	// +optional
	Progress RestoreProgress `json:"progress,omitzero"`

	// counts are how many objects met which end.
	// +optional
	Counts RestoreCounts `json:"counts,omitzero"`

	// timings are how long the steps of the run took, in their order; of a run that was
	// interrupted, those of its last attempt.
	// +optional
	// +listType=atomic
	// +kubebuilder:validation:MaxItems=32
	Timings []StepTiming `json:"timings,omitempty"`

	// kinds are how many objects of which kind met which end, the most frequent ones
	// first, at most 100.
	// +optional
	// +listType=atomic
	// +kubebuilder:validation:MaxItems=100
	Kinds []RestoreKind `json:"kinds,omitempty"`

	// preview is what the run would do, if it is a dry run.
	// +optional
	Preview *RestorePreview `json:"preview,omitempty"`

	// volumes are what came of the volumes whose data is in the backup, and how far
	// they are. Absent: there are none.
	// +optional
	Volumes *RestoreVolumes `json:"volumes,omitempty"`

	// hooks is what is on record of the hooks of the run.
	// +optional
	Hooks *RestoreHooks `json:"hooks,omitempty"`

	// undo is what became of what the run created when it was asked to be undone.
	// +optional
	Undo *RestoreUndo `json:"undo,omitempty"`

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

	// failed is what was asked for and is not in the cluster, at most 100 rows.
	// counts.failed is the number of all of them.
	// +optional
	// +listType=atomic
	// +kubebuilder:validation:MaxItems=100
	Failed []ItemProblem `json:"failed,omitempty"`
}

// RestoreProgress is how many objects of a restore have been dealt with so far.
type RestoreProgress struct {
	// totalItems is the number of objects that the plan has.
	// +optional
	// +kubebuilder:validation:Minimum=0
	TotalItems int64 `json:"totalItems,omitempty"`

	// itemsRestored is the number of objects that have been dealt with: created, skipped
	// or failed.
	// +optional
	// +kubebuilder:validation:Minimum=0
	ItemsRestored int64 `json:"itemsRestored,omitempty"`
}

// RestoreCounts are how many objects of a restore met which end.
type RestoreCounts struct {
	// created is the number of objects that were created.
	// +optional
	// +kubebuilder:validation:Minimum=0
	Created int64 `json:"created,omitempty"`

	// updated is the number of objects that were there and were given their content
	// from the backup: those that Kubernetes makes by itself in every new namespace,
	// in one that this restore created, and what existingResourcePolicy says.
	// +optional
	// +kubebuilder:validation:Minimum=0
	Updated int64 `json:"updated,omitempty"`

	// skippedExisting is the number of objects that were there already.
	// +optional
	// +kubebuilder:validation:Minimum=0
	SkippedExisting int64 `json:"skippedExisting,omitempty"`

	// skippedControlled is the number of objects that a restored controller makes again.
	// +optional
	// +kubebuilder:validation:Minimum=0
	SkippedControlled int64 `json:"skippedControlled,omitempty"`

	// skippedFinished is the number of Pods that had finished and are not run again.
	// +optional
	// +kubebuilder:validation:Minimum=0
	SkippedFinished int64 `json:"skippedFinished,omitempty"`

	// skippedExcluded is the number of objects in the backup that the spec does not ask for.
	// +optional
	// +kubebuilder:validation:Minimum=0
	SkippedExcluded int64 `json:"skippedExcluded,omitempty"`

	// failed is the number of objects that the API server refused, or that could not
	// be read.
	// +optional
	// +kubebuilder:validation:Minimum=0
	Failed int64 `json:"failed,omitempty"`

	// warnings is the number of warnings.
	// +optional
	// +kubebuilder:validation:Minimum=0
	Warnings int64 `json:"warnings,omitempty"`
}
