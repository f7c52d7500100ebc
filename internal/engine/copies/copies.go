// Package copies is the use case Copy: a backup is copied from one location to another.
//
// A run reads the manifest at the source and writes an intent to the target, which tells whoever collects there of whose
// segments the copy is about to name some. Then it sends the files that the target does not have, several at once, each
// compared with its digest on the way, and the wrapped keys of an encrypted backup. It makes sure that all are there, and the
// intent still is, asks whether the copy is wanted, and writes the manifest last: from then on the copy exists.
//
// Everything is created only if it is absent and is the same whoever sends it, so that two runs at once, or one after
// another that was killed, do each other no harm, and what is there is not sent again. What is damaged at the source ends
// the run: its manifest never comes to the target.
package copies

import (
	"bytes"
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"sync/atomic"
	"time"

	"golang.org/x/sync/errgroup"
	"k8s.io/utils/clock"

	"github.com/soda-cdm/kahu/internal/core"
	"github.com/soda-cdm/kahu/internal/core/archive"
	"github.com/soda-cdm/kahu/internal/core/copyplan"
	"github.com/soda-cdm/kahu/internal/core/seal"
	"github.com/soda-cdm/kahu/internal/engine"
)

// Copy copies backups. What it holds is bounded by Senders and the size of a manifest.
type Copy struct {
	// Clock paces the progress.
	Clock clock.PassiveClock
	// Senders is how many files are sent at once; at least 1.
	Senders int
	// ManifestTime bounds the time from the beginning of a confirmation to the end of the manifest's writing; 0 means
	// [ManifestTime].
	ManifestTime time.Duration
}

// ManifestTime is how long a run may still write the manifest after it asked whether the copy is wanted. Whoever removes a
// copy waits that long after the last run that could have been told so.
const ManifestTime = 10 * time.Second

// Request is one wish.
type Request struct {
	// Backup says which backup, and Attempt which try this is.
	Backup  archive.BackupID
	Attempt string
	// From and To are the locations.
	From, To copyplan.Place
	// Confirm is asked before the manifest is written whether the copy is still wanted and the target still the location
	// that it was, and this process the one that claimed it last: since before the run, so long ago that nothing is removed
	// any more on the word of an earlier one (see engine.Remover).
	Confirm func(ctx context.Context) error
	// Unwanted is asked when the run could not end well whether nobody wants the copy any more: what it sent is then
	// removed while Owned returns no error. Both may be nil.
	Unwanted func(ctx context.Context) bool
	Owned    func(ctx context.Context) error
	// Identities returns those at hand, with which a key that the target has already is tried. It may be nil.
	Identities func(ctx context.Context) ([]seal.Identity, error)
	// Show receives the progress, at most once a second. It must not block.
	Show func(progress Progress)
}

// Progress is how far a run is. The manifest is not counted.
type Progress struct {
	// Files are those that are at the target, of Total.
	Files, FilesTotal int64
	// Sent are the bytes that were sent, and Present those that were there, of Total.
	Sent, Present, Total int64
}

// Result is what a run did.
type Result struct {
	Progress

	// Note is what is to be known of the copy; empty for nothing.
	Note string
	// Left says why something that is of no use any more was not removed; empty where all was.
	Left string
}

// Run makes the copy. Errors that tell of the backup itself are copyplan.SourceErrors; where the copy must not be made, a
// copyplan.RefusedError.
func (c *Copy) Run(ctx context.Context, request Request, from Source, to Target) (Result, error) {
	run := &run{Copy: c, request: request, from: from, to: to}
	err := run.do(ctx)
	if err != nil && request.Unwanted != nil {
		err = errors.Join(err, run.removeUnwanted(ctx))
	}
	return Result{Progress: run.progress(), Note: run.note, Left: run.left}, err
}

// run is one run.
type run struct {
	*Copy

	request Request
	from    Source
	to      Target

	content  []byte           // set by readManifest: the manifest as it lies there
	manifest archive.Manifest // set with it
	note     string
	begun    bool // set by declare: something of this run may be at the target
	real     bool // the target has the manifest
	left     string

	files, sent, present atomic.Int64
	shown                atomic.Int64 // when the progress was shown last, in nanoseconds since 1970
}

func (r *run) do(ctx context.Context) error {
	steps := []struct {
		name string
		do   func(ctx context.Context) error
	}{
		{"reading the manifest", r.readManifest},
		{"looking at the target", r.lookAtTarget},
		{"writing the intent", r.declare},
		{"sending the keys", r.sendKeys},
		{"sending the files", r.sendFiles},
		{"looking whether all files are there", r.checkFiles},
		{"writing the manifest", r.writeManifest},
		{"removing the intent", r.removeIntents},
	}
	for _, step := range steps {
		if err := step.do(ctx); err != nil {
			return fmt.Errorf("%s: %w", step.name, err)
		}
	}
	return nil
}

// readManifest reads what is to be copied, and decides whether it may be.
func (r *run) readManifest(ctx context.Context) error {
	if err := r.request.Backup.Check(); err != nil {
		return err
	}
	name := r.request.Backup.ManifestName()
	content, err := engine.ReadBounded(ctx, r.from, name, archive.MaxManifestSize)
	if err != nil {
		return &copyplan.SourceError{File: name, Err: err}
	}
	manifest, err := archive.DecodeManifest(bytes.NewReader(content))
	if err == nil && manifest.ID != r.request.Backup {
		err = fmt.Errorf("it is the manifest of backup %s: %w", manifest.ID, core.ErrCorrupt)
	}
	if err != nil {
		return &copyplan.SourceError{File: name, Err: err}
	}
	r.content, r.manifest = content, manifest
	r.note = copyplan.Note(&manifest, r.request.From, r.request.To)
	return copyplan.Permit(&manifest, r.request.From, r.request.To)
}

// lookAtTarget finds out whether the copy is there already. Then only what it lacks is sent.
func (r *run) lookAtTarget(ctx context.Context) error {
	found, err := engine.ReadBounded(ctx, r.to, r.request.Backup.ManifestName(), archive.MaxManifestSize)
	if errors.Is(err, core.ErrNotFound) {
		return nil
	}
	if err != nil {
		return err
	}
	r.real = true
	return copyplan.Compare(r.request.Backup, r.content, found)
}

// declare tells who collects at the target of whose segments the copy is going to name some.
func (r *run) declare(ctx context.Context) error {
	if r.real {
		return nil
	}
	content, err := archive.EncodeIntent(copyplan.Intent(&r.manifest, r.request.Attempt, r.Clock.Now()))
	if err != nil {
		return err
	}
	r.begun = true
	return r.create(ctx, r.intent(), content)
}

func (r *run) intent() string { return r.request.Backup.IntentNameOf(r.request.Attempt) }

// sendFiles sends what the target does not have.
func (r *run) sendFiles(ctx context.Context) error {
	for _, batch := range copyplan.Order(&r.manifest) {
		sending, inner := errgroup.WithContext(ctx)
		sending.SetLimit(max(1, r.Senders))
		for _, file := range batch {
			if inner.Err() != nil {
				break
			}
			sending.Go(func() error { return r.provide(inner, file) })
		}
		if err := sending.Wait(); err != nil {
			return err
		}
		if err := ctx.Err(); err != nil {
			return err
		}
	}
	return nil
}

// provide sends a file, unless it is there.
func (r *run) provide(ctx context.Context, file archive.File) error {
	there, err := r.to.Holds(ctx, file.Name, file.Size, string(file.Digest))
	switch {
	case errors.Is(err, core.ErrNotFound):
		if err := r.send(ctx, file); err != nil {
			return err
		}
		r.sent.Add(file.Size)
	case err != nil:
		return fmt.Errorf("looking at %s: %w", file.Name, err)
	case !there:
		return differs(file.Name)
	default:
		r.present.Add(file.Size)
	}
	r.files.Add(1)
	r.show()
	return nil
}

func differs(name string) error {
	return &copyplan.RefusedError{Reason: copyplan.Differs, Message: fmt.Sprintf("%s is at the location of the copy with "+
		"another content: if it is damaged there, delete the copy and ask again", name)}
}

// send sends a file. It becomes real at the target only if it is as it was written.
func (r *run) send(ctx context.Context, file archive.File) error {
	source, err := r.from.Open(ctx, file.Name)
	if err != nil {
		return &copyplan.SourceError{File: file.Name, Err: err}
	}
	defer source.Close() //nolint:errcheck // It was read to its end, or the error that ended the reading counts.
	writer, err := r.to.Create(ctx, file.Name)
	if err != nil {
		return fmt.Errorf("creating %s: %w", file.Name, err)
	}
	defer writer.Abort()
	verified := &sourceReader{source: archive.NewVerifyingReader(source, file), name: file.Name}
	if _, err := io.Copy(writer, verified); err != nil {
		return fmt.Errorf("writing %s: %w", file.Name, err)
	}
	return r.commit(ctx, writer, file)
}

// commit makes a file real. One that is there already is settled by its digest: a store that could not be asked says that it
// is there, and not which one it is.
func (r *run) commit(ctx context.Context, writer core.FileWriter, file archive.File) error {
	err := writer.Commit()
	if err == nil {
		return nil
	}
	if !errors.Is(err, core.ErrAlreadyExists) {
		return fmt.Errorf("writing %s: %w", file.Name, err)
	}
	same, err := r.to.Holds(ctx, file.Name, file.Size, string(file.Digest))
	switch {
	case err != nil:
		return fmt.Errorf("looking at %s, which is there: %w", file.Name, err)
	case !same:
		return differs(file.Name)
	}
	return nil
}

// sourceReader tells errors of reading from those of writing.
type sourceReader struct {
	source io.Reader
	name   string
}

// Read reads; the end of the stream stays io.EOF.
func (s *sourceReader) Read(buffer []byte) (int, error) {
	n, err := s.source.Read(buffer)
	if err != nil && err != io.EOF { // io.Reader promises io.EOF itself.
		err = &copyplan.SourceError{File: s.name, Err: err}
	}
	return n, err
}

// create writes a whole small file, which may be there with the same content.
func (r *run) create(ctx context.Context, name string, content []byte) error {
	writer, err := r.to.Create(ctx, name)
	if err != nil {
		return fmt.Errorf("creating %s: %w", name, err)
	}
	defer writer.Abort()
	if _, err := io.Copy(writer, bytes.NewReader(content)); err != nil {
		return fmt.Errorf("writing %s: %w", name, err)
	}
	file := archive.File{Name: name, Size: int64(len(content)), Digest: archive.DigestOf(content)}
	return r.commit(ctx, writer, file)
}

// progress returns how far the run is.
func (r *run) progress() Progress {
	return Progress{
		Files: r.files.Load(), FilesTotal: int64(len(r.manifest.Files())),
		Sent: r.sent.Load(), Present: r.present.Load(), Total: copyplan.Size(&r.manifest),
	}
}

// showEvery is the time between two looks at the progress.
const showEvery = time.Second

// show shows the progress, if that was not done a moment ago.
func (r *run) show() {
	if r.request.Show == nil {
		return
	}
	last, now := r.shown.Load(), r.Clock.Now().UnixNano()
	if now-last < int64(showEvery) || !r.shown.CompareAndSwap(last, now) {
		return
	}
	r.request.Show(r.progress())
}

// window is the time for a confirmation and the manifest.
func (c *Copy) window() time.Duration { return cmp.Or(c.ManifestTime, ManifestTime) }
