package archive

import (
	"crypto/sha256"
	"fmt"
	"hash"
	"io"

	"github.com/soda-cdm/kahu/internal/core"
)

// File is one file that belongs to a backup, as the manifest names it.
type File struct {
	// Name is the file's name in the location.
	Name string `json:"name"`
	// Size is the length in bytes.
	Size int64 `json:"size"`
	// Digest is that of the whole file.
	Digest Digest `json:"digest"`
}

// MeasuringWriter passes on what is written and measures it.
type MeasuringWriter struct {
	target io.Writer
	hash   hash.Hash
	size   int64
}

// NewMeasuringWriter returns a writer that passes everything on to the target.
func NewMeasuringWriter(target io.Writer) *MeasuringWriter {
	return &MeasuringWriter{target: target, hash: sha256.New()}
}

// Write writes to the target and measures what the target took.
func (m *MeasuringWriter) Write(data []byte) (int, error) {
	n, err := m.target.Write(data)
	m.hash.Write(data[:n])
	m.size += int64(n)
	return n, err
}

// Size returns the number of bytes written so far.
func (m *MeasuringWriter) Size() int64 { return m.size }

// File returns what was written so far as a file of that name.
func (m *MeasuringWriter) File(name string) File {
	return File{Name: name, Size: m.size, Digest: sumOf(m.hash)}
}

func sumOf(h hash.Hash) Digest {
	var sum [sha256.Size]byte
	h.Sum(sum[:0])
	return digestFrom(sum)
}

// VerifyingReader reads a file and compares it with what the manifest says. It returns core.ErrCorrupt in place of
// io.EOF where size or digest differ, and as soon as there are more bytes than there should be. What was read before
// is not yet to be trusted: act on it after the end.
type VerifyingReader struct {
	source io.Reader
	file   File
	hash   hash.Hash
	size   int64
	err    error
}

// NewVerifyingReader returns a reader of the source, which should be that file.
func NewVerifyingReader(source io.Reader, file File) *VerifyingReader {
	return &VerifyingReader{source: source, file: file, hash: sha256.New()}
}

// Read reads from the source. An error of the source is passed on, except io.EOF, which comes only for a whole file.
func (v *VerifyingReader) Read(buffer []byte) (int, error) {
	if v.err != nil {
		return 0, v.err
	}
	n, err := v.source.Read(buffer)
	v.hash.Write(buffer[:n])
	v.size += int64(n)
	switch { // io.Reader promises io.EOF itself at the end; an error that wraps it is none
	case v.size > v.file.Size:
		v.err = fmt.Errorf("%s is longer than the %d bytes that were written: %w", v.file.Name, v.file.Size, core.ErrCorrupt)
	case err == io.EOF:
		v.err = v.compare()
	case err != nil:
		v.err = fmt.Errorf("reading %s: %w", v.file.Name, err)
	}
	return n, v.err
}

func (v *VerifyingReader) compare() error {
	if v.size < v.file.Size {
		return fmt.Errorf("%s ends after %d of %d bytes: %w", v.file.Name, v.size, v.file.Size, core.ErrCorrupt)
	}
	if found := sumOf(v.hash); found != v.file.Digest {
		return fmt.Errorf("%s has digest %s, not %s: %w", v.file.Name, found, v.file.Digest, core.ErrCorrupt)
	}
	return io.EOF
}

// Verify reads the source to its end and returns nil where all of it is as it was written.
func (v *VerifyingReader) Verify() error {
	_, err := io.Copy(io.Discard, v)
	return err
}

// VerifySegment reads a whole segment, or any other file, and returns core.ErrCorrupt where it is not as written.
func VerifySegment(source io.Reader, file File) error {
	return NewVerifyingReader(source, file).Verify()
}
