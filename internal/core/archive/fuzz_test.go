package archive_test

import (
	"bytes"
	"errors"
	"io"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/soda-cdm/kahu/internal/core"
	"github.com/soda-cdm/kahu/internal/core/archive"
)

// Whatever is read, there are three outcomes: it is what a writer could have written, and then comes back the same
// after being written again; or it is corrupt; or it is of a later format. The golden files are the corpus.

func checkRefusal(t *testing.T, err error) {
	t.Helper()
	if !errors.Is(err, core.ErrCorrupt) && !errors.Is(err, core.ErrUnsupported) {
		t.Errorf("neither corrupt nor unsupported: %v", err)
	}
}

func fuzzFile[T any](f *testing.F, name string, decode func(io.Reader) (T, error), encode func(T) ([]byte, error)) {
	f.Helper()
	f.Add(readGolden(f)[name])
	f.Add([]byte(`{"formatVersion":2}`))
	f.Add([]byte("{}\n{}\n"))
	f.Add([]byte{})
	f.Fuzz(func(t *testing.T, content []byte) {
		value, err := decode(bytes.NewReader(content))
		if err != nil {
			checkRefusal(t, err)
			return
		}
		// Writing turns times into whole seconds, so it is the second writing that changes nothing.
		once := must(encode(value))(t)
		again := must(encode(must(decode(bytes.NewReader(once)))(t)))(t)
		if diff := cmp.Diff(string(once), string(again)); diff != "" {
			t.Error(diff)
		}
	})
}

func FuzzMarker(f *testing.F) {
	fuzzFile(f, archive.MarkerName, archive.DecodeMarker, archive.EncodeMarker)
}

func FuzzOwner(f *testing.F) {
	fuzzFile(f, archive.OwnerName(clusterID), archive.DecodeOwner, archive.EncodeOwner)
}

func FuzzIntent(f *testing.F) {
	fuzzFile(f, backupID.IntentName(), archive.DecodeIntent, archive.EncodeIntent)
}

func FuzzManifest(f *testing.F) {
	fuzzFile(f, backupID.ManifestName(), archive.DecodeManifest, archive.EncodeManifest)
}

// FuzzManifestBody seals what it gets, so that the fuzzer comes past the digest.
func FuzzManifestBody(f *testing.F) {
	body, _, _ := bytes.Cut(readGolden(f)[backupID.ManifestName()], []byte("\n"))
	f.Add(string(body))
	f.Add(`{"formatVersion":1,"volumes":[{}]}`)
	f.Fuzz(func(t *testing.T, body string) {
		manifest, err := archive.DecodeManifest(bytes.NewReader(seal(body)))
		if err != nil {
			checkRefusal(t, err)
			return
		}
		for _, file := range manifest.Files() {
			if !strings.HasPrefix(file.Name, archive.ClusterFolder(manifest.ID.ClusterID)) || strings.Contains(file.Name, "..") {
				t.Errorf("%q leaves its folder", file.Name)
			}
		}
		if _, err := archive.EncodeManifest(manifest); err != nil && !strings.Contains(err.Error(), "year outside") {
			t.Errorf("read, and cannot be written: %v", err)
		}
	})
}

func FuzzIndex(f *testing.F) {
	f.Add(readGolden(f)[backupID.IndexName()])
	f.Add([]byte{})
	f.Fuzz(checkIndex)
}

// FuzzIndexLines compresses what it gets, so that the fuzzer comes past the compression.
func FuzzIndexLines(f *testing.F) {
	f.Add(decompress(f, readGolden(f)[backupID.IndexName()]))
	f.Add([]byte(`{"formatVersion":1}` + "\n"))
	f.Fuzz(func(t *testing.T, lines []byte) { checkIndex(t, compress(t, lines)) })
}

func checkIndex(t *testing.T, content []byte) {
	t.Helper()
	records, err := readIndex(content)
	if err != nil {
		checkRefusal(t, err)
		return
	}
	index, _ := buildIndex(t, records...)
	again, err := readIndex(index)
	if diff := cmp.Diff(records, again); err != nil || diff != "" {
		t.Errorf("%v\n%s", err, diff)
	}
}

func FuzzReport(f *testing.F) {
	f.Add(readGolden(f)[backupID.ReportName()])
	f.Fuzz(checkReport)
}

// FuzzReportLines compresses what it gets, so that the fuzzer comes past the compression.
func FuzzReportLines(f *testing.F) {
	f.Add(decompress(f, readGolden(f)[backupID.ReportName()]))
	f.Fuzz(func(t *testing.T, lines []byte) { checkReport(t, compress(t, lines)) })
}

func checkReport(t *testing.T, content []byte) {
	t.Helper()
	if _, err := readReport(content); err != nil {
		checkRefusal(t, err)
	}
}

func FuzzFrame(f *testing.F) {
	golden := readGolden(f)
	records, err := readIndex(golden[backupID.IndexName()])
	if err != nil {
		f.Fatal(err)
	}
	for _, record := range records {
		frame := golden[record.Frame.Segment][record.Frame.Offset:][:record.Frame.Length]
		f.Add(frame, record.Offset, record.Length)
	}
	f.Fuzz(func(t *testing.T, frame []byte, offset, length int64) {
		record := records[0]
		record.Frame.Length, record.Offset, record.Length = int64(len(frame)), offset, length
		if err := archive.ReadFrame(frame, []archive.Record{record}, nothing); err != nil {
			checkRefusal(t, err)
		}
		reader := must(archive.NewFrameReader())(t)
		defer reader.Close()
		if err := reader.Entries(frame, func(archive.Entry, []byte) error { return nil }); err != nil {
			checkRefusal(t, err)
		}
	})
}

// FuzzFrames splits anything into frames: together they are what went in.
func FuzzFrames(f *testing.F) {
	for name, content := range readGolden(f) {
		if _, ok := archive.ParseSegmentName(name); ok {
			f.Add(content)
		}
	}
	f.Fuzz(func(t *testing.T, segment []byte) {
		var joined []byte
		for frame, err := range archive.Frames(bytes.NewReader(segment)) {
			if err != nil {
				checkRefusal(t, err)
				return
			}
			if frame.Offset != int64(len(joined)) {
				t.Errorf("frame at %d after %d bytes", frame.Offset, len(joined))
			}
			joined = append(joined, frame.Compressed...)
		}
		if !bytes.Equal(joined, segment) {
			t.Error("the frames are not the segment")
		}
	})
}

func FuzzEntryName(f *testing.F) {
	f.Add("core/v1/configmaps/shop/settings.json", "shop", "settings")
	f.Add("rbac.authorization.k8s.io/v1/clusterroles/_cluster/50%252F.json", "", "50%2F")
	f.Fuzz(func(t *testing.T, path, namespace, name string) {
		if entry, ok := archive.ParseEntryName(path); ok {
			kind := core.Kind{
				Group: entry.Group, Version: entry.Version, Resource: entry.Resource, Namespaced: entry.Namespace != "",
			}
			if again := must(archive.EntryName(kind, entry.Namespace, entry.Name))(t); again != path {
				t.Errorf("%q became %q", path, again)
			}
		}
		kind := configMaps
		kind.Namespaced = namespace != ""
		path, err := archive.EntryName(kind, namespace, name)
		if err != nil {
			return
		}
		entry, ok := archive.ParseEntryName(path)
		if !ok || entry.Namespace != namespace || entry.Name != name || strings.Count(path, "/") != 4 {
			t.Errorf("%q of %q became %q and then %v, %t", name, namespace, path, entry, ok)
		}
	})
}

func FuzzNames(f *testing.F) {
	f.Add(backupID.ManifestName())
	f.Add(archive.SegmentID{ClusterID: clusterID, Attempt: attempt, Number: 1}.Name())
	f.Fuzz(func(t *testing.T, name string) {
		if id, ok := archive.ParseManifestName(name); ok && id.ManifestName() != name {
			t.Errorf("%q became %v", name, id)
		}
		if id, ok := archive.ParseSegmentName(name); ok && id.Name() != name {
			t.Errorf("%q became %v", name, id)
		}
	})
}
