package stored

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"

	"github.com/soda-cdm/kahu/internal/core"
)

const (
	// firstBuffer is the size with which a Reader's buffer begins, in bytes.
	firstBuffer = 64 << 10
	// MaxObject is the length of the longest object that is read, in bytes. etcd takes 1.5 MiB unless it is told
	// otherwise, and no API server known takes requests over 3 MiB; servers with a storage of their own may.
	MaxObject = 64 << 20
)

// ListMeta is what a page of a list says of itself.
type ListMeta struct {
	// ResourceVersion is the version of the collection.
	ResourceVersion string `json:"resourceVersion"`
	// Continue is the token that asks for the next page, empty at the end of the list.
	Continue string `json:"continue"`
	// RemainingItemCount is the number of objects after this page, nil where the server does not say.
	RemainingItemCount *int64 `json:"remainingItemCount"`
}

// Reader reads the objects of one page of a list from a stream, and holds one object at a time. It is not for
// several goroutines at once.
type Reader struct {
	in        io.Reader
	converter *Converter
	// buffer[start:end] is what was read and not yet used.
	buffer     []byte
	start, end int
	place      place
	// first tells that no member or item came yet in the envelope or the array where the reader is.
	first     bool
	seenItems bool
	meta      ListMeta
}

// place is where in the page a Reader is.
type place int

const (
	atStart place = iota
	inEnvelope
	inItems
	atEnd
)

// NewReader returns a Reader for a page of objects that the converter makes.
func NewReader(in io.Reader, converter *Converter) *Reader {
	return &Reader{in: in, converter: converter, buffer: make([]byte, firstBuffer)}
}

// Next returns the next object, or io.EOF after the last one, when the whole page has been read. A stream that ends
// before the page does gives io.ErrUnexpectedEOF, what is not a list core.ErrCorrupt, an object longer than
// MaxObject core.ErrUnsupported, and an error of the stream is returned as it is.
func (r *Reader) Next() (core.Object, error) {
	for {
		switch r.place {
		case atStart:
			if err := r.expect('{'); err != nil {
				return core.Object{}, err
			}
			r.place, r.first = inEnvelope, true
		case inEnvelope:
			if err := r.readMember(); err != nil {
				return core.Object{}, err
			}
		case inItems:
			more, err := r.another(']')
			if err != nil {
				return core.Object{}, err
			}
			if more {
				return r.readItem()
			}
			r.place, r.first = inEnvelope, false
		case atEnd:
			return core.Object{}, io.EOF
		}
	}
}

// Meta returns what the page says of itself. It is complete after Next has returned io.EOF; before that, it holds
// what stood in front of the objects, which differs from kind to kind.
func (r *Reader) Meta() ListMeta { return r.meta }

func (r *Reader) readItem() (core.Object, error) {
	raw, err := r.value()
	if err != nil {
		return core.Object{}, err
	}
	return r.converter.Object(raw)
}

// readMember reads one member of the envelope, the array of items only as far as its opening, or its end.
func (r *Reader) readMember() error {
	more, err := r.another('}')
	if err != nil {
		return err
	}
	if !more {
		return r.finish()
	}
	raw, err := r.value()
	if err != nil {
		return err
	}
	var key string
	if err := json.Unmarshal(raw, &key); err != nil {
		return fmt.Errorf("%w: list with a key that is no string", core.ErrCorrupt)
	}
	if err := r.expect(':'); err != nil {
		return err
	}
	if key == "items" {
		return r.openItems()
	}
	return r.readOther(key)
}

// readOther reads a member of the envelope that is not its items.
func (r *Reader) readOther(key string) error {
	raw, err := r.value()
	if err != nil {
		return err
	}
	if key == "metadata" {
		if err := json.Unmarshal(raw, &r.meta); err != nil {
			return fmt.Errorf("%w: list with metadata that cannot be read", core.ErrCorrupt)
		}
		return nil
	}
	if !json.Valid(raw) {
		return fmt.Errorf("%w: list with a member that is no JSON", core.ErrCorrupt)
	}
	return nil
}

func (r *Reader) openItems() error {
	if r.seenItems {
		return fmt.Errorf("%w: list with its items twice", core.ErrCorrupt)
	}
	r.seenItems = true
	c, err := r.peek()
	if err != nil {
		return err
	}
	if c == '[' {
		r.start++
		r.place, r.first = inItems, true
		return nil
	}
	raw, err := r.value()
	if err != nil {
		return err
	}
	if string(raw) != "null" {
		return fmt.Errorf("%w: list whose items are no array", core.ErrCorrupt)
	}
	return nil
}

// finish makes sure that the page was a list and that nothing comes after it.
func (r *Reader) finish() error {
	if !r.seenItems {
		return fmt.Errorf("%w: list without items", core.ErrCorrupt)
	}
	switch _, err := r.peek(); {
	case errors.Is(err, io.ErrUnexpectedEOF):
		r.place = atEnd
		return nil
	case err != nil:
		return err
	default:
		return fmt.Errorf("%w: list with something after its end", core.ErrCorrupt)
	}
}

// another goes to the next element of an array or object that ends with the given byte, or over its end.
func (r *Reader) another(end byte) (bool, error) {
	c, err := r.peek()
	if err != nil {
		return false, err
	}
	if c == end {
		r.start++
		return false, nil
	}
	if !r.first {
		if err := r.expect(','); err != nil {
			return false, err
		}
	}
	r.first = false
	return true, nil
}

func (r *Reader) expect(want byte) error {
	c, err := r.peek()
	if err != nil {
		return err
	}
	if c != want {
		return fmt.Errorf("%w: list without a %q where one must be", core.ErrCorrupt, want)
	}
	r.start++
	return nil
}

// peek skips white space and returns the byte after it, which it leaves.
func (r *Reader) peek() (byte, error) {
	for {
		for r.start < r.end {
			if c := r.buffer[r.start]; !isSpace(c) {
				return c, nil
			}
			r.start++
		}
		if err := r.more(); err != nil {
			return 0, err
		}
	}
}

// value returns the bytes of the value that comes next, valid until the next call. It finds the value's end by its
// brackets and quotes; whether what is between is JSON, the caller must see.
func (r *Reader) value() ([]byte, error) {
	c, err := r.peek()
	if err != nil {
		return nil, err
	}
	extent := extent{scalar: c != '{' && c != '[' && c != '"'}
	for {
		if extent.find(r.buffer[r.start:r.end]) {
			value := r.buffer[r.start : r.start+extent.length]
			r.start += extent.length
			return value, nil
		}
		if err := r.more(); err != nil {
			return nil, err
		}
	}
}

// more reads on, after it has made room.
func (r *Reader) more() error {
	if r.start > 0 {
		r.end = copy(r.buffer, r.buffer[r.start:r.end])
		r.start = 0
	}
	if r.end == len(r.buffer) {
		if r.end >= MaxObject {
			return fmt.Errorf("%w: object of more than %d MiB", core.ErrUnsupported, MaxObject>>20)
		}
		r.buffer = append(r.buffer, make([]byte, len(r.buffer))...)
	}
	n, err := r.in.Read(r.buffer[r.end:])
	r.end += n
	if n > 0 || err == nil {
		return nil
	}
	if errors.Is(err, io.EOF) {
		return io.ErrUnexpectedEOF
	}
	return err
}

// extent looks for the end of one value in bytes that arrive bit by bit.
type extent struct {
	// length is how far it has looked; once found, the length of the value.
	length int
	depth  int
	quoted bool
	scalar bool
}

// find goes on looking in data, which begins with the value and has grown since the last call.
func (e *extent) find(data []byte) bool {
	if e.scalar {
		return e.findDelimiter(data)
	}
	for e.length < len(data) {
		if e.quoted {
			if !e.skipQuoted(data) {
				return false
			}
		} else {
			e.step(data[e.length])
		}
		if e.depth == 0 && !e.quoted {
			return true
		}
	}
	return false
}

func (e *extent) step(c byte) {
	switch c {
	case '{', '[':
		e.depth++
	case '}', ']':
		e.depth--
	case '"':
		e.quoted = true
	}
	e.length++
}

// skipQuoted goes on to the end of a string, and tells whether it is there.
func (e *extent) skipQuoted(data []byte) bool {
	for e.length < len(data) {
		switch data[e.length] {
		case '"':
			e.length++
			e.quoted = false
			return true
		case '\\':
			if e.length+1 == len(data) {
				return false
			}
			e.length++
		}
		e.length++
	}
	return false
}

func (e *extent) findDelimiter(data []byte) bool {
	for e.length < len(data) {
		if c := data[e.length]; isSpace(c) || bytes.IndexByte([]byte(",:]}"), c) >= 0 {
			return true
		}
		e.length++
	}
	return false
}
