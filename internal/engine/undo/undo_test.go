package undo_test

import (
	"context"
	"encoding/json"
	"errors"
	"slices"
	"sync/atomic"
	"testing"

	"github.com/google/go-cmp/cmp"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/utils/clock"

	"github.com/soda-cdm/kahu/internal/core"
	"github.com/soda-cdm/kahu/internal/core/restoreplan"
	"github.com/soda-cdm/kahu/internal/core/selection"
	"github.com/soda-cdm/kahu/internal/core/undo"
	"github.com/soda-cdm/kahu/internal/engine"
	engineundo "github.com/soda-cdm/kahu/internal/engine/undo"
	"github.com/soda-cdm/kahu/internal/testkit/fakecluster"
	"github.com/soda-cdm/kahu/internal/testkit/world"
)

// restoredShop returns a world and a cluster into which its shop was restored, beside an object of somebody else.
func restoredShop(t *testing.T) (*world.World, *fakecluster.Cluster) {
	t.Helper()
	w := world.New(t)
	w.Shop()
	if _, err := w.Backup("one", selection.Filters{}); err != nil {
		t.Fatal(err)
	}
	to := fakecluster.New(world.AllKinds()...)
	to.Put(t, world.Namespaces, "", "theirs", `{}`)
	to.Put(t, world.ConfigMaps, "theirs", "settings", `{"data":{"key":"value"}}`)
	if _, err := w.RestoreOver(restoreplan.Skip, to); err != nil {
		t.Fatal(err)
	}
	return w, to
}

func takeBack(ctx context.Context, w *world.World, to *fakecluster.Cluster, dryRun bool) (engineundo.Result, error) {
	w.T.Helper()
	use := &engineundo.Runner{Cluster: to, Clock: w.Clock, Deleters: 2}
	return use.Run(ctx, engineundo.Request{RestoreUID: world.RestoreID.UID, DryRun: dryRun})
}

// reasonsOf returns why objects stay, by their names.
func reasonsOf(rows []engine.Row) map[string]string {
	found := map[string]string{}
	for _, row := range rows {
		found[row.Key.Name] = row.Reason
	}
	return found
}

// TestUndo: everything that a restore created goes and nothing else; a dry run tells so before and deletes nothing; a second
// time finds nothing.
func TestUndo(t *testing.T) {
	w, to := restoredShop(t)
	before := to.Contents()
	look, err := takeBack(t.Context(), w, to, true)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(before, to.Contents()); diff != "" || len(to.Calls("delete")) > 0 {
		t.Errorf("a dry run changed %s", diff)
	}
	result, err := takeBack(t.Context(), w, to, false)
	if err != nil {
		t.Fatal(err)
	}
	if result.Deleted != int64(len(before))-2 || result.Kept != 0 || look.Deleted != result.Deleted || look.Kept != 0 {
		t.Errorf("%d of %d objects were deleted and %d stay; a dry run said %+v", result.Deleted, len(before), result.Kept, look)
	}
	if left := to.Contents(); len(left) != 2 {
		t.Errorf("left are %v", left)
	}
	if last := to.Calls("delete"); last[len(last)-1].Key.Resource != "namespaces" {
		t.Errorf("the last that went is %v", last[len(last)-1])
	}
	again, err := takeBack(t.Context(), w, to, false)
	if err != nil || again.Deleted != 0 || again.Kept != 0 {
		t.Errorf("the second time %+v, %v", again, err)
	}
}

// TestUndoMeetsOthers: what somebody changes, makes anew, deletes or adds while the undo goes on is seen.
func TestUndoMeetsOthers(t *testing.T) {
	chosen := core.Key{Resource: "configmaps", Namespace: "shop", Name: "settings-0"}
	cases := map[string]struct {
		meddle func(t *testing.T, to *fakecluster.Cluster)
		before core.Key // the deletion before which it happens
		want   map[string]string
		there  bool
	}{
		"Changed": {
			func(t *testing.T, to *fakecluster.Cluster) {
				t.Helper()
				living, err := to.Get(t.Context(), world.ConfigMaps, "shop", "settings-0")
				if err != nil {
					t.Error(err)
				}
				object := parse(t, living.JSON)
				object.SetResourceVersion(living.ResourceVersion)
				object.SetLabels(map[string]string{"changed": "yes"})
				if _, err := to.Update(t.Context(), world.ConfigMaps, object, "somebody"); err != nil {
					t.Error(err)
				}
			},
			chosen,
			map[string]string{"settings-0": undo.ReasonChanged, "shop": undo.ReasonNotEmpty},
			true,
		},
		"Recreated": {
			func(t *testing.T, to *fakecluster.Cluster) {
				t.Helper()
				to.Put(t, world.ConfigMaps, "shop", "settings-0", `{"data":{"key":"theirs"}}`)
			},
			chosen,
			map[string]string{"shop": undo.ReasonNotEmpty},
			true,
		},
		"Deleted": {
			func(_ *testing.T, to *fakecluster.Cluster) { to.Remove(world.ConfigMaps, "shop", "settings-0") },
			chosen,
			map[string]string{},
			false,
		},
		"Added": {
			func(t *testing.T, to *fakecluster.Cluster) {
				t.Helper()
				to.Put(t, world.ConfigMaps, "shop", "added", `{}`)
			},
			chosen,
			map[string]string{"shop": undo.ReasonNotEmpty},
			false,
		},
	}
	for name, tc := range cases {
		t.Run(name, func(t *testing.T) {
			w, to := restoredShop(t)
			met := false
			to.Intercept = func(call fakecluster.Call) error {
				if call.Verb == "delete" && call.Key == tc.before && !met {
					met = true
					tc.meddle(t, to)
				}
				return nil
			}
			result, err := takeBack(t.Context(), w, to, false)
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(tc.want, reasonsOf(result.KeptRows)); diff != "" {
				t.Error(diff)
			}
			if _, there := to.Contents()[chosen.String()]; there != tc.there {
				t.Errorf("the object is there: %t", there)
			}
		})
	}
}

// TestUndoInterrupted: an undo that is killed at any of its deletions is gone on with, and ends as an undisturbed one.
func TestUndoInterrupted(t *testing.T) {
	w, to := restoredShop(t)
	total := 0
	for {
		ctx, kill := context.WithCancel(t.Context())
		var deletions atomic.Int32 // Several go on at once.
		to.Intercept = func(call fakecluster.Call) error {
			if call.Verb != "delete" {
				return nil
			}
			if deletions.Add(1) == 2 {
				kill()
				return ctx.Err()
			}
			return nil
		}
		_, err := takeBack(ctx, w, to, false)
		kill()
		if err == nil {
			break
		}
		if !errors.Is(err, context.Canceled) {
			t.Fatal(err)
		}
		if total++; total > 20 {
			t.Fatal("it does not end")
		}
	}
	if left := to.Contents(); len(left) != 2 || total < 2 {
		t.Errorf("after %d interruptions left are %v", total, left)
	}
}

// TestUndoRefused: what the API server does not delete stays, by name, and its namespace with it.
func TestUndoRefused(t *testing.T) {
	w, to := restoredShop(t)
	to.Intercept = func(call fakecluster.Call) error {
		if call.Verb == "delete" && call.Key.Name == "settings-1" {
			return core.ErrDenied
		}
		return nil
	}
	result, err := takeBack(t.Context(), w, to, false)
	if err != nil {
		t.Fatal(err)
	}
	want := map[string]string{"settings-1": undo.ReasonRefused, "shop": undo.ReasonNotEmpty}
	if diff := cmp.Diff(want, reasonsOf(result.KeptRows)); diff != "" {
		t.Error(diff)
	}
	if slices.ContainsFunc(to.Calls("delete"), func(call fakecluster.Call) bool { return call.Key.Resource == "namespaces" }) {
		t.Error("the namespace was deleted")
	}
}

// TestUndoUnanswered: a deletion without an answer is no refusal: the object may be gone, or the cluster be out of reach, which
// ends the undo. Where the cluster answers everything else, the object stays, by name.
func TestUndoUnanswered(t *testing.T) {
	cases := map[string]struct {
		answer func(to *fakecluster.Cluster, asked *bool, call fakecluster.Call) error
		ends   bool
		want   map[string]string
	}{
		"Gone": {func(to *fakecluster.Cluster, asked *bool, call fakecluster.Call) error {
			if call.Verb != "delete" || call.Key.Name != "settings-1" {
				return nil
			}
			*asked = true
			to.Remove(world.ConfigMaps, "shop", "settings-1")
			return core.ErrUnavailable
		}, false, map[string]string{}},
		"Refused": {func(_ *fakecluster.Cluster, asked *bool, call fakecluster.Call) error {
			if call.Verb != "delete" || call.Key.Name != "settings-1" {
				return nil
			}
			*asked = true
			return core.ErrUnavailable
		}, false, map[string]string{"settings-1": undo.ReasonRefused, "shop": undo.ReasonNotEmpty}},
		"OutOfReach": {func(_ *fakecluster.Cluster, asked *bool, call fakecluster.Call) error {
			*asked = *asked || call.Verb == "delete" && call.Key.Name == "settings-1"
			if *asked {
				return core.ErrUnavailable
			}
			return nil
		}, true, map[string]string{}},
	}
	for name, tc := range cases {
		t.Run(name, func(t *testing.T) {
			w, to := restoredShop(t)
			before := int64(len(to.Contents())) - 2
			asked := false
			to.Intercept = func(call fakecluster.Call) error { return tc.answer(to, &asked, call) }
			use := &engineundo.Runner{Cluster: to, Clock: w.Clock, Deleters: 1}
			result, err := use.Run(t.Context(), engineundo.Request{RestoreUID: world.RestoreID.UID})
			if !asked || errors.Is(err, engine.ErrCluster) != tc.ends || (err != nil) != tc.ends {
				t.Fatalf("asked %t, %v", asked, err)
			}
			if diff := cmp.Diff(tc.want, reasonsOf(result.KeptRows)); diff != "" {
				t.Error(diff)
			}
			if !tc.ends && result.Deleted+result.Kept != before {
				t.Errorf("%d objects went and %d stay of %d", result.Deleted, result.Kept, before)
			}
		})
	}
}

// TestUndoCountsUnclear: what has no field, and was made while the restore ran, stays and is counted; what is older is not.
func TestUndoCountsUnclear(t *testing.T) {
	_, to := restoredShop(t)
	to.Put(t, world.ConfigMaps, "theirs", "older", `{}`)
	from := to.Now()
	to.Put(t, world.ConfigMaps, "theirs", "bare", `{}`)
	until := to.Now()
	to.Put(t, world.ConfigMaps, "theirs", "later", `{}`)
	use := &engineundo.Runner{Cluster: to, Clock: clock.RealClock{}, Deleters: 1}
	result, err := use.Run(t.Context(), engineundo.Request{RestoreUID: world.RestoreID.UID, During: undo.Period{From: from, To: until}})
	if err != nil || result.Unclear != 1 {
		t.Errorf("%d objects are unclear: %v", result.Unclear, err)
	}
}

func parse(t *testing.T, content []byte) *unstructured.Unstructured {
	t.Helper()
	object := &unstructured.Unstructured{}
	if err := json.Unmarshal(content, &object.Object); err != nil {
		t.Fatal(err)
	}
	return object
}
