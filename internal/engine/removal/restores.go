package removal

import (
	"context"

	"github.com/soda-cdm/kahu/internal/core"
	"github.com/soda-cdm/kahu/internal/core/archive"
	"github.com/soda-cdm/kahu/internal/engine"
)

// SweptFiles is what sweeping the files of restores asks of a store.
type SweptFiles interface {
	engine.FileLister
	engine.FileRemover
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
