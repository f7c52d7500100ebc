package nfs

import (
	"context"
	"errors"
	"fmt"
	"io"

	"github.com/soda-cdm/kahu/provider"
	"github.com/soda-cdm/kahu/providers/nfs/internal/nfs3"
)

const (
	// window is how many requests for data of one content are under way.
	window = 8
	// batchBytes is how much of a content is kept until the server has made it durable.
	batchBytes = 8 << 20
	// maxRewrites is how often a batch is written again because the server was started anew.
	maxRewrites = 5
)

// contentWriter writes a content into a file. Data go into the memory of the server first; a batch of them is kept here
// until the server has committed it, and is written again if it was started anew meanwhile. It says so; but as there are
// servers that tell their starts apart by the second only, a connection that broke is taken for a start, too. A content
// that fits into one request is durable with that.
type contentWriter struct {
	client *nfs3.Client
	file   nfs3.Handle
	size   int // Of a block.
	most   int // How many blocks are in a batch.

	offset uint64 // Where the next block begins.
	batch  []*block
	free   [][]byte // What blocks of earlier batches were in.
}

// block is a part of a content.
type block struct {
	offset    uint64
	data      []byte
	stability nfs3.Stability

	done     chan struct{} // Closed when the following are set.
	before   uint64        // How many connections there were when it began.
	written  nfs3.Written
	restarts bool // The server was started anew in the middle of the block.
	err      error
}

func newContentWriter(client *nfs3.Client, file nfs3.Handle, limits nfs3.Limits) *contentWriter {
	size := int(limits.WriteBytes)
	return &contentWriter{client: client, file: file, size: size, most: max(batchBytes/size, 1)}
}

// write writes until the end of the content. When it returns, nothing is under way.
func (w *contentWriter) write(ctx context.Context, content io.Reader) error {
	ctx, cancel := context.WithCancel(ctx)
	defer w.wait()
	defer cancel()
	for {
		if err := ctx.Err(); err != nil {
			return err
		}
		data, isEnd, err := w.read(content)
		if err != nil {
			return err
		}
		if len(data) > 0 {
			w.begin(ctx, data, w.stability(isEnd))
		}
		if isEnd || len(w.batch) == w.most {
			if err := w.settle(ctx); err != nil {
				return classify(ctx, "writing the content", err)
			}
		}
		if isEnd {
			return nil
		}
	}
}

// read reads the next block. Only io.EOF itself is the end: every other error, also one that wraps it, means that the
// rest is missing.
func (w *contentWriter) read(content io.Reader) (data []byte, isEnd bool, err error) {
	var buffer []byte
	if last := len(w.free) - 1; last >= 0 {
		buffer, w.free = w.free[last], w.free[:last]
	} else {
		buffer = make([]byte, w.size)
	}
	filled := 0
	for filled < len(buffer) {
		n, err := content.Read(buffer[filled:])
		filled += n
		if err == io.EOF {
			return buffer[:filled], true, nil
		}
		if err != nil {
			return nil, false, fmt.Errorf("reading the content: %w", err)
		}
	}
	return buffer, false, nil
}

// stability returns how the next block is to be written.
func (w *contentWriter) stability(isEnd bool) nfs3.Stability { //nolint:revive // It is what the block is, no switch.
	if w.offset == 0 && isEnd {
		return nfs3.FileSync
	}
	return nfs3.Unstable
}

// begin begins to write a block, when there is room in the window.
func (w *contentWriter) begin(ctx context.Context, data []byte, stability nfs3.Stability) {
	b := &block{offset: w.offset, data: data, stability: stability}
	if len(w.batch) >= window {
		<-w.batch[len(w.batch)-window].done
	}
	w.offset += uint64(len(data))
	w.batch = append(w.batch, b)
	b.begin(ctx, w)
}

func (b *block) begin(ctx context.Context, w *contentWriter) {
	b.done = make(chan struct{})
	go func() {
		defer close(b.done)
		b.err = b.write(ctx, w)
	}()
}

// write writes a block, in pieces where the server takes less at once.
func (b *block) write(ctx context.Context, w *contentWriter) error {
	b.before, b.written, b.restarts = w.client.Connections(), nfs3.Written{Stable: nfs3.FileSync}, false
	for at := 0; at < len(b.data); {
		written, err := w.client.Write(ctx, w.file, b.offset+uint64(at), b.data[at:], b.stability)
		if err != nil {
			return err
		}
		b.restarts = b.restarts || at > 0 && written.Verifier != b.written.Verifier
		b.written.Stable = min(b.written.Stable, written.Stable)
		b.written.Verifier = written.Verifier
		at += int(written.Count)
	}
	return nil
}

// wait waits for what is under way.
func (w *contentWriter) wait() {
	for _, b := range w.batch {
		<-b.done
	}
}

// settle makes the batch durable, and begins a new one.
func (w *contentWriter) settle(ctx context.Context) error {
	for range maxRewrites {
		if err := w.outcome(); err != nil {
			return err
		}
		lost, err := w.commit(ctx)
		if err != nil {
			return err
		}
		if len(lost) == 0 {
			for _, b := range w.batch {
				w.free = append(w.free, b.data[:cap(b.data)])
			}
			w.batch = w.batch[:0]
			return nil
		}
		w.rewrite(ctx, lost)
	}
	return fmt.Errorf("the server was started anew %d times while a part was written: %w", maxRewrites, provider.ErrUnavailable)
}

// outcome waits for the batch and returns the first of its errors.
func (w *contentWriter) outcome() error {
	w.wait()
	for _, b := range w.batch {
		if b.err != nil {
			return b.err
		}
	}
	return nil
}

// commit makes the server keep what it has in its memory, and returns the blocks that it may have lost.
func (w *contentWriter) commit(ctx context.Context) ([]*block, error) {
	var unstable []*block
	for _, b := range w.batch {
		if b.written.Stable == nfs3.Unstable || b.restarts {
			unstable = append(unstable, b)
		}
	}
	if len(unstable) == 0 {
		return nil, nil
	}
	verifier, err := w.client.Commit(ctx, w.file)
	if err != nil {
		return nil, err
	}
	after := w.client.Connections()
	var lost []*block
	for _, b := range unstable {
		if b.restarts || b.written.Verifier != verifier || b.before != after {
			lost = append(lost, b)
		}
	}
	return lost, nil
}

// rewrite writes blocks once more, no more at once than the window has.
func (w *contentWriter) rewrite(ctx context.Context, blocks []*block) {
	for i, b := range blocks {
		if i >= window {
			<-blocks[i-window].done
		}
		b.begin(ctx, w)
	}
}

// errShort means that a file ends before its end.
var errShort = errors.New("the file ends early")

// piece is a part of a file that is being read.
type piece struct {
	done chan struct{} // Closed when the following are set.
	data []byte
	err  error
}

// readPiece begins to read a part of a file.
func readPiece(ctx context.Context, client *nfs3.Client, file nfs3.Handle, offset uint64, count uint32) *piece {
	p := &piece{done: make(chan struct{})}
	go func() {
		defer close(p.done)
		p.data, p.err = readAll(ctx, client, file, offset, count)
	}()
	return p
}

// readAll reads a part of a file, in as many requests as the server wants.
func readAll(ctx context.Context, client *nfs3.Client, file nfs3.Handle, offset uint64, count uint32) ([]byte, error) {
	var all []byte
	for {
		got := uint32(len(all)) //nolint:gosec // It is at most count.
		data, isEnd, err := client.Read(ctx, file, offset+uint64(got), count-got)
		if err != nil {
			return nil, err
		}
		if all == nil && len(data) == int(count) {
			return data, nil
		}
		all = append(all, data...)
		if len(all) == int(count) {
			return all, nil
		}
		if isEnd || len(data) == 0 {
			return nil, errShort
		}
	}
}
