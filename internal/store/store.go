package store

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"strings"

	"github.com/soda-cdm/kahu/internal/core"
	"github.com/soda-cdm/kahu/provider"
)

const (
	// emptyPagesLimit is how many pages without an object a listing may have in a row.
	emptyPagesLimit = 100
	// listLimit is how many files a listing may have: beyond it, the driver is taken to be lying.
	listLimit = 20_000_000
)

// Store is one place of files. It can be used by many goroutines at once.
type Store struct {
	driver   driver
	identity provider.Identity
	prefix   string // Empty, or with a slash at its end.
}

// Probe tells whether the driver can serve calls now; core.ErrUnavailable if it cannot. It asks once, and is bounded by
// its context alone.
func (s *Store) Probe(ctx context.Context) error {
	ready, err := s.identity.Probe(ctx)
	if err != nil {
		return fmt.Errorf("probing the driver: %w", classed(err))
	}
	if !ready {
		return fmt.Errorf("probing the driver: it says that it is not ready: %w", core.ErrUnavailable)
	}
	return nil
}

// Open returns the whole file as a stream, or core.ErrNotFound. A stream that breaks off is taken up again where it
// ended. The stream is bound to the context.
func (s *Store) Open(ctx context.Context, name string) (io.ReadCloser, error) {
	key, err := s.key(name)
	if err != nil {
		return nil, err
	}
	content, err := s.driver.open(ctx, key)
	if err != nil {
		return nil, fmt.Errorf("opening file %s: %w", name, err)
	}
	return content, nil
}

// OpenRange returns length bytes from offset on, fewer where the file ends before, or core.ErrNotFound.
func (s *Store) OpenRange(ctx context.Context, name string, offset, length int64) (io.ReadCloser, error) {
	key, err := s.key(name)
	if err != nil {
		return nil, err
	}
	if offset < 0 || length < 0 {
		return nil, fmt.Errorf("opening bytes %d+%d of file %s: %w", offset, length, name, core.ErrInvalid)
	}
	content, err := s.driver.openRange(ctx, key, offset, length)
	if err != nil {
		return nil, fmt.Errorf("opening bytes %d+%d of file %s: %w", offset, length, name, err)
	}
	return content, nil
}

// Create begins a new file. Its writer must be ended with Commit or Abort; the end of the context aborts it too.
// Commit fails with core.ErrAlreadyExists where a file of that name with other content is there; the same content is
// taken as written.
func (s *Store) Create(ctx context.Context, name string) (core.FileWriter, error) {
	key, err := s.key(name)
	if err != nil {
		return nil, err
	}
	return newFileWriter(ctx, s.driver, name, key), nil
}

// Holds tells whether a file has that size and digest, or gives core.ErrNotFound. A driver that knows no digests has the file
// read.
func (s *Store) Holds(ctx context.Context, name string, size int64, digest string) (bool, error) {
	key, err := s.key(name)
	if err != nil {
		return false, err
	}
	there, err := holds(ctx, s.driver, key, sum{size: size, digest: digest})
	if err != nil {
		return false, fmt.Errorf("looking at file %s: %w", name, err)
	}
	return there, nil
}

// Replace writes the whole file, in place of one that may be there. A failure is repeated a few times.
func (s *Store) Replace(ctx context.Context, name string, content []byte) error {
	key, err := s.key(name)
	if err != nil {
		return err
	}
	if err := s.driver.upload(ctx, key, bytes.NewReader(content)); err != nil {
		return fmt.Errorf("replacing file %s: %w", name, err)
	}
	if err := check(ctx, s.driver, key, sumOf(content)); err != nil {
		return fmt.Errorf("checking file %s after writing: %w", name, err)
	}
	return nil
}

// Remove removes the file; that it is not there is no error.
func (s *Store) Remove(ctx context.Context, name string) error {
	key, err := s.key(name)
	if err != nil {
		return err
	}
	if err := s.driver.remove(ctx, key); err != nil && !errors.Is(err, core.ErrNotFound) {
		return fmt.Errorf("removing file %s: %w", name, err)
	}
	return nil
}

// List visits the files whose names begin with the prefix, in the byte order of their names, until visit returns an
// error, which it then returns. A driver that cannot list gives core.ErrUnsupported, one whose listing has no order
// or no end core.ErrCorrupt.
func (s *Store) List(ctx context.Context, prefix string, visit func(file core.FileInfo) error) error {
	walk := listing{prefix: s.prefix + prefix, cut: len(s.prefix), visit: visit}
	for {
		found, err := s.driver.list(ctx, walk.prefix, walk.token)
		if err != nil {
			return fmt.Errorf("listing files below %q: %w", prefix, err)
		}
		if err := walk.take(found); err != nil {
			return err
		}
		if found.next == "" {
			return nil
		}
	}
}

// key returns the name under which the driver knows the file.
func (s *Store) key(name string) (string, error) {
	key := s.prefix + name
	if err := checkName(key); err != nil {
		return "", fmt.Errorf("naming file %q: %w", key, err)
	}
	return key, nil
}

// listing is the state of one walk through a listing. It believes the driver nothing.
type listing struct {
	prefix string
	cut    int
	visit  func(file core.FileInfo) error

	token string
	last  string
	seen  int
	empty int
}

// take visits the objects of one page, and checks that the listing goes forward.
func (l *listing) take(found page) error {
	for _, each := range found.objects {
		if !strings.HasPrefix(each.Name, l.prefix) || each.Size < 0 {
			return fmt.Errorf("listing files below %q: driver returned %q: %w", l.prefix, each.Name, core.ErrCorrupt)
		}
		if each.Name <= l.last {
			return fmt.Errorf("listing files below %q: driver returned %q after %q: %w", l.prefix, each.Name, l.last, core.ErrCorrupt)
		}
		l.last = each.Name
		file := each.FileInfo
		file.Name = file.Name[l.cut:]
		if err := l.visit(file); err != nil {
			return err
		}
	}
	return l.advance(found)
}

// advance goes to the next page. Names that only ever grow make an endless round through full pages impossible; the
// rounds through empty ones are counted.
func (l *listing) advance(found page) error {
	l.seen += len(found.objects)
	l.empty++
	if len(found.objects) > 0 {
		l.empty = 0
	}
	repeated := found.next != "" && found.next == l.token
	if repeated || l.empty > emptyPagesLimit || l.seen > listLimit {
		return fmt.Errorf("listing files below %q: the driver's listing does not end: %w", l.prefix, core.ErrCorrupt)
	}
	l.token = found.next
	return nil
}
