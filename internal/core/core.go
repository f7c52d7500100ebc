// Package core is the centre of Kahu: its words, and below it the packages that decide.
//
// Everything in here is values in, values out. Nothing in core knows a cluster, a clock, a disk or a network; the
// edges (packages cluster, store, volume) bring the values and carry out what was decided.
//
// The words are few. A Kind is one kind of object as an API server serves it. A Key names one object of one kind
// in one cluster. An Object is one object as it is backed up, its JSON in stored form. A Reason says why an object
// is in a backup. The error classes say what went wrong in a way on which code can act.
package core

import (
	"cmp"
	"strings"

	"k8s.io/apimachinery/pkg/runtime/schema"
)

// Kind is one kind of object as an API server serves it, in the version that the server prefers.
type Kind struct {
	// Group is the API group, empty for the core group.
	Group string
	// Version is the version in which objects of the kind are read and stored.
	Version string
	// Name is the kind's name in the singular and in camel case, such as Deployment.
	Name string
	// Resource is the plural name in lower case, as it stands in paths, such as deployments.
	Resource string
	// Singular is the singular name in lower case; servers may leave it empty.
	Singular string
	// ShortNames are the abbreviations that kubectl accepts, such as deploy.
	ShortNames []string
	// Namespaced tells whether objects of the kind live in namespaces.
	Namespaced bool
	// Custom tells whether the kind is defined by a CustomResourceDefinition or served by an aggregated API server.
	Custom bool
	// Definition identifies the state of the CustomResourceDefinition, where it was looked at and says how objects are
	// served: as long as it is the same, an object that was not written reads as before. Empty says nothing.
	Definition string
}

// GroupResource returns the group and the plural name, which identify a kind whatever its version.
func (k Kind) GroupResource() schema.GroupResource {
	return schema.GroupResource{Group: k.Group, Resource: k.Resource}
}

// GroupVersionResource returns what identifies the kind's endpoint at an API server.
func (k Kind) GroupVersionResource() schema.GroupVersionResource {
	return schema.GroupVersionResource{Group: k.Group, Version: k.Version, Resource: k.Resource}
}

// GroupVersionKind returns what stands in an object's apiVersion and kind.
func (k Kind) GroupVersionKind() schema.GroupVersionKind {
	return schema.GroupVersionKind{Group: k.Group, Version: k.Version, Kind: k.Name}
}

// APIVersion returns the value of an object's apiVersion field: the version, after the group where there is one.
func (k Kind) APIVersion() string {
	return schema.GroupVersion{Group: k.Group, Version: k.Version}.String()
}

// String returns the kind as people write it: the kind's name, with the group where there is one (Deployment.apps).
func (k Kind) String() string {
	if k.Group == "" {
		return k.Name
	}
	return k.Name + "." + k.Group
}

// Key names one object in a cluster, whatever the version in which it is read.
type Key struct {
	// Group is the API group, empty for the core group.
	Group string
	// Resource is the plural name in lower case.
	Resource string
	// Namespace is empty for an object at cluster scope.
	Namespace string
	// Name is the object's name.
	Name string
}

// GroupResource returns the group and the plural name of the object's kind.
func (k Key) GroupResource() schema.GroupResource {
	return schema.GroupResource{Group: k.Group, Resource: k.Resource}
}

// String returns the key for people: resource.group namespace/name.
func (k Key) String() string {
	name := k.Name
	if k.Namespace != "" {
		name = k.Namespace + "/" + name
	}
	return k.GroupResource().String() + " " + name
}

// Compare orders keys by group and resource, then by the bytes of namespace/name, which is the order in which an
// API server lists the objects of a kind.
func (k Key) Compare(other Key) int {
	return cmp.Or(
		strings.Compare(k.Group, other.Group),
		strings.Compare(k.Resource, other.Resource),
		strings.Compare(k.Namespace+"/"+k.Name, other.Namespace+"/"+other.Name),
	)
}
