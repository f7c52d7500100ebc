package engine

import (
	"context"
	"io"

	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/types"

	"github.com/soda-cdm/kahu/internal/core"
)

// The ports: what the use cases ask of the world. Package cluster satisfies those that speak of objects, package
// store those that speak of files. Errors carry the classes of package core.

// KindLister tells what an API server serves.
type KindLister interface {
	// Kinds returns every kind that can be listed, got and created, each once, in the version that the server
	// prefers, ordered by group and resource; and the groups that the server announces and cannot describe.
	Kinds(ctx context.Context) ([]core.Kind, []core.UnservedGroup, error)
	// Serves tells whether the kind can be created in exactly its version, preferred or not.
	Serves(ctx context.Context, kind core.Kind) (bool, error)
}

// ObjectLister reads all objects of a kind.
type ObjectLister interface {
	// List visits the objects page by page until visit returns an error, which it then returns. A list whose
	// position expired before its end fails with core.ErrExpired: the caller begins again.
	List(ctx context.Context, request core.ListRequest, visit func(page core.Page) error) error
}

// MetadataLister reads what changed of a kind without reading what did not.
type MetadataLister interface {
	// ListMetadata visits the objects page by page without their contents, in the way of ObjectLister.
	ListMetadata(ctx context.Context, request core.ListRequest, visit func(page core.MetadataPage) error) error
	// ListPage visits the objects of one of these pages whole, as of the same moment, or fails with core.ErrExpired.
	ListPage(ctx context.Context, request core.ListRequest, from core.Position, visit func(page core.Page) error) error
}

// ObjectGetter reads one object.
type ObjectGetter interface {
	// Get returns the object of the kind with that name, or core.ErrNotFound.
	Get(ctx context.Context, kind core.Kind, namespace, name string) (core.Object, error)
}

// LivingGetter tells of objects without their contents.
type LivingGetter interface {
	// Living returns what the API server says of the object of that name, or core.ErrNotFound.
	Living(ctx context.Context, kind core.Kind, namespace, name string) (core.Living, error)
}

// LivingLister tells of all objects of a kind without their contents.
type LivingLister interface {
	// EachLiving visits what the API server says of the objects of the kind, in one namespace or, without one, in all, until
	// visit returns an error, which it then returns. An object can come twice.
	EachLiving(ctx context.Context, kind core.Kind, namespace string, visit func(living core.Living) error) error
}

// ObjectDeleter deletes objects.
type ObjectDeleter interface {
	// Delete asks for the deletion of exactly this object, as it was read, or gives core.ErrConflict. That it is gone is no
	// error.
	Delete(ctx context.Context, living core.Living, orphan bool) error
	// AwaitGone returns when the object is not there any more, or when the context ends.
	AwaitGone(ctx context.Context, living core.Living) error
}

// ObjectCreator creates objects.
type ObjectCreator interface {
	// Create creates the object with one request, in the name of a manager, and returns its new UID. An object of that name gives
	// core.ErrAlreadyExists, one that the server refuses core.ErrInvalid or core.ErrDenied with the server's words.
	Create(ctx context.Context, kind core.Kind, object *unstructured.Unstructured, manager string) (types.UID, error)
	// Replace writes over the object of that name, whatever is in it, as a person's update would.
	Replace(ctx context.Context, kind core.Kind, object *unstructured.Unstructured, manager string) error
	// Merge changes fields of an object, or of a subresource. A kind that does not have the subresource gives
	// core.ErrUnsupported or core.ErrNotFound.
	Merge(ctx context.Context, patch core.MergePatch, manager string) error
}

// ChangeWaiter waits for what others do in a cluster.
type ChangeWaiter interface {
	// WaitGone returns when there is no object of that name and UID any more, or with core.ErrUnavailable when the
	// context ends.
	WaitGone(ctx context.Context, kind core.Kind, namespace, name string, uid types.UID) error
	// WaitChange returns when an object of the kind has changed since the version, with the one from which to wait on.
	// Without a version it returns at once with the present one.
	WaitChange(ctx context.Context, kind core.Kind, since string) (string, error)
}

// DefinitionWaiter waits for custom resource definitions.
type DefinitionWaiter interface {
	// WaitEstablished returns when all the definitions of these names are established and the API server serves
	// their kinds, or with the names of those that are not when the context ends.
	WaitEstablished(ctx context.Context, names []string) error
}

// FileReader reads the files of a store.
type FileReader interface {
	// Open returns the whole file as a stream, or core.ErrNotFound.
	Open(ctx context.Context, name string) (io.ReadCloser, error)
	// OpenRange returns length bytes from offset on, fewer where the file ends before.
	OpenRange(ctx context.Context, name string, offset, length int64) (io.ReadCloser, error)
}

// FileHolder tells what a store has.
type FileHolder interface {
	// Holds tells whether the file has that size and digest, or gives core.ErrNotFound.
	Holds(ctx context.Context, name string, size int64, digest string) (bool, error)
}

// FileCreator writes new files into a store.
type FileCreator interface {
	// Create begins a new file. Commit fails with core.ErrAlreadyExists where a file of that name with other content
	// is there.
	Create(ctx context.Context, name string) (core.FileWriter, error)
}

// FileReplacer writes over files of a store.
type FileReplacer interface {
	// Replace writes the whole file, in place of one that may be there.
	Replace(ctx context.Context, name string, content []byte) error
}

// FileLister lists the files of a store.
type FileLister interface {
	// List visits the files whose names begin with the prefix, in the byte order of their names. A store that cannot
	// list gives core.ErrUnsupported.
	List(ctx context.Context, prefix string, visit func(file core.FileInfo) error) error
}

// ListedFiles reads the files of a store and finds them.
type ListedFiles interface {
	FileReader
	FileLister
}

// FileRemover removes files from a store.
type FileRemover interface {
	// Remove removes the file; that it is not there is no error.
	Remove(ctx context.Context, name string) error
}
