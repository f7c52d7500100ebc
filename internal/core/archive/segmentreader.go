package archive

import (
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"iter"

	"github.com/klauspost/compress/zstd"
)

// Frame is one frame of a segment as it lies there.
type Frame struct {
	// Offset is the number of bytes before the frame in the segment.
	Offset int64
	// Compressed is the frame; it is valid until the next one is asked for.
	Compressed []byte
}

const (
	zstdMagicSize    = 4
	zstdMaxHeader    = zstd.HeaderMaxSize
	zstdBlockHeader  = 3
	zstdChecksum     = 4
	zstdBlockRLE     = 1
	zstdBlockInvalid = 3
)

// Frames returns the frames of a segment one after the other, the last one, with the end of the tar file, included.
// It needs no index. The frames are found by the lengths in them and not decompressed. An error, core.ErrCorrupt or
// one of the source, is in the last pair. Read through a VerifyingReader to have size and digest compared.
func Frames(segment io.Reader) iter.Seq2[Frame, error] {
	return func(yield func(Frame, error) bool) {
		splitter := frameSplitter{source: source{reader: segment}}
		for {
			frame, err := splitter.next()
			if errors.Is(err, errEnd) {
				return
			}
			if !yield(frame, err) || err != nil {
				return
			}
		}
	}
}

// frameSplitter finds the frames of a zstd stream (RFC 8878, section 3.1.1).
type frameSplitter struct {
	source source
	offset int64
	frame  []byte
}

func (s *frameSplitter) next() (Frame, error) {
	s.offset += int64(len(s.frame))
	s.frame = s.frame[:0]
	if err := s.take(1); err != nil {
		if errors.Is(err, errShort) {
			return Frame{}, errEnd
		}
		return Frame{}, err
	}
	if err := s.read(); err != nil {
		if errors.Is(err, errShort) || errors.Is(err, errBadFrame) {
			return Frame{}, corrupt(fmt.Sprintf("segment, frame at %d", s.offset), err)
		}
		return Frame{}, err
	}
	return Frame{Offset: s.offset, Compressed: s.frame}, nil
}

var (
	errShort    = errors.New("the segment ends inside a frame")
	errBadFrame = errors.New("no zstd frame of the format")
)

// read reads the rest of a frame whose first byte is there.
func (s *frameSplitter) read() error {
	header, err := s.header()
	if err != nil {
		return err
	}
	for last := false; !last; {
		last, err = s.block()
		if err != nil {
			return err
		}
	}
	if header.HasCheckSum {
		return s.take(zstdChecksum)
	}
	return nil
}

// header reads byte by byte, as its own length is known only from within.
func (s *frameSplitter) header() (zstd.Header, error) {
	var header zstd.Header
	for len(s.frame) < zstdMaxHeader {
		if err := s.take(1); err != nil {
			return header, err
		}
		if len(s.frame) <= zstdMagicSize {
			continue
		}
		err := header.Decode(s.frame)
		if errors.Is(err, io.ErrUnexpectedEOF) {
			continue
		}
		if err != nil || header.Skippable {
			return header, errBadFrame
		}
		if header.HeaderSize <= len(s.frame) {
			return header, nil
		}
	}
	return header, errBadFrame
}

// block reads one block and tells whether it is the last one.
func (s *frameSplitter) block() (bool, error) {
	if err := s.take(zstdBlockHeader); err != nil {
		return false, err
	}
	var word [4]byte
	copy(word[:], s.frame[len(s.frame)-zstdBlockHeader:])
	head := binary.LittleEndian.Uint32(word[:])
	size := int(head >> 3)
	switch head >> 1 & 3 {
	case zstdBlockRLE:
		size = 1
	case zstdBlockInvalid:
		return false, errBadFrame
	}
	return head&1 == 1, s.take(size)
}

// take appends that many bytes of the source to the frame.
func (s *frameSplitter) take(count int) error {
	start := len(s.frame)
	if start+count > MaxSegmentSize {
		return errBadFrame
	}
	s.frame = append(s.frame, make([]byte, count)...)
	n, err := io.ReadFull(&s.source, s.frame[start:])
	if s.source.err != nil {
		return fmt.Errorf("reading segment: %w", s.source.err)
	}
	if err != nil {
		s.frame = s.frame[:start+n]
		return errShort
	}
	return nil
}
