package engine_test

import (
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/soda-cdm/kahu/internal/core"
	"github.com/soda-cdm/kahu/internal/core/archive"
	"github.com/soda-cdm/kahu/internal/core/inspection"
	"github.com/soda-cdm/kahu/internal/core/selection"
	"github.com/soda-cdm/kahu/internal/engine"
	"github.com/soda-cdm/kahu/internal/store"
)

// decoded returns the lines of a page as values.
func decoded[T any](t *testing.T, page inspection.Page) []T {
	t.Helper()
	lines := make([]T, len(page.Lines))
	for i, line := range page.Lines {
		if err := json.Unmarshal([]byte(line), &lines[i]); err != nil {
			t.Fatalf("line %q: %v", line, err)
		}
	}
	return lines
}

// TestInspectObjects: every object is shown with the reason why it is in, filters choose among them, and nothing of what
// is in an object is shown.
func TestInspectObjects(t *testing.T) {
	w := newWorld(t)
	w.shop()
	w.cluster.Put(t, namespaces, "", "other", `{}`)
	w.cluster.Put(t, deployments, "other", "web", `{"metadata":{"labels":{"secretlabel":"labelvalue"}},"spec":{"template":{"spec":{"containers":[{"name":"a","envFrom":[{"secretRef":{"name":"key"}}]}]}}}}`)
	w.cluster.Put(t, secrets, "other", "key", `{"data":{"key":"aHVudGVyMg=="}}`)
	if _, err := w.backup("b", selection.Filters{IncludeResources: []selection.ResourceFilter{{Kind: "Deployment"}, {Kind: "ConfigMap"}}}); err != nil {
		t.Fatal(err)
	}
	cases := map[string]struct {
		filters selection.Filters
		want    []string
	}{
		"everything": {selection.Filters{}, []string{
			"ConfigMap shop/settings-0 selected", "ConfigMap shop/settings-1 selected", "ConfigMap shop/settings-2 selected",
			"ConfigMap shop/settings-3 selected", "ConfigMap shop/settings-4 selected",
			"Namespace /other needed by Deployment other/web", "Namespace /shop needed by ConfigMap shop/settings-0",
			"Secret other/key needed by Deployment other/web", "Deployment other/web selected",
		}},
		"a namespace": {selection.Filters{IncludeNamespaces: []string{"other"}}, []string{
			"Namespace /other needed by Deployment other/web", "Secret other/key needed by Deployment other/web", "Deployment other/web selected",
		}},
		"a kind": {selection.Filters{IncludeResources: []selection.ResourceFilter{{Kind: "secret"}}}, []string{
			"Secret other/key needed by Deployment other/web",
		}},
		"nothing": {selection.Filters{IncludeNamespaces: []string{"nobody"}}, []string{}},
	}
	for name, test := range cases {
		t.Run(name, func(t *testing.T) {
			page, err := engine.InspectObjects(t.Context(), engine.Stored{Backup: id("b"), Files: w.files}, test.filters, "")
			if err != nil {
				t.Fatal(err)
			}
			got := []string{}
			for _, line := range decoded[engine.ObjectLine](t, page) {
				got = append(got, fmt.Sprintf("%s %s/%s %s", line.Kind, line.Namespace, line.Name, line.Reason))
			}
			if diff := cmp.Diff(test.want, got); diff != "" {
				t.Error(diff)
			}
			for _, value := range []string{"aHVudGVyMg", "hunter2", "labelvalue"} {
				if strings.Contains(strings.Join(page.Lines, "\n"), value) {
					t.Errorf("%s is shown", value)
				}
			}
		})
	}
	_, err := engine.InspectObjects(t.Context(), engine.Stored{Backup: id("b"), Files: w.files}, selection.Filters{IncludeResources: []selection.ResourceFilter{{Kind: "Gadget"}}}, "")
	var invalid *engine.InvalidError
	if !errors.As(err, &invalid) || invalid.Problems[0].Reason != selection.ReasonKindNotFound {
		t.Errorf("a kind that is not in the backup gives %v", err)
	}
}

// TestInspectPages: the pages of a long answer are the whole answer, and a token is good for its own question alone.
func TestInspectPages(t *testing.T) {
	w := newWorld(t)
	w.cluster.PageSize = 500
	w.cluster.Put(t, namespaces, "", "shop", `{}`)
	const number = inspection.MaxLines + 100
	for i := range number {
		w.cluster.Put(t, configMaps, "shop", fmt.Sprintf("settings-%05d", i), `{}`)
	}
	if _, err := w.backup("b", selection.Filters{}); err != nil {
		t.Fatal(err)
	}
	only := selection.Filters{IncludeResources: []selection.ResourceFilter{{Kind: "ConfigMap"}}}
	token, seen := "", 0
	for {
		page, err := engine.InspectObjects(t.Context(), engine.Stored{Backup: id("b"), Files: w.files}, only, token)
		if err != nil {
			t.Fatal(err)
		}
		for _, line := range decoded[engine.ObjectLine](t, page) {
			if want := fmt.Sprintf("settings-%05d", seen); line.Name != want {
				t.Fatalf("got %s, want %s", line.Name, want)
			}
			seen++
		}
		if page.Next == "" {
			break
		}
		token = page.Next
	}
	if seen != number || token == "" {
		t.Errorf("%d of %d objects, last token %q", seen, number, token)
	}
	if _, err := engine.InspectObjects(t.Context(), engine.Stored{Backup: id("b"), Files: w.files}, selection.Filters{}, token); !errors.Is(err, inspection.ErrToken) {
		t.Errorf("the token of other filters gives %v", err)
	}
	if _, err := engine.InspectReport(t.Context(), engine.Stored{Backup: id("b"), Files: w.files}, token); !errors.Is(err, inspection.ErrToken) {
		t.Errorf("the token of another subject gives %v", err)
	}
}

func TestInspectReport(t *testing.T) {
	w := newWorld(t)
	w.shop()
	w.cluster.Put(t, claims, "shop", "data", `{"spec":{"volumeName":"v"},"status":{"phase":"Bound"}}`)
	w.cluster.Put(t, deployments, "shop", "web", `{"spec":{"template":{"spec":{"containers":[{"name":"a","envFrom":[{"secretRef":{"name":"gone"}}]}]}}}}`)
	chosen := selection.Filters{IncludeResources: []selection.ResourceFilter{{Kind: "Deployment"}, {Kind: "PersistentVolumeClaim"}}}
	if _, err := w.backup("b", chosen); err != nil {
		t.Fatal(err)
	}
	page, err := engine.InspectReport(t.Context(), engine.Stored{Backup: id("b"), Files: w.files}, "")
	if err != nil {
		t.Fatal(err)
	}
	found := map[archive.Level]int{}
	for _, line := range decoded[engine.ReportLine](t, page) {
		found[line.Level]++
		if line.Level == archive.LevelError && (line.Reason != engine.ReasonVolumeWithoutProvider || line.Name != "data") {
			t.Errorf("got %+v", line)
		}
	}
	if found[archive.LevelError] != 1 || found[archive.LevelWarning] == 0 {
		t.Errorf("got %v", found)
	}
	// The same file, read as one that no manifest names.
	lines, err := engine.InspectLines(t.Context(), w.files, id("b").ReportName(), "")
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(decoded[engine.ReportLine](t, page), decoded[engine.ReportLine](t, lines)); diff != "" {
		t.Error(diff)
	}
}

// TestInspectDamage: an answer out of a file that is not as it was written is no answer.
func TestInspectDamage(t *testing.T) {
	for name, damage := range map[string]struct {
		file func(backup archive.BackupID) string
		ask  func(t *testing.T, files *store.Store) error
	}{
		"index": {archive.BackupID.IndexName, func(t *testing.T, files *store.Store) error {
			t.Helper()
			_, err := engine.InspectObjects(t.Context(), engine.Stored{Backup: id("b"), Files: files}, selection.Filters{}, "")
			return err
		}},
		"report": {archive.BackupID.ReportName, func(t *testing.T, files *store.Store) error {
			t.Helper()
			_, err := engine.InspectReport(t.Context(), engine.Stored{Backup: id("b"), Files: files}, "")
			return err
		}},
		"manifest": {archive.BackupID.ManifestName, func(t *testing.T, files *store.Store) error {
			t.Helper()
			_, err := engine.InspectReport(t.Context(), engine.Stored{Backup: id("b"), Files: files}, "")
			return err
		}},
		"lines": {archive.BackupID.ReportName, func(t *testing.T, files *store.Store) error {
			t.Helper()
			_, err := engine.InspectLines(t.Context(), files, id("b").ReportName(), "")
			return err
		}},
	} {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t)
			w.shop()
			if _, err := w.backup("b", selection.Filters{}); err != nil {
				t.Fatal(err)
			}
			if err := damage.ask(t, w.files); err != nil {
				t.Fatal(err)
			}
			content := w.content(damage.file(id("b")))
			content[len(content)/2] ^= 1
			w.put(damage.file(id("b")), string(content))
			if err := damage.ask(t, w.files); !errors.Is(err, core.ErrCorrupt) {
				t.Errorf("got %v", err)
			}
		})
	}
}
