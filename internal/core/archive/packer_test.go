package archive_test

import (
	"archive/tar"
	"bytes"
	"errors"
	"fmt"
	"io"
	"maps"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/soda-cdm/kahu/internal/core"
	"github.com/soda-cdm/kahu/internal/core/archive"
)

// manyObjects returns objects of several kinds and sizes, among them one larger than a frame and names of all sorts.
func manyObjects(count int) []core.Object {
	objects := []core.Object{
		newObject(roles, "", "system:node", 300),
		newObject(roles, "", "strange\n%\x00name", 10),
		newObject(roles, "", strings.Repeat("long", archive.MaxNameSize/4), 10),
		newObject(configMaps, "shop", "large", 3<<20),
		newObject(widgets, "shop", "ä", 1),
	}
	for i := range count {
		objects = append(objects, newObject(deploys, fmt.Sprintf("namespace-%d", i%7), fmt.Sprintf("web-%06d", i), 100+i%3000))
	}
	return objects
}

func TestPackAndRead(t *testing.T) {
	store := newMemoryStore()
	objects := manyObjects(2000)
	records, files := packAll(t, store, objects, archive.PackerOptions{FrameSize: 64 << 10, SegmentSize: 1 << 20})
	if len(files) < 3 {
		t.Fatalf("%d segments are too few to show anything", len(files))
	}
	for _, file := range files {
		if err := archive.VerifySegment(bytes.NewReader(store.files[file.Name]), file); err != nil {
			t.Error(err)
		}
	}
	got := readObjects(t, store, records)
	if len(got) != len(objects) {
		t.Fatalf("%d of %d objects came back", len(got), len(objects))
	}
	for _, object := range objects {
		if !bytes.Equal(got[object.Key()], object.JSON) {
			t.Fatalf("%s came back as %.100s", object.Key(), got[object.Key()])
		}
	}
	for i, object := range objects {
		want := archive.Record{
			Kind: object.Kind, Namespace: object.Namespace, Name: object.Name, UID: object.UID,
			ResourceVersion: object.ResourceVersion, Labels: object.Labels, Owners: object.Owners, Reason: core.Selected,
			Digest: archive.DigestOf(object.JSON), Length: int64(len(object.JSON)),
			Frame: records[i].Frame, Offset: records[i].Offset,
		}
		if diff := cmp.Diff(want, records[i]); diff != "" {
			t.Fatal(diff)
		}
	}
}

// readObjects reads every object by its record, as a restore does.
func readObjects(t *testing.T, store *memoryStore, records []archive.Record) map[core.Key][]byte {
	t.Helper()
	reader := must(archive.NewFrameReader())(t)
	defer reader.Close()
	objects := map[core.Key][]byte{}
	for group := range archive.ByFrame(append([]archive.Record{}, records...)) {
		frame := group[0].Frame
		compressed := store.files[frame.Segment][frame.Offset : frame.Offset+frame.Length]
		err := reader.Read(compressed, group, func(record archive.Record, json []byte) error {
			objects[record.Key()] = bytes.Clone(json)
			return nil
		})
		if err != nil {
			t.Fatal(err)
		}
	}
	return objects
}

func TestSegmentIsPlainTar(t *testing.T) {
	store := newMemoryStore()
	objects := manyObjects(50)
	_, files := packAll(t, store, objects, archive.PackerOptions{FrameSize: 16 << 10})
	if len(files) != 1 {
		t.Fatalf("%d segments", len(files))
	}
	entries := tar.NewReader(bytes.NewReader(decompress(t, store.files[files[0].Name])))
	for _, object := range objects {
		header, err := entries.Next()
		if err != nil {
			t.Fatal(err)
		}
		name := must(archive.EntryName(object.Kind, object.Namespace, object.Name))(t)
		if header.Name != name || header.Mode != 0o600 || !header.ModTime.IsZero() && header.ModTime.Unix() != 0 ||
			header.Uid != 0 || header.Gid != 0 || header.Uname != "" || header.Gname != "" {
			t.Errorf("header of %s is %+v", name, header)
		}
		if content := must(io.ReadAll(entries))(t); !bytes.Equal(content, object.JSON) {
			t.Errorf("entry %s is %.100s", name, content)
		}
	}
	if _, err := entries.Next(); !errors.Is(err, io.EOF) {
		t.Errorf("after the last entry: %v", err)
	}
}

func TestSegmentsKeepTheirSize(t *testing.T) {
	const limit = 300 << 10
	store := newMemoryStore()
	_, files := packAll(t, store, manyObjects(1000)[4:], archive.PackerOptions{FrameSize: 32 << 10, SegmentSize: limit})
	for i, file := range files {
		if file.Size > limit {
			t.Errorf("%s is %d bytes long", file.Name, file.Size)
		}
		if i+1 < len(files) && file.Size < limit-(40<<10) {
			t.Errorf("%s ends early, at %d bytes", file.Name, file.Size)
		}
		if int(file.Size) != len(store.files[file.Name]) {
			t.Errorf("%s has size %d in the list and %d in the store", file.Name, file.Size, len(store.files[file.Name]))
		}
	}
	if len(files) < 2 {
		t.Errorf("only %d segments", len(files))
	}
}

func TestLargestObjectFits(t *testing.T) {
	store := newMemoryStore()
	object := newObject(configMaps, "shop", strings.Repeat("n", archive.MaxNameSize), 1)
	object.JSON = bytes.Repeat([]byte("x"), archive.MaxObjectSize)
	records, files := packAll(t, store, []core.Object{object}, archive.PackerOptions{FrameSize: archive.MaxObjectSize})
	if got := readObjects(t, store, records)[object.Key()]; !bytes.Equal(got, object.JSON) || len(files) != 1 {
		t.Errorf("%d bytes came back, in %d segments", len(got), len(files))
	}
}

func TestPackingIsDeterministic(t *testing.T) {
	first, second := newMemoryStore(), newMemoryStore()
	options := archive.PackerOptions{FrameSize: 32 << 10, SegmentSize: 300 << 10}
	firstRecords, _ := packAll(t, first, manyObjects(500), options)
	secondRecords, _ := packAll(t, second, manyObjects(500), options)
	if !maps.EqualFunc(first.files, second.files, bytes.Equal) || !cmp.Equal(firstRecords, secondRecords) {
		t.Error("the same objects gave other bytes")
	}
}

func TestPackerRefusesAnObjectAndGoesOn(t *testing.T) {
	large := newObject(configMaps, "shop", "large", 1)
	large.JSON = make([]byte, archive.MaxObjectSize+1)
	empty := newObject(configMaps, "shop", "empty", 1)
	empty.JSON = nil
	upwards := newObject(roles, "", "..", 1)
	store := newMemoryStore()
	packer := must(archive.NewPacker(archive.PackerOptions{
		NextName: newNamer(t).Next, Open: store.open, Emit: func([]archive.Record) error { return nil },
	}))(t)
	for _, object := range []core.Object{large, empty, upwards} {
		err := packer.Add(object, core.Selected)
		refused := &archive.RefusedError{}
		if !errors.As(err, &refused) || !errors.Is(err, core.ErrInvalid) || refused.Object != object.Key() {
			t.Errorf("%s: %v", object.Key(), err)
		}
	}
	if err := packer.Add(newObject(configMaps, "shop", "good", 1), core.Selected); err != nil {
		t.Error(err)
	}
	if files := must(packer.Close())(t); len(files) != 1 {
		t.Errorf("%d segments", len(files))
	}
}

func TestPackerWithoutObjects(t *testing.T) {
	store := newMemoryStore()
	records, files := packAll(t, store, nil, archive.PackerOptions{})
	if len(records)+len(files)+store.opened != 0 {
		t.Errorf("nothing became %d records, %d files, %d opened", len(records), len(files), store.opened)
	}
}

func TestPackerAbort(t *testing.T) {
	store := newMemoryStore()
	packer := must(archive.NewPacker(archive.PackerOptions{
		NextName: newNamer(t).Next, Open: store.open, FrameSize: 1, Emit: func([]archive.Record) error { return nil },
	}))(t)
	for i := range 3 {
		if err := packer.Add(newObject(configMaps, "shop", fmt.Sprint("m", i), 1), core.Selected); err != nil {
			t.Fatal(err)
		}
	}
	packer.Abort()
	if len(store.files) != 0 || len(store.aborted) != 1 {
		t.Errorf("%d files committed, %d aborted", len(store.files), len(store.aborted))
	}
	if err := packer.Add(newObject(configMaps, "shop", "m", 1), core.Selected); err == nil {
		t.Error("an aborted packer takes more")
	}
	if _, err := packer.Close(); err == nil {
		t.Error("an aborted packer closes well")
	}
}

func TestPackerBreaks(t *testing.T) {
	good := archive.PackerOptions{FrameSize: 1 << 10, Emit: func([]archive.Record) error { return nil }}
	cases := map[string]struct {
		change func(store *memoryStore, options *archive.PackerOptions)
		want   error
	}{
		"disk full": {func(store *memoryStore, _ *archive.PackerOptions) { store.limit = 2000 }, core.ErrFull},
		"commit":    {func(store *memoryStore, _ *archive.PackerOptions) { store.commitErr = errCable }, errCable},
		"open": {func(_ *memoryStore, options *archive.PackerOptions) {
			options.Open = func(string) (core.FileWriter, error) { return nil, errCable }
		}, errCable},
		"emit": {func(_ *memoryStore, options *archive.PackerOptions) {
			options.Emit = func([]archive.Record) error { return fmt.Errorf("index: %w", core.ErrInvalid) }
		}, core.ErrInvalid},
		"name": {func(_ *memoryStore, options *archive.PackerOptions) {
			options.NextName = func() string { return "../x" }
		}, nil},
	}
	for name, test := range cases {
		t.Run(name, func(t *testing.T) {
			store, options := newMemoryStore(), good
			options.Open, options.NextName = store.open, newNamer(t).Next
			test.change(store, &options)
			packer := must(archive.NewPacker(options))(t)
			defer packer.Abort()
			var err error
			for i := 0; i < 20 && err == nil; i++ {
				err = packer.Add(newObject(configMaps, "shop", fmt.Sprint("m", i), 700), core.Selected)
			}
			_, closeErr := packer.Close()
			if closeErr == nil || err != nil && !errors.Is(closeErr, err) {
				t.Errorf("Add gives %v and Close gives %v", err, closeErr)
			}
			if test.want != nil && !errors.Is(closeErr, test.want) {
				t.Errorf("the class is lost: %v", closeErr)
			}
			if refused := (&archive.RefusedError{}); errors.As(closeErr, &refused) {
				t.Errorf("a broken packer says that an object was refused: %v", closeErr)
			}
			if len(store.files) != 0 || store.opened != len(store.aborted) {
				t.Errorf("%d files, %d opened, %d aborted", len(store.files), store.opened, len(store.aborted))
			}
		})
	}
}

func TestPackerOptions(t *testing.T) {
	good := archive.PackerOptions{
		NextName: newNamer(t).Next, Open: newMemoryStore().open, Emit: func([]archive.Record) error { return nil },
	}
	cases := map[string]func(options *archive.PackerOptions){
		"no names":           func(o *archive.PackerOptions) { o.NextName = nil },
		"no store":           func(o *archive.PackerOptions) { o.Open = nil },
		"no index":           func(o *archive.PackerOptions) { o.Emit = nil },
		"frames too large":   func(o *archive.PackerOptions) { o.FrameSize = archive.MaxObjectSize + 1 },
		"frames below 0":     func(o *archive.PackerOptions) { o.FrameSize = -1 },
		"segments too large": func(o *archive.PackerOptions) { o.SegmentSize = archive.MaxSegmentSize + 1 },
		"segments below 0":   func(o *archive.PackerOptions) { o.SegmentSize = -1 },
	}
	for name, change := range cases {
		options := good
		change(&options)
		if _, err := archive.NewPacker(options); !errors.Is(err, core.ErrInvalid) {
			t.Errorf("%s: %v", name, err)
		}
	}
}
