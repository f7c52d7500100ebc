package v1beta1

// ResourceFilter names objects of one kind.
//
// +kubebuilder:validation:XValidation:rule="(has(self.isRegex) && self.isRegex) || !has(self.name) || self.name == '*' || !self.name.matches('[*^$|?+()\\\\[\\\\]{}\\\\\\\\]')",message="name looks like an expression: set isRegex to true, or name one object, or leave it empty for every object of the kind",fieldPath=".name"
// +kubebuilder:validation:XValidation:rule="(has(self.isRegex) && self.isRegex) || !has(self.name) || !(self.name in ['.', '..'] || self.name.matches('[/%]'))",message="name is not one that Kubernetes can store: it must not be '.' or '..' nor contain '/' or '%'",fieldPath=".name"
// +kubebuilder:validation:XValidation:rule="(has(self.isRegex) && self.isRegex) || self.kind.matches('^[A-Za-z]([-A-Za-z0-9]*[A-Za-z0-9])?([.][a-z0-9]([-a-z0-9.]*[a-z0-9])?)?$')",message="kind must be a Kind, a plural, a short name or plural.group, for example Deployment, deployments, deploy or deployments.apps; for a regular expression set isRegex to true",fieldPath=".kind"
type ResourceFilter struct {
	// name is the name of an object. Empty, null or * means every object of the
	// kind.
	// +optional
	// +kubebuilder:validation:MaxLength=1024
	Name string `json:"name,omitempty"`

	// kind is a Kind, a plural, a short name or plural.group: Deployment,
	// deployments, deploy or deployments.apps. With isRegex it can be a regular
	// expression instead, which is held against the Kind, the plural, and each of
	// them with a dot and the group, in upper or lower case. It is one when it has
	// any character besides letters, digits, dots and dashes.
	// +required
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=317
	Kind string `json:"kind,omitempty"`

	// isRegex makes name a regular expression (RE2), not anchored unless it says
	// so, and permits one in kind.
	// +optional
	IsRegex bool `json:"isRegex,omitempty"`
}

// Reference declares that objects of a kind name other objects in a field, which
// Kahu cannot know of kinds that people add. What they name comes with them.
//
// +kubebuilder:validation:XValidation:rule="!has(self.namespacePath) || size(self.namespacePath.split('[*]')) <= size(self.path.split('[*]'))",message="namespacePath must have [*] only where path has the same before it",fieldPath=".namespacePath"
type Reference struct {
	// from is the kind whose objects name others: plural.group, a Kind, a plural or
	// a short name.
	// +required
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=317
	// +kubebuilder:validation:Pattern=`^[A-Za-z]([-A-Za-z0-9]*[A-Za-z0-9])?([.][a-z0-9]([-a-z0-9.]*[a-z0-9])?)?$`
	From string `json:"from,omitempty"`

	// path leads to the name: field names with dots between them, [*] for every
	// item of a list or value of a map, and ['name'] for a name with other
	// characters. Where kind is absent, it leads to an object of name, kind and
	// apiVersion, apiGroup or group.
	// +required
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=1024
	// +kubebuilder:validation:Pattern=`^([A-Za-z_$][A-Za-z0-9_$-]*|\['[^']+'\])([.][A-Za-z_$][A-Za-z0-9_$-]*|\[[*]\]|\['[^']+'\])*$`
	Path string `json:"path,omitempty"`

	// kind is the kind of what is named, if it is always the same one.
	// +optional
	// +kubebuilder:validation:MaxLength=317
	// +kubebuilder:validation:Pattern=`^([A-Za-z]([-A-Za-z0-9]*[A-Za-z0-9])?([.][a-z0-9]([-a-z0-9.]*[a-z0-9])?)?)?$`
	Kind string `json:"kind,omitempty"`

	// namespacePath leads to the namespace of what is named. Absent: that of the
	// object that names it. An [*] in it means the same item as in path.
	// +optional
	// +kubebuilder:validation:MaxLength=1024
	// +kubebuilder:validation:Pattern=`^(([A-Za-z_$][A-Za-z0-9_$-]*|\['[^']+'\])([.][A-Za-z_$][A-Za-z0-9_$-]*|\[[*]\]|\['[^']+'\])*)?$`
	NamespacePath string `json:"namespacePath,omitempty"`

	// optional says that nothing is wrong when what is named does not exist.
	// +optional
	Optional bool `json:"optional,omitempty"`
}

// NamespaceName is the name of a namespace. It is an alias for the sake of the
// rule in the schema; to Go it is a string.
//
// +kubebuilder:validation:MinLength=1
// +kubebuilder:validation:MaxLength=63
// +kubebuilder:validation:XValidation:rule="!format.dns1123Label().validate(self).hasValue()",message="must be the name of a namespace: lower-case letters, digits and '-', at most 63 characters, no pattern"
type NamespaceName = string

// Stage is the furthest part of a run that has begun.
//
// +kubebuilder:validation:Enum=Initial;PreHook;Resources;Volumes;PostHook;Finished
type Stage string

const (
	// StageInitial is a run that has not been accepted yet.
	StageInitial Stage = "Initial"
	// StagePreHook is a backup whose applications are held still while volumes are
	// cut. It comes after Resources.
	StagePreHook Stage = "PreHook"
	// StageResources is a run whose objects are being read or written.
	StageResources Stage = "Resources"
	// StageVolumes is a run whose volume data is being moved. It is the last part of a
	// backup.
	StageVolumes Stage = "Volumes"
	// StagePostHook is a backup whose applications are told to go on, as its volumes
	// are cut, which comes before Volumes, or a restore whose hooks after wait for
	// containers or run, which is its last part.
	StagePostHook Stage = "PostHook"
	// StageFinished is a run that is over, whatever came of it.
	StageFinished Stage = "Finished"
)

// State is how a run is.
//
// +kubebuilder:validation:Enum=New;Validating;Processing;Completed;Failed;Deleting
type State string

const (
	// StateNew is a run that nobody has looked at yet.
	StateNew State = "New"
	// StateValidating is a run whose wish is being checked.
	StateValidating State = "Validating"
	// StateProcessing is a run that goes on.
	StateProcessing State = "Processing"
	// StateCompleted is a run that did everything that was asked for.
	StateCompleted State = "Completed"
	// StateFailed is a run that did not: the conditions say why.
	StateFailed State = "Failed"
	// StateDeleting is a run whose data is being removed.
	StateDeleting State = "Deleting"
)

// ItemStatus is how far one object of a run has come.
//
// +kubebuilder:validation:Enum=Pending;Processing;Completed;Failed
type ItemStatus string

const (
	// ItemStatusPending is an object that has not been begun.
	ItemStatusPending ItemStatus = "Pending"
	// ItemStatusProcessing is an object that is being read or written.
	ItemStatusProcessing ItemStatus = "Processing"
	// ItemStatusCompleted is an object that is in the backup or in the cluster.
	ItemStatusCompleted ItemStatus = "Completed"
	// ItemStatusFailed is an object that is not.
	ItemStatusFailed ItemStatus = "Failed"
)

// RunResource is one object of a run and what became of it.
type RunResource struct {
	// apiVersion is the group and version of the object.
	// +optional
	// +kubebuilder:validation:MaxLength=317
	APIVersion string `json:"apiVersion,omitempty"`

	// kind is the kind of the object.
	// +optional
	// +kubebuilder:validation:MaxLength=253
	Kind string `json:"kind,omitempty"`

	// resourceName is the name of the object.
	// +optional
	// +kubebuilder:validation:MaxLength=1024
	ResourceName string `json:"resourceName,omitempty"`

	// namespace is the namespace of the object; empty at cluster scope.
	// +optional
	// +kubebuilder:validation:MaxLength=63
	Namespace string `json:"namespace,omitempty"`

	// status is how far the object has come.
	// +optional
	Status ItemStatus `json:"status,omitempty"`
}

// ItemProblem is an object, or a whole kind, that a run could not deal with.
type ItemProblem struct {
	// apiVersion is the group and version of the object or kind.
	// +optional
	// +kubebuilder:validation:MaxLength=317
	APIVersion string `json:"apiVersion,omitempty"`

	// kind is the kind of the object.
	// +optional
	// +kubebuilder:validation:MaxLength=253
	Kind string `json:"kind,omitempty"`

	// namespace is the namespace of the object; empty at cluster scope.
	// +optional
	// +kubebuilder:validation:MaxLength=63
	Namespace string `json:"namespace,omitempty"`

	// name is the name of the object. Empty means every object of the kind.
	// +optional
	// +kubebuilder:validation:MaxLength=1024
	Name string `json:"name,omitempty"`

	// reason is one of the reasons of this package.
	// +optional
	// +kubebuilder:validation:MaxLength=128
	Reason string `json:"reason,omitempty"`

	// message says what happened and what to do.
	// +optional
	// +kubebuilder:validation:MaxLength=1024
	Message string `json:"message,omitempty"`
}

// StepTiming is how long a step of a run took.
type StepTiming struct {
	// step is the step, in camel case, such as Survey or Copy.
	// +required
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=63
	Step string `json:"step,omitempty"`

	// milliseconds is how long it took.
	// +optional
	// +kubebuilder:validation:Minimum=0
	Milliseconds int64 `json:"milliseconds,omitempty"`
}

// BackupKind is a kind, and how many of its objects are in a backup.
type BackupKind struct {
	// apiVersion is the group and version of the kind.
	// +required
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=317
	APIVersion string `json:"apiVersion,omitempty"`

	// kind is the name of the kind.
	// +required
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=63
	Kind string `json:"kind,omitempty"`

	// objects is the number of its objects in the backup.
	// +optional
	// +kubebuilder:validation:Minimum=0
	Objects int64 `json:"objects,omitempty"`
}

// RestoreKind is a kind, and how many of its objects met which end in a restore.
type RestoreKind struct {
	// apiVersion is the group and version of the kind.
	// +required
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=317
	APIVersion string `json:"apiVersion,omitempty"`

	// kind is the name of the kind.
	// +required
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=63
	Kind string `json:"kind,omitempty"`

	// created is the number of objects that were created.
	// +optional
	// +kubebuilder:validation:Minimum=0
	Created int64 `json:"created,omitempty"`

	// updated is the number of objects that were there and were given their content
	// from the backup.
	// +optional
	// +kubebuilder:validation:Minimum=0
	Updated int64 `json:"updated,omitempty"`

	// skipped is the number of objects that were there already, that a restored
	// controller makes again, or that had finished.
	// +optional
	// +kubebuilder:validation:Minimum=0
	Skipped int64 `json:"skipped,omitempty"`

	// failed is the number of objects that are not in the cluster.
	// +optional
	// +kubebuilder:validation:Minimum=0
	Failed int64 `json:"failed,omitempty"`
}
