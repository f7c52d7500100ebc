package archive

import (
	"bufio"
	"encoding/json"
	"errors"
	"fmt"
	"io"

	"github.com/klauspost/compress/zstd"
)

// How an encoder works: without goroutines of its own, or so that the next block is taken while one is compressed. Then the
// target is written to by another goroutine until the encoder is closed.
const (
	inStep = 1
	ahead  = 2
)

// newStreamEncoder compresses a stream with a small window.
func newStreamEncoder(target io.Writer, concurrency int) (*zstd.Encoder, error) {
	encoder, err := zstd.NewWriter(target, zstd.WithEncoderConcurrency(concurrency), zstd.WithEncoderCRC(true),
		zstd.WithEncoderLevel(zstd.SpeedFastest), zstd.WithWindowSize(windowSize), zstd.WithLowerEncoderMem(true))
	if err != nil {
		return nil, fmt.Errorf("making a zstd encoder: %w", err)
	}
	return encoder, nil
}

// newLineEncoder writes one line of JSON per value, with <, > and & as they are.
func newLineEncoder(target io.Writer) *json.Encoder {
	encoder := json.NewEncoder(target)
	encoder.SetEscapeHTML(false)
	return encoder
}

// errEnd is the end of a file where a file may end. It is not io.EOF, which errors of a store may wrap.
var errEnd = errors.New("end of file")

// source remembers the error of the reader underneath, which a decompressor might disguise.
type source struct {
	reader io.Reader
	err    error
}

// Read implements io.Reader.
func (s *source) Read(buffer []byte) (int, error) {
	n, err := s.reader.Read(buffer)
	if err != nil && err != io.EOF {
		s.err = err
	}
	return n, err
}

// lineReader reads the lines of a compressed file.
type lineReader struct {
	what    string
	source  *source
	decoder *zstd.Decoder
	buffer  *bufio.Reader
	line    []byte
	number  int
	tee     io.Writer // takes every line with its end, if it is set
}

func newLineReader(what string, reader io.Reader) (*lineReader, error) {
	from := &source{reader: reader}
	decoder, err := zstd.NewReader(from, zstd.WithDecoderConcurrency(1), zstd.WithDecoderLowmem(true),
		zstd.WithDecoderMaxWindow(maxWindowSize))
	if err != nil {
		return nil, fmt.Errorf("making a zstd decoder: %w", err)
	}
	return &lineReader{what: what, source: from, decoder: decoder, buffer: bufio.NewReaderSize(decoder, 64<<10)}, nil
}

// next returns the next line without its end, valid until the next call, or errEnd after the last one.
func (l *lineReader) next() ([]byte, error) {
	l.line = l.line[:0]
	l.number++
	for {
		part, err := l.buffer.ReadSlice('\n')
		l.line = append(l.line, part...)
		switch {
		case len(l.line) > MaxLineSize:
			return nil, l.corrupt(fmt.Errorf("more than %d bytes", MaxLineSize))
		case err == nil:
			return l.line[:len(l.line)-1], l.copy()
		case errors.Is(err, bufio.ErrBufferFull):
		case l.source.err != nil:
			return nil, fmt.Errorf("reading %s: %w", l.what, l.source.err)
		case err == io.EOF && len(l.line) == 0:
			return nil, errEnd
		case err == io.EOF:
			return nil, l.corrupt(io.ErrUnexpectedEOF)
		default:
			return nil, l.corrupt(err)
		}
	}
}

// copy hands a line on.
func (l *lineReader) copy() error {
	if l.tee == nil {
		return nil
	}
	_, err := l.tee.Write(l.line)
	return err
}

// decode reads the next line into the value.
func (l *lineReader) decode(value any) error {
	line, err := l.next()
	if err != nil {
		return err
	}
	if err := json.Unmarshal(line, value); err != nil {
		return l.corrupt(err)
	}
	return nil
}

func (l *lineReader) corrupt(err error) error {
	return corrupt(fmt.Sprintf("%s, line %d", l.what, l.number), err)
}

func (l *lineReader) close() { l.decoder.Close() }
