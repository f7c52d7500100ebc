package removal

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/soda-cdm/kahu/internal/core"
	"github.com/soda-cdm/kahu/internal/core/archive"
	"github.com/soda-cdm/kahu/internal/core/collection"
	"github.com/soda-cdm/kahu/internal/engine"
)

// CollectionFiles is what a collection asks of a store.
type CollectionFiles interface {
	Files
	engine.FileReplacer
}

// Collection removes from a cluster's part of a location what nobody needs: segments that no manifest names any more, and
// what runs left that ended where nobody could clean up after them.
type Collection struct {
	// ClusterID is the cluster in whose folder it looks.
	ClusterID string
	// Grace is for how long nothing of an attempt must have been written, by the store's own clock, before anything of it
	// is removed. It must be many times as long as a manifest takes to be written.
	Grace time.Duration
	// Running returns a function that tells which backups an attempt could make real at the time of the call.
	Running func(ctx context.Context) (func(id archive.BackupID) bool, error)
	// Owned returns an error unless the place is the one that it should be and this process claimed this cluster's part of it
	// last. It is asked again and again while files are removed: see engine.Remover, of which Window is the bound.
	Owned  func(ctx context.Context) error
	Window time.Duration
	// Memory may be nil.
	Memory *Memory
}

// Collected is what became of a collection.
type Collected struct {
	// Segments and Others are how many files were removed.
	Segments, Others int
	// Kept is how many segments are still there, and why.
	Kept map[collection.Reason]int
	// Unknown are backups of which nobody can say what they need, so that no segment was removed.
	Unknown []archive.BackupID
	// Again tells that there will be more to remove as soon as the runs that were found to be abandoned cannot come back.
	Again bool
}

// Add adds what became of another collection.
func (c *Collected) Add(other Collected) {
	c.Segments, c.Others, c.Again = c.Segments+other.Segments, c.Others+other.Others, c.Again || other.Again
	c.Unknown = append(c.Unknown, other.Unknown...)
	for why, number := range other.Kept {
		if c.Kept == nil {
			c.Kept = map[collection.Reason]int{}
		}
		c.Kept[why] += number
	}
}

// Run collects once. A store that cannot list gives core.ErrUnsupported.
func (c *Collection) Run(ctx context.Context, files CollectionFiles) (Collected, error) {
	if err := c.Owned(ctx); err != nil {
		return Collected{}, err
	}
	if nothing, err := isEmpty(ctx, files, c.ClusterID); err != nil || nothing {
		return Collected{}, err
	}
	verdict, now, err := c.judge(ctx, files)
	if err != nil {
		return Collected{}, err
	}
	result := Collected{Kept: verdict.Kept, Unknown: verdict.Unknown, Again: verdict.Kept[collection.Abandoned] > 0}
	for _, id := range verdict.Folders {
		removed, err := c.clear(ctx, files, id, now)
		result.Others += removed
		if err != nil {
			return result, err
		}
	}
	for _, garbage := range verdict.Garbage {
		removed, err := c.remover(files).Remove(ctx, slices.Collect(garbage.Names()))
		result.Segments += removed
		if err != nil {
			return result, err
		}
	}
	return result, nil
}

func (c *Collection) remover(files engine.FileRemover) *engine.Remover {
	return &engine.Remover{Files: files, Owned: c.Owned, Window: c.Window}
}

// judge surveys the cluster's part, by the store's time at which it began.
func (c *Collection) judge(ctx context.Context, files CollectionFiles) (collection.Verdict, time.Time, error) {
	now, err := engine.StoreTime(ctx, files, c.ClusterID)
	if err != nil {
		return collection.Verdict{}, now, fmt.Errorf("asking the store for its time: %w", err)
	}
	running, err := c.Running(ctx)
	if err != nil {
		return collection.Verdict{}, now, err
	}
	survey := collection.NewSurvey(c.ClusterID, collection.Terms{Now: now, Grace: c.Grace, Running: running})
	surveyor := surveyor{
		files: files, clusterID: c.ClusterID, survey: survey, memory: c.Memory, wanted: func(string) bool { return true },
	}
	if err := surveyor.fill(ctx); err != nil {
		return collection.Verdict{}, now, err
	}
	return survey.Decide(), now, nil
}

// clear removes what lies in a backup's folder and belongs to no backup. What was written there since the survey says that
// somebody lives.
func (c *Collection) clear(ctx context.Context, files CollectionFiles, id archive.BackupID, now time.Time) (int, error) {
	var names []string
	lives := false
	err := files.List(ctx, id.Folder(), func(file core.FileInfo) error {
		names = append(names, file.Name)
		lives = lives || now.Sub(file.Modified) < c.Grace
		return nil
	})
	if err != nil || lives {
		return 0, err
	}
	var made *archive.Manifest
	manifest, err := engine.ReadManifest(ctx, files, id)
	switch {
	case err == nil:
		made = &manifest
	case isUnreadable(err):
		return 0, nil
	case !errors.Is(err, core.ErrNotFound):
		return 0, err
	}
	return c.remover(files).Remove(ctx, collection.Leftovers(id, names, made))
}

var errThere = errors.New("something is there")

// isEmpty tells whether a cluster has nothing at the location.
func isEmpty(ctx context.Context, files engine.FileLister, clusterID string) (bool, error) {
	for _, folder := range []string{archive.SegmentsFolder(clusterID), archive.BackupsFolder(clusterID)} {
		err := files.List(ctx, folder, func(core.FileInfo) error { return errThere })
		if errors.Is(err, errThere) {
			return false, nil
		}
		if err != nil {
			return false, err
		}
	}
	return true, nil
}

// unshared returns the segments of attempts at a backup whose manifest is gone, as far as nobody else needs them. A store
// that cannot list has no segments that are shared, as nobody builds on a base there.
func unshared(ctx context.Context, files Files, memory *Memory, id archive.BackupID, left traces) (free []string, err error) {
	of := map[string]bool{}
	for _, attempt := range left.attempts {
		of[attempt] = true
	}
	survey := collection.NewSurvey(id.ClusterID, collection.Terms{Running: func(archive.BackupID) bool { return true }})
	for _, name := range left.segments {
		survey.Segment(core.FileInfo{Name: name}) // A list that is behind may lack one that the other had.
	}
	surveyor := surveyor{
		files: files, clusterID: id.ClusterID, survey: survey, memory: memory, without: id,
		wanted: func(attempt string) bool { return of[attempt] },
	}
	if err := surveyor.fill(ctx); err != nil {
		return nil, err
	}
	verdict := survey.Decide()
	for _, garbage := range verdict.Garbage {
		for name := range garbage.Names() {
			free = append(free, name)
		}
	}
	return free, nil
}
