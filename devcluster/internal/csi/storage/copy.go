package storage

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
)

// copyContents copies the data of a volume or snapshot into the folder of
// another one. Where the file system can share blocks they are shared, and
// holes stay holes; owners, modes, times, links and attributes are kept.
func copyContents(ctx context.Context, from, to string) error {
	for _, name := range []string{dataFolder, blockFile} {
		source := filepath.Join(from, name)
		if _, err := os.Lstat(source); errors.Is(err, os.ErrNotExist) {
			continue
		}
		// Of coreutils, which every machine has: nothing else keeps as much.
		command := exec.CommandContext(ctx, "cp", "--archive", "--reflink=auto", "--sparse=always", source, to) //nolint:gosec // paths of our own folder
		if out, err := command.CombinedOutput(); err != nil {
			return fmt.Errorf("copying %s: %w: %s", source, err, strings.TrimSpace(string(out)))
		}
	}
	return nil
}

// sized makes a file as long as that, if it is shorter; what is added is a hole.
func sized(path string, bytes int64) error {
	file, err := os.OpenFile(path, os.O_CREATE|os.O_WRONLY, 0o600) //nolint:gosec // a path of our own folder
	if err != nil {
		return err
	}
	return errors.Join(file.Truncate(bytes), file.Close())
}

// flush brings what was written to a device into its file.
func flush(device string) error {
	if device == "" {
		return nil
	}
	file, err := os.OpenFile(device, os.O_RDWR, 0) //nolint:gosec // the device of a volume
	if err != nil {
		return fmt.Errorf("opening a device: %w", err)
	}
	return errors.Join(file.Sync(), file.Close())
}
