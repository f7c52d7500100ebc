package store

import (
	"context"
	"errors"
	"fmt"
	"io"
	"math"

	"k8s.io/apimachinery/pkg/util/wait"
	"k8s.io/utils/clock"

	"github.com/soda-cdm/kahu/internal/core"
)

// retry repeats what failed with core.ErrUnavailable, a bounded number of times, after pauses that grow: calls whose
// repetition changes nothing, streams that can begin again, and reads, which go on where they broke off.
type retry struct {
	driver
	clock clock.Clock
	// pauses gives the number of repetitions and the time before each.
	pauses wait.Backoff
	// replay is how many bytes of a content are held, so that its sending can begin again.
	replay int
}

// do calls until it succeeds, fails for good, or was repeated often enough.
func (r retry) do(ctx context.Context, call func() error) error {
	pauses := r.pauses
	for {
		err := call()
		if !errors.Is(err, core.ErrUnavailable) || !r.pause(ctx, &pauses) {
			return err
		}
	}
}

// pause waits before the next repetition. False means that there is none.
func (r retry) pause(ctx context.Context, pauses *wait.Backoff) bool {
	if pauses.Steps <= 0 || ctx.Err() != nil {
		return false
	}
	timer := r.clock.NewTimer(pauses.Step())
	defer timer.Stop()
	select {
	case <-timer.C():
		return true
	case <-ctx.Done():
		return false
	}
}

func (r retry) stat(ctx context.Context, name string) (object, error) {
	var found object
	err := r.do(ctx, func() (err error) {
		found, err = r.driver.stat(ctx, name)
		return err
	})
	return found, err
}

func (r retry) exists(ctx context.Context, name string) (bool, error) {
	var found bool
	err := r.do(ctx, func() (err error) {
		found, err = r.driver.exists(ctx, name)
		return err
	})
	return found, err
}

func (r retry) remove(ctx context.Context, name string) error {
	return r.do(ctx, func() error { return r.driver.remove(ctx, name) })
}

func (r retry) list(ctx context.Context, prefix, token string) (page, error) {
	var found page
	err := r.do(ctx, func() (err error) {
		found, err = r.driver.list(ctx, prefix, token)
		return err
	})
	return found, err
}

func (r retry) create(ctx context.Context, name string, content io.Reader) error {
	return r.sending(ctx, content, func(ctx context.Context, content io.Reader) error {
		return r.driver.create(ctx, name, content)
	})
}

func (r retry) upload(ctx context.Context, name string, content io.Reader) error {
	return r.sending(ctx, content, func(ctx context.Context, content io.Reader) error {
		return r.driver.upload(ctx, name, content)
	})
}

// sending sends a content, and sends it again from its beginning for as long as that is held.
func (r retry) sending(ctx context.Context, content io.Reader, send sender) error {
	held := &heldReader{content: content, limit: r.replay}
	pauses := r.pauses
	for {
		err := send(ctx, held)
		if !errors.Is(err, core.ErrUnavailable) || !held.rewind() || !r.pause(ctx, &pauses) {
			return err
		}
	}
}

// heldReader holds the beginning of a content, up to a limit, so that it can be read again.
type heldReader struct {
	content io.Reader
	limit   int

	held  []byte
	next  int  // The position in held, where the reading goes on.
	over  bool // More was read than can be held.
	ended error
}

// Read reads what is held, then the content itself.
func (h *heldReader) Read(into []byte) (int, error) {
	if h.next < len(h.held) {
		n := copy(into, h.held[h.next:])
		h.next += n
		return n, nil
	}
	if h.ended != nil {
		return 0, h.ended
	}
	n, err := h.content.Read(into)
	h.ended = err
	h.hold(into[:n])
	return n, err
}

// hold keeps the bytes that were just read, if there is room.
func (h *heldReader) hold(read []byte) {
	if h.over || len(h.held)+len(read) > h.limit {
		h.over, h.held, h.next = h.over || len(read) > 0, nil, 0
		return
	}
	h.held = append(h.held, read...)
	h.next = len(h.held)
}

// rewind goes back to the beginning. False means that it is not held any more, or that the content is broken itself.
func (h *heldReader) rewind() bool {
	if h.over || (h.ended != nil && !errors.Is(h.ended, io.EOF)) {
		return false
	}
	h.next = 0
	return true
}

func (r retry) open(ctx context.Context, name string) (io.ReadCloser, error) {
	return r.openFrom(ctx, name, 0, math.MaxInt64)
}

func (r retry) openRange(ctx context.Context, name string, offset, length int64) (io.ReadCloser, error) {
	return r.openFrom(ctx, name, offset, length)
}

// openFrom opens a part of a file that is taken up again where it breaks off. Files of a store are written once, so what
// comes after the break belongs to what came before; digests would show if it did not.
func (r retry) openFrom(ctx context.Context, name string, offset, length int64) (io.ReadCloser, error) {
	stream := &resumedReader{left: length, pauses: r.pauses}
	stream.reopen = func(done int64) (io.ReadCloser, error) {
		if done == 0 && length == math.MaxInt64 {
			return r.driver.open(ctx, name)
		}
		left := length - done
		if length == math.MaxInt64 {
			left = math.MaxInt64 - offset - done
		}
		return r.driver.openRange(ctx, name, offset+done, left)
	}
	stream.again = func() bool { return r.pause(ctx, &stream.pauses) }
	err := r.do(ctx, func() (err error) {
		stream.content, err = stream.reopen(0)
		return err
	})
	if err != nil {
		return nil, err
	}
	return stream, nil
}

// resumedReader reads a stream that is opened again where it breaks off.
type resumedReader struct {
	content io.ReadCloser // Nil after a break that could not be mended.
	reopen  func(done int64) (io.ReadCloser, error)
	again   func() bool
	pauses  wait.Backoff
	done    int64
	left    int64
}

// Read reads on. More bytes than were asked for are the driver's mistake.
func (r *resumedReader) Read(into []byte) (int, error) {
	for {
		n, err := r.content.Read(into)
		r.done, r.left = r.done+int64(n), r.left-int64(n)
		if r.left < 0 {
			return 0, fmt.Errorf("reading %d bytes more than were asked for: %w", -r.left, core.ErrCorrupt)
		}
		if n > 0 && errors.Is(err, core.ErrUnavailable) {
			return n, nil // The next read meets the error again.
		}
		if !errors.Is(err, core.ErrUnavailable) || !r.mend() {
			return n, err
		}
	}
}

// mend opens the stream again. False means that it cannot be mended.
func (r *resumedReader) mend() bool {
	for r.again() {
		content, err := r.reopen(r.done)
		if err == nil {
			_ = r.content.Close() // It is broken.
			r.content = content
			return true
		}
		if !errors.Is(err, core.ErrUnavailable) {
			return false
		}
	}
	return false
}

// Close ends the stream.
func (r *resumedReader) Close() error { return r.content.Close() }
