package restore_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/soda-cdm/kahu/internal/core"
	"github.com/soda-cdm/kahu/internal/core/selection"
	"github.com/soda-cdm/kahu/internal/core/volumeplan"
	"github.com/soda-cdm/kahu/internal/core/volumework"
	"github.com/soda-cdm/kahu/internal/engine/restore"
	"github.com/soda-cdm/kahu/internal/testkit/fakecluster"
	"github.com/soda-cdm/kahu/internal/testkit/world"
)

// taken backs up every claim by offload, without a cluster.
type taken struct{}

func (taken) Look(_ context.Context, claims []core.Key) (volumeplan.Facts, error) {
	facts := volumeplan.Facts{Providers: []volumeplan.Provider{{Name: "disks", Offloads: true}}}
	for _, key := range claims {
		facts.Claims = append(facts.Claims, volumeplan.Claim{Namespace: key.Namespace, Name: key.Name, Volume: "pv-" + key.Name, Driver: "disks.example.com"})
	}
	return facts, nil
}

func (taken) Begun(context.Context, volumework.Run) ([]volumeplan.Decision, error) { return nil, nil }

func (taken) Drop(context.Context, volumework.Run, []core.Key) error { return nil }

func (taken) Cut(context.Context, volumework.Run, volumework.Moment, []volumeplan.Decision) (map[core.Key]error, error) {
	return map[core.Key]error{}, nil
}

func (taken) BackUp(
	_ context.Context, _ volumework.Run, chosen []volumeplan.Decision, _ func(volumework.Progress),
) ([]volumework.Outcome, error) {
	var outcomes []volumework.Outcome
	for _, each := range chosen {
		outcomes = append(outcomes, volumework.Outcome{Decision: each, Handle: "backup-of-" + each.Claim.Name})
	}
	return outcomes, nil
}

func (taken) Release(context.Context, volumework.Run) error { return nil }

// making makes volumes, in memory: the name of the claim says what becomes of it.
type making struct {
	mu     sync.Mutex
	away   string
	orders map[string]volumework.RestoreOrder
	asked  map[string]int // how often, by the claim

	awaited []string
}

func (m *making) Away(context.Context, string) (string, error) { return m.away, nil }

func (*making) KeepsSnapshots(_ context.Context, provider string) (bool, error) {
	return provider == "disks", nil
}

func (m *making) Make(_ context.Context, _ volumework.Run, order volumework.RestoreOrder) (volumework.Made, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.orders == nil {
		m.orders, m.asked = map[string]volumework.RestoreOrder{}, map[string]int{}
	}
	m.asked[order.Name]++
	m.orders[order.Name] = order
	switch order.Name {
	case "broken":
		return volumework.Made{}, errors.New("the disk is on fire")
	case "deserted":
		return volumework.Made{}, fmt.Errorf("no sign of life: %w", core.ErrUnavailable)
	case "imported":
		return volumework.Made{Volume: "vol-7", Attributes: map[string]string{"a": "b"}}, nil
	}
	return volumework.Made{Group: "snapshot.storage.k8s.io", Kind: "VolumeSnapshot", Source: "from-" + order.Name}, nil
}

func (m *making) Await(
	_ context.Context, _ volumework.Run, wish volumework.Awaited, _ func([]volumework.Restored),
) ([]volumework.Restored, error) {
	var found []volumework.Restored
	for _, claim := range wish.Claims {
		row := volumework.Restored{Claim: claim, Provider: "disks", State: volumework.Done}
		switch claim.Name {
		case "late":
			row.State, row.Message = volumework.Lost, "it never came"
		case "waiting":
			row.State, row.Message = volumework.Delayed, "its volume is made when a pod uses it"
		}
		m.awaited = append(m.awaited, claim.Name)
		found = append(found, row)
	}
	return found, nil
}

func (*making) Watch(ctx context.Context, _ volumework.Run, show func(volumework.Progress)) {
	show(volumework.Progress{Done: 1})
	<-ctx.Done()
}

func shopWithVolumes(t *testing.T) *world.World {
	t.Helper()
	w := world.New(t)
	w.Shop()
	w.Volumes = taken{}
	for _, name := range []string{"data", "imported", "broken", "deserted", "late", "waiting", "there"} {
		w.Cluster.Put(t, world.Claims, "shop", name, `{"metadata":{"annotations":{"pv.kubernetes.io/bind-completed":"yes"}},
			"spec":{"volumeName":"pv-`+name+`","accessModes":["ReadWriteOnce"],"resources":{"requests":{"storage":"1Gi"}}},"status":{"phase":"Bound"}}`)
	}
	if result, err := w.Backup("one", selection.Filters{}); err != nil || len(result.Manifest.Volumes) != 7 {
		t.Fatalf("%+v, %v", result.Manifest.Volumes, err)
	}
	return w
}

// TestVolumes: each claim whose data is in the backup is created with what its provider has made, or not at all.
func TestVolumes(t *testing.T) {
	w, makes := shopWithVolumes(t), &making{}
	w.Restores = makes
	to := fakecluster.New(append(world.AllKinds(), fakecluster.Kind("", "PersistentVolume", "persistentvolumes", false))...)
	to.Put(t, world.Namespaces, "", "shop", `{}`)
	to.Put(t, world.Claims, "shop", "there", `{"spec":{"volumeName":"mine"}}`)
	result, err := w.Restore("one", to)
	if err != nil {
		t.Fatal(err)
	}
	found := to.Contents()
	spec := func(name string) map[string]any {
		var claim struct {
			Spec map[string]any `json:"spec"`
		}
		_ = json.Unmarshal([]byte(found["persistentvolumeclaims shop/"+name]), &claim)
		return claim.Spec
	}
	source, _ := spec("data")["dataSourceRef"].(map[string]any)
	if source["name"] != "from-data" || source["kind"] != "VolumeSnapshot" || spec("data")["volumeName"] != nil {
		t.Errorf("data: %v", spec("data"))
	}
	name, _ := spec("imported")["volumeName"].(string)
	volume := found["persistentvolumes "+name]
	if name == "" || !strings.Contains(volume, `"vol-7"`) || !strings.Contains(volume, `"disks.example.com"`) || !strings.Contains(volume, `"imported"`) {
		t.Errorf("imported: %v, %s", spec("imported"), volume)
	}
	if spec("broken") != nil {
		t.Errorf("a claim without its data was created: %v", spec("broken"))
	}
	if spec("there")["volumeName"] != "mine" || makes.orders["there"].Name != "" {
		t.Errorf("a claim that was there: %v, %+v", spec("there"), makes.orders["there"])
	}
	if order := makes.orders["data"]; order.Handle != "backup-of-data" || order.Provider != "disks" || strings.Contains(string(order.Claim), "volumeName") {
		t.Errorf("the order: %+v, %s", order, order.Claim)
	}
	failed := map[string]string{}
	for _, row := range result.Failed {
		failed[row.Key.Name] += row.Reason
	}
	if makes.asked["broken"] != 1 || makes.asked["deserted"] != 1 {
		t.Errorf("a provider that failed was asked again: %v", makes.asked)
	}
	if len(failed) != 3 || failed["broken"] != restore.ReasonVolumeFailed || failed["deserted"] != restore.ReasonVolumeFailed || failed["late"] != restore.ReasonVolumeFailed {
		t.Errorf("failed: %v", failed)
	}
	if text := strings.Join(result.Warnings, "\n"); !strings.Contains(text, "shop/waiting") {
		t.Errorf("warnings: %s", text)
	}
	if slices.Sort(makes.awaited); !slices.Equal(makes.awaited, []string{"data", "imported", "late", "waiting"}) {
		t.Errorf("awaited are those that were created, and not %v", makes.awaited)
	}
}

// TestVolumesOfAProviderThatIsAway: nothing is created before all that is needed is there.
func TestVolumesOfAProviderThatIsAway(t *testing.T) {
	w := shopWithVolumes(t)
	to := fakecluster.New(world.AllKinds()...)
	for name, deals := range map[string]restore.Volumes{"nothing": nil, "away": &making{away: "it sleeps"}} {
		w.Restores = deals
		if _, err := w.Restore("one", to); err == nil || len(to.Contents()) > 0 {
			t.Errorf("%s: %v, created %v", name, err, slices.Collect(maps.Keys(to.Contents())))
		}
	}
}
