package conformance

import (
	"context"
	"errors"
	"fmt"
	"io"
	"sync"
	"time"

	"github.com/soda-cdm/kahu/provider"
)

// DefaultCallTime is how long a driver may take for one answer, unless a Target says otherwise.
const DefaultCallTime = 30 * time.Second

// patient is a driver whose calls end, whatever the driver behind it does: a call that gets no answer in time is given
// up, and named. What the driver goes on doing is left to it.
type patient struct {
	driver provider.Driver
	limit  time.Duration

	mu   sync.Mutex
	hung string
}

// HungError says that a driver did not answer.
type HungError struct {
	// Call is the name of the rpc, Limit the time that it had.
	Call  string
	Limit time.Duration
}

// Error names the rpc.
func (e *HungError) Error() string {
	return fmt.Sprintf("the driver hangs: %s had no answer after %s", e.Call, e.Limit)
}

// hangs returns the name of the first call that got no answer, or nothing.
func (p *patient) hangs() string {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.hung
}

// give gives a call up.
func (p *patient) give(call string) error {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.hung == "" {
		p.hung = call
	}
	return &HungError{Call: call, Limit: p.limit}
}

// answered is what a call returned.
type answered[R any] struct {
	value R
	err   error
}

// await makes a call and waits for its answer, as long as the clock runs: busy stops it while the driver waits for us.
func await[R any](p *patient, call string, clock *stopwatch, work func() (R, error)) (R, error) {
	var none R
	if hung := p.hangs(); hung != "" {
		clock.stop()
		return none, &HungError{Call: hung, Limit: p.limit} // One verdict is enough.
	}
	done := make(chan answered[R], 1)
	go func() {
		value, err := work()
		done <- answered[R]{value, err}
	}()
	select {
	case got := <-done:
		clock.stop()
		return got.value, got.err
	case <-clock.over:
		return none, p.give(call)
	}
}

// stopwatch ends after a time in which it was not stopped.
type stopwatch struct {
	over  chan struct{}
	limit time.Duration
	timer *time.Timer
}

func (p *patient) newStopwatch() *stopwatch {
	watch := &stopwatch{over: make(chan struct{}), limit: p.limit}
	watch.timer = time.AfterFunc(p.limit, func() { close(watch.over) })
	return watch
}

func (w *stopwatch) stop() { w.timer.Stop() }

// pausing stops the watch while the driver waits for content.
type pausing struct {
	io.Reader

	watch *stopwatch
}

// Read reads without the watch running, unless the time is over already.
func (r pausing) Read(into []byte) (int, error) {
	if !r.watch.timer.Stop() {
		return 0, errors.New("the call was given up")
	}
	defer r.watch.timer.Reset(r.watch.limit)
	return r.Reader.Read(into)
}

// patientReader bounds each piece of a content.
type patientReader struct {
	io.ReadCloser

	patient *patient
	call    string
}

// Read reads into memory of its own, as a call that was given up may still write into it.
func (r patientReader) Read(into []byte) (int, error) {
	piece := make([]byte, len(into))
	n, err := await(r.patient, r.call, r.patient.newStopwatch(), func() (int, error) { return r.ReadCloser.Read(piece) })
	copy(into, piece[:n])
	return n, err
}

// Close closes.
func (r patientReader) Close() error {
	_, err := await(r.patient, r.call, r.patient.newStopwatch(), func() (struct{}, error) { return struct{}{}, r.ReadCloser.Close() })
	return err
}

func (p *patient) read(call string, open func() (io.ReadCloser, error)) (io.ReadCloser, error) {
	content, err := await(p, call, p.newStopwatch(), open)
	if err != nil {
		return nil, err
	}
	return patientReader{content, p, call}, nil
}

func (p *patient) write(call string, content io.Reader, store func(content io.Reader) error) error {
	watch := p.newStopwatch()
	_, err := await(p, call, watch, func() (struct{}, error) { return struct{}{}, store(pausing{content, watch}) })
	return err
}

// Info implements provider.Driver.
func (p *patient) Info(ctx context.Context) (provider.Info, error) {
	return await(p, "GetProviderInfo", p.newStopwatch(), func() (provider.Info, error) { return p.driver.Info(ctx) })
}

// Capabilities implements provider.Driver.
func (p *patient) Capabilities(ctx context.Context) ([]provider.Capability, error) {
	return await(p, "GetProviderCapabilities", p.newStopwatch(), func() ([]provider.Capability, error) { return p.driver.Capabilities(ctx) })
}

// Probe implements provider.Driver.
func (p *patient) Probe(ctx context.Context) (bool, error) {
	return await(p, "Probe", p.newStopwatch(), func() (bool, error) { return p.driver.Probe(ctx) })
}

// Upload implements provider.Driver.
func (p *patient) Upload(ctx context.Context, name string, attributes provider.Attributes, content io.Reader) error {
	return p.write("Upload", content, func(content io.Reader) error { return p.driver.Upload(ctx, name, attributes, content) })
}

// Exists implements provider.Driver.
func (p *patient) Exists(ctx context.Context, name string, attributes provider.Attributes) (bool, error) {
	return await(p, "ObjectExists", p.newStopwatch(), func() (bool, error) { return p.driver.Exists(ctx, name, attributes) })
}

// Download implements provider.Driver.
func (p *patient) Download(ctx context.Context, name string, attributes provider.Attributes) (io.ReadCloser, error) {
	return p.read("Download", func() (io.ReadCloser, error) { return p.driver.Download(ctx, name, attributes) })
}

// Delete implements provider.Driver.
func (p *patient) Delete(ctx context.Context, name string, attributes provider.Attributes) error {
	_, err := await(p, "Delete", p.newStopwatch(), func() (struct{}, error) {
		return struct{}{}, p.driver.Delete(ctx, name, attributes)
	})
	return err
}

// The optional calls are asked for where the driver behind has them: see require.

// Create implements provider.Creator.
func (p *patient) Create(ctx context.Context, name string, attributes provider.Attributes, content io.Reader) error {
	creator, ok := p.driver.(provider.Creator)
	if !ok {
		return provider.ErrUnimplemented
	}
	return p.write("Create", content, func(content io.Reader) error { return creator.Create(ctx, name, attributes, content) })
}

// List implements provider.Lister.
func (p *patient) List(ctx context.Context, request provider.ListRequest) (provider.ListPage, error) {
	lister, ok := p.driver.(provider.Lister)
	if !ok {
		return provider.ListPage{}, provider.ErrUnimplemented
	}
	return await(p, "ListObjects", p.newStopwatch(), func() (provider.ListPage, error) { return lister.List(ctx, request) })
}

// Stat implements provider.Stater.
func (p *patient) Stat(ctx context.Context, name string, attributes provider.Attributes) (provider.ObjectInfo, error) {
	stater, ok := p.driver.(provider.Stater)
	if !ok {
		return provider.ObjectInfo{}, provider.ErrUnimplemented
	}
	return await(p, "StatObject", p.newStopwatch(), func() (provider.ObjectInfo, error) { return stater.Stat(ctx, name, attributes) })
}

// DownloadRange implements provider.RangeReader.
func (p *patient) DownloadRange(ctx context.Context, request provider.RangeRequest) (io.ReadCloser, error) {
	ranger, ok := p.driver.(provider.RangeReader)
	if !ok {
		return nil, provider.ErrUnimplemented
	}
	return p.read("DownloadRange", func() (io.ReadCloser, error) { return ranger.DownloadRange(ctx, request) })
}
