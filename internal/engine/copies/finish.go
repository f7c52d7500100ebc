package copies

import (
	"context"
	"errors"
	"fmt"
	"slices"

	"github.com/soda-cdm/kahu/internal/core"
	"github.com/soda-cdm/kahu/internal/core/archive"
	"github.com/soda-cdm/kahu/internal/core/copyplan"
)

// checkFiles makes sure that all files are at the target with their sizes, where it can list. They were sent or found one by
// one, and some of them some time ago.
func (r *run) checkFiles(ctx context.Context) error {
	found := map[string]int64{}
	note := func(file core.FileInfo) error {
		found[file.Name] = file.Size
		return nil
	}
	for _, prefix := range prefixes(&r.manifest) {
		err := r.to.List(ctx, prefix, note)
		if errors.Is(err, core.ErrUnsupported) {
			return r.holdAll(ctx)
		}
		if err != nil {
			return err
		}
	}
	if first, number := copyplan.Lack(&r.manifest, found); number > 0 {
		return copyplan.LackError(first, number)
	}
	return nil
}

// prefixes returns what the names of all files of a backup begin with.
func prefixes(manifest *archive.Manifest) []string {
	all := []string{manifest.ID.Folder()}
	for _, file := range manifest.Segments {
		if id, ok := archive.ParseSegmentName(file.Name); ok {
			all = append(all, archive.SegmentPrefix(id.ClusterID, id.Attempt))
		}
	}
	slices.Sort(all)
	return slices.Compact(all)
}

// holdAll looks at each file in a store that cannot list.
func (r *run) holdAll(ctx context.Context) error {
	for _, file := range r.manifest.Files() {
		there, err := r.to.Holds(ctx, file.Name, file.Size, string(file.Digest))
		if errors.Is(err, core.ErrNotFound) || err == nil && !there {
			return copyplan.LackError(file.Name, 1)
		}
		if err != nil {
			return err
		}
	}
	return nil
}

// manifestTries bounds how often a manifest that was not written in its time is tried again, with another confirmation.
const manifestTries = 6

// writeManifest makes the copy real, if it is still wanted.
func (r *run) writeManifest(ctx context.Context) error {
	if r.real {
		return nil
	}
	var err error
	for late, try := true, 0; late && try < manifestTries; try++ {
		late, err = r.createManifest(ctx)
	}
	r.real = err == nil
	return err
}

// createManifest confirms and writes in its time, and tells whether that was too short.
func (r *run) createManifest(ctx context.Context) (late bool, err error) {
	window, cancel := context.WithTimeout(ctx, r.window())
	defer cancel()
	isLate := func() bool { return ctx.Err() == nil && window.Err() != nil }
	if err := r.request.Confirm(window); err != nil {
		return isLate(), fmt.Errorf("confirming that the copy is still wanted: %w", err)
	}
	if err := r.checkIntent(window); err != nil {
		return isLate(), err
	}
	err = r.create(window, r.request.Backup.ManifestName(), r.content)
	return err != nil && isLate(), err
}

// checkIntent makes sure that the intent is still there: without it, what the manifest names may be on its way out.
func (r *run) checkIntent(ctx context.Context) error {
	file, err := r.to.Open(ctx, r.intent())
	if errors.Is(err, core.ErrNotFound) {
		return fmt.Errorf("somebody has removed the intent of this attempt: %w: %s", core.ErrUnavailable, err.Error())
	}
	if err != nil {
		return err
	}
	return file.Close()
}

// removeIntents removes what told of attempts at the copy, for which the manifest stands now. That one cannot be removed does
// no harm.
func (r *run) removeIntents(ctx context.Context) error {
	names := []string{r.intent()}
	err := r.to.List(ctx, r.request.Backup.Folder(), func(file core.FileInfo) error {
		if copyplan.IsOfCopy(&r.manifest, file.Name) {
			names = append(names, file.Name)
		}
		return nil
	})
	if errors.Is(err, core.ErrUnsupported) {
		err = nil
	}
	for _, name := range slices.Compact(slices.Sorted(slices.Values(names))) {
		if err == nil {
			err = r.to.Remove(ctx, name)
		}
	}
	if err != nil {
		r.left = err.Error()
	}
	return nil
}
