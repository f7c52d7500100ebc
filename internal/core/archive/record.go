package archive

import (
	"fmt"

	"k8s.io/apimachinery/pkg/types"

	"github.com/soda-cdm/kahu/internal/core"
)

// FrameRef says where a frame is. It is comparable, so that records can be grouped by their frame.
type FrameRef struct {
	// Segment is the segment's file name, as in the manifest.
	Segment string
	// Offset is the number of bytes before the frame in the segment file.
	Offset int64
	// Length is the number of bytes of the frame in the segment file.
	Length int64
}

// Record is what the index holds about one object.
type Record struct {
	// Kind is the kind as the server served it when the object was read.
	Kind core.Kind
	// Namespace is empty for an object at cluster scope.
	Namespace string
	// Name is the object's name.
	Name string
	// UID is the object's identity in the cluster that was backed up.
	UID types.UID
	// ResourceVersion is the version of the object's content when it was read.
	ResourceVersion string
	// Labels are the object's labels.
	Labels map[string]string
	// Owners are the object's owner references.
	Owners []core.Owner
	// Reason says why the object is in the backup.
	Reason core.Reason
	// Digest is that of the object's JSON.
	Digest Digest
	// Frame is where the frame with the object is.
	Frame FrameRef
	// Offset is the number of bytes before the object's JSON in the decompressed frame.
	Offset int64
	// Length is the number of bytes of the object's JSON.
	Length int64
}

// Key returns the object's name in the cluster.
func (r *Record) Key() core.Key {
	return core.Key{Group: r.Kind.Group, Resource: r.Kind.Resource, Namespace: r.Namespace, Name: r.Name}
}

// segmentNames are names of segments that have been checked, so that not every record checks its own: few segments have
// many records.
type segmentNames map[string]bool

func (s segmentNames) check(name string) bool {
	if s[name] {
		return true
	}
	if _, ok := ParseSegmentName(name); !ok {
		return false
	}
	s[name] = true
	return true
}

// check returns core.ErrInvalid where the record cannot be true.
func (r *Record) check(segments segmentNames) error {
	if err := checkObjectName(r.Kind, r.Namespace, r.Name); err != nil {
		return err
	}
	return r.checkPlace(segments)
}

// checkPlace returns core.ErrInvalid where what is said of the object's bytes cannot be true.
func (r *Record) checkPlace(segments segmentNames) error {
	if err := r.Digest.Check(); err != nil {
		return fmt.Errorf("%s: %w", r.Key(), err)
	}
	if !segments.check(r.Frame.Segment) {
		return fmt.Errorf("%s: segment %q: %w", r.Key(), clip(r.Frame.Segment), core.ErrInvalid)
	}
	if !within(r.Frame.Offset, r.Frame.Length, MaxSegmentSize) {
		return fmt.Errorf("%s: frame at %d, %d bytes long: %w", r.Key(), r.Frame.Offset, r.Frame.Length, core.ErrInvalid)
	}
	if !within(r.Offset, r.Length, MaxFrameSize) || r.Length > MaxObjectSize {
		return fmt.Errorf("%s: object at %d, %d bytes long: %w", r.Key(), r.Offset, r.Length, core.ErrInvalid)
	}
	return nil
}

// within tells whether length bytes from offset on, at least one, lie inside size bytes.
func within(offset, length, size int64) bool {
	return offset >= 0 && length > 0 && length <= size && offset <= size-length
}
