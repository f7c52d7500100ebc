package increment

import (
	"iter"

	"github.com/soda-cdm/kahu/internal/core"
	"github.com/soda-cdm/kahu/internal/core/archive"
)

// Walk goes along the records of a kind in the base and along a list of the kind side by side: both are in the order of the
// bytes of "namespace/name". Where a list is in another order, objects are not found in the base, and are read.
type Walk struct {
	next func() (archive.Record, error, bool)
	stop func()

	record archive.Record // the first that is not before what was asked for
	there  bool
	begun  bool
}

// NewWalk returns a walk along the records. End must be called at the end.
func NewWalk(records iter.Seq2[archive.Record, error]) *Walk {
	next, stop := iter.Pull2(records)
	return &Walk{next: next, stop: stop}
}

// End gives the rest of the records up.
func (w *Walk) End() { w.stop() }

// Find returns the record of an object; ok is false where there is none, or where it was passed.
func (w *Walk) Find(key core.Key) (record archive.Record, ok bool, err error) {
	for !w.begun || w.there && w.record.Key().Compare(key) < 0 {
		w.begun = true
		if w.record, err, w.there = w.next(); err != nil {
			w.there = false
			return archive.Record{}, false, err
		}
	}
	return w.record, w.there && w.record.Key() == key, nil
}

// Unchanged tells that an object of which only the metadata were read is as it was in the base, where its kind proves it.
func Unchanged(base *archive.Record, now core.Object) bool {
	return now.UID != "" && now.UID == base.UID && now.ResourceVersion != "" && now.ResourceVersion == base.ResourceVersion
}

// Same returns the record of an object that was read and whose content is the one that the base has.
func Same(base *archive.Record, now core.Object, reason core.Reason) (archive.Record, bool) {
	if base.Length != int64(len(now.JSON)) || base.Kind.GroupVersionKind() != now.Kind.GroupVersionKind() ||
		base.Key() != now.Key() || base.Digest != archive.DigestOf(now.JSON) {
		return archive.Record{}, false
	}
	return archive.Record{
		Kind: now.Kind, Namespace: now.Namespace, Name: now.Name, UID: now.UID, ResourceVersion: now.ResourceVersion,
		Labels: now.Labels, Owners: now.Owners, Reason: reason,
		Digest: base.Digest, Frame: base.Frame, Offset: base.Offset, Length: base.Length,
	}, true
}
