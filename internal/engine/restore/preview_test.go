package restore_test

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
	"github.com/soda-cdm/kahu/internal/engine/restore"
	"github.com/soda-cdm/kahu/internal/engine/restore/preview"
	"github.com/soda-cdm/kahu/internal/testkit/fakecluster"
	"github.com/soda-cdm/kahu/internal/testkit/world"
)

func previewed(w *world.World, policy restoreplan.Policy, to *fakecluster.Cluster) preview.Result {
	w.T.Helper()
	use := &restore.Runner{Cluster: to, Clock: w.Clock, Creators: 3}
	result, err := use.Run(w.T.Context(), restore.Request{
		Backup: world.ID("one"), ID: world.RestoreID, Attempt: "first", Existing: policy, DryRun: true,
	}, w.Files)
	if err != nil || result.Preview == nil {
		w.T.Fatalf("got %+v %v", result, err)
	}
	return *result.Preview
}

// shown returns the rows of a preview as text.
func shown(found preview.Result) []string {
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
	w := world.New(t)
	w.Shop()
	w.Cluster.Put(t, world.Namespaces, "", "new", `{}`)
	w.Cluster.Put(t, world.ConfigMaps, "new", "inside", `{}`)
	w.Cluster.Put(t, world.Claims, "shop", "data", `{"spec":{"storageClassName":"fast"}}`)
	if _, err := w.Backup("one", selection.Filters{}); err != nil {
		t.Fatal(err)
	}
	to := fakecluster.New(world.AllKinds()...)
	to.Put(t, world.Namespaces, "", "shop", `{}`)
	to.Put(t, world.ConfigMaps, "shop", "settings-0", `{"data":{"key":"value"}}`)
	to.Put(t, world.ConfigMaps, "shop", "settings-1", `{"data":{"key":"other","more":"x"}}`)
	to.Put(t, world.Secrets, "shop", "password", `{"data":{"key":"b3RoZXI="}}`)
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
			found := previewed(w, policy, to)
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
			checkPlanFile(w, found)
			if _, err := w.Plain().Open(t.Context(), found.File); err != nil {
				t.Error(err)
			}
			if err := w.Plain().Remove(t.Context(), found.File); err != nil {
				t.Error(err)
			}
			if err := w.Plain().Remove(t.Context(), world.RestoreID.ReportName("first")); err != nil {
				t.Error(err)
			}
		})
	}
}

// checkPlanFile holds the file of a plan against its rows.
func checkPlanFile(w *world.World, found preview.Result) {
	w.T.Helper()
	content := w.Content(found.File)
	objects := 0
	for entry, err := range archive.ReadReport(bytes.NewReader(content)) {
		if err != nil {
			w.T.Fatal(err)
		}
		if strings.Contains(entry.Message, "dmFsdWU") || strings.Contains(entry.Message, "b3RoZXI") {
			w.T.Errorf("the plan quotes a secret: %+v", entry)
		}
		if entry.Action != "Change" && entry.Action != "Preflight" {
			objects++
		}
	}
	if objects != len(found.Rows) || !slices.ContainsFunc(w.AllNames(), func(name string) bool { return name == found.File }) {
		w.T.Errorf("%d objects are in the file, want %d", objects, len(found.Rows))
	}
}

// TestPreviewOfMuch: of more objects and changes than are shown the conflicts are, and the numbers are those of all.
func TestPreviewOfMuch(t *testing.T) {
	w := world.New(t)
	w.Shop()
	for i := range 150 {
		w.Cluster.Put(t, world.ConfigMaps, "shop", fmt.Sprintf("a-%03d", i), `{}`)
	}
	var wide strings.Builder
	for i := range 120 {
		fmt.Fprintf(&wide, `"key-%03d":"value",`, i)
	}
	w.Cluster.Put(t, world.Secrets, "shop", "wide", `{"data":{`+strings.TrimSuffix(wide.String(), ",")+`}}`)
	if _, err := w.Backup("one", selection.Filters{}); err != nil {
		t.Fatal(err)
	}
	to := fakecluster.New(world.AllKinds()...)
	to.Put(t, world.Namespaces, "", "shop", `{}`)
	to.Put(t, world.Secrets, "shop", "wide", `{}`)
	to.Put(t, world.Secrets, "shop", "password", `{"metadata":{"finalizers":["a/b"]}}`)
	found := previewed(w, restoreplan.Recreate, to)
	if len(found.Rows) != 100 || found.Rows[0].Key.Name != "password" || found.Rows[0].Action != preview.Conflict {
		t.Errorf("%d rows, the first is %+v; want the conflict first", len(found.Rows), found.Rows[0])
	}
	total := 0
	for entry, err := range archive.ReadReport(bytes.NewReader(w.Content(found.File))) {
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
	w := world.New(t)
	w.Shop()
	var wide strings.Builder
	for i := range 120 {
		fmt.Fprintf(&wide, `"key-%03d":"value",`, i)
	}
	w.Cluster.Put(t, world.ConfigMaps, "shop", "wide", `{"data":{`+strings.TrimSuffix(wide.String(), ",")+`}}`)
	w.Cluster.Put(t, world.Namespaces, "", "new", `{}`)
	w.Cluster.Put(t, world.ConfigMaps, "new", "inside", `{}`)
	if _, err := w.Backup("one", selection.Filters{}); err != nil {
		t.Fatal(err)
	}
	to := fakecluster.New(world.AllKinds()...)
	to.Put(t, world.Namespaces, "", "shop", `{}`)
	to.Put(t, world.ConfigMaps, "shop", "wide", `{"data":{"key-000":"other"}}`)
	found := previewed(w, restoreplan.Update, to)
	at := slices.IndexFunc(found.Rows, func(row preview.Row) bool { return row.Key.Name == "wide" })
	if row := found.Rows[at]; len(row.Fields) != 100 || row.FieldsTotal != 120 {
		t.Errorf("%d fields of %d; want 100 of 120", len(row.Fields), row.FieldsTotal)
	}
	if found.Unchecked != 1 {
		t.Errorf("%d were not checked; want the one in the new namespace", found.Unchecked)
	}
}

// TestPreviewOfTransforms: an object to which a transform cannot be applied is a row, and so is every other one.
func TestPreviewOfTransforms(t *testing.T) {
	w := world.New(t)
	w.Shop()
	if _, err := w.Backup("one", selection.Filters{}); err != nil {
		t.Fatal(err)
	}
	to := fakecluster.New(world.AllKinds()...)
	use := &restore.Runner{Cluster: to, Clock: w.Clock, Creators: 3}
	result, err := use.Run(t.Context(), restore.Request{
		Backup: world.ID("one"), ID: world.RestoreID, Attempt: "first", DryRun: true,
		Transforms: []transformset.Set{{Name: "set", Transforms: []transformset.Transform{{
			Name: "fails", Match: transformset.Match{Resources: []selection.ResourceFilter{{Kind: "ConfigMap", Name: "settings-2"}}},
			JSONPatch: []transformset.Operation{{Op: "test", Path: "/data/key", Value: json.RawMessage(`"other"`)}},
		}}}},
	}, w.Files)
	if err != nil || result.FailedTotal > 0 {
		t.Fatalf("failed are %v, error %v", result.Failed, err)
	}
	found := result.Preview
	first := found.Rows[0]
	if first.Action != preview.Conflict || first.Key.Name != "settings-2" || !strings.Contains(first.Reason, "fails") {
		t.Errorf("the first row is %+v", first)
	}
	if found.Counts[preview.Conflict] != 1 || found.Counts[preview.Create] != 6 {
		t.Errorf("counted are %v", found.Counts)
	}
}

// TestPreviewOfOwned: where the owner stays as it is, so does what refers to it, and a run after the preview agrees.
func TestPreviewOfOwned(t *testing.T) {
	w := world.New(t)
	owned := func(of *fakecluster.Cluster, owner string) {
		t.Helper()
		of.Put(t, world.Namespaces, "", "shop", `{}`)
		of.Put(t, world.ConfigMaps, "shop", "owner", owner)
		living, err := of.Living(t.Context(), world.ConfigMaps, "shop", "owner")
		if err != nil {
			t.Fatal(err)
		}
		of.Put(t, world.Secrets, "shop", "owned", fmt.Sprintf(
			`{"metadata":{"ownerReferences":[{"apiVersion":"v1","kind":"ConfigMap","name":"owner","uid":%q}]}}`, living.UID))
	}
	owned(w.Cluster, `{"data":{"a":"b"}}`)
	if _, err := w.Backup("one", selection.Filters{}); err != nil {
		t.Fatal(err)
	}
	for name, tc := range map[string]struct {
		policy restoreplan.Policy
		owner  string
		want   []string
	}{
		"update equal": {restoreplan.Update, `{"data":{"a":"b"}}`, []string{
			"Unchanged namespaces shop", "Unchanged configmaps shop/owner", "Unchanged secrets shop/owned",
		}},
		"recreate equal": {restoreplan.Recreate, `{"data":{"a":"b"}}`, []string{
			"Unchanged namespaces shop", "Unchanged configmaps shop/owner", "Unchanged secrets shop/owned",
		}},
		"update other": {restoreplan.Update, `{"data":{"a":"c"}}`, []string{
			`Update configmaps shop/owner ~ data.a: "c" -> "b"`, "Unchanged namespaces shop", "Unchanged secrets shop/owned",
		}},
		"recreate other": {restoreplan.Recreate, `{"data":{"a":"c"}}`, []string{
			`Recreate configmaps shop/owner ~ data.a: "c" -> "b"`,
			"Recreate secrets shop/owned", "Unchanged namespaces shop",
		}},
	} {
		t.Run(name, func(t *testing.T) {
			to := fakecluster.New(world.AllKinds()...)
			to.Put(t, world.Namespaces, "", "another-uid-than-there", `{}`)
			owned(to, tc.owner)
			found := previewed(w, tc.policy, to)
			rows := shown(found)
			for i := range rows {
				rows[i], _, _ = strings.Cut(rows[i], " ~ metadata.ownerReferences")
			}
			if diff := cmp.Diff(tc.want, rows); diff != "" {
				t.Error(diff)
			}
			use := &restore.Runner{Cluster: to, Clock: w.Clock, Creators: 3}
			done, err := use.Run(t.Context(), restore.Request{Backup: world.ID("one"), ID: world.RestoreID, Attempt: "first", Existing: tc.policy}, w.Files)
			changed := found.Counts[preview.Update] + found.Counts[preview.Recreate]
			if err != nil || done.Counts.Updated != changed {
				t.Errorf("the run changed %d objects, the preview %d: %v", done.Counts.Updated, changed, err)
			}
		})
	}
}
