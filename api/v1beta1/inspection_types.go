package v1beta1

import (
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
)

// Inspection is a question about what lies at a location, and one page of the
// answer. Whoever can reach the API server can ask it, without reaching the
// store. The manager answers once, and removes the object some minutes later.
// The values of Secrets are never in an answer.
//
// +kubebuilder:object:root=true
// +kubebuilder:subresource:status
// +kubebuilder:resource:path=inspections,scope=Cluster,shortName=insp,categories=kahu
// +kubebuilder:printcolumn:name="Subject",type=string,JSONPath=`.spec.subject`
// +kubebuilder:printcolumn:name="Backup",type=string,JSONPath=`.spec.backupName`
// +kubebuilder:printcolumn:name="Restore",type=string,JSONPath=`.spec.restoreName`
// +kubebuilder:printcolumn:name="State",type=string,JSONPath=`.status.state`
// +kubebuilder:printcolumn:name="Reason",type=string,priority=1,JSONPath=`.status.conditions[?(@.type=="Ready")].reason`
// +kubebuilder:printcolumn:name="Age",type=date,JSONPath=`.metadata.creationTimestamp`
type Inspection struct {
	metav1.TypeMeta `json:",inline"`
	// metadata is the standard object metadata.
	// +optional
	metav1.ObjectMeta `json:"metadata,omitzero"`

	// spec is the question. It cannot be changed.
	// +required
	Spec InspectionSpec `json:"spec,omitzero"`

	// status is one page of the answer.
	// +optional
	Status InspectionStatus `json:"status,omitzero"`
}

// InspectionList is a list of Inspections.
//
// +kubebuilder:object:root=true
type InspectionList struct {
	metav1.TypeMeta `json:",inline"`
	// metadata is the standard list metadata.
	// +optional
	metav1.ListMeta `json:"metadata,omitzero"`
	// items are the Inspections.
	Items []Inspection `json:"items"`
}

// InspectionSubject is what an Inspection asks for.
//
// +kubebuilder:validation:Enum=Report;Objects;Plan;Diff
type InspectionSubject string

const (
	// InspectionSubjectReport is what happened in a run, line by line: warnings,
	// what is missing, and why.
	InspectionSubjectReport InspectionSubject = "Report"
	// InspectionSubjectObjects is which objects are in a backup, and why.
	InspectionSubjectObjects InspectionSubject = "Objects"
	// InspectionSubjectPlan is what a restore would do to each object.
	InspectionSubjectPlan InspectionSubject = "Plan"
	// InspectionSubjectDiff is how the objects of a backup differ from those of
	// another one, or of the cluster.
	InspectionSubjectDiff InspectionSubject = "Diff"
)

// InspectionSpec is a question.
//
// +kubebuilder:validation:XValidation:rule="self == oldSelf",message="spec cannot be changed: an Inspection is one question, create another"
// +kubebuilder:validation:XValidation:rule="has(self.backupName) != has(self.restoreName)",message="name one of spec.backupName and spec.restoreName"
// +kubebuilder:validation:XValidation:rule="self.subject != 'Objects' || has(self.backupName)",message="the subject Objects is about a backup: set spec.backupName",fieldPath=".subject"
// +kubebuilder:validation:XValidation:rule="self.subject != 'Plan' || has(self.restoreName)",message="the subject Plan is about a restore: set spec.restoreName",fieldPath=".subject"
// +kubebuilder:validation:XValidation:rule="self.subject == 'Objects' || (!has(self.includeNamespaces) && !has(self.includeResources))",message="spec.includeNamespaces and spec.includeResources choose among the objects of a backup: remove them, or set spec.subject to Objects",fieldPath=".subject"
// +kubebuilder:validation:XValidation:rule="self.subject != 'Diff' || (has(self.backupName) && has(self.otherBackupName) != (has(self.live) && self.live))",message="the subject Diff compares a backup: set spec.backupName, and one of spec.otherBackupName and spec.live",fieldPath=".subject"
// +kubebuilder:validation:XValidation:rule="self.subject == 'Diff' || !(has(self.otherBackupName) || has(self.live) && self.live || has(self.fields) && self.fields)",message="spec.otherBackupName, spec.live and spec.fields are for the subject Diff: remove them",fieldPath=".subject"
type InspectionSpec struct {
	// subject is what is asked for.
	// +required
	Subject InspectionSubject `json:"subject,omitempty"`

	// backupName is the Backup that the question is about, run here or a view.
	// +optional
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=253
	BackupName string `json:"backupName,omitempty"`

	// restoreName is the Restore that the question is about.
	// +optional
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=253
	RestoreName string `json:"restoreName,omitempty"`

	// includeNamespaces choose, of the Objects of a backup, those of these
	// namespaces. Empty means all.
	// +optional
	// +listType=atomic
	// +kubebuilder:validation:MaxItems=100
	IncludeNamespaces []NamespaceName `json:"includeNamespaces,omitempty"`

	// includeResources choose, of the Objects of a backup, those of these kinds and
	// names. Empty means all.
	// +optional
	// +listType=atomic
	// +kubebuilder:validation:MaxItems=100
	IncludeResources []ResourceFilter `json:"includeResources,omitempty"`

	// otherBackupName is, of a Diff, the newer Backup, run here or a view, at whatever
	// location.
	// +optional
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=253
	OtherBackupName string `json:"otherBackupName,omitempty"`

	// live compares, in a Diff, with the cluster as it is now: with what the filters
	// of the Backup choose, and with what is in it.
	// +optional
	Live bool `json:"live,omitempty"`

	// fields asks, in a Diff, for the fields in which objects differ.
	// +optional
	Fields bool `json:"fields,omitempty"`

	// page is the nextPage of the answer to the same question, of which the answer to
	// this one is the continuation. Empty means the first page.
	// +optional
	// +kubebuilder:validation:MaxLength=128
	// +kubebuilder:validation:Pattern=`^[-A-Za-z0-9._]*$`
	Page string `json:"page,omitempty"`
}

// InspectionStatus is one page of an answer. The manager is its only writer.
type InspectionStatus struct {
	// state is Processing while the answer is looked for, Completed when it is there,
	// and Failed when there is none: the conditions say why.
	// +optional
	State State `json:"state,omitempty"`

	// observedGeneration is the generation of the spec that the status is about.
	// +optional
	// +kubebuilder:validation:Minimum=0
	ObservedGeneration int64 `json:"observedGeneration,omitempty"`

	// conditions are Ready, Reconciling and Stalled.
	// +optional
	// +listType=map
	// +listMapKey=type
	// +kubebuilder:validation:MaxItems=16
	Conditions []metav1.Condition `json:"conditions,omitempty"`

	// completionTimestamp is when the answer was written. Some minutes later the
	// object is removed.
	// +optional
	// +nullable
	CompletionTimestamp *metav1.Time `json:"completionTimestamp,omitempty"`

	// lines are the lines of this page, each a JSON object: at most 256 KiB in all.
	// +optional
	// +listType=atomic
	// +kubebuilder:validation:MaxItems=4096
	// +kubebuilder:validation:items:MaxLength=131072
	Lines []string `json:"lines,omitempty"`

	// nextPage is for spec.page of another Inspection with the same question. Empty
	// means that this page is the last one.
	// +optional
	// +kubebuilder:validation:MaxLength=128
	NextPage string `json:"nextPage,omitempty"`
}
