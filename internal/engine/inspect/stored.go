package inspect

import (
	"context"

	"github.com/soda-cdm/kahu/internal/core/archive"
	"github.com/soda-cdm/kahu/internal/engine"
)

// Stored is a backup at its location.
type Stored struct {
	Backup archive.BackupID
	Files  engine.FileReader
	// Keys opens it where it is encrypted; nil where nothing can.
	Keys engine.Keys
}

// open returns the manifest, and what reads the files that it names.
func (s Stored) open(ctx context.Context) (archive.Manifest, *engine.Contents, error) {
	manifest, err := engine.ReadManifest(ctx, s.Files, s.Backup)
	if err != nil {
		return archive.Manifest{}, nil, err
	}
	contents, err := engine.ContentsOf(ctx, s.Files, s.Keys, &manifest)
	return manifest, contents, err
}
