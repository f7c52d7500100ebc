package repository

import (
	"context"
	"errors"
	"fmt"
	"io"
	"strings"
	"time"

	"github.com/kopia/kopia/repo/blob"

	"github.com/soda-cdm/kahu/provider"
)

// blobs is the storage of kopia at a place.
type blobs struct {
	blob.DefaultProviderImplementation

	place Place
	// id names the place in this process.
	id string
}

// connection is what kopia writes into its configuration file about the storage. Credentials stay in memory.
type connection struct {
	ID string `json:"id"`
}

const storageType = "kahu"

// ConnectionInfo implements blob.Reader.
func (b *blobs) ConnectionInfo() blob.ConnectionInfo {
	return blob.ConnectionInfo{Type: storageType, Config: &connection{ID: b.id}}
}

// DisplayName implements blob.Reader.
func (b *blobs) DisplayName() string { return "a backup location, below " + b.place.Prefix }

// GetBlob implements blob.Reader.
func (b *blobs) GetBlob(ctx context.Context, id blob.ID, offset, length int64, output blob.OutputBuffer) error {
	output.Reset()
	if offset < 0 {
		return fmt.Errorf("reading %s from %d: %w", id, offset, blob.ErrInvalidRange)
	}
	content, err := b.open(ctx, id, offset, length)
	if err != nil {
		return classed(err)
	}
	_, err = io.Copy(output, content)
	if err = errors.Join(err, content.Close()); err != nil {
		return fmt.Errorf("reading %s: %w", id, classed(err))
	}
	if length >= 0 && int64(output.Length()) != length {
		return fmt.Errorf("reading %d bytes of %s from %d gives %d: %w", length, id, offset, output.Length(), blob.ErrInvalidRange)
	}
	return nil
}

// open returns a part of a blob, or all of it if the length is below zero.
func (b *blobs) open(ctx context.Context, id blob.ID, offset, length int64) (io.ReadCloser, error) {
	if length < 0 {
		return b.place.Store.Download(ctx, b.name(id), b.place.Attributes)
	}
	return b.place.Store.DownloadRange(ctx, provider.RangeRequest{
		Name: b.name(id), Attributes: b.place.Attributes, Offset: offset, Length: length,
	})
}

// GetMetadata implements blob.Reader. It lists, as the digest that a Stat gives may cost reading the whole blob.
func (b *blobs) GetMetadata(ctx context.Context, id blob.ID) (blob.Metadata, error) {
	page, err := b.place.Store.List(ctx, provider.ListRequest{Prefix: b.name(id), Attributes: b.place.Attributes, PageSize: 1})
	if err != nil {
		return blob.Metadata{}, fmt.Errorf("looking for %s: %w", id, classed(err))
	}
	if len(page.Objects) == 0 || page.Objects[0].Name != b.name(id) { // It would come first, as the order is that of bytes.
		return blob.Metadata{}, fmt.Errorf("%s: %w", id, blob.ErrBlobNotFound)
	}
	return b.describe(page.Objects[0]), nil
}

// ListBlobs implements blob.Lister.
func (b *blobs) ListBlobs(ctx context.Context, prefix blob.ID, each func(blob.Metadata) error) error {
	request := provider.ListRequest{Prefix: b.name(prefix), Attributes: b.place.Attributes}
	for {
		page, err := b.place.Store.List(ctx, request)
		if err != nil {
			return fmt.Errorf("listing what begins with %s: %w", prefix, classed(err))
		}
		for _, object := range page.Objects {
			if strings.Contains(object.Name[len(b.place.Prefix):], "/") {
				continue // Not ours: kopia's names have no slashes.
			}
			if err := each(b.describe(object)); err != nil {
				return err
			}
		}
		if request.PageToken = page.NextPageToken; request.PageToken == "" {
			return nil
		}
	}
}

// PutBlob implements blob.Storage.
func (b *blobs) PutBlob(ctx context.Context, id blob.ID, data blob.Bytes, options blob.PutOptions) error {
	switch {
	case options.HasRetentionOptions():
		return fmt.Errorf("retention of %s: %w", id, blob.ErrUnsupportedPutBlobOption)
	case !options.SetModTime.IsZero():
		return blob.ErrSetTimeUnsupported
	}
	content := data.Reader()
	put := b.place.Store.Upload
	if options.DoNotRecreate {
		put = b.create
	}
	err := errors.Join(put(ctx, b.name(id), b.place.Attributes, content), content.Close())
	if err != nil {
		return fmt.Errorf("writing %s: %w", id, classed(err))
	}
	if options.GetModTime == nil {
		return nil
	}
	found, err := b.GetMetadata(ctx, id)
	*options.GetModTime = found.Timestamp
	return err
}

func (b *blobs) create(ctx context.Context, name string, attributes provider.Attributes, content io.Reader) error {
	creator, can := b.place.Store.(provider.Creator)
	if !can {
		return blob.ErrUnsupportedPutBlobOption
	}
	return creator.Create(ctx, name, attributes, content)
}

// DeleteBlob implements blob.Storage.
func (b *blobs) DeleteBlob(ctx context.Context, id blob.ID) error {
	if err := b.place.Store.Delete(ctx, b.name(id), b.place.Attributes); err != nil {
		return fmt.Errorf("removing %s: %w", id, classed(err))
	}
	return nil
}

func (b *blobs) name(id blob.ID) string { return b.place.Prefix + string(id) }

func (b *blobs) describe(object provider.ObjectInfo) blob.Metadata {
	return blob.Metadata{
		BlobID: blob.ID(object.Name[len(b.place.Prefix):]), Length: object.Size, Timestamp: object.Modified.In(time.UTC),
	}
}

// classed puts kopia's class in front of an error that it must know: it tries all others again.
func classed(err error) error {
	for _, pair := range [][2]error{
		{provider.ErrNotFound, blob.ErrBlobNotFound},
		{provider.ErrAlreadyExists, blob.ErrBlobAlreadyExists},
		{provider.ErrUnauthenticated, blob.ErrInvalidCredentials},
		{provider.ErrPermissionDenied, blob.ErrInvalidCredentials},
		{provider.ErrUnimplemented, blob.ErrUnsupportedPutBlobOption},
	} {
		if errors.Is(err, pair[0]) {
			return fmt.Errorf("%w: %w", pair[1], err)
		}
	}
	return err
}
