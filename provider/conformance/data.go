package conformance

import (
	"bytes"
	"context"
	"encoding/binary"
	"fmt"
	"io"
	"math/rand/v2"
	"sync"
	"time"
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

// meetingTimeout is how long a meeting waits for those who are late.
const meetingTimeout = 200 * time.Millisecond

// meeting makes several uploads of one name meet in the middle of their contents, so that what a driver does before
// it reads a content and what it does afterwards lie apart. A driver may also take one after the other: then the
// meeting does not come about, and each goes on after a short time.
type meeting struct {
	mu       sync.Mutex
	expected int
	complete chan struct{}
}

func newMeeting(expected int) *meeting {
	return &meeting{expected: expected, complete: make(chan struct{})}
}

// content returns a content that stops in its middle until all have come.
func (m *meeting) content(content []byte) io.Reader {
	half := len(content) / 2
	var once sync.Once
	pause := &brokenReader{content: content[:half], reached: func() error {
		once.Do(m.wait)
		return io.EOF
	}}
	return io.MultiReader(pause, bytes.NewReader(content[half:]))
}

// arrive counts one that need not be waited for.
func (m *meeting) arrive() {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.expected--
	if m.expected == 0 {
		close(m.complete)
	}
}

func (m *meeting) wait() {
	m.arrive()
	timer := time.NewTimer(meetingTimeout)
	defer timer.Stop()
	select {
	case <-m.complete:
	case <-timer.C:
	}
}
