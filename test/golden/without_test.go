package golden_test

import (
	"context"
	"encoding/json"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/soda-cdm/kahu/internal/core/archive"
	"github.com/soda-cdm/kahu/internal/engine"
	"github.com/soda-cdm/kahu/internal/engine/removal"
)

// TestWithoutOtherBackups deletes each backup of each location, and then all but it, in copies of the location, as the product
// does, and collects what nobody needs any more: the others stay what they were. So it is with a base and all that build on it.
func TestWithoutOtherBackups(t *testing.T) {
	t.Parallel()
	shared, removed := 0, 0
	for name, folder := range locations(t) {
		ids := load(t, folder).discover()
		for at := range ids {
			gone, others := ids[at:at+1], slices.Delete(slices.Clone(ids), at, at+1)
			for _, gone := range [][]archive.BackupID{gone, others} {
				if len(gone) == 0 || len(gone) == len(ids) {
					continue
				}
				w := load(t, folder)
				before := w.segmentsOf(gone)
				w.remove(gone)
				after := w.segmentsOf(gone)
				shared, removed = shared+len(after), removed+len(before)-len(after)
				if diff := cmp.Diff(without(t, expected(t, folder), gone), w.values()); diff != "" {
					t.Errorf("%s without %v: what was written (-) is not what is read (+):\n%s", name, gone, diff)
				}
			}
		}
	}
	if shared == 0 || removed == 0 {
		t.Errorf("%d segments of backups that were deleted are needed by others, and %d by nobody", shared, removed)
	}
}

// remove deletes backups, and collects until nothing is left to collect.
func (w *world) remove(ids []archive.BackupID) {
	w.t.Helper()
	for _, id := range ids {
		check(w.t, removal.Delete(w.t.Context(), w.files, id))
	}
	collection := &removal.Collection{
		ClusterID: clusterID, Grace: time.Nanosecond,
		Running: func(context.Context) (func(archive.BackupID) bool, error) {
			return func(archive.BackupID) bool { return false }, nil
		},
		Owned: func(ctx context.Context) error { return w.location().CheckOwner(ctx, clusterID, nonce) },
	}
	for range 3 { // What is found abandoned goes the next time.
		result, err := collection.Run(w.t.Context(), w.files)
		check(w.t, err)
		if len(result.Unknown) > 0 {
			w.t.Errorf("of these nobody knows what they need: %v", result.Unknown)
		}
	}
	needed := map[string]bool{}
	for _, other := range w.discover() {
		manifest := w.manifestOf(other)
		for _, segment := range manifest.Segments {
			needed[segment.Name] = true
		}
	}
	for _, name := range w.names() {
		if strings.Contains(name, "/segments/") && !needed[name] {
			w.t.Errorf("nobody needs %s, and it is there", name)
		}
	}
}

// segmentsOf returns the segments that are there of those that backups wrote themselves.
func (w *world) segmentsOf(ids []archive.BackupID) []string {
	w.t.Helper()
	return slices.DeleteFunc(w.names(), func(name string) bool {
		return !slices.ContainsFunc(ids, func(id archive.BackupID) bool { return strings.Contains(name, "/segments/first"+id.Name+"-") })
	})
}

func (w *world) manifestOf(id archive.BackupID) archive.Manifest {
	w.t.Helper()
	manifest, err := engine.ReadManifest(w.t.Context(), w.files, id)
	check(w.t, err)
	return manifest
}

// foreign counts the segments of a backup that another one wrote.
func (w *world) foreign(manifest *archive.Manifest) int {
	count := 0
	for _, segment := range manifest.Segments {
		if !strings.Contains(segment.Name, "/segments/"+manifest.Attempt+"-") {
			count++
		}
	}
	return count
}

// values returns all that is read.
func (w *world) values() any {
	w.t.Helper()
	found, err := json.Marshal(w.read())
	check(w.t, err)
	return values(w.t, found)
}

// without returns what is to be read of a location where backups are no more.
func without(t *testing.T, all any, ids []archive.BackupID) any {
	t.Helper()
	fields, _ := all.(map[string]any)
	backups, _ := fields["backups"].([]any)
	left := slices.DeleteFunc(slices.Clone(backups), func(backup any) bool {
		fields, _ := backup.(map[string]any)
		of, _ := fields["id"].(map[string]any)
		return slices.ContainsFunc(ids, func(id archive.BackupID) bool { return of["name"] == id.Name })
	})
	if len(left) != len(backups)-len(ids) {
		t.Fatalf("%d backups are expected, and without %v as many as %d", len(backups), ids, len(left))
	}
	fields["backups"] = left
	return fields
}
