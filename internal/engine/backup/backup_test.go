package backup_test

import (
	"context"
	"errors"
	"fmt"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/soda-cdm/kahu/internal/core"
	"github.com/soda-cdm/kahu/internal/core/selection"
	"github.com/soda-cdm/kahu/internal/engine"
	"github.com/soda-cdm/kahu/internal/engine/restore"
	"github.com/soda-cdm/kahu/internal/testkit/fakecluster"
	"github.com/soda-cdm/kahu/internal/testkit/world"
)

func isList(call fakecluster.Call, verb string, kind core.Kind) bool {
	return call.Verb == verb && call.Key.GroupResource() == kind.GroupResource()
}

// TestListExpires: a list whose position expires begins again, and counts and names nothing twice.
func TestListExpires(t *testing.T) {
	for _, times := range []int{1, 2} {
		t.Run(fmt.Sprint(times), func(t *testing.T) {
			fresh, w := world.New(t), world.New(t)
			for _, each := range []*world.World{fresh, w} {
				each.Shop()
				each.Cluster.Put(t, world.Claims, "shop", "data", `{"spec":{"volumeName":"pv-1"},"status":{"phase":"Bound"}}`)
				each.Cluster.Put(t, world.Claims, "shop", "going", `{"metadata":{"deletionTimestamp":"2026-01-01T00:00:00Z"}}`)
				each.Cluster.Put(t, world.Claims, "shop", "old", `{}`)
				each.Cluster.Put(t, world.Claims, "shop", "other", `{}`)
			}
			expired := 0
			w.Cluster.Intercept = func(call fakecluster.Call) error {
				if isList(call, "page", world.Claims) && call.Page == 1 && expired < times {
					expired++
					return core.ErrExpired
				}
				return nil
			}
			filters := selection.Filters{ExcludeResources: []selection.ResourceFilter{{Kind: "PersistentVolumeClaim", Name: "old"}}}
			want, err := fresh.Backup("one", filters)
			if err != nil {
				t.Fatal(err)
			}
			got, err := w.Backup("one", filters)
			if err != nil {
				t.Fatal(err)
			}
			if expired != times {
				t.Errorf("expired %d times", expired)
			}
			if diff := cmp.Diff(want.Manifest.Counts, got.Manifest.Counts); diff != "" {
				t.Error(diff)
			}
			if counts := got.Manifest.Counts; counts.Excluded != 1 || counts.Vanished != 1 {
				t.Errorf("counts %+v", counts)
			}
			if diff := cmp.Diff(want.Missing, got.Missing); diff != "" || got.Manifest.MissingCount != 1 {
				t.Errorf("%d missing: %s", got.Manifest.MissingCount, diff)
			}
		})
	}
}

// TestMissing: what cannot be read makes the backup incomplete, by name, and is no reason to give up.
func TestMissing(t *testing.T) {
	cases := map[string]struct {
		change    func(w *world.World)
		intercept func(w *world.World, call fakecluster.Call) error
		kind      string
		reason    string
	}{
		"a kind that cannot be listed": {
			intercept: func(_ *world.World, call fakecluster.Call) error {
				if isList(call, "list", world.Secrets) {
					return core.ErrDenied
				}
				return nil
			},
			kind: "Secret", reason: engine.ReasonKindUnlistable,
		},
		"a kind whose list breaks off": {
			intercept: func(_ *world.World, call fakecluster.Call) error {
				if isList(call, "page", world.ConfigMaps) && call.Page == 1 {
					return core.ErrUnavailable
				}
				return nil
			},
			kind: "ConfigMap", reason: engine.ReasonKindUnlistable,
		},
		"a list that expires for ever": {
			intercept: func(_ *world.World, call fakecluster.Call) error {
				if isList(call, "page", world.ConfigMaps) && call.Page == 1 {
					return core.ErrExpired
				}
				return nil
			},
			kind: "ConfigMap", reason: engine.ReasonKindUnlistable,
		},
		"a kind that is served and not found": {
			intercept: func(_ *world.World, call fakecluster.Call) error {
				if isList(call, "list", world.Widgets) {
					return core.ErrUnsupported
				}
				return nil
			},
			kind: "Widget", reason: engine.ReasonKindUnlistable,
		},
		"a kind whose server is down since": {
			intercept: func(w *world.World, call fakecluster.Call) error {
				if isList(call, "list", world.Widgets) {
					w.Cluster.RemoveKind(world.Widgets)
					w.Cluster.Unserved = []core.UnservedGroup{{GroupVersion: "example.com/v1", Message: "down"}}
				}
				return nil
			},
			kind: "Widget", reason: engine.ReasonKindUnlistable,
		},
		"a group that cannot be described": {
			change: func(w *world.World) {
				w.Cluster.Unserved = []core.UnservedGroup{{GroupVersion: "metrics.example/v1", Message: "down"}}
			},
			kind: "", reason: engine.ReasonKindUnlistable,
		},
		"a bound claim": {
			change: func(w *world.World) {
				w.Cluster.Put(w.T, world.Claims, "shop", "data", `{"spec":{"volumeName":"pv-1"},"status":{"phase":"Bound"}}`)
			},
			kind: "PersistentVolumeClaim", reason: engine.ReasonVolumeWithoutProvider,
		},
	}
	for name, test := range cases {
		t.Run(name, func(t *testing.T) {
			w := world.New(t)
			w.Shop()
			w.Workers = 1
			if test.change != nil {
				test.change(w)
			}
			if test.intercept != nil {
				w.Cluster.Intercept = func(call fakecluster.Call) error { return test.intercept(w, call) }
			}
			result, err := w.Backup("one", selection.Filters{})
			if err != nil {
				t.Fatal(err)
			}
			manifest := result.Manifest
			if manifest.Complete || manifest.MissingCount != 1 || len(manifest.Missing) != 1 || len(result.Missing) != 1 {
				t.Fatalf("complete %t, %d missing: %+v", manifest.Complete, manifest.MissingCount, manifest.Missing)
			}
			if got := manifest.Missing[0]; got.Kind != test.kind || got.Reason != test.reason || got.Message == "" {
				t.Errorf("got %+v", got)
			}
			var incomplete *restore.IncompleteError
			if _, err := w.Restore("one", fakecluster.New(world.AllKinds()...)); !errors.As(err, &incomplete) {
				t.Errorf("an incomplete backup was restored unasked: %v", err)
			}
		})
	}
}

// TestVanished: what is deleted while the backup runs is not missing.
func TestVanished(t *testing.T) {
	cases := map[string]func(w *world.World, call fakecluster.Call){
		"a kind, before it is listed": func(w *world.World, call fakecluster.Call) {
			if isList(call, "list", world.Widgets) {
				w.Cluster.RemoveKind(world.Widgets)
			}
		},
		"an object, before it is listed": func(w *world.World, call fakecluster.Call) {
			if isList(call, "list", world.Widgets) {
				w.Cluster.Remove(world.Widgets, "shop", "gone")
			}
		},
	}
	for name, vanish := range cases {
		t.Run(name, func(t *testing.T) {
			w := world.New(t)
			w.Shop()
			want := w.Cluster.Contents()
			w.Cluster.Put(t, world.Widgets, "shop", "gone", `{}`)
			w.Cluster.Intercept = func(call fakecluster.Call) error {
				vanish(w, call)
				return nil
			}
			result, err := w.Backup("one", selection.Filters{})
			if err != nil || !result.Manifest.Complete {
				t.Fatalf("got %v, missing %+v", err, result.Missing)
			}
			if diff := cmp.Diff(want, w.Restored()); diff != "" {
				t.Error(diff)
			}
		})
	}
}

func TestTerminatingObjectsStayOut(t *testing.T) {
	w := world.New(t)
	w.Shop()
	want := w.Cluster.Contents()
	w.Cluster.Put(t, world.Widgets, "shop", "going", `{"metadata":{"deletionTimestamp":"2026-01-01T00:00:00Z"}}`)
	result, err := w.Backup("one", selection.Filters{})
	if err != nil || !result.Manifest.Complete || result.Manifest.Counts.Vanished != 1 {
		t.Fatalf("got %v, %+v, missing %+v", err, result.Manifest.Counts, result.Missing)
	}
	if diff := cmp.Diff(want, w.Restored()); diff != "" {
		t.Error(diff)
	}
}

func TestListsInAnyOrder(t *testing.T) {
	w := world.New(t)
	w.Shop()
	w.Cluster.Backwards = true
	if _, err := w.Backup("one", selection.Filters{}); err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(w.Cluster.Contents(), w.Restored()); diff != "" {
		t.Error(diff)
	}
}

func TestInvalidWishes(t *testing.T) {
	cases := map[string]struct {
		filters selection.Filters
		field   string
	}{
		"a namespace that is not there": {selection.Filters{IncludeNamespaces: []string{"shop", "shpo"}}, "spec.includeNamespaces[1]"},
		"a kind that is not there": {
			selection.Filters{IncludeResources: []selection.ResourceFilter{{Kind: "Gadget"}}}, "spec.includeResources[0].kind",
		},
		"an expression that is none": {
			selection.Filters{ExcludeResources: []selection.ResourceFilter{{Kind: "Secret", Name: "(", IsRegex: true}}},
			"spec.excludeResources[0].name",
		},
	}
	for name, test := range cases {
		t.Run(name, func(t *testing.T) {
			w := world.New(t)
			w.Shop()
			_, err := w.Backup("one", test.filters)
			var invalid *engine.InvalidError
			if !errors.As(err, &invalid) || len(invalid.Problems) != 1 || invalid.Problems[0].Field != test.field {
				t.Errorf("got %v", err)
			}
			if names := w.Names(); len(names) > 0 {
				t.Errorf("written: %v", names)
			}
		})
	}
}

// TestNotConfirmed: a run that is not wanted any more makes nothing real and leaves nothing behind.
func TestNotConfirmed(t *testing.T) {
	w := world.New(t)
	w.Shop()
	asked := w.Driver.Recorded
	written := 0
	w.Confirm = func(context.Context) error {
		written = len(asked())
		return world.ErrRefused
	}
	if _, err := w.Backup("one", selection.Filters{}); !errors.Is(err, world.ErrRefused) {
		t.Errorf("got %v", err)
	}
	if written < 3 {
		t.Error("asked before the files were written")
	}
	if names := w.Names(); len(names) > 0 {
		t.Errorf("left: %v", names)
	}
}
