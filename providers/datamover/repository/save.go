package repository

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"sync/atomic"
	"time"

	"github.com/kopia/kopia/fs"
	"github.com/kopia/kopia/repo"
	"github.com/kopia/kopia/repo/manifest"
	"github.com/kopia/kopia/snapshot"
	"github.com/kopia/kopia/snapshot/policy"
	"github.com/kopia/kopia/snapshot/upload"
)

// Source says of which volume something is saved. It is in the repository, for people who look at it with kopia's own command.
type Source struct {
	// Cluster, Namespace and Claim name the volume.
	Cluster, Namespace, Claim string
	// Order is the work order, which is of one backup of one volume.
	Order string
}

func (s Source) info() snapshot.SourceInfo {
	return snapshot.SourceInfo{Host: s.Cluster, UserName: s.Namespace, Path: "/" + s.Claim}
}

const orderTag = "tag:kahu-order"

func (s Source) tags() map[string]string { return map[string]string{orderTag: s.Order} }

// SaveRequest asks for a tree of files to be saved.
type SaveRequest struct {
	Source Source
	// Folder is the tree.
	Folder fs.Directory
	// Base is an earlier one of the same volume, or empty. What has the same name, size, times, mode and owner there is not read.
	Base string
	// Parallel is how many files are read at once. Zero means as many as there are processors.
	Parallel int
	// Progress is told of how much is done, now and then.
	Progress func(Counts)
}

// Counts tell how far something is, in bytes of the volume unless they say otherwise. What describes its files is counted with it.
type Counts struct {
	// Read was read from the volume, Kept was taken over from the base without reading, and Stored, after compression, was new
	// to the repository.
	Read, Kept, Stored int64
	// Files is how many files were looked at.
	Files int64
}

// Saved is what came of it.
type Saved struct {
	// ID is what it is loaded with.
	ID string
	// Bytes and Files are the size of what was saved.
	Bytes, Files int64
	Counts       Counts
	// Unread is how many entries could not be read, and UnreadNames tells of the first of them. They are not in what was saved.
	Unread      int64
	UnreadNames []string
}

// pin keeps kopia's own rules of retention away from what is saved.
const pin = "kahu"

// maxNamed is how many entries are named with which something is wrong.
const maxNamed = 100

// checkpointTime is how often what is saved so far is made to last: as much work is lost when the process dies.
const checkpointTime = 5 * time.Minute

// Save stores a tree of files. What an interrupted call for the same order has stored is not read again.
func (r *Repository) Save(ctx context.Context, request SaveRequest) (Saved, error) {
	var saved Saved
	watch := &watcher{told: request.Progress}
	options := repo.WriteSessionOptions{Purpose: "backup of a volume", OnUpload: func(bytes int64) { watch.stored.Add(bytes) }}
	err := repo.WriteSession(ctx, r.opened, options, func(ctx context.Context, writer repo.RepositoryWriter) error {
		found, err := r.upload(ctx, writer, request, watch)
		if err != nil {
			return err
		}
		saved = Saved{ID: string(found.ID), Bytes: found.Stats.TotalFileSize, Files: int64(found.Stats.TotalFileCount)}
		return nil
	})
	if err = errors.Join(err, r.fatal.get()); err != nil {
		return Saved{}, fmt.Errorf("saving claim %s/%s: %w", request.Source.Namespace, request.Source.Claim, err)
	}
	saved.Counts = watch.counts()
	saved.Unread, saved.UnreadNames = watch.unread()
	return saved, nil
}

// upload has kopia store the tree and its manifest.
func (r *Repository) upload(ctx context.Context, writer repo.RepositoryWriter, request SaveRequest, watch *watcher) (*snapshot.Manifest, error) {
	if again, err := r.saved(ctx, request.Source); err != nil || again != nil {
		return again, err
	}
	before, partial, err := r.earlier(ctx, request)
	if err != nil {
		return nil, err
	}
	uploader := upload.NewUploader(writer)
	uploader.Progress, uploader.ParallelUploads, uploader.DisableIgnoreRules = watch, request.Parallel, true
	uploader.CheckpointInterval, uploader.CheckpointLabels = checkpointTime, request.Source.tags()
	stop := context.AfterFunc(ctx, uploader.Cancel)
	defer stop()
	made, err := uploader.Upload(ctx, request.Folder, rules(), request.Source.info(), before...)
	if err != nil {
		return nil, err
	}
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	if made.IncompleteReason != "" {
		return nil, fmt.Errorf("it was ended early: %s", made.IncompleteReason)
	}
	made.Tags, made.Pins = request.Source.tags(), []string{pin}
	if made.ID, err = snapshot.SaveSnapshot(ctx, writer, made); err != nil {
		return nil, err
	}
	for _, checkpoint := range partial {
		if err := writer.DeleteManifest(ctx, checkpoint); err != nil {
			return nil, fmt.Errorf("removing a checkpoint: %w", err)
		}
	}
	return made, nil
}

// earlier returns what need not be read again: of the base, and of interrupted calls for the same order, which are also named.
func (r *Repository) earlier(ctx context.Context, request SaveRequest) ([]*snapshot.Manifest, []manifest.ID, error) {
	before, err := r.ofOrder(ctx, request.Source)
	if err != nil {
		return nil, nil, err
	}
	var partial []manifest.ID
	for _, each := range before {
		partial = append(partial, each.ID)
	}
	if request.Base == "" {
		return before, partial, nil
	}
	base, err := snapshot.LoadSnapshot(ctx, r.opened, manifest.ID(request.Base))
	if err != nil {
		return nil, nil, fmt.Errorf("reading the base %s: %w", request.Base, err)
	}
	return append(before, base), partial, nil
}

// saved returns what an earlier call for an order has saved, all of it, or nothing.
func (r *Repository) saved(ctx context.Context, source Source) (*snapshot.Manifest, error) {
	found, err := r.ofOrder(ctx, source)
	if err != nil {
		return nil, err
	}
	for _, each := range found {
		if each.IncompleteReason == "" {
			return each, nil
		}
	}
	return nil, nil //nolint:nilnil // There need not be one.
}

// ofOrder returns what is in the repository under an order, with what interrupted calls have left.
func (r *Repository) ofOrder(ctx context.Context, source Source) ([]*snapshot.Manifest, error) {
	ids, err := snapshot.ListSnapshotManifests(ctx, r.opened, nil, source.tags())
	if err != nil {
		return nil, fmt.Errorf("looking for what order %s has stored: %w", source.Order, err)
	}
	found, err := snapshot.LoadSnapshots(ctx, r.opened, ids)
	if err != nil {
		return nil, fmt.Errorf("reading what order %s has stored: %w", source.Order, err)
	}
	return found, nil
}

func idOf(found *snapshot.Manifest) string {
	if found == nil {
		return ""
	}
	return string(found.ID)
}

// rules are how kopia saves trees of ours.
func rules() *policy.Tree {
	made := *policy.DefaultPolicy
	made.CompressionPolicy.CompressorName = compression
	made.FilesPolicy = policy.FilesPolicy{}
	return policy.BuildTree(nil, &made)
}

// watcher is told by kopia how far it is.
type watcher struct {
	upload.NullUploadProgress

	told               func(Counts)
	read, kept, stored atomic.Int64
	files              atomic.Int64

	mutex  sync.Mutex
	names  []string
	failed int64
}

// HashedBytes implements upload.Progress.
func (w *watcher) HashedBytes(bytes int64) {
	w.read.Add(bytes)
	w.tell()
}

// CachedFile implements upload.Progress.
func (w *watcher) CachedFile(_ string, size int64) {
	w.kept.Add(size)
	w.tell()
}

// FinishedFile implements upload.Progress.
func (w *watcher) FinishedFile(string, error) { w.files.Add(1) }

// Error implements upload.Progress.
func (w *watcher) Error(path string, err error, _ bool) {
	w.mutex.Lock()
	defer w.mutex.Unlock()
	if w.failed++; len(w.names) < maxNamed {
		w.names = append(w.names, path+": "+err.Error())
	}
}

func (w *watcher) tell() {
	if w.told != nil {
		w.told(w.counts())
	}
}

func (w *watcher) counts() Counts {
	return Counts{Read: w.read.Load(), Kept: w.kept.Load(), Stored: w.stored.Load(), Files: w.files.Load()}
}

func (w *watcher) unread() (int64, []string) {
	w.mutex.Lock()
	defer w.mutex.Unlock()
	return w.failed, w.names
}
