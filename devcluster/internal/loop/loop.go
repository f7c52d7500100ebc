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

// Detach lets go of every device whose file lies in a folder.
func Detach(folder string) error {
	found, err := Devices(folder)
	if err != nil {
		return err
	}
	for _, device := range found {
		err = errors.Join(err, detach(device))
	}
	return err
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
