package s3

import (
	"bytes"
	"context"
	"encoding/base64"
	"errors"
	"fmt"
	"io"
	"strings"

	"github.com/minio/minio-go/v7"

	"github.com/soda-cdm/kahu/provider"
)

// Exists implements provider.ObjectStore.
func (s *Store) Exists(ctx context.Context, name string, attributes provider.Attributes) (bool, error) {
	_, err := s.Stat(ctx, name, attributes)
	if errors.Is(err, provider.ErrNotFound) {
		return false, nil
	}
	return err == nil, err
}

// metadataDigest is the metadata of an object under which its digest is kept, where it was known before the first
// byte was sent.
const metadataDigest = "Kahu-Sha256"

// Stat implements provider.Stater. The digest is known of what was stored in one request.
func (s *Store) Stat(ctx context.Context, name string, attributes provider.Attributes) (provider.ObjectInfo, error) {
	b, err := s.openNamed(name, attributes)
	if err != nil {
		return provider.ObjectInfo{}, err
	}
	found, err := b.StatObject(ctx, b.bucket, b.key(name), minio.StatObjectOptions{ServerSideEncryption: b.customerKey()})
	if err != nil {
		return provider.ObjectInfo{}, b.classify(ctx, "looking for "+name, err)
	}
	info := describe(name, found)
	info.Digest = digestOf(found)
	return info, nil
}

// digestOf returns the digest that was stored with an object, if it has the form of one.
func digestOf(found minio.ObjectInfo) string {
	digest := found.UserMetadata[metadataDigest]
	if len(digest) != hexDigits || strings.Trim(digest, "0123456789abcdef") != "" {
		return ""
	}
	return "sha256:" + digest
}

const hexDigits = 64

func describe(name string, found minio.ObjectInfo) provider.ObjectInfo {
	return provider.ObjectInfo{Name: name, Size: found.Size, Modified: found.LastModified.UTC()}
}

// openNamed opens the bucket for a call about one object.
func (s *Store) openNamed(name string, attributes provider.Attributes) (*bucket, error) {
	if err := provider.ValidateName(name); err != nil {
		return nil, err
	}
	return s.open(attributes)
}

// Download implements provider.ObjectStore.
func (s *Store) Download(ctx context.Context, name string, attributes provider.Attributes) (io.ReadCloser, error) {
	b, err := s.openNamed(name, attributes)
	if err != nil {
		return nil, err
	}
	return b.get(ctx, name, minio.GetObjectOptions{ServerSideEncryption: b.customerKey()})
}

// DownloadRange implements provider.RangeReader.
func (s *Store) DownloadRange(ctx context.Context, request provider.RangeRequest) (io.ReadCloser, error) {
	if err := provider.ValidateRangeRequest(request); err != nil {
		return nil, err
	}
	b, err := s.openNamed(request.Name, request.Attributes)
	if err != nil {
		return nil, err
	}
	if request.Length == 0 {
		// There is no range of no bytes; whether the object is there is to be told all the same.
		_, err := s.Stat(ctx, request.Name, request.Attributes)
		return nothing(), err
	}
	options := minio.GetObjectOptions{ServerSideEncryption: b.customerKey()}
	last := request.Offset + request.Length - 1
	if last < request.Offset { // The sum is more than the numbers have room for.
		last = maxOffset
	}
	if err := options.SetRange(request.Offset, last); err != nil {
		return nil, fmt.Errorf("range of %q: %w: %w", request.Name, err, provider.ErrInvalidArgument)
	}
	content, err := b.get(ctx, request.Name, options)
	if isBehindEnd(err) {
		return nothing(), nil
	}
	return content, err
}

const maxOffset = 1<<63 - 1

func nothing() io.ReadCloser { return io.NopCloser(bytes.NewReader(nil)) }

// errBehindEnd: a range begins at or behind the end of the object.
var errBehindEnd = errors.New("the range begins behind the end")

func isBehindEnd(err error) bool { return errors.Is(err, errBehindEnd) }

// get asks for a content.
func (b *bucket) get(ctx context.Context, name string, options minio.GetObjectOptions) (io.ReadCloser, error) {
	content, _, _, err := b.GetObject(ctx, b.bucket, b.key(name), options)
	if answer, ok := errors.AsType[minio.ErrorResponse](err); ok && answer.Code == "InvalidRange" {
		return nil, errBehindEnd
	}
	if err != nil {
		return nil, b.classify(ctx, "opening "+name, err)
	}
	return &classifyingReader{ReadCloser: content, ctx: ctx, name: name, of: b}, nil
}

// Delete implements provider.ObjectStore. In a bucket with versions the versions stay, as the bucket's own rules say.
func (s *Store) Delete(ctx context.Context, name string, attributes provider.Attributes) error {
	b, err := s.openNamed(name, attributes)
	if err != nil {
		return err
	}
	err = b.RemoveObject(ctx, b.bucket, b.key(name), minio.RemoveObjectOptions{})
	if err == nil {
		return nil
	}
	if err = b.classify(ctx, "deleting "+name, err); errors.Is(err, provider.ErrNotFound) {
		return nil
	}
	return err
}

// List implements provider.Lister.
func (s *Store) List(ctx context.Context, request provider.ListRequest) (provider.ListPage, error) {
	if err := provider.ValidateListRequest(request); err != nil {
		return provider.ListPage{}, err
	}
	after, err := decodeToken(request)
	if err != nil {
		return provider.ListPage{}, err
	}
	b, err := s.open(request.Attributes)
	if err != nil {
		return provider.ListPage{}, err
	}
	size := request.PageSize
	if size == 0 || size > provider.MaxPageSize {
		size = provider.MaxPageSize
	}
	options := minio.ListObjectsOptions{Prefix: b.key(request.Prefix), Recursive: true, MaxKeys: size}
	if after != "" {
		options.StartAfter = b.key(after)
	}
	return b.page(ctx, options, size)
}

// page reads one page of a listing. Keys that are no names, such as the folders that some tools make, are left out.
func (b *bucket) page(ctx context.Context, options minio.ListObjectsOptions, size int) (provider.ListPage, error) {
	page, seen, last := provider.ListPage{}, 0, ""
	for found := range b.ListObjectsIter(ctx, b.bucket, options) {
		if found.Err != nil {
			return provider.ListPage{}, b.classify(ctx, "listing", found.Err)
		}
		name := strings.TrimPrefix(found.Key, b.prefix)
		seen, last = seen+1, name
		if provider.ValidateName(name) == nil {
			page.Objects = append(page.Objects, describe(name, found))
		}
		if seen == size {
			page.NextPageToken = encodeToken(last)
			break
		}
	}
	if ctx.Err() != nil {
		return provider.ListPage{}, fmt.Errorf("listing: %w", context.Cause(ctx))
	}
	return page, nil
}

// A token is the last name of the page before.
func encodeToken(name string) string {
	return base64.RawURLEncoding.EncodeToString([]byte("after:" + name))
}

func decodeToken(request provider.ListRequest) (string, error) {
	if request.PageToken == "" {
		return "", nil
	}
	raw, err := base64.RawURLEncoding.DecodeString(request.PageToken)
	name, ours := strings.CutPrefix(string(raw), "after:")
	if err != nil || !ours || !strings.HasPrefix(name, request.Prefix) {
		return "", fmt.Errorf("the page token is none that this driver gave for this prefix: %w", provider.ErrInvalidArgument)
	}
	return name, nil
}
