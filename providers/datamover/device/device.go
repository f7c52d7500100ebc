// Package device reads and writes block volumes: devices, and files that stand for some.
package device

import (
	"errors"
	"fmt"
	"io"
	"os"
	"unsafe"

	"golang.org/x/sys/unix"
)

// Device is a block volume. It is to be closed.
type Device struct {
	*os.File

	// Size is its length in bytes.
	Size int64

	special bool
}

// OpenToRead opens a block volume.
func OpenToRead(path string) (*Device, error) { return open(path, os.O_RDONLY) }

// OpenToWrite opens a block volume that nobody else has in use.
func OpenToWrite(path string) (*Device, error) { return open(path, os.O_RDWR|unix.O_EXCL) }

func open(path string, flags int) (*Device, error) {
	opened, err := os.OpenFile(path, flags, 0) //nolint:gosec // It is the volume of the task.
	if err != nil {
		return nil, fmt.Errorf("opening the volume: %w", err)
	}
	made := &Device{File: opened}
	if made.Size, err = opened.Seek(0, io.SeekEnd); err != nil {
		return nil, errors.Join(fmt.Errorf("finding the size of the volume: %w", err), opened.Close())
	}
	found, err := opened.Stat()
	if err != nil {
		return nil, errors.Join(fmt.Errorf("looking at the volume: %w", err), opened.Close())
	}
	switch {
	case found.Mode()&os.ModeDevice != 0 && found.Mode()&os.ModeCharDevice == 0:
		made.special = true
	case !found.Mode().IsRegular():
		return nil, errors.Join(fmt.Errorf("%s is no block volume", path), opened.Close())
	}
	return made, nil
}

// Zero makes a part of the volume zeros, without writing them where that can be done.
func (d *Device) Zero(offset, length int64) error {
	if length == 0 {
		return nil
	}
	err := d.zero(offset, length)
	if !errors.Is(err, unix.EOPNOTSUPP) && !errors.Is(err, unix.ENOTTY) && !errors.Is(err, unix.EINVAL) {
		return err
	}
	_, err = d.WriteAt(make([]byte, length), offset)
	return err
}

func (d *Device) zero(offset, length int64) error {
	if !d.special {
		return unix.Fallocate(int(d.Fd()), unix.FALLOC_FL_PUNCH_HOLE|unix.FALLOC_FL_KEEP_SIZE, offset, length)
	}
	part := [2]uint64{uint64(offset), uint64(length)}                                                     //nolint:gosec // Neither is below zero.
	_, _, failed := unix.Syscall(unix.SYS_IOCTL, d.Fd(), unix.BLKZEROOUT, uintptr(unsafe.Pointer(&part))) //nolint:gosec // The kernel asks for it so.
	if failed != 0 {
		return failed
	}
	return nil
}

// Close writes what is not on the disk yet, and ends the use of the volume.
func (d *Device) Close() error { return errors.Join(ignoreReadOnly(d.Sync()), d.File.Close()) }

// ignoreReadOnly passes over what a volume says that is open for reading.
func ignoreReadOnly(err error) error {
	if errors.Is(err, unix.EBADF) || errors.Is(err, unix.EINVAL) || errors.Is(err, unix.EROFS) {
		return nil
	}
	return err
}
