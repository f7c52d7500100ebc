package stored

import (
	"bytes"
	"encoding/json"
	"fmt"

	"github.com/soda-cdm/kahu/internal/core"
)

// maxDepth is the deepest nesting of arrays and objects, the same as in encoding/json.
const maxDepth = 10000

// scanner checks JSON text byte by byte.
type scanner struct {
	data []byte
	pos  int
	// spaced tells that white space stood between the tokens.
	spaced bool
}

// member is one member of a JSON object.
type member struct {
	// name is the key without quotes and escapes.
	name []byte
	// key and value are the bytes as they were sent, the key with its quotes.
	key, value []byte
}

// membersOf returns the members of the object that is the whole of data, in the order in which they were sent, and
// whether there was white space between tokens. The members share the bytes of data; into is reused.
func membersOf(data []byte, into []member) ([]member, bool, error) {
	s := scanner{data: data}
	into = into[:0]
	s.skipSpace()
	if s.peek() != '{' {
		return nil, false, s.corrupt("expecting an object")
	}
	if err := s.object(1, &into); err != nil {
		return nil, false, err
	}
	s.skipSpace()
	if s.pos != len(data) {
		return nil, false, s.corrupt("expecting the end")
	}
	return into, s.spaced, nil
}

func (s *scanner) value(depth int) error {
	switch s.peek() {
	case '{':
		return s.object(depth+1, nil)
	case '[':
		return s.array(depth + 1)
	case '"':
		return s.quoted()
	case 't':
		return s.literal("true")
	case 'f':
		return s.literal("false")
	case 'n':
		return s.literal("null")
	default:
		return s.number()
	}
}

// object reads an object whose depth is given, and adds its members to into unless that is nil.
func (s *scanner) object(depth int, into *[]member) error {
	if depth > maxDepth {
		return s.corrupt("nesting too deep")
	}
	s.pos++
	s.skipSpace()
	if s.peek() == '}' {
		s.pos++
		return nil
	}
	for {
		if err := s.member(depth, into); err != nil {
			return err
		}
		switch s.peek() {
		case ',':
			s.pos++
			s.skipSpace()
		case '}':
			s.pos++
			return nil
		default:
			return s.corrupt("expecting a comma or the end of an object")
		}
	}
}

// member reads a key, a colon and a value, and the white space after them.
func (s *scanner) member(depth int, into *[]member) error {
	start := s.pos
	if s.peek() != '"' {
		return s.corrupt("expecting a key")
	}
	if err := s.quoted(); err != nil {
		return err
	}
	key := s.data[start:s.pos]
	s.skipSpace()
	if s.peek() != ':' {
		return s.corrupt("expecting a colon")
	}
	s.pos++
	s.skipSpace()
	start = s.pos
	if err := s.value(depth); err != nil {
		return err
	}
	if into != nil {
		name, err := unquote(key)
		if err != nil {
			return err
		}
		*into = append(*into, member{name: name, key: key, value: s.data[start:s.pos]})
	}
	s.skipSpace()
	return nil
}

func (s *scanner) array(depth int) error {
	if depth > maxDepth {
		return s.corrupt("nesting too deep")
	}
	s.pos++
	s.skipSpace()
	if s.peek() == ']' {
		s.pos++
		return nil
	}
	for {
		if err := s.value(depth); err != nil {
			return err
		}
		s.skipSpace()
		switch s.peek() {
		case ',':
			s.pos++
			s.skipSpace()
		case ']':
			s.pos++
			return nil
		default:
			return s.corrupt("expecting a comma or the end of an array")
		}
	}
}

// quoted reads a string. Bytes that are not UTF-8 pass, as they do in encoding/json.
func (s *scanner) quoted() error {
	for i := s.pos + 1; i < len(s.data); i++ {
		c := s.data[i]
		switch {
		case c == '"':
			s.pos = i + 1
			return nil
		case c == '\\':
			length := escapeLength(s.data[i:])
			if length == 0 {
				s.pos = i
				return s.corrupt("expecting an escape")
			}
			i += length - 1
		case c < ' ':
			s.pos = i
			return s.corrupt("control character in a string")
		}
	}
	s.pos = len(s.data)
	return s.corrupt("expecting the end of a string")
}

// escapeLength returns the length of the escape with which data begins, or 0 where it is none.
func escapeLength(data []byte) int {
	if len(data) < 2 {
		return 0
	}
	if data[1] != 'u' {
		if bytes.IndexByte([]byte(`"\/bfnrt`), data[1]) < 0 {
			return 0
		}
		return 2
	}
	const length = len(`\u0000`)
	if len(data) < length {
		return 0
	}
	for _, c := range data[2:length] {
		if !isDigit(c) && (c|0x20 < 'a' || c|0x20 > 'f') {
			return 0
		}
	}
	return length
}

func (s *scanner) literal(word string) error {
	if !bytes.HasPrefix(s.data[s.pos:], []byte(word)) {
		return s.corrupt("expecting a value")
	}
	s.pos += len(word)
	return nil
}

func (s *scanner) number() error {
	if s.peek() == '-' {
		s.pos++
	}
	if s.peek() == '0' {
		s.pos++
	} else if s.digits() == 0 {
		return s.corrupt("expecting a value")
	}
	if s.peek() == '.' {
		s.pos++
		if s.digits() == 0 {
			return s.corrupt("expecting a digit")
		}
	}
	if s.peek()|0x20 != 'e' {
		return nil
	}
	s.pos++
	if c := s.peek(); c == '+' || c == '-' {
		s.pos++
	}
	if s.digits() == 0 {
		return s.corrupt("expecting a digit")
	}
	return nil
}

// digits reads digits and returns how many.
func (s *scanner) digits() int {
	start := s.pos
	for s.pos < len(s.data) && isDigit(s.data[s.pos]) {
		s.pos++
	}
	return s.pos - start
}

// peek returns the next byte, or 0, which no token begins with, at the end.
func (s *scanner) peek() byte {
	if s.pos < len(s.data) {
		return s.data[s.pos]
	}
	return 0
}

func (s *scanner) skipSpace() {
	for s.pos < len(s.data) && isSpace(s.data[s.pos]) {
		s.pos++
		s.spaced = true
	}
}

func (s *scanner) corrupt(what string) error {
	return fmt.Errorf("%w: JSON of an object at byte %d: %s", core.ErrCorrupt, s.pos, what)
}

func isDigit(c byte) bool { return '0' <= c && c <= '9' }

func isSpace(c byte) bool { return c == ' ' || c == '\n' || c == '\t' || c == '\r' }

// unquote returns the content of a string that was checked. It shares the bytes where there is no escape.
func unquote(quoted []byte) ([]byte, error) {
	if bytes.IndexByte(quoted, '\\') < 0 {
		return quoted[1 : len(quoted)-1], nil
	}
	var text string
	if err := json.Unmarshal(quoted, &text); err != nil {
		return nil, fmt.Errorf("%w: string with an escape that stands for no text", core.ErrCorrupt)
	}
	return []byte(text), nil
}
