package damage_test

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"slices"
	"testing"

	"k8s.io/apimachinery/pkg/types"

	"github.com/soda-cdm/kahu/internal/core"
	"github.com/soda-cdm/kahu/internal/core/archive"
	"github.com/soda-cdm/kahu/internal/core/damage"
)

var configMaps = core.Kind{Version: "v1", Name: "ConfigMap", Resource: "configmaps", Namespaced: true}

// memory is a segment that is being written.
type memory struct{ bytes.Buffer }

func (*memory) Commit() error { return nil }
func (*memory) Abort()        {}

func object(name string) core.Object {
	content := fmt.Sprintf(`{"apiVersion":"v1","kind":"ConfigMap","metadata":{"name":%q,"namespace":"shop","uid":"uid-%s"}}`, name, name)
	return core.Object{
		Kind: configMaps, Namespace: "shop", Name: name, UID: types.UID("uid-" + name), JSON: []byte(content),
	}
}

// pack writes the objects into one segment, in frames of a few of them.
func pack(t *testing.T, objects ...core.Object) (content []byte, file archive.File, records []archive.Record) {
	t.Helper()
	return packFor(t, objects...)
}

func packFor(tb testing.TB, objects ...core.Object) (content []byte, file archive.File, records []archive.Record) {
	tb.Helper()
	namer, err := archive.NewSegmentNamer("cluster", "attempt")
	if err != nil {
		tb.Fatal(err)
	}
	var segment memory
	packer, err := archive.NewPacker(archive.PackerOptions{
		NextName: namer.Next, FrameSize: 4 << 10,
		Open: func(string) (core.FileWriter, error) { return &segment, nil },
		Emit: func(emitted []archive.Record) error {
			records = append(records, slices.Clone(emitted)...)
			return nil
		},
	})
	if err != nil {
		tb.Fatal(err)
	}
	for _, each := range objects {
		if err := packer.Add(each, core.Selected); err != nil {
			tb.Fatal(err)
		}
	}
	files, err := packer.Close()
	if err != nil {
		tb.Fatal(err)
	}
	return segment.Bytes(), files[0], records
}

func reader(t *testing.T) *archive.FrameReader {
	t.Helper()
	made, err := archive.NewFrameReader()
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(made.Close)
	return made
}

// measured returns the content as a file whose size and digest are right.
func measured(name string, content []byte) archive.File {
	return archive.File{Name: name, Size: int64(len(content)), Digest: archive.DigestOf(content)}
}

// TestCheckSegment: what a wrong writer could write with right digests is found, and what a right one does is not.
// plain is a decryption of what is not encrypted.
func plain(source io.Reader) (io.Reader, error) { return source, nil }

func TestCheckSegment(t *testing.T) {
	objects := []core.Object{}
	for i := range 20 {
		objects = append(objects, object(fmt.Sprintf("m-%02d", i)))
	}
	content, file, records := pack(t, objects...)
	archive.SortByFrame(records)
	change := func(at int, edit func(record *archive.Record)) []archive.Record {
		changed := slices.Clone(records)
		edit(&changed[at])
		return changed
	}
	foreign := object("m-20")
	foreign.JSON = object("m-21").JSON
	mixed, mixedFile, mixedRecords := pack(t, foreign)
	text := object("m-22")
	text.JSON = []byte("no object")
	bad, badFile, badRecords := pack(t, text)
	firstFrame := content[:records[0].Frame.Length]

	cases := map[string]struct {
		content []byte
		file    archive.File
		records []archive.Record
		damaged bool
	}{
		"whole":                   {content, file, records, false},
		"objects without records": {content, file, records[3:7], false},
		"no records":              {content, file, nil, false},
		"another name":            {content, file, change(5, func(r *archive.Record) { r.Name = "other" }), true},
		"another namespace":       {content, file, change(5, func(r *archive.Record) { r.Namespace = "other" }), true},
		"another kind":            {content, file, change(5, func(r *archive.Record) { r.Kind.Name = "Secret" }), true},
		"another version":         {content, file, change(5, func(r *archive.Record) { r.Kind.Version = "v2" }), true},
		"another UID":             {content, file, change(5, func(r *archive.Record) { r.UID = "other" }), true},
		"another digest":          {content, file, change(5, func(r *archive.Record) { r.Digest = archive.DigestOf(nil) }), true},
		"another offset":          {content, file, change(5, func(r *archive.Record) { r.Offset++ }), true},
		"another length":          {content, file, change(5, func(r *archive.Record) { r.Length-- }), true},
		"another frame":           {content, file, change(5, func(r *archive.Record) { r.Frame.Offset++ }), true},
		"another frame's length":  {content, file, change(5, func(r *archive.Record) { r.Frame.Length++ }), true},
		"twice":                   {content, file, append(slices.Clone(records[:6]), records[5:]...), true},
		"a part of an object": {content, file, change(5, func(r *archive.Record) {
			r.Offset, r.Length, r.Digest = r.Offset+1, 1, archive.DigestOf(objects[5].JSON[1:2])
		}), true},
		"another object's JSON":  {mixed, mixedFile, mixedRecords, true},
		"no JSON":                {bad, badFile, badRecords, true},
		"no end of the tar":      {firstFrame, measured(file.Name, firstFrame), nil, true},
		"goes on after the end":  {append(bytes.Clone(content), content...), measured(file.Name, append(bytes.Clone(content), content...)), records, true},
		"garbage after the end":  {append(bytes.Clone(content), 'x'), measured(file.Name, append(bytes.Clone(content), 'x')), records, true},
		"empty":                  {nil, measured(file.Name, nil), nil, true},
		"no segment":             {[]byte("text"), measured(file.Name, []byte("text")), nil, true},
		"another file's content": {mixed, file, records, true},
	}
	for name, test := range cases {
		t.Run(name, func(t *testing.T) {
			archive.SortByFrame(test.records)
			err := damage.CheckSegment(reader(t), bytes.NewReader(test.content), test.file, test.records, plain)
			if test.damaged != (err != nil) || err != nil && !errors.Is(err, core.ErrCorrupt) {
				t.Errorf("got %v", err)
			}
		})
	}
}

// TestExamine: of a damaged segment only the frames that cannot be read are named, and neighbours are one piece.
func TestExamine(t *testing.T) {
	objects := []core.Object{}
	for i := range 40 {
		objects = append(objects, object(fmt.Sprintf("m-%02d", i)))
	}
	content, file, records := pack(t, objects...)
	frames := []archive.FrameRef{}
	inFrame := map[archive.FrameRef]int64{}
	for group := range archive.ByFrame(records) {
		frames = append(frames, group[0].Frame)
		inFrame[group[0].Frame] = int64(len(group))
	}
	if len(frames) < 5 {
		t.Fatalf("%d frames", len(frames))
	}
	flipped := bytes.Clone(content)
	for _, at := range []int{1, 2, 4} {
		flipped[frames[at].Offset+frames[at].Length/2] ^= 1
	}
	found := damage.CheckSegment(reader(t), bytes.NewReader(flipped), file, records, plain)
	rows, err := damage.Examine(reader(t), file, records, found, func(frame archive.FrameRef) ([]byte, error) {
		return flipped[frame.Offset:][:frame.Length], nil
	})
	var list damage.List
	list.Add(rows...)
	rows, total, lost := list.Rows()
	if err != nil || total != 2 || len(rows) != 2 || lost != inFrame[frames[1]]+inFrame[frames[2]]+inFrame[frames[4]] {
		t.Fatalf("%v: %d pieces, %d objects: %+v", err, total, lost, rows)
	}
	if rows[0].Offset != frames[1].Offset || rows[0].Length != frames[1].Length+frames[2].Length || rows[1].Offset != frames[4].Offset {
		t.Errorf("got %+v", rows)
	}
}

// TestList: however much is damaged, what is kept is bounded, in order, and counted.
func TestList(t *testing.T) {
	var list damage.List
	for i := range 3 * damage.MaxRows {
		list.Add(damage.Row{
			File: fmt.Sprintf("%03d", (i*7)%300), Offset: int64(i), Reason: damage.WrongContent, ObjectsTotal: 2,
		})
	}
	rows, total, objects := list.Rows()
	if len(rows) != damage.MaxRows || total != 3*damage.MaxRows || objects != 6*damage.MaxRows {
		t.Errorf("%d rows of %d, %d objects", len(rows), total, objects)
	}
	for i, row := range rows {
		if row.File != fmt.Sprintf("%03d", i) {
			t.Errorf("row %d is of %s", i, row.File)
		}
	}
}

func TestParseShare(t *testing.T) {
	for text, want := range map[string]float64{"": 0, "100%": 0, "10%": 0.1, "0.5%": 0.005, "1e1%": 0.1} {
		if got, err := damage.ParseShare(text); err != nil || got != want {
			t.Errorf("%q: %v, %v", text, got, err)
		}
	}
	for _, text := range []string{"0%", "10", "-1%", "101%", "NaN%", "%", "ten%", "10 %", "+Inf%"} {
		if got, err := damage.ParseShare(text); !errors.Is(err, core.ErrInvalid) {
			t.Errorf("%q: %v, %v", text, got, err)
		}
	}
}
