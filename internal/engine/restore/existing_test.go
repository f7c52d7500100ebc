package restore_test

import (
	"errors"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/soda-cdm/kahu/internal/core"
	"github.com/soda-cdm/kahu/internal/core/restoreplan"
	"github.com/soda-cdm/kahu/internal/core/selection"
	"github.com/soda-cdm/kahu/internal/engine/restore"
	"github.com/soda-cdm/kahu/internal/testkit/fakecluster"
	"github.com/soda-cdm/kahu/internal/testkit/world"
)

// TestExisting: what is there already stays, is made equal, is made anew, or ends the restore, as the policy says.
func TestExisting(t *testing.T) {
	const changed, kept = `{"data":{"key":"other"}}`, `{"metadata":{"finalizers":["a/b"]},"data":{"key":"other"}}`
	cases := map[restoreplan.Policy]struct {
		counts  restore.Counts
		reasons map[string]string
		data    map[string]string
		deleted int
	}{
		"": {
			counts: restore.Counts{Total: 7, Created: 3, Existing: 4},
			data:   map[string]string{"settings-0": "value", "settings-1": "other", "settings-2": "other"},
		},
		restoreplan.Update: {
			counts: restore.Counts{Total: 7, Created: 3, Updated: 2, Existing: 2},
			data:   map[string]string{"settings-0": "value", "settings-1": "value", "settings-2": "value"},
		},
		restoreplan.Recreate: {
			counts:  restore.Counts{Total: 7, Created: 3, Updated: 1, Existing: 2},
			reasons: map[string]string{"settings-2": restore.ReasonRecreateRefused},
			data:    map[string]string{"settings-0": "value", "settings-1": "value", "settings-2": "other"},
			deleted: 1,
		},
		restoreplan.Fail: {
			counts: restore.Counts{Total: 7},
			reasons: map[string]string{
				"shop": restore.ReasonObjectExists, "settings-0": restore.ReasonObjectExists,
				"settings-1": restore.ReasonObjectExists, "settings-2": restore.ReasonObjectExists,
			},
			data: map[string]string{"settings-0": "value", "settings-1": "other", "settings-2": "other", "settings-3": ""},
		},
	}
	for policy, tc := range cases {
		t.Run(string(policy), func(t *testing.T) {
			w := world.New(t)
			w.Shop()
			if _, err := w.Backup("one", selection.Filters{}); err != nil {
				t.Fatal(err)
			}
			to := fakecluster.New(world.AllKinds()...)
			to.Put(t, world.Namespaces, "", "shop", `{}`)
			to.Put(t, world.ConfigMaps, "shop", "settings-0", `{"data":{"key":"value"}}`)
			to.Put(t, world.ConfigMaps, "shop", "settings-1", changed)
			to.Put(t, world.ConfigMaps, "shop", "settings-2", kept)
			result, err := w.RestoreOver(policy, to)
			var exists *restore.ExistsError
			if (policy == restoreplan.Fail) != errors.As(err, &exists) || policy != restoreplan.Fail && err != nil {
				t.Fatalf("got %v", err)
			}
			if diff := cmp.Diff(tc.counts, result.Counts); diff != "" {
				t.Error(diff)
			}
			reasons := map[string]string{}
			for _, row := range result.Failed {
				reasons[row.Key.Name] = row.Reason
			}
			if diff := cmp.Diff(tc.reasons, reasons); diff != "" && len(tc.reasons)+len(reasons) > 0 {
				t.Error(diff)
			}
			for name, want := range tc.data {
				got := ""
				if object, err := to.Get(t.Context(), world.ConfigMaps, "shop", name); err == nil {
					got = string(object.JSON)
				} else if !errors.Is(err, core.ErrNotFound) {
					t.Fatal(err)
				}
				if (want == "") != (got == "") || want != "" && !strings.Contains(got, `"key":"`+want+`"`) {
					t.Errorf("%s is %s", name, got)
				}
			}
			if writes := len(to.Calls("create")) + len(to.Calls("update")); policy == restoreplan.Fail && writes > 0 {
				t.Errorf("%d writes", writes)
			}
			if deleted := len(to.Calls("delete")); deleted != tc.deleted {
				t.Errorf("%d deleted", deleted)
			}
		})
	}
}

// TestExistingTwice: a second restore of the same wish, whatever the policy, changes nothing.
func TestExistingTwice(t *testing.T) {
	for _, policy := range []restoreplan.Policy{restoreplan.Skip, restoreplan.Update, restoreplan.Recreate} {
		w := world.New(t)
		w.Shop()
		if _, err := w.Backup("one", selection.Filters{}); err != nil {
			t.Fatal(err)
		}
		if _, err := w.RestoreOver(policy, w.Cluster); err != nil {
			t.Fatal(err)
		}
		before := w.Cluster.Contents()
		updates := len(w.Cluster.Calls("update"))
		result, err := w.RestoreOver(policy, w.Cluster)
		if err != nil || result.Counts.Existing != 7 || result.FailedTotal > 0 {
			t.Errorf("%s: got %+v %v", policy, result, err)
		}
		if diff := cmp.Diff(before, w.Cluster.Contents()); diff != "" || len(w.Cluster.Calls("update")) != updates {
			t.Errorf("%s: %s", policy, diff)
		}
	}
}

// TestUpdateRace: an object that somebody changes while it is written over is read again.
func TestUpdateRace(t *testing.T) {
	w := world.New(t)
	w.Shop()
	if _, err := w.Backup("one", selection.Filters{}); err != nil {
		t.Fatal(err)
	}
	to := fakecluster.New(world.AllKinds()...)
	to.Put(t, world.Namespaces, "", "shop", `{}`)
	to.Put(t, world.ConfigMaps, "shop", "settings-1", `{"data":{"key":"other"}}`)
	races := 0
	to.Intercept = func(call fakecluster.Call) error {
		if call.Verb == "update" && call.Key.Name == "settings-1" && races < 3 {
			races++
			to.Put(t, world.ConfigMaps, "shop", "settings-1", `{"data":{"key":"third"}}`)
		}
		return nil
	}
	result, err := w.RestoreOver(restoreplan.Update, to)
	if err != nil || result.Counts.Updated != 1 || races != 3 {
		t.Errorf("got %+v %v after %d races", result.Counts, err, races)
	}
}
