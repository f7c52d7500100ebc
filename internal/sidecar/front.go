package sidecar

import (
	"context"
	"io"

	"github.com/soda-cdm/kahu/provider"
)

// front is the driver as the cluster sees it: it puts what a location says in place of the attributes of a call.
type front struct {
	driver    *provider.Client
	locations *locations
}

// A front has all that a driver can have; what the driver behind it lacks, that answers itself.
var (
	_ provider.Driver      = (*front)(nil)
	_ provider.Creator     = (*front)(nil)
	_ provider.Lister      = (*front)(nil)
	_ provider.Stater      = (*front)(nil)
	_ provider.RangeReader = (*front)(nil)
)

// Info implements provider.Identity.
func (f *front) Info(ctx context.Context) (provider.Info, error) { return f.driver.Info(ctx) }

// Capabilities implements provider.Identity.
func (f *front) Capabilities(ctx context.Context) ([]provider.Capability, error) {
	return f.driver.Capabilities(ctx)
}

// Probe implements provider.Identity.
func (f *front) Probe(ctx context.Context) (bool, error) { return f.driver.Probe(ctx) }

// Upload implements provider.ObjectStore.
func (f *front) Upload(ctx context.Context, name string, attributes provider.Attributes, content io.Reader) error {
	to, err := f.locations.find(ctx, attributes)
	if err != nil {
		return err
	}
	return to.secrets.Clean(f.driver.Upload(ctx, name, to.attributes, content))
}

// Create implements provider.Creator.
func (f *front) Create(ctx context.Context, name string, attributes provider.Attributes, content io.Reader) error {
	to, err := f.locations.find(ctx, attributes)
	if err != nil {
		return err
	}
	return to.secrets.Clean(f.driver.Create(ctx, name, to.attributes, content))
}

// Exists implements provider.ObjectStore.
func (f *front) Exists(ctx context.Context, name string, attributes provider.Attributes) (bool, error) {
	at, err := f.locations.find(ctx, attributes)
	if err != nil {
		return false, err
	}
	found, err := f.driver.Exists(ctx, name, at.attributes)
	return found, at.secrets.Clean(err)
}

// Delete implements provider.ObjectStore.
func (f *front) Delete(ctx context.Context, name string, attributes provider.Attributes) error {
	at, err := f.locations.find(ctx, attributes)
	if err != nil {
		return err
	}
	return at.secrets.Clean(f.driver.Delete(ctx, name, at.attributes))
}

// Stat implements provider.Stater.
func (f *front) Stat(ctx context.Context, name string, attributes provider.Attributes) (provider.ObjectInfo, error) {
	at, err := f.locations.find(ctx, attributes)
	if err != nil {
		return provider.ObjectInfo{}, err
	}
	found, err := f.driver.Stat(ctx, name, at.attributes)
	return found, at.secrets.Clean(err)
}

// List implements provider.Lister.
func (f *front) List(ctx context.Context, request provider.ListRequest) (provider.ListPage, error) {
	at, err := f.locations.find(ctx, request.Attributes)
	if err != nil {
		return provider.ListPage{}, err
	}
	request.Attributes = at.attributes
	found, err := f.driver.List(ctx, request)
	return found, at.secrets.Clean(err)
}

// Download implements provider.ObjectStore.
func (f *front) Download(ctx context.Context, name string, attributes provider.Attributes) (io.ReadCloser, error) {
	at, err := f.locations.find(ctx, attributes)
	if err != nil {
		return nil, err
	}
	content, err := f.driver.Download(ctx, name, at.attributes)
	return at.stream(content, err)
}

// DownloadRange implements provider.RangeReader.
func (f *front) DownloadRange(ctx context.Context, request provider.RangeRequest) (io.ReadCloser, error) {
	at, err := f.locations.find(ctx, request.Attributes)
	if err != nil {
		return nil, err
	}
	request.Attributes = at.attributes
	content, err := f.driver.DownloadRange(ctx, request)
	return at.stream(content, err)
}

// stream cleans the errors of a stream.
func (p place) stream(content io.ReadCloser, err error) (io.ReadCloser, error) {
	if err != nil {
		return nil, p.secrets.Clean(err)
	}
	return p.secrets.CleanReader(content), nil
}
