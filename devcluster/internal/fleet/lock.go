package fleet

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"time"

	"golang.org/x/sys/unix"
)

// lock waits until nobody else changes the cluster, at most for the limit. The
// lock is the kernel's: it ends with its process, so there are no stale ones.
func (f Fleet) lock(ctx context.Context, name string, limit time.Duration) (unlock func(), err error) {
	if err := os.MkdirAll(f.Root, 0o700); err != nil {
		return nil, fmt.Errorf("making the folder of the clusters: %w", err)
	}
	path := filepath.Join(f.Root, "."+name+".lock")
	deadline := f.Clock.Now().Add(limit)
	for {
		file, err := tryLock(path)
		if err == nil {
			return func() { _ = errors.Join(os.Remove(path), file.Close()) }, nil
		}
		if !errors.Is(err, unix.EWOULDBLOCK) {
			return nil, fmt.Errorf("locking cluster %s: %w", name, err)
		}
		if f.Clock.Now().After(deadline) {
			return nil, fmt.Errorf("another command has been busy with cluster %s for %s", name, limit)
		}
		select {
		case <-ctx.Done():
			return nil, fmt.Errorf("waiting for another command with cluster %s: %w", name, ctx.Err())
		case <-f.Clock.After(50 * time.Millisecond):
		}
	}
}

// tryLock fails with EWOULDBLOCK when another one has the lock, or has just removed it.
func tryLock(path string) (*os.File, error) {
	file, err := os.OpenFile(path, os.O_CREATE|os.O_RDWR, 0o600) //nolint:gosec // a file of our own folder
	if err != nil {
		return nil, err
	}
	if err := unix.Flock(int(file.Fd()), unix.LOCK_EX|unix.LOCK_NB); err != nil {
		return nil, errors.Join(err, file.Close())
	}
	held, errHeld := file.Stat()
	named, errNamed := os.Stat(path)
	if errHeld != nil || errNamed != nil || !os.SameFile(held, named) {
		return nil, errors.Join(unix.EWOULDBLOCK, file.Close())
	}
	return file, nil
}
