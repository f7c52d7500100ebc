package faultyapiserver

import (
	"context"
	"fmt"
	"io"
	"net/http"
	"time"
)

const (
	// maxWatch is how long a watch goes on at most that is cut, or forgets its moment.
	maxWatch = 2 * time.Second
	// maxLag is how late the events of a lagging watch are at most.
	maxLag = 300 * time.Millisecond
)

// fate is what becomes of a watch.
type fate struct {
	end   <-chan time.Time // nil for never
	last  []byte           // told at the end
	err   func() error     // the end
	lags  bool
	stale <-chan struct{} // closed when there are other faults
}

// fateOf draws what becomes of a watch with the faults of now.
func (c *chance) fateOf(ctx context.Context) fate {
	c.mu.Lock()
	c.faults, c.key, c.drawn = c.Server.faults, fmt.Sprintf("%d %s", c.seed, c.call), 0
	drawn := fate{stale: c.changed}
	c.mu.Unlock()
	switch {
	case c.happens("cut watch", c.faults.Cut):
		drawn.end, drawn.err = c.timer(), func() error { return reset(ctx) }
		if c.number(2) == 0 {
			drawn.last = []byte(`{"type":"MODIFIED","object":{"kind":`)
		}
	case c.happens("gone watch", c.faults.Gone):
		drawn.end, drawn.err = c.timer(), func() error { return io.EOF }
		drawn.last = fmt.Appendf(nil, "{\"type\":\"ERROR\",\"object\":%s}\n", expired().status())
	}
	drawn.lags = c.happens("lagging", c.faults.Lagging)
	return drawn
}

func (c *chance) moment() time.Duration {
	return time.Millisecond + time.Duration(c.number(int(maxWatch)))
}

func (c *chance) timer() <-chan time.Time { return time.NewTimer(c.moment()).C }

// watch is a watch that ends after a time, in the middle of an event, or that lags.
type watch struct {
	io.ReadCloser
	fate

	ctx    context.Context //nolint:containedctx // It is that of the request, whose answer this is.
	chance *chance
	chunks chan chunk
	rest   []byte
	closed chan struct{}
}

// chunk is what one read brought.
type chunk struct {
	content []byte
	err     error
}

// watch gives a watch its faults.
func (c *chance) watch(response *http.Response) io.ReadCloser {
	ctx := response.Request.Context()
	made := &watch{
		ReadCloser: response.Body, fate: c.fateOf(ctx), ctx: ctx, chance: c, chunks: make(chan chunk), closed: make(chan struct{}),
	}
	go made.readAhead()
	return made
}

// readAhead reads, so that the end can come while nothing happens.
func (w *watch) readAhead() {
	for {
		buffer := make([]byte, 32<<10)
		n, err := w.ReadCloser.Read(buffer)
		select {
		case w.chunks <- chunk{buffer[:n], err}:
		case <-w.closed:
			return
		}
		if err != nil {
			return
		}
	}
}

// Read implements io.Reader.
func (w *watch) Read(into []byte) (int, error) {
	for len(w.rest) == 0 {
		select {
		case <-w.stale:
			w.fate = w.chance.fateOf(w.ctx)
		case <-w.end:
			if len(w.last) == 0 {
				return 0, w.err()
			}
			w.rest, w.last, w.end = w.last, nil, time.NewTimer(0).C
		case read := <-w.chunks:
			if w.lags {
				pause(w.ctx, time.Duration(w.chance.number(int(maxLag))))
			}
			if len(read.content) == 0 && read.err != nil {
				return 0, read.err
			}
			w.rest = read.content
		}
	}
	n := copy(into, w.rest)
	w.rest = w.rest[n:]
	return n, nil
}

// Close ends the watch behind, and the reading ahead with it.
func (w *watch) Close() error {
	close(w.closed)
	return w.ReadCloser.Close()
}
