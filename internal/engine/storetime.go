package engine

import (
	"context"
	"time"

	"github.com/soda-cdm/kahu/internal/core"
	"github.com/soda-cdm/kahu/internal/core/archive"
)

// ClockFiles is what it takes to ask a store for its time.
type ClockFiles interface {
	FileLister
	FileReplacer
}

// StoreTime returns the time by the store's own clock: that of a file just written in a cluster's part. It is zero where the
// store does not say when files were written. The file stays: two who ask at once write the same.
func StoreTime(ctx context.Context, files ClockFiles, clusterID string) (time.Time, error) {
	name := archive.ClockName(clusterID)
	if err := files.Replace(ctx, name, []byte("{}\n")); err != nil {
		return time.Time{}, err
	}
	var now time.Time
	err := files.List(ctx, name, func(file core.FileInfo) error {
		if file.Name == name {
			now = file.Modified
		}
		return nil
	})
	return now, err
}
