package backup

import (
	"context"
	"fmt"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"github.com/soda-cdm/kahu/internal/core"
	"github.com/soda-cdm/kahu/internal/core/archive"
)

// checkpoints are what is known of the kinds that are copied.
type checkpoints struct {
	mu       sync.Mutex
	finished []archive.CheckpointKind // handed to the packers whole, and in no checkpoint yet
	last     time.Time                // when the last checkpoint was written
	took     time.Duration            // how long that was
	number   int                      // of the last one
}

// checkpointShare is the part of a run's time that checkpoints may take: one in so many.
const checkpointShare = 20

// finish notes that all objects of a kind are with the packers, and writes a checkpoint when one is due.
func (r *run) finish(ctx context.Context, kind archive.CheckpointKind) error {
	p := &r.points
	p.mu.Lock()
	defer p.mu.Unlock()
	p.finished = append(p.finished, kind)
	if r.CheckpointEvery >= 0 && r.Clock.Since(p.last) < max(r.CheckpointEvery, checkpointShare*p.took) {
		return nil
	}
	begun := r.Clock.Now()
	err := r.checkpoint(ctx)
	p.last, p.took = r.Clock.Now(), r.Clock.Since(begun)
	return err
}

// rememberClaims writes a checkpoint of all that is copied, where volumes are cut afterwards: an attempt that goes on backs up those
// claims, of which some may be gone by then.
func (r *run) rememberClaims(ctx context.Context) error {
	if r.request.Volumes == nil || !r.request.VolumeData || len(r.claims) == 0 {
		return nil
	}
	r.points.mu.Lock()
	defer r.points.mu.Unlock()
	if len(r.points.finished) == 0 {
		return nil
	}
	return r.checkpoint(ctx)
}

// checkpoint makes what is finished last: the packers commit their segments, and a file names the kinds that are now in
// committed segments whole. That it cannot be written is no reason to fail.
func (r *run) checkpoint(ctx context.Context) error {
	if err := r.flush(ctx); err != nil {
		return err
	}
	head := archive.Checkpoint{Backup: r.request.ID, Attempt: r.request.Attempt, ServerVersion: r.request.ServerVersion}
	r.mu.Lock()
	head.Segments = slices.Concat(r.packed...)
	for _, kind := range r.points.finished {
		if !r.refused[kind.Kind.GroupResource()] {
			head.Kinds = append(head.Kinds, kind)
		}
	}
	r.mu.Unlock()
	head.Referred = r.referredFiles()
	r.points.finished = nil
	if len(head.Kinds) == 0 {
		return nil
	}
	r.points.number++
	name := r.request.ID.CheckpointName(r.request.Attempt, r.points.number)
	if err := r.writeCheckpoint(ctx, name, head); err != nil {
		if ctx.Err() != nil {
			return fmt.Errorf("%w: %w", errPacking, ctx.Err())
		}
		r.Note(core.Key{}, "CheckpointFailed", fmt.Sprintf("writing %s: %v", name, err))
	}
	return nil
}

func (r *run) writeCheckpoint(ctx context.Context, name string, head archive.Checkpoint) error {
	writer, err := r.files.Create(ctx, name)
	if err != nil {
		return err
	}
	defer writer.Abort()
	sealed, err := r.sealTo(writer)
	if err != nil {
		return err
	}
	head.Key = r.signing()
	if err := r.index.WriteCheckpoint(sealed, head); err != nil {
		return err
	}
	if err := sealed.Close(); err != nil {
		return err
	}
	return writer.Commit()
}

// refuse notes that an object of the kind is not in: the next attempt lists the kind again.
func (r *run) refuse(kind core.Kind) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.refused[kind.GroupResource()] = true
}

// flush is an order that every packer meets once: none goes on before all have committed what they had.
type flush struct {
	left atomic.Int32
	done chan struct{}
}

// flush returns when everything that was sent before is in committed segments.
func (r *run) flush(ctx context.Context) error {
	order := &flush{done: make(chan struct{})}
	order.left.Store(int32(len(r.packed))) //nolint:gosec // A few.
	for range len(r.packed) {
		if err := r.send(ctx, batch{flush: order}); err != nil {
			return err
		}
	}
	return order.wait(ctx)
}

// arrive is called by a packer that has committed, and returns when all have.
func (f *flush) arrive(ctx context.Context) error {
	if f.left.Add(-1) == 0 {
		close(f.done)
	}
	return f.wait(ctx)
}

func (f *flush) wait(ctx context.Context) error {
	select {
	case <-f.done:
		return nil
	case <-ctx.Done():
		return fmt.Errorf("%w: %w", errPacking, ctx.Err())
	}
}
