package conformance

import (
	"context"
	"encoding/binary"
	"fmt"
	"io"
	"math/rand/v2"
)

// pattern returns n bytes that are the same for the same seed, and that no compression makes small.
func pattern(seed uint64, n int) []byte {
	var key [32]byte
	binary.LittleEndian.PutUint64(key[:], seed)
	content := make([]byte, n)
	_, _ = rand.NewChaCha8(key).Read(content) // It never fails.
	return content
}

// brokenReader gives some bytes, calls reached, and then an error instead of the rest.
type brokenReader struct {
	content []byte
	reached func() error
}

// Read implements io.Reader.
func (r *brokenReader) Read(buffer []byte) (int, error) {
	if len(r.content) == 0 {
		return 0, r.reached()
	}
	n := copy(buffer, r.content)
	r.content = r.content[n:]
	return n, nil
}

// cutShort returns a content that breaks off with an error.
func cutShort(content []byte, err error) io.Reader {
	return &brokenReader{content: content, reached: func() error { return err }}
}

// stuck returns a content that comes to a stop after some bytes, calls reached, and gives up when ctx ends.
func stuck(ctx context.Context, content []byte, reached func()) io.Reader {
	return &brokenReader{content: content, reached: func() error {
		reached()
		<-ctx.Done()
		return fmt.Errorf("the content has come to a stop: %w", ctx.Err())
	}}
}

// inParallel runs n calls at once and returns their errors.
func inParallel(n int, call func(i int) error) []error {
	type ended struct {
		i   int
		err error
	}
	results := make(chan ended, n)
	for i := range n {
		go func() { results <- ended{i, call(i)} }()
	}
	errs := make([]error, n)
	for range n {
		result := <-results
		errs[result.i] = result.err
	}
	return errs
}
