package archive

import (
	"bytes"
	"fmt"
	"io"
	"iter"
	"slices"
	"strings"
	"sync"

	"github.com/klauspost/compress/zstd"
	"k8s.io/apimachinery/pkg/runtime/schema"

	"github.com/soda-cdm/kahu/internal/core"
)

// HeldIndex is an index that was read to its end and is held, compressed: what is compared with it may be walked through
// kind by kind, several kinds at once, and again where a list begins again. About 100 bytes are held per record until the
// kind is dropped. Its methods may be called by several goroutines at once.
type HeldIndex struct {
	decoder *zstd.Decoder

	mutex sync.Mutex
	kinds map[schema.GroupResource]*heldKind // guarded by mutex; what they point to does not change
}

type heldKind struct {
	kind   core.Kind
	blocks []*heldBlock
}

// heldBlock is some lines of an index, compressed. First is the "namespace/name" of the first one.
type heldBlock struct {
	first  string
	packed []byte
}

// HoldIndex reads an index to its end. The errors are those of an IndexReader; what is wrong in a line besides the object's
// name is an error of whoever comes to the line.
func HoldIndex(source io.Reader) (*HeldIndex, error) {
	reader, err := NewIndexReader(source)
	if err != nil {
		return nil, err
	}
	defer reader.Close()
	decoder, err := zstd.NewReader(nil, zstd.WithDecoderConcurrency(0), zstd.WithDecoderLowmem(true))
	if err != nil {
		return nil, fmt.Errorf("making a zstd decoder: %w", err)
	}
	held := &HeldIndex{decoder: decoder, kinds: map[schema.GroupResource]*heldKind{}}
	if err := held.fill(reader); err != nil {
		decoder.Close()
		return nil, err
	}
	return held, nil
}

func (h *HeldIndex) fill(reader *IndexReader) error {
	encoder, err := newBlockEncoder(zstd.SpeedFastest)
	if err != nil {
		return err
	}
	holder := indexHolder{encoder: encoder}
	// Nothing packs any more when it returns.
	defer holder.packing.Wait()
	for record, err := range reader.names() {
		if err != nil {
			return err
		}
		group := record.Kind.GroupResource()
		if holder.into == nil || holder.into.kind.GroupResource() != group {
			holder.cut()
			holder.into = &heldKind{kind: record.Kind}
			h.kinds[group] = holder.into
		}
		holder.add(record, reader.lines.line)
	}
	holder.cut()
	holder.packing.Wait()
	return encoder.Close()
}

// indexHolder gathers the lines of a kind into blocks, and packs one while the next one is gathered.
type indexHolder struct {
	encoder *zstd.Encoder
	into    *heldKind
	first   string
	plain   []byte
	other   []byte // the buffer of the block before, which is packed meanwhile
	packing sync.WaitGroup
}

// add takes a line with its end.
func (h *indexHolder) add(record *Record, line []byte) {
	if len(h.plain) == 0 {
		h.first = heldName(record)
	}
	if h.plain = append(h.plain, line...); len(h.plain) >= runBlockSize {
		h.cut()
	}
}

func (h *indexHolder) cut() {
	if len(h.plain) == 0 {
		return
	}
	h.packing.Wait() // The other buffer is free then.
	block, plain := &heldBlock{first: h.first}, h.plain
	h.into.blocks = append(h.into.blocks, block)
	h.packing.Go(func() { block.packed = bytes.Clone(h.encoder.EncodeAll(plain, nil)) })
	h.plain, h.other = h.other[:0], plain
}

// heldName is what orders the records of a kind.
func heldName(record *Record) string { return record.Namespace + "/" + record.Name }

// Records returns the records of a kind in the order of the index, none where there are none. The error, if any, is in the
// last pair.
func (h *HeldIndex) Records(kind schema.GroupResource) iter.Seq2[Record, error] {
	return h.RecordsFrom(kind, "")
}

// RecordsFrom is Records from a namespace on; some of the namespaces before it may come first.
func (h *HeldIndex) RecordsFrom(kind schema.GroupResource, namespace string) iter.Seq2[Record, error] {
	of := h.kind(kind)
	return func(yield func(Record, error) bool) {
		if of == nil {
			return
		}
		reader, checked := newRecordReader(), segmentNames{}
		for line, err := range h.lines(of.blocks[max(0, of.block(namespace+"/")):]) {
			var record Record
			if err == nil {
				record, err = reader.readChecked(line, of.kind, checked)
			}
			if !yield(record, err) || err != nil {
				return
			}
		}
	}
}

// lines returns the lines of blocks without their ends.
func (h *HeldIndex) lines(blocks []*heldBlock) iter.Seq2[[]byte, error] {
	return func(yield func([]byte, error) bool) {
		var plain []byte
		for _, block := range blocks {
			var err error
			if plain, err = h.decoder.DecodeAll(block.packed, plain[:0]); err != nil {
				yield(nil, fmt.Errorf("%w: %w", errBrokenRun, err))
				return
			}
			for line := range bytes.Lines(plain) {
				if !yield(line[:len(line)-1], nil) {
					return
				}
			}
		}
	}
}

// Find returns the record of an object; ok is false where the index has none.
func (h *HeldIndex) Find(key core.Key) (record Record, ok bool, err error) {
	of := h.kind(key.GroupResource())
	if of == nil {
		return Record{}, false, nil
	}
	name := key.Namespace + "/" + key.Name
	at := of.block(name)
	if at < 0 {
		return Record{}, false, nil
	}
	one := &HeldIndex{decoder: h.decoder, kinds: map[schema.GroupResource]*heldKind{
		key.GroupResource(): {kind: of.kind, blocks: of.blocks[at : at+1]},
	}}
	for record, err := range one.Records(key.GroupResource()) {
		if err != nil || heldName(&record) == name {
			return record, err == nil, err
		}
	}
	return Record{}, false, nil
}

// block returns the block in which a record of that name would be, -1 where it would be before the first one.
func (k *heldKind) block(name string) int {
	at, exact := slices.BinarySearchFunc(k.blocks, name, func(block *heldBlock, name string) int {
		return strings.Compare(block.first, name)
	})
	if !exact {
		at--
	}
	return at
}

// Drop lets the records of a kind go.
func (h *HeldIndex) Drop(kind schema.GroupResource) {
	h.mutex.Lock()
	defer h.mutex.Unlock()
	delete(h.kinds, kind)
}

func (h *HeldIndex) kind(kind schema.GroupResource) *heldKind {
	h.mutex.Lock()
	defer h.mutex.Unlock()
	return h.kinds[kind]
}
