package repository

import (
	"context"
	"errors"
	"fmt"
	"math"

	"github.com/kopia/kopia/repo/manifest"
	"github.com/kopia/kopia/snapshot"
	"github.com/kopia/kopia/snapshot/restore"
	"github.com/kopia/kopia/snapshot/snapshotfs"
)

// ErrNoBackup means that what was asked for is not in the repository.
var ErrNoBackup = errors.New("there is no such backup in the repository")

// LoadRequest asks for a tree of files to be written.
type LoadRequest struct {
	// ID is what Save has returned.
	ID string
	// Target is told of each entry. It is closed in the end.
	Target restore.Output
	// Parallel is how many files are written at once. Zero means as many as there are processors.
	Parallel int
	// Progress is told how many bytes are written, now and then.
	Progress func(bytes int64)
}

// Load gives a tree of files back, and returns how many bytes they have.
func (r *Repository) Load(ctx context.Context, request LoadRequest) (int64, error) {
	found, err := r.find(ctx, request.ID)
	if err != nil {
		return 0, err
	}
	if found.RootEntry == nil {
		return 0, fmt.Errorf("backup %s has no content: %w", request.ID, ErrNoBackup)
	}
	options := restore.Options{
		Parallel:               request.Parallel,
		RestoreDirEntryAtDepth: math.MaxInt32, // Everything: below that depth it would leave notes in place of files.
	}
	if request.Progress != nil {
		options.ProgressCallback = func(_ context.Context, counts restore.Stats) { request.Progress(counts.RestoredTotalFileSize) }
	}
	counts, err := restore.Entry(ctx, r.opened, request.Target, snapshotfs.EntryFromDirEntry(r.opened, found.RootEntry), options)
	if err = errors.Join(err, r.fatal.get()); err != nil {
		return 0, fmt.Errorf("loading backup %s: %w", request.ID, err)
	}
	return counts.RestoredTotalFileSize, nil
}

// Found says what a backup is.
type Found struct {
	// Block tells that it is of a block volume.
	Block bool
	// Bytes is the size of its content.
	Bytes int64
}

// Find looks for a backup.
func (r *Repository) Find(ctx context.Context, id string) (Found, error) {
	found, err := r.find(ctx, id)
	if err != nil {
		return Found{}, err
	}
	root := found.RootEntry
	if root == nil {
		return Found{}, fmt.Errorf("backup %s has no content: %w", id, ErrNoBackup)
	}
	if root.Type == snapshot.EntryTypeFile {
		return Found{Block: true, Bytes: root.FileSize}, nil
	}
	return Found{Bytes: found.Stats.TotalFileSize}, nil
}

func (r *Repository) find(ctx context.Context, id string) (*snapshot.Manifest, error) {
	found, err := snapshot.LoadSnapshot(ctx, r.opened, manifest.ID(id))
	if errors.Is(err, snapshot.ErrSnapshotNotFound) || errors.Is(err, manifest.ErrNotFound) {
		return nil, fmt.Errorf("backup %s: %w", id, ErrNoBackup)
	}
	if err != nil {
		return nil, fmt.Errorf("looking for backup %s: %w", id, err)
	}
	return found, nil
}
