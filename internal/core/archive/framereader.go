package archive

import (
	"archive/tar"
	"bytes"
	"cmp"
	"errors"
	"fmt"
	"io"
	"iter"
	"slices"
	"strings"

	"github.com/klauspost/compress/zstd"

	"github.com/soda-cdm/kahu/internal/core"
)

// FrameReader takes objects out of frames. It uses its memory again and is not safe for concurrent use.
type FrameReader struct {
	decoder *zstd.Decoder
	plain   []byte
}

// NewFrameReader returns a reader. Close must be called at the end.
func NewFrameReader() (*FrameReader, error) {
	decoder, err := zstd.NewReader(nil, zstd.WithDecoderConcurrency(1), zstd.WithDecoderLowmem(true),
		zstd.WithDecoderMaxMemory(MaxFrameSize))
	if err != nil {
		return nil, fmt.Errorf("making a zstd decoder: %w", err)
	}
	return &FrameReader{decoder: decoder}, nil
}

// Close gives back the memory.
func (f *FrameReader) Close() { f.decoder.Close() }

// Read visits the objects of the records, which must all be in this frame, in the order of the records. The bytes
// are the object's JSON, compared with its digest, and valid until visit returns. An error of visit ends the reading
// and is returned as it is. A frame that is not as it was written gives core.ErrCorrupt with the object, the segment
// and the place.
func (f *FrameReader) Read(compressed []byte, records []Record, visit func(record Record, json []byte) error) error {
	if len(records) == 0 {
		return nil
	}
	frame := records[0].Frame
	where := fmt.Sprintf("frame at %d of segment %s", frame.Offset, frame.Segment)
	if int64(len(compressed)) != frame.Length {
		return corrupt(where, fmt.Errorf("%d of %d bytes", len(compressed), frame.Length))
	}
	if err := f.decompress(compressed); err != nil {
		return corrupt(where, err)
	}
	for _, record := range records {
		if record.Frame != frame {
			return fmt.Errorf("%s: %s is in another one: %w", where, record.Key(), core.ErrInvalid)
		}
		if !within(record.Offset, record.Length, int64(len(f.plain))) {
			return corrupt(where, fmt.Errorf("%s at %d, %d bytes long, is not in its %d bytes",
				record.Key(), record.Offset, record.Length, len(f.plain)))
		}
		json := f.plain[record.Offset : record.Offset+record.Length]
		if found := DigestOf(json); found != record.Digest {
			return corrupt(where, fmt.Errorf("%s at %d has digest %s, not %s",
				record.Key(), record.Offset, found, record.Digest))
		}
		if err := visit(record, json); err != nil {
			return err
		}
	}
	return nil
}

// Entries visits all entries of a frame by what its tar headers say, for whoever has a segment and no index. The
// bytes are valid until visit returns. Entries that are no objects give core.ErrCorrupt, and so do bytes that belong
// to no entry.
func (f *FrameReader) Entries(compressed []byte, visit func(entry Entry, json []byte) error) error {
	if err := f.decompress(compressed); err != nil {
		return corrupt("frame", err)
	}
	plain := bytes.NewReader(f.plain)
	entries := tar.NewReader(plain)
	for {
		header, err := entries.Next()
		if errors.Is(err, io.EOF) {
			return f.checkRest(plain.Len())
		}
		if err != nil {
			return corrupt("frame", err)
		}
		entry, ok := ParseEntryName(header.Name)
		if !ok || header.Typeflag != tar.TypeReg || header.Size > MaxObjectSize {
			return corrupt("frame", fmt.Errorf("entry %q is no object", clip(header.Name)))
		}
		entry.Offset = int64(len(f.plain) - plain.Len())
		if !within(entry.Offset, header.Size, int64(len(f.plain))) {
			return corrupt("frame", fmt.Errorf("entry %q at %d, %d bytes long, is not in the %d bytes of its frame",
				clip(header.Name), entry.Offset, header.Size, len(f.plain)))
		}
		if err := visit(entry, f.plain[entry.Offset:][:header.Size]); err != nil {
			return err
		}
	}
}

// checkRest returns core.ErrCorrupt where bytes are left over after the end of the tar.
func (f *FrameReader) checkRest(left int) error {
	if left > 0 {
		return corrupt("frame", fmt.Errorf("%d bytes of %d follow the end of the tar", left, len(f.plain)))
	}
	return nil
}

func (f *FrameReader) decompress(compressed []byte) error {
	plain, err := f.decoder.DecodeAll(compressed, f.plain[:0])
	f.plain = plain[:len(plain):cap(plain)]
	return err
}

// ReadFrame is FrameReader.Read for a single frame.
func ReadFrame(compressed []byte, records []Record, visit func(record Record, json []byte) error) error {
	reader, err := NewFrameReader()
	if err != nil {
		return err
	}
	defer reader.Close()
	return reader.Read(compressed, records, visit)
}

// ByFrame sorts the records by where their objects are, and returns those of each frame: the order in which segments
// are read with the least effort.
func ByFrame(records []Record) iter.Seq[[]Record] {
	SortByFrame(records)
	return func(yield func([]Record) bool) {
		for start := 0; start < len(records); {
			end := start + 1
			for end < len(records) && records[end].Frame == records[start].Frame {
				end++
			}
			if !yield(records[start:end:end]) {
				return
			}
			start = end
		}
	}
}

// SortByFrame sorts the records by where their objects are.
func SortByFrame(records []Record) {
	slices.SortFunc(records, func(x, y Record) int {
		return cmp.Or(
			strings.Compare(x.Frame.Segment, y.Frame.Segment),
			cmp.Compare(x.Frame.Offset, y.Frame.Offset),
			cmp.Compare(x.Frame.Length, y.Frame.Length),
			cmp.Compare(x.Offset, y.Offset),
		)
	})
}
