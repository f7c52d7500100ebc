package damage_test

import (
	"bytes"
	"errors"
	"fmt"
	"testing"

	"github.com/soda-cdm/kahu/internal/core"
	"github.com/soda-cdm/kahu/internal/core/archive"
	"github.com/soda-cdm/kahu/internal/core/damage"
)

// FuzzCheckSegment gives anything the right digest, so that the fuzzer comes past it: it is a whole segment with the
// objects of the records, or damaged; and Examine finds where.
func FuzzCheckSegment(f *testing.F) {
	objects := []core.Object{}
	for i := range 20 {
		objects = append(objects, object(fmt.Sprintf("m-%02d", i)))
	}
	content, _, records := packFor(f, objects...)
	f.Add(content, true)
	f.Add(content[:len(content)-1], false)
	f.Add([]byte{}, true)
	f.Fuzz(func(t *testing.T, content []byte, indexed bool) {
		if len(content) > archive.MaxSegmentSize {
			return
		}
		held := records
		if !indexed {
			held = nil
		}
		file := measured(records[0].Frame.Segment, content)
		err := damage.CheckSegment(reader(t), bytes.NewReader(content), file, held, plain)
		if err == nil {
			return
		}
		if !errors.Is(err, core.ErrCorrupt) {
			t.Errorf("not corrupt: %v", err)
		}
		rows, err := damage.Examine(reader(t), file, held, err, func(frame archive.FrameRef) ([]byte, error) {
			from := min(frame.Offset, int64(len(content)))
			return content[from:min(from+frame.Length, int64(len(content)))], nil
		})
		if err != nil || len(rows) == 0 {
			t.Errorf("damaged, and examined: %v, %v", rows, err)
		}
	})
}

func FuzzParseShare(f *testing.F) {
	for _, text := range []string{"10%", "100%", "0.5%", "1e-300%", "-0%", "0x1p-2%", ""} {
		f.Add(text)
	}
	f.Fuzz(func(t *testing.T, text string) {
		if share, err := damage.ParseShare(text); err == nil && !(share >= 0 && share < 1) {
			t.Errorf("%q is a share of %v", text, share)
		}
	})
}
