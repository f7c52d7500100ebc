package repository_test

import (
	"bytes"
	"context"
	"errors"
	"io"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"golang.org/x/sys/unix"

	"github.com/soda-cdm/kahu/provider"
	"github.com/soda-cdm/kahu/provider/memory"
	"github.com/soda-cdm/kahu/providers/datamover/files"
	"github.com/soda-cdm/kahu/providers/datamover/repository"
)

// world is a repository in memory.
type world struct {
	*testing.T

	clock *ticking
	place repository.Place
	key   repository.Key
	*repository.Repository
}

// ticking is a clock that goes on by a millisecond when it is looked at: of two things at the same instant, none is the later.
type ticking struct {
	mutex sync.Mutex
	now   time.Time
}

func (c *ticking) Now() time.Time {
	return c.step(time.Millisecond)
}

func (c *ticking) step(by time.Duration) time.Time {
	c.mutex.Lock()
	defer c.mutex.Unlock()
	c.now = c.now.Add(by)
	return c.now
}

func newWorld(t *testing.T) *world {
	t.Helper()
	w := &world{T: t, clock: &ticking{now: time.Date(2040, time.March, 1, 12, 0, 0, 0, time.UTC)}, key: repository.NewKey()}
	w.place = repository.Place{Store: memory.New(memory.Options{Now: w.clock.Now}), Prefix: "repository/"}
	if err := repository.Create(t.Context(), w.place, w.key); err != nil {
		t.Fatal(err)
	}
	w.Repository = w.open()
	return w
}

func (w *world) open() *repository.Repository {
	w.Helper()
	opened, err := repository.Open(w.Context(), w.place, w.key, repository.Options{Folder: w.TempDir(), Now: w.clock.Now})
	if err != nil {
		w.Fatal(err)
	}
	w.Cleanup(func() {
		if err := opened.Close(context.WithoutCancel(w.Context())); err != nil {
			w.Errorf("closing: %v", err)
		}
	})
	return opened
}

func (w *world) save(folder, order, base string) repository.Saved {
	w.Helper()
	tree, err := files.Open(folder)
	if err != nil {
		w.Fatal(err)
	}
	defer func() { _ = tree.Close() }()
	top, err := tree.Folder()
	if err != nil {
		w.Fatal(err)
	}
	saved, err := w.Save(w.Context(), repository.SaveRequest{
		Source: repository.Source{Cluster: "c", Namespace: "shop", Claim: "data", Order: order}, Folder: top, Base: base,
	})
	if err != nil {
		w.Fatal(err)
	}
	if count, names := tree.Changed(); count > 0 {
		w.Errorf("%d files have changed: %v", count, names)
	}
	return saved
}

func (w *world) load(id string) string {
	w.Helper()
	folder := w.TempDir()
	target, err := files.Into(folder)
	if err != nil {
		w.Fatal(err)
	}
	if _, err := w.open().Load(w.Context(), repository.LoadRequest{ID: id, Target: target}); err != nil {
		w.Fatal(err)
	}
	if count, names := target.Lost(); count > 0 {
		w.Errorf("%d entries are lost: %v", count, names)
	}
	return folder
}

// TestWhole saves and loads a tree with all that a file system has, and compares what the kernel says of each entry.
func TestWhole(t *testing.T) {
	if os.Geteuid() != 0 {
		t.Skip("owners and devices need root")
	}
	w, folder := newWorld(t), t.TempDir()
	writeEverything(t, folder)
	want := describe(t, folder)
	saved := w.save(folder, "first", "")
	if saved.Unread > 0 {
		t.Errorf("unread: %v", saved.UnreadNames)
	}
	if diff := cmp.Diff(want, describe(t, w.load(saved.ID))); diff != "" {
		t.Errorf("loaded is (-want +got):\n%s", diff)
	}
}

// TestUnchanged reads nothing of what is as it was in the base, and something of what is not.
func TestUnchanged(t *testing.T) {
	w, folder := newWorld(t), t.TempDir()
	for _, name := range []string{"a", "b", "c"} {
		write(t, filepath.Join(folder, name), strings.Repeat(name, 1<<20))
	}
	first := w.save(folder, "first", "")
	second := w.save(folder, "second", first.ID)
	if second.Counts.Read != 0 || second.Counts.Kept>>20 != 3 || second.Bytes>>20 != 3 {
		t.Errorf("nothing has changed, and it was %+v", second)
	}
	write(t, filepath.Join(folder, "b"), strings.Repeat("x", 1<<20+1))
	third := w.save(folder, "third", second.ID)
	if third.Counts.Read>>20 != 1 || third.Counts.Kept>>20 != 2 {
		t.Errorf("one file has changed, and it was %+v", third)
	}
	if diff := cmp.Diff(describe(t, folder), describe(t, w.load(third.ID))); diff != "" {
		t.Errorf("loaded is (-want +got):\n%s", diff)
	}
	if got, err := os.ReadFile(filepath.Join(w.load(second.ID), "b")); err != nil || string(got) != strings.Repeat("b", 1<<20) {
		t.Errorf("the second one is another since: %v", err)
	}
}

// TestAgain saves nothing new for an order that was saved.
func TestAgain(t *testing.T) {
	w, folder := newWorld(t), t.TempDir()
	write(t, filepath.Join(folder, "a"), "content")
	first := w.save(folder, "order", "")
	write(t, filepath.Join(folder, "a"), "another content")
	if again := w.save(folder, "order", ""); again.ID != first.ID || again.Bytes != first.Bytes {
		t.Errorf("saved as %+v, and then as %+v", first, again)
	}
}

// TestKeys: a place has one repository, which one key opens.
func TestKeys(t *testing.T) {
	w := newWorld(t)
	if err := repository.Create(t.Context(), w.place, repository.NewKey()); !errors.Is(err, repository.ErrExists) {
		t.Errorf("a second one: %v", err)
	}
	if _, err := repository.Open(t.Context(), w.place, repository.NewKey(), repository.Options{Folder: t.TempDir()}); !errors.Is(err, repository.ErrKey) {
		t.Errorf("with another key: %v", err)
	}
	elsewhere := repository.Place{Store: w.place.Store, Prefix: "elsewhere/"}
	if _, err := repository.Open(t.Context(), elsewhere, w.key, repository.Options{Folder: t.TempDir()}); !errors.Is(err, repository.ErrMissing) {
		t.Errorf("where there is none: %v", err)
	}
	if _, err := w.Load(t.Context(), repository.LoadRequest{ID: "0123456789abcdef"}); !errors.Is(err, repository.ErrNoBackup) {
		t.Errorf("what is not there: %v", err)
	}
}

func write(t *testing.T, file, content string) {
	t.Helper()
	const readable = 0o640
	if err := os.WriteFile(file, []byte(content), readable); err != nil {
		t.Fatal(err)
	}
}

// writeEverything makes one of each thing that a file system has.
func writeEverything(t *testing.T, folder string) {
	t.Helper()
	in := func(name string) string { return filepath.Join(folder, name) }
	must := func(err error) {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
	}
	const all, some, stamp = 0o777, 0o751, 1234567890
	must(os.MkdirAll(in("deep/er/est"), some))
	must(os.Mkdir(in("empty"), some))
	write(t, in("plain"), "plain")
	write(t, in("none"), "")
	write(t, in("deep/er/est/file"), strings.Repeat("0123456789", 1<<18))
	write(t, in("not\xfftext%"), "its name is no text")
	write(t, in(".kahu-attributes"), "its name is one of ours")
	write(t, in("program"), "#!/bin/sh\n")
	must(os.Chown(in("program"), 1234, 4321))
	must(os.Chmod(in("program"), os.ModeSetuid|os.ModeSetgid|some))
	must(os.Chmod(in("empty"), os.ModeSticky|all))
	must(os.Chown(in("empty"), 99, 98))
	must(os.Symlink("/etc/passwd", in("away")))
	must(os.Symlink("not\xfethere", in("dangling")))
	must(os.Lchown(in("dangling"), 77, 78))
	must(os.Link(in("plain"), in("deep/same")))
	must(os.Link(in("plain"), in("again")))
	must(unix.Mkfifo(in("pipe"), 0o640))
	must(unix.Mknod(in("null"), unix.S_IFCHR|0o666, int(unix.Mkdev(1, 3))))
	must(unix.Setxattr(in("plain"), "user.colour", []byte("green\x00\xff"), 0))
	must(unix.Setxattr(in("deep"), "user.colour", []byte("blue"), 0))
	must(unix.Setxattr(in("program"), "security.capability", []byte("\x01\x00\x00\x02\x00\x04\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00"), 0))
	sparse, err := os.Create(in("sparse"))
	must(err)
	_, err = sparse.WriteAt([]byte("in the middle"), 5<<20)
	must(err)
	must(sparse.Truncate(16 << 20))
	must(sparse.Close())
	old := []unix.Timespec{{Sec: stamp, Nsec: 987654321}, {Sec: stamp, Nsec: 987654321}}
	for _, name := range []string{"program", "dangling", "pipe", "deep/er", "empty"} {
		must(unix.UtimesNanoAt(unix.AT_FDCWD, in(name), old, unix.AT_SYMLINK_NOFOLLOW))
	}
}

// described is what is compared of an entry.
type described struct {
	Mode, Owner, Group, Links uint32
	Size, Modified            int64
	Holes                     bool
	Device                    uint64
	Content                   string
	Extended                  string
}

func describe(t *testing.T, folder string) map[string]described {
	t.Helper()
	found := map[string]described{}
	err := filepath.WalkDir(folder, func(path string, entry os.DirEntry, err error) error {
		if err != nil {
			return err
		}
		var stat unix.Stat_t
		if err := unix.Lstat(path, &stat); err != nil {
			return err
		}
		of := described{
			Mode: stat.Mode, Owner: stat.Uid, Group: stat.Gid, Size: stat.Size, Modified: stat.Mtim.Nano(), Device: stat.Rdev,
		}
		switch {
		case entry.Type().IsRegular():
			content, err := os.ReadFile(path)
			if err != nil {
				return err
			}
			of.Content, of.Holes, of.Links = string(content), stat.Blocks*512 < stat.Size/2, uint32(stat.Nlink)
		case entry.IsDir():
			of.Size = 0 // It is that of the disk.
		case entry.Type() == os.ModeSymlink:
			if of.Content, err = os.Readlink(path); err != nil {
				return err
			}
		}
		for _, name := range []string{"user.colour", "security.capability"} {
			value := make([]byte, 100)
			if size, err := unix.Lgetxattr(path, name, value); err == nil {
				of.Extended += name + "=" + string(value[:size])
			}
		}
		found[strings.TrimPrefix(path, folder)] = of
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	return found
}

// names returns what lies at the place, by name.
func (w *world) names() map[string]int64 {
	w.Helper()
	found := map[string]int64{}
	request := provider.ListRequest{Prefix: w.place.Prefix}
	for {
		page, err := w.place.Store.List(w.Context(), request)
		if err != nil {
			w.Fatal(err)
		}
		for _, object := range page.Objects {
			found[object.Name] = object.Size
		}
		if request.PageToken = page.NextPageToken; request.PageToken == "" {
			return found
		}
	}
}

// damage turns a bit in all that has a prefix.
func (w *world) damage(prefix string) {
	w.Helper()
	damaged := 0
	for name := range w.names() {
		if !strings.HasPrefix(name, prefix) {
			continue
		}
		from, err := w.place.Store.Download(w.Context(), name, nil)
		if err != nil {
			w.Fatal(err)
		}
		content, err := io.ReadAll(from)
		if err != nil {
			w.Fatal(err)
		}
		content[len(content)/2] ^= 1
		if err := w.place.Store.Upload(w.Context(), name, nil, bytes.NewReader(content)); err != nil {
			w.Fatal(err)
		}
		damaged++
	}
	if damaged == 0 {
		w.Fatalf("nothing begins with %s", prefix)
	}
}
