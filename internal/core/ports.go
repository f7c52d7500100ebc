package core

import (
	"io"
	"time"
)

// ListRequest asks for the objects of one kind.
type ListRequest struct {
	// Kind is the kind to list.
	Kind Kind
	// Namespace restricts the list to one namespace; empty means all of them, or cluster scope.
	Namespace string
	// LabelSelector restricts the list on the server's side, in the syntax of the API; empty means all.
	LabelSelector string
	// MetadataOnly asks for the metadata of the objects alone: the rest of their JSON is missing.
	MetadataOnly bool
}

// Page is a part of a list.
type Page struct {
	// Objects are in the order in which the server lists them. They belong to the receiver.
	Objects []Object
	// Remaining is the number of objects after this page as the server estimates it, or -1 where it does not say.
	Remaining int64
	// ResourceVersion is the version of the collection.
	ResourceVersion string
}

// MetadataPage is a part of a list of metadata: the JSON of its objects is missing.
type MetadataPage struct {
	Page

	// Position is where the page begins in the list.
	Position Position
}

// Position is a place in a list, from which the same objects can be read with their contents, for some minutes.
type Position struct {
	// Version is that of the collection, Token leads to the page; empty for the first one.
	Version, Token string
	// Objects is how many objects the page has.
	Objects int
}

// UnservedGroup is an API group version that the server announces and cannot describe, for example because the
// aggregated API server behind it is down. What is in it cannot be backed up.
type UnservedGroup struct {
	// GroupVersion is the group and version, such as metrics.k8s.io/v1beta1.
	GroupVersion string
	// Message is what the server said.
	Message string
}

// FileInfo describes one file of a store.
type FileInfo struct {
	// Name is the file's name in the store, with slashes.
	Name string
	// Size is the length in bytes.
	Size int64
	// Modified is the time of the last change by the store's own clock.
	Modified time.Time
}

// FileWriter writes one new file into a store, as a stream. The file appears with Commit, whole, or not at all.
type FileWriter interface {
	io.Writer
	// Commit makes the file real. After an error the file is not there, or is whole.
	Commit() error
	// Abort gives the file up. It does nothing after Commit, so that it can be deferred.
	Abort()
}
