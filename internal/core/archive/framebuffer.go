package archive

import (
	"archive/tar"
	"bytes"
	"fmt"

	"github.com/soda-cdm/kahu/internal/core"
)

const (
	tarBlock = 512
	fileMode = 0o600
)

// frameBuffer is a frame before compression, and the records of what is in it. Its memory is used again.
type frameBuffer struct {
	buffer  bytes.Buffer
	tar     *tar.Writer
	header  tar.Header
	records []Record
}

func (f *frameBuffer) reset() {
	f.buffer.Reset()
	f.tar = tar.NewWriter(&f.buffer)
	clear(f.records)
	f.records = f.records[:0]
}

func (f *frameBuffer) size() int { return f.buffer.Len() }

// bytes returns the tar so far, valid until the next change.
func (f *frameBuffer) bytes() []byte { return f.buffer.Bytes() }

// add appends one entry: its header, the object's JSON and the padding. The headers depend on nothing but the name
// and the size, so that the same objects give the same bytes.
func (f *frameBuffer) add(name string, object core.Object, reason core.Reason) error {
	f.header = tar.Header{Typeflag: tar.TypeReg, Name: name, Mode: fileMode, Size: int64(len(object.JSON))}
	if err := f.tar.WriteHeader(&f.header); err != nil {
		return fmt.Errorf("writing tar header %s: %w", name, err)
	}
	record := recordOf(object, reason)
	record.Offset = int64(f.buffer.Len())
	if _, err := f.tar.Write(object.JSON); err != nil {
		return fmt.Errorf("writing tar entry %s: %w", name, err)
	}
	if err := f.tar.Flush(); err != nil {
		return fmt.Errorf("ending tar entry %s: %w", name, err)
	}
	f.records = append(f.records, record)
	return nil
}

// finish appends the end of a tar file.
func (f *frameBuffer) finish() error {
	if err := f.tar.Close(); err != nil {
		return fmt.Errorf("ending tar: %w", err)
	}
	return nil
}

// entrySize is the length of the object's entry where its name fits the header.
func entrySize(object core.Object) int {
	return tarBlock + (len(object.JSON)+tarBlock-1)/tarBlock*tarBlock
}
