package engine

import (
	"context"
	"errors"
	"slices"

	"github.com/soda-cdm/kahu/internal/core"
	"github.com/soda-cdm/kahu/internal/core/archive"
)

// CheckpointFile is a checkpoint in the store.
type CheckpointFile struct {
	// Name is that of the file, Attempt the one that wrote it.
	Name, Attempt string
}

// FindCheckpoints returns the checkpoints of the attempts, those of the youngest first.
func FindCheckpoints(
	ctx context.Context, files ListedFiles, id archive.BackupID, attempts []string,
) ([]CheckpointFile, error) {
	var found []CheckpointFile
	err := files.List(ctx, id.CheckpointPrefix(), func(file core.FileInfo) error {
		if attempt, _, ok := id.ParseCheckpointName(file.Name); ok {
			found = append(found, CheckpointFile{Name: file.Name, Attempt: attempt})
		}
		return nil
	})
	if errors.Is(err, core.ErrUnsupported) {
		found, err = probeCheckpoints(ctx, files, id, attempts)
	}
	if err != nil {
		return nil, err
	}
	found = slices.DeleteFunc(found, func(file CheckpointFile) bool { return !slices.Contains(attempts, file.Attempt) })
	slices.SortStableFunc(found, func(a, b CheckpointFile) int {
		return slices.Index(attempts, b.Attempt) - slices.Index(attempts, a.Attempt)
	})
	return found, nil
}

// probeCheckpoints looks for checkpoints in a store that cannot list.
func probeCheckpoints(
	ctx context.Context, files FileReader, id archive.BackupID, attempts []string,
) ([]CheckpointFile, error) {
	var found []CheckpointFile
	for _, attempt := range attempts {
		names, err := Probe(ctx, files, func(number int) string { return id.CheckpointName(attempt, number) })
		if err != nil {
			return nil, err
		}
		for _, name := range names {
			found = append(found, CheckpointFile{Name: name, Attempt: attempt})
		}
	}
	return found, nil
}

// maxGap is how many numbers of segments in a row must not be there until the last one is taken as found, in a store
// that cannot list: packers that run side by side can leave gaps.
const maxGap = 16

// Probe returns the files of a numbered sequence, in a store that cannot list.
func Probe(ctx context.Context, files FileReader, nameOf func(number int) string) ([]string, error) {
	var names []string
	for number, gap := 1, 0; gap < maxGap; number++ {
		file, err := files.Open(ctx, nameOf(number))
		if errors.Is(err, core.ErrNotFound) {
			gap++
			continue
		}
		if err != nil {
			return nil, err
		}
		gap = 0
		names = append(names, nameOf(number))
		if err := file.Close(); err != nil {
			return nil, err
		}
	}
	return names, nil
}
