package filesystem

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"

	"github.com/soda-cdm/kahu/provider"
)

// Download implements provider.ObjectStore.
func (s *Store) Download(
	ctx context.Context, name string, attributes provider.Attributes,
) (io.ReadCloser, error) {
	reader, _, err := s.open(ctx, name, attributes)
	if err != nil {
		return nil, err
	}
	return reader, nil
}

// DownloadRange implements provider.RangeReader.
func (s *Store) DownloadRange(ctx context.Context, request provider.RangeRequest) (io.ReadCloser, error) {
	if err := provider.ValidateRangeRequest(request); err != nil {
		return nil, err
	}
	reader, info, err := s.open(ctx, request.Name, request.Attributes)
	if err != nil {
		return nil, err
	}
	offset := min(request.Offset, info.Size())
	reader.remaining = min(request.Length, info.Size()-offset)
	reader.content = io.NewSectionReader(reader.file, offset, reader.remaining)
	return reader, nil
}

// Stat implements provider.Stater. It reads the whole content, for the digest.
func (s *Store) Stat(
	ctx context.Context, name string, attributes provider.Attributes,
) (provider.ObjectInfo, error) {
	reader, info, err := s.open(ctx, name, attributes)
	if err != nil {
		return provider.ObjectInfo{}, err
	}
	defer closeQuietly(reader)
	digest := sha256.New()
	if _, err := io.Copy(digest, reader); err != nil {
		return provider.ObjectInfo{}, fmt.Errorf("computing the digest of object %q: %w", name, err)
	}
	object := describe(name, info)
	object.Digest = "sha256:" + hex.EncodeToString(digest.Sum(nil))
	return object, nil
}

// describe returns what a file tells of an object.
func describe(name string, info fs.FileInfo) provider.ObjectInfo {
	return provider.ObjectInfo{Name: name, Size: info.Size(), Modified: info.ModTime().UTC()}
}

// open opens an object for reading. The reader has the content as it is at this moment.
func (s *Store) open(
	ctx context.Context, name string, attributes provider.Attributes,
) (*objectReader, fs.FileInfo, error) {
	if err := check(ctx, name); err != nil {
		return nil, nil, err
	}
	root, err := s.openLocation(attributes)
	if err != nil {
		return nil, nil, notFound(name, err)
	}
	defer closeQuietly(root)
	if err := find(root, name); err != nil {
		return nil, nil, notFound(name, err)
	}
	file, err := root.Open(name)
	if isGone(err) {
		err = provider.ErrNotFound
	}
	if err != nil {
		return nil, nil, notFound(name, classify(fmt.Sprintf("opening object %q", name), err))
	}
	// What has been opened may be another file than what has been found.
	info, err := file.Stat()
	if err != nil {
		return nil, nil, errors.Join(classify(fmt.Sprintf("opening object %q", name), err), file.Close())
	}
	if !info.Mode().IsRegular() {
		return nil, nil, errors.Join(fmt.Errorf("object %q: %w", name, provider.ErrNotFound), file.Close())
	}
	return &objectReader{
		ended:     ctx.Err,
		name:      name,
		file:      file,
		content:   io.NewSectionReader(file, 0, info.Size()),
		remaining: info.Size(),
	}, info, nil
}

// notFound gives an object that is not there the same words, whatever of its path is missing.
func notFound(name string, err error) error {
	if errors.Is(err, provider.ErrNotFound) {
		return fmt.Errorf("object %q: %w", name, provider.ErrNotFound)
	}
	return err
}

// objectReader reads an object or a part of it, while the call that opened it lasts.
type objectReader struct {
	ended     func() error
	name      string
	file      *os.File
	content   io.Reader
	remaining int64
}

// Read implements io.Reader. A file that has become shorter than it was is no shorter object but a damaged one.
func (r *objectReader) Read(buffer []byte) (int, error) {
	if err := r.ended(); err != nil {
		return 0, err
	}
	n, err := r.content.Read(buffer)
	r.remaining -= int64(n)
	if err == io.EOF && r.remaining > 0 {
		return n, fmt.Errorf("object %q ends %d bytes early, somebody has cut it: %w",
			r.name, r.remaining, provider.ErrDataLoss)
	}
	if err != nil && err != io.EOF {
		return n, classify(fmt.Sprintf("reading object %q", r.name), err)
	}
	return n, err
}

// Close implements io.Closer.
func (r *objectReader) Close() error { return r.file.Close() }
