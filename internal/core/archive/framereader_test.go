package archive_test

import (
	"bytes"
	"errors"
	"fmt"
	"strings"
	"testing"

	"github.com/soda-cdm/kahu/internal/core"
	"github.com/soda-cdm/kahu/internal/core/archive"
)

// oneFrame returns a frame with three objects, and their records.
func oneFrame(t *testing.T) ([]byte, []archive.Record) {
	t.Helper()
	store := newMemoryStore()
	records, _ := packAll(t, store, []core.Object{
		newObject(configMaps, "shop", "a", 100), newObject(configMaps, "shop", "b", 2000), newObject(nodes, "", "n", 10),
	}, archive.PackerOptions{})
	frame := records[0].Frame
	return store.files[frame.Segment][frame.Offset : frame.Offset+frame.Length], records
}

func nothing(archive.Record, []byte) error { return nil }

func TestReadFrameFindsDamage(t *testing.T) {
	frame, records := oneFrame(t)
	if err := archive.ReadFrame(frame, records, nothing); err != nil {
		t.Fatal(err)
	}
	for i := range frame {
		damaged := bytes.Clone(frame)
		damaged[i] ^= 0x40
		if err := archive.ReadFrame(damaged, records, nothing); err != nil && !errors.Is(err, core.ErrCorrupt) {
			t.Errorf("byte %d: %v", i, err)
		} else if err == nil && !sameObjects(t, damaged, records) {
			t.Errorf("byte %d: not noticed", i)
		}
		if err := archive.ReadFrame(frame[:i], records, nothing); !errors.Is(err, core.ErrCorrupt) {
			t.Errorf("%d bytes: %v", i, err)
		}
	}
}

// sameObjects tells whether damage did no harm, as it may where zstd has bits without a meaning.
func sameObjects(t *testing.T, frame []byte, records []archive.Record) bool {
	t.Helper()
	same := true
	err := archive.ReadFrame(frame, records, func(record archive.Record, json []byte) error {
		same = same && archive.DigestOf(json) == record.Digest
		return nil
	})
	return same && err == nil
}

func TestReadFrameNamesWhatIsDamaged(t *testing.T) {
	frame, records := oneFrame(t)
	records[1].Digest = archive.DigestOf([]byte("something else"))
	var read []string
	err := archive.ReadFrame(frame, records, func(record archive.Record, _ []byte) error {
		read = append(read, record.Name)
		return nil
	})
	for _, part := range []string{"configmaps shop/b", records[1].Frame.Segment, fmt.Sprint(records[1].Offset)} {
		if err == nil || !strings.Contains(err.Error(), part) {
			t.Errorf("%v does not name %s", err, part)
		}
	}
	if !errors.Is(err, core.ErrCorrupt) || len(read) != 1 {
		t.Errorf("%v after %v", err, read)
	}
}

func TestReadFrameRefuses(t *testing.T) {
	frame, good := oneFrame(t)
	bomb := compress(t, make([]byte, archive.MaxFrameSize+1))
	streams := append(compress(t, make([]byte, archive.MaxFrameSize/2)), compress(t, make([]byte, archive.MaxFrameSize/2+10))...)
	cases := map[string]struct {
		frame  []byte
		change func(record *archive.Record)
		want   error
	}{
		"behind the end": {frame, func(r *archive.Record) { r.Offset = 1 << 20 }, core.ErrCorrupt},
		"over the end":   {frame, func(r *archive.Record) { r.Length = 1 << 20 }, core.ErrCorrupt},
		"before":         {frame, func(r *archive.Record) { r.Offset = -5 }, core.ErrCorrupt},
		"overflow":       {frame, func(r *archive.Record) { r.Offset, r.Length = 1<<63-1, 1<<63-1 }, core.ErrCorrupt},
		"longer frame":   {frame, func(r *archive.Record) { r.Frame.Length++ }, core.ErrCorrupt},
		"bomb":           {bomb, func(r *archive.Record) { r.Frame.Length = int64(len(bomb)) }, core.ErrCorrupt},
		"two in one":     {streams, func(r *archive.Record) { r.Frame.Length = int64(len(streams)) }, core.ErrCorrupt},
		"nothing":        {nil, func(r *archive.Record) { r.Frame.Length = 0 }, core.ErrCorrupt},
	}
	for name, test := range cases {
		record := good[0]
		test.change(&record)
		if err := archive.ReadFrame(test.frame, []archive.Record{record}, nothing); !errors.Is(err, test.want) {
			t.Errorf("%s: %v", name, err)
		}
	}
	other := good[1]
	other.Frame.Offset++
	if err := archive.ReadFrame(frame, []archive.Record{good[0], other}, nothing); !errors.Is(err, core.ErrInvalid) {
		t.Errorf("records of two frames: %v", err)
	}
	err := archive.ReadFrame(frame, good, func(archive.Record, []byte) error { return errCable })
	if err != errCable { //nolint:errorlint // it must come back as it is.
		t.Errorf("the visitor's error: %v", err)
	}
}

func TestFrames(t *testing.T) {
	store := newMemoryStore()
	objects := manyObjects(300)
	records, files := packAll(t, store, objects, archive.PackerOptions{FrameSize: 32 << 10})
	segment := store.files[files[0].Name]
	byOffset := map[int64][]archive.Record{}
	for group := range archive.ByFrame(records) {
		byOffset[group[0].Frame.Offset] = group
	}
	reader := must(archive.NewFrameReader())(t)
	defer reader.Close()
	var end int64
	read, entries := 0, 0
	for frame, err := range archive.Frames(archive.NewVerifyingReader(bytes.NewReader(segment), files[0])) {
		if err != nil {
			t.Fatal(err)
		}
		if frame.Offset != end {
			t.Errorf("frame at %d after an end at %d", frame.Offset, end)
		}
		end = frame.Offset + int64(len(frame.Compressed))
		if err := reader.Read(frame.Compressed, byOffset[frame.Offset], func(archive.Record, []byte) error {
			read++
			return nil
		}); err != nil {
			t.Error(err)
		}
		if err := reader.Entries(frame.Compressed, func(entry archive.Entry, json []byte) error {
			if want := objects[entries]; entry.Name != want.Name || entry.Namespace != want.Namespace || !bytes.Equal(json, want.JSON) {
				t.Errorf("entry %d is %v", entries, entry)
			}
			entries++
			return nil
		}); err != nil {
			t.Error(err)
		}
	}
	if end != files[0].Size || read != len(objects) || entries != len(objects) {
		t.Errorf("%d of %d bytes, %d objects by records and %d by headers of %d", end, files[0].Size, read, entries, len(objects))
	}
}

func TestFramesRefuse(t *testing.T) {
	store := newMemoryStore()
	_, files := packAll(t, store, manyObjects(20)[4:], archive.PackerOptions{FrameSize: 4 << 10})
	segment := store.files[files[0].Name]
	skippable := []byte{0x50, 0x2a, 0x4d, 0x18, 4, 0, 0, 0, 1, 2, 3, 4}
	for name, content := range map[string][]byte{
		"truncated":       segment[:len(segment)-1],
		"one byte":        segment[:1],
		"inside a header": segment[:5],
		"garbage behind":  append(bytes.Clone(segment), "garbage that is no frame"...),
		"short garbage":   append(bytes.Clone(segment), 'x'),
		"no zstd":         []byte("hello, this is no segment at all"),
		"skippable":       append(bytes.Clone(segment), skippable...),
	} {
		var last error
		for _, err := range archive.Frames(bytes.NewReader(content)) {
			last = err
		}
		if !errors.Is(last, core.ErrCorrupt) {
			t.Errorf("%s: %v", name, last)
		}
	}
	for _, length := range []int{0, 3, 50, len(segment)} {
		var last error
		for _, err := range archive.Frames(brokenReader{content: bytes.NewReader(segment[:length]), err: errCable}) {
			last = err
		}
		if !errors.Is(last, errCable) || errors.Is(last, core.ErrCorrupt) {
			t.Errorf("cable after %d bytes: %v", length, last)
		}
	}
	for frame, err := range archive.Frames(bytes.NewReader(nil)) {
		t.Errorf("nothing has frame %v, %v", frame, err)
	}
}

func TestVerify(t *testing.T) {
	content := []byte(strings.Repeat("content ", 10_000))
	file := archive.File{Name: "clusters/x/file", Size: int64(len(content)), Digest: archive.DigestOf(content)}
	altered := bytes.Clone(content)
	altered[5000] ^= 1
	cases := map[string]struct {
		content []byte
		file    archive.File
		want    error
	}{
		"whole":     {content, file, nil},
		"altered":   {altered, file, core.ErrCorrupt},
		"truncated": {content[:len(content)-1], file, core.ErrCorrupt},
		"empty":     {nil, file, core.ErrCorrupt},
		"longer":    {append(bytes.Clone(content), 'x'), file, core.ErrCorrupt},
	}
	for name, test := range cases {
		err := archive.VerifySegment(bytes.NewReader(test.content), test.file)
		if !errors.Is(err, test.want) || err != nil && !strings.Contains(err.Error(), file.Name) {
			t.Errorf("%s: %v", name, err)
		}
	}
	err := archive.VerifySegment(brokenReader{content: bytes.NewReader(content), err: errCable}, file)
	if !errors.Is(err, errCable) || errors.Is(err, core.ErrCorrupt) {
		t.Errorf("cable: %v", err)
	}
	endless := archive.NewVerifyingReader(zeros{}, file)
	if err := endless.Verify(); !errors.Is(err, core.ErrCorrupt) {
		t.Errorf("endless: %v", err)
	}
	if n, err := endless.Read(make([]byte, 10)); n != 0 || !errors.Is(err, core.ErrCorrupt) {
		t.Errorf("after the error: %d, %v", n, err)
	}
}

// zeros never ends.
type zeros struct{}

func (zeros) Read(buffer []byte) (int, error) {
	clear(buffer)
	return len(buffer), nil
}

func TestMeasuringWriter(t *testing.T) {
	var target bytes.Buffer
	writer := archive.NewMeasuringWriter(&target)
	for _, part := range []string{"a", "", "bc"} {
		if _, err := writer.Write([]byte(part)); err != nil {
			t.Fatal(err)
		}
	}
	if got := writer.File("x"); got != (archive.File{Name: "x", Size: 3, Digest: archive.DigestOf([]byte("abc"))}) {
		t.Errorf("%+v", got)
	}
	const abc = "sha256:ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad" // FIPS 180-2, appendix B.1
	if got := archive.DigestOf([]byte("abc")); got != abc {
		t.Errorf("digest of abc is %s", got)
	}
}
