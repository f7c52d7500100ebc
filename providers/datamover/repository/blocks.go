package repository

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"runtime"
	"sync/atomic"

	"github.com/kopia/kopia/fs"
	"github.com/kopia/kopia/repo"
	"github.com/kopia/kopia/repo/object"
	"github.com/kopia/kopia/snapshot"
	"golang.org/x/sync/errgroup"
)

// A block volume is one object that consists of blocks of 1 MiB, so that a new one can be made of an earlier one and the blocks that
// have changed. How an object consists of others is part of kopia's format, and not of what it promises to programs: it is written
// and read in this file alone.
const (
	blockBytes     = 1 << 20
	indirectStream = "kopia:indirect"
	indexPrefix    = "x"
)

// Extent is a part of a block volume, in bytes.
type Extent struct{ Offset, Length int64 }

// SaveBlocksRequest asks for a block volume to be saved.
type SaveBlocksRequest struct {
	Source Source
	// Device is the volume, and Size its length in bytes.
	Device io.ReaderAt
	Size   int64
	// Base is an earlier backup of the same volume, or empty. Changed is then all that may be another since: nothing else is read.
	Base    string
	Changed []Extent
	// Parallel is how many blocks are read at once. Zero means as many as there are processors.
	Parallel int
	// Progress is told of how much is done, now and then.
	Progress func(Counts)
}

// indirect is how kopia writes down of which objects another one consists.
type indirect struct {
	Stream  string `json:"stream"`
	Entries index  `json:"entries"`
}

// index are the blocks of a volume, one after the other.
type index []object.IndirectObjectEntry

// SaveBlocks stores a block volume.
func (r *Repository) SaveBlocks(ctx context.Context, request SaveBlocksRequest) (Saved, error) {
	var saved Saved
	watch := &watcher{told: request.Progress}
	options := repo.WriteSessionOptions{Purpose: "backup of a block volume", OnUpload: func(bytes int64) { watch.stored.Add(bytes) }}
	err := repo.DirectWriteSession(ctx, r.opened, options, func(ctx context.Context, writer repo.DirectRepositoryWriter) error {
		if again, err := r.saved(ctx, request.Source); err != nil || again != nil {
			saved.ID = idOf(again)
			return err
		}
		blocks, todo, err := r.blocksOf(ctx, request)
		if err != nil {
			return err
		}
		watch.kept.Store(request.Size - bytesOf(todo, request.Size))
		reader := blockReader{request: request, writer: writer, watch: watch}
		if err := reader.read(ctx, blocks, todo); err != nil {
			return err
		}
		content, err := writeIndex(ctx, writer, blocks)
		if err != nil {
			return err
		}
		saved.ID, err = saveDevice(ctx, writer, request, content)
		return err
	})
	if err = errors.Join(err, r.fatal.get()); err != nil {
		return Saved{}, fmt.Errorf("saving claim %s/%s: %w", request.Source.Namespace, request.Source.Claim, err)
	}
	saved.Bytes, saved.Counts = request.Size, watch.counts()
	return saved, nil
}

// blocksOf returns the blocks of the volume as far as they are known, and the numbers of those that are to be read.
func (r *Repository) blocksOf(ctx context.Context, request SaveBlocksRequest) (index, []int, error) {
	count := int((request.Size + blockBytes - 1) / blockBytes)
	blocks, changed := make(index, count), make([]bool, count)
	known := 0
	if request.Base != "" {
		before, err := r.index(ctx, request.Base)
		if err != nil {
			return nil, nil, err
		}
		known = min(copy(blocks, before), count)
		for _, extent := range request.Changed {
			for i := extent.Offset / blockBytes; i*blockBytes < extent.Offset+extent.Length && i < int64(count); i++ {
				changed[i] = true
			}
		}
	}
	var todo []int
	for i := range blocks {
		size := min(blockBytes, request.Size-int64(i)*blockBytes)
		if i >= known || changed[i] || blocks[i].Length != size { // The last one of a volume that has grown is another.
			todo = append(todo, i)
		}
		blocks[i].Start, blocks[i].Length = int64(i)*blockBytes, size
	}
	return blocks, todo, nil
}

func bytesOf(todo []int, size int64) int64 {
	total := int64(0)
	for _, i := range todo {
		total += min(blockBytes, size-int64(i)*blockBytes)
	}
	return total
}

// blockReader reads blocks of a device, and stores them.
type blockReader struct {
	request SaveBlocksRequest
	writer  repo.RepositoryWriter
	watch   *watcher
}

// read does so with the blocks of the numbers, several at once.
func (b blockReader) read(ctx context.Context, blocks index, numbers []int) error {
	parallel := b.request.Parallel
	if parallel <= 0 {
		parallel = runtime.GOMAXPROCS(0)
	}
	group, ctx := errgroup.WithContext(ctx)
	next := make(chan int)
	group.Go(func() error {
		defer close(next)
		for _, i := range numbers {
			select {
			case next <- i:
			case <-ctx.Done():
				return ctx.Err()
			}
		}
		return nil
	})
	for range parallel {
		group.Go(func() error {
			buffer := make([]byte, blockBytes)
			for i := range next {
				if err := b.one(ctx, &blocks[i], buffer[:blocks[i].Length]); err != nil {
					return err
				}
			}
			return nil
		})
	}
	return group.Wait()
}

// one reads a block into a buffer of its length, and stores it.
func (b blockReader) one(ctx context.Context, block *object.IndirectObjectEntry, part []byte) error {
	count, err := b.request.Device.ReadAt(part, block.Start)
	if count < len(part) {
		return fmt.Errorf("reading the volume at %d gives %d bytes of %d: %w", block.Start, count, len(part), err)
	}
	block.Object, err = writeObject(ctx, b.writer, part, "")
	b.watch.HashedBytes(int64(len(part)))
	return err
}

// writeObject stores some bytes.
func writeObject(ctx context.Context, writer repo.RepositoryWriter, content []byte, prefix string) (object.ID, error) {
	options := object.WriterOptions{Compressor: compression, MetadataCompressor: compression, Splitter: "FIXED-1M"}
	if prefix != "" {
		options.Prefix, options.Splitter = indexPrefix, ""
	}
	into := writer.NewObjectWriter(ctx, options)
	defer func() { _ = into.Close() }() // What counts is its result.
	if _, err := io.Copy(into, bytes.NewReader(content)); err != nil {
		return object.EmptyID, err
	}
	return into.Result()
}

// writeIndex stores of which blocks the volume consists, and returns the object that is all of them.
func writeIndex(ctx context.Context, writer repo.RepositoryWriter, blocks index) (object.ID, error) {
	if len(blocks) == 0 {
		return writeObject(ctx, writer, nil, "")
	}
	text, err := json.Marshal(indirect{Stream: indirectStream, Entries: blocks})
	if err != nil {
		return object.EmptyID, err
	}
	of, err := writeObject(ctx, writer, text, indexPrefix)
	if err != nil {
		return object.EmptyID, err
	}
	return object.ParseID("I" + of.String())
}

// index returns the blocks of an earlier backup.
func (r *Repository) index(ctx context.Context, id string) (index, error) {
	found, err := r.find(ctx, id)
	if err != nil {
		return nil, err
	}
	of, blocks := found.RootObjectID().IndexObjectID()
	if found.RootEntry == nil || found.RootEntry.Type != snapshot.EntryTypeFile || !blocks && found.RootEntry.FileSize > 0 {
		return nil, fmt.Errorf("backup %s is not of a block volume: %w", id, ErrNoBackup)
	}
	if !blocks {
		return nil, nil // It has no bytes.
	}
	from, err := r.opened.OpenObject(ctx, of)
	if err != nil {
		return nil, fmt.Errorf("reading the blocks of backup %s: %w", id, err)
	}
	var read indirect
	err = json.NewDecoder(from).Decode(&read)
	if err = errors.Join(err, from.Close()); err != nil {
		return nil, fmt.Errorf("reading the blocks of backup %s: %w", id, err)
	}
	if read.Stream != indirectStream {
		return nil, fmt.Errorf("the blocks of backup %s are written as %q, which this version does not know", id, read.Stream)
	}
	return read.Entries, nil
}

// saveDevice puts the volume into the list of what is in the repository.
func saveDevice(ctx context.Context, writer repo.RepositoryWriter, request SaveBlocksRequest, content object.ID) (string, error) {
	const readable = 0o600
	now := fs.UTCTimestampFromTime(writer.Time())
	id, err := snapshot.SaveSnapshot(ctx, writer, &snapshot.Manifest{
		Source: request.Source.info(), StartTime: now, EndTime: now, Tags: request.Source.tags(), Pins: []string{pin},
		RootEntry: &snapshot.DirEntry{
			Name: request.Source.Claim, Type: snapshot.EntryTypeFile, Permissions: readable, FileSize: request.Size, ModTime: now, ObjectID: content,
		},
	})
	return string(id), err
}

// Device is a block volume that is written. Zero makes a part of it zeros, as holes if it can.
type Device interface {
	io.WriterAt
	Zero(offset, length int64) error
}

// LoadBlocks writes a block volume, and returns its length in bytes. The device is as large or larger: see Find. Progress is told
// how many bytes are done.
func (r *Repository) LoadBlocks(ctx context.Context, id string, into Device, progress func(done int64)) (int64, error) {
	blocks, err := r.index(ctx, id)
	if err != nil {
		return 0, err
	}
	group, ctx := errgroup.WithContext(ctx)
	group.SetLimit(runtime.GOMAXPROCS(0))
	var done atomic.Int64
	for _, block := range blocks {
		if ctx.Err() != nil {
			break
		}
		group.Go(func() error {
			err := r.loadBlock(ctx, block, into)
			if err == nil && progress != nil {
				progress(done.Add(block.Length))
			}
			return err
		})
	}
	if err := errors.Join(group.Wait(), r.fatal.get()); err != nil {
		return 0, fmt.Errorf("loading backup %s: %w", id, err)
	}
	return sizeOf(blocks), nil
}

func (r *Repository) loadBlock(ctx context.Context, block object.IndirectObjectEntry, into Device) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	from, err := r.opened.OpenObject(ctx, block.Object)
	if err != nil {
		return err
	}
	content, err := io.ReadAll(io.LimitReader(from, blockBytes+1))
	if err = errors.Join(err, from.Close()); err != nil {
		return err
	}
	if int64(len(content)) != block.Length {
		return fmt.Errorf("the block at %d has %d bytes in place of %d", block.Start, len(content), block.Length)
	}
	if bytes.Equal(content, make([]byte, len(content))) {
		return into.Zero(block.Start, block.Length)
	}
	_, err = into.WriteAt(content, block.Start)
	return err
}

func sizeOf(blocks index) int64 {
	if len(blocks) == 0 {
		return 0
	}
	last := blocks[len(blocks)-1]
	return last.Start + last.Length
}
