package v1beta1

import (
	"maps"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
)

// TransformSet is what restores change in objects on their way back, under a name
// that many Restores can use.
//
// +kubebuilder:object:root=true
// +kubebuilder:subresource:status
// +kubebuilder:resource:path=transformsets,scope=Cluster,shortName=tset,categories=kahu
// +kubebuilder:printcolumn:name="Ready",type=string,JSONPath=`.status.conditions[?(@.type=="Ready")].status`
// +kubebuilder:printcolumn:name="Reason",type=string,priority=1,JSONPath=`.status.conditions[?(@.type=="Ready")].reason`
// +kubebuilder:printcolumn:name="Age",type=date,JSONPath=`.metadata.creationTimestamp`
type TransformSet struct {
	metav1.TypeMeta `json:",inline"`
	// metadata is the standard object metadata.
	// +optional
	metav1.ObjectMeta `json:"metadata,omitzero"`

	// spec is what is changed. A Restore uses the spec that it finds when it is
	// accepted; later changes are for later Restores.
	// +required
	Spec TransformSetSpec `json:"spec,omitzero"`

	// status says whether a Restore can use the set.
	// +optional
	Status TransformSetStatus `json:"status,omitzero"`
}

// TransformSetList is a list of TransformSets.
//
// +kubebuilder:object:root=true
type TransformSetList struct {
	metav1.TypeMeta `json:",inline"`
	// metadata is the standard list metadata.
	// +optional
	metav1.ListMeta `json:"metadata,omitzero"`
	// items are the TransformSets.
	Items []TransformSet `json:"items"`
}

// TransformSetSpec is what is changed in objects: first by the mappings, then by
// the transforms in their order.
type TransformSetSpec struct {
	// transforms are applied to each object that they match, in order.
	// +optional
	// +listType=atomic
	// +kubebuilder:validation:MaxItems=64
	Transforms []Transform `json:"transforms,omitempty"`

	// imageMapping is from registries, paths or repositories of images to others.
	// +optional
	ImageMapping ImageMapping `json:"imageMapping,omitempty"`

	// storageClassMapping is from names of storage classes to others.
	// +optional
	StorageClassMapping StorageClassMapping `json:"storageClassMapping,omitempty"`
}

// ImageMapping is from prefixes of images (a registry, a path in it, a
// repository) to others. The longest prefix that fits counts; tags and digests
// stay as they are.
//
// +mapType=atomic
// +kubebuilder:object:generate=false
// +kubebuilder:validation:MaxProperties=256
// +kubebuilder:validation:XValidation:rule="self.all(k, size(k) > 0 && size(k) <= 512 && size(self[k]) > 0 && size(self[k]) <= 512)",message="the prefixes of imageMapping have 1 to 512 characters, on both sides"
type ImageMapping map[string]string

// DeepCopy returns a copy that shares nothing with the mapping; nil of nil.
func (m ImageMapping) DeepCopy() ImageMapping { return maps.Clone(m) }

// StorageClassMapping is from names of storage classes in a backup to names in
// this cluster.
//
// +mapType=atomic
// +kubebuilder:object:generate=false
// +kubebuilder:validation:MaxProperties=256
// +kubebuilder:validation:XValidation:rule="self.all(k, size(k) > 0 && size(k) <= 253 && size(self[k]) > 0 && size(self[k]) <= 253)",message="the names in storageClassMapping have 1 to 253 characters, on both sides"
type StorageClassMapping map[string]string

// DeepCopy returns a copy that shares nothing with the mapping; nil of nil.
func (m StorageClassMapping) DeepCopy() StorageClassMapping { return maps.Clone(m) }

// Transform is one change of the objects that it matches.
//
// +kubebuilder:validation:XValidation:rule="has(self.jsonPatch) != has(self.mergePatch)",message="give one of jsonPatch and mergePatch, and not both"
type Transform struct {
	// name is for people: texts about the transform have it.
	// +optional
	// +kubebuilder:validation:MaxLength=63
	Name string `json:"name,omitempty"`

	// match chooses the objects. Absent means all.
	// +optional
	Match TransformMatch `json:"match,omitzero"`

	// jsonPatch are operations of a JSON patch (RFC 6902), applied all or none.
	// +optional
	// +listType=atomic
	// +kubebuilder:validation:MinItems=1
	// +kubebuilder:validation:MaxItems=64
	JSONPatch []JSONPatchOperation `json:"jsonPatch,omitempty"`

	// mergePatch is a JSON merge patch (RFC 7386): an object with the fields to set,
	// and null for those to remove. At most 64 KiB.
	// +optional
	// +kubebuilder:validation:Schemaless
	// +kubebuilder:validation:Type=object
	// +kubebuilder:pruning:PreserveUnknownFields
	MergePatch JSONValue `json:"mergePatch,omitzero"`

	// onError says what becomes of an object to which the transform cannot be
	// applied: Fail (the default) does not restore it, Skip restores it without the
	// transform.
	// +optional
	OnError TransformErrorPolicy `json:"onError,omitempty"`
}

// TransformErrorPolicy is what becomes of an object to which a transform cannot
// be applied.
//
// +kubebuilder:validation:Enum=Fail;Skip
type TransformErrorPolicy string

const (
	// TransformErrorFail does not restore the object, and says so.
	TransformErrorFail TransformErrorPolicy = "Fail"
	// TransformErrorSkip restores the object without the transform.
	TransformErrorSkip TransformErrorPolicy = "Skip"
)

// TransformMatch chooses objects. All that is given must hold.
type TransformMatch struct {
	// resources are kinds and names of objects, as they are in the backup. Empty
	// means all.
	// +optional
	// +listType=atomic
	// +kubebuilder:validation:MaxItems=16
	Resources []ResourceFilter `json:"resources,omitempty"`

	// namespaces are names of namespaces in the backup, and choose what is in them.
	// Empty means all, and objects at cluster scope.
	// +optional
	// +listType=atomic
	// +kubebuilder:validation:MaxItems=100
	Namespaces []NamespaceName `json:"namespaces,omitempty"`

	// labelSelector selects objects by their labels. Absent means all.
	// +optional
	LabelSelector *metav1.LabelSelector `json:"labelSelector,omitempty"`

	// condition is a CEL expression over the variable object, which is the object as
	// it would be created, and must be true.
	// +optional
	// +kubebuilder:validation:MaxLength=4096
	Condition string `json:"condition,omitempty"`
}

// JSONPatchOperation is one operation of a JSON patch (RFC 6902).
//
// +kubebuilder:validation:XValidation:rule="(self.op in ['move', 'copy']) == has(self.from)",message="from is for the operations move and copy, which need it",fieldPath=".from"
type JSONPatchOperation struct {
	// op is what the operation does.
	// +required
	// +kubebuilder:validation:Enum=add;remove;replace;move;copy;test
	Op string `json:"op,omitempty"`

	// path is a JSON pointer (RFC 6901) to the field, such as /spec/replicas.
	// +required
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=1024
	// +kubebuilder:validation:Pattern=`^/`
	Path string `json:"path,omitempty"`

	// from is the JSON pointer to the field that move and copy take.
	// +optional
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=1024
	// +kubebuilder:validation:Pattern=`^/`
	From string `json:"from,omitempty"`

	// value is any JSON value, also null: add, replace and test need one.
	// +optional
	// +nullable
	// +kubebuilder:validation:Schemaless
	// +kubebuilder:pruning:PreserveUnknownFields
	Value JSONValue `json:"value,omitzero"`
}

// JSONValue is any JSON value, as it was written; null is one, too.
type JSONValue struct { //nolint:recvcheck // Values that cannot be addressed are encoded, too; to decode needs a pointer.
	// Raw is the JSON; empty where no value was given.
	Raw []byte `json:"-"`
}

// IsZero tells whether no value was given.
func (v JSONValue) IsZero() bool { return len(v.Raw) == 0 }

// MarshalJSON returns the JSON, or null where there is none.
func (v JSONValue) MarshalJSON() ([]byte, error) {
	if len(v.Raw) == 0 {
		return []byte("null"), nil
	}
	return v.Raw, nil
}

// UnmarshalJSON keeps the JSON as it is.
func (v *JSONValue) UnmarshalJSON(text []byte) error {
	v.Raw = append(v.Raw[:0], text...)
	return nil
}

// TransformSetStatus says whether a Restore can use the set. The manager is its
// only writer.
type TransformSetStatus struct {
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

	// validationErrors are what is wrong with the spec: which field, and what to do.
	// +optional
	// +listType=atomic
	// +kubebuilder:validation:MaxItems=100
	// +kubebuilder:validation:items:MaxLength=1024
	ValidationErrors []string `json:"validationErrors,omitempty"`
}

// UsedTransformSet is a TransformSet as it was when a Restore was accepted.
type UsedTransformSet struct {
	// name is the name of the set.
	// +required
	// +kubebuilder:validation:MaxLength=253
	Name string `json:"name,omitempty"`

	// uid is the identity of the set.
	// +optional
	// +kubebuilder:validation:MaxLength=64
	UID string `json:"uid,omitempty"`

	// generation is the version of the spec.
	// +optional
	// +kubebuilder:validation:Minimum=0
	Generation int64 `json:"generation,omitempty"`

	// spec is what the run uses, as it stands in a TransformSet.
	// +required
	// +kubebuilder:validation:Schemaless
	// +kubebuilder:validation:Type=object
	// +kubebuilder:pruning:PreserveUnknownFields
	Spec JSONValue `json:"spec,omitzero"`
}
