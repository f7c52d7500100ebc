package restore_test

import (
	"context"
	"errors"
	"maps"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/soda-cdm/kahu/internal/core"
	"github.com/soda-cdm/kahu/internal/core/hook"
	"github.com/soda-cdm/kahu/internal/core/restoreplan"
	"github.com/soda-cdm/kahu/internal/core/selection"
	"github.com/soda-cdm/kahu/internal/core/transformset"
	"github.com/soda-cdm/kahu/internal/core/volumework"
	"github.com/soda-cdm/kahu/internal/engine"
	"github.com/soda-cdm/kahu/internal/engine/restore"
	"github.com/soda-cdm/kahu/internal/engine/restore/hooks"
	"github.com/soda-cdm/kahu/internal/testkit/fakecluster"
	"github.com/soda-cdm/kahu/internal/testkit/world"
)

// whole is a provider that makes whole volumes, unless it fails, and all of whose orders are Completed.
type whole struct {
	making
	fails bool
}

func (w *whole) Make(context.Context, volumework.Run, volumework.RestoreOrder) (volumework.Made, error) {
	if w.fails {
		return volumework.Made{}, errors.New("the disk is on fire")
	}
	return volumework.Made{Volume: "vol-7"}, nil
}

var statefulSets = fakecluster.Kind("apps", "StatefulSet", "statefulsets", true)

const emptyClaim = `{"spec":{"accessModes":["ReadWriteOnce"]}}`

// database backs up a StatefulSet with a claim that has data, and returns a cluster into which it is restored. There, the
// controller of StatefulSets is at work.
func database(t *testing.T) (*world.World, *fakecluster.Cluster) {
	t.Helper()
	w := world.New(t)
	w.Shop()
	w.Volumes = taken{}
	w.Cluster.Serve(statefulSets)
	w.Cluster.Put(t, world.Claims, "shop", "data-db-0", `{"spec":{"volumeName":"pv-1","accessModes":["ReadWriteOnce"],
		"resources":{"requests":{"storage":"1Gi"}}},"status":{"phase":"Bound"}}`)
	w.Cluster.Put(t, statefulSets, "shop", "db", `{"spec":{"replicas":1,"volumeClaimTemplates":[{"metadata":{"name":"data"}}]}}`)
	if _, err := w.Backup("one", selection.Filters{}); err != nil {
		t.Fatal(err)
	}
	kinds := append(world.AllKinds(), statefulSets, fakecluster.Kind("", "PersistentVolume", "persistentvolumes", false))
	to := fakecluster.New(kinds...)
	return w, to
}

// controlled plays the controller, after what the test intercepts.
func controlled(t *testing.T, to *fakecluster.Cluster, before func(call fakecluster.Call) error) {
	t.Helper()
	var mutex sync.Mutex // Calls go on at once.
	created := false
	to.Intercept = func(call fakecluster.Call) error {
		mutex.Lock()
		defer mutex.Unlock()
		if before != nil {
			if err := before(call); err != nil {
				return err
			}
		}
		if _, there := to.Contents()["persistentvolumeclaims shop/data-db-0"]; created && !there {
			to.Put(t, world.Claims, "shop", "data-db-0", emptyClaim)
		}
		created = created || call.Verb == "create" && call.Key.Resource == "statefulsets"
		return nil
	}
}

func namesOf(result restore.Result) string {
	var names []string
	for _, row := range result.Failed {
		names = append(names, row.Key.Resource+"/"+row.Key.Name+":"+row.Reason)
	}
	return strings.Join(names, " ")
}

// TestStatefulSetWaitsForItsClaims: the creation of a claim is refused once, by a webhook whose server is not there yet. The
// StatefulSet that uses it is created after it, as its controller would make an empty one.
func TestStatefulSetWaitsForItsClaims(t *testing.T) {
	w, to := database(t)
	w.Restores = &whole{}
	refused := false
	controlled(t, to, func(call fakecluster.Call) error {
		if call.Verb == "create" && call.Key.Resource == "persistentvolumeclaims" && !refused {
			refused = true
			return core.ErrUnavailable
		}
		return nil
	})
	result, err := w.Restore("one", to)
	if err != nil || result.FailedTotal > 0 || !refused {
		t.Fatalf("%v, failed: %s", err, namesOf(result))
	}
	found := to.Contents()
	if !strings.Contains(found["persistentvolumeclaims shop/data-db-0"], "volumeName") || found["statefulsets.apps shop/db"] == "" {
		t.Errorf("the claim is %s, the StatefulSet %s", found["persistentvolumeclaims shop/data-db-0"], found["statefulsets.apps shop/db"])
	}
}

// TestNoStatefulSetOfALostVolume: where the data of a claim does not come back, the StatefulSet that would begin with an empty
// one is not created, and all others are.
func TestNoStatefulSetOfALostVolume(t *testing.T) {
	for name, fault := range map[string]func(makes *whole) func(call fakecluster.Call) error{
		"no volume": func(makes *whole) func(call fakecluster.Call) error {
			makes.fails = true
			return nil
		},
		"no claim": func(*whole) func(call fakecluster.Call) error {
			return func(call fakecluster.Call) error {
				if call.Verb == "create" && call.Key.Resource == "persistentvolumeclaims" {
					return core.ErrDenied
				}
				return nil
			}
		},
		"no claim in time": func(*whole) func(call fakecluster.Call) error {
			return func(call fakecluster.Call) error {
				if call.Verb == "create" && call.Key.Resource == "persistentvolumeclaims" {
					return core.ErrUnavailable
				}
				return nil
			}
		},
	} {
		t.Run(name, func(t *testing.T) {
			w, to := database(t)
			makes := &whole{}
			w.Restores = makes
			controlled(t, to, fault(makes))
			result, err := w.Restore("one", to)
			if err != nil {
				t.Fatal(err)
			}
			found := to.Contents()
			if found["persistentvolumeclaims shop/data-db-0"] != "" || found["statefulsets.apps shop/db"] != "" {
				t.Errorf("the claim is %s, the StatefulSet %s", found["persistentvolumeclaims shop/data-db-0"], found["statefulsets.apps shop/db"])
			}
			for at := range found {
				volume, is := strings.CutPrefix(at, "persistentvolumes ")
				if is && !slices.ContainsFunc(result.Failed, func(row engine.Row) bool { return strings.Contains(row.Message, volume+" was made for it") }) {
					t.Errorf("nobody names %s, which nobody takes: %+v", volume, result.Failed)
				}
			}
			if got := namesOf(result); result.FailedTotal != 2 || !strings.Contains(got, "statefulsets/db:"+restore.ReasonVolumeFailed) ||
				!strings.Contains(got, "persistentvolumeclaims/data-db-0:") {
				t.Errorf("failed: %s", got)
			}
			if found["deployments.apps shop/front"] == "" && len(found) < 5 {
				t.Errorf("the others were not created: %v", found)
			}
		})
	}
}

// TestClaimOfOthersIsNotTheBackups: somebody makes an empty claim while the restore runs, or while no manager goes on with it.
// That the data of the backup is not in it is said.
func TestClaimOfOthersIsNotTheBackups(t *testing.T) {
	for name, resumed := range map[string]bool{"meanwhile": false, "between two attempts": true} {
		t.Run(name, func(t *testing.T) {
			w, to := database(t)
			began := to.Now()
			if resumed {
				to.Put(t, world.Namespaces, "", "shop", `{}`)
				to.Put(t, world.Claims, "shop", "data-db-0", emptyClaim)
			}
			refused, made := false, resumed
			to.Intercept = func(call fakecluster.Call) error {
				if call.Verb == "create" && call.Key.Resource == "persistentvolumeclaims" && !refused && !resumed {
					refused = true
					return core.ErrUnavailable
				}
				if call.Verb == "living" && call.Key.Name == "data-db-0" && refused && !made { // Before it is tried again.
					made = true
					to.Put(t, world.Claims, "shop", "data-db-0", emptyClaim)
				}
				return nil
			}
			use := &restore.Runner{Cluster: to, Clock: w.Clock, Creators: 4, Patience: world.Patience}
			result, err := use.Run(t.Context(), restore.Request{
				Backup: world.ID("one"), ID: world.RestoreID, Attempt: "attempt2", Began: began, Resumed: resumed, Volumes: &whole{},
			}, w.Files)
			if err != nil || !made {
				t.Fatal(err, made)
			}
			if got := namesOf(result); !strings.Contains(got, "persistentvolumeclaims/data-db-0:"+restore.ReasonVolumeFailed) {
				t.Errorf("failed: %s, existing %d", got, result.Counts.Existing)
			}
			if to.Contents()["statefulsets.apps shop/db"] != "" {
				t.Error("the StatefulSet runs on an empty volume")
			}
		})
	}
}

// TestClaimThatWasThereStays: a claim that was there before the restore is met as the policy says, and its workload is created.
func TestClaimThatWasThereStays(t *testing.T) {
	for _, policy := range []restoreplan.Policy{restoreplan.Skip, restoreplan.Update, restoreplan.Recreate} {
		w, to := database(t)
		to.Put(t, world.Namespaces, "", "shop", `{}`)
		to.Put(t, world.Claims, "shop", "data-db-0", `{"spec":{"volumeName":"mine"}}`)
		use := &restore.Runner{Cluster: to, Clock: w.Clock, Creators: 4, Patience: time.Second}
		result, err := use.Run(t.Context(), restore.Request{
			// The provider is away, and nobody needs it.
			Backup: world.ID("one"), ID: world.RestoreID, Attempt: "first", Existing: policy, Volumes: &whole{making: making{away: "it sleeps"}},
		}, w.Files)
		if err != nil {
			t.Errorf("%s: %v", policy, err)
			continue
		}
		if got := to.Contents(); got["statefulsets.apps shop/db"] == "" {
			t.Errorf("%s: the StatefulSet was not created: %s", policy, namesOf(result))
		}
	}
}

// TestStatefulSetOfAClaimThatAnEarlierAttemptMade: what is there with its data holds nothing back.
func TestStatefulSetOfAClaimThatAnEarlierAttemptMade(t *testing.T) {
	w, to := database(t)
	stopped := errors.New("the manager stops")
	request := restore.Request{
		Backup: world.ID("one"), ID: world.RestoreID, Attempt: "first", Began: to.Now(), Volumes: &whole{},
		Confirm: func(context.Context) error {
			if to.Contents()["persistentvolumeclaims shop/data-db-0"] != "" {
				return stopped
			}
			return nil
		},
	}
	use := &restore.Runner{Cluster: to, Clock: w.Clock, Creators: 4, Patience: world.Patience}
	if result, err := use.Run(t.Context(), request, w.Files); !errors.Is(err, stopped) || to.Contents()["statefulsets.apps shop/db"] != "" {
		t.Fatalf("the first attempt: %v, %s", err, namesOf(result))
	}
	request.Attempt, request.Resumed, request.Confirm = "second", true, nil
	if result, err := use.Run(t.Context(), request, w.Files); err != nil || result.FailedTotal > 0 || to.Contents()["statefulsets.apps shop/db"] == "" {
		t.Errorf("the second attempt: %v, %s", err, namesOf(result))
	}
}

// TestVolumesAreToldOf: each claim whose data is in the backup has a row that says what became of it.
func TestVolumesAreToldOf(t *testing.T) {
	for name, dry := range map[string]bool{"restore": false, "dry run": true} {
		t.Run(name, func(t *testing.T) {
			w := shopWithVolumes(t)
			to := fakecluster.New(append(world.AllKinds(), fakecluster.Kind("", "PersistentVolume", "persistentvolumes", false))...)
			to.Put(t, world.Namespaces, "", "shop", `{}`)
			to.Put(t, world.Claims, "shop", "there", `{"spec":{"volumeName":"mine"}}`)
			use := &restore.Runner{Cluster: to, Clock: w.Clock, Creators: 4, Patience: world.Patience}
			result, err := use.Run(t.Context(), restore.Request{
				Backup: world.ID("one"), ID: world.RestoreID, Attempt: "first", DryRun: dry, Volumes: &making{},
			}, w.Files)
			if err != nil {
				t.Fatal(err)
			}
			want := map[string]volumework.State{
				"broken": volumework.Lost, "data": volumework.Done, "deserted": volumework.Lost, "imported": volumework.Done,
				"late": volumework.Lost, "there": volumework.Untouched, "waiting": volumework.Delayed,
			}
			got := map[string]volumework.State{}
			for i := range result.Volumes {
				row := &result.Volumes[i]
				if got[row.Claim.Name] = row.State; row.Provider != "disks" || row.Way != "Offload" ||
					row.Message == "" && row.State != volumework.Done && row.State != volumework.Planned {
					t.Errorf("%+v", row)
				}
			}
			if dry {
				for claim := range want {
					if claim != "there" {
						want[claim] = volumework.Planned
					}
				}
			}
			if !maps.Equal(got, want) {
				t.Errorf("%v", got)
			}
			if text := strings.Join(result.Warnings, "\n"); !strings.Contains(text, "shop/there: the claim was there already, and its data was not touched") {
				t.Errorf("warnings: %s", text)
			}
		})
	}
}

// cut is volumes whose run ends while they are awaited.
type cut struct{ making }

func (*cut) Await(context.Context, volumework.Run, volumework.Awaited, func([]volumework.Restored)) ([]volumework.Restored, error) {
	return nil, core.ErrUnavailable
}

// TestVolumesOfARunThatEnds: those that were ordered are on their way, and those of which nobody was told are only planned.
func TestVolumesOfARunThatEnds(t *testing.T) {
	for name, test := range map[string]struct {
		mapping map[string]string
		want    volumework.State
	}{
		"refused before it began": {map[string]string{"disks": "nope"}, volumework.Planned},
		"ended while it goes on":  {nil, volumework.Going},
	} {
		t.Run(name, func(t *testing.T) {
			w := world.New(t)
			w.Shop()
			w.Volumes = taken{}
			w.Cluster.Put(t, world.Claims, "shop", "data", `{"spec":{"volumeName":"pv-data","storageClassName":"disks",
				"accessModes":["ReadWriteOnce"],"resources":{"requests":{"storage":"1Gi"}}},"status":{"phase":"Bound"}}`)
			if _, err := w.Backup("one", selection.Filters{}); err != nil {
				t.Fatal(err)
			}
			to := fakecluster.New(append(world.AllKinds(), storageClasses)...)
			to.Put(t, storageClasses, "", "disks", `{}`)
			use := &restore.Runner{Cluster: to, Clock: w.Clock, Creators: 4, Patience: world.Patience}
			result, err := use.Run(t.Context(), restore.Request{
				Backup: world.ID("one"), ID: world.RestoreID, Attempt: "first", Volumes: &cut{},
				Transforms: []transformset.Set{{StorageClassMapping: test.mapping}},
			}, w.Files)
			if err == nil || len(result.Volumes) != 1 || result.Volumes[0].State != test.want {
				t.Errorf("%v: %+v", err, result.Volumes)
			}
		})
	}
}

// TestDryRunTellsOfProvidersThatAreAway: it says which volumes could not be restored, and what else would come of it.
func TestDryRunTellsOfProvidersThatAreAway(t *testing.T) {
	w, to := database(t)
	use := &restore.Runner{Cluster: to, Clock: w.Clock, Creators: 4, Patience: world.Patience}
	result, err := use.Run(t.Context(), restore.Request{
		Backup: world.ID("one"), ID: world.RestoreID, Attempt: "first", DryRun: true, Volumes: &making{away: "it sleeps"},
	}, w.Files)
	if err != nil {
		t.Fatal(err)
	}
	if len(result.Volumes) != 1 || result.Volumes[0].State != volumework.Lost || !strings.Contains(result.Volumes[0].Message, "it sleeps") {
		t.Errorf("%+v", result.Volumes)
	}
	if text := strings.Join(result.Preview.Problems, "\n"); !strings.Contains(text, "provider disks") || len(result.Preview.Rows) == 0 {
		t.Errorf("problems: %s, %d rows", text, len(result.Preview.Rows))
	}
}

// waiting is hooks whose commands after wait.
type waiting struct {
	scope hooks.Scope
	waits func()
}

func (h *waiting) Prepare(_ context.Context, scope hooks.Scope) error {
	h.scope = scope
	return nil
}

func (*waiting) Before(context.Context) error { return nil }

func (*waiting) Asked(core.Kind, core.Key, map[string]any) (hook.Restored, []selection.Problem) {
	return hook.Restored{}, nil
}

func (h *waiting) After(context.Context) error {
	h.scope.Waits()
	h.waits()
	return nil
}

// TestLostClaimsAreShown: what has failed is shown while the hooks after wait for pods, which may be those of a claim that failed.
func TestLostClaimsAreShown(t *testing.T) {
	w, to := database(t)
	makes := &whole{fails: true}
	var shown engine.Progress
	waited := false
	use := &restore.Runner{Cluster: to, Clock: w.Clock, Creators: 1, Patience: world.Patience}
	_, err := use.Run(t.Context(), restore.Request{
		Backup: world.ID("one"), Volumes: makes, Show: func(now engine.Progress) { shown = now },
		Hooks: &waiting{waits: func() {
			waited = true
			if !shown.After || shown.FailedTotal != 2 || len(shown.Failed) != 2 || len(shown.Restored) != 1 || shown.Restored[0].State != volumework.Lost {
				t.Errorf("shown is %+v", shown)
			}
		}},
	}, w.Files)
	if err != nil || !waited {
		t.Errorf("%v, waited %v", err, waited)
	}
}
