package kill_test

import (
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/google/go-cmp/cmp"
	"k8s.io/utils/clock"
	"sigs.k8s.io/controller-runtime/pkg/client"

	kahuv1 "github.com/soda-cdm/kahu/api/v1beta1"
	"github.com/soda-cdm/kahu/internal/core"
	"github.com/soda-cdm/kahu/internal/core/archive"
	"github.com/soda-cdm/kahu/internal/engine"
	"github.com/soda-cdm/kahu/internal/engine/restore"
	"github.com/soda-cdm/kahu/internal/store"
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
	found, err := w.restored(idOf(backup), w.files)
	if err != nil {
		w.t.Fatal(err)
	}
	return found
}

// restored restores a whole backup into a cluster in memory, every byte of it checked on the way.
func (w *world) restored(id archive.BackupID, from *store.Store) (map[string]string, error) {
	manifest, err := engine.ReadManifest(w.t.Context(), from, id)
	if err != nil {
		return nil, err
	}
	kinds := make([]core.Kind, 0, len(manifest.Kinds))
	for _, kind := range manifest.Kinds {
		kinds = append(kinds, kind.Kind)
	}
	target := fakecluster.New(kinds...)
	use := &restore.Runner{Cluster: target, Clock: clock.RealClock{}, Creators: 4}
	result, err := use.Run(w.t.Context(), restore.Request{Backup: id}, from)
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
	return w.compareAt(w.files, backup, want)
}

// compareAt does so with the backup as it is at one of the locations.
func (w *world) compareAt(from *store.Store, backup *kahuv1.Backup, want map[string]string) []string {
	w.t.Helper()
	found, err := w.restored(idOf(backup), from)
	if err != nil {
		return []string{"it is Completed and cannot be restored: " + err.Error()}
	}
	if diff := cmp.Diff(want, found); diff != "" {
		return []string{"it is Completed and not what was selected: " + diff}
	}
	return nil
}

// places are the files of the locations.
func (w *world) places() map[string]*store.Store {
	return map[string]*store.Store{location: w.files, offsite: w.copied}
}

// named returns the files of a location, those to which something leads, and which manifests name files that are not there.
func (w *world) named(at string) (names []string, known map[string]bool, wrong []string) {
	w.t.Helper()
	names, known = w.namesAt(at), map[string]bool{archive.MarkerName: true}
	for _, name := range names {
		id, is := archive.ParseManifestName(name)
		if !is {
			continue
		}
		manifest, err := engine.ReadManifest(w.t.Context(), w.places()[at], id)
		if errors.Is(err, core.ErrNotFound) {
			continue // A manager that works on has removed it meanwhile.
		}
		if err != nil {
			wrong = append(wrong, fmt.Sprintf("manifest %s: %v", name, err))
			continue
		}
		known[name] = true
		for _, file := range manifest.Files() {
			known[file.Name] = true
			if !slices.Contains(names, file.Name) {
				wrong = append(wrong, fmt.Sprintf("manifest %s at %s names %s, which is not there", name, at, file.Name))
			}
		}
	}
	return names, known, wrong
}

// broken returns the manifests that name files that are not there.
func (w *world) broken() []string {
	w.t.Helper()
	var all []string
	for at := range w.places() {
		_, _, wrong := w.named(at)
		all = append(all, wrong...)
	}
	return all
}

// debris returns the files that nothing leads to, and the manifests that are broken.
func (w *world) debris() []string {
	w.t.Helper()
	var all []string
	for at := range w.places() {
		names, known, debris := w.named(at)
		for _, name := range names {
			if !known[name] && !strings.HasSuffix(name, "/owner.json") && !strings.Contains(name, "/restores/") {
				debris = append(debris, fmt.Sprintf("at %s nothing leads to %s", at, name))
			}
		}
		all = append(all, debris...)
	}
	return all
}
