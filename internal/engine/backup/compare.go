package backup

import (
	"context"
	"errors"
	"fmt"

	"golang.org/x/sync/errgroup"

	"github.com/soda-cdm/kahu/internal/core"
	"github.com/soda-cdm/kahu/internal/core/archive"
	"github.com/soda-cdm/kahu/internal/core/increment"
	"github.com/soda-cdm/kahu/internal/engine"
)

// readShare is the part of a page, one object in so many, from which on the page is read whole rather than object by
// object.
const readShare = 8

// errWentBack ends a list whose version proves nothing.
var errWentBack = errors.New("the list is of an earlier version than that of the base")

// listOnce goes through a list: only through the metadata of its objects, where the base has the others.
func (r *run) listOnce(ctx context.Context, request core.ListRequest, seen *tally) error {
	if r.base == nil {
		return r.listWhole(ctx, request, nil, seen)
	}
	before, known := r.base.kinds[request.Kind.GroupResource()]
	if !known {
		return r.listWhole(ctx, request, nil, seen)
	}
	reason := increment.Prove(request.Kind, r.request.ServerVersion, before, r.base.manifest.ServerVersion)
	if reason == "" && r.base.contents == nil && r.readsContent(request.Kind) {
		reason = increment.ContentUnreadable
	}
	if reason == "" {
		err := r.listUnread(ctx, request, before, seen)
		if !errors.Is(err, errWentBack) {
			return err
		}
		reason = increment.VersionsWentBack
	}
	r.Note(engine.KeyOfKind(request.Kind, request.Namespace), "ReadInFull", string(reason))
	find, end := r.base.past.along(request)
	defer end()
	return r.listWhole(ctx, request, find, seen)
}

// listWhole reads every object, and writes those whose content is not that of the base.
func (r *run) listWhole(ctx context.Context, request core.ListRequest, find finder, seen *tally) error {
	return r.Cluster.List(ctx, request, func(page core.Page) error {
		if find == nil {
			return r.take(ctx, request.Kind, page, seen)
		}
		if err := r.index.Begin(request.Kind, page.ResourceVersion); err != nil {
			return fmt.Errorf("%w: %w", errPacking, err)
		}
		var read []comparison
		for _, object := range page.Objects {
			if !r.choose(object, seen) {
				continue
			}
			one, err := compare(find, object)
			if err != nil {
				return err
			}
			read = append(read, one)
		}
		r.progress.Expect(int64(len(read)))
		return r.takeRead(ctx, read, seen)
	})
}

// comparison is an object and what the base has of it.
type comparison struct {
	object core.Object
	base   archive.Record
	known  bool // whether the base has the object
}

func compare(find finder, object core.Object) (comparison, error) {
	record, known, err := find(object)
	if err != nil {
		return comparison{}, fmt.Errorf("%w: looking for it in the base: %w", errPacking, err)
	}
	return comparison{object: object, base: record, known: known}, nil
}

// takeRead hands on objects that were read, chosen by the filters: what the base has is not written again.
func (r *run) takeRead(ctx context.Context, read []comparison, seen *tally) error {
	var changed []core.Object
	var same []archive.Record
	for _, one := range read {
		if err := r.accept(one.object); err != nil {
			return err
		}
		record, is := archive.Record{}, false
		if one.known {
			record, is = increment.Same(&one.base, one.object, core.Selected)
		}
		if is {
			same = append(same, record)
			continue
		}
		changed = append(changed, one.object)
	}
	seen.same += int64(len(same))
	if err := r.takeOver(same); err != nil {
		return err
	}
	return r.send(ctx, batch{objects: changed, reason: core.Selected})
}

// takeOver adds records of the base to the index.
func (r *run) takeOver(records []archive.Record) error {
	if len(records) == 0 {
		return nil
	}
	r.base.refer(records)
	if err := r.emit(records); err != nil {
		return fmt.Errorf("%w: %w", errPacking, err)
	}
	return nil
}

// listUnread goes through the metadata of a list. What is unchanged is taken over, and the rest is read.
func (r *run) listUnread(
	ctx context.Context, request core.ListRequest, before archive.IndexedKind, seen *tally,
) error {
	find, end := r.base.past.along(request)
	defer end()
	return r.Cluster.ListMetadata(ctx, request, func(page core.MetadataPage) error {
		if increment.WentBack(before.ListResourceVersion, page.ResourceVersion) {
			return errWentBack
		}
		if err := r.index.Begin(request.Kind, page.ResourceVersion); err != nil {
			return fmt.Errorf("%w: %w", errPacking, err)
		}
		return r.takeUnread(ctx, request, page, find, seen)
	})
}

// takeUnread divides a page into what is unchanged and what must be read.
func (r *run) takeUnread(
	ctx context.Context, request core.ListRequest, page core.MetadataPage, find finder, seen *tally,
) error {
	unchanged := make([]archive.Record, 0, len(page.Objects))
	var others []comparison
	for _, object := range page.Objects {
		if !r.choose(object, seen) {
			continue
		}
		one, err := compare(find, object)
		if err != nil {
			return err
		}
		if !one.known || !increment.Unchanged(&one.base, object) {
			others = append(others, one)
			continue
		}
		one.base.Kind, one.base.Reason = object.Kind, core.Selected
		unchanged = append(unchanged, one.base)
	}
	r.progress.Expect(int64(len(unchanged) + len(others)))
	if err := r.keepUnchanged(ctx, unchanged, seen); err != nil {
		return err
	}
	if len(others) == 0 {
		return nil
	}
	if len(others)*readShare < len(page.Objects) {
		return r.readEach(ctx, others, seen)
	}
	return r.readPage(ctx, request, page.Position, others, seen)
}

// keepUnchanged takes over what is unchanged. Where it matters what is in it, it is read from the segments of the base.
func (r *run) keepUnchanged(ctx context.Context, unchanged []archive.Record, seen *tally) error {
	seen.unchanged += int64(len(unchanged))
	if len(unchanged) == 0 {
		return nil
	}
	if r.readsContent(unchanged[0].Kind) {
		if err := r.acceptStored(ctx, unchanged); err != nil {
			return err
		}
		return r.takeOver(unchanged)
	}
	for i := range unchanged {
		if err := r.accept(objectOf(&unchanged[i], nil)); err != nil {
			return err
		}
	}
	return r.takeOver(unchanged)
}

// readsContent tells whether more must be known of objects of the kind than their metadata.
func (r *run) readsContent(kind core.Kind) bool { return r.needs.Reads(kind) || engine.IsClaim(kind) }

// acceptStored accepts objects as the base has them.
func (r *run) acceptStored(ctx context.Context, records []archive.Record) error {
	err := r.base.contents.Objects(ctx, &r.base.manifest, records, func(record archive.Record, content []byte) error {
		return r.accept(objectOf(&record, content))
	})
	if err != nil {
		return fmt.Errorf("%w: reading what the base has (a backup in the mode Full does without): %w", errPacking, err)
	}
	return nil
}

// objectOf returns an object as an index has it.
func objectOf(record *archive.Record, content []byte) core.Object {
	return core.Object{
		Kind: record.Kind, Namespace: record.Namespace, Name: record.Name, UID: record.UID,
		ResourceVersion: record.ResourceVersion, Labels: record.Labels, Owners: record.Owners, JSON: content,
	}
}

// readPage reads a page of which much has changed as a whole, as of the moment of which the metadata are.
func (r *run) readPage(
	ctx context.Context, request core.ListRequest, from core.Position, others []comparison, seen *tally,
) error {
	wanted := make(map[core.Key]comparison, len(others))
	for _, one := range others {
		wanted[one.object.Key()] = one
	}
	err := r.Cluster.ListPage(ctx, request, from, func(page core.Page) error {
		var read []comparison
		for _, object := range page.Objects {
			one, is := wanted[object.Key()]
			if !is {
				continue
			}
			delete(wanted, object.Key())
			one.object = object
			read = append(read, one)
		}
		return r.takeRead(ctx, read, seen)
	})
	if err != nil {
		return err
	}
	var rest []comparison
	for _, one := range others {
		if _, left := wanted[one.object.Key()]; left {
			rest = append(rest, one)
		}
	}
	return r.readEach(ctx, rest, seen)
}

// readEach reads objects one by one, as they are now. What has gone meanwhile has vanished.
func (r *run) readEach(ctx context.Context, others []comparison, seen *tally) error {
	found := make([]outcome, len(others))
	getting, inner := errgroup.WithContext(ctx)
	getting.SetLimit(getters)
	for i := range others {
		getting.Go(func() (err error) {
			found[i], err = r.read(inner, &others[i].object)
			return err
		})
	}
	if err := getting.Wait(); err != nil {
		return err
	}
	read := others[:0]
	for i, one := range others {
		switch {
		case found[i] == gone:
			seen.vanished++
		case found[i] == there && r.choose(one.object, seen):
			read = append(read, one)
		}
	}
	return r.takeRead(ctx, read, seen)
}

// outcome is what became of reading an object.
type outcome int

const (
	there outcome = iota
	gone
	missing
)

// read reads an object of which the metadata are known. One that cannot be read is missing, by name.
func (r *run) read(ctx context.Context, object *core.Object) (outcome, error) {
	now, err := r.Cluster.Get(ctx, object.Kind, object.Namespace, object.Name)
	switch {
	case err == nil:
		*object = now
		return there, nil
	case ctx.Err() != nil:
		return missing, ctx.Err()
	case errors.Is(err, core.ErrNotFound):
		return gone, nil
	case errors.Is(err, core.ErrUnsupported):
		return missing, err // The kind may be gone.
	}
	r.Miss(engine.Row{Kind: object.Kind, Key: object.Key(), Reason: engine.ReasonObjectUnreadable, Message: err.Error()})
	r.refuse(object.Kind)
	return missing, nil
}

// hand gives an object that is needed to the packers, unless the base has it.
func (r *run) hand(ctx context.Context, object core.Object, reason core.Reason) error {
	record, same, err := r.baseHas(object, reason)
	if err != nil {
		return fmt.Errorf("%w: looking into the index of the base: %w", errPacking, err)
	}
	if same {
		r.counts.same.Add(1)
		return r.takeOver([]archive.Record{record})
	}
	return r.send(ctx, batch{objects: []core.Object{object}, reason: reason})
}

// baseHas returns the record of an object that is in the base as it is now.
func (r *run) baseHas(object core.Object, reason core.Reason) (archive.Record, bool, error) {
	if r.base == nil {
		return archive.Record{}, false, nil
	}
	before, known, err := r.base.past.find(object)
	if err != nil || !known {
		return archive.Record{}, false, err
	}
	record, same := increment.Same(&before, object, reason)
	return record, same, nil
}
