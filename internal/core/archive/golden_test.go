package archive_test

import (
	"bytes"
	"encoding/json"
	"flag"
	"io/fs"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/soda-cdm/kahu/internal/core"
	"github.com/soda-cdm/kahu/internal/core/archive"
)

// The golden files are a whole location of format version 1, in a folder. They are read for ever. They are written
// once; where a writer of later days gives other bytes that mean the same, they stay as they are.
var update = flag.Bool("update", false, "write the golden files of the current format version")

const goldenFolder = "testdata/v1"

// goldenObjects are in the order of the index.
func goldenObjects() []core.Object {
	return []core.Object{
		{
			Kind: configMaps, Namespace: "shop", Name: "settings", UID: "0a4c2e5e-1111-4222-8333-000000000001",
			ResourceVersion: "1001", Labels: map[string]string{"app": "shop", "tier": "<front>"},
			JSON: []byte(`{"apiVersion":"v1","data":{"greeting":"kia ora, <you> & you"},"kind":"ConfigMap","metadata":` +
				`{"labels":{"app":"shop","tier":"<front>"},"name":"settings","namespace":"shop","uid":"0a4c2e5e-1111-4222-8333-000000000001"}}`),
		},
		{
			Kind: deploys, Namespace: "shop", Name: "web", UID: "0a4c2e5e-1111-4222-8333-000000000002",
			ResourceVersion: "1002",
			Owners: []core.Owner{{
				APIVersion: "example.com/v1alpha1", Kind: "Widget", Name: "w", UID: "0a4c2e5e-1111-4222-8333-000000000004", Controller: true,
			}},
			JSON: []byte(`{"apiVersion":"apps/v1","kind":"Deployment","metadata":{"name":"web","namespace":"shop","uid":` +
				`"0a4c2e5e-1111-4222-8333-000000000002"},"spec":{"replicas":3}}`),
		},
		{
			Kind: widgets, Namespace: "shop", Name: "w", UID: "0a4c2e5e-1111-4222-8333-000000000004", ResourceVersion: "1004",
			JSON: []byte(`{"apiVersion":"example.com/v1alpha1","kind":"Widget","metadata":{"name":"w","namespace":"shop","uid":` +
				`"0a4c2e5e-1111-4222-8333-000000000004"},"size":1e3}`),
		},
		{
			Kind: roles, Name: "system:node\n%", UID: "0a4c2e5e-1111-4222-8333-000000000003", ResourceVersion: "1003",
			JSON: []byte(`{"apiVersion":"rbac.authorization.k8s.io/v1","kind":"ClusterRole","metadata":{"name":"system:node\n%","uid":` +
				`"0a4c2e5e-1111-4222-8333-000000000003"},"rules":null}`),
		},
	}
}

func goldenReason(object core.Object) core.Reason {
	if object.Name == "settings" {
		return core.NeededBy("Deployment", "shop", "web")
	}
	return core.Selected
}

// writeGolden writes a backup as the engine does: the marker and the owner, the intent, segments, index, report, and
// the manifest last.
func writeGolden(t *testing.T) map[string][]byte {
	t.Helper()
	store := newMemoryStore()
	builder := must(archive.NewIndexBuilder(0))(t)
	packer := must(archive.NewPacker(archive.PackerOptions{
		NextName: newNamer(t).Next, Open: store.open, FrameSize: 2048, SegmentSize: 450,
		Emit: func(records []archive.Record) error { return builder.Add(records...) },
	}))(t)
	for _, kind := range []core.Kind{configMaps, nodes, deploys, widgets} {
		must(0, builder.Begin(kind, "1005"))(t)
	}
	var size int64
	for _, object := range goldenObjects() {
		must(0, packer.Add(object, goldenReason(object)))(t)
		size += int64(len(object.JSON))
	}
	manifest := newManifest()
	manifest.Complete, manifest.MissingCount, manifest.Missing = true, 0, []archive.Missing{}
	manifest.Segments = must(packer.Close())(t)
	manifest.Counts = archive.Counts{Objects: 4, Selected: 3, Excluded: 2, Vanished: 1}
	manifest.Sizes = archive.Sizes{Objects: size}
	for _, segment := range manifest.Segments {
		manifest.Sizes.Segments += segment.Size
	}
	index := &bytes.Buffer{}
	measured := archive.NewMeasuringWriter(index)
	manifest.Kinds = must(builder.WriteIndex(measured))(t)
	manifest.Index = measured.File(backupID.IndexName())
	report := writeReport(t, someEntries())
	manifest.Report = archive.File{Name: backupID.ReportName(), Size: int64(len(report)), Digest: archive.DigestOf(report)}
	files := store.files
	files[archive.MarkerName] = must(archive.EncodeMarker(newMarker()))(t)
	files[archive.OwnerName(clusterID)] = must(archive.EncodeOwner(newOwner()))(t)
	files[backupID.IntentName()] = must(archive.EncodeIntent(newIntent()))(t)
	files[backupID.IndexName()] = index.Bytes()
	files[backupID.ReportName()] = report
	files[backupID.ManifestName()] = must(archive.EncodeManifest(manifest))(t)
	return files
}

func TestUpdateGolden(t *testing.T) {
	if !*update {
		t.Skip("writes the golden files, with -update only")
	}
	for name, content := range writeGolden(t) {
		path := filepath.Join(goldenFolder, filepath.FromSlash(name))
		must(0, os.MkdirAll(filepath.Dir(path), 0o750))(t)
		file := must(os.OpenFile(path, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o600))(t) // One that is there is never changed.
		must(file.Write(content))(t)
		must(0, file.Close())(t)
	}
}

func readGolden(tb testing.TB) map[string][]byte {
	tb.Helper()
	files := map[string][]byte{}
	root := os.DirFS(goldenFolder)
	must(0, fs.WalkDir(root, ".", func(name string, entry fs.DirEntry, err error) error {
		if err != nil || entry.IsDir() {
			return err
		}
		files[name], err = fs.ReadFile(root, name)
		return err
	}))(tb)
	return files
}

// A location of version 1 must be read for ever: everything that is in it, from nothing but its files.
func TestGoldenIsRead(t *testing.T) {
	store := newMemoryStore()
	store.files = readGolden(t)
	marker := must(archive.DecodeMarker(bytes.NewReader(store.files[archive.MarkerName])))(t)
	owner := must(archive.DecodeOwner(bytes.NewReader(store.files[archive.OwnerName(clusterID)])))(t)
	intent := must(archive.DecodeIntent(bytes.NewReader(store.files[backupID.IntentName()])))(t)
	if marker != newMarker() || owner != newOwner() || !cmp.Equal(intent, newIntent()) {
		t.Errorf("%+v, %+v, %+v", marker, owner, intent)
	}
	manifest := findManifest(t, store.files)
	known := []string{archive.MarkerName, archive.OwnerName(clusterID), backupID.IntentName(), backupID.ManifestName()}
	for _, file := range manifest.Files() {
		if err := archive.VerifySegment(bytes.NewReader(store.files[file.Name]), file); err != nil {
			t.Error(err)
		}
		known = append(known, file.Name)
	}
	slices.Sort(known)
	if diff := cmp.Diff(known, sortedNames(store.files)); diff != "" {
		t.Error(diff)
	}
	checkGoldenManifest(t, manifest)
	records, err := readIndex(store.files[manifest.Index.Name])
	if err != nil {
		t.Fatal(err)
	}
	objects := readObjects(t, store, records)
	for i, object := range goldenObjects() {
		want := archive.Record{
			Kind: object.Kind, Namespace: object.Namespace, Name: object.Name, UID: object.UID,
			ResourceVersion: object.ResourceVersion, Labels: object.Labels, Owners: object.Owners,
			Reason: goldenReason(object), Digest: archive.DigestOf(object.JSON), Length: int64(len(object.JSON)),
			Frame: records[i].Frame, Offset: records[i].Offset,
		}
		if diff := cmp.Diff(want, records[i]); diff != "" || !bytes.Equal(objects[object.Key()], object.JSON) {
			t.Errorf("%s is %s\n%s", object.Key(), objects[object.Key()], diff)
		}
	}
	entries, err := readReport(store.files[manifest.Report.Name])
	if diff := cmp.Diff(someEntries(), entries); err != nil || diff != "" {
		t.Errorf("%v\n%s", err, diff)
	}
}

// findManifest finds the backup by the names of the files alone, as discovery does.
func findManifest(t *testing.T, files map[string][]byte) archive.Manifest {
	t.Helper()
	var found []archive.Manifest
	for name, content := range files {
		if id, ok := archive.ParseManifestName(name); ok {
			manifest := must(archive.DecodeManifest(bytes.NewReader(content)))(t)
			if manifest.ID != id {
				t.Errorf("manifest of %v is at %v", manifest.ID, id)
			}
			found = append(found, manifest)
		}
	}
	if len(found) != 1 {
		t.Fatalf("%d manifests", len(found))
	}
	return found[0]
}

func checkGoldenManifest(t *testing.T, manifest archive.Manifest) {
	t.Helper()
	if len(manifest.Segments) < 2 {
		t.Errorf("%d segments", len(manifest.Segments))
	}
	want := newManifest()
	want.Complete, want.MissingCount, want.Missing = true, 0, []archive.Missing{}
	want.Started, want.Completed = startTime, startTime.Add(90*time.Second)
	want.Counts = archive.Counts{Objects: 4, Selected: 3, Excluded: 2, Vanished: 1}
	want.Kinds = []archive.IndexedKind{
		{Kind: configMaps, Count: 1, ListResourceVersion: "1005"},
		{Kind: nodes, ListResourceVersion: "1005"},
		{Kind: deploys, Count: 1, ListResourceVersion: "1005"},
		{Kind: widgets, Count: 1, ListResourceVersion: "1005"},
		{Kind: roles, Count: 1},
	}
	// What depends on the compressor was verified by its digests.
	want.Sizes, want.Index, want.Report, want.Segments = manifest.Sizes, manifest.Index, manifest.Report, manifest.Segments
	if diff := cmp.Diff(want, manifest); diff != "" {
		t.Error(diff)
	}
}

// Today's writer must give what the writer of the golden files gave, but for what a compressor may do otherwise.
func TestGoldenIsWritten(t *testing.T) {
	golden, today := readGolden(t), writeGolden(t)
	if diff := cmp.Diff(sortedNames(golden), sortedNames(today)); diff != "" {
		t.Fatal(diff)
	}
	for _, name := range []string{archive.MarkerName, archive.OwnerName(clusterID), backupID.IntentName()} {
		if diff := cmp.Diff(string(golden[name]), string(today[name])); diff != "" {
			t.Errorf("%s: %s", name, diff)
		}
	}
	for name := range maps.Keys(golden) {
		if _, ok := archive.ParseSegmentName(name); !ok && name != backupID.ReportName() {
			continue
		}
		if diff := cmp.Diff(string(decompress(t, golden[name])), string(decompress(t, today[name]))); diff != "" {
			t.Errorf("%s: %s", name, diff)
		}
	}
	for _, name := range []string{backupID.ManifestName(), backupID.IndexName()} {
		if diff := cmp.Diff(shapeOf(t, name, golden[name]), shapeOf(t, name, today[name])); diff != "" {
			t.Errorf("%s: %s", name, diff)
		}
	}
}

// shapeOf returns the lines of a file as values, without what depends on the compressor.
func shapeOf(t *testing.T, name string, content []byte) []any {
	t.Helper()
	if filepath.Ext(name) == ".zst" {
		content = decompress(t, content)
	}
	var lines []any
	for line := range bytes.Lines(content) {
		var value any
		must(0, json.Unmarshal(line, &value))(t)
		lines = append(lines, blank(value))
	}
	return lines
}

func blank(value any) any {
	switch value := value.(type) {
	case map[string]any:
		for key, field := range value {
			value[key] = blank(field)
			switch key {
			case "size", "digest", "segments", "frameOffset", "frameLength":
				if _, list := field.([]any); !list {
					value[key] = "depends on the compressor"
				}
			}
		}
	case []any:
		for i := range value {
			value[i] = blank(value[i])
		}
	}
	return value
}
