package v1beta1

// PlanAction is what a restore would do to an object.
//
// +kubebuilder:validation:Enum=Create;Update;Recreate;Unchanged;Skip;Conflict
type PlanAction string

// What a restore would do to an object.
const (
	// PlanActionCreate means that it is created.
	PlanActionCreate PlanAction = "Create"
	// PlanActionUpdate means that one that is there is made equal to the backup.
	PlanActionUpdate PlanAction = "Update"
	// PlanActionRecreate means that one that is there is deleted and created again.
	PlanActionRecreate PlanAction = "Recreate"
	// PlanActionUnchanged means that one that is there is as in the backup.
	PlanActionUnchanged PlanAction = "Unchanged"
	// PlanActionSkip means that it is left alone.
	PlanActionSkip PlanAction = "Skip"
	// PlanActionConflict means that it cannot be as it is wished.
	PlanActionConflict PlanAction = "Conflict"
)

// RestorePreview is what a restore would do.
type RestorePreview struct {
	// create is the number of objects that would be created.
	// +optional
	// +kubebuilder:validation:Minimum=0
	Create int64 `json:"create,omitempty"`
	// update is the number of objects that would be made equal to the backup.
	// +optional
	// +kubebuilder:validation:Minimum=0
	Update int64 `json:"update,omitempty"`
	// recreate is the number of objects that would be deleted and created again.
	// +optional
	// +kubebuilder:validation:Minimum=0
	Recreate int64 `json:"recreate,omitempty"`
	// unchanged is the number of objects that are as in the backup.
	// +optional
	// +kubebuilder:validation:Minimum=0
	Unchanged int64 `json:"unchanged,omitempty"`
	// skip is the number of objects that would be left alone.
	// +optional
	// +kubebuilder:validation:Minimum=0
	Skip int64 `json:"skip,omitempty"`
	// conflict is the number of objects that cannot be as they are wished.
	// +optional
	// +kubebuilder:validation:Minimum=0
	Conflict int64 `json:"conflict,omitempty"`
	// unchecked is the number of objects that would be created and that the API
	// server could not check before.
	// +optional
	// +kubebuilder:validation:Minimum=0
	Unchecked int64 `json:"unchecked,omitempty"`

	// rows are the conflicts, then the objects that are changed, those that are
	// created, and those that stay, each in the order of the restore: the first 100
	// of all.
	// +optional
	// +listType=atomic
	// +kubebuilder:validation:MaxItems=100
	Rows []PlanRow `json:"rows,omitempty"`

	// problems are what the objects need and what is neither in the plan nor in the
	// cluster, and quotas that would not let them in, at most 100.
	// +optional
	// +listType=atomic
	// +kubebuilder:validation:MaxItems=100
	// +kubebuilder:validation:items:MaxLength=1024
	Problems []string `json:"problems,omitempty"`

	// planPath is the name of the whole plan at the location; empty where it could
	// not be written.
	// +optional
	// +kubebuilder:validation:MaxLength=1024
	PlanPath string `json:"planPath,omitempty"`
}

// PlanRow is what a restore would do to one object.
type PlanRow struct {
	// apiVersion is the group and version of the object.
	// +optional
	// +kubebuilder:validation:MaxLength=317
	APIVersion string `json:"apiVersion,omitempty"`
	// kind is the kind of the object.
	// +optional
	// +kubebuilder:validation:MaxLength=63
	Kind string `json:"kind,omitempty"`
	// namespace is the object's namespace in this cluster.
	// +optional
	// +kubebuilder:validation:MaxLength=63
	Namespace string `json:"namespace,omitempty"`
	// name is the object's name in this cluster.
	// +optional
	// +kubebuilder:validation:MaxLength=253
	Name string `json:"name,omitempty"`
	// action is what would be done.
	// +optional
	Action PlanAction `json:"action,omitempty"`
	// reason says why, in words.
	// +optional
	// +kubebuilder:validation:MaxLength=1024
	Reason string `json:"reason,omitempty"`
	// checked tells that the API server's own dry run agreed.
	// +optional
	Checked bool `json:"checked,omitempty"`
	// changes are what would change in an object that is there, at most ten: a line
	// for each field, with + for a new one, - for one that goes, ~ for another value.
	// The values of Secrets are never shown.
	// +optional
	// +listType=atomic
	// +kubebuilder:validation:MaxItems=11
	// +kubebuilder:validation:items:MaxLength=1024
	Changes []string `json:"changes,omitempty"`
}
