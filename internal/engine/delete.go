package engine

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"slices"

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
// segments that neither manifest nor intent tells of. A manifest of a newer format gives an error and nothing is
// removed, as only a newer release knows what belongs to it, and to whom else.
func Delete(ctx context.Context, files DeletionFiles, id archive.BackupID, attempt string) error {
	if err := id.Check(); err != nil {
		return err
	}
	segments, err := ownSegments(ctx, files, id, attempt)
	if err != nil {
		return fmt.Errorf("finding the segments of backup %s: %w", id, err)
	}
	// The last segments first: what an interruption leaves then begins with number 1, where a store that cannot list is
	// looked through.
	slices.Reverse(segments)
	names := append([]string{id.ManifestName()}, segments...)
	// The manifest a second time: a run that does not know yet that it was given up may have written it just now.
	for _, name := range append(names, id.IndexName(), id.ReportName(), id.ManifestName(), id.IntentName()) {
		if err := files.Remove(ctx, name); err != nil {
			return fmt.Errorf("removing %s: %w", name, err)
		}
	}
	return nil
}

// Discard removes what one attempt at a backup left in a store, and nothing of any other: the files of the backup's
// folder go only where the intent in it is that attempt's.
func Discard(ctx context.Context, files DeletionFiles, id archive.BackupID, attempt string) error {
	if err := id.Check(); err != nil {
		return err
	}
	attempts := map[string]bool{}
	if err := intentAttempt(ctx, files, id, attempts); err != nil {
		return fmt.Errorf("reading the intent of backup %s: %w", id, err)
	}
	if attempts[attempt] {
		return Delete(ctx, files, id, attempt)
	}
	segments, err := listSegments(ctx, files, id.ClusterID, attempt)
	if err != nil {
		return fmt.Errorf("finding the segments of attempt %s: %w", attempt, err)
	}
	for _, name := range segments {
		if err := files.Remove(ctx, name); err != nil {
			return fmt.Errorf("removing %s: %w", name, err)
		}
	}
	return nil
}

// maxGap is how many numbers of segments in a row must not be there until the last one is taken as found, in a store
// that cannot list: packers that run side by side can leave gaps.
const maxGap = 16

// listSegments returns the segments of an attempt.
func listSegments(ctx context.Context, files DeletionFiles, clusterID, attempt string) ([]string, error) {
	var segments []string
	err := files.List(ctx, archive.SegmentPrefix(clusterID, attempt), func(file core.FileInfo) error {
		segments = append(segments, file.Name)
		return nil
	})
	if !errors.Is(err, core.ErrUnsupported) {
		return segments, err
	}
	segments = nil
	for number, gap := 1, 0; gap < maxGap; number++ {
		segment := archive.SegmentID{ClusterID: clusterID, Attempt: attempt, Number: number}
		file, err := files.Open(ctx, segment.Name())
		if errors.Is(err, core.ErrNotFound) {
			gap++
			continue
		}
		if err != nil {
			return nil, err
		}
		gap = 0
		segments = append(segments, segment.Name())
		if err := file.Close(); err != nil {
			return nil, err
		}
	}
	return segments, nil
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
	if err := manifestAttempt(ctx, files, id, attempts); err != nil {
		return nil, err
	}
	var segments []string
	for each := range attempts {
		found, err := listSegments(ctx, files, id.ClusterID, each)
		if err != nil {
			return nil, err
		}
		segments = append(segments, found...)
	}
	return segments, nil
}

// intentAttempt adds the attempt that the intent names. An intent that cannot be read names none.
func intentAttempt(ctx context.Context, files FileReader, id archive.BackupID, attempts map[string]bool) error {
	intent, err := readIntent(ctx, files, id)
	if err == nil && intent.Attempt != "" {
		attempts[intent.Attempt] = true
	}
	return err
}

// readIntent returns the intent of a backup, which is empty where there is none, or none that can be read.
func readIntent(ctx context.Context, files FileReader, id archive.BackupID) (archive.Intent, error) {
	content, err := readSmall(ctx, files, id.IntentName())
	if errors.Is(err, core.ErrNotFound) || errors.Is(err, core.ErrCorrupt) {
		return archive.Intent{}, nil
	}
	if err != nil {
		return archive.Intent{}, err
	}
	intent, err := archive.DecodeIntent(bytes.NewReader(content))
	if err != nil {
		return archive.Intent{}, nil //nolint:nilerr // An intent that cannot be read tells of nothing.
	}
	return intent, nil
}

// manifestAttempt adds the attempt that the manifest names. One that is gone or damaged names none.
func manifestAttempt(ctx context.Context, files FileReader, id archive.BackupID, attempts map[string]bool) error {
	manifest, err := ReadManifest(ctx, files, id)
	if errors.Is(err, core.ErrNotFound) || errors.Is(err, core.ErrCorrupt) {
		return nil
	}
	if err == nil {
		attempts[manifest.Attempt] = true
	}
	return err
}
