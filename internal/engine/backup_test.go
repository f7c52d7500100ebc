package engine_test

import (
	"context"
	"errors"
	"fmt"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/soda-cdm/kahu/internal/core"
	"github.com/soda-cdm/kahu/internal/core/selection"
	"github.com/soda-cdm/kahu/internal/engine"
	"github.com/soda-cdm/kahu/internal/testkit/fakecluster"
)

// restored restores backup one into an empty cluster, and returns what is there.
func (w *world) restored() map[string]string {
	w.t.Helper()
	target := fakecluster.New(allKinds()...)
	result, err := w.restore("one", target)
	if err != nil || result.FailedTotal > 0 {
		w.t.Fatalf("restoring: %v, failed %+v", err, result.Failed)
	}
	return target.Contents()
}

func isList(call fakecluster.Call, verb string, kind core.Kind) bool {
	return call.Verb == verb && call.Key.GroupResource() == kind.GroupResource()
}

// TestListExpires: a list whose position expires begins again, and counts and names nothing twice.
func TestListExpires(t *testing.T) {
	for _, times := range []int{1, 2} {
		t.Run(fmt.Sprint(times), func(t *testing.T) {
			fresh, w := newWorld(t), newWorld(t)
			for _, each := range []*world{fresh, w} {
				each.shop()
				each.cluster.Put(t, claims, "shop", "data", `{"spec":{"volumeName":"pv-1"},"status":{"phase":"Bound"}}`)
				each.cluster.Put(t, claims, "shop", "going", `{"metadata":{"deletionTimestamp":"2026-01-01T00:00:00Z"}}`)
				each.cluster.Put(t, claims, "shop", "old", `{}`)
				each.cluster.Put(t, claims, "shop", "other", `{}`)
			}
			expired := 0
			w.cluster.Intercept = func(call fakecluster.Call) error {
				if isList(call, "page", claims) && call.Page == 1 && expired < times {
					expired++
					return core.ErrExpired
				}
				return nil
			}
			filters := selection.Filters{ExcludeResources: []selection.ResourceFilter{{Kind: "PersistentVolumeClaim", Name: "old"}}}
			want, err := fresh.backup("one", filters)
			if err != nil {
				t.Fatal(err)
			}
			got, err := w.backup("one", filters)
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
		change    func(w *world)
		intercept func(w *world, call fakecluster.Call) error
		kind      string
		reason    string
	}{
		"a kind that cannot be listed": {
			intercept: func(_ *world, call fakecluster.Call) error {
				if isList(call, "list", secrets) {
					return core.ErrDenied
				}
				return nil
			},
			kind: "Secret", reason: engine.ReasonKindUnlistable,
		},
		"a kind whose list breaks off": {
			intercept: func(_ *world, call fakecluster.Call) error {
				if isList(call, "page", configMaps) && call.Page == 1 {
					return core.ErrUnavailable
				}
				return nil
			},
			kind: "ConfigMap", reason: engine.ReasonKindUnlistable,
		},
		"a list that expires for ever": {
			intercept: func(_ *world, call fakecluster.Call) error {
				if isList(call, "page", configMaps) && call.Page == 1 {
					return core.ErrExpired
				}
				return nil
			},
			kind: "ConfigMap", reason: engine.ReasonKindUnlistable,
		},
		"a kind that is served and not found": {
			intercept: func(_ *world, call fakecluster.Call) error {
				if isList(call, "list", widgets) {
					return core.ErrUnsupported
				}
				return nil
			},
			kind: "Widget", reason: engine.ReasonKindUnlistable,
		},
		"a kind whose server is down since": {
			intercept: func(w *world, call fakecluster.Call) error {
				if isList(call, "list", widgets) {
					w.cluster.RemoveKind(widgets)
					w.cluster.Unserved = []core.UnservedGroup{{GroupVersion: "example.com/v1", Message: "down"}}
				}
				return nil
			},
			kind: "Widget", reason: engine.ReasonKindUnlistable,
		},
		"a group that cannot be described": {
			change: func(w *world) {
				w.cluster.Unserved = []core.UnservedGroup{{GroupVersion: "metrics.example/v1", Message: "down"}}
			},
			kind: "", reason: engine.ReasonKindUnlistable,
		},
		"a bound claim": {
			change: func(w *world) {
				w.cluster.Put(w.t, claims, "shop", "data", `{"spec":{"volumeName":"pv-1"},"status":{"phase":"Bound"}}`)
			},
			kind: "PersistentVolumeClaim", reason: engine.ReasonVolumeWithoutProvider,
		},
	}
	for name, test := range cases {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t)
			w.shop()
			w.workers = 1
			if test.change != nil {
				test.change(w)
			}
			if test.intercept != nil {
				w.cluster.Intercept = func(call fakecluster.Call) error { return test.intercept(w, call) }
			}
			result, err := w.backup("one", selection.Filters{})
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
			var incomplete *engine.IncompleteError
			if _, err := w.restore("one", fakecluster.New(allKinds()...)); !errors.As(err, &incomplete) {
				t.Errorf("an incomplete backup was restored unasked: %v", err)
			}
		})
	}
}

// TestVanished: what is deleted while the backup runs is not missing.
func TestVanished(t *testing.T) {
	cases := map[string]func(w *world, call fakecluster.Call){
		"a kind, before it is listed": func(w *world, call fakecluster.Call) {
			if isList(call, "list", widgets) {
				w.cluster.RemoveKind(widgets)
			}
		},
		"an object, before it is listed": func(w *world, call fakecluster.Call) {
			if isList(call, "list", widgets) {
				w.cluster.Remove(widgets, "shop", "gone")
			}
		},
	}
	for name, vanish := range cases {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t)
			w.shop()
			want := w.cluster.Contents()
			w.cluster.Put(t, widgets, "shop", "gone", `{}`)
			w.cluster.Intercept = func(call fakecluster.Call) error {
				vanish(w, call)
				return nil
			}
			result, err := w.backup("one", selection.Filters{})
			if err != nil || !result.Manifest.Complete {
				t.Fatalf("got %v, missing %+v", err, result.Missing)
			}
			if diff := cmp.Diff(want, w.restored()); diff != "" {
				t.Error(diff)
			}
		})
	}
}

func TestTerminatingObjectsStayOut(t *testing.T) {
	w := newWorld(t)
	w.shop()
	want := w.cluster.Contents()
	w.cluster.Put(t, widgets, "shop", "going", `{"metadata":{"deletionTimestamp":"2026-01-01T00:00:00Z"}}`)
	result, err := w.backup("one", selection.Filters{})
	if err != nil || !result.Manifest.Complete || result.Manifest.Counts.Vanished != 1 {
		t.Fatalf("got %v, %+v, missing %+v", err, result.Manifest.Counts, result.Missing)
	}
	if diff := cmp.Diff(want, w.restored()); diff != "" {
		t.Error(diff)
	}
}

func TestListsInAnyOrder(t *testing.T) {
	w := newWorld(t)
	w.shop()
	w.cluster.Backwards = true
	if _, err := w.backup("one", selection.Filters{}); err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(w.cluster.Contents(), w.restored()); diff != "" {
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
			w := newWorld(t)
			w.shop()
			_, err := w.backup("one", test.filters)
			var invalid *engine.InvalidError
			if !errors.As(err, &invalid) || len(invalid.Problems) != 1 || invalid.Problems[0].Field != test.field {
				t.Errorf("got %v", err)
			}
			if names := w.names(); len(names) > 0 {
				t.Errorf("written: %v", names)
			}
		})
	}
}

// TestNotConfirmed: a run that is not wanted any more makes nothing real and leaves nothing behind.
func TestNotConfirmed(t *testing.T) {
	w := newWorld(t)
	w.shop()
	asked := w.driver.recorded
	written := 0
	w.confirm = func(context.Context) error {
		written = len(asked())
		return errRefused
	}
	if _, err := w.backup("one", selection.Filters{}); !errors.Is(err, errRefused) {
		t.Errorf("got %v", err)
	}
	if written < 3 {
		t.Error("asked before the files were written")
	}
	if names := w.names(); len(names) > 0 {
		t.Errorf("left: %v", names)
	}
}
