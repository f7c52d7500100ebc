package archive_test

import (
	"errors"
	"math/rand/v2"
	"strconv"
	"strings"
	"testing"

	"github.com/soda-cdm/kahu/internal/core"
	"github.com/soda-cdm/kahu/internal/core/archive"
)

// packedWith returns how long the segments are that a level makes of objects, and reads them back.
func packedWith(t *testing.T, compression archive.Compression, objects []core.Object) int64 {
	t.Helper()
	store := newMemoryStore()
	records := map[string][]archive.Record{}
	packer := must(archive.NewPacker(archive.PackerOptions{
		NextName: must(archive.NewSegmentNamer(clusterID, attempt))(t).Next, Open: store.open, Compression: compression,
		Emit: func(emitted []archive.Record) error {
			for _, record := range emitted {
				records[record.Name] = []archive.Record{record}
			}
			return nil
		},
	}))(t)
	defer packer.Abort()
	for _, object := range objects {
		if err := packer.Add(object, core.Selected); err != nil {
			t.Fatal(err)
		}
	}
	length := int64(0)
	for _, file := range must(packer.Close())(t) {
		length += file.Size
	}
	for _, object := range objects {
		record := records[object.Name][0]
		frame := store.files[record.Frame.Segment][record.Frame.Offset:][:record.Frame.Length]
		err := archive.ReadFrame(frame, records[object.Name], func(_ archive.Record, json []byte) error {
			if string(json) != string(object.JSON) {
				t.Errorf("%s/%s: %s came back as something else", compression, object.Namespace, object.Name)
			}
			return nil
		})
		if err != nil {
			t.Fatal(err)
		}
	}
	return length
}

// configuration returns objects of about 4 KB with words in them, some often, most seldom, as texts have them.
func configuration(count int) []core.Object {
	random := rand.New(rand.NewPCG(1, 2))
	words := make([]string, 2_000)
	for i := range words {
		words[i] = strconv.FormatUint(random.Uint64N(1<<(10+i%40)), 36)
	}
	objects := make([]core.Object, count)
	for i := range objects {
		objects[i] = manifestLike(i)
		text := &strings.Builder{}
		for range 600 {
			share := random.Float64()
			_, _ = text.WriteString(words[int(share*share*share*float64(len(words)))] + " ")
		}
		objects[i].JSON = []byte(strconv.Quote(text.String()))
	}
	return objects
}

// TestCompressionLevels: a stronger level makes less of the same, and everything is read the same way.
func TestCompressionLevels(t *testing.T) {
	objects := configuration(500)
	fastest := packedWith(t, archive.Fastest, objects)
	balanced := packedWith(t, archive.Balanced, objects)
	smallest := packedWith(t, archive.Smallest, objects)
	t.Logf("%d, %d and %d bytes", fastest, balanced, smallest)
	if balanced >= fastest || smallest >= balanced {
		t.Errorf("the segments have %d, %d and %d bytes", fastest, balanced, smallest)
	}
}

// TestIncompressibleCostsNoSpace: what cannot be made smaller grows by less than one byte in a thousand.
func TestIncompressibleCostsNoSpace(t *testing.T) {
	source := rand.NewChaCha8([32]byte{1})
	objects := make([]core.Object, 8)
	size := int64(0)
	for i := range objects {
		objects[i] = manifestLike(i)
		objects[i].JSON = make([]byte, 900<<10)
		_, _ = source.Read(objects[i].JSON)
		size += int64(len(objects[i].JSON))
	}
	for _, compression := range []archive.Compression{archive.Fastest, archive.Balanced, archive.Smallest} {
		if length := packedWith(t, compression, objects); length > size+size/1000 {
			t.Errorf("%q: %d bytes take %d", compression, size, length)
		}
	}
}

// TestUnknownCompression is refused by name.
func TestUnknownCompression(t *testing.T) {
	_, err := archive.NewPacker(archive.PackerOptions{
		NextName: func() string { return "" }, Open: newMemoryStore().open,
		Emit: func([]archive.Record) error { return nil }, Compression: "Tiny",
	})
	if !errors.Is(err, core.ErrInvalid) || !strings.Contains(err.Error(), "Tiny") {
		t.Errorf("the error is %v", err)
	}
}
