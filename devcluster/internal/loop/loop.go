// Package loop finds loop devices whose files lie in a folder, and lets go of
// them. A file system that was mounted from one lets go by itself when its mount
// namespace ends; a device that was given to a pod as a device does not.
package loop

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"

	"golang.org/x/sys/unix"
)

// Devices gives the devices whose files lie in a folder, like /dev/loop3.
func Devices(folder string) ([]string, error) {
	return devices("/sys/block", folder)
}

func devices(blocks, folder string) ([]string, error) {
	files, err := filepath.Glob(filepath.Join(blocks, "loop*", "loop", "backing_file"))
	if err != nil {
		return nil, fmt.Errorf("finding loop devices: %w", err)
	}
	var found []string
	for _, file := range files {
		content, err := os.ReadFile(file) //nolint:gosec // the kernel's own
		if err != nil {
			continue // has been let go of meanwhile
		}
		// The kernel says so of a file that was removed.
		backing := strings.TrimSuffix(strings.TrimSpace(string(content)), " (deleted)")
		if strings.HasPrefix(backing, filepath.Clean(folder)+"/") {
			found = append(found, "/dev/"+filepath.Base(filepath.Dir(filepath.Dir(file))))
		}
	}
	return found, nil
}

// Attach gives a file a free device. Fails when others take every one that is found free.
func Attach(path string) (string, error) {
	file, err := os.OpenFile(path, os.O_RDWR, 0) //nolint:gosec // the caller's own
	if err != nil {
		return "", fmt.Errorf("opening the file of a loop device: %w", err)
	}
	defer func() { _ = file.Close() }() // the device holds it
	const tries = 20
	for range tries {
		device, err := attach(file)
		if err == nil {
			return device, nil
		}
		if !errors.Is(err, unix.EBUSY) {
			return "", fmt.Errorf("attaching a loop device to %s: %w", path, err)
		}
	}
	return "", fmt.Errorf("attaching a loop device to %s: others took %d of them", path, tries)
}

func attach(file *os.File) (string, error) {
	control, err := os.OpenFile("/dev/loop-control", os.O_RDWR, 0)
	if err != nil {
		return "", err
	}
	number, err := unix.IoctlRetInt(int(control.Fd()), unix.LOOP_CTL_GET_FREE)
	if err := errors.Join(err, control.Close()); err != nil {
		return "", err
	}
	path := fmt.Sprintf("/dev/loop%d", number)
	device, err := os.OpenFile(path, os.O_RDWR, 0) //nolint:gosec // the kernel named it
	if err != nil {
		return "", err
	}
	err = unix.IoctlSetInt(int(device.Fd()), unix.LOOP_SET_FD, int(file.Fd()))
	return path, errors.Join(err, device.Close())
}

// Detach lets go of every device whose file lies in a folder, and of those that
// stand upon such a device: a kubelet attaches one to each device that it gives
// to a pod, and a node that was killed does not detach it.
func Detach(folder string) error {
	found, err := Devices(folder)
	if err != nil || len(found) == 0 {
		return err
	}
	upon, err := upon(found)
	if err != nil {
		return err
	}
	for _, device := range append(upon, found...) {
		err = errors.Join(err, detach(device))
	}
	return err
}

// upon gives the devices whose file is one of these devices. The name of such a
// file is of no use, as it is that in a node that is no more.
func upon(devices []string) ([]string, error) {
	below := map[file]bool{}
	for _, device := range devices {
		var stat unix.Stat_t
		if err := unix.Stat(device, &stat); err != nil {
			return nil, fmt.Errorf("looking at %s: %w", device, err)
		}
		below[file{stat.Dev, stat.Ino}] = true
	}
	attached, err := filepath.Glob("/sys/block/loop*/loop/backing_file")
	if err != nil {
		return nil, fmt.Errorf("finding loop devices: %w", err)
	}
	var found []string
	for _, path := range attached {
		device := "/dev/" + filepath.Base(filepath.Dir(filepath.Dir(path)))
		if its, err := fileOf(device); err == nil && below[its] { // else it has been let go of meanwhile
			found = append(found, device)
		}
	}
	return found, nil
}

// file is what tells files apart.
type file struct{ device, inode uint64 }

// fileOf gives the file of a loop device.
func fileOf(device string) (file, error) {
	opened, err := os.OpenFile(device, os.O_RDONLY, 0) //nolint:gosec // found by the kernel's list
	if err != nil {
		return file{}, err
	}
	status, err := unix.IoctlLoopGetStatus64(int(opened.Fd()))
	if err := errors.Join(err, opened.Close()); err != nil {
		return file{}, err
	}
	return file{status.Device, status.Inode}, nil
}

func detach(device string) error {
	file, err := os.OpenFile(device, os.O_RDWR, 0) //nolint:gosec // found by the kernel's list
	if err != nil {
		return fmt.Errorf("opening a loop device: %w", err)
	}
	err = unix.IoctlSetInt(int(file.Fd()), unix.LOOP_CLR_FD, 0)
	if errors.Is(err, unix.ENXIO) {
		err = nil // it has none any more
	}
	if err := errors.Join(err, file.Close()); err != nil {
		return fmt.Errorf("detaching %s: %w", device, err)
	}
	return nil
}
