package engine

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"

	"github.com/soda-cdm/kahu/internal/core"
	"github.com/soda-cdm/kahu/internal/core/archive"
)

// ReadManifest reads the manifest of one backup. It is core.ErrNotFound where the store has no such backup,
// core.ErrCorrupt where the manifest does not match its own digest or belongs to another backup, and an
// archive.NewerFormatError where it was written by a newer release.
func ReadManifest(ctx context.Context, files FileReader, id archive.BackupID) (archive.Manifest, error) {
	if err := id.Check(); err != nil {
		return archive.Manifest{}, err
	}
	content, err := ReadBounded(ctx, files, id.ManifestName(), archive.MaxManifestSize)
	if err != nil {
		return archive.Manifest{}, err
	}
	manifest, err := archive.DecodeManifest(bytes.NewReader(content))
	if err != nil {
		return archive.Manifest{}, fmt.Errorf("%s: %w", id.ManifestName(), err)
	}
	if manifest.ID != id {
		return archive.Manifest{}, fmt.Errorf("%s is the manifest of backup %s: %w",
			id.ManifestName(), manifest.ID, core.ErrCorrupt)
	}
	return manifest, nil
}

// ReadSmall reads a whole small file.
func ReadSmall(ctx context.Context, files FileReader, name string) ([]byte, error) {
	return ReadBounded(ctx, files, name, archive.MaxSmallFileSize)
}

// ReadBounded reads a whole file of at most limit bytes.
func ReadBounded(ctx context.Context, files FileReader, name string, limit int64) ([]byte, error) {
	file, err := files.Open(ctx, name)
	if err != nil {
		return nil, err // It says what could not be opened.
	}
	content, err := io.ReadAll(io.LimitReader(file, limit+1))
	if closeErr := file.Close(); err == nil && closeErr != nil {
		err = closeErr
	}
	if err != nil {
		return nil, fmt.Errorf("reading %s: %w", name, err)
	}
	if int64(len(content)) > limit {
		return nil, fmt.Errorf("%s is longer than the %d bytes that are possible: %w", name, limit, core.ErrCorrupt)
	}
	return content, nil
}

// CreateFile writes a whole small file that must not be there.
func CreateFile(ctx context.Context, files FileCreator, name string, content []byte) error {
	writer, err := files.Create(ctx, name)
	if err != nil {
		return fmt.Errorf("creating %s: %w", name, err)
	}
	defer writer.Abort()
	if _, err := io.Copy(writer, bytes.NewReader(content)); err != nil {
		return fmt.Errorf("writing %s: %w", name, err)
	}
	if err := writer.Commit(); err != nil {
		return fmt.Errorf("writing %s: %w", name, err)
	}
	return nil
}

// ReadRange reads a part of a segment, fewer bytes where the file ends before.
func ReadRange(ctx context.Context, files FileReader, frame archive.FrameRef) ([]byte, error) {
	part, err := files.OpenRange(ctx, frame.Segment, frame.Offset, frame.Length)
	if err != nil {
		return nil, fmt.Errorf("opening segment %s: %w", frame.Segment, err)
	}
	content, err := io.ReadAll(io.LimitReader(part, frame.Length))
	if closeErr := part.Close(); err == nil && closeErr != nil {
		err = closeErr
	}
	if err != nil {
		return nil, fmt.Errorf("reading segment %s: %w", frame.Segment, err)
	}
	return content, nil
}

// GoneIsCorrupt turns core.ErrNotFound into core.ErrCorrupt: a file that the manifest names and that is not there is damage,
// not a backup that does not exist.
func GoneIsCorrupt(err error) error {
	if errors.Is(err, core.ErrNotFound) {
		return fmt.Errorf("%w: the file is gone: %w", core.ErrCorrupt, err)
	}
	return err
}
