package store

import (
	"context"
	"fmt"
	"io"
	"sync"
	"time"

	"k8s.io/utils/clock"

	"github.com/soda-cdm/kahu/internal/core"
)

// limit bounds how many streams are open at once, readers and writers apart, as a reader may feed a writer. Who finds
// no place waits for one, for a time.
type limit struct {
	driver
	clock  clock.Clock
	wait   time.Duration
	places places
}

// places are the streams that may be open; each that is fills one of them.
type places struct {
	readers chan struct{}
	writers chan struct{}
}

// newPlaces returns as many places for readers, and as many for writers.
func newPlaces(count int) places {
	return places{readers: make(chan struct{}, count), writers: make(chan struct{}, count)}
}

// enter waits for a place, and returns the function that gives it back.
func (l limit) enter(ctx context.Context, free chan struct{}) (func(), error) {
	timer := l.clock.NewTimer(l.wait)
	defer timer.Stop()
	select {
	case free <- struct{}{}:
		return sync.OnceFunc(func() { <-free }), nil
	case <-ctx.Done():
		return nil, context.Cause(ctx)
	case <-timer.C():
		return nil, fmt.Errorf("waiting %s for one of %d transfers to end: %w", l.wait, cap(free), core.ErrUnavailable)
	}
}

func (l limit) create(ctx context.Context, name string, content io.Reader) error {
	leave, err := l.enter(ctx, l.places.writers)
	if err != nil {
		return err
	}
	defer leave()
	return l.driver.create(ctx, name, content)
}

func (l limit) upload(ctx context.Context, name string, content io.Reader) error {
	leave, err := l.enter(ctx, l.places.writers)
	if err != nil {
		return err
	}
	defer leave()
	return l.driver.upload(ctx, name, content)
}

func (l limit) open(ctx context.Context, name string) (io.ReadCloser, error) {
	return l.opened(ctx, func(ctx context.Context) (io.ReadCloser, error) { return l.driver.open(ctx, name) })
}

func (l limit) openRange(ctx context.Context, name string, offset, length int64) (io.ReadCloser, error) {
	return l.opened(ctx, func(ctx context.Context) (io.ReadCloser, error) {
		return l.driver.openRange(ctx, name, offset, length)
	})
}

// opened opens a stream that holds its place until it is closed, or its context ends.
func (l limit) opened(ctx context.Context, open opener) (io.ReadCloser, error) {
	leave, err := l.enter(ctx, l.places.readers)
	if err != nil {
		return nil, err
	}
	content, err := open(ctx)
	if err != nil {
		leave()
		return nil, err
	}
	forget := context.AfterFunc(ctx, leave)
	return &placedReader{ReadCloser: content, leave: func() { forget(); leave() }}, nil
}

// placedReader gives its place back when it is closed.
type placedReader struct {
	io.ReadCloser

	leave func()
}

// Close ends the stream.
func (r *placedReader) Close() error {
	defer r.leave()
	return r.ReadCloser.Close()
}
