package store

import (
	"context"
	"fmt"
	"io"

	"github.com/soda-cdm/kahu/internal/core"
)

// whole does not believe a driver that says it has stored a content whose end it has not read.
type whole struct {
	driver
}

func (w whole) create(ctx context.Context, name string, content io.Reader) error {
	read := &endedReader{content: content}
	return read.judge(w.driver.create(ctx, name, read))
}

func (w whole) upload(ctx context.Context, name string, content io.Reader) error {
	read := &endedReader{content: content}
	return read.judge(w.driver.upload(ctx, name, read))
}

// endedReader remembers whether its end was reached.
type endedReader struct {
	content io.Reader
	size    int64
	ended   bool
}

func (r *endedReader) Read(into []byte) (int, error) {
	n, err := r.content.Read(into)
	r.size += int64(n)
	r.ended = err == io.EOF
	return n, err
}

// judge returns the driver's error, or that it has not read to the end.
func (r *endedReader) judge(err error) error {
	if err == nil && !r.ended {
		return fmt.Errorf("the driver stopped reading after %d bytes and reported success: %w", r.size, core.ErrCorrupt)
	}
	return err
}
