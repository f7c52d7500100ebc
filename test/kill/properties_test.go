package kill_test

import (
	"fmt"
	"path/filepath"
	"slices"
	"strings"

	"github.com/google/go-cmp/cmp"
	"k8s.io/utils/clock"
	"sigs.k8s.io/controller-runtime/pkg/client"

	kahuv1 "github.com/soda-cdm/kahu/api/v1beta1"
	"github.com/soda-cdm/kahu/internal/core"
	"github.com/soda-cdm/kahu/internal/core/archive"
	"github.com/soda-cdm/kahu/internal/engine"
	"github.com/soda-cdm/kahu/internal/testkit/fakecluster"
)

func inApp(namespace string) []client.ListOption {
	return []client.ListOption{client.InNamespace(namespace), client.MatchingLabels{"app": "shop"}}
}

func idOf(backup *kahuv1.Backup) archive.BackupID {
	return archive.BackupID{ClusterID: backup.Status.ClusterID, Name: backup.Name, UID: string(backup.UID)}
}

// contents returns what a full restore of the backup gives back.
func (w *world) contents(backup *kahuv1.Backup) map[string]string {
	w.t.Helper()
	found, err := w.restored(idOf(backup))
	if err != nil {
		w.t.Fatal(err)
	}
	return found
}

// restored restores a whole backup into a cluster in memory, every byte of it checked on the way.
func (w *world) restored(id archive.BackupID) (map[string]string, error) {
	manifest, err := engine.ReadManifest(w.t.Context(), w.files, id)
	if err != nil {
		return nil, err
	}
	kinds := make([]core.Kind, 0, len(manifest.Kinds))
	for _, kind := range manifest.Kinds {
		kinds = append(kinds, kind.Kind)
	}
	target := fakecluster.New(kinds...)
	use := &engine.Restore{Cluster: target, Clock: clock.RealClock{}, Creators: 4}
	result, err := use.Run(w.t.Context(), engine.RestoreRequest{Backup: id}, w.files)
	if err != nil {
		return nil, err
	}
	if result.FailedTotal > 0 {
		return nil, fmt.Errorf("%d objects cannot be restored: %+v", result.FailedTotal, result.Failed)
	}
	return target.Contents(), nil
}

// compare says whether a full restore of a backup gives back exactly what was selected.
func (w *world) compare(backup *kahuv1.Backup, want map[string]string) []string {
	w.t.Helper()
	found, err := w.restored(idOf(backup))
	if err != nil {
		return []string{"it is Completed and cannot be restored: " + err.Error()}
	}
	if diff := cmp.Diff(want, found); diff != "" {
		return []string{"it is Completed and not what was selected: " + diff}
	}
	return nil
}

// debris returns the files that nothing leads to.
func (w *world) debris() []string {
	w.t.Helper()
	names := w.names()
	known := map[string]bool{archive.MarkerName: true}
	for _, name := range names {
		id, is := archive.ParseManifestName(name)
		if !is {
			continue
		}
		manifest, err := engine.ReadManifest(w.t.Context(), w.files, id)
		if err != nil {
			return []string{fmt.Sprintf("manifest %s: %v", name, err)}
		}
		known[name] = true
		for _, file := range manifest.Files() {
			known[file.Name] = true
			if !slices.Contains(names, file.Name) {
				return []string{fmt.Sprintf("manifest %s names %s, which is not there", name, file.Name)}
			}
		}
	}
	var debris []string
	for _, name := range names {
		if !known[name] && !strings.HasSuffix(name, "/owner.json") && !strings.Contains(name, "/restores/") {
			debris = append(debris, "nothing leads to "+name)
		}
	}
	return debris
}

// createdTwice returns the objects of which one name was created more than once, by whichever managers.
func (w *world) createdTwice() []string {
	w.t.Helper()
	files, err := filepath.Glob(filepath.Join(w.folder, "audit-*"))
	if err != nil {
		w.t.Fatal(err)
	}
	created := map[string]int{}
	for _, file := range files {
		for _, line := range w.audit(strings.TrimPrefix(filepath.Base(file), "audit-")) {
			if line.Object != "" {
				created[line.What+"/"+line.Object]++
			}
		}
	}
	var wrong []string
	for what, times := range created {
		if times > 1 {
			wrong = append(wrong, fmt.Sprintf("%s was created %d times", what, times))
		}
	}
	w.t.Logf("%d objects were created", len(created))
	return wrong
}
