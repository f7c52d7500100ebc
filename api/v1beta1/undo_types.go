package v1beta1

import (
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
)

const (
	// AnnotationUndo on a Restore that is over asks for what it created to be
	// deleted, as far as it has not changed since. Each new value, such as a time,
	// asks once.
	AnnotationUndo = "kahu.io/undo"
	// AnnotationUndoDryRun beside it, with the value true, asks what would be
	// deleted, and deletes nothing.
	AnnotationUndoDryRun = "kahu.io/undo-dry-run"
)

// RestoreUndo is what became of what a restore created when it was last asked to
// be undone.
type RestoreUndo struct {
	// token is the value of the annotation kahu.io/undo that asked for it.
	// +optional
	// +kubebuilder:validation:MaxLength=253
	Token string `json:"token,omitempty"`

	// dryRun says that nothing was deleted: the rows are what would become of the
	// objects.
	// +optional
	DryRun bool `json:"dryRun,omitempty"`

	// startTime is when it began.
	// +optional
	// +nullable
	StartTime *metav1.Time `json:"startTime,omitempty"`

	// time is when it ended. Absent while it goes on.
	// +optional
	// +nullable
	Time *metav1.Time `json:"time,omitempty"`

	// deleted is the number of objects that went. Those that went before the manager
	// was interrupted, and another one went on, are not counted.
	// +optional
	// +kubebuilder:validation:Minimum=0
	Deleted int64 `json:"deleted,omitempty"`

	// kept is the number of objects that the restore created and that stay.
	// +optional
	// +kubebuilder:validation:Minimum=0
	Kept int64 `json:"kept,omitempty"`

	// rows are the objects, those that stay first, at most 100.
	// +optional
	// +listType=atomic
	// +kubebuilder:validation:MaxItems=100
	Rows []UndoRow `json:"rows,omitempty"`

	// earlier is the last undo that was no dry run, where this one is a dry run.
	// +optional
	Earlier *EarlierUndo `json:"earlier,omitempty"`
}

// EarlierUndo is what is kept of an undo when a dry run comes after it.
type EarlierUndo struct {
	// token is the value of the annotation kahu.io/undo that asked for it.
	// +optional
	// +kubebuilder:validation:MaxLength=253
	Token string `json:"token,omitempty"`

	// startTime is when it began.
	// +optional
	// +nullable
	StartTime *metav1.Time `json:"startTime,omitempty"`

	// time is when it ended.
	// +optional
	// +nullable
	Time *metav1.Time `json:"time,omitempty"`

	// deleted is the number of objects that went.
	// +optional
	// +kubebuilder:validation:Minimum=0
	Deleted int64 `json:"deleted,omitempty"`

	// kept is the number of objects that the restore created and that stayed.
	// +optional
	// +kubebuilder:validation:Minimum=0
	Kept int64 `json:"kept,omitempty"`
}

// UndoAction says what an undo does about an object.
//
// +kubebuilder:validation:Enum=Delete;Keep
// +kubebuilder:validation:MaxLength=16
type UndoAction string

const (
	// UndoActionDelete means that the object goes.
	UndoActionDelete UndoAction = "Delete"
	// UndoActionKeep means that it stays.
	UndoActionKeep UndoAction = "Keep"
)

// UndoRow is what an undo does about one object.
type UndoRow struct {
	// apiVersion is the object's API version.
	// +optional
	// +kubebuilder:validation:MaxLength=317
	APIVersion string `json:"apiVersion,omitempty"`

	// kind is the object's kind.
	// +optional
	// +kubebuilder:validation:MaxLength=63
	Kind string `json:"kind,omitempty"`

	// namespace is the object's namespace; empty at cluster scope.
	// +optional
	// +kubebuilder:validation:MaxLength=63
	Namespace string `json:"namespace,omitempty"`

	// name is the object's name.
	// +optional
	// +kubebuilder:validation:MaxLength=253
	Name string `json:"name,omitempty"`

	// action says whether the object goes.
	// +optional
	Action UndoAction `json:"action,omitempty"`

	// reason says in a word why it stays.
	// +optional
	// +kubebuilder:validation:MaxLength=64
	Reason string `json:"reason,omitempty"`

	// message says it in a sentence.
	// +optional
	// +kubebuilder:validation:MaxLength=1024
	Message string `json:"message,omitempty"`
}
