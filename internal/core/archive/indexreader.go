package archive

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"iter"

	"github.com/soda-cdm/kahu/internal/core"
)

// IndexReader reads an index record by record, in the order of the format. It holds one record at a time and refuses
// everything that an IndexBuilder does not write: disorder, an object that comes twice, counts that do not match.
// Read the index through a VerifyingReader, and act on its records only when all were read without an error.
type IndexReader struct {
	lines  *lineReader
	header indexHeader
	kind   IndexedKind
	left   int64 // records of the kind that are still to come
	kinds  int   // kinds whose lines were read
	read   int64 // records that were read
	last   core.Key
	// records reads the lines of records, and checked has the segments whose names are good.
	records *recordReader
	checked segmentNames
	ending  *ending // set where the last line is a digest
	// nameless tells that it is a comparison file, whose records have no names and no order.
	nameless bool
}

// NewIndexReader reads the first line. Close must be called at the end. The errors are core.ErrCorrupt,
// NewerFormatError and those of the source.
func NewIndexReader(source io.Reader) (*IndexReader, error) {
	lines, err := newLineReader("index", source)
	if err != nil {
		return nil, err
	}
	reader := &IndexReader{lines: lines, records: newRecordReader(), checked: segmentNames{}}
	if err := reader.begin(); err != nil {
		lines.close()
		return nil, err
	}
	return reader, nil
}

func (r *IndexReader) begin() error {
	err := r.lines.decode(&r.header)
	if errors.Is(err, errEnd) {
		return r.lines.corrupt(io.ErrUnexpectedEOF)
	}
	if err != nil {
		return err
	}
	if err := checkFormat("index", r.header.FormatVersion); err != nil {
		return err
	}
	if r.header.Kinds < 0 || r.header.Kinds > MaxKinds || r.header.Objects < 0 {
		return r.lines.corrupt(fmt.Errorf("%d kinds, %d objects", r.header.Kinds, r.header.Objects))
	}
	return nil
}

// Objects returns the number of records in the index.
func (r *IndexReader) Objects() int64 { return r.header.Objects }

// Records returns all records that are still to come; the error, if any, is in the last pair.
func (r *IndexReader) Records() iter.Seq2[Record, error] {
	return func(yield func(Record, error) bool) {
		for {
			record, err := r.next()
			if errors.Is(err, errEnd) {
				return
			}
			if !yield(record, err) || err != nil {
				return
			}
		}
	}
}

// Close gives back the memory of the decompressor. It does not close the source.
func (r *IndexReader) Close() { r.lines.close() }

// names returns records of which nothing is set but what names the object. Each is valid until the next one.
func (r *IndexReader) names() iter.Seq2[*Record, error] {
	return func(yield func(*Record, error) bool) {
		var record Record
		for {
			err := r.nextOf(&record, func(line []byte, record *Record) error {
				if err := r.records.readName(line, record); err != nil {
					return err
				}
				return checkObjectName(record.Kind, record.Namespace, record.Name)
			})
			if errors.Is(err, errEnd) {
				return
			}
			if !yield(&record, err) || err != nil {
				return
			}
		}
	}
}

// next returns the next record, or errEnd after the last one.
func (r *IndexReader) next() (Record, error) {
	var record Record
	err := r.nextOf(&record, func(line []byte, record *Record) (err error) {
		if *record, err = r.records.readRecord(line, r.kind.Kind); err != nil {
			return err
		}
		if r.nameless {
			return record.checkPlace(r.checked)
		}
		return record.check(r.checked)
	})
	return record, err
}

// nextOf reads the next line that is one of a record, in order, or returns errEnd after the last one.
func (r *IndexReader) nextOf(record *Record, read func(line []byte, record *Record) error) error {
	for r.left == 0 {
		if r.kinds == r.header.Kinds {
			return r.end()
		}
		if err := r.nextKind(); err != nil {
			return err
		}
	}
	line, err := r.line()
	if err != nil {
		return err
	}
	record.Kind = r.kind.Kind
	if err := read(line, record); err != nil {
		return r.lines.corrupt(err)
	}
	if key := record.Key(); !r.nameless {
		if r.read > 0 && r.last.Compare(key) >= 0 {
			return r.lines.corrupt(fmt.Errorf("%s comes after %s", key, r.last))
		}
		r.last = key
	}
	r.read++
	r.left--
	return nil
}

func (r *IndexReader) nextKind() error {
	text, err := r.line()
	if err != nil {
		return err
	}
	var line kindLine
	if err := json.Unmarshal(text, &line); err != nil {
		return r.lines.corrupt(err)
	}
	kind := line.kind()
	if err := kind.check(); err != nil {
		return r.lines.corrupt(err)
	}
	if r.kinds > 0 && compareKinds(r.kind.Kind, kind.Kind) >= 0 {
		return r.lines.corrupt(fmt.Errorf("%s comes after %s", kind.Kind.GroupResource(), r.kind.Kind.GroupResource()))
	}
	if kind.Count > r.header.Objects-r.read {
		return r.lines.corrupt(fmt.Errorf("%d of %s are more than the index has", kind.Count, kind.Kind.GroupResource()))
	}
	r.kind, r.left = kind, kind.Count
	r.kinds++
	return nil
}

// end expects the end of the file.
func (r *IndexReader) end() error {
	if r.read != r.header.Objects {
		return r.lines.corrupt(fmt.Errorf("%d objects where %d were announced", r.read, r.header.Objects))
	}
	if r.ending != nil {
		if err := r.ending.check(r.lines); err != nil {
			return err
		}
	}
	if _, err := r.lines.next(); err == nil {
		return r.lines.corrupt(errors.New("more lines than were announced"))
	} else if !errors.Is(err, errEnd) {
		return err
	}
	return errEnd
}

// line returns a line that must be there.
func (r *IndexReader) line() ([]byte, error) {
	line, err := r.lines.next()
	if errors.Is(err, errEnd) {
		return nil, r.lines.corrupt(io.ErrUnexpectedEOF)
	}
	return line, err
}

// ReadIndex returns all records of an index; the error, if any, is in the last pair. See IndexReader.
func ReadIndex(source io.Reader) iter.Seq2[Record, error] {
	return func(yield func(Record, error) bool) {
		reader, err := NewIndexReader(source)
		if err != nil {
			yield(Record{}, err)
			return
		}
		defer reader.Close()
		reader.Records()(yield)
	}
}
