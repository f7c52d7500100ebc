package store

import (
	"context"
	"errors"
	"fmt"
	"io"

	"github.com/soda-cdm/kahu/internal/core"
	"github.com/soda-cdm/kahu/provider"
)

// base speaks to a provider, with the attributes of one location, and turns its errors into core's classes.
type base struct {
	provider   provider.Driver
	attributes provider.Attributes
}

func (b base) open(ctx context.Context, name string) (io.ReadCloser, error) {
	content, err := b.provider.Download(ctx, name, b.attributes)
	return classedStream(content, err)
}

func (b base) openRange(ctx context.Context, name string, offset, length int64) (io.ReadCloser, error) {
	ranges, ok := b.provider.(provider.RangeReader)
	if !ok {
		return nil, lacking(provider.CapabilityRangeDownload)
	}
	content, err := ranges.DownloadRange(ctx, provider.RangeRequest{
		Name:       name,
		Attributes: b.attributes,
		Offset:     offset,
		Length:     length,
	})
	return classedStream(content, err)
}

func (b base) stat(ctx context.Context, name string) (object, error) {
	stater, ok := b.provider.(provider.Stater)
	if !ok {
		return object{}, lacking(provider.CapabilityStat)
	}
	found, err := stater.Stat(ctx, name, b.attributes)
	return objectFrom(found), classed(err)
}

func (b base) exists(ctx context.Context, name string) (bool, error) {
	found, err := b.provider.Exists(ctx, name, b.attributes)
	return found, classed(err)
}

func (b base) create(ctx context.Context, name string, content io.Reader) error {
	creator, ok := b.provider.(provider.Creator)
	if !ok {
		return lacking(provider.CapabilityCreateIfAbsent)
	}
	return classed(creator.Create(ctx, name, b.attributes, content))
}

func (b base) upload(ctx context.Context, name string, content io.Reader) error {
	return classed(b.provider.Upload(ctx, name, b.attributes, content))
}

func (b base) remove(ctx context.Context, name string) error {
	return classed(b.provider.Delete(ctx, name, b.attributes))
}

func (b base) list(ctx context.Context, prefix, token string) (page, error) {
	lister, ok := b.provider.(provider.Lister)
	if !ok {
		return page{}, lacking(provider.CapabilityList)
	}
	found, err := lister.List(ctx, provider.ListRequest{Prefix: prefix, Attributes: b.attributes, PageToken: token})
	if err != nil {
		return page{}, classed(err)
	}
	objects := make([]object, 0, len(found.Objects))
	for _, each := range found.Objects {
		objects = append(objects, objectFrom(each))
	}
	return page{objects: objects, next: found.NextPageToken}, nil
}

// objectFrom turns a provider's description into ours.
func objectFrom(info provider.ObjectInfo) object {
	return object{
		FileInfo: core.FileInfo{Name: info.Name, Size: info.Size, Modified: info.Modified},
		Digest:   info.Digest,
	}
}

// lacking returns the error of a function that the driver does not have.
func lacking(capability provider.Capability) error {
	return fmt.Errorf("the driver lacks %s: %w", capability, core.ErrUnsupported)
}

// classes returns the one table of the provider's errors and core's. That a person must change something first is
// Invalid: the same call would be refused again.
func classes() [][2]error {
	return [][2]error{
		{provider.ErrNotFound, core.ErrNotFound},
		{provider.ErrAlreadyExists, core.ErrAlreadyExists},
		{provider.ErrPermissionDenied, core.ErrDenied},
		{provider.ErrUnauthenticated, core.ErrDenied},
		{provider.ErrResourceExhausted, core.ErrFull},
		{provider.ErrUnavailable, core.ErrUnavailable},
		{context.DeadlineExceeded, core.ErrUnavailable},
		{provider.ErrInvalidArgument, core.ErrInvalid},
		{provider.ErrFailedPrecondition, core.ErrInvalid},
		{provider.ErrUnimplemented, core.ErrUnsupported},
		{provider.ErrDataLoss, core.ErrCorrupt},
	}
}

// classed gives the error its class. One that has a class already, or none, stays as it is.
func classed(err error) error {
	if err == nil {
		return nil
	}
	for _, each := range classes() {
		if errors.Is(err, each[0]) {
			return &classError{class: each[1], err: err}
		}
	}
	return err
}

// classError adds a class to an error and leaves its text alone.
type classError struct {
	class error
	err   error
}

// Error returns the text of the provider's error.
func (e *classError) Error() string { return e.err.Error() }

// Unwrap returns the class, and the error itself.
func (e *classError) Unwrap() []error { return []error{e.class, e.err} }

// classedStream gives the errors of a stream their classes.
func classedStream(content io.ReadCloser, err error) (io.ReadCloser, error) {
	if err != nil {
		return nil, classed(err)
	}
	return classedReader{content}, nil
}

// classedReader gives the errors of reading their classes.
type classedReader struct{ io.ReadCloser }

// Read reads; the end of the stream stays io.EOF, as readers compare with it: a driver that wraps it does
// not mean the end.
func (r classedReader) Read(into []byte) (int, error) {
	n, err := r.ReadCloser.Read(into)
	if err == io.EOF {
		return n, io.EOF
	}
	return n, classed(err)
}
