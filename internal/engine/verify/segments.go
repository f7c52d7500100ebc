package verify

import (
	"context"
	"errors"
	"fmt"
	"io"
	"sync/atomic"

	"golang.org/x/sync/errgroup"

	"github.com/soda-cdm/kahu/internal/core"
	"github.com/soda-cdm/kahu/internal/core/archive"
	"github.com/soda-cdm/kahu/internal/core/damage"
	"github.com/soda-cdm/kahu/internal/engine"
)

// counters count what was read.
type counters struct{ files, bytes, objects atomic.Int64 }

// countingReader counts the bytes that go through it.
type countingReader struct {
	source io.Reader
	count  *atomic.Int64
}

// Read implements io.Reader.
func (c *countingReader) Read(buffer []byte) (int, error) {
	n, err := c.source.Read(buffer)
	c.count.Add(int64(n))
	return n, err
}

// checkIndex reads the whole index, compares it with the manifest, and counts the records of each segment.
func (v *run) checkIndex(ctx context.Context) error {
	v.read.files.Add(1)
	kinds, lowest := map[core.Key]int64{}, 1.0
	err := v.readIndex(ctx, &v.read.bytes, func(record archive.Record) error {
		file, ok := v.manifest.Segment(record.Frame.Segment)
		if end := record.Frame.Offset + record.Frame.Length; !ok || end > file.Size {
			return &contradictionError{fmt.Sprintf("%s is in a part of segment %s that the manifest does not know",
				record.Key(), record.Frame.Segment)}
		}
		kinds[core.Key{Group: record.Kind.Group, Resource: record.Kind.Resource}]++
		v.perSegment[record.Frame.Segment]++
		lowest = min(lowest, v.sample.Rank(record.Frame))
		return nil
	})
	if err == nil {
		err = v.compareKinds(kinds)
	}
	v.sample = v.sample.AtLeast(lowest)
	if row, damaged := rowOf(v.manifest.Index, err); damaged {
		row.Message += "; without its index no object of the backup can be restored"
		row.ObjectsTotal = v.manifest.Counts.Objects
		v.found.Add(row)
		clear(v.perSegment)
		return nil
	}
	return err
}

func (v *run) readIndex(
	ctx context.Context, count *atomic.Int64, visit func(record archive.Record) error,
) error {
	return v.readWhole(ctx, v.manifest.Index, count, func(content io.Reader) error {
		for record, err := range archive.ReadIndex(content) {
			if err != nil {
				return err
			}
			if err := visit(record); err != nil {
				return err
			}
		}
		return nil
	})
}

// compareKinds compares the numbers of objects in the index with those in the manifest.
func (v *run) compareKinds(found map[core.Key]int64) error {
	for i := range v.manifest.Kinds {
		kind := v.manifest.Kinds[i]
		key := core.Key{Group: kind.Kind.Group, Resource: kind.Kind.Resource}
		if found[key] != kind.Count {
			return &contradictionError{fmt.Sprintf("it has %d %s, and the manifest says %d",
				found[key], kind.Kind.GroupResource(), kind.Count)}
		}
		delete(found, key)
	}
	for key := range found {
		return &contradictionError{fmt.Sprintf("it has %s, and the manifest does not", key.GroupResource())}
	}
	return nil
}

// checkSegments goes through the segments batch by batch: for each batch the index is read again, and only the records
// of the batch's segments are held.
func (v *run) checkSegments(ctx context.Context) error {
	limit := v.Batch
	if limit == 0 {
		limit = defaultBatch
	}
	segments := v.manifest.Segments
	for len(segments) > 0 {
		end, held := 0, int64(0)
		for end < len(segments) && (end == 0 || held+v.perSegment[segments[end].Name] <= int64(limit)) {
			held += v.perSegment[segments[end].Name]
			end++
		}
		if err := v.checkBatch(ctx, segments[:end], held); err != nil {
			return err
		}
		segments = segments[end:]
	}
	return nil
}

// checkBatch reads the segments of a batch, several at once.
func (v *run) checkBatch(ctx context.Context, segments []archive.File, held int64) error {
	records := make(map[string][]archive.Record, len(segments))
	for _, file := range segments {
		records[file.Name] = make([]archive.Record, 0, v.perSegment[file.Name])
	}
	if held > 0 {
		if err := v.collect(ctx, records); err != nil {
			return err
		}
	}
	checking, inner := errgroup.WithContext(ctx)
	checking.SetLimit(max(1, v.Readers))
	for _, file := range segments {
		checking.Go(func() error { return v.checkSegment(inner, file, records[file.Name]) })
	}
	return checking.Wait()
}

// collect reads the records of some segments, without what is not looked at.
func (v *run) collect(ctx context.Context, records map[string][]archive.Record) error {
	err := v.readIndex(ctx, new(atomic.Int64), func(record archive.Record) error {
		if held, wanted := records[record.Frame.Segment]; wanted && v.sample.Has(record.Frame) {
			record.Labels, record.Owners, record.Reason, record.ResourceVersion = nil, nil, "", ""
			records[record.Frame.Segment] = append(held, record)
		}
		return nil
	})
	if errors.Is(err, core.ErrCorrupt) || errors.Is(err, core.ErrNotFound) {
		// It was whole when it was read before.
		return fmt.Errorf("the index changed while it was read: %w: %s", core.ErrUnavailable, err.Error())
	}
	return err
}

// checkSegment reads one segment, or the frames of the sample that are in it.
func (v *run) checkSegment(ctx context.Context, file archive.File, records []archive.Record) error {
	reader, err := archive.NewFrameReader()
	if err != nil {
		return err
	}
	defer reader.Close()
	archive.SortByFrame(records)
	v.read.files.Add(1)
	found := v.readSegment(ctx, reader, file, records)
	if found == nil {
		v.count(records)
		return nil
	}
	if _, damaged := rowOf(file, found); !damaged {
		return found
	}
	return v.examine(ctx, reader, file, records, found)
}

// readSegment reads what is to be read of a segment; the error is the first damage, or that of the store.
func (v *run) readSegment(
	ctx context.Context, reader *archive.FrameReader, file archive.File, records []archive.Record,
) error {
	if !v.sample.Whole() {
		return v.readSample(ctx, reader, file, records)
	}
	source, err := v.files.Open(ctx, file.Name)
	if err != nil {
		return fmt.Errorf("opening %s: %w", file.Name, err)
	}
	defer source.Close() //nolint:errcheck // It was read to its end, or the error that ended the reading counts.
	return damage.CheckSegment(reader, &countingReader{source: source, count: &v.read.bytes}, file, records, v.contents.Decrypt)
}

// readSample reads the frames of the records, and the end of the file, so that a file that is gone, shorter or longer is
// found all the same.
func (v *run) readSample(
	ctx context.Context, reader *archive.FrameReader, file archive.File, records []archive.Record,
) error {
	tail, err := engine.ReadRange(ctx, v.files, archive.FrameRef{Segment: file.Name, Offset: file.Size - 1, Length: 2})
	v.read.bytes.Add(int64(len(tail)))
	if err != nil {
		return err
	}
	if len(tail) != 1 {
		return fmt.Errorf("%s does not end after %d bytes: %w", file.Name, file.Size, core.ErrCorrupt)
	}
	for group := range archive.ByFrame(records) {
		compressed, err := v.fetch(ctx, file, group[0].Frame)
		if err != nil {
			return err
		}
		if err := damage.CheckObjects(reader, compressed, group); err != nil {
			return err
		}
	}
	return nil
}

// fetch reads a frame, fewer bytes where the file ends before, and none where it does not open.
func (v *run) fetch(ctx context.Context, file archive.File, frame archive.FrameRef) ([]byte, error) {
	content, err := v.contents.Frame(ctx, file.Size, frame)
	v.read.bytes.Add(int64(len(content)))
	if errors.Is(err, core.ErrCorrupt) {
		return nil, nil
	}
	return content, err
}

// examine finds out which objects of a damaged segment are concerned.
func (v *run) examine(
	ctx context.Context, reader *archive.FrameReader, file archive.File, records []archive.Record, found error,
) error {
	row, _ := rowOf(file, found)
	if row.Reason == damage.Missing {
		for i := range records {
			row.Concern(records[i].Key())
		}
		row.ObjectsTotal = v.perSegment[file.Name] // All of them, sample or not.
		v.found.Add(row)
		return nil
	}
	rows, err := damage.Examine(reader, file, records, found, func(frame archive.FrameRef) ([]byte, error) {
		return v.fetch(ctx, file, frame)
	})
	if err != nil {
		return err
	}
	var lost int64
	for i := range rows {
		lost += rows[i].ObjectsTotal
	}
	v.read.objects.Add(int64(len(records)) - lost)
	v.found.Add(rows...)
	return nil
}

// count adds objects that are as they were written.
func (v *run) count(records []archive.Record) {
	v.read.objects.Add(int64(len(records)))
	v.progress.Done(int64(len(records)), 0)
}
