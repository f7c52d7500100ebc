package engine_test

import (
	"errors"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/soda-cdm/kahu/internal/core"
	"github.com/soda-cdm/kahu/internal/core/restoreplan"
	"github.com/soda-cdm/kahu/internal/core/selection"
	"github.com/soda-cdm/kahu/internal/engine"
	"github.com/soda-cdm/kahu/internal/testkit/fakecluster"
)

func (w *world) restoreOver(policy restoreplan.Policy, to *fakecluster.Cluster) (engine.RestoreResult, error) {
	w.t.Helper()
	use := &engine.Restore{Cluster: to, Clock: w.clock, Creators: 2}
	return use.Run(w.t.Context(), engine.RestoreRequest{
		Backup: id("one"), ID: restoreID, Attempt: "first", Existing: policy,
	}, w.files)
}

// TestExisting: what is there already stays, is made equal, is made anew, or ends the restore, as the policy says.
func TestExisting(t *testing.T) {
	const changed, kept = `{"data":{"key":"other"}}`, `{"metadata":{"finalizers":["a/b"]},"data":{"key":"other"}}`
	cases := map[restoreplan.Policy]struct {
		counts  engine.RestoreCounts
		reasons map[string]string
		data    map[string]string
		deleted int
	}{
		"": {
			counts: engine.RestoreCounts{Total: 7, Created: 3, Existing: 4},
			data:   map[string]string{"settings-0": "value", "settings-1": "other", "settings-2": "other"},
		},
		restoreplan.Update: {
			counts: engine.RestoreCounts{Total: 7, Created: 3, Updated: 2, Existing: 2},
			data:   map[string]string{"settings-0": "value", "settings-1": "value", "settings-2": "value"},
		},
		restoreplan.Recreate: {
			counts:  engine.RestoreCounts{Total: 7, Created: 3, Updated: 1, Existing: 2},
			reasons: map[string]string{"settings-2": engine.ReasonRecreateRefused},
			data:    map[string]string{"settings-0": "value", "settings-1": "value", "settings-2": "other"},
			deleted: 1,
		},
		restoreplan.Fail: {
			counts: engine.RestoreCounts{Total: 7},
			reasons: map[string]string{
				"shop": engine.ReasonObjectExists, "settings-0": engine.ReasonObjectExists,
				"settings-1": engine.ReasonObjectExists, "settings-2": engine.ReasonObjectExists,
			},
			data: map[string]string{"settings-0": "value", "settings-1": "other", "settings-2": "other", "settings-3": ""},
		},
	}
	for policy, tc := range cases {
		t.Run(string(policy), func(t *testing.T) {
			w := newWorld(t)
			w.shop()
			if _, err := w.backup("one", selection.Filters{}); err != nil {
				t.Fatal(err)
			}
			to := fakecluster.New(allKinds()...)
			to.Put(t, namespaces, "", "shop", `{}`)
			to.Put(t, configMaps, "shop", "settings-0", `{"data":{"key":"value"}}`)
			to.Put(t, configMaps, "shop", "settings-1", changed)
			to.Put(t, configMaps, "shop", "settings-2", kept)
			result, err := w.restoreOver(policy, to)
			var exists *engine.ExistsError
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
				if object, err := to.Get(t.Context(), configMaps, "shop", name); err == nil {
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
		w := newWorld(t)
		w.shop()
		if _, err := w.backup("one", selection.Filters{}); err != nil {
			t.Fatal(err)
		}
		if _, err := w.restoreOver(policy, w.cluster); err != nil {
			t.Fatal(err)
		}
		before := w.cluster.Contents()
		updates := len(w.cluster.Calls("update"))
		result, err := w.restoreOver(policy, w.cluster)
		if err != nil || result.Counts.Existing != 7 || result.FailedTotal > 0 {
			t.Errorf("%s: got %+v %v", policy, result, err)
		}
		if diff := cmp.Diff(before, w.cluster.Contents()); diff != "" || len(w.cluster.Calls("update")) != updates {
			t.Errorf("%s: %s", policy, diff)
		}
	}
}

// TestUpdateRace: an object that somebody changes while it is written over is read again.
func TestUpdateRace(t *testing.T) {
	w := newWorld(t)
	w.shop()
	if _, err := w.backup("one", selection.Filters{}); err != nil {
		t.Fatal(err)
	}
	to := fakecluster.New(allKinds()...)
	to.Put(t, namespaces, "", "shop", `{}`)
	to.Put(t, configMaps, "shop", "settings-1", `{"data":{"key":"other"}}`)
	races := 0
	to.Intercept = func(call fakecluster.Call) error {
		if call.Verb == "update" && call.Key.Name == "settings-1" && races < 3 {
			races++
			to.Put(t, configMaps, "shop", "settings-1", `{"data":{"key":"third"}}`)
		}
		return nil
	}
	result, err := w.restoreOver(restoreplan.Update, to)
	if err != nil || result.Counts.Updated != 1 || races != 3 {
		t.Errorf("got %+v %v after %d races", result.Counts, err, races)
	}
}
