package archive

import (
	"bytes"
	"cmp"
	"container/heap"
	"encoding/binary"
	"errors"
	"fmt"
	"math"
	"slices"

	"github.com/klauspost/compress/zstd"
)

// runSorter sorts pairs of a key and a line, more than it may hold in plain: sorted runs, compressed in blocks.
type runSorter struct {
	decoder *zstd.Decoder
	// runs are in the order of their age, the oldest first; levels never rise along them.
	runs    []run
	builder runBuilder
}

// run is a sorted sequence of pairs. A run of level n+1 was merged from runFan runs of level n.
type run struct {
	level  int
	blocks []runBlock
}

// runBlock is some pairs of a run, compressed: the keys by themselves, as a walk that only counts needs nothing else.
type runBlock struct{ keys, lines []byte }

// part says how much of the pairs a walk is about.
type part bool

const (
	keysOnly part = false
	allOf    part = true
)

// runEntry is one pair in a buffer: the key, then the line.
type runEntry struct{ start, keyEnd, end int }

const (
	runFan       = 64
	runBlockSize = 64 << 10
)

func newRunSorter() (*runSorter, error) {
	encoder, err := newBlockEncoder(zstd.SpeedFastest)
	if err != nil {
		return nil, err
	}
	decoder, err := zstd.NewReader(nil, zstd.WithDecoderConcurrency(1))
	if err != nil {
		return nil, fmt.Errorf("making a zstd decoder: %w", err)
	}
	return &runSorter{decoder: decoder, builder: runBuilder{encoder: encoder}}, nil
}

// add makes the pairs in the buffer a run. Of pairs with the same key the last one stays.
func (s *runSorter) add(buffer []byte, entries []runEntry) error {
	if len(entries) == 0 {
		return nil
	}
	key := func(entry runEntry) []byte { return buffer[entry.start:entry.keyEnd] }
	slices.SortFunc(entries, func(x, y runEntry) int {
		return cmp.Or(bytes.Compare(key(x), key(y)), cmp.Compare(x.start, y.start))
	})
	builder := &s.builder
	for i, entry := range entries {
		if i+1 == len(entries) || !bytes.Equal(key(entry), key(entries[i+1])) {
			builder.add(key(entry), buffer[entry.keyEnd:entry.end])
		}
	}
	s.runs = append(s.runs, run{blocks: builder.finish()})
	return s.compact()
}

// compact merges the youngest runs of one level while there are too many of them, so that neither the number of runs
// nor the work grows faster than the logarithm of what is in them.
func (s *runSorter) compact() error {
	for {
		level := s.runs[len(s.runs)-1].level
		first := len(s.runs)
		for first > 0 && s.runs[first-1].level == level {
			first--
		}
		if len(s.runs)-first < runFan {
			return nil
		}
		err := mergeRuns(s.decoder, s.runs[first:], allOf, func(key, line []byte) error {
			s.builder.add(key, line)
			return nil
		})
		if err != nil {
			return err
		}
		clear(s.runs[first:])
		s.runs = append(s.runs[:first], run{level: level + 1, blocks: s.builder.finish()})
	}
}

// merge visits all pairs in the order of their keys, each key once with its last line, or with none where only the keys are
// wanted.
func (s *runSorter) merge(of part, visit func(key, line []byte) error) error {
	return mergeRuns(s.decoder, s.runs, of, visit)
}

// runBuilder writes the blocks of a run: for each pair the length of the key, the length of the line and the key, and beside
// them the lines.
type runBuilder struct {
	encoder *zstd.Encoder
	keys    []byte
	lines   []byte
	packed  []byte
	blocks  []runBlock
}

func (b *runBuilder) add(key, line []byte) {
	b.keys = binary.AppendUvarint(b.keys, uint64(len(key)))
	b.keys = binary.AppendUvarint(b.keys, uint64(len(line)))
	b.keys = append(b.keys, key...)
	if b.lines = append(b.lines, line...); len(b.lines)+len(b.keys) >= runBlockSize {
		b.cut()
	}
}

func (b *runBuilder) cut() {
	if len(b.keys) > 0 {
		b.blocks = append(b.blocks, runBlock{keys: b.pack(b.keys), lines: b.pack(b.lines)})
		b.keys, b.lines = b.keys[:0], b.lines[:0]
	}
}

func (b *runBuilder) pack(plain []byte) []byte {
	b.packed = b.encoder.EncodeAll(plain, b.packed[:0])
	return bytes.Clone(b.packed)
}

// finish returns the blocks, and begins another run.
func (b *runBuilder) finish() []runBlock {
	b.cut()
	blocks := b.blocks
	b.blocks = nil
	return blocks
}

func mergeRuns(decoder *zstd.Decoder, runs []run, of part, visit func(key, line []byte) error) error {
	cursors := make(cursorHeap, 0, len(runs))
	for age, run := range runs {
		cursor := &runCursor{decoder: decoder, blocks: run.blocks, of: of, age: age}
		if more, err := cursor.next(); err != nil {
			return err
		} else if !more {
			return errBrokenRun // no run is empty
		}
		cursors = append(cursors, cursor)
	}
	heap.Init(&cursors)
	var last []byte // no key is empty
	for len(cursors) > 0 {
		cursor := cursors[0]
		if !bytes.Equal(cursor.key, last) {
			last = append(last[:0], cursor.key...)
			if err := visit(cursor.key, cursor.line); err != nil {
				return err
			}
		}
		if err := cursors.advance(); err != nil {
			return err
		}
	}
	return nil
}

// runCursor walks along a run. Key and line are valid until the next step.
type runCursor struct {
	decoder *zstd.Decoder
	blocks  []runBlock
	of      part
	age     int
	key     []byte
	line    []byte

	keys, lines         []byte // of the block, in plain
	keysLeft, linesLeft []byte // what of them is still to come
}

var errBrokenRun = errors.New("a run of the index is damaged in memory")

func (c *runCursor) next() (bool, error) {
	if len(c.keysLeft) == 0 {
		if len(c.blocks) == 0 {
			return false, nil
		}
		if err := c.open(c.blocks[0]); err != nil {
			return false, fmt.Errorf("%w: %w", errBrokenRun, err)
		}
		c.blocks = c.blocks[1:]
	}
	key, n := binary.Uvarint(c.keysLeft)
	line, m := binary.Uvarint(c.keysLeft[max(n, 0):])
	if n <= 0 || m <= 0 || key > math.MaxInt32 || int(key) > len(c.keysLeft)-n-m {
		return false, errBrokenRun
	}
	c.keysLeft = c.keysLeft[n+m:]
	c.key, c.keysLeft = c.keysLeft[:key], c.keysLeft[key:]
	if c.of == keysOnly {
		return true, nil
	}
	if line > uint64(len(c.linesLeft)) {
		return false, errBrokenRun
	}
	c.line, c.linesLeft = c.linesLeft[:line], c.linesLeft[line:]
	return true, nil
}

func (c *runCursor) open(block runBlock) (err error) {
	if c.keys, err = c.decoder.DecodeAll(block.keys, c.keys[:0]); err != nil {
		return err
	}
	c.keysLeft = c.keys
	if c.of == keysOnly {
		return nil
	}
	c.lines, err = c.decoder.DecodeAll(block.lines, c.lines[:0])
	c.linesLeft = c.lines
	return err
}

// cursorHeap has the cursor with the smallest key first, and of those with the same key the youngest.
type cursorHeap []*runCursor

// advance moves the first cursor on, and takes it out at its end.
func (h *cursorHeap) advance() error {
	more, err := (*h)[0].next()
	if err != nil {
		return err
	}
	if more {
		heap.Fix(h, 0)
		return nil
	}
	heap.Pop(h)
	return nil
}

func (h *cursorHeap) Len() int { return len(*h) }

func (h *cursorHeap) Less(i, j int) bool {
	x, y := (*h)[i], (*h)[j]
	if order := bytes.Compare(x.key, y.key); order != 0 {
		return order < 0
	}
	return x.age > y.age
}

func (h *cursorHeap) Swap(i, j int) { (*h)[i], (*h)[j] = (*h)[j], (*h)[i] }

func (h *cursorHeap) Push(cursor any) {
	if cursor, ok := cursor.(*runCursor); ok {
		*h = append(*h, cursor)
	}
}

func (h *cursorHeap) Pop() any {
	last := len(*h) - 1
	cursor := (*h)[last]
	(*h)[last] = nil
	*h = (*h)[:last]
	return cursor
}
