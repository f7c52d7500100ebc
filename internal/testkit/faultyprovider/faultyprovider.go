// Package faultyprovider is a driver for tests that does what the driver behind it does, and fails now and then, as
// networks, disks and object stores do: it is slow, resets streams, ends them early, is full, answers after the work was
// done that it was not, and lists what was there a while ago, in the wrong order, or twice.
//
// What it does follows from its seed, and from the order of the calls. Nothing that was written is ever changed: a
// store that loses what it has taken is not what is tested here.
package faultyprovider

import (
	"context"
	"fmt"
	"io"
	"maps"
	"math/rand/v2"
	"slices"
	"sync"
	"time"

	"github.com/soda-cdm/kahu/provider"
)

// Full is a driver with every ability.
type Full interface {
	provider.Driver
	provider.Creator
	provider.Lister
	provider.Stater
	provider.RangeReader
}

// Faults say how often what happens, each from 0 to 1 per call.
type Faults struct {
	// Slow calls take a moment longer.
	Slow float64
	// Unavailable calls do nothing and say so; Late ones do their work and say that they did not.
	Unavailable, Late float64
	// Reset streams break with an error, Short ones end early as if that were the end.
	Reset, Short float64
	// Full writes are refused for want of space.
	Full float64
	// Stale lists are those of an earlier time, Twice ones have an entry two times, Disordered ones two in wrong order,
	// Endless ones give the same page token again.
	Stale, Twice, Disordered, Endless float64
	// Denied calls are refused for want of permission.
	Denied float64
	// Most bounds how often each of them happens; 0 for no bound.
	Most int
}

// Names are the names of all faults, as they are counted.
func Names() []string {
	return []string{
		"slow", "unavailable", "late", "reset", "short", "full", "stale", "twice", "disordered", "endless", "denied",
	}
}

// Honest returns the faults that a good store can have: it answers wrongly about itself and never about its files.
func (f Faults) Honest() Faults {
	f.Short, f.Stale, f.Twice, f.Disordered, f.Endless = 0, 0, 0, 0, 0
	return f
}

// Driver is the driver. It is safe for concurrent use.
type Driver struct {
	full Full

	mu     sync.Mutex
	random *rand.Rand
	faults Faults
	count  map[string]int
	since  map[string]int // the same from the last Set on
	old    map[string]provider.ListPage
}

// New returns a driver in front of another one, with faults that follow from the seed.
func New(full Full, seed uint64, faults Faults) *Driver {
	return &Driver{
		full: full, random: rand.New(rand.NewPCG(seed, 9)), faults: faults,
		count: map[string]int{}, since: map[string]int{}, old: map[string]provider.ListPage{},
	}
}

// Set gives the driver other faults, which follow from the seed.
func (d *Driver) Set(seed uint64, faults Faults) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.random, d.faults, d.since = rand.New(rand.NewPCG(seed, 9)), faults, map[string]int{}
}

// Happened returns how often each fault happened.
func (d *Driver) Happened() map[string]int {
	d.mu.Lock()
	defer d.mu.Unlock()
	return maps.Clone(d.count)
}

// happens tells whether a fault happens now.
func (d *Driver) happens(name string, often func(faults Faults) float64) bool {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.random.Float64() >= often(d.faults) || d.faults.Most > 0 && d.since[name] >= d.faults.Most {
		return false
	}
	d.count[name]++
	d.since[name]++
	return true
}

func (d *Driver) number(below int) int {
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.random.IntN(below)
}

var errReset = fmt.Errorf("connection reset by peer: %w", provider.ErrUnavailable)

// do makes a call with its faults.
func (d *Driver) do(ctx context.Context, work func() error) error {
	if d.happens("slow", func(f Faults) float64 { return f.Slow }) {
		timer := time.NewTimer(time.Duration(1+d.number(3)) * time.Millisecond)
		defer timer.Stop()
		select {
		case <-timer.C:
		case <-ctx.Done():
			return ctx.Err()
		}
	}
	if d.happens("unavailable", func(f Faults) float64 { return f.Unavailable }) {
		return fmt.Errorf("the store is restarting: %w", provider.ErrUnavailable)
	}
	if d.happens("denied", func(f Faults) float64 { return f.Denied }) {
		return fmt.Errorf("the key was withdrawn: %w", provider.ErrPermissionDenied)
	}
	err := work()
	if err == nil && d.happens("late", func(f Faults) float64 { return f.Late }) {
		return fmt.Errorf("no answer came: %w", provider.ErrUnavailable)
	}
	return err
}

// write makes a call that writes.
func (d *Driver) write(ctx context.Context, content io.Reader, work func(content io.Reader) error) error {
	return d.do(ctx, func() error {
		if d.happens("full", func(f Faults) float64 { return f.Full }) {
			return fmt.Errorf("no space left: %w", provider.ErrResourceExhausted)
		}
		if d.happens("reset", func(f Faults) float64 { return f.Reset }) {
			_, _ = io.CopyN(io.Discard, content, int64(d.number(4096)))
			return errReset
		}
		return work(content)
	})
}

// broken is a stream that ends before its end.
type broken struct {
	io.ReadCloser

	left int64
	err  error
}

// Read reads what is left.
func (b *broken) Read(into []byte) (int, error) {
	if b.left <= 0 {
		return 0, b.err
	}
	n, err := b.ReadCloser.Read(into[:min(int64(len(into)), b.left)])
	b.left -= int64(n)
	return n, err
}

// read gives a stream its faults.
func (d *Driver) read(ctx context.Context, open func() (io.ReadCloser, error)) (content io.ReadCloser, err error) {
	err = d.do(ctx, func() error {
		content, err = open()
		return err
	})
	if err != nil {
		if content != nil {
			_ = content.Close()
		}
		return nil, err
	}
	switch {
	case d.happens("reset", func(f Faults) float64 { return f.Reset }):
		return &broken{content, int64(d.number(2048)), errReset}, nil
	case d.happens("short", func(f Faults) float64 { return f.Short }):
		return &broken{content, int64(d.number(2048)), io.EOF}, nil
	}
	return content, nil
}

// Info is that of the driver behind.
func (d *Driver) Info(ctx context.Context) (provider.Info, error) { return d.full.Info(ctx) }

// Capabilities are those of the driver behind.
func (d *Driver) Capabilities(ctx context.Context) ([]provider.Capability, error) {
	return d.full.Capabilities(ctx)
}

// Probe is that of the driver behind.
func (d *Driver) Probe(ctx context.Context) (bool, error) { return d.full.Probe(ctx) }

// Upload writes.
func (d *Driver) Upload(ctx context.Context, name string, attributes provider.Attributes, content io.Reader) error {
	return d.write(ctx, content, func(content io.Reader) error { return d.full.Upload(ctx, name, attributes, content) })
}

// Create writes.
func (d *Driver) Create(ctx context.Context, name string, attributes provider.Attributes, content io.Reader) error {
	return d.write(ctx, content, func(content io.Reader) error { return d.full.Create(ctx, name, attributes, content) })
}

// Delete removes.
func (d *Driver) Delete(ctx context.Context, name string, attributes provider.Attributes) error {
	return d.do(ctx, func() error { return d.full.Delete(ctx, name, attributes) })
}

// Exists asks.
func (d *Driver) Exists(ctx context.Context, name string, attributes provider.Attributes) (found bool, err error) {
	err = d.do(ctx, func() error {
		found, err = d.full.Exists(ctx, name, attributes)
		return err
	})
	return found, err
}

// Stat asks.
func (d *Driver) Stat(ctx context.Context, name string, attributes provider.Attributes) (found provider.ObjectInfo, err error) {
	err = d.do(ctx, func() error {
		found, err = d.full.Stat(ctx, name, attributes)
		return err
	})
	return found, err
}

// Download reads.
func (d *Driver) Download(ctx context.Context, name string, attributes provider.Attributes) (io.ReadCloser, error) {
	return d.read(ctx, func() (io.ReadCloser, error) { return d.full.Download(ctx, name, attributes) })
}

// DownloadRange reads.
func (d *Driver) DownloadRange(ctx context.Context, request provider.RangeRequest) (io.ReadCloser, error) {
	return d.read(ctx, func() (io.ReadCloser, error) { return d.full.DownloadRange(ctx, request) })
}

// List lists, perhaps wrongly.
func (d *Driver) List(ctx context.Context, request provider.ListRequest) (found provider.ListPage, err error) {
	err = d.do(ctx, func() error {
		found, err = d.full.List(ctx, request)
		return err
	})
	if err != nil {
		return provider.ListPage{}, err
	}
	return d.distort(request, found), nil
}

// distort changes a page of a list.
func (d *Driver) distort(request provider.ListRequest, found provider.ListPage) provider.ListPage {
	key := request.Prefix + "\x00" + request.PageToken
	d.mu.Lock()
	earlier, known := d.old[key]
	d.old[key] = found
	d.mu.Unlock()
	found.Objects = slices.Clone(found.Objects)
	last := len(found.Objects) - 1
	switch {
	case known && d.happens("stale", func(f Faults) float64 { return f.Stale }):
		return earlier
	case last >= 0 && d.happens("twice", func(f Faults) float64 { return f.Twice }):
		found.Objects = append(found.Objects, found.Objects[last])
	case last >= 1 && d.happens("disordered", func(f Faults) float64 { return f.Disordered }):
		found.Objects[0], found.Objects[last] = found.Objects[last], found.Objects[0]
	case request.PageToken != "" && d.happens("endless", func(f Faults) float64 { return f.Endless }):
		found.NextPageToken = request.PageToken
	}
	return found
}
