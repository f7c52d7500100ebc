package world

import (
	"context"
	"io"
	"net/url"
	"slices"
	"sync"

	"github.com/soda-cdm/kahu/provider"
	"github.com/soda-cdm/kahu/provider/memory"
)

// Driver is the driver in memory, which fails where a test says so, and writes down what was asked of it.
type Driver struct {
	*memory.Store

	// Before is asked before a call, with its number from 0: its error is the answer, and nothing is done.
	Before func(number int, call, name string) error
	// After is asked after a call that succeeded: its error is the answer, though all is done.
	After func(number int, call, name string) error
	// Unlisted drivers cannot list.
	Unlisted bool

	mu    sync.Mutex
	calls []string
}

func newDriver() *Driver { return &Driver{Store: memory.New(memory.Options{})} }

// Recorded returns the calls since the last time.
func (d *Driver) Recorded() []string {
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

func (d *Driver) do(call, name string, work func() error) error {
	name = unflattened(name)
	d.mu.Lock()
	number := len(d.calls)
	d.calls = append(d.calls, call+" "+name)
	d.mu.Unlock()
	if d.Before != nil {
		if err := d.Before(number, call, name); err != nil {
			return err
		}
	}
	if err := work(); err != nil || d.After == nil {
		return err
	}
	return d.After(number, call, name)
}

// Capabilities are those of the store, without lists where the driver is one that cannot list.
func (d *Driver) Capabilities(ctx context.Context) ([]provider.Capability, error) {
	found, err := d.Store.Capabilities(ctx)
	if d.Unlisted {
		found = slices.DeleteFunc(found, func(each provider.Capability) bool { return each == provider.CapabilityList })
	}
	return found, err
}

// Create is the store's, with faults.
func (d *Driver) Create(ctx context.Context, name string, attributes provider.Attributes, content io.Reader) error {
	return d.do("create", name, func() error { return d.Store.Create(ctx, name, attributes, content) })
}

// Upload is the store's, with faults.
func (d *Driver) Upload(ctx context.Context, name string, attributes provider.Attributes, content io.Reader) error {
	return d.do("upload", name, func() error { return d.Store.Upload(ctx, name, attributes, content) })
}

// Delete is the store's, with faults.
func (d *Driver) Delete(ctx context.Context, name string, attributes provider.Attributes) error {
	return d.do("delete", name, func() error { return d.Store.Delete(ctx, name, attributes) })
}

// Stat is the store's, with faults.
func (d *Driver) Stat(ctx context.Context, name string, attributes provider.Attributes) (found provider.ObjectInfo, err error) {
	err = d.do("stat", name, func() error {
		found, err = d.Store.Stat(ctx, name, attributes)
		return err
	})
	return found, err
}

// Exists is the store's, with faults.
func (d *Driver) Exists(ctx context.Context, name string, attributes provider.Attributes) (found bool, err error) {
	err = d.do("exists", name, func() error {
		found, err = d.Store.Exists(ctx, name, attributes)
		return err
	})
	return found, err
}

// List is the store's, with faults.
func (d *Driver) List(ctx context.Context, request provider.ListRequest) (found provider.ListPage, err error) {
	err = d.do("list", request.Prefix, func() error {
		found, err = d.Store.List(ctx, request)
		return err
	})
	return found, err
}

// Download is the store's, with faults.
func (d *Driver) Download(ctx context.Context, name string, attributes provider.Attributes) (found io.ReadCloser, err error) {
	err = d.do("download", name, func() error {
		found, err = d.Store.Download(ctx, name, attributes)
		return err
	})
	return found, err
}

// DownloadRange is the store's, with faults.
func (d *Driver) DownloadRange(ctx context.Context, request provider.RangeRequest) (found io.ReadCloser, err error) {
	err = d.do("range", request.Name, func() error {
		found, err = d.Store.DownloadRange(ctx, request)
		return err
	})
	return found, err
}
