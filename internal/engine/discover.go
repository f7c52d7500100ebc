package engine

import (
	"bytes"
	"context"
	"fmt"

	"github.com/soda-cdm/kahu/internal/core"
	"github.com/soda-cdm/kahu/internal/core/archive"
)

// Discover visits every backup of every cluster in the store, in the order of their names. It reads no manifest: that
// one is there is known, whether it can be used is not.
func Discover(ctx context.Context, files FileLister, visit func(id archive.BackupID) error) error {
	return files.List(ctx, archive.ClustersFolder, func(file core.FileInfo) error {
		id, ok := archive.ParseManifestName(file.Name)
		if !ok {
			return nil
		}
		return visit(id)
	})
}

// ReadManifest reads the manifest of one backup. It is core.ErrNotFound where the store has no such backup,
// core.ErrCorrupt where the manifest does not match its own digest or belongs to another backup, and an
// archive.NewerFormatError where it was written by a newer release.
func ReadManifest(ctx context.Context, files FileReader, id archive.BackupID) (archive.Manifest, error) {
	if err := id.Check(); err != nil {
		return archive.Manifest{}, err
	}
	content, err := readBounded(ctx, files, id.ManifestName(), archive.MaxManifestSize)
	if err != nil {
		return archive.Manifest{}, err
	}
	manifest, err := archive.DecodeManifest(bytes.NewReader(content))
	if err != nil {
		return archive.Manifest{}, fmt.Errorf("%s: %w", id.ManifestName(), err)
	}
	if manifest.ID != id {
		return archive.Manifest{}, fmt.Errorf("%s is the manifest of backup %s: %w",
			id.ManifestName(), manifest.ID, core.ErrCorrupt)
	}
	return manifest, nil
}
