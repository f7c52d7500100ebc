package store

import (
	"context"
	"io"
	"sync/atomic"

	"github.com/soda-cdm/kahu/provider"
)

// moving is a provider whose meta-service may come back at another endpoint. Each call goes to where it was last found;
// those that were on their way to another one fail there, and are repeated here.
type moving struct{ link atomic.Pointer[link] }

var (
	_ provider.Driver      = (*moving)(nil)
	_ provider.Creator     = (*moving)(nil)
	_ provider.Lister      = (*moving)(nil)
	_ provider.Stater      = (*moving)(nil)
	_ provider.RangeReader = (*moving)(nil)
	_ knower               = (*moving)(nil)
)

func (m *moving) client() *provider.Client { return m.link.Load().client }

func (m *moving) get(ctx context.Context) ([]provider.Capability, error) {
	return m.link.Load().abilities.get(ctx)
}

// Info implements provider.Identity.
func (m *moving) Info(ctx context.Context) (provider.Info, error) { return m.client().Info(ctx) }

// Capabilities implements provider.Identity.
func (m *moving) Capabilities(ctx context.Context) ([]provider.Capability, error) {
	return m.client().Capabilities(ctx)
}

// Probe implements provider.Identity.
func (m *moving) Probe(ctx context.Context) (bool, error) { return m.client().Probe(ctx) }

// Upload implements provider.ObjectStore.
func (m *moving) Upload(ctx context.Context, name string, attributes provider.Attributes, content io.Reader) error {
	return m.client().Upload(ctx, name, attributes, content)
}

// Exists implements provider.ObjectStore.
func (m *moving) Exists(ctx context.Context, name string, attributes provider.Attributes) (bool, error) {
	return m.client().Exists(ctx, name, attributes)
}

// Download implements provider.ObjectStore.
func (m *moving) Download(ctx context.Context, name string, attributes provider.Attributes) (io.ReadCloser, error) {
	return m.client().Download(ctx, name, attributes)
}

// Delete implements provider.ObjectStore.
func (m *moving) Delete(ctx context.Context, name string, attributes provider.Attributes) error {
	return m.client().Delete(ctx, name, attributes)
}

// Create implements provider.Creator.
func (m *moving) Create(ctx context.Context, name string, attributes provider.Attributes, content io.Reader) error {
	return m.client().Create(ctx, name, attributes, content)
}

// List implements provider.Lister.
func (m *moving) List(ctx context.Context, request provider.ListRequest) (provider.ListPage, error) {
	return m.client().List(ctx, request)
}

// Stat implements provider.Stater.
func (m *moving) Stat(ctx context.Context, name string, attributes provider.Attributes) (provider.ObjectInfo, error) {
	return m.client().Stat(ctx, name, attributes)
}

// DownloadRange implements provider.RangeReader.
func (m *moving) DownloadRange(ctx context.Context, request provider.RangeRequest) (io.ReadCloser, error) {
	return m.client().DownloadRange(ctx, request)
}
