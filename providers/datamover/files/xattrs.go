package files

import (
	"bytes"
	"errors"
	"fmt"

	"golang.org/x/sys/unix"
)

// ownToCluster is the label that the machine gives files for itself: it says where they lie, and is not theirs.
const ownToCluster = "security.selinux"

// maxTries bounds how often attributes are read that grow meanwhile.
const maxTries = 5

// extended returns the extended attributes of what a path leads to, which may itself be a symbolic link.
func extended(path string) (map[string][]byte, error) {
	names, err := grown(func(into []byte) (int, error) { return unix.Llistxattr(path, into) })
	if err != nil || len(names) == 0 {
		return nil, err
	}
	found := map[string][]byte{}
	for name := range bytes.SplitSeq(bytes.TrimSuffix(names, []byte{0}), []byte{0}) {
		if string(name) == ownToCluster {
			continue
		}
		value, err := grown(func(into []byte) (int, error) { return unix.Lgetxattr(path, string(name), into) })
		if errors.Is(err, unix.ENODATA) {
			continue // It was taken away meanwhile.
		}
		if err != nil {
			return nil, fmt.Errorf("reading attribute %s: %w", name, err)
		}
		found[string(name)] = value
	}
	return found, nil
}

// grown reads what may be larger than was thought.
func grown(read func(into []byte) (int, error)) ([]byte, error) {
	for range maxTries {
		size, err := read(nil)
		if errors.Is(err, unix.ENOTSUP) || err == nil && size == 0 {
			return nil, nil
		}
		if err != nil {
			return nil, err
		}
		content := make([]byte, size)
		switch size, err = read(content); {
		case errors.Is(err, unix.ERANGE):
			continue
		case err != nil:
			return nil, err
		}
		return content[:size], nil
	}
	return nil, unix.ERANGE
}
