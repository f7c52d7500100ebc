package repository_test

import (
	"bytes"
	"errors"
	"math/rand/v2"
	"os"
	"testing"
	"time"

	"github.com/soda-cdm/kahu/providers/datamover/repository"
)

// device is a block volume in memory that knows which of its bytes were read.
type device struct {
	content []byte
	read    []repository.Extent
	zeroed  int64
}

func (d *device) ReadAt(into []byte, offset int64) (int, error) {
	d.read = append(d.read, repository.Extent{Offset: offset, Length: int64(len(into))})
	return bytes.NewReader(d.content).ReadAt(into, offset)
}

func (d *device) WriteAt(from []byte, offset int64) (int, error) {
	return copy(d.content[offset:], from), nil
}

func (d *device) Zero(offset, length int64) error {
	d.zeroed += length
	clear(d.content[offset : offset+length])
	return nil
}

func (w *world) saveBlocks(of *device, order, base string, changed ...repository.Extent) repository.Saved {
	w.Helper()
	of.read = nil
	saved, err := w.SaveBlocks(w.Context(), repository.SaveBlocksRequest{
		Source: repository.Source{Cluster: "c", Namespace: "shop", Claim: "disk", Order: order},
		Device: of, Size: int64(len(of.content)), Base: base, Changed: changed, Parallel: 1,
	})
	if err != nil {
		w.Fatal(err)
	}
	return saved
}

// loads fails the test if a backup is not what a device was.
func (w *world) loads(id string, want []byte) {
	w.Helper()
	into := &device{content: bytes.Repeat([]byte{0xee}, len(want))}
	if size, err := w.open().LoadBlocks(w.Context(), id, into, nil); err != nil || size != int64(len(want)) || !bytes.Equal(into.content, want) {
		w.Errorf("%d bytes of %s: %v", size, id, err)
	}
}

const mebibyte = 1 << 20

// TestBlocks saves a block volume, then what has changed of it, then one that has grown.
func TestBlocks(t *testing.T) {
	w, disk := newWorld(t), &device{content: make([]byte, 7*mebibyte+4096)}
	random := rand.NewChaCha8([32]byte{1})
	_, _ = random.Read(disk.content[:3*mebibyte])
	_, _ = random.Read(disk.content[7*mebibyte:])
	first, whole := w.saveBlocks(disk, "first", ""), bytes.Clone(disk.content)
	if first.Bytes != int64(len(whole)) || first.Counts.Read != first.Bytes || first.Counts.Kept != 0 {
		t.Errorf("the first one: %+v", first)
	}
	disk.content[2*mebibyte-1], disk.content[2*mebibyte] = 1, 2
	second := w.saveBlocks(disk, "second", first.ID, repository.Extent{Offset: 2*mebibyte - 1, Length: 2})
	if len(disk.read) != 2 || second.Counts.Read != 2*mebibyte || second.Counts.Kept != 5*mebibyte+4096 {
		t.Errorf("the second one read %v: %+v", disk.read, second)
	}
	changed := bytes.Clone(disk.content)
	disk.content = append(disk.content, bytes.Repeat([]byte{7}, 2*mebibyte)...)
	third := w.saveBlocks(disk, "third", second.ID)
	if third.Counts.Kept != 7*mebibyte {
		t.Errorf("the third one read %v: %+v", disk.read, third)
	}
	if again := w.saveBlocks(disk, "third", ""); again.ID != third.ID || len(disk.read) > 0 {
		t.Errorf("the third one once more reads %v and is %s", disk.read, again.ID)
	}
	w.loads(first.ID, whole)
	w.loads(second.ID, changed)
	w.loads(third.ID, disk.content)
	if _, err := w.LoadBlocks(t.Context(), w.save(t.TempDir(), "files", "").ID, &device{}, nil); !errors.Is(err, repository.ErrNoBackup) {
		t.Errorf("files as blocks: %v", err)
	}
}

// TestNothing saves and loads a block volume without a byte.
func TestNothing(t *testing.T) {
	w := newWorld(t)
	w.loads(w.saveBlocks(&device{}, "none", "").ID, nil)
}

// TestMaintain leaves what a backup needs, also where an earlier one brought it that is gone, whenever it runs.
func TestMaintain(t *testing.T) {
	w, disk, folder := newWorld(t), &device{content: make([]byte, 4*mebibyte)}, t.TempDir()
	random := rand.NewChaCha8([32]byte{2})
	_, _ = random.Read(disk.content)
	write(t, folder+"/a", string(disk.content[:mebibyte+5]))
	gone, oldFiles := w.saveBlocks(disk, "first", ""), w.save(folder, "files", "")
	disk.content[0]++
	kept := w.saveBlocks(disk, "second", gone.ID, repository.Extent{Length: 1})
	for _, id := range []string{gone.ID, oldFiles.ID, oldFiles.ID} {
		if err := w.Remove(t.Context(), id); err != nil {
			t.Fatal(err)
		}
	}
	for range 12 {
		w.clock.step(2 * 24 * time.Hour)
		if err := w.open().Maintain(t.Context()); err != nil {
			t.Fatal(err)
		}
	}
	w.loads(kept.ID, disk.content)
	if _, err := w.open().LoadBlocks(t.Context(), gone.ID, &device{}, nil); !errors.Is(err, repository.ErrNoBackup) {
		t.Errorf("what was removed: %v", err)
	}
	if found, err := w.open().Verify(t.Context(), kept.ID, 100); err != nil || found.Damaged > 0 {
		t.Errorf("%+v: %v", found, err)
	}
}

// TestDamage is found, by name, and nothing is damaged before.
func TestDamage(t *testing.T) {
	w, folder := newWorld(t), t.TempDir()
	random, content := rand.NewChaCha8([32]byte{3}), make([]byte, 3*mebibyte)
	_, _ = random.Read(content)
	write(t, folder+"/a", string(content))
	saved := w.save(folder, "order", "")
	found, err := w.open().Verify(t.Context(), saved.ID, 100)
	if err != nil || found.Damaged > 0 || found.Bytes < int64(len(content)) {
		t.Fatalf("%+v: %v", found, err)
	}
	w.damage("repository/p")
	found, err = w.open().Verify(t.Context(), saved.ID, 100)
	if err != nil || found.Damaged == 0 || len(found.DamagedNames) == 0 {
		t.Errorf("%+v: %v", found, err)
	}
}

// TestKeyChanges: the new key opens it, the old one does not.
func TestKeyChanges(t *testing.T) {
	w, folder := newWorld(t), t.TempDir()
	write(t, folder+"/a", "content")
	saved, old := w.save(folder, "order", ""), w.key
	next := repository.NewKey()
	if err := w.ChangeKey(t.Context(), next); err != nil {
		t.Fatal(err)
	}
	if _, err := repository.Open(t.Context(), w.place, old, repository.Options{Folder: t.TempDir()}); !errors.Is(err, repository.ErrKey) {
		t.Errorf("with the old key: %v", err)
	}
	w.key = next
	if got, err := os.ReadFile(w.load(saved.ID) + "/a"); err != nil || string(got) != "content" {
		t.Errorf("%q: %v", got, err)
	}
}
