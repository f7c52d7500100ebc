package store

import (
	"bufio"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"hash"
	"io"

	"github.com/soda-cdm/kahu/internal/core"
)

// bufferSize is how many bytes are gathered before they are handed to the driver.
const bufferSize = 256 << 10

var (
	errAborted  = errors.New("the writing was given up")
	errFinished = errors.New("the file is finished")
)

// fileWriter writes one new file: what is written goes through a pipe to a goroutine in which the driver reads it.
// The goroutine ends with Commit or Abort, or with the context.
type fileWriter struct {
	name     string
	pipe     *io.PipeWriter
	buffer   *bufio.Writer
	hash     hash.Hash
	size     int64
	cancel   context.CancelFunc
	done     chan struct{} // Closed when the goroutine has ended and result is set.
	result   error
	settle   func(err error, want sum) error
	finished bool
}

// newFileWriter begins a file.
func newFileWriter(ctx context.Context, to driver, name, key string) *fileWriter {
	storing, cancel := context.WithCancel(ctx)
	source, pipe := io.Pipe()
	w := &fileWriter{
		name:   name,
		pipe:   pipe,
		buffer: bufio.NewWriterSize(pipe, bufferSize),
		hash:   sha256.New(),
		cancel: cancel,
		done:   make(chan struct{}),
		settle: func(err error, want sum) error { return settle(ctx, to, key, err, want) },
	}
	release := context.AfterFunc(storing, func() { _ = source.CloseWithError(context.Cause(storing)) })
	go func() {
		defer close(w.done)
		defer release()
		w.result = caused(ctx, to.create(storing, key, source))
		if errors.Is(w.result, core.ErrAlreadyExists) {
			// Whether it is the same content is known only when all of it was written.
			_, _ = io.Copy(io.Discard, source)
		}
		_ = source.CloseWithError(w.result) // Without an error, a writer that goes on gets io.ErrClosedPipe.
	}()
	return w
}

// caused tells of the end of the context where that is why a driver failed: all that it has seen may be that its source was
// closed.
func caused(ctx context.Context, err error) error {
	cause := context.Cause(ctx)
	if err == nil || cause == nil || errors.Is(err, cause) || errors.Is(err, core.ErrAlreadyExists) {
		return err
	}
	return fmt.Errorf("%w: %w", cause, err)
}

// Write hands the bytes to the driver. It blocks while the driver does not take them.
func (w *fileWriter) Write(content []byte) (int, error) {
	if w.finished {
		return 0, fmt.Errorf("writing file %s: %w", w.name, errFinished)
	}
	n, err := w.buffer.Write(content)
	w.hash.Write(content[:n])
	w.size += int64(n)
	if err != nil {
		return n, fmt.Errorf("writing file %s: %w", w.name, err)
	}
	return n, nil
}

// Commit waits until the driver has stored the file, and checks it.
func (w *fileWriter) Commit() error {
	if w.finished {
		return fmt.Errorf("writing file %s: %w", w.name, errFinished)
	}
	if err := w.buffer.Flush(); err != nil {
		w.Abort()
		return fmt.Errorf("writing file %s: %w", w.name, err)
	}
	w.finished = true
	defer w.cancel()
	_ = w.pipe.Close() // It never fails.
	<-w.done
	want := sum{size: w.size, digest: digestPrefix + hex.EncodeToString(w.hash.Sum(nil))}
	if err := w.settle(w.result, want); err != nil {
		return fmt.Errorf("writing file %s: %w", w.name, err)
	}
	return nil
}

// Abort gives the file up: the driver's next read fails, so that nothing appears.
func (w *fileWriter) Abort() {
	if w.finished {
		return
	}
	w.finished = true
	_ = w.pipe.CloseWithError(errAborted) // It never fails.
	w.cancel()
	<-w.done
}

// settle decides what became of a file whose driver ended with that error. That the file was there already, or that
// the answer was lost, may mean that an earlier attempt, or this one, has stored it.
func settle(ctx context.Context, from reader, key string, err error, want sum) error {
	switch {
	case err == nil:
		return check(ctx, from, key, want)
	case !errors.Is(err, core.ErrAlreadyExists) && !errors.Is(err, core.ErrUnavailable):
		return err
	}
	same, settleErr := holds(ctx, from, key, want)
	if settleErr != nil || !same {
		return err
	}
	return nil
}
