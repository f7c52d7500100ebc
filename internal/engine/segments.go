package engine

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"

	"github.com/soda-cdm/kahu/internal/core"
	"github.com/soda-cdm/kahu/internal/core/archive"
)

// CheckSegments returns an error that is core.ErrCorrupt where some of the segments are not in the store as they were written.
func CheckSegments(ctx context.Context, files ListedFiles, segments []archive.File) error {
	missing, err := MissingSegments(ctx, files, segments)
	if err != nil {
		return err
	}
	if len(missing) > 0 {
		return fmt.Errorf("not in the store as written: %s, the first is %s: %w",
			core.Count(int64(len(missing)), "segment"), missing[0], core.ErrCorrupt)
	}
	return nil
}

// MissingSegments returns the names of those that are not in the store with their size, or not at all where it cannot
// list. All are of one cluster.
func MissingSegments(ctx context.Context, files ListedFiles, segments []archive.File) ([]string, error) {
	missing, attempts := map[string]int64{}, map[archive.SegmentID]bool{}
	for _, segment := range segments {
		missing[segment.Name] = segment.Size
		if id, ok := archive.ParseSegmentName(segment.Name); ok {
			attempts[archive.SegmentID{ClusterID: id.ClusterID, Attempt: id.Attempt}] = true
		}
	}
	for of := range attempts {
		err := files.List(ctx, archive.SegmentPrefix(of.ClusterID, of.Attempt), func(file core.FileInfo) error {
			if size, expected := missing[file.Name]; expected && size == file.Size {
				delete(missing, file.Name)
			}
			return nil
		})
		if errors.Is(err, core.ErrUnsupported) {
			return unopened(ctx, files, segments)
		}
		if err != nil {
			return nil, err
		}
	}
	return slices.Sorted(maps.Keys(missing)), nil
}

// unopened looks for every segment in a store that cannot list.
func unopened(ctx context.Context, files FileReader, segments []archive.File) ([]string, error) {
	var missing []string
	for _, segment := range segments {
		file, err := files.Open(ctx, segment.Name)
		if errors.Is(err, core.ErrNotFound) {
			missing = append(missing, segment.Name)
			continue
		}
		if err != nil {
			return nil, fmt.Errorf("segment %s: %w", segment.Name, err)
		}
		if err := file.Close(); err != nil {
			return nil, err
		}
	}
	return missing, nil
}
