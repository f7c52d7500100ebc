package core

import "k8s.io/apimachinery/pkg/types"

// Object is one object as it is backed up.
type Object struct {
	// Kind is the kind as the server served it when the object was read.
	Kind Kind
	// Namespace is empty for an object at cluster scope.
	Namespace string
	// Name is the object's name.
	Name string
	// UID is the identity that the API server gave to the object.
	UID types.UID
	// ResourceVersion is the version of the object's content; opaque but for equality.
	ResourceVersion string
	// Labels are the object's labels.
	Labels map[string]string
	// Owners are the object's owner references.
	Owners []Owner
	// Terminating tells whether the object's deletion had been asked for when it was read.
	Terminating bool
	// JSON is the object in stored form: what the API server sent, with apiVersion and kind in every case, without
	// metadata.managedFields and metadata.resourceVersion, compact, the keys of the object itself and of metadata
	// sorted. The digest of an object covers exactly these bytes.
	JSON []byte
}

// Key returns the object's name in the cluster.
func (o Object) Key() Key {
	return Key{Group: o.Kind.Group, Resource: o.Kind.Resource, Namespace: o.Namespace, Name: o.Name}
}

// Owner is one owner reference of an object.
type Owner struct {
	// APIVersion and Kind name the owner's kind, as the reference has them.
	APIVersion string `json:"apiVersion"`
	Kind       string `json:"kind"`
	// Name is the owner's name; its namespace is that of the object, or none.
	Name string `json:"name"`
	// UID is the owner's identity in the cluster from which the object was read.
	UID types.UID `json:"uid"`
	// Controller tells whether the owner manages the object.
	Controller bool `json:"controller,omitempty"`
}

// Reason says why an object is in a backup: "selected", or "needed by Deployment shop/web".
type Reason string

// Selected is the reason of an object that the filters chose.
const Selected Reason = "selected"

// NeededBy returns the reason of an object that is in a backup because another one refers to it.
func NeededBy(kind, namespace, name string) Reason {
	if namespace != "" {
		name = namespace + "/" + name
	}
	return Reason("needed by " + kind + " " + name)
}
