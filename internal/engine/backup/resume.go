package backup

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
	"github.com/soda-cdm/kahu/internal/engine"
)

// resume takes over what earlier attempts have copied, as if it had been listed now: their records come into the index,
// and what their objects need, and where these live, is found out anew. A checkpoint that is damaged, or whose segments
// are not there, only means that its kinds are listed again.
func (r *run) resume(ctx context.Context) error {
	if len(r.request.Earlier) == 0 {
		return nil
	}
	found, err := engine.FindCheckpoints(ctx, r.files, r.request.ID, r.request.Earlier)
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
		r.Note(core.Key{}, "CheckpointUnusable", "what was copied before is copied again: "+err.Error())
		return nil
	}
	for _, file := range found {
		err := r.tryCheckpoint(ctx, file)
		switch {
		case ctx.Err() != nil:
			return ctx.Err()
		case isUnusable(err):
			r.Note(core.Key{}, "CheckpointUnusable", fmt.Sprintf("what %s names is copied again: %v", file.Name, err))
		case err != nil:
			return fmt.Errorf("reading %s: %w", file.Name, err)
		}
	}
	return nil
}

// errForeign marks a checkpoint of which nothing can be kept, although all of it is as it was written.
var errForeign = errors.New("this attempt cannot go on with it")

func isUnusable(err error) bool {
	return errors.Is(err, errForeign) || errors.Is(err, core.ErrCorrupt) || errors.Is(err, core.ErrNotFound) || errors.Is(err, core.ErrUnsupported)
}

// tryCheckpoint reads a checkpoint, with the objects that must be looked at again, and takes it over when all of it is
// as it was written.
func (r *run) tryCheckpoint(ctx context.Context, file engine.CheckpointFile) error {
	head, err := r.walkCheckpoint(ctx, file, func(archive.Record, []byte) error { return nil })
	if err != nil {
		return err
	}
	if head.Backup != r.request.ID || head.Attempt != file.Attempt {
		return fmt.Errorf("it is of attempt %s at backup %s: %w", head.Attempt, head.Backup, core.ErrCorrupt)
	}
	missing, err := engine.MissingSegments(ctx, r.files, head.Files())
	if err != nil {
		return err
	}
	if len(missing) > 0 {
		return fmt.Errorf("segment %s is gone, or has another size: %w", missing[0], core.ErrCorrupt)
	}
	return r.takeCheckpoint(ctx, file, head)
}

// suits tells why nothing of a checkpoint can be kept: the manifest names one version of the API server and one base for all
// that is in the backup, and the next run proves by the former what it need not read. A checkpoint without a version is of an
// earlier release; what it has is kept, and a manifest with any of it names none.
func (r *run) suits(head archive.Checkpoint) error {
	if head.ServerVersion != "" && head.ServerVersion != r.request.ServerVersion {
		return fmt.Errorf("it is of the API server's version %s: %w", head.ServerVersion, errForeign)
	}
	for _, segment := range head.Referred {
		if r.base == nil || r.base.segments[segment.Name] != segment {
			return fmt.Errorf("segment %s is of a base that this attempt does not have: %w", segment.Name, errForeign)
		}
	}
	return nil
}

// takeCheckpoint takes over a checkpoint that was read to its end.
func (r *run) takeCheckpoint(ctx context.Context, file engine.CheckpointFile, head archive.Checkpoint) error {
	segments := map[string]archive.File{}
	for _, segment := range head.Files() {
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
	r.unversioned = r.unversioned || head.ServerVersion == "" && len(kinds) > 0
	for _, kind := range kinds {
		r.kept[kind.Kind.GroupResource()] = true
		r.counts.excluded.Add(kind.Excluded)
		r.counts.vanished.Add(kind.Vanished)
		r.counts.unchanged.Add(kind.Unchanged)
		r.counts.same.Add(kind.Same)
		for _, note := range kind.Notes {
			key := engine.KeyOfKind(kind.Kind, note.Namespace)
			key.Name = note.Name
			r.Note(key, note.Action, note.Message)
		}
	}
	return nil
}

// keepable returns the kinds of a checkpoint that are served as they were, that the filters choose from, and that no
// younger attempt has copied.
func (r *run) keepable(head archive.Checkpoint) []archive.CheckpointKind {
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
func (r *run) walkCheckpoint(
	ctx context.Context, file engine.CheckpointFile, visit func(record archive.Record, content []byte) error,
) (archive.Checkpoint, error) {
	content, err := r.files.Open(ctx, file.Name)
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
	sizes := sizesOf(head.Files())
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

// readCheckpoint begins to read a checkpoint that suits, which is encrypted and signed where this backup is.
func (r *run) readCheckpoint(content io.Reader) (*archive.CheckpointReader, error) {
	plain, err := r.earlier.Decrypt(content)
	if err != nil {
		return nil, err
	}
	reader, err := archive.NewCheckpointReader(plain, r.signer())
	if err != nil {
		return nil, err
	}
	if err := r.suits(reader.Checkpoint()); err != nil {
		reader.Close()
		return nil, err
	}
	return reader, nil
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
func (r *run) readKept(
	ctx context.Context, frames *archive.FrameReader, kept keptRecords,
	visit func(record archive.Record, content []byte) error,
) error {
	var unread []archive.Record
	for _, record := range kept.records {
		if r.readsContent(record.Kind) {
			unread = append(unread, record)
			continue
		}
		if err := visit(record, nil); err != nil {
			return err
		}
	}
	for group := range archive.ByFrame(unread) {
		frame, err := r.earlier.Frame(ctx, kept.sizes[group[0].Frame.Segment], group[0].Frame)
		if err != nil {
			return engine.GoneIsCorrupt(err)
		}
		if err := frames.Read(frame, group, visit); err != nil {
			return err
		}
	}
	return nil
}

// keep takes an object over as if it had been listed.
func (r *run) keep(record archive.Record, content []byte) error {
	object := core.Object{
		Kind: record.Kind, Namespace: record.Namespace, Name: record.Name, UID: record.UID,
		ResourceVersion: record.ResourceVersion, Labels: record.Labels, Owners: record.Owners, JSON: content,
	}
	if err := r.accept(object); err != nil {
		return err
	}
	r.progress.Expect(1)
	return r.emit([]archive.Record{record})
}
