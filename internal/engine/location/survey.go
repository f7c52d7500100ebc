package location

import (
	"cmp"
	"context"
	"slices"
	"strings"
	"time"

	"github.com/soda-cdm/kahu/internal/core"
	"github.com/soda-cdm/kahu/internal/core/archive"
	"github.com/soda-cdm/kahu/internal/engine"
)

// Part is what a cluster has at a location. The times are those that the store gave its files, the zero value where it gives
// none.
type Part struct {
	// ClusterID is the cluster.
	ClusterID string
	// Files and Backups are how many there are.
	Files, Backups int
	// NewestBackup is when the newest manifest was written, Newest the newest file of all, Owner the owner file.
	NewestBackup, Newest, Owner time.Time
}

// Findings are what lies at a location.
type Findings struct {
	// Backups are in the order of their names. That one is there is known, whether it can be used is not.
	Backups []archive.BackupID
	// Parts are those of all clusters, by their ids.
	Parts []Part
}

// Survey goes through all files of all clusters. It reads none of them.
func Survey(ctx context.Context, files engine.FileLister) (Findings, error) {
	found, parts := Findings{}, map[string]*Part{}
	err := files.List(ctx, archive.ClustersFolder, func(file core.FileInfo) error {
		clusterID, _, _ := strings.Cut(strings.TrimPrefix(file.Name, archive.ClustersFolder), "/")
		if parts[clusterID] == nil {
			parts[clusterID] = &Part{ClusterID: clusterID}
		}
		if parts[clusterID].note(file) {
			id, _ := archive.ParseManifestName(file.Name)
			found.Backups = append(found.Backups, id)
		}
		return nil
	})
	for clusterID, part := range parts {
		if archive.CheckClusterID(clusterID) == nil {
			found.Parts = append(found.Parts, *part)
		}
	}
	slices.SortFunc(found.Parts, func(a, b Part) int { return cmp.Compare(a.ClusterID, b.ClusterID) })
	return found, err
}

// PartOf goes through the files of one cluster.
func PartOf(ctx context.Context, files engine.FileLister, clusterID string) (Part, error) {
	part := Part{ClusterID: clusterID}
	err := files.List(ctx, archive.ClusterFolder(clusterID), func(file core.FileInfo) error {
		part.note(file)
		return nil
	})
	return part, err
}

// note adds a file, and tells whether it makes a backup.
func (p *Part) note(file core.FileInfo) (isManifest bool) {
	p.Files++
	p.Newest = later(p.Newest, file.Modified)
	if file.Name == archive.OwnerName(p.ClusterID) {
		p.Owner = file.Modified
	}
	if _, isManifest = archive.ParseManifestName(file.Name); isManifest {
		p.Backups++
		p.NewestBackup = later(p.NewestBackup, file.Modified)
	}
	return isManifest
}

func later(a, b time.Time) time.Time {
	if b.After(a) {
		return b
	}
	return a
}
