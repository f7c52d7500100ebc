package backup

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"hash/fnv"
	"slices"

	"github.com/soda-cdm/kahu/internal/core"
	"github.com/soda-cdm/kahu/internal/core/archive"
	"github.com/soda-cdm/kahu/internal/core/increment"
	"github.com/soda-cdm/kahu/internal/engine"
	"github.com/soda-cdm/kahu/internal/engine/removal"
)

// How two attempts at one backup do each other no harm.
//
// Leader election has no fencing: a manager may be stopped between any two instructions, and wake up when another has
// gone on with its run. So that whatever manifest comes to be is whole:
//
//   - Every file but the manifest bears the name of its attempt (the first one's have names without), and is created
//     only if it is absent. No attempt can write over another's.
//   - An attempt that goes on removes nothing of an earlier one before a manifest is there. If a sleeper wakes up and
//     writes its manifest first, that one is whole, and the younger attempt adopts it; if it comes second, it finds a
//     manifest, and adopts that. The manifest is created only if it is absent, so there is one winner.
//   - Whoever adopts a manifest looks for the segments that it names first.
//   - When a manifest is there, whoever sweeps removes only what it does not name. An attempt that is not on record any
//     more and finds a manifest after its own last write removes its files itself: the sweep may have been before.
//   - An attempt that learns that its run is over, and finds no manifest, removes nothing unless it was the only one: a younger
//     attempt that goes on with its segments may be confirmed, and asleep before a manifest that names them. What is left goes
//     with the removal that follows the record of the failure, or the deletion, and after that with a collection.
//   - An attempt that fails removes files only after GiveUp has put the failure on record, by compare and swap with the
//     attempt that was on record: from then on no attempt begins, and Confirm refuses all. That the record came first
//     is what makes it harmless to sleep between the decision and the removal. An attempt that took the run over removes
//     nothing itself: see below.
//   - What is left is a sleeper between a Confirm that succeeded and the manifest that it then writes, while another
//     manager gives the run up and removes its files. Confirm and manifest together have ManifestTime, by one deadline
//     that the call to the provider carries: after it no manifest of that Confirm can come any more. Whoever removes files
//     of an attempt whose end it has not seen waits until twice that time has passed since that attempt ceased to be on
//     record.
//
// A store whose driver cannot create only if absent looks first and writes then. There a sleeper can write over the
// manifest of a younger attempt within ManifestTime, and name segments that were swept: such a driver is for one manager.

// manifestTries bounds how often a manifest that was not written in its time is tried again, with another confirmation.
const manifestTries = 6

// findManifest looks for the manifest of an earlier attempt, whose process ended before it could say that it had
// finished.
func (r *run) findManifest(ctx context.Context) error {
	if len(r.request.Earlier) == 0 {
		return nil
	}
	manifest, err := engine.ReadManifest(ctx, r.files, r.request.ID)
	if errors.Is(err, core.ErrNotFound) {
		return nil
	}
	if err != nil {
		return err
	}
	r.manifestNow = &manifest
	return nil
}

// adopt takes the manifest of another attempt as the outcome of this one, if everything is there that a restore needs.
func (r *run) adopt(ctx context.Context, manifest archive.Manifest) (Result, error) {
	if err := engine.CheckSegments(ctx, r.files, manifest.Segments); err != nil {
		return Result{}, fmt.Errorf("the manifest of attempt %s is there, but not all that it names: %w", manifest.Attempt, err)
	}
	result := Result{Manifest: manifest, Adopted: true}
	if content, err := engine.ReadBounded(ctx, r.files, manifest.ID.ManifestName(), archive.MaxManifestSize); err == nil {
		result.ManifestBytes = int64(len(content))
	}
	result.Unswept = r.sweep(ctx, manifest)
	return result, nil
}

// sweep removes what does not belong to the backup, and returns why it could not.
func (r *run) sweep(ctx context.Context, manifest archive.Manifest) string {
	if len(r.request.Earlier) == 0 && r.points.number == 0 && manifest.Attempt == r.request.Attempt {
		return ""
	}
	if err := removal.Sweep(ctx, r.files, manifest, append(r.request.Earlier, r.request.Attempt)...); err != nil {
		return err.Error()
	}
	return ""
}

// writeManifest makes the backup real, if it is still wanted.
func (r *run) writeManifest(ctx context.Context) (Result, error) {
	manifest := r.manifest()
	content, err := r.encode(manifest)
	if err != nil {
		return Result{}, fmt.Errorf("encoding the manifest: %w", err)
	}
	late := true
	for try := 0; late && try < manifestTries; try++ {
		late, err = r.createManifest(ctx, content)
	}
	if errors.Is(err, core.ErrAlreadyExists) {
		winner, readErr := engine.ReadManifest(ctx, r.files, r.request.ID)
		if readErr != nil {
			return Result{}, errors.Join(err, readErr)
		}
		return r.adopt(ctx, winner)
	}
	if err != nil {
		return Result{}, err
	}
	return Result{
		Manifest: manifest, ManifestBytes: int64(len(content)), Missing: r.Rows, Warnings: r.Warnings, Volumes: r.outcomes,
		Unswept: cmp.Or(r.sweep(ctx, manifest), r.supersede(ctx)),
	}, nil
}

// supersede removes the comparison files of those on which nobody builds any more, now that there is this backup: what is not
// there tells nobody how objects have changed. One without such a file supersedes nothing, and a cluster that is not the owner
// removes nothing: those may be the files of another one.
func (r *run) supersede(ctx context.Context) string {
	wish := r.request.Increment
	if r.comparison == (archive.Comparison{}) || len(wish.Candidates) == 0 {
		return ""
	}
	if owned, err := wish.Owned(ctx); err != nil {
		return fmt.Sprintf("looking for the owner: %v", err)
	} else if !owned {
		return ""
	}
	turn := fnv.New32a()
	_, _ = turn.Write([]byte(r.request.Attempt)) // It never fails.
	for _, earlier := range increment.Superseded(r.choice.Mode, wish.Candidates, turn.Sum32()) {
		for _, attempt := range slices.Compact([]string{"", earlier.Attempt}) { // The first one's file does not bear its name.
			if err := r.files.Remove(ctx, earlier.ID.ComparisonNameOf(attempt)); err != nil {
				return err.Error()
			}
		}
	}
	return ""
}

// createManifest confirms and writes within ManifestTime, and tells whether that was too short.
func (r *run) createManifest(ctx context.Context, content []byte) (late bool, err error) {
	window, cancel := context.WithTimeout(ctx, cmp.Or(r.ManifestTime, ManifestTime))
	defer cancel()
	if err := r.request.Confirm(window); err != nil {
		return isLate(ctx, window), fmt.Errorf("confirming that the backup is still wanted: %w", err)
	}
	if err := r.checkIntent(window); err != nil {
		return isLate(ctx, window), fmt.Errorf("looking whether the intent is still there: %w", err)
	}
	if err := engine.CreateFile(window, r.files, r.request.ID.ManifestName(), content); err != nil {
		return isLate(ctx, window), fmt.Errorf("writing the manifest: %w", err)
	}
	return false, nil
}

// checkIntent returns an error where the intent is gone. Whoever collects takes a run that shows no life for an abandoned
// one, and removes its intent before anything else. Where another attempt was quicker, it has swept it away.
func (r *run) checkIntent(ctx context.Context) error {
	_, err := engine.ReadSmall(ctx, r.files, r.intentFile.Name)
	if !errors.Is(err, core.ErrNotFound) {
		return err
	}
	if _, winner := engine.ReadManifest(ctx, r.files, r.request.ID); winner == nil {
		return fmt.Errorf("another attempt was quicker: %w", core.ErrAlreadyExists)
	}
	return err
}

// isLate tells whether the window ended, and not the run.
func isLate(ctx, window context.Context) bool { return ctx.Err() == nil && window.Err() != nil }

// giveUp ends a run that failed: what it wrote is removed, once it is on record that the run has failed. Where there were other
// attempts, whoever has it on record removes it.
func (r *run) giveUp(ctx context.Context, cause error) error {
	var refused error
	if r.request.GiveUp != nil {
		refused = r.request.GiveUp(ctx, cause)
	}
	var err error
	switch {
	case refused == nil && r.mayBeMadeReal():
		// It is not this attempt's to wait until no manifest can come any more.
	case refused == nil:
		err = removal.Erase(ctx, r.files, r.request.ID, append(r.request.Earlier, r.request.Attempt)...)
	case errors.Is(refused, ErrOverAlone):
		err = removal.Discard(ctx, r.files, r.request.ID, r.request.Attempt)
	case errors.Is(refused, ErrSuperseded), errors.Is(refused, ErrOver):
		// Another attempt may have been confirmed, and its manifest may name what this one wrote. Whoever goes on sweeps when it
		// is there, and what was written before that goes then. When it is there already, the sweep may be over.
		if _, readErr := engine.ReadManifest(ctx, r.files, r.request.ID); readErr != nil {
			return errors.Join(cause, refused)
		}
		err = removal.Discard(ctx, r.files, r.request.ID, r.request.Attempt)
	default:
		err = refused
	}
	if err != nil {
		return errors.Join(cause, fmt.Errorf("removing what the run had written: %w", err))
	}
	return cause
}

// mayBeMadeReal tells whether an earlier attempt may sleep between its confirmation and its manifest, as far as this one knows.
// Without a record there is nobody else.
func (r *run) mayBeMadeReal() bool { return r.request.GiveUp != nil && len(r.request.Earlier) > 0 }
