package xdr_test

import (
	"bytes"
	"errors"
	"testing"

	"github.com/soda-cdm/kahu/providers/nfs/internal/xdr"
)

func TestReadIsWritten(t *testing.T) {
	for _, text := range []string{"", "a", "ab", "abc", "abcd", "abcde"} {
		var e xdr.Encoder
		e.Uint32(7)
		e.String(text)
		e.Bool(true)
		e.Uint64(1 << 40)
		e.Fixed([]byte(text))
		if len(e.Bytes())%4 != 0 {
			t.Errorf("%q: a message of %d bytes", text, len(e.Bytes()))
		}
		d := xdr.NewDecoder(e.Bytes())
		if d.Uint32() != 7 || d.String(5) != text || !d.Bool() || d.Uint64() != 1<<40 || string(d.Fixed(len(text))) != text {
			t.Errorf("%q: something else was read", text)
		}
		if err := d.Err(); err != nil {
			t.Error(err)
		}
		if d.Uint32(); !errors.Is(d.Err(), xdr.ErrMalformed) {
			t.Errorf("%q: reading behind the end: %v", text, d.Err())
		}
	}
}

func TestMalformed(t *testing.T) {
	for name, test := range map[string]struct {
		message []byte
		read    func(d *xdr.Decoder)
	}{
		"a short number":      {[]byte{0, 0, 1}, func(d *xdr.Decoder) { d.Uint32() }},
		"a truth value of 2":  {[]byte{0, 0, 0, 2}, func(d *xdr.Decoder) { d.Bool() }},
		"more than is wanted": {[]byte{0, 0, 0, 2, 'a', 'b', 0, 0}, func(d *xdr.Decoder) { d.String(1) }},
		"more than there is":  {[]byte{0, 0, 0, 9, 'a', 'b', 0, 0}, func(d *xdr.Decoder) { d.String(100) }},
		"more than there can be": {
			[]byte{0xff, 0xff, 0xff, 0xff, 'a', 'b', 0, 0}, func(d *xdr.Decoder) { d.String(1 << 30) },
		},
		"no padding": {[]byte{0, 0, 0, 2, 'a', 'b'}, func(d *xdr.Decoder) { d.String(2) }},
	} {
		d := xdr.NewDecoder(test.message)
		if test.read(d); !errors.Is(d.Err(), xdr.ErrMalformed) {
			t.Errorf("%s: %v", name, d.Err())
		}
		if d.Uint32() != 0 || d.Opaque(4) != nil {
			t.Errorf("%s: something is read after an error", name)
		}
	}
}

// FuzzDecoder reads values in an order that the data say. What was read is written again and must be the same.
func FuzzDecoder(f *testing.F) {
	f.Add([]byte{0, 1, 2, 3, 4}, []byte{0, 0, 0, 1, 0, 0, 0, 1, 0, 0, 0, 1, 'x', 0, 0, 0})
	f.Add([]byte{3, 3}, []byte{0, 0, 0, 3, 'a', 'b', 'c', 0, 0, 0, 0, 0})
	f.Fuzz(func(t *testing.T, order, message []byte) {
		d := xdr.NewDecoder(message)
		var e xdr.Encoder
		for _, what := range order {
			switch what % 4 {
			case 0:
				e.Uint32(d.Uint32())
			case 1:
				e.Uint64(d.Uint64())
			case 2:
				e.Bool(d.Bool())
			case 3:
				e.Opaque(d.Opaque(int(what)))
			}
			if d.Err() != nil {
				return
			}
		}
		// Padding may be anything, and is written as zero: so the lengths are compared, and what is read the second time.
		if len(e.Bytes()) > len(message) {
			t.Fatalf("%d bytes were read of %d", len(e.Bytes()), len(message))
		}
		again := xdr.NewDecoder(e.Bytes())
		first := xdr.NewDecoder(message)
		for _, what := range order {
			if what%4 == 3 && !bytes.Equal(first.Opaque(int(what)), again.Opaque(int(what))) {
				t.Fatal("bytes are others the second time")
			}
			if what%4 != 3 && first.Uint32() != again.Uint32() {
				t.Fatal("a number is another one the second time")
			}
			if what%4 == 1 {
				first.Uint32()
				again.Uint32()
			}
		}
	})
}
