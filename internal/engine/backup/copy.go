package backup

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"

	"golang.org/x/sync/errgroup"

	"github.com/soda-cdm/kahu/internal/core"
	"github.com/soda-cdm/kahu/internal/core/archive"
	"github.com/soda-cdm/kahu/internal/core/selection"
	"github.com/soda-cdm/kahu/internal/engine"
)

// batch is some objects of a page on their way to a packer, or the order to commit all that came before.
type batch struct {
	objects []core.Object
	reason  core.Reason
	flush   *flush
}

// listTries bounds how often a kind is listed from its beginning because the position in the list expired.
const listTries = 3

// copy lists what the filters choose, then what that needs, and packs all of it. Pages flow from the listers to the
// packers through a channel that holds one page for each packer, so what is in memory is bounded by their number.
func (r *run) copy(ctx context.Context) error {
	r.batches = make(chan batch, len(r.packed))
	packing, ctx := errgroup.WithContext(ctx)
	for number := range len(r.packed) {
		packing.Go(func() error { return r.pack(ctx, number) })
	}
	packing.Go(func() error {
		defer close(r.batches)
		if err := r.copySelected(ctx); err != nil {
			return err
		}
		for _, more := range []func(ctx context.Context) error{r.copyNeeded, r.copyHomes, r.copyNeeded} {
			if err := more(ctx); err != nil {
				return err
			}
		}
		return r.rememberClaims(ctx)
	})
	if err := packing.Wait(); err != nil {
		return err
	}
	r.written = slices.Concat(r.packed...)
	r.written = slices.AppendSeq(r.written, maps.Values(r.earlierFiles()))
	return nil
}

// copySelected lists every kind of which the filters can choose something, but those that an earlier attempt copied.
func (r *run) copySelected(ctx context.Context) error {
	listing, ctx := errgroup.WithContext(ctx)
	listing.SetLimit(r.Listers)
	for _, kind := range r.kinds {
		plan := r.selector.Kind(kind)
		if plan.Skip || r.kept[kind.GroupResource()] {
			continue
		}
		listing.Go(func() error { return r.copyKind(ctx, kind, plan) })
	}
	return listing.Wait()
}

// copyKind lists one kind.
func (r *run) copyKind(ctx context.Context, kind core.Kind, plan selection.KindPlan) error {
	namespaces := plan.Namespaces
	if !kind.Namespaced || len(namespaces) == 0 {
		namespaces = []string{""}
	}
	done, whole := archive.CheckpointKind{IndexedKind: archive.IndexedKind{Kind: kind}}, true
	for _, namespace := range namespaces {
		request := core.ListRequest{Kind: kind, Namespace: namespace, LabelSelector: plan.LabelSelector}
		seen, err := r.listAgain(ctx, request)
		seen.addTo(&done)
		whole = whole && err == nil
		if err := r.settle(ctx, request, err); err != nil {
			return err
		}
	}
	if r.base != nil && r.selector.Everything() {
		r.base.past.drop(kind.GroupResource()) // Nothing that is needed is looked for besides.
	}
	if !whole || len(done.Notes) > engine.MaxRows {
		return nil
	}
	return r.finish(ctx, done)
}

// settle decides what the outcome of a list means. What makes a kind impossible to list is written down as missing, and
// ends nothing else.
func (r *run) settle(ctx context.Context, request core.ListRequest, err error) error {
	key := engine.KeyOfKind(request.Kind, request.Namespace)
	switch {
	case ctx.Err() != nil:
		return ctx.Err()
	case err == nil:
	case errors.Is(err, errPacking):
		return err
	case r.isGone(ctx, request.Kind, err):
		r.Note(key, "Gone", "the kind was removed while the backup ran")
	default:
		r.Miss(engine.Row{Kind: request.Kind, Key: key, Reason: engine.ReasonKindUnlistable, Message: err.Error()})
	}
	return nil
}

// isGone tells whether a kind that could not be listed is not served any more. The server must say so itself: one that
// cannot describe the kind's group, because an API server behind it is down, has not removed it.
func (r *run) isGone(ctx context.Context, kind core.Kind, err error) bool {
	if !errors.Is(err, core.ErrNotFound) && !errors.Is(err, core.ErrUnsupported) {
		return false
	}
	if r.isUndefined(ctx, kind) {
		return true
	}
	served, unserved, err := r.Cluster.Kinds(ctx)
	if err != nil {
		return false
	}
	for _, group := range unserved {
		if group.GroupVersion == kind.APIVersion() {
			return false
		}
	}
	return !slices.ContainsFunc(served, func(other core.Kind) bool { return other.GroupResource() == kind.GroupResource() })
}

// isUndefined tells whether the definition that a kind had when the run began is gone, or on its way out: the server goes on
// showing such a kind for a moment when it does not serve it any more. One of an aggregated API server never had any.
func (r *run) isUndefined(ctx context.Context, kind core.Kind) bool {
	at := slices.IndexFunc(r.kinds, engine.IsDefinition)
	if kind.Definition == "" || at < 0 {
		return false
	}
	definition, err := r.Cluster.Get(ctx, r.kinds[at], "", kind.GroupResource().String())
	return errors.Is(err, core.ErrNotFound) || err == nil && definition.Terminating
}

// listAgain lists, from the beginning where the position expired: the index keeps the later of two copies.
func (r *run) listAgain(ctx context.Context, request core.ListRequest) (tally, error) {
	var err error
	for range listTries {
		seen := tally{}
		err = r.listOnce(ctx, request, &seen)
		if !errors.Is(err, core.ErrExpired) {
			r.counts.excluded.Add(seen.excluded)
			r.counts.vanished.Add(seen.vanished)
			r.counts.unchanged.Add(seen.unchanged)
			r.counts.same.Add(seen.same)
			return seen, err
		}
	}
	return tally{}, err
}

// tally counts what one walk through a list leaves out. That of a walk whose position expired does not count.
type tally struct {
	excluded, vanished int64
	unchanged, same    int64                    // of those that are in: taken over from the base unread, and after they were read
	notes              []archive.CheckpointNote // at most one more than have a place in a checkpoint
}

// addTo adds to what a checkpoint says of a kind.
func (t tally) addTo(kind *archive.CheckpointKind) {
	kind.Excluded += t.excluded
	kind.Vanished += t.vanished
	kind.Unchanged += t.unchanged
	kind.Same += t.same
	kind.Notes = append(kind.Notes, t.notes...)
}

// errPacking marks an error that comes from this side of a list, not from the server's.
var errPacking = errors.New("packing")

// take chooses from a page and hands on what is chosen.
func (r *run) take(ctx context.Context, kind core.Kind, page core.Page, seen *tally) error {
	if err := r.index.Begin(kind, page.ResourceVersion); err != nil {
		return fmt.Errorf("%w: %w", errPacking, err)
	}
	chosen := page.Objects[:0]
	for _, object := range page.Objects {
		if !r.choose(object, seen) {
			continue
		}
		if err := r.accept(object); err != nil {
			return err
		}
		chosen = append(chosen, object)
	}
	r.progress.Expect(int64(len(chosen)) + max(page.Remaining, 0))
	return r.send(ctx, batch{objects: chosen, reason: core.Selected})
}

// choose tells whether the filters choose the object, and counts why not.
func (r *run) choose(object core.Object, seen *tally) bool {
	verdict := r.selector.Object(object.Kind, object.Namespace, object.Name, object.Labels)
	if !verdict.In {
		seen.excluded++
		return false
	}
	if object.Terminating {
		note := archive.CheckpointNote{
			Namespace: object.Namespace, Name: object.Name,
			Action: "Terminating", Message: "its deletion had been asked for before the backup",
		}
		r.Note(object.Key(), note.Action, note.Message)
		if len(seen.notes) <= engine.MaxRows {
			seen.notes = append(seen.notes, note)
		}
		seen.vanished++
		return false
	}
	return true
}

// accept notes what a chosen object needs, and what of it cannot be backed up.
func (r *run) accept(object core.Object) error {
	if err := r.needs.Visit(object); err != nil {
		return fmt.Errorf("%w: %w", errPacking, err)
	}
	r.homes.note(object)
	if !engine.IsClaim(object.Kind) || !r.first(object.Key()) {
		return nil
	}
	volume, err := boundVolume(object.JSON)
	switch {
	case err != nil:
		return fmt.Errorf("%w: reading claim %s/%s: %w", errPacking, object.Namespace, object.Name, err)
	case volume == "":
		return nil
	case r.request.VolumeData && r.request.Volumes != nil:
		// What becomes of it is decided when all claims are known.
	case r.request.VolumeData:
		r.Miss(claimRow(object, volume))
	default:
		r.Warn(object.Key(), fmt.Sprintf("PersistentVolumeClaim %s/%s: its object is in the backup, the data of its volume %s is not, "+
			"as spec.enableVolumeBackup is false", object.Namespace, object.Name, volume))
	}
	return nil
}

// first tells whether the claim was not met before, as it is when a list begins again.
func (r *run) first(claim core.Key) bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	met := r.claims[claim]
	r.claims[claim] = true
	return !met
}

// send gives a batch to the packers.
func (r *run) send(ctx context.Context, out batch) error {
	if len(out.objects) == 0 && out.flush == nil {
		return nil
	}
	select {
	case r.batches <- out:
		return nil
	case <-ctx.Done():
		return fmt.Errorf("%w: %w", errPacking, ctx.Err())
	}
}

// pack writes batches into segments until there are no more.
func (r *run) pack(ctx context.Context, number int) error {
	packer, err := archive.NewPacker(archive.PackerOptions{
		Open:     func(name string) (core.FileWriter, error) { return r.files.Create(ctx, name) },
		NextName: r.namer.Next,
		Emit:     r.emit,
		Seal:     r.sealer(),

		Compression: r.request.Compression,
	})
	if err != nil {
		return err
	}
	defer packer.Abort()
	for in := range r.batches {
		if err := r.packBatch(ctx, packer, number, in); err != nil {
			return err
		}
	}
	if ctx.Err() != nil {
		return ctx.Err()
	}
	return r.commit(packer.Close, number)
}

// packBatch packs a batch, or does as ordered.
func (r *run) packBatch(ctx context.Context, packer *archive.Packer, number int, in batch) error {
	if in.flush != nil {
		if err := r.commit(packer.Flush, number); err != nil {
			return err
		}
		return in.flush.arrive(ctx)
	}
	for _, object := range in.objects {
		if err := r.add(packer, object, in.reason); err != nil {
			return err
		}
	}
	return nil
}

// commit makes a packer commit its segments, and notes them.
func (r *run) commit(all func() ([]archive.File, error), packer int) error {
	files, err := all()
	if err != nil {
		return fmt.Errorf("finishing a segment: %w", err)
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	r.packed[packer] = slices.Clone(files)
	return nil
}

// add packs one object. One that the format cannot hold is missing, and stops no other.
func (r *run) add(packer *archive.Packer, object core.Object, reason core.Reason) error {
	err := packer.Add(object, reason)
	if _, is := errors.AsType[*archive.RefusedError](err); is {
		r.Miss(engine.Row{Kind: object.Kind, Key: object.Key(), Reason: engine.ReasonObjectUnreadable, Message: err.Error()})
		r.refuse(object.Kind)
		return nil
	}
	if err != nil {
		return fmt.Errorf("packing %s: %w", object.Key(), err)
	}
	return nil
}

// emit takes the records of a frame that is packed.
func (r *run) emit(records []archive.Record) error {
	var size int64
	for i := range records {
		size += records[i].Length
	}
	r.counts.bytes.Add(size)
	r.progress.Done(int64(len(records)), size)
	return r.index.Add(records...)
}
