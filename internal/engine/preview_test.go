package engine_test

import (
	"bytes"
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/soda-cdm/kahu/internal/core/archive"
	"github.com/soda-cdm/kahu/internal/core/restoreplan"
	"github.com/soda-cdm/kahu/internal/core/selection"
	"github.com/soda-cdm/kahu/internal/core/transformset"
	"github.com/soda-cdm/kahu/internal/engine"
	"github.com/soda-cdm/kahu/internal/testkit/fakecluster"
)

func (w *world) preview(policy restoreplan.Policy, to *fakecluster.Cluster) engine.Preview {
	w.t.Helper()
	use := &engine.Restore{Cluster: to, Clock: w.clock, Creators: 3}
	result, err := use.Run(w.t.Context(), engine.RestoreRequest{
		Backup: id("one"), ID: restoreID, Attempt: "first", Existing: policy, DryRun: true,
	}, w.files)
	if err != nil || result.Preview == nil {
		w.t.Fatalf("got %+v %v", result, err)
	}
	return *result.Preview
}

// shown returns the rows of a preview as text.
func shown(found engine.Preview) []string {
	var rows []string
	for _, row := range found.Rows {
		text := string(row.Action) + " " + row.Key.String()
		if !row.Checked {
			text += " (unchecked)"
		}
		for _, field := range row.Fields {
			text += " " + field.Line
		}
		rows = append(rows, text)
	}
	return rows
}

// TestPreview: a dry run says of each object what would come of it, and writes nothing.
func TestPreview(t *testing.T) {
	w := newWorld(t)
	w.shop()
	w.cluster.Put(t, namespaces, "", "new", `{}`)
	w.cluster.Put(t, configMaps, "new", "inside", `{}`)
	w.cluster.Put(t, claims, "shop", "data", `{"spec":{"storageClassName":"fast"}}`)
	if _, err := w.backup("one", selection.Filters{}); err != nil {
		t.Fatal(err)
	}
	to := fakecluster.New(allKinds()...)
	to.Put(t, namespaces, "", "shop", `{}`)
	to.Put(t, configMaps, "shop", "settings-0", `{"data":{"key":"value"}}`)
	to.Put(t, configMaps, "shop", "settings-1", `{"data":{"key":"other","more":"x"}}`)
	to.Put(t, secrets, "shop", "password", `{"data":{"key":"b3RoZXI="}}`)
	before := to.Contents()
	cases := map[restoreplan.Policy][]string{
		"": {
			"Create namespaces new", "Create configmaps new/inside (unchecked)", "Create configmaps shop/settings-2",
			"Create configmaps shop/settings-3", "Create configmaps shop/settings-4", "Create persistentvolumeclaims shop/data",
			"Skip namespaces shop", "Skip configmaps shop/settings-0", "Skip configmaps shop/settings-1", "Skip secrets shop/password",
		},
		restoreplan.Update: {
			`Update configmaps shop/settings-1 ~ data.key: "other" -> "value" - data.more: "x"`,
			"Update secrets shop/password ~ data.key: (hidden) -> (hidden)",
			"Create namespaces new", "Create configmaps new/inside (unchecked)", "Create configmaps shop/settings-2",
			"Create configmaps shop/settings-3", "Create configmaps shop/settings-4", "Create persistentvolumeclaims shop/data",
			"Unchanged namespaces shop", "Unchanged configmaps shop/settings-0",
		},
		restoreplan.Fail: {
			"Conflict namespaces shop",
			"Conflict configmaps shop/settings-0", "Conflict configmaps shop/settings-1", "Conflict secrets shop/password",
			"Create namespaces new", "Create configmaps new/inside (unchecked)", "Create configmaps shop/settings-2",
			"Create configmaps shop/settings-3", "Create configmaps shop/settings-4", "Create persistentvolumeclaims shop/data",
		},
	}
	for policy, want := range cases {
		t.Run(string(policy), func(t *testing.T) {
			found := w.preview(policy, to)
			if diff := cmp.Diff(want, shown(found)); diff != "" {
				t.Error(diff)
			}
			if diff := cmp.Diff([]string{
				"storageclasses.storage.k8s.io fast is neither in the cluster nor in the plan: needed by persistentvolumeclaims shop/data",
			}, found.Problems); diff != "" {
				t.Error(diff)
			}
			if diff := cmp.Diff(before, to.Contents()); diff != "" {
				t.Errorf("the cluster was changed: %s", diff)
			}
			for _, verb := range []string{"create", "replace", "update", "delete"} {
				if calls := to.Calls(verb); len(calls) > 0 {
					t.Errorf("asked to %s: %v", verb, calls)
				}
			}
			w.checkPlanFile(found)
			if _, err := w.plain().Open(t.Context(), found.File); err != nil {
				t.Error(err)
			}
			if err := w.plain().Remove(t.Context(), found.File); err != nil {
				t.Error(err)
			}
			if err := w.plain().Remove(t.Context(), restoreID.ReportName("first")); err != nil {
				t.Error(err)
			}
		})
	}
}

// checkPlanFile holds the file of a plan against its rows.
func (w *world) checkPlanFile(found engine.Preview) {
	w.t.Helper()
	content := w.content(found.File)
	objects := 0
	for entry, err := range archive.ReadReport(bytes.NewReader(content)) {
		if err != nil {
			w.t.Fatal(err)
		}
		if strings.Contains(entry.Message, "dmFsdWU") || strings.Contains(entry.Message, "b3RoZXI") {
			w.t.Errorf("the plan quotes a secret: %+v", entry)
		}
		if entry.Action != "Change" && entry.Action != "Preflight" {
			objects++
		}
	}
	if objects != len(found.Rows) || !slices.ContainsFunc(w.allNames(), func(name string) bool { return name == found.File }) {
		w.t.Errorf("%d objects are in the file, want %d", objects, len(found.Rows))
	}
}

// TestPreviewOfMuch: of more objects and changes than are shown the conflicts are, and the numbers are those of all.
func TestPreviewOfMuch(t *testing.T) {
	w := newWorld(t)
	w.shop()
	for i := range 150 {
		w.cluster.Put(t, configMaps, "shop", fmt.Sprintf("a-%03d", i), `{}`)
	}
	var wide strings.Builder
	for i := range 120 {
		fmt.Fprintf(&wide, `"key-%03d":"value",`, i)
	}
	w.cluster.Put(t, secrets, "shop", "wide", `{"data":{`+strings.TrimSuffix(wide.String(), ",")+`}}`)
	if _, err := w.backup("one", selection.Filters{}); err != nil {
		t.Fatal(err)
	}
	to := fakecluster.New(allKinds()...)
	to.Put(t, namespaces, "", "shop", `{}`)
	to.Put(t, secrets, "shop", "wide", `{}`)
	to.Put(t, secrets, "shop", "password", `{"metadata":{"finalizers":["a/b"]}}`)
	found := w.preview(restoreplan.Recreate, to)
	if len(found.Rows) != 100 || found.Rows[0].Key.Name != "password" || found.Rows[0].Action != engine.PlanConflict {
		t.Errorf("%d rows, the first is %+v; want the conflict first", len(found.Rows), found.Rows[0])
	}
	total := 0
	for entry, err := range archive.ReadReport(bytes.NewReader(w.content(found.File))) {
		if err != nil {
			t.Fatal(err)
		}
		if entry.Action == "Change" && entry.Object.Name == "wide" {
			total++
			if total == 101 && entry.Message != "... and 20 more fields" {
				t.Errorf("the last line of the changes is %q", entry.Message)
			}
		}
	}
	if total != 101 {
		t.Errorf("%d lines of changes are in the plan; want 100, and one that counts the others", total)
	}
}

// TestPreviewCountsFields: all changes of an object are counted, also those that are not kept; and what the API server could not
// check is counted.
func TestPreviewCountsFields(t *testing.T) {
	w := newWorld(t)
	w.shop()
	var wide strings.Builder
	for i := range 120 {
		fmt.Fprintf(&wide, `"key-%03d":"value",`, i)
	}
	w.cluster.Put(t, configMaps, "shop", "wide", `{"data":{`+strings.TrimSuffix(wide.String(), ",")+`}}`)
	w.cluster.Put(t, namespaces, "", "new", `{}`)
	w.cluster.Put(t, configMaps, "new", "inside", `{}`)
	if _, err := w.backup("one", selection.Filters{}); err != nil {
		t.Fatal(err)
	}
	to := fakecluster.New(allKinds()...)
	to.Put(t, namespaces, "", "shop", `{}`)
	to.Put(t, configMaps, "shop", "wide", `{"data":{"key-000":"other"}}`)
	found := w.preview(restoreplan.Update, to)
	at := slices.IndexFunc(found.Rows, func(row engine.PlanRow) bool { return row.Key.Name == "wide" })
	if row := found.Rows[at]; len(row.Fields) != 100 || row.FieldsTotal != 120 {
		t.Errorf("%d fields of %d; want 100 of 120", len(row.Fields), row.FieldsTotal)
	}
	if found.Unchecked != 1 {
		t.Errorf("%d were not checked; want the one in the new namespace", found.Unchecked)
	}
}

// TestPreviewOfTransforms: an object to which a transform cannot be applied is a row, and so is every other one.
func TestPreviewOfTransforms(t *testing.T) {
	w := newWorld(t)
	w.shop()
	if _, err := w.backup("one", selection.Filters{}); err != nil {
		t.Fatal(err)
	}
	to := fakecluster.New(allKinds()...)
	use := &engine.Restore{Cluster: to, Clock: w.clock, Creators: 3}
	result, err := use.Run(t.Context(), engine.RestoreRequest{
		Backup: id("one"), ID: restoreID, Attempt: "first", DryRun: true,
		Transforms: []transformset.Set{{Name: "set", Transforms: []transformset.Transform{{
			Name: "fails", Match: transformset.Match{Resources: []selection.ResourceFilter{{Kind: "ConfigMap", Name: "settings-2"}}},
			JSONPatch: []transformset.Operation{{Op: "test", Path: "/data/key", Value: json.RawMessage(`"other"`)}},
		}}}},
	}, w.files)
	if err != nil || result.FailedTotal > 0 {
		t.Fatalf("failed are %v, error %v", result.Failed, err)
	}
	found := result.Preview
	first := found.Rows[0]
	if first.Action != engine.PlanConflict || first.Key.Name != "settings-2" || !strings.Contains(first.Reason, "fails") {
		t.Errorf("the first row is %+v", first)
	}
	if found.Counts[engine.PlanConflict] != 1 || found.Counts[engine.PlanCreate] != 6 {
		t.Errorf("counted are %v", found.Counts)
	}
}
