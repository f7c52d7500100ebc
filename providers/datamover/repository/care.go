package repository

import (
	"context"
	"errors"
	"fmt"

	"github.com/kopia/kopia/repo"
	"github.com/kopia/kopia/repo/maintenance"
	"github.com/kopia/kopia/repo/manifest"
	"github.com/kopia/kopia/snapshot/snapshotfs"
	"github.com/kopia/kopia/snapshot/snapshotmaintenance"
)

// Remove takes a backup out of the repository. That there is none is a success. What only it needed goes with a later Maintain.
func (r *Repository) Remove(ctx context.Context, id string) error {
	if _, err := r.find(ctx, id); errors.Is(err, ErrNoBackup) {
		return nil
	} else if err != nil {
		return err
	}
	return r.write(ctx, "removal of a backup", func(ctx context.Context, writer repo.DirectRepositoryWriter) error {
		return writer.DeleteManifest(ctx, manifest.ID(id))
	})
}

// Maintain removes what no backup needs, and puts together what is in many pieces. What is not needed any more goes with a run that
// comes a day or more later, and its bytes with one after that, as it could be of a backup that is under way. One process may do it
// at a time.
func (r *Repository) Maintain(ctx context.Context) error {
	return r.write(ctx, "maintenance", func(ctx context.Context, writer repo.DirectRepositoryWriter) error {
		// Who may do it is decided by who owns the location, and not by kopia, which is told that it is us.
		return snapshotmaintenance.Run(ctx, writer, maintenance.ModeFull, true, maintenance.SafetyFull)
	})
}

// Verified is what came of reading a backup back.
type Verified struct {
	// Bytes and Files were read.
	Bytes, Files int64
	// Damaged is how many entries cannot be read, and DamagedNames tells of the first of them.
	Damaged      int64
	DamagedNames []string
}

// Verify reads a backup back from the place, a part of its files or, at 100, all of them. What is in the cache of this process is
// not read from the place: one that was made for it shows damage best.
func (r *Repository) Verify(ctx context.Context, id string, percent float64) (Verified, error) {
	found, err := r.find(ctx, id)
	if err != nil {
		return Verified{}, err
	}
	root, err := snapshotfs.SnapshotRoot(r.opened, found)
	if err != nil {
		return Verified{}, fmt.Errorf("reading backup %s: %w", id, err)
	}
	reader := snapshotfs.NewVerifier(ctx, r.opened, snapshotfs.VerifierOptions{
		VerifyFilesPercent: percent, FileQueueLength: maxNamed, MaxErrors: maxNamed,
	})
	result, err := reader.InParallel(ctx, func(walker *snapshotfs.TreeWalker) error { return walker.Process(ctx, root, "") })
	verified := Verified{
		Bytes: result.Stats.ReadBytes, Files: result.Stats.ReadFileCount, Damaged: int64(result.ErrorCount), DamagedNames: result.ErrorStrings,
	}
	if result.ErrorCount > 0 {
		err = nil // It repeats what is damaged.
	}
	if err = errors.Join(err, ctx.Err(), r.fatal.get()); err != nil {
		return verified, fmt.Errorf("reading backup %s: %w", id, err)
	}
	return verified, nil
}

// ChangeKey has the repository opened with another key from now on. Who has read the old one and what it opens can go on to read
// what was there.
func (r *Repository) ChangeKey(ctx context.Context, to Key) error {
	if err := r.opened.FormatManager().ChangePassword(ctx, to.secret); err != nil {
		return fmt.Errorf("changing the key of the repository: %w", err)
	}
	return nil
}

// write has something done that changes the repository.
func (r *Repository) write(ctx context.Context, what string, do func(ctx context.Context, writer repo.DirectRepositoryWriter) error) error {
	err := repo.DirectWriteSession(ctx, r.opened, repo.WriteSessionOptions{Purpose: what}, do)
	if err = errors.Join(err, r.fatal.get()); err != nil {
		return fmt.Errorf("%s: %w", what, err)
	}
	return nil
}
