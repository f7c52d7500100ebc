package engine

import (
	"bytes"
	"context"
	"errors"
	"fmt"

	"github.com/soda-cdm/kahu/internal/core"
	"github.com/soda-cdm/kahu/internal/core/archive"
)

// DeletionFiles is what deleting a backup asks of a store.
type DeletionFiles interface {
	FileReader
	FileLister
	FileRemover
}

// Delete removes a backup from a store, or what an attempt at one left behind. The manifest goes first: from then on
// the backup does not exist, whatever else is still there, and the intent goes last, so that a deletion that was
// interrupted finds what remains. That something is gone already is no error. The attempt, where it is known, names
// segments that neither manifest nor intent tells of.
func Delete(ctx context.Context, files DeletionFiles, id archive.BackupID, attempt string) error {
	if err := id.Check(); err != nil {
		return err
	}
	segments, err := ownSegments(ctx, files, id, attempt)
	if err != nil {
		return fmt.Errorf("finding the segments of backup %s: %w", id, err)
	}
	names := append([]string{id.ManifestName()}, segments...)
	for _, name := range append(names, id.IndexName(), id.ReportName(), id.IntentName()) {
		if err := files.Remove(ctx, name); err != nil {
			return fmt.Errorf("removing %s: %w", name, err)
		}
	}
	return nil
}

// ownSegments returns the segments that the backup's attempts wrote.
func ownSegments(ctx context.Context, files DeletionFiles, id archive.BackupID, attempt string) ([]string, error) {
	attempts := map[string]bool{}
	if attempt != "" {
		attempts[attempt] = true
	}
	if err := intentAttempt(ctx, files, id, attempts); err != nil {
		return nil, err
	}
	listed, err := manifestSegments(ctx, files, id, attempts)
	if err != nil {
		return nil, err
	}
	var segments []string
	for each := range attempts {
		err := files.List(ctx, archive.SegmentPrefix(id.ClusterID, each), func(file core.FileInfo) error {
			segments = append(segments, file.Name)
			return nil
		})
		if errors.Is(err, core.ErrUnsupported) {
			return listed, nil
		}
		if err != nil {
			return nil, err
		}
	}
	return segments, nil
}

// intentAttempt adds the attempt that the intent names. An intent that cannot be read names none.
func intentAttempt(ctx context.Context, files FileReader, id archive.BackupID, attempts map[string]bool) error {
	content, err := readSmall(ctx, files, id.IntentName())
	if errors.Is(err, core.ErrNotFound) || errors.Is(err, core.ErrCorrupt) {
		return nil
	}
	if err != nil {
		return err
	}
	if intent, err := archive.DecodeIntent(bytes.NewReader(content)); err == nil {
		attempts[intent.Attempt] = true
	}
	return nil
}

// manifestSegments returns the segments of the backup's own attempt as the manifest names them, for stores that cannot
// list, and adds that attempt.
func manifestSegments(
	ctx context.Context, files FileReader, id archive.BackupID, attempts map[string]bool,
) ([]string, error) {
	manifest, err := ReadManifest(ctx, files, id)
	if errors.Is(err, core.ErrUnavailable) || errors.Is(err, core.ErrDenied) || ctx.Err() != nil {
		return nil, err
	}
	if err != nil {
		return nil, nil //nolint:nilerr // A manifest that is gone or cannot be read names nothing; deletion goes on without it.
	}
	attempts[manifest.Attempt] = true
	var segments []string
	for _, file := range manifest.Segments {
		if segment, ok := archive.ParseSegmentName(file.Name); ok && segment.ClusterID == id.ClusterID && attempts[segment.Attempt] {
			segments = append(segments, file.Name)
		}
	}
	return segments, nil
}
