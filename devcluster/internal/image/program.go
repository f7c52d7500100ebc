package image

import (
	"bytes"
	"debug/elf"
	"errors"
	"fmt"
	"os"
	"path"
)

// Program gives the image of one program: its binary at /NAME, which is the
// entrypoint, and an empty folder /tmp. Fails for a binary that needs a loader
// or libraries, as there are none in the image.
func Program(tag, binary string) (Image, error) {
	content, err := os.ReadFile(binary) //nolint:gosec // the user names it
	if err != nil {
		return Image{}, fmt.Errorf("reading the program: %w", err)
	}
	if err := static(content); err != nil {
		return Image{}, fmt.Errorf("making an image of %s: %w", binary, err)
	}
	place := "/" + path.Base(binary)
	return Image{
		Tag:        tag,
		Entrypoint: []string{place},
		Files: []File{
			{Path: place, Mode: 0o755, Content: content},
			{Path: "/tmp", Mode: 0o1777, Folder: true},
		},
	}, nil
}

var errDynamic = errors.New("it is linked dynamically, and there are no libraries in an image: build it with CGO_ENABLED=0")

// static is nil for an ELF binary that asks for no interpreter.
func static(content []byte) error {
	binary, err := elf.NewFile(bytes.NewReader(content))
	if err != nil {
		return fmt.Errorf("it is no program: %w", err)
	}
	for _, segment := range binary.Progs {
		if segment.Type == elf.PT_INTERP {
			return errDynamic
		}
	}
	return nil
}
