package archive

import (
	"bytes"
	"cmp"
	"fmt"
	"io"
	"maps"
	"slices"
	"strings"
	"sync"

	"k8s.io/apimachinery/pkg/runtime/schema"

	"github.com/soda-cdm/kahu/internal/core"
)

// IndexBuilder collects the records of a backup in any order and writes the index in the order of the format. It is
// safe for concurrent use.
//
// It sorts as one sorts what has no place in memory: records are gathered in a buffer, and a full buffer becomes a
// sorted run, compressed, in memory; writing merges the runs. About 100 bytes are held per record, labels and owners
// included, besides the buffer.
type IndexBuilder struct {
	mutex   sync.Mutex
	kinds   map[schema.GroupResource]*IndexedKind
	buffer  []byte
	pending []runEntry
	limit   int
	sorter  *runSorter
	checked segmentNames
	omitted map[string]bool // namespaces whose objects stay out of the index
	err     error
}

// indexBufferSize is where the buffer of records becomes a run unless the builder is told otherwise, in bytes.
const indexBufferSize = 4 << 20

// NewIndexBuilder returns an empty builder. It sorts and compresses whenever bufferSize bytes of records have come
// together; 0 means 4 MiB.
func NewIndexBuilder(bufferSize int) (*IndexBuilder, error) {
	if bufferSize == 0 {
		bufferSize = indexBufferSize
	}
	sorter, err := newRunSorter()
	if err != nil {
		return nil, err
	}
	return &IndexBuilder{kinds: map[schema.GroupResource]*IndexedKind{}, limit: bufferSize, sorter: sorter, checked: segmentNames{}}, nil
}

// Begin says that the objects of the kind come from a list of that version. A list that begins again is begun again:
// the version of the last time counts. Kinds of which no object comes are in the index too, with a count of 0. The
// kind of a group and resource must not change its version within a backup: core.ErrInvalid.
func (b *IndexBuilder) Begin(kind core.Kind, listResourceVersion string) error {
	b.mutex.Lock()
	defer b.mutex.Unlock()
	known, err := b.kind(kind)
	if err != nil {
		return err
	}
	known.ListResourceVersion = listResourceVersion
	return nil
}

// OmitNamespace leaves the objects of a namespace out of the index, those that were added and those that will be. Their
// bytes stay in the segments, where nothing refers to them.
func (b *IndexBuilder) OmitNamespace(namespace string) {
	b.mutex.Lock()
	defer b.mutex.Unlock()
	if b.omitted == nil {
		b.omitted = map[string]bool{}
	}
	b.omitted[namespace] = true
}

// choice chooses kinds of a builder; nil chooses all.
type choice map[schema.GroupResource]bool

func (c choice) has(kind schema.GroupResource) bool { return c == nil || c[kind] }

// merge visits the entries of the chosen kinds that are in the index, in order.
func (b *IndexBuilder) merge(chosen choice, of part, visit func(kind schema.GroupResource, line []byte) error) error {
	var kind schema.GroupResource
	var prefix []byte // of the keys of the kind
	return b.sorter.merge(of, func(key, line []byte) error {
		end := bytes.LastIndexByte(key, 0) + 1
		if !bytes.Equal(prefix, key[:end]) {
			prefix = append(prefix[:0], key[:end]...)
			group, resource, _ := bytes.Cut(key[:end-1], []byte{0})
			kind = schema.GroupResource{Group: string(group), Resource: string(resource)}
		}
		if !chosen.has(kind) {
			return nil
		}
		if namespace, _, _ := bytes.Cut(key[end:], []byte{'/'}); len(namespace) > 0 && b.omitted[string(namespace)] {
			return nil
		}
		return visit(kind, line)
	})
}

// Add takes records; it does not hold on to the slice. Where the same object comes twice, as it does when a list
// begins again, the last one counts. A kind that was not begun begins with no list version. A record that cannot be
// true gives core.ErrInvalid, and the records before it are in.
func (b *IndexBuilder) Add(records ...Record) error {
	b.mutex.Lock()
	defer b.mutex.Unlock()
	for i := range records {
		if err := b.add(&records[i]); err != nil {
			return fmt.Errorf("adding to index: %w", err)
		}
	}
	return nil
}

func (b *IndexBuilder) add(record *Record) error {
	if b.err != nil {
		return b.err
	}
	if err := record.check(b.checked); err != nil {
		return err
	}
	if _, err := b.kind(record.Kind); err != nil {
		return err
	}
	entry := runEntry{start: len(b.buffer)}
	b.buffer = append(b.buffer, record.Kind.Group...)
	b.buffer = append(append(b.buffer, 0), record.Kind.Resource...)
	b.buffer = append(append(b.buffer, 0), record.Namespace...)
	b.buffer = append(append(b.buffer, '/'), record.Name...)
	entry.keyEnd = len(b.buffer)
	var err error
	if b.buffer, err = appendRecord(b.buffer, record); err != nil {
		b.buffer = b.buffer[:entry.start]
		return fmt.Errorf("%s: encoding: %w", record.Key(), err)
	}
	entry.end = len(b.buffer)
	if entry.end-entry.keyEnd > MaxLineSize {
		b.buffer = b.buffer[:entry.start]
		return fmt.Errorf("%s: record of more than %d bytes: %w", record.Key(), MaxLineSize, core.ErrInvalid)
	}
	b.pending = append(b.pending, entry)
	if len(b.buffer) >= b.limit {
		b.err = b.flush()
	}
	return b.err
}

// kind returns what is known of the kind, which is new or as it was.
func (b *IndexBuilder) kind(kind core.Kind) (*IndexedKind, error) {
	known, found := b.kinds[kind.GroupResource()]
	if found && (known.Kind.Version != kind.Version || known.Kind.Namespaced != kind.Namespaced) {
		return nil, fmt.Errorf("%s is in version %s and was in %s: %w",
			kind.GroupResource(), kind.Version, known.Kind.Version, core.ErrInvalid)
	}
	if found {
		return known, nil
	}
	known = &IndexedKind{Kind: kind}
	if err := known.check(); err != nil {
		return nil, err
	}
	if len(b.kinds) >= MaxKinds {
		return nil, fmt.Errorf("more than %d kinds: %w", MaxKinds, core.ErrInvalid)
	}
	b.kinds[kind.GroupResource()] = known
	return known, nil
}

// flush turns the buffer into a run.
func (b *IndexBuilder) flush() error {
	err := b.sorter.add(b.buffer, b.pending)
	b.buffer = b.buffer[:0]
	b.pending = b.pending[:0]
	return err
}

// WriteIndex writes the index, compressed, and returns the kinds in it with their counts, in the order of the index,
// as they belong in the manifest. It can be called again, for example when the target failed.
func (b *IndexBuilder) WriteIndex(target io.Writer) ([]IndexedKind, error) {
	return b.writeStream("index", target, nil)
}

// Names visits the namespaces and names of the objects of a kind that are in, in order. All records must have been added.
func (b *IndexBuilder) Names(of schema.GroupResource, visit func(namespace, name string) error) error {
	b.mutex.Lock()
	defer b.mutex.Unlock()
	if b.err == nil {
		b.err = b.flush()
	}
	if b.err != nil {
		return b.err
	}
	reader := newRecordReader()
	return b.merge(choice{of: true}, allOf, func(_ schema.GroupResource, line []byte) error {
		record, err := reader.readRecord(bytes.TrimSuffix(line, []byte{'\n'}), core.Kind{})
		if err != nil {
			return err
		}
		return visit(record.Namespace, record.Name)
	})
}

// writeStream writes all records, compressed, each line as change, if there is one, makes it.
func (b *IndexBuilder) writeStream(what string, target io.Writer, change func(line []byte) ([]byte, error)) ([]IndexedKind, error) {
	b.mutex.Lock()
	defer b.mutex.Unlock()
	if b.err == nil {
		b.err = b.flush()
	}
	if b.err != nil {
		return nil, b.err
	}
	kinds, objects, err := b.count(nil)
	if err != nil {
		return nil, fmt.Errorf("counting the %s: %w", what, err)
	}
	compressor, err := newStreamEncoder(target, ahead)
	if err != nil {
		return nil, fmt.Errorf("writing %s: %w", what, err)
	}
	lines := indexLines{kinds: kinds, objects: objects, change: change}
	err = b.write(compressor, lines)
	if closeErr := compressor.Close(); err == nil {
		err = closeErr
	}
	if err != nil {
		return nil, fmt.Errorf("writing %s: %w", what, err)
	}
	return kinds, nil
}

// count returns the chosen kinds in order with the number of their objects, and the number of all of these. Objects
// that came twice are the reason why this takes a walk of its own.
func (b *IndexBuilder) count(chosen choice) ([]IndexedKind, int64, error) {
	for _, kind := range b.kinds {
		kind.Count = 0
	}
	var objects int64
	err := b.merge(chosen, keysOnly, func(kind schema.GroupResource, _ []byte) error {
		b.kinds[kind].Count++
		objects++
		return nil
	})
	kinds := make([]IndexedKind, 0, len(b.kinds))
	for kind := range maps.Values(b.kinds) {
		if chosen.has(kind.Kind.GroupResource()) {
			kinds = append(kinds, *kind)
		}
	}
	slices.SortFunc(kinds, func(x, y IndexedKind) int { return compareKinds(x.Kind, y.Kind) })
	return kinds, objects, err
}

func compareKinds(x, y core.Kind) int {
	return cmp.Or(strings.Compare(x.Group, y.Group), strings.Compare(x.Resource, y.Resource))
}

// indexLines says what is written of an index.
type indexLines struct {
	// kinds are the chosen kinds with their counts, objects is the number of all objects of these.
	kinds   []IndexedKind
	objects int64
	chosen  choice
	// change makes another line of that of a record; nil leaves them as they are.
	change func(line []byte) ([]byte, error)
}

// write writes the lines of the chosen kinds, which are those that are given. The kinds are in the order of the
// records, so that each takes as many as its count says.
func (b *IndexBuilder) write(target io.Writer, lines indexLines) error {
	encoder := newLineEncoder(target)
	header := indexHeader{FormatVersion: FormatVersion, Kinds: len(lines.kinds), Objects: lines.objects}
	next, left := 0, int64(0)
	heads := func() error { // writes the lines of kinds until records are due
		for ; left == 0 && next < len(lines.kinds); next++ {
			if err := encoder.Encode(lines.kinds[next].line()); err != nil {
				return err
			}
			left = lines.kinds[next].Count
		}
		return nil
	}
	if err := encoder.Encode(header); err != nil {
		return err
	}
	err := b.merge(lines.chosen, allOf, func(_ schema.GroupResource, line []byte) (err error) {
		if err := heads(); err != nil {
			return err
		}
		left--
		if lines.change != nil {
			if line, err = lines.change(line); err != nil {
				return err
			}
		}
		_, err = target.Write(line)
		return err
	})
	if err != nil {
		return err
	}
	return heads()
}
