package core

import (
	"slices"
	"time"

	"k8s.io/apimachinery/pkg/types"
)

// Living is what an API server says of an object that is in the cluster, besides its content.
type Living struct {
	// Kind is the kind in which it was asked for; Namespace and Name name the object.
	Kind            Kind
	Namespace, Name string
	// UID is its identity, ResourceVersion the version of its content; opaque but for equality.
	UID             types.UID
	ResourceVersion string
	// Generation counts the changes of what it is to be, from 1; 0 where its kind does not count them.
	Generation int64
	// Created is when the API server made it, in whole seconds.
	Created time.Time
	// Terminating tells whether its deletion has been asked for.
	Terminating bool
	// Owners are its owner references, Finalizers what keeps it from going when it is deleted.
	Owners     []Owner
	Finalizers []string
	// Bound tells of a claim that its volume has been found, after which data may be in it.
	Bound bool
	// Managers are those who have written its fields, as far as the API server keeps account of that: there are none where it
	// has no field.
	Managers []Manager
}

// Manager is one entry of the account of who wrote which fields of an object.
type Manager struct {
	// Name is what the writer called itself.
	Name string
	// Subresource is the part of the object that was written, such as status; empty for the object itself.
	Subresource string
}

// System tells whether the manager is a part of Kubernetes itself.
func (m Manager) System() bool {
	switch m.Name {
	case "kube-controller-manager", "kube-scheduler", "kubelet", "cloud-controller-manager", "kube-apiserver",
		"clusterrole-aggregation-controller": // It is one of kube-controller-manager's.
		return true
	}
	return false
}

// Key returns the object's name in the cluster.
func (l Living) Key() Key {
	return Key{Group: l.Kind.Group, Resource: l.Kind.Resource, Namespace: l.Namespace, Name: l.Name}
}

// WrittenBy tells whether a manager of that name has written fields of the object itself.
func (l Living) WrittenBy(manager string) bool {
	return slices.Contains(l.Managers, Manager{Name: manager})
}
