package mover

import (
	"context"
	"errors"
	"fmt"
	"os"
	"strings"

	"golang.org/x/sys/unix"

	"github.com/soda-cdm/kahu/provider"
	"github.com/soda-cdm/kahu/providers/datamover/device"
	"github.com/soda-cdm/kahu/providers/datamover/files"
	"github.com/soda-cdm/kahu/providers/datamover/repository"
)

// Options are what a mover needs besides its task.
type Options struct {
	// Store is at the address of the task's place.
	Store repository.Store
	// Key opens the repository. Where there is none yet, a Save makes it with the key.
	Key repository.Key
	// Folder is where the mover may write for itself.
	Folder string
	// CacheBytes is how much of the folder it may take.
	CacheBytes int64
	// Progress is told how many bytes of the volume are done, again and again.
	Progress func(done int64)
}

// Run carries out a task. The result is worth something also with an error, which it tells of.
func Run(ctx context.Context, task Task, options Options) (result Result, err error) {
	defer func() {
		if err != nil {
			result.Backup, result.Error, result.Passing = "", err.Error(), isPassing(err)
		}
	}()
	if err := task.validate(); err != nil {
		return result, err
	}
	opened, err := open(ctx, task, options)
	if err != nil {
		return result, err
	}
	defer func() { err = errors.Join(err, opened.Close(context.WithoutCancel(ctx))) }()
	move := map[Action]map[bool]func(context.Context, *repository.Repository, Task, Options) (Result, error){
		Save: {false: saveFiles, true: saveBlocks},
		Load: {false: loadFiles, true: loadBlocks},
	}[task.Action][task.Block]
	return move(ctx, opened, task, options)
}

// open opens the repository, and makes it for the first volume that is saved.
func open(ctx context.Context, task Task, options Options) (*repository.Repository, error) {
	place := repository.Place{Store: options.Store, Attributes: task.Place.Attributes, Prefix: task.Place.Prefix}
	how := repository.Options{Folder: options.Folder, CacheBytes: options.CacheBytes}
	opened, err := repository.Open(ctx, place, options.Key, how)
	if !errors.Is(err, repository.ErrMissing) || task.Action != Save {
		return opened, err
	}
	if err := repository.Create(ctx, place, options.Key); err != nil && !errors.Is(err, repository.ErrExists) {
		return nil, err
	}
	return repository.Open(ctx, place, options.Key, how)
}

func saveFiles(ctx context.Context, into *repository.Repository, task Task, options Options) (Result, error) {
	tree, err := files.Open(task.Path)
	if err != nil {
		return Result{}, err
	}
	defer func() { _ = tree.Close() }() // Only read.
	top, err := tree.Folder()
	if err != nil {
		return Result{}, err
	}
	saved, err := into.Save(ctx, repository.SaveRequest{
		Source: task.Source.ofRepository(), Folder: top, Base: task.Base, Parallel: task.Parallel, Progress: options.counts(),
	})
	result := resultOf(saved)
	changed, names := tree.Changed()
	result.Changed = int64(changed)
	for _, name := range names {
		result.Named = append(result.Named, name+": it was written to while it was read")
	}
	return result, err
}

func saveBlocks(ctx context.Context, into *repository.Repository, task Task, options Options) (Result, error) {
	from, err := device.OpenToRead(task.Path)
	if err != nil {
		return Result{}, err
	}
	defer func() { _ = from.Close() }() // Only read.
	saved, err := into.SaveBlocks(ctx, repository.SaveBlocksRequest{
		Source: task.Source.ofRepository(), Device: from, Size: from.Size, Parallel: task.Parallel, Progress: options.counts(),
	})
	return resultOf(saved), err
}

func loadFiles(ctx context.Context, from *repository.Repository, task Task, options Options) (Result, error) {
	target, err := files.Into(task.Path)
	if err != nil {
		return Result{}, err
	}
	bytes, err := from.Load(ctx, repository.LoadRequest{ID: task.Backup, Target: target, Parallel: task.Parallel, Progress: options.Progress})
	lost, names := target.Lost()
	result := Result{Backup: task.Backup, Bytes: bytes, Missing: int64(lost), Named: names}
	if err == nil && lost > 0 {
		err = fmt.Errorf("%d entries could not be written as they were, such as %s", lost, strings.Join(names[:1], ""))
	}
	return result, err
}

func loadBlocks(ctx context.Context, from *repository.Repository, task Task, options Options) (result Result, err error) {
	into, err := device.OpenToWrite(task.Path)
	if err != nil {
		return Result{}, err
	}
	defer func() { err = errors.Join(err, into.Close()) }()
	found, err := from.Find(ctx, task.Backup)
	if err != nil {
		return Result{}, err
	}
	if found.Block && into.Size < found.Bytes {
		return Result{}, fmt.Errorf("the volume has %d bytes, and the backup %d: %w", into.Size, found.Bytes, provider.ErrInvalidArgument)
	}
	bytes, err := from.LoadBlocks(ctx, task.Backup, into, options.Progress)
	return Result{Backup: task.Backup, Bytes: bytes}, err
}

func resultOf(saved repository.Saved) Result {
	return Result{
		Backup: saved.ID, Bytes: saved.Bytes, Files: saved.Files, Missing: saved.Unread, Named: saved.UnreadNames,
		Read: saved.Counts.Read, Kept: saved.Counts.Kept, Stored: saved.Counts.Stored,
	}
}

func (o Options) counts() func(repository.Counts) {
	if o.Progress == nil {
		return nil
	}
	return func(counts repository.Counts) { o.Progress(counts.Read + counts.Kept) }
}

// isPassing tells whether a task that failed may succeed when it is tried again.
func isPassing(err error) bool {
	for _, lasting := range []error{
		provider.ErrInvalidArgument, provider.ErrPermissionDenied, provider.ErrUnauthenticated, provider.ErrFailedPrecondition,
		provider.ErrDataLoss, repository.ErrKey, repository.ErrMissing, repository.ErrNoBackup, os.ErrNotExist, os.ErrPermission, unix.EISDIR, unix.ENOTDIR,
	} {
		if errors.Is(err, lasting) {
			return false
		}
	}
	return true
}
