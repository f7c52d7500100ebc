package engine_test

import (
	"encoding/json"
	"errors"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/soda-cdm/kahu/internal/core"
	"github.com/soda-cdm/kahu/internal/core/diff"
	"github.com/soda-cdm/kahu/internal/core/selection"
	"github.com/soda-cdm/kahu/internal/engine"
)

// compare returns the lines and the counts of a whole answer.
func (w *world) compare(request engine.DiffRequest) ([]string, engine.DiffCounts, error) {
	w.t.Helper()
	request.Old = engine.Stored{Backup: id("one"), Files: w.files}
	page, err := engine.InspectDiff(w.t.Context(), w.cluster, request)
	if err != nil {
		return nil, engine.DiffCounts{}, err
	}
	var counts engine.DiffCounts
	last := len(page.Lines) - 1
	if err := json.Unmarshal([]byte(page.Lines[last]), &counts); err != nil {
		w.t.Fatal(err)
	}
	texts := []string{}
	for _, text := range page.Lines[:last] {
		var line engine.DiffLine
		if err := json.Unmarshal([]byte(text), &line); err != nil {
			w.t.Fatal(err)
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
func (w *world) changeShop() {
	w.t.Helper()
	w.cluster.Remove(configMaps, "shop", "settings-0")
	w.cluster.Put(w.t, configMaps, "shop", "settings-1", `{"data":{"key":"other"}}`)
	w.cluster.Put(w.t, configMaps, "shop", "settings-2", `{"data":{"key":"value"}}`) // With another UID.
	w.cluster.Put(w.t, configMaps, "shop", "settings-9", `{}`)
	w.cluster.Put(w.t, secrets, "shop", "password", `{"data":{"key":"b3RoZXI="}}`)
	w.cluster.Put(w.t, configMaps, "other", "a", `{}`)
}

func TestDiff(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.shop()
	shop := selection.Filters{IncludeNamespaces: []string{"shop"}}
	if _, err := w.backup("one", shop); err != nil {
		t.Fatal(err)
	}
	w.changeShop()
	if _, err := w.backup("two", shop); err != nil {
		t.Fatal(err)
	}
	want := []string{
		"Removed ConfigMap shop/settings-0",
		`Changed ConfigMap shop/settings-1 data.key Changed "value">"other"`,
		"Added ConfigMap shop/settings-9",
		"Changed Secret shop/password data.key Changed " + diff.Hidden + ">" + diff.Hidden,
	}
	counts := engine.DiffCounts{Added: 1, Removed: 1, Changed: 2, Unchanged: 4}
	for name, request := range map[string]engine.DiffRequest{
		"Backup":  {New: &engine.Stored{Backup: id("two"), Files: w.files}, Fields: true},
		"Cluster": {Filters: shop, Fields: true},
	} {
		lines, got, err := w.compare(request)
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
		if lines, _, err = w.compare(request); err != nil || strings.Contains(strings.Join(lines, ""), "data.key") {
			t.Errorf("%s: without fields: %q, error %v", name, lines, err)
		}
	}
}

// A backup is no different from itself, and nothing of it is read but its index.
func TestDiffOfEqual(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.shop()
	if _, err := w.backup("one", selection.Filters{}); err != nil {
		t.Fatal(err)
	}
	lines, counts, err := w.compare(engine.DiffRequest{New: &engine.Stored{Backup: id("one"), Files: w.files}})
	if err != nil || len(lines) > 0 || counts.Unchanged == 0 || counts.Added+counts.Removed+counts.Changed > 0 {
		t.Errorf("lines %q, counts %+v, error %v", lines, counts, err)
	}
}

// A damaged backup is not compared.
func TestDiffOfDamaged(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.workers = 1 // One segment with what has changed in it, as only that is read.
	w.shop()
	if _, err := w.backup("one", selection.Filters{}); err != nil {
		t.Fatal(err)
	}
	w.changeShop()
	result, err := w.backup("two", selection.Filters{})
	if err != nil {
		t.Fatal(err)
	}
	for _, name := range []string{result.Manifest.Index.Name, result.Manifest.Segments[0].Name} {
		content := w.content(name)
		broken := append([]byte{}, content...)
		broken[len(broken)/2] ^= 1
		w.put(name, string(broken))
		if _, _, err := w.compare(engine.DiffRequest{New: &engine.Stored{Backup: id("two"), Files: w.files}}); !errors.Is(err, core.ErrCorrupt) {
			t.Errorf("with a flipped bit in %s: %v", name, err)
		}
		w.put(name, string(content))
	}
}
