package store_test

import (
	"bytes"
	"context"
	"errors"
	"io"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/soda-cdm/kahu/internal/core"
	"github.com/soda-cdm/kahu/internal/store"
	"github.com/soda-cdm/kahu/provider"
	"github.com/soda-cdm/kahu/provider/memory"
)

// faulty is a driver that does what a good one does, except where a test says otherwise. It counts its calls.
type faulty struct {
	*memory.Store

	// before is asked before a call; its error is the call's.
	before func(call string) error
	// after is asked after a call that succeeded; its error is the call's.
	after func(call string) error
	// content changes what an upload or a create reads.
	content func(content io.Reader) io.Reader
	// stream changes what a download gives.
	stream func(content io.ReadCloser) io.ReadCloser
	// lists answers in place of List.
	lists func(request provider.ListRequest) (provider.ListPage, error)

	mutex  sync.Mutex
	calls  map[string]int
	active int
}

func newFaulty() *faulty {
	return &faulty{Store: memory.New(memory.Options{}), calls: map[string]int{}}
}

// enter counts a call; leave ends it.
func (f *faulty) enter(call string) error {
	f.mutex.Lock()
	f.calls[call]++
	f.active++
	f.mutex.Unlock()
	if f.before != nil {
		return f.before(call)
	}
	return nil
}

func (f *faulty) leave(call string, err error) error {
	f.mutex.Lock()
	f.active--
	f.mutex.Unlock()
	if err == nil && f.after != nil {
		return f.after(call)
	}
	return err
}

// do makes a call with its faults.
func (f *faulty) do(call string, work func() error) error {
	err := f.enter(call)
	if err == nil {
		err = work()
	}
	return f.leave(call, err)
}

// count returns how often the call was made, running how many are under way.
func (f *faulty) count(call string) int {
	f.mutex.Lock()
	defer f.mutex.Unlock()
	return f.calls[call]
}

func (f *faulty) running() int {
	f.mutex.Lock()
	defer f.mutex.Unlock()
	return f.active
}

func (f *faulty) source(content io.Reader) io.Reader {
	if f.content != nil {
		return f.content(content)
	}
	return content
}

func (f *faulty) sink(content io.ReadCloser, err error) (io.ReadCloser, error) {
	if err == nil && f.stream != nil {
		return f.stream(content), nil
	}
	return content, err
}

func (f *faulty) Capabilities(ctx context.Context) (found []provider.Capability, err error) {
	err = f.do("Capabilities", func() error {
		found, err = f.Store.Capabilities(ctx)
		return err
	})
	return found, err
}

func (f *faulty) Upload(ctx context.Context, name string, attributes provider.Attributes, content io.Reader) error {
	return f.do("Upload", func() error { return f.Store.Upload(ctx, name, attributes, f.source(content)) })
}

func (f *faulty) Create(ctx context.Context, name string, attributes provider.Attributes, content io.Reader) error {
	return f.do("Create", func() error { return f.Store.Create(ctx, name, attributes, f.source(content)) })
}

func (f *faulty) Delete(ctx context.Context, name string, attributes provider.Attributes) error {
	return f.do("Delete", func() error { return f.Store.Delete(ctx, name, attributes) })
}

func (f *faulty) Exists(ctx context.Context, name string, attributes provider.Attributes) (found bool, err error) {
	err = f.do("Exists", func() error {
		found, err = f.Store.Exists(ctx, name, attributes)
		return err
	})
	return found, err
}

func (f *faulty) Stat(ctx context.Context, name string, attributes provider.Attributes) (found provider.ObjectInfo, err error) {
	err = f.do("Stat", func() error {
		found, err = f.Store.Stat(ctx, name, attributes)
		return err
	})
	return found, err
}

func (f *faulty) List(ctx context.Context, request provider.ListRequest) (found provider.ListPage, err error) {
	err = f.do("List", func() error {
		if f.lists != nil {
			found, err = f.lists(request)
			return err
		}
		found, err = f.Store.List(ctx, request)
		return err
	})
	return found, err
}

func (f *faulty) Download(ctx context.Context, name string, attributes provider.Attributes) (content io.ReadCloser, err error) {
	err = f.do("Download", func() error {
		content, err = f.sink(f.Store.Download(ctx, name, attributes))
		return err
	})
	return content, err
}

func (f *faulty) DownloadRange(ctx context.Context, request provider.RangeRequest) (content io.ReadCloser, err error) {
	err = f.do("DownloadRange", func() error {
		content, err = f.sink(f.Store.DownloadRange(ctx, request))
		return err
	})
	return content, err
}

// old is a driver of the time before the additions: it stores, returns and removes, in one flat folder.
type old struct{ driver *faulty }

func (o old) Info(ctx context.Context) (provider.Info, error) { return o.driver.Info(ctx) }
func (o old) Probe(ctx context.Context) (bool, error)         { return o.driver.Probe(ctx) }
func (o old) flat(name string) error {
	if strings.Contains(name, "/") {
		return errors.New("this driver knows no folders")
	}
	return nil
}

func (o old) Capabilities(context.Context) ([]provider.Capability, error) {
	return []provider.Capability{provider.CapabilityMetaBackup}, nil
}

func (o old) Upload(ctx context.Context, name string, attributes provider.Attributes, content io.Reader) error {
	if err := o.flat(name); err != nil {
		return err
	}
	return o.driver.Upload(ctx, name, attributes, content)
}

func (o old) Exists(ctx context.Context, name string, attributes provider.Attributes) (bool, error) {
	if err := o.flat(name); err != nil {
		return false, err
	}
	return o.driver.Exists(ctx, name, attributes)
}

func (o old) Download(ctx context.Context, name string, attributes provider.Attributes) (io.ReadCloser, error) {
	if err := o.flat(name); err != nil {
		return nil, err
	}
	return o.driver.Download(ctx, name, attributes)
}

func (o old) Delete(ctx context.Context, name string, attributes provider.Attributes) error {
	if err := o.flat(name); err != nil {
		return err
	}
	return o.driver.Delete(ctx, name, attributes)
}

// write stores a file through the store.
func write(t *testing.T, to *store.Store, name string, content []byte) error {
	t.Helper()
	return writeWith(t.Context(), to, name, content)
}

func writeWith(ctx context.Context, to *store.Store, name string, content []byte) error {
	file, err := to.Create(ctx, name)
	if err != nil {
		return err
	}
	defer file.Abort()
	if _, err := file.Write(content); err != nil {
		return err
	}
	return file.Commit()
}

// read reads a stream to its end.
func read(content io.ReadCloser, err error) ([]byte, error) {
	if err != nil {
		return nil, err
	}
	got, err := io.ReadAll(content)
	return got, errors.Join(err, content.Close())
}

// names lists the files.
func names(t *testing.T, from *store.Store, prefix string) []string {
	t.Helper()
	var found []string
	must(t, from.List(t.Context(), prefix, func(file core.FileInfo) error {
		found = append(found, file.Name)
		return nil
	}))
	return found
}

// inside returns the names that the driver has.
func inside(t *testing.T, driver provider.Lister) []string {
	t.Helper()
	page, err := driver.List(t.Context(), provider.ListRequest{})
	must(t, err)
	var found []string
	for _, each := range page.Objects {
		found = append(found, each.Name)
	}
	return found
}

// times returns a fault that happens so many times to a call.
func times(count int, call string, fault error) func(string) error {
	var mutex sync.Mutex
	return func(name string) error {
		mutex.Lock()
		defer mutex.Unlock()
		if name != call || count == 0 {
			return nil
		}
		count--
		return fault
	}
}

// noise returns bytes that differ.
func noise(size int) []byte {
	return slices.Grow(bytes.Repeat([]byte("0123456789abcdef, "), size/18+1), 0)[:size]
}

func must(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}
