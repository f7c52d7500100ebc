package e2e_test

import (
	"context"
	"io"
	"slices"
	"strings"
	"sync"

	"github.com/soda-cdm/kahu/internal/core/archive"
	"github.com/soda-cdm/kahu/provider"
	"github.com/soda-cdm/kahu/provider/memory"
)

// hangingDriver is a driver in memory that does not answer some calls while it hangs.
type hangingDriver struct {
	*memory.Store

	mu    sync.Mutex
	calls []string
	about string        // what is in the names of the files that it hangs at
	hung  chan struct{} // closed when it goes on; nil while it does not hang
	look  func()        // called at each look at the location; may be nil

	follows *hangingDriver // with which it hangs; may be nil
}

func newHanging() *hangingDriver { return &hangingDriver{Store: memory.New(memory.Options{})} }

// hang makes the driver answer none of these calls until goOn is called.
func (d *hangingDriver) hang(calls ...string) (goOn func()) { return d.hangAt("", calls...) }

// hangAt makes it answer none of these calls about files that have this in their name.
func (d *hangingDriver) hangAt(about string, calls ...string) (goOn func()) {
	d.mu.Lock()
	defer d.mu.Unlock()
	hung := make(chan struct{})
	d.hung, d.calls, d.about = hung, calls, about
	return sync.OnceFunc(func() {
		d.mu.Lock()
		defer d.mu.Unlock()
		close(hung)
		d.hung = nil
	})
}

func (d *hangingDriver) wait(ctx context.Context, call, name string) error {
	if d.follows != nil {
		return d.follows.wait(ctx, call, name)
	}
	d.mu.Lock()
	hung, calls, about := d.hung, d.calls, d.about
	d.mu.Unlock()
	if hung == nil || !slices.Contains(calls, call) || !strings.Contains(name, about) {
		return nil
	}
	select {
	case <-hung:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

func (d *hangingDriver) Create(ctx context.Context, name string, attributes provider.Attributes, content io.Reader) error {
	if err := d.wait(ctx, "create", name); err != nil {
		return err
	}
	return d.Store.Create(ctx, name, attributes, content)
}

// look is one look at a location that waits in the driver.
type look struct {
	begun chan struct{} // closed when the look has come to the driver
	goOn  func()
}

// holdLook makes the next look at the location wait until it is told to go on.
func (d *hangingDriver) holdLook() look {
	held, begun := make(chan struct{}), make(chan struct{})
	d.mu.Lock()
	defer d.mu.Unlock()
	d.look = sync.OnceFunc(func() {
		close(begun)
		<-held
	})
	return look{begun: begun, goOn: sync.OnceFunc(func() { close(held) })}
}

func (d *hangingDriver) Download(ctx context.Context, name string, attributes provider.Attributes) (io.ReadCloser, error) {
	d.mu.Lock()
	look := d.look
	d.mu.Unlock()
	if look != nil && name == archive.MarkerName {
		look()
	}
	if err := d.wait(ctx, "download", name); err != nil {
		return nil, err
	}
	return d.Store.Download(ctx, name, attributes)
}
