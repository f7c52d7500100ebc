package engine

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/soda-cdm/kahu/internal/core"
	"github.com/soda-cdm/kahu/internal/core/archive"
)

// writeIntent tells others what this run is about to do, before anything else is written.
func (r *backupRun) writeIntent(ctx context.Context) error {
	content, err := archive.EncodeIntent(archive.Intent{
		Backup: r.request.ID, Attempt: r.request.Attempt, Started: r.started,
	})
	if err != nil {
		return err
	}
	name := r.request.ID.IntentName()
	r.intentFile = archive.File{Name: name, Size: int64(len(content)), Digest: archive.DigestOf(content)}
	err = createFile(ctx, r.files, name, content)
	// An intent of another attempt is not this run's to remove. After every other error it may be there.
	r.begun = !errors.Is(err, core.ErrAlreadyExists)
	return err
}

// writeIndex writes the index as a stream.
func (r *backupRun) writeIndex(ctx context.Context) error {
	name := r.request.ID.IndexName()
	writer, err := r.files.Create(ctx, name)
	if err != nil {
		return err
	}
	defer writer.Abort()
	measured := archive.NewMeasuringWriter(writer)
	indexed, err := r.index.WriteIndex(measured)
	if err != nil {
		return err
	}
	if err := writer.Commit(); err != nil {
		return err
	}
	r.indexed, r.indexFile = indexed, measured.File(name)
	return nil
}

// writeReport writes what happened.
func (r *backupRun) writeReport(ctx context.Context) error {
	if objects(r.indexed) == 0 {
		r.warn(core.Key{}, "the filters choose nothing: the backup is empty")
	}
	content, err := r.close()
	if err != nil {
		return err
	}
	name := r.request.ID.ReportName()
	r.reportFile = archive.File{Name: name, Size: int64(len(content)), Digest: archive.DigestOf(content)}
	return createFile(ctx, r.files, name, content)
}

func objects(kinds []archive.IndexedKind) int64 {
	var sum int64
	for i := range kinds {
		sum += kinds[i].Count
	}
	return sum
}

// checkSegments asks the store for every segment that the manifest will name, where it can list.
func (r *backupRun) checkSegments(ctx context.Context) error {
	slices.SortFunc(r.written, func(a, b archive.File) int { return strings.Compare(a.Name, b.Name) })
	missing := map[string]int64{}
	for _, segment := range r.written {
		missing[segment.Name] = segment.Size
	}
	prefix := archive.SegmentPrefix(r.request.ID.ClusterID, r.request.Attempt)
	err := r.files.List(ctx, prefix, func(file core.FileInfo) error {
		if size, expected := missing[file.Name]; expected && size == file.Size {
			delete(missing, file.Name)
		}
		return nil
	})
	switch {
	case errors.Is(err, core.ErrUnsupported):
		return r.openSegments(ctx)
	case err != nil:
		return err
	case len(missing) > 0:
		return fmt.Errorf("%d segments that were written are not in the store as they were written: %w",
			len(missing), core.ErrCorrupt)
	}
	return nil
}

// openSegments looks for every segment in a store that cannot list.
func (r *backupRun) openSegments(ctx context.Context) error {
	for _, segment := range r.written {
		file, err := r.files.Open(ctx, segment.Name)
		if err != nil {
			return fmt.Errorf("segment %s: %w", segment.Name, notFoundIsCorrupt(err))
		}
		if err := file.Close(); err != nil {
			return err
		}
	}
	return nil
}

// writeManifest makes the backup real, if it is still wanted.
func (r *backupRun) writeManifest(ctx context.Context) (BackupResult, error) {
	manifest := r.manifest()
	content, err := archive.EncodeManifest(manifest)
	if err != nil {
		return BackupResult{}, fmt.Errorf("encoding the manifest: %w", err)
	}
	if err := r.request.Confirm(ctx); err != nil {
		return BackupResult{}, fmt.Errorf("confirming that the backup is still wanted: %w", err)
	}
	if err := createFile(ctx, r.files, r.request.ID.ManifestName(), content); err != nil {
		return BackupResult{}, fmt.Errorf("writing the manifest: %w", err)
	}
	return BackupResult{
		Manifest: manifest, ManifestBytes: int64(len(content)), Missing: r.rows, Warnings: r.warnings,
	}, nil
}

// manifest says what the run has made.
func (r *backupRun) manifest() archive.Manifest {
	counts := archive.Counts{
		Objects: objects(r.indexed), Excluded: r.counts.excluded.Load(), Vanished: r.counts.vanished.Load(),
	}
	counts.Selected = counts.Objects - min(r.counts.needed.Load(), counts.Objects)
	sizes := archive.Sizes{Objects: r.counts.bytes.Load()}
	for _, segment := range r.written {
		sizes.Segments += segment.Size
	}
	missing := make([]archive.Missing, 0, len(r.rows))
	for _, row := range r.rows {
		missing = append(missing, row.missing())
	}
	return archive.Manifest{
		LocationID: r.request.LocationID, ID: r.request.ID, Attempt: r.request.Attempt,
		Writer: r.Writer, ServerVersion: r.request.ServerVersion,
		Started: r.started, Completed: r.Clock.Now(),
		Complete: r.rowsTotal == 0, Missing: missing, MissingCount: r.rowsTotal, Warnings: r.warningsTotal,
		Backup: r.request.Object, Kinds: r.indexed, Counts: counts, Sizes: sizes,
		Intent: r.intentFile, Index: r.indexFile, Report: r.reportFile, Segments: r.written,
	}
}
