package restore_test

import (
	"bytes"
	"encoding/json"
	"fmt"
	"runtime"
	"strings"
	"testing"

	"github.com/soda-cdm/kahu/internal/core/archive"
	"github.com/soda-cdm/kahu/internal/core/restoreplan"
	"github.com/soda-cdm/kahu/internal/core/selection"
	"github.com/soda-cdm/kahu/internal/engine/restore"
	"github.com/soda-cdm/kahu/internal/engine/restore/preview"
	"github.com/soda-cdm/kahu/internal/testkit/fakecluster"
	"github.com/soda-cdm/kahu/internal/testkit/world"
)

// heap returns the MiB that are in use.
func heap() uint64 {
	runtime.GC()
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return m.HeapAlloc >> 20
}

// TestPreviewMemory: what a dry run holds does not grow with the contents of what differs.
func TestPreviewMemory(t *testing.T) {
	const many, size = 100, 512 << 10
	w := world.New(t)
	w.Cluster.Put(t, world.Namespaces, "", "shop", `{}`)
	to := fakecluster.New(world.AllKinds()...)
	to.Put(t, world.Namespaces, "", "shop", `{}`)
	for i := range many {
		w.Cluster.Put(t, world.ConfigMaps, "shop", fmt.Sprintf("s-%d", i), fmt.Sprintf(`{"data":{"key":%q}}`, strings.Repeat("a", size)))
		to.Put(t, world.ConfigMaps, "shop", fmt.Sprintf("s-%d", i), fmt.Sprintf(`{"data":{"key":%q}}`, strings.Repeat("b", size)))
	}
	if _, err := w.Backup("one", selection.Filters{}); err != nil {
		t.Fatal(err)
	}
	seen := 0
	var first, last uint64
	to.Intercept = func(call fakecluster.Call) error {
		if call.Key.Resource == "configmaps" && strings.Contains(strings.ToLower(call.Verb), "update") {
			seen++
			switch seen {
			case 10:
				first = heap()
			case many:
				last = heap()
			}
		}
		return nil
	}
	got, err := attemptWish(w, to, restore.Request{Attempt: "a", DryRun: true, Existing: restoreplan.Update})
	if err != nil || got.Preview == nil {
		t.Fatal(got, err)
	}
	if differ := got.Preview.Counts[preview.Update]; differ != many || seen != many {
		t.Errorf("%d differ, and %d were asked for", differ, seen)
	}
	if last > first+16 {
		t.Errorf("it grew by %d MiB", last-first)
	}
}

// TestPreviewOfALargeWave: a wave whose rows are written down before it has ended is written down whole, with all changes.
func TestPreviewOfALargeWave(t *testing.T) {
	const many, fields, size = 250, 90, 300
	data := func(letter string) string {
		values := map[string]string{}
		for i := range fields {
			values[fmt.Sprintf("key-%d", i)] = strings.Repeat(letter, size)
		}
		content, err := json.Marshal(map[string]any{"data": values})
		if err != nil {
			t.Fatal(err)
		}
		return string(content)
	}
	w := world.New(t)
	w.Cluster.Put(t, world.Namespaces, "", "shop", `{}`)
	to := fakecluster.New(world.AllKinds()...)
	to.Put(t, world.Namespaces, "", "shop", `{}`)
	for i := range many {
		w.Cluster.Put(t, world.ConfigMaps, "shop", fmt.Sprintf("s-%d", i), data("a"))
		to.Put(t, world.ConfigMaps, "shop", fmt.Sprintf("s-%d", i), data("b"))
	}
	if _, err := w.Backup("one", selection.Filters{}); err != nil {
		t.Fatal(err)
	}
	got, err := attemptWish(w, to, restore.Request{Attempt: "a", DryRun: true, Existing: restoreplan.Update})
	if err != nil || got.Preview == nil {
		t.Fatal(got, err)
	}
	rows, changes := map[string]int{}, 0
	for entry, err := range archive.ReadReport(bytes.NewReader(w.Content(got.Preview.File))) {
		if err != nil {
			t.Fatal(err)
		}
		if entry.Action == "Change" {
			changes++
		} else if entry.Object.Resource == "configmaps" {
			rows[entry.Object.Name]++
		}
	}
	if len(rows) != many || changes != many*fields || got.Preview.Counts[preview.Update] != many {
		t.Errorf("%d rows and %d changes, %v", len(rows), changes, got.Preview.Counts)
	}
	for name, times := range rows {
		if times != 1 {
			t.Errorf("%s is written down %d times", name, times)
		}
	}
}
