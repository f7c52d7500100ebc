package provider

import (
	"context"
	"io"
	"time"
)

// Driver is what every driver that stores objects has.
//
// All methods can be called by many goroutines at once, return soon after their context ends, and can be repeated
// after an error.
type Driver interface {
	Identity
	ObjectStore
}

// Identity tells who a driver is and what it can do.
type Identity interface {
	// Info returns who the driver is.
	Info(ctx context.Context) (Info, error)
	// Capabilities returns what the driver can do, in any order, each once. CapabilitiesOf gives those that follow
	// from the interfaces that it implements.
	Capabilities(ctx context.Context) ([]Capability, error)
	// Probe tells whether the driver can serve calls now. It is cheap. False means that it will be able later.
	Probe(ctx context.Context) (bool, error)
}

// ObjectStore stores, returns and removes objects.
//
// When a method that stores or removes has returned nil, the result is durable, and every call that begins later
// sees it. When it has returned an error, the object is as it was before, or as it would be after; never in between.
type ObjectStore interface {
	// Upload stores what content gives until io.EOF, in place of the object of that name if there is one. Any other
	// error of content means that the rest will not come: Upload then stores nothing and returns an error that wraps it.
	// Where an object or a place is in the way that cannot be replaced, the error is ErrFailedPrecondition.
	Upload(ctx context.Context, name string, attributes Attributes, content io.Reader) error
	// Exists tells whether there is an object of that name.
	Exists(ctx context.Context, name string, attributes Attributes) (bool, error)
	// Download returns the content of the object as it is at this moment, whatever is stored later, or ErrNotFound.
	// The reader gives io.EOF after the last byte and only then; it must be closed, and ends with ctx.
	Download(ctx context.Context, name string, attributes Attributes) (io.ReadCloser, error)
	// Delete removes the object. That there is none of that name is a success.
	Delete(ctx context.Context, name string, attributes Attributes) error
}

// Creator is an ObjectStore that can store without replacing.
type Creator interface {
	// Create is Upload, but only if there is no object of that name: otherwise it returns ErrAlreadyExists and leaves
	// the one that is there alone. Of several at once, exactly one succeeds.
	Create(ctx context.Context, name string, attributes Attributes, content io.Reader) error
}

// Lister is an ObjectStore that can tell what is in it.
type Lister interface {
	// List returns a page of the objects whose names begin with a prefix, in the byte order of their names. An object
	// that is there during the whole of a listing is in it once; one that is not wholly stored never is.
	List(ctx context.Context, request ListRequest) (ListPage, error)
}

// MaxPageSize is the largest number of objects in a page of a listing.
const MaxPageSize = 1000

// ListRequest asks for a page of a listing.
type ListRequest struct {
	// Prefix is what the names begin with. It need not end at a slash. Empty means all objects.
	Prefix string
	// Attributes are those of the backup location.
	Attributes Attributes
	// PageToken is empty for the first page, then the NextPageToken of the page before. One that the driver did not
	// give is ErrInvalidArgument.
	PageToken string
	// PageSize is the largest number of objects wanted. Zero, and what is above MaxPageSize, mean MaxPageSize; less
	// than zero is ErrInvalidArgument.
	PageSize int
}

// ListPage is a page of a listing.
type ListPage struct {
	// Objects may be fewer than were asked for, or none, also where more pages follow.
	Objects []ObjectInfo
	// NextPageToken asks for the next page. Empty when this is the last one.
	NextPageToken string
}

// ObjectInfo describes an object.
type ObjectInfo struct {
	// Name is the name of the object.
	Name string
	// Size is the length of the content in bytes.
	Size int64
	// Modified is when the content was stored, by the clock of the store, in UTC.
	Modified time.Time
	// Digest is "sha256:" and 64 lower case hexadecimal digits, or empty where the driver does not know it.
	Digest string
}

// Stater is an ObjectStore that can describe an object.
type Stater interface {
	// Stat describes the object, with its digest where the store has it or the driver can compute it, or returns
	// ErrNotFound. It may read the whole content.
	Stat(ctx context.Context, name string, attributes Attributes) (ObjectInfo, error)
}

// RangeReader is an ObjectStore that can return a part of an object.
type RangeReader interface {
	// DownloadRange is Download for a part of the content.
	DownloadRange(ctx context.Context, request RangeRequest) (io.ReadCloser, error)
}

// RangeRequest asks for a part of the content of an object.
type RangeRequest struct {
	// Name is the name of the object.
	Name string
	// Attributes are those of the backup location.
	Attributes Attributes
	// Offset is where the part begins, in bytes from the beginning. At or behind the end of the content, the part is
	// empty, which is no error. Less than zero is ErrInvalidArgument.
	Offset int64
	// Length is the number of bytes of the part. What would lie behind the end of the content is left out. Zero gives
	// an empty part. Less than zero is ErrInvalidArgument.
	Length int64
}

// Info is who a driver is.
type Info struct {
	// Name is the name that backup locations refer to, such as filesystem.kahu.io. It never changes.
	Name string
	// Version is for people to read.
	Version string
	// Manifest has further facts for people to read, and no secrets.
	Manifest map[string]string
	// SupportedVolumeProvisioners are the names of the CSI drivers whose volumes the driver can back up. Empty means all.
	SupportedVolumeProvisioners []string
}
