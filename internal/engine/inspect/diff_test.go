package inspect_test

import (
	"encoding/json"
	"errors"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/soda-cdm/kahu/internal/core"
	"github.com/soda-cdm/kahu/internal/core/diff"
	"github.com/soda-cdm/kahu/internal/core/selection"
	"github.com/soda-cdm/kahu/internal/engine/inspect"
	"github.com/soda-cdm/kahu/internal/testkit/world"
)

// compare returns the lines and the counts of a whole answer.
func compare(w *world.World, request inspect.DiffRequest) ([]string, inspect.DiffCounts, error) {
	w.T.Helper()
	request.Old = inspect.Stored{Backup: world.ID("one"), Files: w.Files}
	page, err := inspect.Diff(w.T.Context(), w.Cluster, request)
	if err != nil {
		return nil, inspect.DiffCounts{}, err
	}
	var counts inspect.DiffCounts
	last := len(page.Lines) - 1
	if err := json.Unmarshal([]byte(page.Lines[last]), &counts); err != nil {
		w.T.Fatal(err)
	}
	texts := []string{}
	for _, text := range page.Lines[:last] {
		var line inspect.DiffLine
		if err := json.Unmarshal([]byte(text), &line); err != nil {
			w.T.Fatal(err)
		}
		text := string(line.Op) + " " + line.Kind + " " + line.Namespace + "/" + line.Name
		for _, field := range line.Fields {
			text += " " + field.Path + " " + string(field.Op) + " " + field.Old + ">" + field.New
		}
		texts = append(texts, text)
	}
	return texts, counts, nil
}

// changeShop changes what shop has made.
func changeShop(w *world.World) {
	w.T.Helper()
	w.Cluster.Remove(world.ConfigMaps, "shop", "settings-0")
	w.Cluster.Put(w.T, world.ConfigMaps, "shop", "settings-1", `{"data":{"key":"other"}}`)
	w.Cluster.Put(w.T, world.ConfigMaps, "shop", "settings-2", `{"data":{"key":"value"}}`) // With another UID.
	w.Cluster.Put(w.T, world.ConfigMaps, "shop", "settings-9", `{}`)
	w.Cluster.Put(w.T, world.Secrets, "shop", "password", `{"data":{"key":"b3RoZXI="}}`)
	w.Cluster.Put(w.T, world.ConfigMaps, "other", "a", `{}`)
}

func TestDiff(t *testing.T) {
	t.Parallel()
	w := world.New(t)
	w.Shop()
	shop := selection.Filters{IncludeNamespaces: []string{"shop"}}
	if _, err := w.Backup("one", shop); err != nil {
		t.Fatal(err)
	}
	changeShop(w)
	if _, err := w.Backup("two", shop); err != nil {
		t.Fatal(err)
	}
	want := []string{
		"Removed ConfigMap shop/settings-0",
		`Changed ConfigMap shop/settings-1 data.key Changed "value">"other"`,
		"Added ConfigMap shop/settings-9",
		"Changed Secret shop/password data.key Changed " + diff.Hidden + ">" + diff.Hidden,
	}
	counts := inspect.DiffCounts{Added: 1, Removed: 1, Changed: 2, Unchanged: 4}
	for name, request := range map[string]inspect.DiffRequest{
		"Backup":  {New: &inspect.Stored{Backup: world.ID("two"), Files: w.Files}, Fields: true},
		"Cluster": {Filters: shop, Fields: true},
	} {
		lines, got, err := compare(w, request)
		if err != nil {
			t.Fatal(err)
		}
		if different := cmp.Diff(want, lines); different != "" {
			t.Errorf("%s: lines (-want +got):\n%s", name, different)
		}
		if got != counts {
			t.Errorf("%s: counts are %+v, want %+v", name, got, counts)
		}
		request.Fields = false
		if lines, _, err = compare(w, request); err != nil || strings.Contains(strings.Join(lines, ""), "data.key") {
			t.Errorf("%s: without fields: %q, error %v", name, lines, err)
		}
	}
}

// A backup is no different from itself, and nothing of it is read but its index.
func TestDiffOfEqual(t *testing.T) {
	t.Parallel()
	w := world.New(t)
	w.Shop()
	if _, err := w.Backup("one", selection.Filters{}); err != nil {
		t.Fatal(err)
	}
	lines, counts, err := compare(w, inspect.DiffRequest{New: &inspect.Stored{Backup: world.ID("one"), Files: w.Files}})
	if err != nil || len(lines) > 0 || counts.Unchanged == 0 || counts.Added+counts.Removed+counts.Changed > 0 {
		t.Errorf("lines %q, counts %+v, error %v", lines, counts, err)
	}
}

// A damaged backup is not compared.
func TestDiffOfDamaged(t *testing.T) {
	t.Parallel()
	w := world.New(t)
	w.Workers = 1 // One segment with what has changed in it, as only that is read.
	w.Shop()
	if _, err := w.Backup("one", selection.Filters{}); err != nil {
		t.Fatal(err)
	}
	changeShop(w)
	result, err := w.Backup("two", selection.Filters{})
	if err != nil {
		t.Fatal(err)
	}
	for _, name := range []string{result.Manifest.Index.Name, result.Manifest.Segments[0].Name} {
		content := w.Content(name)
		broken := append([]byte{}, content...)
		for i := range broken { // All of it: a single bit may stand for nothing.
			broken[i] ^= 0xff
		}
		w.Put(name, string(broken))
		if _, _, err := compare(w, inspect.DiffRequest{New: &inspect.Stored{Backup: world.ID("two"), Files: w.Files}}); !errors.Is(err, core.ErrCorrupt) {
			t.Errorf("with no bit as it was in %s: %v", name, err)
		}
		w.Put(name, string(content))
	}
}
