package archive

import (
	"crypto/sha256"
	"errors"
	"fmt"
	"io"
	"iter"
	"slices"

	"k8s.io/apimachinery/pkg/runtime/schema"

	"github.com/soda-cdm/kahu/internal/core/seal"
)

// Checkpoint is the first line of a checkpoint: kinds of which an attempt has copied everything, so that a later one
// need not. The records of their objects follow as in an index, and the digest of all lines is the last one.
type Checkpoint struct {
	// FormatVersion is set by WriteCheckpoint.
	FormatVersion int `json:"formatVersion"`
	// Backup names the backup, Attempt the attempt at it.
	Backup  BackupID `json:"backup"`
	Attempt string   `json:"attempt"`
	// ServerVersion is the version of the API server that listed the kinds; empty where an earlier release wrote it.
	ServerVersion string `json:"serverVersion,omitempty"`
	// Kinds are the kinds, in the order of an index.
	Kinds []CheckpointKind `json:"-"`
	// Segments are all that the attempt has written so far; the records are in some of them.
	Segments []File `json:"segments"`
	// Referred are segments of earlier backups that records are in, too.
	Referred []File `json:"referred,omitempty"`
	// Key signs the checkpoint where it is not nil: one that is encrypted could be anybody's otherwise.
	Key *seal.SigningKey `json:"-"`
}

// CheckpointKind is a kind of which everything is copied, with what there is to say of it besides its objects.
type CheckpointKind struct {
	IndexedKind

	// Excluded and Vanished are the numbers of objects that were left out, as in Counts.
	Excluded, Vanished int64
	// Unchanged and Same are the numbers of objects that were taken over from the base: unread, and after they were read.
	Unchanged, Same int64
	// Notes are for the report.
	Notes []CheckpointNote
}

// CheckpointNote is a line of the report about an object that was left out.
type CheckpointNote struct {
	// Namespace and Name are the object's.
	Namespace string `json:"namespace,omitempty"`
	Name      string `json:"name"`
	// Action and Message are the report's.
	Action  string `json:"action"`
	Message string `json:"message,omitempty"`
}

// Files returns all segments that records are in.
func (c *Checkpoint) Files() []File { return slices.Concat(c.Segments, c.Referred) }

// checkpointBody is how the first line is written.
type checkpointBody struct {
	Checkpoint

	Kinds []checkpointKindLine `json:"kinds"`
}

type checkpointKindLine struct {
	kindLine

	Excluded  int64            `json:"excluded,omitempty"`
	Vanished  int64            `json:"vanished,omitempty"`
	Unchanged int64            `json:"unchanged,omitempty"`
	Same      int64            `json:"same,omitempty"`
	Notes     []CheckpointNote `json:"notes,omitempty"`
}

// WriteCheckpoint writes a checkpoint of the kinds that it names, whose counts and versions are those of the builder.
// All their records must have been added.
func (b *IndexBuilder) WriteCheckpoint(target io.Writer, checkpoint Checkpoint) error {
	b.mutex.Lock()
	defer b.mutex.Unlock()
	if b.err == nil {
		b.err = b.flush()
	}
	if b.err != nil {
		return b.err
	}
	chosen, of := choice{}, map[schema.GroupResource]CheckpointKind{}
	for _, kind := range checkpoint.Kinds {
		chosen[kind.Kind.GroupResource()] = true
		of[kind.Kind.GroupResource()] = kind
	}
	kinds, objects, err := b.count(chosen)
	if err != nil {
		return fmt.Errorf("counting a checkpoint: %w", err)
	}
	body := checkpointBody{Checkpoint: checkpoint}
	body.FormatVersion = FormatVersion
	for i := range kinds {
		tally := of[kinds[i].Kind.GroupResource()]
		body.Kinds = append(body.Kinds, checkpointKindLine{
			kindLine: kinds[i].line(), Excluded: tally.Excluded, Vanished: tally.Vanished,
			Unchanged: tally.Unchanged, Same: tally.Same, Notes: tally.Notes,
		})
	}
	if err := body.check(); err != nil {
		return fmt.Errorf("writing checkpoint: %w", err)
	}
	return ended(target, checkpoint.Key, func(target io.Writer) error {
		if err := newLineEncoder(target).Encode(&body); err != nil {
			return err
		}
		return b.write(target, indexLines{kinds: kinds, objects: objects, chosen: chosen})
	})
}

// ended compresses the lines that write writes, and their digest as the last one, signed where there is a key.
func ended(target io.Writer, key *seal.SigningKey, write func(target io.Writer) error) error {
	compressor, err := newStreamEncoder(target, inStep)
	if err != nil {
		return err
	}
	sum := sha256.New()
	err = write(io.MultiWriter(compressor, sum))
	if err == nil {
		_, err = compressor.Write(lastLine(sumOf(sum), seal.PurposeCheckpoint, key))
	}
	if closeErr := compressor.Close(); err == nil {
		err = closeErr
	}
	return err
}

// check returns core.ErrInvalid where the first line cannot be true.
func (b *checkpointBody) check() error {
	if err := errors.Join(b.Backup.Check(), CheckAttempt(b.Attempt)); err != nil {
		return err
	}
	for _, file := range b.Segments {
		if err := b.checkSegment(file, b.Attempt); err != nil {
			return err
		}
	}
	for _, file := range b.Referred {
		if err := b.checkSegment(file, ""); err != nil {
			return err
		}
	}
	for i := range b.Kinds {
		if line := &b.Kinds[i]; min(line.Excluded, line.Vanished, line.Unchanged, line.Same) < 0 {
			return invalid("counts of %s", clip(b.Kinds[i].Resource))
		}
	}
	return nil
}

// checkSegment sees to it that the segment is one of the attempt, or, where that is empty, of another one.
func (b *checkpointBody) checkSegment(file File, attempt string) error {
	id, ok := ParseSegmentName(file.Name)
	if !ok || id.ClusterID != b.Backup.ClusterID || (id.Attempt == b.Attempt) != (attempt != "") || !within(0, file.Size, MaxSegmentSize) {
		return invalid("segment %q of %d bytes", clip(file.Name), file.Size)
	}
	return file.Digest.Check()
}

// CheckpointReader reads a checkpoint. Nothing of it is to be trusted before all records were read without an error.
type CheckpointReader struct {
	index *IndexReader
	head  Checkpoint
}

// NewCheckpointReader reads the first line of a checkpoint that must be signed by the signer, or by nobody where it is
// empty. Close must be called at the end. The errors are core.ErrCorrupt, NewerFormatError and those of the source.
func NewCheckpointReader(source io.Reader, signer seal.Signer) (*CheckpointReader, error) {
	lines, err := newLineReader("checkpoint", source)
	if err != nil {
		return nil, err
	}
	sum := sha256.New()
	lines.tee = sum
	head, err := readCheckpointHead(lines)
	if err != nil {
		lines.close()
		return nil, err
	}
	reader := &IndexReader{lines: lines, records: newRecordReader(), checked: segmentNames{}, ending: &ending{sum: sum, signer: signer}}
	if err := reader.begin(); err != nil {
		lines.close()
		return nil, err
	}
	return &CheckpointReader{index: reader, head: head}, nil
}

func readCheckpointHead(lines *lineReader) (Checkpoint, error) {
	var body checkpointBody
	err := lines.decode(&body)
	if errors.Is(err, errEnd) {
		return Checkpoint{}, lines.corrupt(io.ErrUnexpectedEOF)
	}
	if err != nil {
		return Checkpoint{}, err
	}
	if err := checkFormat("checkpoint", body.FormatVersion); err != nil {
		return Checkpoint{}, err
	}
	if err := body.check(); err != nil {
		return Checkpoint{}, lines.corrupt(err)
	}
	head := body.Checkpoint
	for i := range body.Kinds {
		line := &body.Kinds[i]
		kind := line.kind()
		if err := kind.check(); err != nil {
			return Checkpoint{}, lines.corrupt(err)
		}
		head.Kinds = append(head.Kinds, CheckpointKind{
			IndexedKind: kind, Excluded: line.Excluded, Vanished: line.Vanished,
			Unchanged: line.Unchanged, Same: line.Same, Notes: line.Notes,
		})
	}
	return head, nil
}

// Checkpoint returns the first line.
func (r *CheckpointReader) Checkpoint() Checkpoint { return r.head }

// Records returns all records; the error, if any, is in the last pair. A segment that the first line does not name is
// core.ErrCorrupt.
func (r *CheckpointReader) Records() iter.Seq2[Record, error] {
	segments := map[string]bool{}
	for _, file := range r.head.Files() {
		segments[file.Name] = true
	}
	return func(yield func(Record, error) bool) {
		for record, err := range r.index.Records() {
			if err == nil && !segments[record.Frame.Segment] {
				err = corrupt("checkpoint", fmt.Errorf("%s is in segment %s, which it does not name", record.Key(), record.Frame.Segment))
			}
			if !yield(record, err) || err != nil {
				return
			}
		}
	}
}

// Close gives back the memory of the decompressor. It does not close the source.
func (r *CheckpointReader) Close() { r.index.Close() }
