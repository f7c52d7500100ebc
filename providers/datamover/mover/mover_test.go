package mover_test

import (
	"bytes"
	"cmp"
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"

	"k8s.io/utils/clock"

	"github.com/soda-cdm/kahu/provider/memory"
	"github.com/soda-cdm/kahu/providers/datamover/mover"
	"github.com/soda-cdm/kahu/providers/datamover/repository"
)

// world is a place, and what movers need for it.
type world struct {
	*testing.T

	options mover.Options
	done    atomic.Int64
}

func newWorld(t *testing.T) *world {
	t.Helper()
	w := &world{T: t}
	w.options = mover.Options{
		Store: memory.New(memory.Options{Now: clock.RealClock{}.Now}), Key: repository.NewKey(), Progress: w.done.Store,
	}
	return w
}

func (w *world) run(task mover.Task) (mover.Result, error) {
	w.Helper()
	task.Place = mover.Place{Address: "unix:///not/used", Prefix: "repository/"}
	task.Source = mover.Source{Cluster: "c", Namespace: "shop", Claim: "data", Order: cmp.Or(task.Source.Order, "order")}
	text, err := json.Marshal(task)
	if err != nil {
		w.Fatal(err)
	}
	read, err := mover.ReadTask(text)
	if err != nil {
		return mover.Result{}, err
	}
	options := w.options
	options.Folder = w.TempDir()
	return mover.Run(w.Context(), read, options)
}

func TestFiles(t *testing.T) {
	w, from, into := newWorld(t), t.TempDir(), t.TempDir()
	const readable = 0o644
	if err := os.WriteFile(filepath.Join(from, "a"), []byte(strings.Repeat("a", 100_000)), readable); err != nil {
		t.Fatal(err)
	}
	saved, err := w.run(mover.Task{Action: mover.Save, Path: from})
	if err != nil || saved.Files == 0 || saved.Bytes < 100_000 || w.done.Load() < 100_000 {
		t.Fatalf("%+v, %d done: %v", saved, w.done.Load(), err)
	}
	loaded, err := w.run(mover.Task{Action: mover.Load, Path: into, Backup: saved.Backup})
	if err != nil || loaded.Bytes < 100_000 {
		t.Fatalf("%+v: %v", loaded, err)
	}
	if got, err := os.ReadFile(filepath.Join(into, "a")); err != nil || string(got) != strings.Repeat("a", 100_000) {
		t.Errorf("%d bytes: %v", len(got), err)
	}
}

func TestBlocks(t *testing.T) {
	w, disk, into := newWorld(t), filepath.Join(t.TempDir(), "disk"), filepath.Join(t.TempDir(), "into")
	content := make([]byte, 3<<20+512)
	_, _ = rand.NewChaCha8([32]byte{}).Read(content[1<<20 : 2<<20])
	const readable = 0o644
	if err := os.WriteFile(disk, content, readable); err != nil {
		t.Fatal(err)
	}
	saved, err := w.run(mover.Task{Action: mover.Save, Path: disk, Block: true})
	if err != nil || saved.Bytes != int64(len(content)) {
		t.Fatalf("%+v: %v", saved, err)
	}
	if err := os.WriteFile(into, bytes.Repeat([]byte{1}, len(content)-1), readable); err != nil {
		t.Fatal(err)
	}
	if small, err := w.run(mover.Task{Action: mover.Load, Path: into, Block: true, Backup: saved.Backup}); err == nil || small.Passing {
		t.Errorf("into a volume that is too small: %+v", small)
	}
	if err := os.Truncate(into, int64(len(content))); err != nil {
		t.Fatal(err)
	}
	if loaded, err := w.run(mover.Task{Action: mover.Load, Path: into, Block: true, Backup: saved.Backup}); err != nil || loaded.Bytes != saved.Bytes {
		t.Fatalf("%+v: %v", loaded, err)
	}
	if got, err := os.ReadFile(into); err != nil || !bytes.Equal(got, content) {
		t.Errorf("%d bytes are not as they were: %v", len(got), err)
	}
}

// TestFailures says of each whether it may pass.
func TestFailures(t *testing.T) {
	w, folder := newWorld(t), t.TempDir()
	saved, err := w.run(mover.Task{Action: mover.Save, Path: folder})
	if err != nil {
		t.Fatal(err)
	}
	for name, test := range map[string]struct {
		task mover.Task
		says string
	}{
		"no volume":       {mover.Task{Action: mover.Save, Path: filepath.Join(folder, "none"), Source: mover.Source{Order: "second"}}, "no such file"},
		"no backup":       {mover.Task{Action: mover.Load, Path: folder, Backup: "0123"}, "no such backup"},
		"another action":  {mover.Task{Action: "Look", Path: folder}, "action"},
		"files as blocks": {mover.Task{Action: mover.Load, Path: folder, Backup: saved.Backup, Block: true}, "is a directory"},
	} {
		t.Run(name, func(t *testing.T) {
			result, err := w.run(test.task)
			if err == nil || !strings.Contains(err.Error(), test.says) || result.Backup != "" || result.Passing {
				t.Errorf("%+v: %v", result, err)
			}
		})
	}
	w.options.Key = repository.NewKey()
	if result, err := w.run(mover.Task{Action: mover.Load, Path: folder, Backup: saved.Backup}); err == nil || result.Passing {
		t.Errorf("with another key: %+v", result)
	}
}

// TestResultFits: whatever there is to tell, it fits into what the cluster keeps, and the counts are right.
func TestResultFits(t *testing.T) {
	long := mover.Result{Missing: 100, Error: strings.Repeat("ü", mover.MaxResultBytes)}
	for i := range 100 {
		long.Named = append(long.Named, fmt.Sprintf("%d %s", i, strings.Repeat("n", 200)))
	}
	text, err := long.Encode()
	var back mover.Result
	if err != nil || len(text) > mover.MaxResultBytes || json.Unmarshal(text, &back) != nil || back.Missing != 100 || back.Error == "" {
		t.Errorf("%d bytes, %+v: %v", len(text), back, err)
	}
}
