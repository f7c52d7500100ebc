package network

import (
	"errors"
	"fmt"
	"os"
	"runtime"

	"golang.org/x/sys/unix"
)

// Namespace is a network namespace that is there as long as it is open, or as
// a process runs in it.
type Namespace struct {
	handle *os.File
}

// NewNamespace makes an empty one. It takes root.
func NewNamespace() (*Namespace, error) {
	var made *Namespace
	err := onThread(func() error {
		if err := unix.Unshare(unix.CLONE_NEWNET); err != nil {
			return fmt.Errorf("making a network namespace: %w", err)
		}
		handle, err := ofThread()
		made = &Namespace{handle: handle}
		return err
	})
	return made, err
}

// Do runs f in the namespace: its sockets, its /proc/sys/net, and the processes
// that it starts are there. What f starts with go is not.
func (n *Namespace) Do(f func() error) error {
	return onThread(func() error {
		if err := unix.Setns(int(n.handle.Fd()), unix.CLONE_NEWNET); err != nil {
			return fmt.Errorf("entering a network namespace: %w", err)
		}
		return f()
	})
}

// Close lets go of it.
func (n *Namespace) Close() error { return n.handle.Close() }

// path leads other processes to it.
func (n *Namespace) path() string {
	return fmt.Sprintf("/proc/%d/fd/%d", os.Getpid(), n.handle.Fd())
}

// onThread runs f on one thread, which is back in its own namespace afterwards.
// A thread that cannot get back is never used again: it stays locked, and ends
// with its goroutine.
func onThread(f func() error) error {
	runtime.LockOSThread()
	before, err := ofThread()
	if err != nil {
		runtime.UnlockOSThread()
		return err
	}
	err = f()
	if back := unix.Setns(int(before.Fd()), unix.CLONE_NEWNET); back != nil {
		return errors.Join(err, fmt.Errorf("leaving a network namespace: %w", back), before.Close())
	}
	runtime.UnlockOSThread()
	return errors.Join(err, before.Close())
}

func ofThread() (*os.File, error) {
	handle, err := os.Open("/proc/thread-self/ns/net")
	if err != nil {
		return nil, fmt.Errorf("opening the thread's network namespace: %w", err)
	}
	return handle, nil
}
