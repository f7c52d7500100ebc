// Package memory is a driver that keeps its objects in memory: the fake of tests, and the smallest example of a driver
// with all abilities. It passes the conformance suite.
package memory

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"io"
	"maps"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/soda-cdm/kahu/provider"
)

// Options adjust a Store.
type Options struct {
	// Now gives the times of objects. Nil means a clock that begins on 1 January 2000 and goes on by a second with
	// every object that is stored, so that tests are repeatable.
	Now func() time.Time
	// MaxBytes limits the content of all objects together: what would go beyond it is refused with
	// provider.ErrResourceExhausted. Zero means no limit.
	MaxBytes int64
}

// Store is the driver. Attributes mean nothing to it.
type Store struct {
	options Options

	mu      sync.Mutex
	objects map[string]object
	bytes   int64
	stored  int64
}

// object is never changed, only replaced.
type object struct {
	content  []byte
	digest   string
	modified time.Time
}

var (
	_ provider.Driver      = (*Store)(nil)
	_ provider.Creator     = (*Store)(nil)
	_ provider.Lister      = (*Store)(nil)
	_ provider.Stater      = (*Store)(nil)
	_ provider.RangeReader = (*Store)(nil)
)

// New returns an empty store.
func New(options Options) *Store {
	return &Store{options: options, objects: map[string]object{}}
}

// Info implements provider.Identity.
func (*Store) Info(context.Context) (provider.Info, error) {
	return provider.Info{Name: "memory.kahu.io", Version: "1"}, nil
}

// Capabilities implements provider.Identity.
func (s *Store) Capabilities(context.Context) ([]provider.Capability, error) {
	return append(provider.CapabilitiesOf(s), provider.CapabilityAtomicOverwrite), nil
}

// Probe implements provider.Identity.
func (*Store) Probe(context.Context) (bool, error) { return true, nil }

// Upload implements provider.ObjectStore.
func (s *Store) Upload(ctx context.Context, name string, _ provider.Attributes, content io.Reader) error {
	return s.store(ctx, name, content, func(bool) error { return nil })
}

// Create implements provider.Creator.
func (s *Store) Create(ctx context.Context, name string, _ provider.Attributes, content io.Reader) error {
	return s.store(ctx, name, content, func(exists bool) error {
		if exists {
			return fmt.Errorf("object %q: %w", name, provider.ErrAlreadyExists)
		}
		return nil
	})
}

// store reads the whole content, and then puts it in place if allow agrees.
func (s *Store) store(
	ctx context.Context, name string, content io.Reader, allow func(exists bool) error,
) error {
	if err := check(ctx, name); err != nil {
		return err
	}
	data, err := io.ReadAll(content)
	if err != nil {
		return fmt.Errorf("reading the content of %q: %w", name, err)
	}
	if err := ctx.Err(); err != nil {
		return err
	}
	sum := sha256.Sum256(data)

	s.mu.Lock()
	defer s.mu.Unlock()
	before, exists := s.objects[name]
	if err := allow(exists); err != nil {
		return err
	}
	size := s.bytes - int64(len(before.content)) + int64(len(data))
	if s.options.MaxBytes > 0 && size > s.options.MaxBytes {
		return fmt.Errorf("storing %q: the limit of %d bytes: %w",
			name, s.options.MaxBytes, provider.ErrResourceExhausted)
	}
	s.bytes = size
	s.objects[name] = object{content: data, digest: "sha256:" + hex.EncodeToString(sum[:]), modified: s.now()}
	return nil
}

// now is called with the lock held.
func (s *Store) now() time.Time {
	if s.options.Now != nil {
		return s.options.Now().UTC()
	}
	s.stored++
	return time.Date(2000, time.January, 1, 0, 0, 0, 0, time.UTC).Add(time.Duration(s.stored) * time.Second)
}

// Exists implements provider.ObjectStore.
func (s *Store) Exists(ctx context.Context, name string, _ provider.Attributes) (bool, error) {
	if err := check(ctx, name); err != nil {
		return false, err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	_, exists := s.objects[name]
	return exists, nil
}

// Delete implements provider.ObjectStore.
func (s *Store) Delete(ctx context.Context, name string, _ provider.Attributes) error {
	if err := check(ctx, name); err != nil {
		return err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.bytes -= int64(len(s.objects[name].content))
	delete(s.objects, name)
	return nil
}

// Download implements provider.ObjectStore.
func (s *Store) Download(ctx context.Context, name string, _ provider.Attributes) (io.ReadCloser, error) {
	found, err := s.get(ctx, name)
	if err != nil {
		return nil, err
	}
	return &reader{done: ctx.Err, content: bytes.NewReader(found.content)}, nil
}

// DownloadRange implements provider.RangeReader.
func (s *Store) DownloadRange(ctx context.Context, request provider.RangeRequest) (io.ReadCloser, error) {
	if err := provider.ValidateRangeRequest(request); err != nil {
		return nil, err
	}
	found, err := s.get(ctx, request.Name)
	if err != nil {
		return nil, err
	}
	part := io.NewSectionReader(bytes.NewReader(found.content), request.Offset, request.Length)
	return &reader{done: ctx.Err, content: part}, nil
}

// Stat implements provider.Stater.
func (s *Store) Stat(ctx context.Context, name string, _ provider.Attributes) (provider.ObjectInfo, error) {
	found, err := s.get(ctx, name)
	if err != nil {
		return provider.ObjectInfo{}, err
	}
	return found.describe(name), nil
}

// List implements provider.Lister.
func (s *Store) List(ctx context.Context, request provider.ListRequest) (provider.ListPage, error) {
	if err := ctx.Err(); err != nil {
		return provider.ListPage{}, err
	}
	if err := provider.ValidateListRequest(request); err != nil {
		return provider.ListPage{}, err
	}
	after, err := provider.DecodePageToken(request.PageToken)
	if err != nil {
		return provider.ListPage{}, err
	}
	size := request.PageSize
	if size == 0 || size > provider.MaxPageSize {
		size = provider.MaxPageSize
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	var page provider.ListPage
	for _, name := range slices.Sorted(maps.Keys(s.objects)) {
		if name <= after || !strings.HasPrefix(name, request.Prefix) {
			continue
		}
		if len(page.Objects) == size {
			page.NextPageToken = provider.EncodePageToken(page.Objects[size-1].Name)
			break
		}
		page.Objects = append(page.Objects, s.objects[name].describe(name))
	}
	return page, nil
}

// get returns an object.
func (s *Store) get(ctx context.Context, name string) (object, error) {
	if err := check(ctx, name); err != nil {
		return object{}, err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	found, exists := s.objects[name]
	if !exists {
		return object{}, fmt.Errorf("object %q: %w", name, provider.ErrNotFound)
	}
	return found, nil
}

func (o object) describe(name string) provider.ObjectInfo {
	return provider.ObjectInfo{Name: name, Size: int64(len(o.content)), Modified: o.modified, Digest: o.digest}
}

// check refuses a call that nobody waits for any more, and a name that cannot be one.
func check(ctx context.Context, name string) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	return provider.ValidateName(name)
}

// reader ends with the context of its call.
type reader struct {
	done    func() error
	content io.Reader
}

// Read implements io.Reader.
func (r *reader) Read(buffer []byte) (int, error) {
	if err := r.done(); err != nil {
		return 0, err
	}
	return r.content.Read(buffer)
}

// Close implements io.Closer.
func (*reader) Close() error { return nil }
