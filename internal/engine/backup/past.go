package backup

import (
	"cmp"
	"context"
	"errors"
	"io"

	"k8s.io/apimachinery/pkg/runtime/schema"

	"github.com/soda-cdm/kahu/internal/core"
	"github.com/soda-cdm/kahu/internal/core/archive"
	"github.com/soda-cdm/kahu/internal/core/increment"
	"github.com/soda-cdm/kahu/internal/core/seal"
	"github.com/soda-cdm/kahu/internal/engine"
)

// past is what a run compares with: the index of its base, or, where this cluster cannot read that, the comparison file.
type past interface {
	// along returns what finds the objects of a list, in its order, and what is to be called at its end.
	along(request core.ListRequest) (find finder, end func())
	// find returns the record of an object; ok is false where there is none.
	find(object core.Object) (record archive.Record, ok bool, err error)
	// drop lets the records of a kind go.
	drop(kind schema.GroupResource)
}

// finder returns the record of an object; ok is false where there is none.
type finder func(object core.Object) (record archive.Record, ok bool, err error)

// indexed is the past that an index tells of, in which objects are found by their names.
type indexed struct{ index *archive.HeldIndex }

func (p indexed) along(request core.ListRequest) (find finder, end func()) {
	walk := increment.NewWalk(p.index.RecordsFrom(request.Kind.GroupResource(), request.Namespace))
	return func(object core.Object) (archive.Record, bool, error) { return walk.Find(object.Key()) }, walk.End
}

func (p indexed) find(object core.Object) (archive.Record, bool, error) {
	return p.index.Find(object.Key())
}

func (p indexed) drop(kind schema.GroupResource) { p.index.Drop(kind) }

// nameless is the past that a comparison file tells of, in which objects are found by their UIDs.
type nameless struct{ held *archive.HeldComparison }

func (p nameless) along(core.ListRequest) (find finder, end func()) { return p.find, func() {} }

func (p nameless) find(object core.Object) (archive.Record, bool, error) {
	record, ok := p.held.Find(object)
	return record, ok, nil
}

func (p nameless) drop(kind schema.GroupResource) { p.held.Drop(kind) }

// refuseComparison says why this cluster, which cannot read the base, cannot compare with it either; the reason is empty where it
// can.
func (r *run) refuseComparison(manifest *archive.Manifest, needed error) increment.Choice {
	key, name := r.request.Sealing.Comparison, manifest.ID.Name
	file := manifest.Encryption.Comparison
	switch {
	case key == nil:
		return increment.Refuse(increment.KeyNeeded, "this cluster cannot read what it has written, and has no key to compare with: %s",
			cmp.Or(r.request.Sealing.NoComparison, needed.Error()))
	case file == archive.Comparison{}:
		return increment.Refuse(increment.ComparisonMissing, "backup %s has no file to compare with, and this cluster cannot read its index", name)
	case file.Key != key.Epoch().ID():
		return increment.Refuse(increment.ComparisonKeyChanged,
			"the file of backup %s to compare with is encrypted to the key %s, and this cluster has %s", name, file.Key, key.Epoch().ID())
	}
	return increment.Choice{}
}

// holdPast reads what the base has: its index, or the comparison file.
func (r *run) holdPast(ctx context.Context) (increment.Choice, error) {
	manifest := &r.base.manifest
	if r.base.contents == nil {
		return r.holdComparison(ctx, manifest.ID, manifest.Encryption.Comparison.File)
	}
	err := r.base.contents.Read(ctx, manifest.Index, func(content io.Reader) error {
		held, err := archive.HoldIndex(content)
		r.base.past = indexed{held}
		return err
	})
	if err != nil {
		return unreadable(manifest.ID, err)
	}
	return increment.Choice{}, nil
}

func (r *run) holdComparison(ctx context.Context, id archive.BackupID, file archive.File) (increment.Choice, error) {
	err := engine.SealedContents(r.files, r.request.Sealing.Comparison).Read(ctx, file, func(content io.Reader) error {
		held, err := archive.HoldComparison(content)
		r.base.past = nameless{held}
		return err
	})
	switch {
	case err == nil:
		return increment.Choice{}, nil
	case errors.Is(err, core.ErrNotFound):
		return increment.Refuse(increment.ComparisonMissing, "the file of backup %s to compare with is gone: %v", id.Name, err), nil
	case errors.Is(err, core.ErrCorrupt), errors.Is(err, core.ErrUnsupported):
		return increment.Refuse(increment.ComparisonDamaged, "the file of backup %s to compare with cannot be read: %v", id.Name, err), nil
	}
	return increment.Choice{}, err
}

// writeComparison writes the file with which this cluster compares the next backup, where it cannot read this one. One that is
// incomplete is nobody's base.
func (r *run) writeComparison(ctx context.Context) error {
	if r.request.Sealing == nil || r.request.Sealing.Comparison == nil || r.RowsTotal > 0 {
		return nil
	}
	to := r.request.Sealing.Comparison.Epoch()
	file, err := r.writeStream(ctx, r.request.ID.ComparisonNameOf(r.own()), to.Seal, r.index.WriteComparison)
	r.comparison = archive.Comparison{Key: to.ID(), File: file}
	return err
}

// isKeyNeeded tells whether a file is encrypted to a key that this cluster does not have.
func isKeyNeeded(err error) bool {
	_, needed := errors.AsType[*seal.KeyNeededError](err)
	return needed
}
