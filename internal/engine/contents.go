package engine

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"
	"sync"

	"github.com/soda-cdm/kahu/internal/core"
	"github.com/soda-cdm/kahu/internal/core/archive"
	"github.com/soda-cdm/kahu/internal/core/seal"
)

// Keys finds the keys of encrypted backups.
type Keys interface {
	// Key returns the key of the epoch of that id, or a seal.KeyNeededError where none is to be had.
	Key(ctx context.Context, epoch string) (*seal.Key, error)
}

// sealKeyOf returns the key of a backup, nil for one that is not encrypted.
func sealKeyOf(ctx context.Context, keys Keys, manifest *archive.Manifest) (*seal.Key, error) {
	if manifest.Encryption.IsZero() {
		return nil, nil //nolint:nilnil // No key is needed.
	}
	if keys == nil {
		return nil, fmt.Errorf("backup %s: %w", manifest.ID, &seal.KeyNeededError{Epoch: manifest.Encryption.Epoch})
	}
	key, err := keys.Key(ctx, manifest.Encryption.Epoch)
	if err != nil {
		return nil, fmt.Errorf("backup %s: %w", manifest.ID, err)
	}
	return key, nil
}

// Contents reads the files that a manifest names, whether they are encrypted or not. Sizes and digests are those of what
// lies in the store, and the places of frames those before encryption.
type Contents struct {
	files FileReader
	key   *seal.Key // nil where nothing is encrypted

	mu      sync.Mutex
	segment *openSegment // the one that was read last
}

// openSegment is a segment of which frames are read one after the other.
type openSegment struct {
	name   string
	ranges *rangeReader
	plain  io.ReaderAt
}

// ContentsOf returns what reads the files of a backup.
func ContentsOf(ctx context.Context, files FileReader, keys Keys, manifest *archive.Manifest) (*Contents, error) {
	key, err := sealKeyOf(ctx, keys, manifest)
	if err != nil {
		return nil, err
	}
	return &Contents{files: files, key: key}, nil
}

// PlainContents returns what reads files that are not encrypted.
func PlainContents(files FileReader) *Contents { return &Contents{files: files} }

// SealedContents returns what reads files that are encrypted to the key.
func SealedContents(files FileReader, key *seal.Key) *Contents {
	return &Contents{files: files, key: key}
}

// Decrypt returns what was encrypted, or the source itself.
func (c *Contents) Decrypt(source io.Reader) (io.Reader, error) {
	if c.key == nil {
		return source, nil
	}
	return c.key.Open(source)
}

// Read reads a whole file that a manifest names. That it is as it was written is known when Read returns nil.
func (c *Contents) Read(ctx context.Context, file archive.File, decode func(content io.Reader) error) error {
	source, err := c.files.Open(ctx, file.Name)
	if err != nil {
		return fmt.Errorf("opening %s: %w", file.Name, GoneIsCorrupt(err))
	}
	defer source.Close() //nolint:errcheck // It was read to its end, or the error that ended the reading counts.
	return c.decode(archive.NewVerifyingReader(source, file), decode)
}

// decode decrypts and decodes. That the file is not as it was written is worth more than why it cannot be decoded, and an
// error of whoever uses what was decoded more than both.
func (c *Contents) decode(verifying *archive.VerifyingReader, decode func(content io.Reader) error) error {
	plain, err := c.Decrypt(verifying)
	if err == nil {
		err = decode(plain)
	}
	if err != nil && !errors.Is(err, core.ErrCorrupt) {
		return err
	}
	if err := verifying.Verify(); err != nil {
		return err
	}
	return err
}

// EachRecord visits all records of an index. That the index is as it was written is known at its end only: what visit
// does must not count where an error is returned.
func (c *Contents) EachRecord(ctx context.Context, index archive.File, visit func(record archive.Record) error) error {
	err := c.Read(ctx, index, func(content io.Reader) error {
		for record, err := range archive.ReadIndex(content) {
			if err != nil {
				return err
			}
			if err := visit(record); err != nil {
				return &visitError{err}
			}
		}
		return nil
	})
	if visiting, is := errors.AsType[*visitError](err); is {
		return visiting.cause
	}
	if err != nil {
		return fmt.Errorf("reading the index: %w", err)
	}
	return nil
}

// visitError is the error of a visitor, which must not be taken for damage of what is visited.
type visitError struct{ cause error }

// Error says what the visitor said. The cause does not shine through.
func (e *visitError) Error() string { return e.cause.Error() }

// Frame reads one frame of a segment of that size, fewer bytes where the file ends before.
func (c *Contents) Frame(ctx context.Context, size int64, frame archive.FrameRef) ([]byte, error) {
	if c.key == nil {
		return ReadRange(ctx, c.files, frame)
	}
	if frame.Offset < 0 || frame.Length < 0 || frame.Length > archive.MaxSegmentSize {
		return nil, fmt.Errorf("a frame of %d bytes at %d of %s: %w", frame.Length, frame.Offset, frame.Segment, core.ErrCorrupt)
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	opened, err := c.segmentOf(ctx, frame.Segment, size)
	if err != nil {
		return nil, err
	}
	if err := opened.ranges.prefetch(frame.Offset, frame.Length); err != nil {
		return nil, err
	}
	content := make([]byte, frame.Length)
	n, err := opened.plain.ReadAt(content, frame.Offset)
	if err != nil && !errors.Is(err, io.EOF) {
		return nil, fmt.Errorf("reading segment %s: %w", frame.Segment, err)
	}
	return content[:n], nil
}

// Objects reads the objects of the records, each frame once, and visits them in the order in which they lie in the
// segments. The bytes are valid until visit returns.
func (c *Contents) Objects(
	ctx context.Context, manifest *archive.Manifest, records []archive.Record, visit func(record archive.Record, content []byte) error,
) error {
	records = slices.Clone(records)
	slices.SortFunc(records, func(a, b archive.Record) int {
		return cmp.Or(strings.Compare(a.Frame.Segment, b.Frame.Segment), cmp.Compare(a.Frame.Offset, b.Frame.Offset),
			cmp.Compare(a.Offset, b.Offset))
	})
	reader, err := archive.NewFrameReader()
	if err != nil {
		return err
	}
	defer reader.Close()
	for len(records) > 0 {
		end := slices.IndexFunc(records, func(record archive.Record) bool { return record.Frame != records[0].Frame })
		if end < 0 {
			end = len(records)
		}
		frame, err := c.fetch(ctx, manifest, records[0].Frame)
		if err != nil {
			return err
		}
		if err := reader.Read(frame, records[:end], visit); err != nil {
			return err
		}
		records = records[end:]
	}
	return nil
}

// fetch reads one frame out of its segment.
func (c *Contents) fetch(ctx context.Context, manifest *archive.Manifest, frame archive.FrameRef) ([]byte, error) {
	segment, ok := manifest.Segment(frame.Segment)
	if !ok {
		return nil, fmt.Errorf("the manifest does not name segment %s: %w", frame.Segment, core.ErrCorrupt)
	}
	content, err := c.Frame(ctx, segment.Size, frame)
	return content, GoneIsCorrupt(err)
}

// segmentOf returns the segment that was read last, or another one in its place. The lock is held.
func (c *Contents) segmentOf(ctx context.Context, name string, size int64) (*openSegment, error) {
	if c.segment != nil && c.segment.name == name {
		c.segment.ranges.ctx = ctx // That of this call, whose reads come through an io.ReaderAt.
		return c.segment, nil
	}
	c.segment = nil
	ranges := &rangeReader{ctx: ctx, files: c.files, name: name, size: size}
	plain, length, err := c.key.OpenAt(ranges, size)
	if err != nil {
		return nil, fmt.Errorf("reading segment %s: %w", name, err)
	}
	ranges.plain = length
	c.segment = &openSegment{name: name, ranges: ranges, plain: plain}
	return c.segment, nil
}

const (
	// sealChunk is what age encrypts at once, and sealTag what that grows by, in bytes.
	sealChunk = 64 << 10
	sealTag   = 16
	// rangeSize is what is asked of a store at least.
	rangeSize = 8 << 10
)

// rangeReader reads parts of a file of a store through an io.ReaderAt, which knows no context. It holds the part that was
// read last.
type rangeReader struct {
	ctx   context.Context //nolint:containedctx // An io.ReaderAt takes none.
	files FileReader
	name  string
	size  int64
	plain int64 // the length before encryption

	start int64
	held  []byte
}

// prefetch reads the part of the file in which that part of the content is.
func (r *rangeReader) prefetch(offset, length int64) error {
	chunks := (r.plain + sealChunk - 1) / sealChunk
	header := r.size - r.plain - max(chunks, 1)*sealTag
	first, last := offset/sealChunk, (offset+max(length, 1)-1)/sealChunk
	from := header + first*(sealChunk+sealTag)
	to := min(header+(last+1)*(sealChunk+sealTag), r.size)
	if from >= to || r.holds(from, to-from) {
		return nil
	}
	return r.fetch(from, to-from)
}

func (r *rangeReader) holds(offset, length int64) bool {
	return offset >= r.start && offset+length <= r.start+int64(len(r.held))
}

func (r *rangeReader) fetch(offset, length int64) error {
	content, err := ReadRange(r.ctx, r.files, archive.FrameRef{Segment: r.name, Offset: offset, Length: length})
	if err != nil {
		return err
	}
	r.start, r.held = offset, content
	return nil
}

// ReadAt implements io.ReaderAt.
func (r *rangeReader) ReadAt(buffer []byte, offset int64) (int, error) {
	if offset >= r.size {
		return 0, io.EOF
	}
	wanted := min(int64(len(buffer)), r.size-offset)
	if !r.holds(offset, wanted) {
		if err := r.fetch(offset, min(max(wanted, rangeSize), r.size-offset)); err != nil {
			return 0, err
		}
	}
	if !r.holds(offset, wanted) {
		wanted = max(0, r.start+int64(len(r.held))-offset)
	}
	n := copy(buffer, r.held[offset-r.start:][:wanted])
	if n < len(buffer) {
		return n, io.EOF
	}
	return n, nil
}

// Complete adds to the manifest of an encrypted backup what it does not say.
func (c *Contents) Complete(ctx context.Context, manifest *archive.Manifest) error {
	if manifest.Encryption.IsZero() {
		return nil
	}
	return c.Read(ctx, manifest.Encryption.Details, func(content io.Reader) error {
		details, err := archive.DecodeDetails(content)
		if err != nil {
			return err
		}
		return details.Complete(manifest)
	})
}
