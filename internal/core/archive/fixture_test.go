package archive_test

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"math/rand/v2"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/klauspost/compress/zstd"
	"k8s.io/apimachinery/pkg/types"

	"github.com/soda-cdm/kahu/internal/core"
	"github.com/soda-cdm/kahu/internal/core/archive"
)

const (
	clusterID  = "0b7f64a2-9f0e-4d1c-8f5e-3a1f9c2d7e10"
	locationID = "5d1c2b1e-7c59-4a55-9b52-6f2f0f7f9a01"
	attempt    = "k3x9q"
)

var (
	backupID = archive.BackupID{ClusterID: clusterID, Name: "nightly", UID: "c1f6f2f0-5a6b-4f4e-9c7d-0d3f4f1a2b3c"}

	configMaps = core.Kind{Version: "v1", Name: "ConfigMap", Resource: "configmaps", ShortNames: []string{"cm"}, Namespaced: true}
	nodes      = core.Kind{Version: "v1", Name: "Node", Resource: "nodes"}
	deploys    = core.Kind{Group: "apps", Version: "v1", Name: "Deployment", Resource: "deployments", Singular: "deployment", Namespaced: true}
	roles      = core.Kind{
		Group: "rbac.authorization.k8s.io", Version: "v1", Name: "ClusterRole", Resource: "clusterroles", Singular: "clusterrole",
	}
	widgets = core.Kind{Group: "example.com", Version: "v1alpha1", Name: "Widget", Resource: "widgets", Namespaced: true, Custom: true}

	startTime = time.Date(2026, 3, 14, 9, 26, 53, 0, time.UTC)
)

// memoryStore holds the files that were committed. A limit makes it a full disk.
type memoryStore struct {
	mutex   sync.Mutex
	files   map[string][]byte
	aborted []string
	opened  int
	// limit is the number of bytes after which writing fails; 0 for none.
	limit     int
	commitErr error
}

func newMemoryStore() *memoryStore { return &memoryStore{files: map[string][]byte{}} }

func (m *memoryStore) open(name string) (core.FileWriter, error) {
	m.mutex.Lock()
	defer m.mutex.Unlock()
	if _, found := m.files[name]; found {
		return nil, fmt.Errorf("%s: %w", name, core.ErrAlreadyExists)
	}
	m.opened++
	return &memoryFile{store: m, name: name}, nil
}

type memoryFile struct {
	store   *memoryStore
	name    string
	content bytes.Buffer
	done    bool
}

func (f *memoryFile) Write(data []byte) (int, error) {
	if f.store.limit > 0 && f.content.Len()+len(data) > f.store.limit {
		return 0, fmt.Errorf("writing %s: %w", f.name, core.ErrFull)
	}
	return f.content.Write(data)
}

func (f *memoryFile) Commit() error {
	f.store.mutex.Lock()
	defer f.store.mutex.Unlock()
	if f.store.commitErr != nil {
		return f.store.commitErr
	}
	f.done = true
	f.store.files[f.name] = f.content.Bytes()
	return nil
}

func (f *memoryFile) Abort() {
	if f.done {
		return
	}
	f.store.mutex.Lock()
	defer f.store.mutex.Unlock()
	f.store.aborted = append(f.store.aborted, f.name)
}

// newObject returns an object whose JSON is as large as one asks, and does not compress away to nothing.
func newObject(kind core.Kind, namespace, name string, size int) core.Object {
	source := rand.New(rand.NewPCG(uint64(len(name)), uint64(size)))
	var filler bytes.Buffer
	for filler.Len() < size {
		fmt.Fprintf(&filler, "%016x ", source.Uint64())
	}
	uid := types.UID(fmt.Sprintf("%08x-0000-4000-8000-%012x", source.Uint32(), source.Uint64()&0xffffffffffff))
	metadata := map[string]any{"name": name, "uid": uid, "labels": map[string]string{"app": name}}
	if namespace != "" {
		metadata["namespace"] = namespace
	}
	content, err := json.Marshal(map[string]any{
		"apiVersion": kind.APIVersion(), "kind": kind.Name, "metadata": metadata, "data": filler.String(),
	})
	if err != nil {
		panic(err)
	}
	return core.Object{
		Kind: kind, Namespace: namespace, Name: name, UID: uid, ResourceVersion: fmt.Sprint(1000 + len(name)),
		Labels: map[string]string{"app": name, "tier": "<front>"},
		Owners: []core.Owner{{APIVersion: "apps/v1", Kind: "Deployment", Name: "web", UID: uid, Controller: true}},
		JSON:   content,
	}
}

// packAll packs the objects and returns their records and files.
func packAll(t *testing.T, store *memoryStore, objects []core.Object, options archive.PackerOptions) ([]archive.Record, []archive.File) {
	t.Helper()
	var records []archive.Record
	if options.NextName == nil {
		options.NextName = newNamer(t).Next
	}
	options.Open = store.open
	options.Emit = func(emitted []archive.Record) error {
		records = append(records, emitted...)
		return nil
	}
	packer := must(archive.NewPacker(options))(t)
	defer packer.Abort()
	for _, object := range objects {
		if err := packer.Add(object, core.Selected); err != nil {
			t.Fatal(err)
		}
	}
	files := must(packer.Close())(t)
	return records, files
}

func newNamer(t *testing.T) *archive.SegmentNamer {
	t.Helper()
	return must(archive.NewSegmentNamer(clusterID, attempt))(t)
}

// must returns the value, and ends the test where there is an error in its place.
func must[T any](value T, err error) func(tb testing.TB) T {
	return func(tb testing.TB) T {
		tb.Helper()
		if err != nil {
			tb.Fatal(err)
		}
		return value
	}
}

// buildIndex returns the index of the records, compressed.
func buildIndex(t *testing.T, records ...archive.Record) ([]byte, []archive.IndexedKind) {
	t.Helper()
	builder := must(archive.NewIndexBuilder(0))(t)
	if err := builder.Add(records...); err != nil {
		t.Fatal(err)
	}
	return writeIndex(t, builder)
}

func writeIndex(t *testing.T, builder *archive.IndexBuilder) ([]byte, []archive.IndexedKind) {
	t.Helper()
	var index bytes.Buffer
	kinds := must(builder.WriteIndex(&index))(t)
	return index.Bytes(), kinds
}

// readIndex returns all records of an index, and the error that ended it.
func readIndex(content []byte) ([]archive.Record, error) {
	var records []archive.Record
	for record, err := range archive.ReadIndex(bytes.NewReader(content)) {
		if err != nil {
			return records, err
		}
		records = append(records, record)
	}
	return records, nil
}

func compress(tb testing.TB, content []byte) []byte {
	tb.Helper()
	encoder := must(zstd.NewWriter(nil))(tb)
	defer encoder.Close()
	return encoder.EncodeAll(content, nil)
}

func decompress(tb testing.TB, content []byte) []byte {
	tb.Helper()
	decoder := must(zstd.NewReader(nil))(tb)
	defer decoder.Close()
	return must(decoder.DecodeAll(content, nil))(tb)
}

// newRecord returns a record that is well formed; where its object is was made up.
func newRecord(kind core.Kind, namespace, name string) archive.Record {
	return archive.Record{
		Kind: kind, Namespace: namespace, Name: name, UID: types.UID("uid-of-" + name), ResourceVersion: "77",
		Labels: map[string]string{"app": name}, Reason: core.Selected, Digest: archive.DigestOf([]byte(name)),
		Frame:  archive.FrameRef{Segment: archive.SegmentID{ClusterID: clusterID, Attempt: attempt, Number: 1}.Name(), Length: 4711},
		Offset: 512, Length: 100,
	}
}

// compareRecords orders records as an index does.
func compareRecords(x, y archive.Record) int { return x.Key().Compare(y.Key()) }

func sortedNames(files map[string][]byte) []string { return slices.Sorted(maps.Keys(files)) }

// brokenReader gives its content and then the error.
type brokenReader struct {
	content *bytes.Reader
	err     error
}

func (b brokenReader) Read(buffer []byte) (int, error) {
	if b.content.Len() > 0 {
		return b.content.Read(buffer)
	}
	return 0, b.err
}

var errCable = errors.New("somebody pulled the cable")
