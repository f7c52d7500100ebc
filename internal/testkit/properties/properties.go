// Package properties says what holds of a store after whatever happened: what campaigns check that kill managers, or
// let stores and API servers fail.
package properties

import (
	"context"
	"fmt"
	"slices"
	"strings"

	"github.com/google/go-cmp/cmp"
	"k8s.io/utils/clock"

	"github.com/soda-cdm/kahu/internal/core"
	"github.com/soda-cdm/kahu/internal/core/archive"
	"github.com/soda-cdm/kahu/internal/engine"
	"github.com/soda-cdm/kahu/internal/engine/restore"
	"github.com/soda-cdm/kahu/internal/testkit/fakecluster"
)

// Files are the files of a location.
type Files interface {
	engine.FileReader
	engine.FileCreator
	engine.FileReplacer
	engine.FileLister
	engine.FileRemover
}

// Restored restores a whole backup into a cluster in memory, every byte of it checked on the way, and returns what is
// there then, by name.
func Restored(ctx context.Context, files Files, id archive.BackupID) (map[string]string, error) {
	manifest, err := engine.ReadManifest(ctx, files, id)
	if err != nil {
		return nil, err
	}
	kinds := make([]core.Kind, 0, len(manifest.Kinds))
	for i := range manifest.Kinds {
		kinds = append(kinds, manifest.Kinds[i].Kind)
	}
	target := fakecluster.New(kinds...)
	use := &restore.Runner{Cluster: target, Clock: clock.RealClock{}, Creators: 4}
	result, err := use.Run(ctx, restore.Request{Backup: id}, files)
	if err != nil {
		return nil, err
	}
	if result.FailedTotal > 0 {
		return nil, fmt.Errorf("%d objects cannot be restored: %+v", result.FailedTotal, result.Failed)
	}
	return target.Contents(), nil
}

// Whole says what is wrong if a full restore of a Completed backup does not give back exactly what was selected.
func Whole(ctx context.Context, files Files, id archive.BackupID, want map[string]string) []string {
	found, err := Restored(ctx, files, id)
	if err != nil {
		return []string{"it is Completed and cannot be restored: " + err.Error()}
	}
	if diff := cmp.Diff(want, found); diff != "" {
		return []string{"it is Completed and not what was selected: " + diff}
	}
	return nil
}

// Debris says which of the files of a location nothing leads to, and which are led to and not there. What restores left
// is theirs.
func Debris(ctx context.Context, files Files, names []string) []string {
	known := map[string]bool{archive.MarkerName: true}
	for _, name := range names {
		id, is := archive.ParseManifestName(name)
		if !is {
			continue
		}
		manifest, err := engine.ReadManifest(ctx, files, id)
		if err != nil {
			return []string{fmt.Sprintf("manifest %s: %v", name, err)}
		}
		known[name] = true
		known[manifest.Encryption.Comparison.File.Name] = true // It may be gone.
		for _, file := range manifest.Files() {
			known[file.Name] = true
			if !slices.Contains(names, file.Name) {
				return []string{fmt.Sprintf("manifest %s names %s, which is not there", name, file.Name)}
			}
		}
	}
	var debris []string
	for _, name := range names {
		if !known[name] && !strings.HasSuffix(name, "/owner.json") && !strings.HasSuffix(name, "/clock.json") && !strings.Contains(name, "/restores/") {
			debris = append(debris, "nothing leads to "+name)
		}
	}
	return debris
}
