package verify

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"sync/atomic"

	"k8s.io/utils/clock"

	"github.com/soda-cdm/kahu/internal/core"
	"github.com/soda-cdm/kahu/internal/core/archive"
	"github.com/soda-cdm/kahu/internal/core/damage"
	"github.com/soda-cdm/kahu/internal/core/seal"
	"github.com/soda-cdm/kahu/internal/engine"
)

// Runner reads a backup back and finds what is not as it was written. What it holds is bounded by Readers and Batch,
// whatever the size of the backup.
type Runner struct {
	// Clock paces the progress.
	Clock clock.PassiveClock
	// Readers is how many segments are read at once; at least 1.
	Readers int
	// Batch is how many records of the index are held at once: more of them, and the index is read again. The records
	// of one segment are held together. 0 means 50,000.
	Batch int
}

// Request is one wish.
type Request struct {
	// Backup says which backup.
	Backup archive.BackupID
	// Sample is the part of the objects that is read; the backup's other files are always read whole.
	Sample damage.Sample
	// Keys opens it where it is encrypted. Without the key, all files are compared with their digests, and what is in them
	// is not looked at.
	Keys engine.Keys
	// Show receives the progress, at most once a second. It must not block.
	Show func(progress engine.Progress)
}

// Result is what was found.
type Result struct {
	// Files, Bytes and Objects count what was read. Objects are those that are as they were written.
	Files, Bytes, Objects int64
	// ObjectsTotal is how many objects the backup has, whatever was read of them; 0 where its manifest is lost.
	ObjectsTotal int64
	// Sealed says which key would have been needed to look into the files; nil where they were looked into.
	Sealed *seal.KeyNeededError
	// Damaged are the first pieces of damage, DamagedTotal is the number of all, and DamagedObjects that of the objects
	// that cannot be restored because of them. A backup is whole where DamagedTotal is 0.
	Damaged        []damage.Row
	DamagedTotal   int64
	DamagedObjects int64
}

// defaultBatch is how many records are held unless a Verify says otherwise; each takes about 500 bytes.
const defaultBatch = 50_000

// Run reads the backup. An error means that it could not be read to its end, and says nothing of the backup: only the
// result does. A backup whose manifest is not there is core.ErrNotFound, one of a newer format an
// archive.NewerFormatError.
func (v *Runner) Run(ctx context.Context, request Request, files engine.FileReader) (Result, error) {
	work := &run{
		Runner: v, request: request, files: files, progress: engine.NewMeter(v.Clock, request.Show),
		perSegment: map[string]int64{}, sample: request.Sample,
	}
	steps := []struct {
		name string
		do   func(ctx context.Context) error
	}{
		{"reading the manifest", work.readManifest},
		{"finding the key", work.findKey},
		{"reading the file to compare with", work.checkComparison},
		{"reading the encrypted files", work.checkSealed},
		{"reading the details", work.checkDetails},
		{"reading the intent", work.checkIntent},
		{"reading the report", work.checkReport},
		{"reading the index", work.checkIndex},
		{"reading the segments", work.checkSegments},
	}
	for _, step := range steps {
		if work.lost || work.over {
			break
		}
		if err := step.do(ctx); err != nil {
			return work.result(), fmt.Errorf("%s: %w", step.name, err)
		}
	}
	return work.result(), nil
}

// run is one run of Verify.
type run struct {
	*Runner

	request  Request
	files    engine.FileReader
	progress *engine.Meter
	found    damage.List
	read     counters

	manifest archive.Manifest // set by readManifest
	lost     bool             // set by readManifest: without a manifest nothing is known of the other files
	contents *engine.Contents // set by findKey
	sealed   *seal.KeyNeededError
	over     bool // set by checkSealed: without the key there is nothing more to read

	// set by checkIndex
	perSegment map[string]int64 // records in each segment; none where the index is damaged
	sample     damage.Sample    // of the request, and so large that one frame is in it
}

// readManifest reads the manifest, which is covered by its own digest.
func (v *run) readManifest(ctx context.Context) error {
	name := v.request.Backup.ManifestName()
	manifest, err := engine.ReadManifest(ctx, v.files, v.request.Backup)
	if errors.Is(err, core.ErrCorrupt) {
		v.found.Add(damage.In(name, damage.WrongContent,
			err.Error()+"; without its manifest nothing of the backup can be restored"))
		v.lost = true
		return nil
	}
	if err != nil {
		return err
	}
	v.manifest = manifest
	v.read.files.Add(1)
	v.progress.Expect(manifest.Counts.Objects)
	return nil
}

// unneeded is what is said of damage in a file that a restore does not read.
const unneeded = "; a restore does not need this file"

// checkIntent compares the intent with the manifest. Manifests of early releases do not name it.
func (v *run) checkIntent(ctx context.Context) error {
	if v.manifest.Intent != (archive.File{}) {
		return v.checkFile(ctx, v.manifest.Intent, func(content io.Reader) error {
			_, err := archive.DecodeIntent(content)
			return err
		})
	}
	name := v.request.Backup.IntentName()
	content, err := engine.ReadSmall(ctx, v.files, name)
	if errors.Is(err, core.ErrNotFound) {
		return nil
	}
	if err == nil {
		err = v.checkOldIntent(content)
	}
	if errors.Is(err, core.ErrCorrupt) {
		v.found.Add(damage.In(name, damage.WrongContent, err.Error()+unneeded))
		return nil
	}
	return err
}

// checkOldIntent compares an intent that has no digest with what its run would have written.
func (v *run) checkOldIntent(content []byte) error {
	intent, err := archive.DecodeIntent(bytes.NewReader(content))
	if err != nil {
		return err
	}
	again, err := archive.EncodeIntent(intent)
	if err != nil || !bytes.Equal(again, content) || intent.Backup != v.manifest.ID {
		return fmt.Errorf("it is not what a run of backup %s writes: %w", v.manifest.ID, core.ErrCorrupt)
	}
	return nil
}

// checkReport reads the report, and compares the number of warnings with what the manifest says.
func (v *run) checkReport(ctx context.Context) error {
	return v.checkFile(ctx, v.manifest.Report, func(content io.Reader) error {
		var warnings int64
		for entry, err := range archive.ReadReport(content) {
			if err != nil {
				return err
			}
			if entry.Level == archive.LevelWarning {
				warnings++
			}
		}
		if warnings != v.manifest.Warnings {
			return &contradictionError{fmt.Sprintf("it has %s, and the manifest says %d", core.Count(warnings, "warning"), v.manifest.Warnings)}
		}
		return nil
	})
}

// checkFile reads a file that a restore does not need from end to end. What decode finds comes after what the digest
// says.
func (v *run) checkFile(ctx context.Context, file archive.File, decode func(content io.Reader) error) error {
	v.read.files.Add(1)
	err := v.readWhole(ctx, file, &v.read.bytes, decode)
	if row, damaged := rowOf(file, err); damaged {
		row.Message += unneeded
		v.found.Add(row)
		return nil
	}
	return err
}

// readWhole reads a file to its end. That it is not as it was written is worth more than why it cannot be decoded.
func (v *run) readWhole(
	ctx context.Context, file archive.File, count *atomic.Int64, decode func(content io.Reader) error,
) error {
	source, err := v.files.Open(ctx, file.Name)
	if err != nil {
		return fmt.Errorf("opening %s: %w", file.Name, err)
	}
	defer source.Close() //nolint:errcheck // It was read to its end, or the error that ended the reading counts.
	verifying := archive.NewVerifyingReader(&countingReader{source: source, count: count}, file)
	content, decodeErr := v.decrypt(file, verifying)
	if decodeErr == nil {
		decodeErr = decode(content)
	}
	if err := verifying.Verify(); err != nil {
		return err
	}
	return decodeErr
}

// contradictionError is damage of a file that is as it was written.
type contradictionError struct{ message string }

// Error says what contradicts what.
func (e *contradictionError) Error() string { return e.message }

// Unwrap returns the class.
func (*contradictionError) Unwrap() error { return core.ErrCorrupt }

// rowOf turns an error that came while a file was read into a piece of damage, if it is one.
func rowOf(file archive.File, err error) (damage.Row, bool) {
	var contradiction *contradictionError
	switch {
	case err == nil:
		return damage.Row{}, false
	case errors.Is(err, core.ErrNotFound):
		return damage.In(file.Name, damage.Missing, "the file is gone: "+err.Error()), true
	case errors.As(err, &contradiction):
		return damage.In(file.Name, damage.Contradiction, contradiction.message), true
	case errors.Is(err, core.ErrCorrupt):
		return damage.In(file.Name, damage.WrongContent, err.Error()), true
	}
	return damage.Row{}, false
}

func (v *run) result() Result {
	result := Result{
		Files: v.read.files.Load(), Bytes: v.read.bytes.Load(), Objects: v.read.objects.Load(),
		ObjectsTotal: v.manifest.Counts.Objects, Sealed: v.sealed,
	}
	result.Damaged, result.DamagedTotal, result.DamagedObjects = v.found.Rows()
	return result
}
