package engine

import (
	"context"
	"errors"
	"fmt"
	"io"
	"slices"

	"k8s.io/apimachinery/pkg/runtime/schema"

	"github.com/soda-cdm/kahu/internal/core"
	"github.com/soda-cdm/kahu/internal/core/archive"
	"github.com/soda-cdm/kahu/internal/core/seal"
)

// checkpointFile is a checkpoint in the store.
type checkpointFile struct {
	name    string
	attempt string
}

// resume takes over what earlier attempts have copied, as if it had been listed now: their records come into the index,
// and what their objects need, and where these live, is found out anew. A checkpoint that is damaged, or whose segments
// are not there, only means that its kinds are listed again.
func (r *backupRun) resume(ctx context.Context) error {
	if len(r.request.Earlier) == 0 {
		return nil
	}
	found, err := findCheckpoints(ctx, r.files, r.request.ID, r.request.Earlier)
	if err != nil {
		return err
	}
	if len(found) == 0 {
		return nil
	}
	if r.earlier, err = r.earlierContents(ctx); err != nil {
		if _, needed := errors.AsType[*seal.KeyNeededError](err); !needed {
			return err
		}
		r.note(core.Key{}, "CheckpointUnusable", "what was copied before is copied again: "+err.Error())
		return nil
	}
	for _, file := range found {
		err := r.tryCheckpoint(ctx, file)
		switch {
		case ctx.Err() != nil:
			return ctx.Err()
		case isUnusable(err):
			r.note(core.Key{}, "CheckpointUnusable", fmt.Sprintf("what %s names is copied again: %v", file.name, err))
		case err != nil:
			return fmt.Errorf("reading %s: %w", file.name, err)
		}
	}
	return nil
}

func isUnusable(err error) bool {
	return errors.Is(err, core.ErrCorrupt) || errors.Is(err, core.ErrNotFound) || errors.Is(err, core.ErrUnsupported)
}

// findCheckpoints returns the checkpoints of the attempts, those of the youngest first.
func findCheckpoints(
	ctx context.Context, files DeletionFiles, id archive.BackupID, attempts []string,
) ([]checkpointFile, error) {
	var found []checkpointFile
	err := files.List(ctx, id.CheckpointPrefix(), func(file core.FileInfo) error {
		if attempt, _, ok := id.ParseCheckpointName(file.Name); ok {
			found = append(found, checkpointFile{name: file.Name, attempt: attempt})
		}
		return nil
	})
	if errors.Is(err, core.ErrUnsupported) {
		found, err = probeCheckpoints(ctx, files, id, attempts)
	}
	if err != nil {
		return nil, err
	}
	found = slices.DeleteFunc(found, func(file checkpointFile) bool { return !slices.Contains(attempts, file.attempt) })
	slices.SortStableFunc(found, func(a, b checkpointFile) int {
		return slices.Index(attempts, b.attempt) - slices.Index(attempts, a.attempt)
	})
	return found, nil
}

// probeCheckpoints looks for checkpoints in a store that cannot list.
func probeCheckpoints(
	ctx context.Context, files FileReader, id archive.BackupID, attempts []string,
) ([]checkpointFile, error) {
	var found []checkpointFile
	for _, attempt := range attempts {
		names, err := probe(ctx, files, func(number int) string { return id.CheckpointName(attempt, number) })
		if err != nil {
			return nil, err
		}
		for _, name := range names {
			found = append(found, checkpointFile{name: name, attempt: attempt})
		}
	}
	return found, nil
}

// tryCheckpoint reads a checkpoint, with the objects that must be looked at again, and takes it over when all of it is
// as it was written.
func (r *backupRun) tryCheckpoint(ctx context.Context, file checkpointFile) error {
	head, err := r.walkCheckpoint(ctx, file, func(archive.Record, []byte) error { return nil })
	if err != nil {
		return err
	}
	if head.Backup != r.request.ID || head.Attempt != file.attempt {
		return fmt.Errorf("it is of attempt %s at backup %s: %w", head.Attempt, head.Backup, core.ErrCorrupt)
	}
	missing, err := missingSegments(ctx, r.files, head.Segments)
	if err != nil {
		return err
	}
	if len(missing) > 0 {
		return fmt.Errorf("segment %s is gone, or has another size: %w", missing[0], core.ErrCorrupt)
	}
	return r.takeCheckpoint(ctx, file, head)
}

// takeCheckpoint takes over a checkpoint that was read to its end.
func (r *backupRun) takeCheckpoint(ctx context.Context, file checkpointFile, head archive.Checkpoint) error {
	segments := map[string]archive.File{}
	for _, segment := range head.Segments {
		segments[segment.Name] = segment
	}
	kinds := r.keepable(head)
	for _, kind := range kinds {
		if err := r.index.Begin(kind.Kind, kind.ListResourceVersion); err != nil {
			return err
		}
	}
	_, err := r.walkCheckpoint(ctx, file, func(record archive.Record, content []byte) error {
		r.keptFiles[record.Frame.Segment] = segments[record.Frame.Segment]
		return r.keep(record, content)
	})
	if err != nil {
		// It was whole a moment ago: the store is at fault, and what is in the index cannot be taken out of it.
		return fmt.Errorf("it changed while it was read: %s: %w", err.Error(), core.ErrUnavailable)
	}
	for _, kind := range kinds {
		r.kept[kind.Kind.GroupResource()] = true
		r.counts.excluded.Add(kind.Excluded)
		r.counts.vanished.Add(kind.Vanished)
		for _, note := range kind.Notes {
			key := kindKey(kind.Kind, note.Namespace)
			key.Name = note.Name
			r.note(key, note.Action, note.Message)
		}
	}
	return nil
}

// keepable returns the kinds of a checkpoint that are served as they were, that the filters choose from, and that no
// younger attempt has copied.
func (r *backupRun) keepable(head archive.Checkpoint) []archive.CheckpointKind {
	return slices.DeleteFunc(slices.Clone(head.Kinds), func(kind archive.CheckpointKind) bool {
		at := slices.IndexFunc(r.kinds, func(served core.Kind) bool {
			return served.GroupVersionResource() == kind.Kind.GroupVersionResource() &&
				served.Namespaced == kind.Kind.Namespaced && served.Custom == kind.Kind.Custom
		})
		return at < 0 || r.kept[kind.Kind.GroupResource()] || r.selector.Kind(r.kinds[at]).Skip
	})
}

// keptWindow is how many records are held while their objects are read.
const keptWindow = 2048

// walkCheckpoint visits the records of the kinds that can be kept, with the objects of those that must be looked at.
func (r *backupRun) walkCheckpoint(
	ctx context.Context, file checkpointFile, visit func(record archive.Record, content []byte) error,
) (archive.Checkpoint, error) {
	content, err := r.files.Open(ctx, file.name)
	if err != nil {
		return archive.Checkpoint{}, err
	}
	defer content.Close() //nolint:errcheck // It was read to its end, or the error that ended the reading counts.
	reader, err := r.readCheckpoint(content)
	if err != nil {
		return archive.Checkpoint{}, err
	}
	defer reader.Close()
	frames, err := archive.NewFrameReader()
	if err != nil {
		return archive.Checkpoint{}, err
	}
	defer frames.Close()
	head := reader.Checkpoint()
	wanted := map[schema.GroupResource]bool{}
	for _, kind := range r.keepable(head) {
		wanted[kind.Kind.GroupResource()] = true
	}
	sizes := sizesOf(head.Segments)
	visitKept := func(records []archive.Record) error {
		return r.readKept(ctx, frames, keptRecords{records, sizes}, visit)
	}
	window := make([]archive.Record, 0, keptWindow)
	for record, err := range reader.Records() {
		if err != nil {
			return archive.Checkpoint{}, err
		}
		if !wanted[record.Kind.GroupResource()] {
			continue
		}
		window = append(window, record)
		if len(window) < keptWindow {
			continue
		}
		if err := visitKept(window); err != nil {
			return archive.Checkpoint{}, err
		}
		window = window[:0]
	}
	return head, visitKept(window)
}

// readCheckpoint begins to read a checkpoint, which is encrypted and signed where this backup is.
func (r *backupRun) readCheckpoint(content io.Reader) (*archive.CheckpointReader, error) {
	plain, err := r.earlier.decrypt(content)
	if err != nil {
		return nil, err
	}
	return archive.NewCheckpointReader(plain, r.signer())
}

func sizesOf(files []archive.File) map[string]int64 {
	sizes := make(map[string]int64, len(files))
	for _, file := range files {
		sizes[file.Name] = file.Size
	}
	return sizes
}

// keptRecords are some records of a checkpoint, and the sizes of the segments that it names.
type keptRecords struct {
	records []archive.Record
	sizes   map[string]int64
}

// readKept visits the records, with the objects of those that must be looked at.
func (r *backupRun) readKept(
	ctx context.Context, frames *archive.FrameReader, kept keptRecords,
	visit func(record archive.Record, content []byte) error,
) error {
	var unread []archive.Record
	for _, record := range kept.records {
		if !r.selector.Everything() || isClaim(record.Kind) {
			unread = append(unread, record)
			continue
		}
		if err := visit(record, nil); err != nil {
			return err
		}
	}
	for group := range archive.ByFrame(unread) {
		frame, err := r.earlier.frame(ctx, kept.sizes[group[0].Frame.Segment], group[0].Frame)
		if err != nil {
			return notFoundIsCorrupt(err)
		}
		if err := frames.Read(frame, group, visit); err != nil {
			return err
		}
	}
	return nil
}

// keep takes an object over as if it had been listed.
func (r *backupRun) keep(record archive.Record, content []byte) error {
	object := core.Object{
		Kind: record.Kind, Namespace: record.Namespace, Name: record.Name, UID: record.UID,
		ResourceVersion: record.ResourceVersion, Labels: record.Labels, Owners: record.Owners, JSON: content,
	}
	if err := r.accept(object); err != nil {
		return err
	}
	r.progress.expect(1)
	return r.emit([]archive.Record{record})
}
