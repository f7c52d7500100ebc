package backup

import (
	"context"
	"errors"
	"io"
	"slices"
	"strings"

	"github.com/soda-cdm/kahu/internal/core"
	"github.com/soda-cdm/kahu/internal/core/archive"
	"github.com/soda-cdm/kahu/internal/engine"
)

// own returns the attempt where the names of its files bear it, and nothing for the first one.
func (r *run) own() string {
	if len(r.request.Earlier) == 0 {
		return ""
	}
	return r.request.Attempt
}

// writeIntent tells others what this run is about to do, before anything else is written.
func (r *run) writeIntent(ctx context.Context) error {
	content, err := archive.EncodeIntent(archive.Intent{
		Backup: r.request.ID, Attempt: r.request.Attempt, Earlier: r.request.Earlier, Started: r.Clock.Now(),
		Base: r.intentBase, Uses: r.uses,
	})
	if err != nil {
		return err
	}
	name := r.request.ID.IntentNameOf(r.own())
	r.intentFile = archive.File{Name: name, Size: int64(len(content)), Digest: archive.DigestOf(content)}
	err = engine.CreateFile(ctx, r.files, name, content)
	// An intent of another attempt is not this run's to remove. After every other error it may be there.
	r.begun = r.begun || !errors.Is(err, core.ErrAlreadyExists)
	return err
}

// writeIndex writes the index as a stream.
func (r *run) writeIndex(ctx context.Context) (err error) {
	r.indexFile, err = r.writeStream(ctx, r.request.ID.IndexNameOf(r.own()), r.sealTo, func(target io.Writer) (err error) {
		r.indexed, err = r.index.WriteIndex(target)
		return err
	})
	return err
}

// writeStream writes a file piece by piece, encrypted by what seals.
func (r *run) writeStream(
	ctx context.Context, name string, seals func(target io.Writer) (io.WriteCloser, error), write func(target io.Writer) error,
) (archive.File, error) {
	writer, err := r.files.Create(ctx, name)
	if err != nil {
		return archive.File{}, err
	}
	defer writer.Abort()
	measured := archive.NewMeasuringWriter(writer)
	sealed, err := seals(measured)
	if err != nil {
		return archive.File{}, err
	}
	if err := write(sealed); err != nil {
		return archive.File{}, err
	}
	if err := sealed.Close(); err != nil {
		return archive.File{}, err
	}
	if err := writer.Commit(); err != nil {
		return archive.File{}, err
	}
	return measured.File(name), nil
}

// writeReport writes what happened.
func (r *run) writeReport(ctx context.Context) error {
	if objects(r.indexed) == 0 {
		r.Warn(core.Key{}, "the filters choose nothing: the backup is empty")
	}
	report, err := r.Close()
	if err != nil {
		return err
	}
	content, err := r.sealBytes(report)
	if err != nil {
		return err
	}
	name := r.request.ID.ReportNameOf(r.own())
	r.reportFile = archive.File{Name: name, Size: int64(len(content)), Digest: archive.DigestOf(content)}
	return engine.CreateFile(ctx, r.files, name, content)
}

func objects(kinds []archive.IndexedKind) int64 {
	var sum int64
	for i := range kinds {
		sum += kinds[i].Count
	}
	return sum
}

// checkSegments asks the store for every segment that the manifest will name, where it can list.
func (r *run) checkSegments(ctx context.Context) error {
	slices.SortFunc(r.written, func(a, b archive.File) int { return strings.Compare(a.Name, b.Name) })
	return engine.CheckSegments(ctx, r.files, r.written)
}

// serverVersion returns the version of the API server that has listed everything, and nothing where it is not known of all.
func (r *run) serverVersion() string {
	if r.unversioned {
		return ""
	}
	return r.request.ServerVersion
}

// manifest says what the run has made.
func (r *run) manifest() archive.Manifest {
	counts := archive.Counts{
		Objects: objects(r.indexed), Excluded: r.counts.excluded.Load(), Vanished: r.counts.vanished.Load(),
	}
	counts.Selected = counts.Objects - min(r.counts.needed.Load(), counts.Objects)
	sizes := archive.Sizes{Objects: r.counts.bytes.Load()}
	for _, segment := range r.written {
		sizes.Segments += segment.Size
	}
	return archive.Manifest{
		LocationID: r.request.LocationID, ID: r.request.ID, Attempt: r.request.Attempt,
		Writer: r.Writer, ServerVersion: r.serverVersion(),
		Started: r.started, Completed: r.Clock.Now(),
		Complete: r.RowsTotal == 0, Missing: r.missingRows(), MissingCount: r.RowsTotal, Warnings: r.WarningsTotal,
		Backup: r.request.Object, Kinds: r.indexed, Counts: counts, Sizes: sizes,
		Increment: r.increment(), Intent: r.intentFile, Index: r.indexFile, Report: r.reportFile, Segments: r.written,
		Volumes: r.volumes(), Encryption: r.encryption(), Signer: r.signer(),
	}
}
