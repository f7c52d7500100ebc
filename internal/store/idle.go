package store

import (
	"context"
	"errors"
	"fmt"
	"io"
	"time"

	"k8s.io/utils/clock"

	"github.com/soda-cdm/kahu/internal/core"
)

// watch ends a context when the other side lets us wait for too long at a stretch. The time runs only while it is
// armed: that we are slow ourselves is not the other side's fault.
type watch struct {
	timer  clock.Timer
	limit  time.Duration
	cancel context.CancelCauseFunc
}

// newWatch returns the context, and its watch at rest.
func newWatch(ctx context.Context, clk clock.WithDelayedExecution, limit time.Duration) (context.Context, *watch) {
	watched, cancel := context.WithCancelCause(ctx)
	w := &watch{limit: limit, cancel: cancel}
	stalled := fmt.Errorf("the driver made no progress for %s: %w", limit, core.ErrUnavailable)
	w.timer = clk.AfterFunc(limit, func() { cancel(stalled) })
	w.timer.Stop()
	return watched, w
}

// arm lets the time run from now on.
func (w *watch) arm() { w.timer.Reset(w.limit) }

// rest stops the time.
func (w *watch) rest() { w.timer.Stop() }

// end releases the watch and ends the context.
func (w *watch) end() {
	w.timer.Stop()
	w.cancel(nil)
}

// explain returns the cause of an error where the watch brought it about. A call that the other side gave up, while
// nobody on ours did, is one that can be made again.
func explain(watched context.Context, err error) error {
	cause := context.Cause(watched)
	switch {
	case err == nil || err == io.EOF: //nolint:errorlint // The end of a stream is io.EOF itself.
		return err
	case errors.Is(cause, core.ErrUnavailable):
		return cause
	case cause == nil && errors.Is(err, context.Canceled):
		return &classError{class: core.ErrUnavailable, err: err}
	}
	return err
}

// idle ends a call that gives no answer, and a stream that stands still, with core.ErrUnavailable.
type idle struct {
	driver
	clock clock.WithDelayedExecution
	// call bounds a call without a stream, stream the time without progress of one.
	call, stream time.Duration
}

func (i idle) stat(ctx context.Context, name string) (object, error) {
	watched, w := newWatch(ctx, i.clock, i.call)
	defer w.end()
	w.arm()
	found, err := i.driver.stat(watched, name)
	return found, explain(watched, err)
}

func (i idle) exists(ctx context.Context, name string) (bool, error) {
	watched, w := newWatch(ctx, i.clock, i.call)
	defer w.end()
	w.arm()
	found, err := i.driver.exists(watched, name)
	return found, explain(watched, err)
}

func (i idle) remove(ctx context.Context, name string) error {
	watched, w := newWatch(ctx, i.clock, i.call)
	defer w.end()
	w.arm()
	return explain(watched, i.driver.remove(watched, name))
}

func (i idle) list(ctx context.Context, prefix, token string) (page, error) {
	watched, w := newWatch(ctx, i.clock, i.call)
	defer w.end()
	w.arm()
	found, err := i.driver.list(watched, prefix, token)
	return found, explain(watched, err)
}

func (i idle) open(ctx context.Context, name string) (io.ReadCloser, error) {
	return i.watched(ctx, func(ctx context.Context) (io.ReadCloser, error) { return i.driver.open(ctx, name) })
}

func (i idle) openRange(ctx context.Context, name string, offset, length int64) (io.ReadCloser, error) {
	return i.watched(ctx, func(ctx context.Context) (io.ReadCloser, error) {
		return i.driver.openRange(ctx, name, offset, length)
	})
}

// watched opens a stream, and watches it until it is closed.
func (i idle) watched(ctx context.Context, open opener) (io.ReadCloser, error) {
	watched, w := newWatch(ctx, i.clock, i.stream)
	w.arm()
	content, err := open(watched)
	w.rest()
	if err != nil {
		err = explain(watched, err)
		w.end()
		return nil, err
	}
	return &idleReader{
		content: content,
		watch:   w,
		explain: func(err error) error { return explain(watched, err) },
	}, nil
}

func (i idle) create(ctx context.Context, name string, content io.Reader) error {
	return i.sending(ctx, content, func(ctx context.Context, content io.Reader) error {
		return i.driver.create(ctx, name, content)
	})
}

func (i idle) upload(ctx context.Context, name string, content io.Reader) error {
	return i.sending(ctx, content, func(ctx context.Context, content io.Reader) error {
		return i.driver.upload(ctx, name, content)
	})
}

// sending watches a driver that takes a content. Its time runs whenever it is not asking for more.
func (i idle) sending(ctx context.Context, content io.Reader, send sender) error {
	watched, w := newWatch(ctx, i.clock, i.stream)
	defer w.end()
	w.arm()
	return explain(watched, send(watched, &askedReader{content: content, watch: w}))
}

// opener opens a stream, sender sends one.
type (
	opener func(ctx context.Context) (io.ReadCloser, error)
	sender func(ctx context.Context, content io.Reader) error
)

// idleReader reads a stream of the driver: the time runs while a read waits.
type idleReader struct {
	content io.ReadCloser
	watch   *watch
	explain func(err error) error
}

func (r *idleReader) Read(into []byte) (int, error) {
	r.watch.arm()
	n, err := r.content.Read(into)
	r.watch.rest()
	return n, r.explain(err)
}

func (r *idleReader) Close() error {
	err := r.content.Close()
	r.watch.end()
	return err
}

// askedReader is read by the driver: the time rests while the driver waits for us.
type askedReader struct {
	content io.Reader
	watch   *watch
}

func (r *askedReader) Read(into []byte) (int, error) {
	r.watch.rest()
	n, err := r.content.Read(into)
	r.watch.arm()
	return n, err
}
