package engine

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"

	"golang.org/x/sync/errgroup"

	"github.com/soda-cdm/kahu/internal/core"
	"github.com/soda-cdm/kahu/internal/core/archive"
)

// checkers is how many segments are checked at once.
const checkers = 4

// readObjects reads the objects of the records, each frame once, and visits them in the order in which they lie in the
// segments. The bytes are valid until visit returns.
func (r *restoreRun) readObjects(
	ctx context.Context, records []archive.Record, visit func(record archive.Record, content []byte) error,
) error {
	records = slices.Clone(records)
	slices.SortFunc(records, func(a, b archive.Record) int {
		return cmp.Or(strings.Compare(a.Frame.Segment, b.Frame.Segment), cmp.Compare(a.Frame.Offset, b.Frame.Offset),
			cmp.Compare(a.Offset, b.Offset))
	})
	reader, err := archive.NewFrameReader()
	if err != nil {
		return err
	}
	defer reader.Close()
	for len(records) > 0 {
		end := slices.IndexFunc(records, func(record archive.Record) bool { return record.Frame != records[0].Frame })
		if end < 0 {
			end = len(records)
		}
		frame, err := r.fetch(ctx, records[0].Frame)
		if err != nil {
			return err
		}
		if err := reader.Read(frame, records[:end], visit); err != nil {
			return err
		}
		records = records[end:]
	}
	return nil
}

// fetch reads one frame out of its segment.
func (r *restoreRun) fetch(ctx context.Context, frame archive.FrameRef) ([]byte, error) {
	if _, ok := r.manifest.Segment(frame.Segment); !ok {
		return nil, fmt.Errorf("the manifest does not name segment %s: %w", frame.Segment, core.ErrCorrupt)
	}
	part, err := r.files.OpenRange(ctx, frame.Segment, frame.Offset, frame.Length)
	if err != nil {
		return nil, fmt.Errorf("opening segment %s: %w", frame.Segment, notFoundIsCorrupt(err))
	}
	content, err := io.ReadAll(io.LimitReader(part, frame.Length))
	if closeErr := part.Close(); err == nil && closeErr != nil {
		err = closeErr
	}
	if err != nil {
		return nil, fmt.Errorf("reading segment %s: %w", frame.Segment, err)
	}
	return content, nil
}

// notFoundIsCorrupt: a file that the manifest names and that is not there is damage, not a backup that does not exist.
func notFoundIsCorrupt(err error) error {
	if errors.Is(err, core.ErrNotFound) {
		return fmt.Errorf("%w: the file is gone: %w", core.ErrCorrupt, err)
	}
	return err
}

// checkSegments reads every segment that the plan needs from end to end, before the first object is created: a
// damaged archive changes nothing in the cluster.
func (r *restoreRun) checkSegments(ctx context.Context) error {
	needed := map[string]bool{}
	for _, wave := range r.plan.Waves {
		for _, item := range wave.Items {
			needed[item.Record().Frame.Segment] = true
		}
	}
	checking, ctx := errgroup.WithContext(ctx)
	checking.SetLimit(checkers)
	for name := range needed {
		checking.Go(func() error { return r.checkSegment(ctx, name) })
	}
	return checking.Wait()
}

func (r *restoreRun) checkSegment(ctx context.Context, name string) error {
	file, ok := r.manifest.Segment(name)
	if !ok {
		return fmt.Errorf("the manifest does not name segment %s: %w", name, core.ErrCorrupt)
	}
	content, err := r.files.Open(ctx, file.Name)
	if err != nil {
		return fmt.Errorf("opening segment %s: %w", file.Name, notFoundIsCorrupt(err))
	}
	defer content.Close() //nolint:errcheck // It was read to its end, or the error that ended the reading counts.
	return archive.VerifySegment(content, file)
}
