package engine

import (
	"context"
	"strings"
	"time"

	"github.com/soda-cdm/kahu/internal/core"
	"github.com/soda-cdm/kahu/internal/core/archive"
	"github.com/soda-cdm/kahu/internal/core/transform"
)

// The bounds of the writing of a file: a time for each, and for each MiB of it; and the time that is left for it when the run has
// been told to end.
const (
	writeTime         = time.Minute
	writeTimePerMiB   = 10 * time.Second
	writeTimeAtTheEnd = 10 * time.Second
)

// report writes what happened to the location. A place that cannot be written costs the report and nothing else.
func (r *restoreRun) finishReport(ctx context.Context, failure error) {
	if failure != nil {
		r.note(core.Key{}, "Ended", failure.Error())
	}
	content, err := r.close()
	if r.request.ID == (archive.RestoreID{}) {
		return
	}
	if err == nil {
		name := r.request.ID.ReportName(r.request.Attempt)
		err = r.writeFile(ctx, name, content)
		if err == nil {
			r.reported = name
			return
		}
	}
	r.warn(core.Key{}, "the report could not be written to the location: "+err.Error())
}

// writeFile writes a file of the restore, even where the run has been told to end.
func (r *restoreRun) writeFile(ctx context.Context, name string, content []byte) error {
	if err := r.request.ID.Check(); err != nil {
		return err
	}
	if !r.request.Epoch.IsZero() {
		sealed, err := r.request.Epoch.SealBytes(content)
		if err != nil {
			return err
		}
		content = sealed
	}
	most := writeTime + time.Duration(len(content)>>20)*writeTimePerMiB //nolint:mnd // Bytes of a MiB.
	writing, cancel := context.WithTimeout(context.WithoutCancel(ctx), most)
	defer cancel()
	ended := context.AfterFunc(ctx, func() { time.AfterFunc(writeTimeAtTheEnd, cancel) })
	defer ended()
	return createFile(writing, r.written, name, content)
}

// noteChange writes a change into the report, unless it is made to every object.
func (r *restoreRun) noteChange(key core.Key, change transform.Change) {
	switch field, inMetadata := strings.CutPrefix(change.Path, "metadata."); field {
	case "uid", "resourceVersion", "generation", "creationTimestamp", "selfLink", "managedFields":
		if inMetadata {
			return
		}
	case "status":
		return
	}
	r.note(key, "Changed", change.Path+": "+change.Reason)
}

// SweptFiles is what sweeping the files of restores asks of a store.
type SweptFiles interface {
	FileLister
	FileRemover
}

// SweepRestores removes the files of those restores of a cluster that are gone.
func SweepRestores(ctx context.Context, files SweptFiles, clusterID string, over map[archive.RestoreID]bool) error {
	var gone []string
	err := files.List(ctx, archive.RestoresFolder(clusterID), func(file core.FileInfo) error {
		if id, is := archive.ParseRestoreFile(file.Name); is && over[id] {
			gone = append(gone, file.Name)
		}
		return nil
	})
	if err != nil {
		return err
	}
	for _, name := range gone {
		if err := files.Remove(ctx, name); err != nil {
			return err
		}
	}
	return nil
}
