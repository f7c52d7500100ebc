package nfs

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"math"

	"github.com/soda-cdm/kahu/provider"
	"github.com/soda-cdm/kahu/providers/nfs/internal/nfs3"
)

// Exists implements provider.ObjectStore.
func (s *Store) Exists(ctx context.Context, name string, attributes provider.Attributes) (bool, error) {
	if err := check(ctx, name); err != nil {
		return false, err
	}
	session, err := s.open(ctx, attributes)
	if err != nil {
		return false, err
	}
	defer session.close()
	_, err = session.find(ctx, name)
	if errors.Is(err, provider.ErrNotFound) {
		return false, nil
	}
	return err == nil, err
}

// Download implements provider.ObjectStore. A server keeps no file for those who read it: one that is replaced or
// removed while it is read fails with provider.ErrUnavailable, unless it is so short that it has been read by then.
func (s *Store) Download(
	ctx context.Context, name string, attributes provider.Attributes,
) (io.ReadCloser, error) {
	reader, _, err := s.read(ctx, provider.RangeRequest{Name: name, Attributes: attributes, Length: math.MaxInt64})
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
	reader, _, err := s.read(ctx, request)
	if err != nil {
		return nil, err
	}
	return reader, nil
}

// Stat implements provider.Stater. It reads the whole content, for the digest.
func (s *Store) Stat(
	ctx context.Context, name string, attributes provider.Attributes,
) (provider.ObjectInfo, error) {
	reader, object, err := s.read(ctx, provider.RangeRequest{Name: name, Attributes: attributes, Length: math.MaxInt64})
	if err != nil {
		return provider.ObjectInfo{}, err
	}
	defer func() { _ = reader.Close() }() // It was only read from.
	digest := sha256.New()
	if _, err := io.Copy(digest, reader); err != nil {
		return provider.ObjectInfo{}, fmt.Errorf("computing the digest of object %q: %w", name, err)
	}
	object.Digest = "sha256:" + hex.EncodeToString(digest.Sum(nil))
	return object, nil
}

// describe returns what a file tells of an object.
func describe(name string, attributes nfs3.Attributes) provider.ObjectInfo {
	return provider.ObjectInfo{
		Name: name, Size: int64(min(attributes.Size, math.MaxInt64)),
		Modified: inGo(attributes.Modified),
	}
}

// read opens an object or a part of it. What fits into the window is read at once, so that nobody can replace it while
// it is read; if somebody was faster, it begins again.
func (s *Store) read(ctx context.Context, request provider.RangeRequest) (*objectReader, provider.ObjectInfo, error) {
	if err := check(ctx, request.Name); err != nil {
		return nil, provider.ObjectInfo{}, err
	}
	session, err := s.open(ctx, request.Attributes)
	if err != nil {
		return nil, provider.ObjectInfo{}, err
	}
	for range maxAttempts {
		var object found
		if object, err = session.find(ctx, request.Name); err != nil {
			break
		}
		info := describe(request.Name, object.file.Attributes)
		reader := newObjectReader(ctx, session, object.file.Handle, request, info.Size)
		if err = reader.prefetch(); err == nil {
			return reader, info, nil
		}
		reader.stop()
		if !isStale(err) {
			break
		}
	}
	session.close()
	return nil, provider.ObjectInfo{}, classifyReading(ctx, request.Name, err)
}

// classifyReading gives an error of reading its class.
func classifyReading(ctx context.Context, name string, err error) error {
	doing := fmt.Sprintf("reading object %q", name)
	switch {
	case errors.Is(err, provider.ErrNotFound):
		return err
	case errors.Is(err, errShort):
		return fmt.Errorf("%s: %w, somebody has cut it: %w", doing, err, provider.ErrDataLoss)
	case isStale(err):
		return fmt.Errorf("%s: it was replaced or removed while it was read: %w: %w", doing, err, provider.ErrUnavailable)
	default:
		return classify(ctx, doing, err)
	}
}

// objectReader reads an object or a part of it, while the call that opened it lasts.
type objectReader struct {
	session *session
	pieceAt func(offset uint64, count uint32) *piece
	fails   func(err error) error // Gives an error its class.
	cancel  context.CancelFunc

	next, end uint64   // What has not been asked for.
	pieces    []*piece // What has, in order.
	rest      []byte   // What has come and has not been read.
	err       error    // Why no more comes.
}

func newObjectReader(
	ctx context.Context, session *session, file nfs3.Handle, request provider.RangeRequest, size int64,
) *objectReader {
	name := request.Name
	begin := min(request.Offset, size)
	length := min(request.Length, size-begin)
	reading, cancel := context.WithCancel(ctx)
	return &objectReader{
		session: session, cancel: cancel,
		next: uint64(max(begin, 0)), end: uint64(max(begin+length, 0)),
		pieceAt: func(offset uint64, count uint32) *piece {
			return readPiece(reading, session.client, file, offset, count)
		},
		fails: func(err error) error { return classifyReading(ctx, name, err) },
	}
}

// fill asks for as much as fits into the window.
func (r *objectReader) fill() {
	for len(r.pieces) < window && r.next < r.end {
		count := uint32(min(uint64(r.session.export.Limits.ReadBytes), r.end-r.next)) //nolint:gosec // The least of both.
		r.pieces = append(r.pieces, r.pieceAt(r.next, count))
		r.next += uint64(count)
	}
}

// prefetch asks for the first window, and waits for it if it is all.
func (r *objectReader) prefetch() error {
	r.fill()
	if r.next < r.end {
		return nil
	}
	for _, p := range r.pieces {
		<-p.done
		if p.err != nil {
			return p.err
		}
	}
	return nil
}

// Read implements io.Reader.
func (r *objectReader) Read(buffer []byte) (int, error) {
	for len(r.rest) == 0 {
		if r.err != nil {
			return 0, r.err
		}
		r.fill()
		if len(r.pieces) == 0 {
			return 0, io.EOF
		}
		first := r.pieces[0]
		<-first.done
		r.pieces = r.pieces[1:]
		r.rest = first.data
		if first.err != nil {
			r.err = r.fails(first.err)
		}
	}
	n := copy(buffer, r.rest)
	r.rest = r.rest[n:]
	return n, nil
}

// stop ends what is under way.
func (r *objectReader) stop() {
	r.cancel()
	for _, p := range r.pieces {
		<-p.done
	}
	r.pieces = nil
}

// Close implements io.Closer.
func (r *objectReader) Close() error {
	if r.session == nil {
		return nil
	}
	r.stop()
	r.session.close()
	r.session, r.rest, r.err = nil, nil, io.ErrClosedPipe
	return nil
}
