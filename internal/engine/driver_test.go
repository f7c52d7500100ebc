package engine_test

import (
	"context"
	"io"
	"net/url"
	"slices"
	"sync"

	"github.com/soda-cdm/kahu/provider"
	"github.com/soda-cdm/kahu/provider/memory"
)

// driver is the driver in memory, which fails where a test says so, and writes down what was asked of it.
type driver struct {
	*memory.Store

	// before is asked before a call, with its number from 0: its error is the answer, and nothing is done.
	before func(number int, call, name string) error
	// after is asked after a call that succeeded: its error is the answer, though all is done.
	after func(number int, call, name string) error
	// unlisted drivers cannot list.
	unlisted bool

	mu    sync.Mutex
	calls []string
}

func newDriver() *driver { return &driver{Store: memory.New(memory.Options{})} }

// recorded returns the calls since the last time.
func (d *driver) recorded() []string {
	d.mu.Lock()
	defer d.mu.Unlock()
	calls := d.calls
	d.calls = nil
	return calls
}

// unflattened returns the name that the engine gave to a file: drivers that cannot list get names without folders.
func unflattened(name string) string {
	plain, err := url.PathUnescape(name)
	if err != nil {
		return name
	}
	return plain
}

func (d *driver) do(call, name string, work func() error) error {
	name = unflattened(name)
	d.mu.Lock()
	number := len(d.calls)
	d.calls = append(d.calls, call+" "+name)
	d.mu.Unlock()
	if d.before != nil {
		if err := d.before(number, call, name); err != nil {
			return err
		}
	}
	if err := work(); err != nil || d.after == nil {
		return err
	}
	return d.after(number, call, name)
}

func (d *driver) Capabilities(ctx context.Context) ([]provider.Capability, error) {
	found, err := d.Store.Capabilities(ctx)
	if d.unlisted {
		found = slices.DeleteFunc(found, func(each provider.Capability) bool { return each == provider.CapabilityList })
	}
	return found, err
}

func (d *driver) Create(ctx context.Context, name string, attributes provider.Attributes, content io.Reader) error {
	return d.do("create", name, func() error { return d.Store.Create(ctx, name, attributes, content) })
}

func (d *driver) Upload(ctx context.Context, name string, attributes provider.Attributes, content io.Reader) error {
	return d.do("upload", name, func() error { return d.Store.Upload(ctx, name, attributes, content) })
}

func (d *driver) Delete(ctx context.Context, name string, attributes provider.Attributes) error {
	return d.do("delete", name, func() error { return d.Store.Delete(ctx, name, attributes) })
}

func (d *driver) Stat(ctx context.Context, name string, attributes provider.Attributes) (found provider.ObjectInfo, err error) {
	err = d.do("stat", name, func() error {
		found, err = d.Store.Stat(ctx, name, attributes)
		return err
	})
	return found, err
}

func (d *driver) Exists(ctx context.Context, name string, attributes provider.Attributes) (found bool, err error) {
	err = d.do("exists", name, func() error {
		found, err = d.Store.Exists(ctx, name, attributes)
		return err
	})
	return found, err
}

func (d *driver) List(ctx context.Context, request provider.ListRequest) (found provider.ListPage, err error) {
	err = d.do("list", request.Prefix, func() error {
		found, err = d.Store.List(ctx, request)
		return err
	})
	return found, err
}

func (d *driver) Download(ctx context.Context, name string, attributes provider.Attributes) (found io.ReadCloser, err error) {
	err = d.do("download", name, func() error {
		found, err = d.Store.Download(ctx, name, attributes)
		return err
	})
	return found, err
}

func (d *driver) DownloadRange(ctx context.Context, request provider.RangeRequest) (found io.ReadCloser, err error) {
	err = d.do("range", request.Name, func() error {
		found, err = d.Store.DownloadRange(ctx, request)
		return err
	})
	return found, err
}
