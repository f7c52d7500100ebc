package archive

import (
	"crypto/sha256"
	"errors"
	"fmt"
	"io"

	"github.com/soda-cdm/kahu/internal/core"
)

// PackerOptions say where a Packer puts what it makes.
type PackerOptions struct {
	// NextName returns the name of the next segment; see SegmentNamer.
	NextName func() string
	// Open begins a segment file of that name.
	Open func(name string) (core.FileWriter, error)
	// Emit takes the records of the objects of one frame, after the frame was written. The slice is the packer's
	// again when Emit returns. The frame counts only when Close has succeeded.
	Emit func(records []Record) error
	// Seal returns what encrypts a segment on its way into its file; nil means that nothing is encrypted. Records say where
	// frames are before encryption, and files what lies in the store.
	Seal func(target io.Writer) (io.WriteCloser, error)
	// Compression is how hard to try to make segments small; the zero value is the fastest.
	Compression Compression
	// FrameSize is the number of bytes of tar at which a frame is cut; 0 means the constant FrameSize, the most is
	// MaxObjectSize. An object that is larger has a frame of its own.
	FrameSize int
	// SegmentSize is the number of bytes that no segment exceeds; 0 means the constant SegmentSize, which is the most
	// too. Only a frame that is larger by itself makes a segment that is larger.
	SegmentSize int64
}

// Packer packs objects into segments. It holds one frame at a time and is not safe for concurrent use: several
// packers work side by side. Either Close or Abort must be called at the end; Abort may be deferred.
type Packer struct {
	options PackerOptions
	encoder *compressor
	frame   frameBuffer
	packed  []byte
	trailer []byte
	segment *segmentWriter
	files   []File
	err     error
}

// segmentWriter is a segment while it is written.
type segmentWriter struct {
	measured *MeasuringWriter
	sealed   io.WriteCloser // nil where nothing is encrypted
	size     int64          // before encryption

	name string
	file core.FileWriter
}

// Write writes a part of the segment.
func (s *segmentWriter) Write(data []byte) (int, error) {
	var target io.Writer = s.measured
	if s.sealed != nil {
		target = s.sealed
	}
	n, err := target.Write(data)
	s.size += int64(n)
	return n, err
}

// end writes what encryption has held back.
func (s *segmentWriter) end() error {
	if s.sealed == nil {
		return nil
	}
	return s.sealed.Close()
}

// NewPacker returns a packer, or core.ErrInvalid for options that do not hold together.
func NewPacker(options PackerOptions) (*Packer, error) {
	if err := options.complete(); err != nil {
		return nil, fmt.Errorf("making a packer: %w", err)
	}
	encoder, err := newCompressor(options.Compression)
	if err != nil {
		return nil, err
	}
	p := &Packer{options: options, encoder: encoder}
	p.frame.reset()
	if err := p.frame.finish(); err != nil {
		return nil, err
	}
	p.trailer = encoder.compress(p.frame.bytes(), nil)
	p.frame.reset()
	return p, nil
}

// complete sets what was left open and refuses what cannot work.
func (o *PackerOptions) complete() error {
	if o.NextName == nil || o.Open == nil || o.Emit == nil {
		return invalid("NextName, Open and Emit must be there")
	}
	if o.FrameSize == 0 {
		o.FrameSize = FrameSize
	}
	if o.SegmentSize == 0 {
		o.SegmentSize = SegmentSize
	}
	return o.checkSizes()
}

// checkSizes refuses sizes that the format does not have, and leaves room for encryption.
func (o *PackerOptions) checkSizes() error {
	if o.FrameSize < 0 || o.FrameSize > MaxObjectSize {
		return invalid("frames of %d bytes", o.FrameSize)
	}
	if o.SegmentSize < 0 || o.SegmentSize > MaxSegmentSize {
		return invalid("segments of %d bytes", o.SegmentSize)
	}
	if o.Seal != nil {
		o.SegmentSize = min(o.SegmentSize, SegmentSize-sealRoom)
	}
	return nil
}

// Add takes one object. It does not hold on to the object's JSON.
//
// A RefusedError (errors.As) means that this object has no place in an archive and that the packer goes on without
// it. After every other error the packer is broken, and all further calls return that error.
func (p *Packer) Add(object core.Object, reason core.Reason) error {
	if p.err != nil {
		return p.err
	}
	name, err := EntryName(object.Kind, object.Namespace, object.Name)
	if err != nil {
		return &RefusedError{Object: object.Key(), Message: err.Error()}
	}
	if len(object.JSON) == 0 || len(object.JSON) > MaxObjectSize {
		return &RefusedError{
			Object:  object.Key(),
			Message: fmt.Sprintf("its JSON is %d bytes long, where 1 to %d have a place", len(object.JSON), MaxObjectSize),
		}
	}
	if p.frame.size() > 0 && p.frame.size()+entrySize(object) > p.options.FrameSize {
		if err := p.cut(); err != nil {
			return p.broken(err)
		}
	}
	if err := p.frame.add(name, object, reason); err != nil {
		return p.broken(err)
	}
	return nil
}

// Flush writes what is left and commits the segment that is open, and returns all segments so far in the order in which
// they were begun: all objects that were added are in them. The packer goes on with a new segment.
func (p *Packer) Flush() ([]File, error) {
	if p.err != nil {
		return nil, p.err
	}
	err := p.cut()
	if err == nil {
		err = p.finishSegment()
	}
	if err != nil {
		return nil, p.broken(err)
	}
	return p.files, nil
}

// Close writes what is left, commits the last segment and returns all segments in the order in which they were
// begun. On an error it aborts the segment that is open; segments committed before stay, and belong to no backup.
func (p *Packer) Close() ([]File, error) {
	files, err := p.Flush()
	if err != nil {
		return nil, err
	}
	p.err = errClosed
	return files, p.encoder.close()
}

// Abort gives up the segment that is open. It does nothing after Close.
func (p *Packer) Abort() {
	if p.err == nil {
		_ = p.broken(errClosed)
	}
}

var errClosed = errors.New("the packer is closed")

func (p *Packer) broken(err error) error {
	p.err = err
	if p.segment != nil {
		p.segment.file.Abort()
		p.segment = nil
	}
	return err
}

// cut ends the frame: it is compressed, written into a segment that has room for it, and its records are emitted.
func (p *Packer) cut() error {
	if p.frame.size() == 0 {
		return nil
	}
	p.packed = p.encoder.compress(p.frame.bytes(), p.packed[:0])
	if err := p.makeRoom(int64(len(p.packed))); err != nil {
		return err
	}
	frame := FrameRef{Segment: p.segment.name, Offset: p.segment.size, Length: int64(len(p.packed))}
	if _, err := p.segment.Write(p.packed); err != nil {
		return fmt.Errorf("writing segment %s: %w", frame.Segment, err)
	}
	for i := range p.frame.records {
		p.frame.records[i].Frame = frame
	}
	if err := p.options.Emit(p.frame.records); err != nil {
		return fmt.Errorf("recording a frame of segment %s: %w", frame.Segment, err)
	}
	p.frame.reset()
	return nil
}

// makeRoom leaves a segment open that can take that many bytes more and still its trailer.
func (p *Packer) makeRoom(length int64) error {
	if p.segment != nil && p.segment.size+length+int64(len(p.trailer)) > p.options.SegmentSize {
		if err := p.finishSegment(); err != nil {
			return err
		}
	}
	if p.segment != nil {
		return nil
	}
	name := p.options.NextName()
	if _, ok := ParseSegmentName(name); !ok {
		return fmt.Errorf("%q is no name of a segment", clip(name))
	}
	file, err := p.options.Open(name)
	if err != nil {
		return fmt.Errorf("creating segment %s: %w", name, err)
	}
	p.segment = &segmentWriter{measured: NewMeasuringWriter(file), name: name, file: file}
	if p.options.Seal == nil {
		return nil
	}
	p.segment.sealed, err = p.options.Seal(p.segment.measured)
	if err != nil {
		return fmt.Errorf("encrypting segment %s: %w", name, err)
	}
	return nil
}

// finishSegment writes the end of the tar file and commits the segment that is open, if there is one.
func (p *Packer) finishSegment() error {
	if p.segment == nil {
		return nil
	}
	if _, err := p.segment.Write(p.trailer); err != nil {
		return fmt.Errorf("ending segment %s: %w", p.segment.name, err)
	}
	if err := p.segment.end(); err != nil {
		return fmt.Errorf("ending segment %s: %w", p.segment.name, err)
	}
	if err := p.segment.file.Commit(); err != nil {
		return fmt.Errorf("committing segment %s: %w", p.segment.name, err)
	}
	p.files = append(p.files, p.segment.measured.File(p.segment.name))
	p.segment = nil
	return nil
}

// recordOf returns what is known of an object before its frame is written.
func recordOf(object core.Object, reason core.Reason) Record {
	return Record{
		Kind: object.Kind, Namespace: object.Namespace, Name: object.Name,
		UID: object.UID, ResourceVersion: object.ResourceVersion, Labels: object.Labels, Owners: object.Owners,
		Reason: reason, Digest: digestFrom(sha256.Sum256(object.JSON)), Length: int64(len(object.JSON)),
	}
}
