package reference

import (
	"bytes"
	"encoding/json"
	"errors"

	"github.com/soda-cdm/kahu/internal/core"
)

// reads tells whether a rule for the kind reads a member. What none reads is most of the bytes of many objects, and
// data is what a Secret keeps secret: it is not even decoded.
func (r *Rules) reads(kind core.Kind, member string) bool {
	if r.members[kind.GroupResource()][member] {
		return true
	}
	switch member {
	case "data", "stringData", "binaryData":
		return false
	case "status":
		return kind.Group == snapshotGroup || kind.Group == groupSnapshotGroup
	case "metadata":
		return annotated(kind)
	}
	return true
}

// contentOf decodes the members of an object's JSON that are read. Of what it passes over it sees the ends of strings
// and brackets alone.
func contentOf(text []byte, reads func(member string) bool) (map[string]any, error) {
	at := cursor{text: text}
	if !at.take('{') {
		return nil, errNotJSON
	}
	content := map[string]any{}
	for !at.take('}') {
		var name string
		if err := json.Unmarshal(at.quoted(), &name); err != nil {
			return nil, err
		}
		if !at.take(':') {
			return nil, errNotJSON
		}
		value := at.value()
		if len(value) == 0 || !at.take(',') && !at.is('}') {
			return nil, errNotJSON
		}
		if !reads(name) {
			continue
		}
		var decoded any
		if err := json.Unmarshal(value, &decoded); err != nil {
			return nil, err
		}
		content[name] = decoded
	}
	return content, nil
}

var errNotJSON = errors.New("not a JSON object")

// cursor goes through JSON text without decoding it.
type cursor struct {
	text []byte // what is left
}

// is tells whether the next character besides space is the one given.
func (c *cursor) is(character byte) bool {
	c.text = bytes.TrimLeft(c.text, " \t\r\n")
	return len(c.text) > 0 && c.text[0] == character
}

// take goes past the next character besides space, if it is the one given.
func (c *cursor) take(character byte) bool {
	if !c.is(character) {
		return false
	}
	c.text = c.text[1:]
	return true
}

// quoted goes past a string and returns it with its quotes, or nothing where there is none.
func (c *cursor) quoted() []byte {
	if !c.is('"') {
		return nil
	}
	return c.cut(endOfString(c.text, 0))
}

// value goes past a value and returns it, or nothing where there is none.
func (c *cursor) value() []byte {
	switch {
	case c.is('"'):
		return c.quoted()
	case c.is('{'), c.is('['):
		return c.cut(endOfBrackets(c.text))
	}
	return c.cut(bytes.IndexAny(c.text, ",}] \t\r\n"))
}

// cut takes the bytes before the end, or nothing where there is no end.
func (c *cursor) cut(end int) []byte {
	if end < 0 {
		c.text = nil
		return nil
	}
	taken := c.text[:end]
	c.text = c.text[end:]
	return taken
}

// endOfString returns the position after the string that begins at the start, or -1.
func endOfString(text []byte, start int) int {
	for at := start + 1; ; at++ {
		quote := bytes.IndexByte(text[at:], '"')
		if quote < 0 {
			return -1
		}
		at += quote
		escapes := at - 1
		for text[escapes] == '\\' {
			escapes--
		}
		if (at-1-escapes)%2 == 0 {
			return at + 1
		}
	}
}

// endOfBrackets returns the position after the object or list with which the text begins, or -1.
func endOfBrackets(text []byte) int {
	depth := 0
	for at := 0; at < len(text); at++ {
		switch text[at] {
		case '"':
			// One less, as the loop goes on by one; an end that is not there ends the loop.
			if at = endOfString(text, at) - 1; at < 0 {
				return -1
			}
		case '{', '[':
			depth++
		case '}', ']':
			if depth--; depth == 0 {
				return at + 1
			}
		}
	}
	return -1
}
