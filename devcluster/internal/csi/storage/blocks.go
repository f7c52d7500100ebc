package storage

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"iter"
	"os"

	"golang.org/x/sys/unix"
)

// BlockBytes is the size of a block, the unit in which changes are told.
const BlockBytes = 64 << 10

// Range is blocks of a block volume that follow one another, in bytes. The last
// one of a volume may be shorter.
type Range struct{ Start, Length int64 }

// Allocated gives the ranges of a snapshot of a block volume that may hold
// something else than zeros, in order, from the block with a byte on.
func (s *System) Allocated(snapshot Snapshot, from int64) iter.Seq2[Range, error] {
	return func(yield func(Range, error) bool) {
		content, err := s.blocks(snapshot)
		if err != nil {
			yield(Range{}, err)
			return
		}
		defer func() { _ = content.Close() }() // it was only read from
		merge(snapshot.Bytes, from, func(start int64) (int64, bool, error) { return dataFrom(content, start) }, yield)
	}
}

// Changed gives the ranges in which a snapshot differs from an earlier one of
// the same volume, in order, from the block with a byte on.
func (s *System) Changed(base, snapshot Snapshot, from int64) iter.Seq2[Range, error] {
	return func(yield func(Range, error) bool) {
		if base.Volume != snapshot.Volume {
			yield(Range{}, fmt.Errorf("snapshots %s and %s are of different volumes: %w", base.ID, snapshot.ID, ErrRefused))
			return
		}
		before, err := s.blocks(base)
		if err != nil {
			yield(Range{}, err)
			return
		}
		defer func() { _ = before.Close() }()
		after, err := s.blocks(snapshot)
		if err != nil {
			yield(Range{}, err)
			return
		}
		defer func() { _ = after.Close() }()
		changes := &comparison{before: before, after: after, had: make([]byte, BlockBytes), has: make([]byte, BlockBytes)}
		merge(snapshot.Bytes, from, changes.next, yield)
	}
}

// blocks opens the content of a snapshot of a block volume.
func (s *System) blocks(snapshot Snapshot) (*os.File, error) {
	if !snapshot.Block {
		return nil, fmt.Errorf("snapshot %s is of files, and has no blocks: %w", snapshot.ID, ErrRefused)
	}
	if !snapshot.Ready(s.Clock.Now()) {
		return nil, fmt.Errorf("snapshot %s: %w", snapshot.ID, ErrNotReady)
	}
	return os.Open(s.SnapshotContent(snapshot))
}

// merge joins blocks that follow one another, and yields the ranges. next gives
// the first block that counts, from the start of a block on.
func merge(size, from int64, next func(start int64) (block int64, found bool, err error), yield func(Range, error) bool) {
	var current Range
	for start := from - from%BlockBytes; from < size && start < size; {
		block, found, err := next(start)
		if err != nil {
			yield(Range{}, err)
			return
		}
		if !found {
			break
		}
		end := min(block+BlockBytes, size)
		if current.Length > 0 && current.Start+current.Length == block {
			current.Length = end - current.Start
		} else {
			if current.Length > 0 && !yield(current, nil) {
				return
			}
			current = Range{Start: block, Length: end - block}
		}
		start = end
	}
	if current.Length > 0 {
		yield(current, nil)
	}
}

// dataFrom finds the first block from a place on that is not all of a hole.
func dataFrom(content *os.File, start int64) (block int64, found bool, err error) {
	at, err := content.Seek(start, unix.SEEK_DATA)
	if errors.Is(err, unix.ENXIO) { // there is none
		return 0, false, nil
	}
	return at - at%BlockBytes, true, err
}

// comparison finds what differs between two files.
type comparison struct {
	before, after *os.File
	had, has      []byte
}

// next gives the first block from a place on that differs. Holes of both files are not read.
func (c *comparison) next(start int64) (block int64, found bool, err error) {
	for {
		block, found, err := c.data(start)
		if err != nil || !found {
			return 0, false, err
		}
		differs, err := c.differs(block)
		if differs || err != nil {
			return block, differs, err
		}
		start = block + BlockBytes
	}
}

// data gives the first block from a place on that is not all of a hole in both files.
func (c *comparison) data(start int64) (block int64, found bool, err error) {
	one, inBefore, err := dataFrom(c.before, start)
	if err != nil {
		return 0, false, err
	}
	other, inAfter, err := dataFrom(c.after, start)
	switch {
	case !inAfter || err != nil:
		return one, inBefore, err
	case !inBefore:
		return other, inAfter, nil
	default:
		return min(one, other), true, nil
	}
}

func (c *comparison) differs(block int64) (bool, error) {
	had, err := readBlock(c.before, block, c.had)
	if err != nil {
		return false, err
	}
	has, err := readBlock(c.after, block, c.has)
	return !bytes.Equal(had, has), err
}

// readBlock reads a block; what is behind the end of the file is missing.
func readBlock(file *os.File, at int64, into []byte) ([]byte, error) {
	n, err := file.ReadAt(into, at)
	if errors.Is(err, io.EOF) {
		err = nil
	}
	return into[:n], err
}
