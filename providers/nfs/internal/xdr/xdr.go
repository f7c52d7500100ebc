// Package xdr writes and reads the external data representation of RFC 4506, in which remote procedure calls travel:
// everything is big-endian and a multiple of four bytes long. Only what NFS version 3 needs is here.
package xdr

import (
	"encoding/binary"
	"errors"
	"fmt"
	"math"
)

// ErrMalformed means that what was received is not what it should be: too short, or longer than its limit.
var ErrMalformed = errors.New("malformed message")

// unit is the length that everything is a multiple of.
const unit = 4

// Encoder appends values to a message. The zero value is an empty message.
type Encoder struct {
	message []byte
}

// Bytes returns the message. It is valid until the next value is added.
func (e *Encoder) Bytes() []byte { return e.message }

// Uint32 adds an unsigned integer.
func (e *Encoder) Uint32(value uint32) { e.message = binary.BigEndian.AppendUint32(e.message, value) }

// Uint64 adds an unsigned hyper integer.
func (e *Encoder) Uint64(value uint64) { e.message = binary.BigEndian.AppendUint64(e.message, value) }

// Bool adds a truth value.
func (e *Encoder) Bool(value bool) { //nolint:revive // It is the value itself, no switch.
	if value {
		e.Uint32(1)
		return
	}
	e.Uint32(0)
}

// Fixed adds bytes whose number both sides know.
func (e *Encoder) Fixed(value []byte) {
	e.message = append(e.message, value...)
	e.message = append(e.message, make([]byte, padding(len(value)))...)
}

// Opaque adds bytes, led by their number.
func (e *Encoder) Opaque(value []byte) {
	e.Uint32(length(len(value)))
	e.Fixed(value)
}

// String adds a text, led by its number of bytes.
func (e *Encoder) String(value string) { e.Opaque([]byte(value)) }

// length returns a number of bytes as it travels. A longer message than there can be is cut by nobody: it is refused by
// whoever reads it.
func length(count int) uint32 {
	if count < 0 || count > math.MaxUint32 {
		return math.MaxUint32
	}
	return uint32(count)
}

// padding returns how many bytes follow a number of bytes to the next multiple of four.
func padding(count int) int { return (unit - count%unit) % unit }

// Decoder takes values off a message. After the first that cannot be taken all others are zero, and Err says why; so a
// reader of many values asks once, at the end. What it returns of the message is not copied.
type Decoder struct {
	rest []byte
	err  error
}

// NewDecoder returns a decoder of a message.
func NewDecoder(message []byte) *Decoder { return &Decoder{rest: message} }

// Err returns nil if every value could be taken, or an error that wraps ErrMalformed.
func (d *Decoder) Err() error { return d.err }

// Refuse makes the message a malformed one, for a reason that the caller knows.
func (d *Decoder) Refuse(reason string) {
	if d.err == nil {
		d.err = fmt.Errorf("%w: %s", ErrMalformed, reason)
	}
}

// take takes bytes off, or returns nil.
func (d *Decoder) take(count int) []byte {
	if d.err != nil {
		return nil
	}
	if count > len(d.rest) {
		d.Refuse(fmt.Sprintf("it ends %d bytes early", count-len(d.rest)))
		return nil
	}
	taken := d.rest[:count:count]
	d.rest = d.rest[count:]
	return taken
}

// Uint32 takes an unsigned integer.
func (d *Decoder) Uint32() uint32 {
	taken := d.take(4)
	if taken == nil {
		return 0
	}
	return binary.BigEndian.Uint32(taken)
}

// Uint64 takes an unsigned hyper integer.
func (d *Decoder) Uint64() uint64 {
	taken := d.take(8)
	if taken == nil {
		return 0
	}
	return binary.BigEndian.Uint64(taken)
}

// Bool takes a truth value.
func (d *Decoder) Bool() bool {
	value := d.Uint32()
	if value > 1 {
		d.Refuse("a truth value is neither true nor false")
	}
	return value == 1
}

// Fixed takes bytes whose number both sides know.
func (d *Decoder) Fixed(count int) []byte {
	taken := d.take(count)
	d.take(padding(count))
	if d.err != nil {
		return nil
	}
	return taken
}

// Opaque takes bytes that are led by their number, which is at most a limit.
func (d *Decoder) Opaque(most int) []byte {
	count := int64(d.Uint32())
	if count > int64(most) {
		d.Refuse(fmt.Sprintf("%d bytes are more than %d", count, most))
		return nil
	}
	return d.Fixed(int(count))
}

// String takes a text of at most a number of bytes.
func (d *Decoder) String(most int) string { return string(d.Opaque(most)) }
