package archive

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"io"
	"slices"
	"sync"

	"k8s.io/apimachinery/pkg/runtime/schema"

	"github.com/soda-cdm/kahu/internal/core"
	"github.com/soda-cdm/kahu/internal/core/seal"
)

// A comparison file is an index without what names objects and without their relations: of each there are the UID, the
// resourceVersion, the digest, and where it is. A cluster that cannot read the index of its own backups encrypts one to a key
// of its own, and finds with it what has not changed. What it does not say the cluster knows of the objects that it has; of
// those that are gone nobody needs it.
//
// The digest cannot be left out, as the index of the next backup has it, for whoever restores that. One with a key would hide
// nothing from whoever has the key that opens the file.

// Comparison says which file the cluster that wrote an encrypted backup can compare the next one with. The zero value: none.
type Comparison struct {
	// Key is the id of the key to which it is encrypted.
	Key string `json:"key"`
	// File is not one of Manifest.Files: nobody who restores needs it, and a backup without it is whole.
	File File `json:"file"`
}

// nameless returns the line of a record as a comparison file has it.
func nameless(reader *recordReader, line []byte) ([]byte, error) {
	record, err := reader.readRecord(bytes.TrimSuffix(line, []byte{'\n'}), core.Kind{})
	if err != nil {
		return nil, err
	}
	kept := Record{UID: record.UID, ResourceVersion: record.ResourceVersion, Digest: record.Digest, Frame: record.Frame, Offset: record.Offset, Length: record.Length}
	return appendRecord(nil, &kept)
}

// WriteComparison writes the comparison file of the index, compressed. It can be called again.
func (b *IndexBuilder) WriteComparison(target io.Writer) error {
	reader := newRecordReader()
	_, err := b.writeStream("comparison file", target, func(line []byte) ([]byte, error) { return nameless(reader, line) })
	return err
}

// HeldComparison is a comparison file that was read to its end. About 100 bytes are held per object until its kind is dropped.
// Its methods may be called by several goroutines at once.
type HeldComparison struct {
	segments []string

	mutex sync.Mutex
	kinds map[schema.GroupResource]*comparedKind // guarded by mutex; what they point to does not change
}

type comparedKind struct {
	kind    core.Kind
	objects []compared // in the order of uid, each once
}

// compared is an object: fingerprints of its UID and resourceVersion, which are texts of any length, the digest, and the place.
type compared struct {
	uid, version                                      fingerprint
	digest                                            [sha256.Size]byte
	segment, frameOffset, frameLength, offset, length uint32 // All below MaxSegmentSize.
}

type fingerprint [16]byte

func fingerprintOf(text string) fingerprint {
	sum := sha256.Sum256([]byte(text))
	return fingerprint(sum[:len(fingerprint{})])
}

// HoldComparison reads a comparison file to its end. The errors are those of an IndexReader.
func HoldComparison(source io.Reader) (*HeldComparison, error) {
	lines, err := newLineReader("comparison file", source)
	if err != nil {
		return nil, err
	}
	reader := &IndexReader{lines: lines, records: newRecordReader(), checked: segmentNames{}, nameless: true}
	defer reader.Close()
	if err := reader.begin(); err != nil {
		return nil, err
	}
	held := &HeldComparison{kinds: map[schema.GroupResource]*comparedKind{}}
	numbers := map[string]uint32{}
	for record, err := range reader.Records() {
		if err != nil {
			return nil, err
		}
		if record.UID == "" {
			continue
		}
		number, known := numbers[record.Frame.Segment]
		if !known {
			number = uint32(len(held.segments)) //nolint:gosec // There are no more than records.
			numbers[record.Frame.Segment] = number
			held.segments = append(held.segments, record.Frame.Segment)
		}
		if err := held.add(&record, number); err != nil {
			return nil, err
		}
	}
	for _, kind := range held.kinds {
		kind.sort()
	}
	return held, nil
}

// add takes a record that was checked.
func (h *HeldComparison) add(record *Record, segment uint32) error {
	group := record.Kind.GroupResource()
	of := h.kinds[group]
	if of == nil {
		of = &comparedKind{kind: record.Kind}
		h.kinds[group] = of
	}
	one := compared{
		uid: fingerprintOf(string(record.UID)), version: fingerprintOf(record.ResourceVersion), segment: segment,
		frameOffset: uint32(record.Frame.Offset), frameLength: uint32(record.Frame.Length), //nolint:gosec // Checked.
		offset: uint32(record.Offset), length: uint32(record.Length), //nolint:gosec // Checked.
	}
	if _, err := hex.Decode(one.digest[:], []byte(record.Digest[len(digestPrefix):])); err != nil {
		return corrupt("comparison file", err)
	}
	of.objects = append(of.objects, one)
	return nil
}

// sort puts the objects in order. Where two have one UID, which no API server gives, neither is found.
func (k *comparedKind) sort() {
	slices.SortFunc(k.objects, func(a, b compared) int { return bytes.Compare(a.uid[:], b.uid[:]) })
	single := k.objects[:0]
	for i := 0; i < len(k.objects); {
		end := i + 1
		for end < len(k.objects) && k.objects[end].uid == k.objects[i].uid {
			end++
		}
		if end == i+1 {
			single = append(single, k.objects[i])
		}
		i = end
	}
	k.objects = slices.Clip(single)
}

// Find returns what the backup has of an object that is in the cluster now, found by its UID; ok is false where it has none.
// The record has the names, labels and owners of the object, and its resourceVersion where it had the same one.
func (h *HeldComparison) Find(object core.Object) (record Record, ok bool) {
	h.mutex.Lock()
	of := h.kinds[object.Kind.GroupResource()]
	h.mutex.Unlock()
	if of == nil || object.UID == "" {
		return Record{}, false
	}
	at, found := slices.BinarySearchFunc(of.objects, fingerprintOf(string(object.UID)), func(one compared, uid fingerprint) int {
		return bytes.Compare(one.uid[:], uid[:])
	})
	if !found {
		return Record{}, false
	}
	one := &of.objects[at]
	record = Record{
		Kind: of.kind, Namespace: object.Namespace, Name: object.Name, UID: object.UID, Labels: object.Labels, Owners: object.Owners,
		Digest: digestFrom(one.digest),
		Frame:  FrameRef{Segment: h.segments[one.segment], Offset: int64(one.frameOffset), Length: int64(one.frameLength)},
		Offset: int64(one.offset), Length: int64(one.length),
	}
	if one.version == fingerprintOf(object.ResourceVersion) {
		record.ResourceVersion = object.ResourceVersion
	}
	return record, true
}

// Drop lets the objects of a kind go.
func (h *HeldComparison) Drop(kind schema.GroupResource) {
	h.mutex.Lock()
	defer h.mutex.Unlock()
	delete(h.kinds, kind)
}

// check returns core.ErrInvalid where the comparison file cannot be that of the attempt at the backup.
func (c *Comparison) check(id BackupID, attempt string) error {
	if *c == (Comparison{}) {
		return nil
	}
	if c.File.Name != id.ComparisonNameOf(attempt) || c.File.Size < 1 {
		return invalid("comparison file %q of %d bytes is not in the backup's folder", clip(c.File.Name), c.File.Size)
	}
	return errors.Join(c.File.Digest.Check(), seal.CheckID(c.Key))
}
