package location

import (
	"context"
	"errors"

	"github.com/soda-cdm/kahu/internal/core"
	"github.com/soda-cdm/kahu/internal/core/archive"
	"github.com/soda-cdm/kahu/internal/engine"
)

// Discover visits every backup of every cluster in the store, in the order of their names. It reads no manifest: that
// one is there is known, whether it can be used is not.
func Discover(ctx context.Context, files engine.FileLister, visit func(id archive.BackupID) error) error {
	return files.List(ctx, archive.ClustersFolder, func(file core.FileInfo) error {
		id, ok := archive.ParseManifestName(file.Name)
		if !ok {
			return nil
		}
		return visit(id)
	})
}

// maxFound bounds what FindBackups returns: enough to show that a name is not enough.
const maxFound = 10

var errEnough = errors.New("enough was found")

// FindBackups returns backups of a name, at most 10, in the order of their names in the store. An empty cluster or UID stands
// for any; where neither is empty, the store is not asked.
func FindBackups(ctx context.Context, files engine.FileLister, wish archive.BackupID) ([]archive.BackupID, error) {
	if wish.ClusterID != "" && wish.UID != "" {
		return []archive.BackupID{wish}, wish.Check()
	}
	folder, err := folderOf(wish)
	if err != nil {
		return nil, err
	}
	var found []archive.BackupID
	err = files.List(ctx, folder, func(file core.FileInfo) error {
		id, ok := archive.ParseManifestName(file.Name)
		if ok && isWished(id, wish) {
			found = append(found, id)
		}
		if len(found) == maxFound {
			return errEnough
		}
		return nil
	})
	if err != nil && !errors.Is(err, errEnough) {
		return nil, err
	}
	return found, nil
}

// isWished tells whether a backup is one that is looked for, in whatever cluster.
func isWished(id, wish archive.BackupID) bool {
	return id.Name == wish.Name && (wish.UID == "" || wish.UID == id.UID)
}

// folderOf returns the folder in which the backups that are looked for lie.
func folderOf(wish archive.BackupID) (string, error) {
	if wish.ClusterID == "" {
		return archive.ClustersFolder, nil
	}
	return archive.BackupsFolder(wish.ClusterID), archive.CheckClusterID(wish.ClusterID)
}
