package golden_test

import (
	"cmp"
	"context"
	"encoding/json"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/soda-cdm/kahu/internal/core"
	"github.com/soda-cdm/kahu/internal/core/archive"
	"github.com/soda-cdm/kahu/internal/core/volumeplan"
	"github.com/soda-cdm/kahu/internal/core/volumework"
)

// disks back volumes up without a cluster: by snapshots that stay, of which two are cut together, and one by other means.
type disks struct{}

const (
	snapshotDriver = "disks.example.com"
	tapeDriver     = "tapes.example.com"
)

// Look has a volume of each way.
func (disks) Look(_ context.Context, wanted []core.Key) (volumeplan.Facts, error) {
	facts := volumeplan.Facts{
		Providers: []volumeplan.Provider{
			{Name: "csi", NeedsSnapshot: true, KeepsSnapshot: true, Drivers: []string{snapshotDriver}},
			{Name: "tapes", Offloads: true, Drivers: []string{tapeDriver}},
		},
		Locations: []volumeplan.Location{{Name: "vault", Provider: "tapes"}},
		Classes:   []volumeplan.Class{{Name: "snap", Driver: snapshotDriver}},
	}
	for _, key := range wanted {
		claim := volumeplan.Claim{
			Namespace: key.Namespace, Name: key.Name, UID: "uid-of-" + key.Name, Volume: "volume-of-" + key.Name, Source: "csi",
			Driver: snapshotDriver, StorageClass: "fast", Size: 1 << 30, Mode: "Filesystem",
		}
		if strings.HasPrefix(key.Name, "tape") {
			claim.Driver, claim.Mode = tapeDriver, "Block"
		}
		facts.Claims = append(facts.Claims, claim)
	}
	return facts, nil
}

// Begun knows of no earlier attempt.
func (disks) Begun(context.Context, volumework.Run) ([]volumeplan.Decision, error) { return nil, nil }

func (disks) Cut(context.Context, volumework.Run, volumework.Moment, []volumeplan.Decision) (map[core.Key]error, error) {
	return map[core.Key]error{}, nil
}

func (disks) Drop(context.Context, volumework.Run, []core.Key) error { return nil }

func (disks) Release(context.Context, volumework.Run) error { return nil }

// BackUp answers as the providers would, with all that they may say.
func (disks) BackUp(
	_ context.Context, _ volumework.Run, chosen []volumeplan.Decision, _ func(volumework.Progress),
) ([]volumework.Outcome, error) {
	var outcomes []volumework.Outcome
	for _, each := range chosen {
		outcome := volumework.Outcome{
			Decision: each, Handle: "snapshot-of-" + each.Claim.Name, Cut: time.Date(2026, time.November, 21, 20, 30, 1, 250_000_000, time.UTC),
			Attributes: map[string]string{"driver": snapshotDriver, "restoreSize": "1073741824", "volumeMode": "Filesystem"},
		}
		if strings.HasPrefix(each.Claim.Name, "tape") {
			outcome.Handle, outcome.Attributes, outcome.Cut, outcome.Bytes = "tape-7", nil, time.Time{}, new(int64(5_000_000_000))
		}
		outcomes = append(outcomes, outcome)
	}
	return outcomes, nil
}

// shelves restore volumes without a cluster, and remember what they were asked for.
type shelves struct {
	mutex  sync.Mutex
	orders []volumework.RestoreOrder
}

func (*shelves) Away(context.Context, string) (string, error) { return "", nil }

func (*shelves) KeepsSnapshots(context.Context, string) (bool, error) { return false, nil }

// Make answers with a volume, or with an object from which one is made.
func (s *shelves) Make(_ context.Context, _ volumework.Run, order volumework.RestoreOrder) (volumework.Made, error) {
	s.mutex.Lock()
	defer s.mutex.Unlock()
	s.orders = append(s.orders, order)
	if order.Provider == "tapes" {
		return volumework.Made{Volume: "volume-from-tape"}, nil
	}
	return volumework.Made{Group: "snapshot.storage.k8s.io", Kind: "VolumeSnapshot", Source: "from-" + order.Name}, nil
}

func (*shelves) Await(
	_ context.Context, _ volumework.Run, wish volumework.Awaited, _ func([]volumework.Restored),
) ([]volumework.Restored, error) {
	var found []volumework.Restored
	for _, claim := range wish.Claims {
		found = append(found, volumework.Restored{Claim: claim, State: volumework.Done})
	}
	return found, nil
}

func (*shelves) Watch(ctx context.Context, _ volumework.Run, _ func(volumework.Progress)) {
	<-ctx.Done()
}

// ordered are the orders in the order of their claims.
func (s *shelves) ordered() []volumeReading {
	found := []volumeReading{}
	for _, order := range s.orders {
		found = append(found, volumeReading{
			Namespace: order.Namespace, Name: order.Name, Provider: order.Provider, Location: order.Location,
			Handle: order.Handle, Attributes: order.Attributes, Claim: json.RawMessage(order.Claim),
		})
	}
	slices.SortFunc(found, func(a, b volumeReading) int {
		return cmp.Or(cmp.Compare(a.Namespace, b.Namespace), cmp.Compare(a.Name, b.Name))
	})
	return found
}

// volumeReading is what a provider is asked to restore.
type volumeReading struct {
	Namespace  string            `json:"namespace"`
	Name       string            `json:"name"`
	Provider   string            `json:"provider"`
	Location   string            `json:"location,omitempty"`
	Handle     string            `json:"handle"`
	Attributes map[string]string `json:"attributes,omitempty"`
	Claim      json.RawMessage   `json:"claim"`
}

// writeVolumes writes a backup with the data of volumes, and one without that has their claims.
func writeVolumes(w *world) *world {
	w.t.Helper()
	for _, name := range []string{"data", "log", "tape"} {
		w.cluster.Put(w.t, claims, "shop", name, `{"metadata":{"labels":{"app":"db"},"annotations":{"pv.kubernetes.io/bind-completed":"yes"}},
			"spec":{"volumeName":"volume-of-`+name+`","storageClassName":"fast","accessModes":["ReadWriteOnce"],
			"resources":{"requests":{"storage":"1Gi"}}},"status":{"phase":"Bound"}}`)
	}
	w.volumes = true
	w.mustBackup("nightly", archive.Fastest)
	w.volumes = false
	use, request := w.backup("objects", archive.Fastest)
	request.VolumeData = false
	_, err := use.Run(w.t.Context(), request, w.files)
	check(w.t, err)
	return w
}

// TestVolumesAreThere sees that the generations have volumes of each way that has a provider, and encrypted ones.
func TestVolumesAreThere(t *testing.T) {
	t.Parallel()
	ways := map[string]int{}
	for _, folder := range locations(t) {
		w := load(t, folder)
		for _, id := range w.discover() {
			manifest := w.manifestOf(id)
			for i := range manifest.Volumes {
				row := &manifest.Volumes[i]
				ways[row.Way]++
				if !manifest.Encryption.IsZero() {
					ways["encrypted"]++
				}
			}
		}
	}
	for _, way := range []string{"Snapshot", "Offload", "encrypted"} {
		if ways[way] == 0 {
			t.Errorf("no location has a volume of the way %s: %v", way, ways)
		}
	}
}
