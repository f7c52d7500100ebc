package conformance_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"path"
	"slices"
	"strings"
	"sync"
	"sync/atomic"

	"github.com/soda-cdm/kahu/provider"
	"github.com/soda-cdm/kahu/provider/memory"
)

type cutting struct{ *memory.Store }

func (d cutting) Upload(ctx context.Context, name string, a provider.Attributes, content io.Reader) error {
	all, err := io.ReadAll(content)
	if err != nil {
		return err
	}
	return d.Store.Upload(ctx, name, a, bytes.NewReader(all[:min(len(all), 8<<20)]))
}

type gullible struct{ *memory.Store }

func (d gullible) Upload(ctx context.Context, name string, a provider.Attributes, content io.Reader) error {
	all, _ := io.ReadAll(content)
	return d.Store.Upload(context.WithoutCancel(ctx), name, a, bytes.NewReader(all))
}

func (d gullible) Create(ctx context.Context, name string, a provider.Attributes, content io.Reader) error {
	all, _ := io.ReadAll(content)
	return d.Store.Create(context.WithoutCancel(ctx), name, a, bytes.NewReader(all))
}

type nearlyGullible struct{ *memory.Store }

func (d nearlyGullible) Upload(ctx context.Context, name string, a provider.Attributes, content io.Reader) error {
	all, err := io.ReadAll(content)
	if err != nil && !errors.Is(err, io.EOF) {
		return err
	}
	return d.Store.Upload(ctx, name, a, bytes.NewReader(all))
}

type overwriting struct{ *memory.Store }

func (d overwriting) Create(ctx context.Context, name string, a provider.Attributes, content io.Reader) error {
	return d.Upload(ctx, name, a, content)
}

type racing struct{ *memory.Store }

func (d racing) Create(ctx context.Context, name string, a provider.Attributes, content io.Reader) error {
	exists, err := d.Exists(ctx, name, a)
	if err != nil {
		return err
	}
	if exists {
		return provider.ErrAlreadyExists
	}
	return d.Upload(ctx, name, a, content)
}

// showing writes piece by piece into an object, of the same name or apart, and tidies up when the content breaks off.
type showing struct {
	*memory.Store

	apart bool
	count atomic.Int64
}

func (d *showing) Upload(ctx context.Context, name string, a provider.Attributes, content io.Reader) error {
	partial := name
	if folder, _, found := strings.Cut(name, "/"); d.apart && found {
		partial = fmt.Sprintf("%s/part-%d", folder, d.count.Add(1))
	}
	all, err := d.write(ctx, partial, content)
	if err != nil {
		return errors.Join(err, d.Delete(context.WithoutCancel(ctx), partial, a))
	}
	if err := d.Store.Upload(ctx, name, a, bytes.NewReader(all)); err != nil || partial == name {
		return err
	}
	return d.Delete(ctx, partial, a)
}

func (d *showing) write(ctx context.Context, name string, content io.Reader) ([]byte, error) {
	var all []byte
	written, piece := 0, make([]byte, 64<<10)
	for {
		n, err := content.Read(piece)
		all = append(all, piece[:n]...)
		if err == io.EOF {
			return all, nil
		}
		if err != nil {
			return nil, err
		}
		if len(all)-written < 1<<20 {
			continue
		}
		written = len(all)
		if err := d.Store.Upload(ctx, name, nil, bytes.NewReader(all)); err != nil {
			return nil, err
		}
	}
}

type forgetting struct{ *memory.Store }

func (d *forgetting) List(ctx context.Context, request provider.ListRequest) (provider.ListPage, error) {
	page, err := d.Store.List(ctx, request)
	if request.PageToken != "" && len(page.Objects) > 1 {
		page.Objects = page.Objects[1:]
	}
	return page, err
}

type hiding struct{ *memory.Store }

func (d hiding) List(ctx context.Context, request provider.ListRequest) (provider.ListPage, error) {
	page, err := d.Store.List(ctx, request)
	page.Objects = slices.DeleteFunc(page.Objects, func(object provider.ObjectInfo) bool {
		return strings.ContainsAny(path.Base(object.Name)[:1], ".!")
	})
	return page, err
}

type walking struct{ *memory.Store }

func (d walking) List(ctx context.Context, request provider.ListRequest) (provider.ListPage, error) {
	page, err := d.Store.List(ctx, request)
	slices.SortFunc(page.Objects, func(a, b provider.ObjectInfo) int {
		return slices.Compare(strings.Split(a.Name, "/"), strings.Split(b.Name, "/"))
	})
	return page, err
}

type folders struct{ *memory.Store }

func (d folders) List(ctx context.Context, request provider.ListRequest) (provider.ListPage, error) {
	page, err := d.Store.List(ctx, request)
	page.Objects = slices.DeleteFunc(page.Objects, func(object provider.ObjectInfo) bool {
		rest := strings.TrimPrefix(object.Name, request.Prefix)
		return strings.Contains(request.Prefix, "/") && !strings.HasSuffix(request.Prefix, "/") &&
			!strings.HasPrefix(rest, "/")
	})
	return page, err
}

type unpaged struct{ *memory.Store }

func (d unpaged) List(ctx context.Context, request provider.ListRequest) (provider.ListPage, error) {
	request.PageSize = min(request.PageSize, 0)
	return d.Store.List(ctx, request)
}

type sizing struct{ *memory.Store }

func (d sizing) List(ctx context.Context, request provider.ListRequest) (provider.ListPage, error) {
	page, err := d.Store.List(ctx, request)
	for i := range page.Objects {
		page.Objects[i].Size = (page.Objects[i].Size + 511) / 512 * 512
	}
	return page, err
}

type offsetless struct{ *memory.Store }

func (d offsetless) DownloadRange(ctx context.Context, request provider.RangeRequest) (io.ReadCloser, error) {
	request.Offset = min(request.Offset, 0)
	return d.Store.DownloadRange(ctx, request)
}

type strict struct{ *memory.Store }

func (d strict) DownloadRange(ctx context.Context, request provider.RangeRequest) (io.ReadCloser, error) {
	object, err := d.Stat(ctx, request.Name, request.Attributes)
	if err == nil && request.Offset >= object.Size && object.Size > 1 {
		return nil, fmt.Errorf("the offset is behind the end: %w", provider.ErrInvalidArgument)
	}
	return d.Store.DownloadRange(ctx, request)
}

type escaping struct{ *memory.Store }

func (d escaping) Upload(ctx context.Context, name string, a provider.Attributes, content io.Reader) error {
	if strings.HasPrefix(name, "/") || slices.Contains(strings.Split(name, "/"), "..") {
		name = "outside" + path.Clean("/"+name)
	}
	return d.Store.Upload(ctx, name, a, content)
}

type caseless struct{ *memory.Store }

func (d caseless) Upload(ctx context.Context, name string, a provider.Attributes, content io.Reader) error {
	return d.Store.Upload(ctx, strings.ToLower(name), a, content)
}

func (d caseless) Download(ctx context.Context, name string, a provider.Attributes) (io.ReadCloser, error) {
	return d.Store.Download(ctx, strings.ToLower(name), a)
}

type patching struct{ *memory.Store }

func (d patching) Upload(ctx context.Context, name string, a provider.Attributes, content io.Reader) error {
	all, err := io.ReadAll(content)
	if err != nil {
		return err
	}
	if reader, err := d.Download(ctx, name, a); err == nil {
		before, _ := io.ReadAll(reader)
		if len(before) > len(all) {
			all = append(all, before[len(all):]...)
		}
	}
	return d.Store.Upload(ctx, name, a, bytes.NewReader(all))
}

type deletingOnce struct{ *memory.Store }

func (d deletingOnce) Delete(ctx context.Context, name string, a provider.Attributes) error {
	if exists, err := d.Exists(ctx, name, a); err == nil && !exists {
		return provider.ErrNotFound
	}
	return d.Store.Delete(ctx, name, a)
}

type deletingBeside struct{ *memory.Store }

func (d deletingBeside) Delete(ctx context.Context, name string, a provider.Attributes) error {
	if err := provider.ValidateName(name); err != nil {
		return err
	}
	page, err := d.List(ctx, provider.ListRequest{Prefix: name})
	for _, object := range page.Objects {
		if strings.Contains(object.Name[len(name):], "/") {
			continue
		}
		err = errors.Join(err, d.Store.Delete(ctx, object.Name, a))
	}
	return err
}

type folderly struct{ *memory.Store }

func (d folderly) Exists(ctx context.Context, name string, a provider.Attributes) (bool, error) {
	exists, err := d.Store.Exists(ctx, name, a)
	page, _ := d.List(ctx, provider.ListRequest{Prefix: name + "/"})
	return exists || len(page.Objects) > 0, err
}

type classless struct{ *memory.Store }

func (d classless) Stat(ctx context.Context, name string, a provider.Attributes) (provider.ObjectInfo, error) {
	object, err := d.Store.Stat(ctx, name, a)
	if errors.Is(err, provider.ErrNotFound) {
		err = errors.New("no such file or directory")
	}
	return object, err
}

type misdigesting struct{ *memory.Store }

func (d misdigesting) Stat(ctx context.Context, name string, a provider.Attributes) (provider.ObjectInfo, error) {
	object, err := d.Store.Stat(ctx, name, a)
	object.Digest = strings.Replace(object.Digest, "sha256:", "sha256:0", 1)
	return object, err
}

type confused struct{ *memory.Store }

func (d confused) Capabilities(ctx context.Context) ([]provider.Capability, error) {
	capabilities, err := d.Store.Capabilities(ctx)
	return append(capabilities, provider.CapabilityList), err
}

func (confused) Probe(context.Context) (bool, error) { return false, nil }

// stale has a cache that forgets only what is deleted.
type stale struct {
	*memory.Store

	cache sync.Map
}

func (d *stale) Download(ctx context.Context, name string, a provider.Attributes) (io.ReadCloser, error) {
	cached, ok := d.cache.Load(name)
	if !ok {
		return d.fetch(ctx, name, a)
	}
	return io.NopCloser(bytes.NewReader(cached.([]byte))), nil
}

func (d *stale) fetch(ctx context.Context, name string, a provider.Attributes) (io.ReadCloser, error) {
	reader, err := d.Store.Download(ctx, name, a)
	if err != nil {
		return nil, err
	}
	content, err := io.ReadAll(reader)
	if err != nil {
		return nil, err
	}
	d.cache.Store(name, content)
	return io.NopCloser(bytes.NewReader(content)), nil
}

func (d *stale) Delete(ctx context.Context, name string, a provider.Attributes) error {
	d.cache.Delete(name)
	return d.Store.Delete(ctx, name, a)
}
