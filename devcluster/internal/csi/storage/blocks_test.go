package storage_test

import (
	"errors"
	"iter"
	"os"
	"slices"
	"testing"

	"github.com/soda-cdm/kahu/devcluster/internal/csi/storage"
)

const block = storage.BlockBytes

// disk is a block volume whose last block is shorter than the others.
func disk(t *testing.T, system *storage.System, name string) storage.Volume {
	t.Helper()
	return volume(t, system, storage.VolumeRequest{Name: name, Least: 16*block + 512, Block: true})
}

func put(t *testing.T, system *storage.System, volume storage.Volume, at int64, text string) {
	t.Helper()
	file, err := os.OpenFile(system.Content(volume), os.O_WRONLY, 0)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := file.WriteAt([]byte(text), at); err != nil {
		t.Fatal(err)
	}
	if err := file.Close(); err != nil {
		t.Fatal(err)
	}
}

func cut(t *testing.T, system *storage.System, name string, volume storage.Volume) storage.Snapshot {
	t.Helper()
	made, err := system.Cut(t.Context(), name, volume.ID)
	if err != nil {
		t.Fatal(err)
	}
	return made
}

func want(t *testing.T, what string, found iter.Seq2[storage.Range, error], wanted ...storage.Range) {
	t.Helper()
	var got []storage.Range
	for one, err := range found {
		if err != nil {
			t.Fatalf("%s: %v", what, err)
		}
		got = append(got, one)
	}
	if !slices.Equal(got, wanted) {
		t.Errorf("%s: got %v, want %v", what, got, wanted)
	}
}

func TestBlocks(t *testing.T) {
	system, _ := open(t)
	data := disk(t, system, "data")
	empty := cut(t, system, "empty", data)
	want(t, "allocated of an empty disk", system.Allocated(empty, 0))
	put(t, system, data, block+5, "one")
	put(t, system, data, 2*block-1, "over the border")
	put(t, system, data, 16*block+500, "at the end")
	first := cut(t, system, "first", data)
	put(t, system, data, 2*block, "again")
	put(t, system, data, 7*block, "new")
	second := cut(t, system, "second", data)

	end := storage.Range{Start: 16 * block, Length: 512}
	want(t, "allocated", system.Allocated(first, 0), storage.Range{Start: block, Length: 2 * block}, end)
	want(t, "allocated from within a block on", system.Allocated(first, 2*block+9), storage.Range{Start: 2 * block, Length: block}, end)
	want(t, "allocated from the end on", system.Allocated(first, first.Bytes))
	want(t, "changed", system.Changed(first, second, 0), storage.Range{Start: 2 * block, Length: block}, storage.Range{Start: 7 * block, Length: block})
	want(t, "changed since it was empty", system.Changed(empty, second, 3*block), storage.Range{Start: 7 * block, Length: block}, end)
	want(t, "changed in nothing", system.Changed(second, second, 0))
	want(t, "changed back to zeros", system.Changed(first, empty, 0), storage.Range{Start: block, Length: 2 * block}, end)
	for one := range system.Changed(first, second, 0) {
		if one.Start != 2*block {
			t.Errorf("the first is %v", one)
		}
		break // nothing is yielded to who does not listen
	}
}

func TestBlocksThatCannotBeTold(t *testing.T) {
	system, _ := open(t)
	files := volume(t, system, storage.VolumeRequest{Name: "files"})
	first, other := disk(t, system, "first"), disk(t, system, "other")
	of := cut(t, system, "of-first", first)
	for name, found := range map[string]iter.Seq2[storage.Range, error]{
		"files":     system.Allocated(cut(t, system, "of-files", files), 0),
		"strangers": system.Changed(of, cut(t, system, "of-other", other), 0),
	} {
		for _, err := range found {
			if !errors.Is(err, storage.ErrRefused) {
				t.Errorf("%s: got %v, want %v", name, err, storage.ErrRefused)
			}
		}
	}
}
