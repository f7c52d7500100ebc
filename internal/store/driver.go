package store

import (
	"context"
	"io"

	"github.com/soda-cdm/kahu/internal/core"
)

// driver is a provider as the decorators see it: with every function, those that it lacks answering
// core.ErrUnsupported, and with errors of core's classes.
type driver interface {
	reader
	writer
	lister
}

// reader is the part of a driver that reads.
type reader interface {
	// open returns the whole content. The context ends the stream also after open has returned.
	open(ctx context.Context, name string) (io.ReadCloser, error)
	// openRange returns a part of the content; what lies behind its end is left out.
	openRange(ctx context.Context, name string, offset, length int64) (io.ReadCloser, error)
	// stat describes the content.
	stat(ctx context.Context, name string) (object, error)
	// exists tells whether there is such a file.
	exists(ctx context.Context, name string) (bool, error)
}

// writer is the part of a driver that writes.
type writer interface {
	// create stores the content unless a file of that name is there: core.ErrAlreadyExists.
	create(ctx context.Context, name string, content io.Reader) error
	// upload stores the content in place of what may be there.
	upload(ctx context.Context, name string, content io.Reader) error
	// remove removes the file, if there is one.
	remove(ctx context.Context, name string) error
}

// lister is the part of a driver that lists.
type lister interface {
	// list returns one page of the files whose names begin with the prefix.
	list(ctx context.Context, prefix, token string) (page, error)
}

// object is a file as a driver describes it.
type object struct {
	core.FileInfo
	// Digest is "sha256:" and 64 hexadecimal digits, or empty where the driver does not know it.
	Digest string
}

// page is one page of a listing.
type page struct {
	objects []object
	// next asks for the page after it; empty when there is none.
	next string
}
