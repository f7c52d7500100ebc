package inspect_test

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
	"github.com/soda-cdm/kahu/internal/engine/inspect"
	"github.com/soda-cdm/kahu/internal/store"
	"github.com/soda-cdm/kahu/internal/testkit/world"
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
	w := world.New(t)
	w.Shop()
	w.Cluster.Put(t, world.Namespaces, "", "other", `{}`)
	w.Cluster.Put(t, world.Deployments, "other", "web", `{"metadata":{"labels":{"secretlabel":"labelvalue"}},"spec":{"template":{"spec":{"containers":[{"name":"a","envFrom":[{"secretRef":{"name":"key"}}]}]}}}}`)
	w.Cluster.Put(t, world.Secrets, "other", "key", `{"data":{"key":"aHVudGVyMg=="}}`)
	if _, err := w.Backup("b", selection.Filters{IncludeResources: []selection.ResourceFilter{{Kind: "Deployment"}, {Kind: "ConfigMap"}}}); err != nil {
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
			page, err := inspect.Objects(t.Context(), inspect.Stored{Backup: world.ID("b"), Files: w.Files}, test.filters, "")
			if err != nil {
				t.Fatal(err)
			}
			got := []string{}
			for _, line := range decoded[inspect.ObjectLine](t, page) {
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
	_, err := inspect.Objects(t.Context(), inspect.Stored{Backup: world.ID("b"), Files: w.Files}, selection.Filters{IncludeResources: []selection.ResourceFilter{{Kind: "Gadget"}}}, "")
	var invalid *engine.InvalidError
	if !errors.As(err, &invalid) || invalid.Problems[0].Reason != selection.ReasonKindNotFound {
		t.Errorf("a kind that is not in the backup gives %v", err)
	}
}

// TestInspectPages: the pages of a long answer are the whole answer, and a token is good for its own question alone.
func TestInspectPages(t *testing.T) {
	w := world.New(t)
	w.Cluster.PageSize = 500
	w.Cluster.Put(t, world.Namespaces, "", "shop", `{}`)
	const number = inspection.MaxLines + 100
	for i := range number {
		w.Cluster.Put(t, world.ConfigMaps, "shop", fmt.Sprintf("settings-%05d", i), `{}`)
	}
	if _, err := w.Backup("b", selection.Filters{}); err != nil {
		t.Fatal(err)
	}
	only := selection.Filters{IncludeResources: []selection.ResourceFilter{{Kind: "ConfigMap"}}}
	token, seen := "", 0
	for {
		page, err := inspect.Objects(t.Context(), inspect.Stored{Backup: world.ID("b"), Files: w.Files}, only, token)
		if err != nil {
			t.Fatal(err)
		}
		for _, line := range decoded[inspect.ObjectLine](t, page) {
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
	if _, err := inspect.Objects(t.Context(), inspect.Stored{Backup: world.ID("b"), Files: w.Files}, selection.Filters{}, token); !errors.Is(err, inspection.ErrToken) {
		t.Errorf("the token of other filters gives %v", err)
	}
	if _, err := inspect.Report(t.Context(), inspect.Stored{Backup: world.ID("b"), Files: w.Files}, token); !errors.Is(err, inspection.ErrToken) {
		t.Errorf("the token of another subject gives %v", err)
	}
}

func TestInspectReport(t *testing.T) {
	w := world.New(t)
	w.Shop()
	w.Cluster.Put(t, world.Claims, "shop", "data", `{"spec":{"volumeName":"v"},"status":{"phase":"Bound"}}`)
	w.Cluster.Put(t, world.Deployments, "shop", "web", `{"spec":{"template":{"spec":{"containers":[{"name":"a","envFrom":[{"secretRef":{"name":"gone"}}]}]}}}}`)
	chosen := selection.Filters{IncludeResources: []selection.ResourceFilter{{Kind: "Deployment"}, {Kind: "PersistentVolumeClaim"}}}
	if _, err := w.Backup("b", chosen); err != nil {
		t.Fatal(err)
	}
	page, err := inspect.Report(t.Context(), inspect.Stored{Backup: world.ID("b"), Files: w.Files}, "")
	if err != nil {
		t.Fatal(err)
	}
	found := map[archive.Level]int{}
	for _, line := range decoded[inspect.ReportLine](t, page) {
		found[line.Level]++
		if line.Level == archive.LevelError && (line.Reason != engine.ReasonVolumeWithoutProvider || line.Name != "data") {
			t.Errorf("got %+v", line)
		}
	}
	if found[archive.LevelError] != 1 || found[archive.LevelWarning] == 0 {
		t.Errorf("got %v", found)
	}
	// The same file, read as one that no manifest names.
	lines, err := inspect.Lines(t.Context(), w.Files, world.ID("b").ReportName(), "")
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(decoded[inspect.ReportLine](t, page), decoded[inspect.ReportLine](t, lines)); diff != "" {
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
			_, err := inspect.Objects(t.Context(), inspect.Stored{Backup: world.ID("b"), Files: files}, selection.Filters{}, "")
			return err
		}},
		"report": {archive.BackupID.ReportName, func(t *testing.T, files *store.Store) error {
			t.Helper()
			_, err := inspect.Report(t.Context(), inspect.Stored{Backup: world.ID("b"), Files: files}, "")
			return err
		}},
		"manifest": {archive.BackupID.ManifestName, func(t *testing.T, files *store.Store) error {
			t.Helper()
			_, err := inspect.Report(t.Context(), inspect.Stored{Backup: world.ID("b"), Files: files}, "")
			return err
		}},
		"lines": {archive.BackupID.ReportName, func(t *testing.T, files *store.Store) error {
			t.Helper()
			_, err := inspect.Lines(t.Context(), files, world.ID("b").ReportName(), "")
			return err
		}},
	} {
		t.Run(name, func(t *testing.T) {
			w := world.New(t)
			w.Shop()
			if _, err := w.Backup("b", selection.Filters{}); err != nil {
				t.Fatal(err)
			}
			if err := damage.ask(t, w.Files); err != nil {
				t.Fatal(err)
			}
			content := w.Content(damage.file(world.ID("b")))
			for i := range content { // All of it: a single bit may stand for nothing.
				content[i] ^= 0xff
			}
			w.Put(damage.file(world.ID("b")), string(content))
			if err := damage.ask(t, w.Files); !errors.Is(err, core.ErrCorrupt) {
				t.Errorf("got %v", err)
			}
		})
	}
}
