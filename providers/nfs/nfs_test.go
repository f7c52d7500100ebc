package nfs_test

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/soda-cdm/kahu/internal/testkit/nfsserver"
	"github.com/soda-cdm/kahu/provider"
	"github.com/soda-cdm/kahu/providers/filesystem"
	"github.com/soda-cdm/kahu/providers/nfs"
)

func upload(t *testing.T, store provider.ObjectStore, name string, at provider.Attributes) {
	t.Helper()
	if err := store.Upload(t.Context(), name, at, strings.NewReader("x")); err != nil {
		t.Fatal(err)
	}
}

// list returns the names of all objects, asked for in pages of a size.
func list(t *testing.T, store provider.Lister, at provider.Attributes, size int) []string {
	t.Helper()
	var names []string
	request := provider.ListRequest{Attributes: at, PageSize: size}
	for {
		page, err := store.List(t.Context(), request)
		if err != nil {
			t.Fatal(err)
		}
		for _, object := range page.Objects {
			names = append(names, object.Name)
		}
		if request.PageToken = page.NextPageToken; request.PageToken == "" {
			return names
		}
	}
}

func TestWrongAttributes(t *testing.T) {
	store := newStore(t, nfs.Options{})
	for name, more := range map[string]provider.Attributes{
		"misspelled path":     {"pth": "team"},
		"no server":           {"server": ""},
		"server with a port":  {"server": "nas:2049"},
		"server with a path":  {"server": "nas/backups"},
		"no export":           {"export": ""},
		"relative export":     {"export": "backups"},
		"long export":         {"export": "/" + strings.Repeat("e", 1024)},
		"path out of it":      {"path": "../other"},
		"absolute path":       {"path": "/other"},
		"hidden path":         {"path": "a/.kahu-partial"},
		"port of words":       {"port": "nfs"},
		"port zero":           {"port": "0"},
		"port too large":      {"mountPort": "65536"},
		"negative user":       {"uid": "-1"},
		"name of a user":      {"uid": "kahu"},
		"group too large":     {"gid": "4294967296"},
		"address in brackets": {"server": "[::1", "export": ""},
	} {
		at := provider.Attributes{"server": "127.0.0.1", "export": "/backups"}
		maps.Copy(at, more)
		for call, err := range everyCall(t, store, "object", at) {
			if !errors.Is(err, provider.ErrInvalidArgument) {
				t.Errorf("%s, %s: got %v, want %v", name, call, err, provider.ErrInvalidArgument)
			}
		}
	}
}

// TestSameLayout stores with this driver and with the one for mounted file systems, and reads with the other one.
func TestSameLayout(t *testing.T) {
	server := nfsserver.Start(t, nfsserver.Options{})
	over := newStore(t, nfs.Options{})
	at := attributesOf(server, provider.Attributes{nfs.AttributePath: "team", nfs.AttributeUID: "0", nfs.AttributeGID: "0"})
	mounted := filesystem.New(filesystem.Options{Root: server.Root, Now: func() time.Time { return time.Unix(0, 0) }})
	below := provider.Attributes{filesystem.AttributePath: "team"}
	upload(t, over, "a/over", at)
	upload(t, mounted, "a/mounted", below)
	want := []string{"a/mounted", "a/over"}
	if diff := cmp.Diff(want, list(t, over, at, 0)); diff != "" {
		t.Errorf("over the network (-want +got):\n%s", diff)
	}
	if diff := cmp.Diff(want, list(t, mounted, below, 0)); diff != "" {
		t.Errorf("mounted (-want +got):\n%s", diff)
	}
	for _, name := range want {
		one, err := over.Stat(t.Context(), name, at)
		if err != nil {
			t.Fatal(err)
		}
		two, err := mounted.Stat(t.Context(), name, below)
		if err != nil || one != two {
			t.Errorf("%s is %v and %v, %v", name, one, two, err)
		}
	}
}

// TestLinksAreNotFollowed has symbolic links in the export that lead out of it: as a folder of objects, as an object,
// as the folder of a location.
func TestLinksAreNotFollowed(t *testing.T) {
	server := nfsserver.Start(t, nfsserver.Options{})
	outside := t.TempDir()
	precious := filepath.Join(outside, "precious")
	if err := os.WriteFile(precious, []byte("precious"), 0o600); err != nil {
		t.Fatal(err)
	}
	for name, target := range map[string]string{"folder": outside, "object": precious, "loop": "loop"} {
		if err := os.Symlink(target, filepath.Join(server.Root, name)); err != nil {
			t.Fatal(err)
		}
	}
	store, at := newStore(t, nfs.Options{}), attributesOf(server, provider.Attributes{nfs.AttributeUID: "0"})
	upload(t, store, "real", at)
	for _, name := range []string{"folder/precious", "folder/new", "loop/x"} {
		for call, err := range everyCall(t, store, name, at) {
			if call != "list" && !errors.Is(err, provider.ErrFailedPrecondition) {
				t.Errorf("%s of %q: got %v, want %v", call, name, err, provider.ErrFailedPrecondition)
			}
		}
	}
	within := attributesOf(server, provider.Attributes{nfs.AttributeUID: "0", nfs.AttributePath: "folder"})
	for call, err := range everyCall(t, store, "precious", within) {
		if !errors.Is(err, provider.ErrFailedPrecondition) {
			t.Errorf("%s in a location that is a link: got %v, want %v", call, err, provider.ErrFailedPrecondition)
		}
	}
	if exists, err := store.Exists(t.Context(), "object", at); exists || err != nil {
		t.Errorf("a link is an object: %v, %v", exists, err)
	}
	if diff := cmp.Diff([]string{"real"}, list(t, store, at, 0)); diff != "" {
		t.Errorf("the listing (-want +got):\n%s", diff)
	}

	// An upload replaces the link, not what it leads to.
	upload(t, store, "object", at)
	if was, err := os.ReadFile(precious); err != nil || string(was) != "precious" {
		t.Errorf("what is outside has changed: %q, %v", was, err)
	}
	if entries, err := os.ReadDir(outside); err != nil || len(entries) != 1 {
		t.Errorf("outside there are %v, %v", entries, err)
	}
}

func TestWhatIsNoObjectIsLeftAlone(t *testing.T) {
	server := nfsserver.Start(t, nfsserver.Options{})
	pipe := filepath.Join(server.Root, "pipe")
	if err := syscall.Mkfifo(pipe, 0o600); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(server.Root, "bad\nname"), nil, 0o600); err != nil {
		t.Fatal(err)
	}
	store, at := newStore(t, nfs.Options{}), attributesOf(server, nil)
	if _, err := store.Download(t.Context(), "pipe", at); !errors.Is(err, provider.ErrNotFound) {
		t.Errorf("reading a pipe: got %v, want %v", err, provider.ErrNotFound)
	}
	if err := store.Delete(t.Context(), "pipe", at); err != nil {
		t.Errorf("deleting a pipe, which is no object: %v", err)
	}
	if _, err := os.Lstat(pipe); err != nil {
		t.Errorf("the pipe has been deleted: %v", err)
	}
	if got := list(t, store, at, 0); len(got) > 0 {
		t.Errorf("the listing has %q", got)
	}
}

func TestFoldersFollowObjects(t *testing.T) {
	server := nfsserver.Start(t, nfsserver.Options{})
	store, at := newStore(t, nfs.Options{}), attributesOf(server, provider.Attributes{nfs.AttributePath: "team"})
	upload(t, store, "a/b/c/one", at)
	upload(t, store, "a/two", at)
	for _, name := range []string{"a/b/c/one", "a/two"} {
		if err := store.Delete(t.Context(), name, at); err != nil {
			t.Fatal(err)
		}
	}
	entries, err := os.ReadDir(filepath.Join(server.Root, "team"))
	if err != nil || len(entries) != 1 || entries[0].Name() != nfs.PartialFolder {
		t.Errorf("in the location there are %v, %v", entries, err)
	}
}

func TestObjectAgainstFolder(t *testing.T) {
	server := nfsserver.Start(t, nfsserver.Options{})
	store, at := newStore(t, nfs.Options{}), attributesOf(server, nil)
	upload(t, store, "object", at)
	upload(t, store, "folder/object", at)
	for _, name := range []string{"object/below", "folder"} {
		for what, err := range map[string]error{
			"upload": store.Upload(t.Context(), name, at, strings.NewReader("new")),
			"create": store.Create(t.Context(), name, at, strings.NewReader("new")),
		} {
			if !errors.Is(err, provider.ErrFailedPrecondition) || !strings.Contains(err.Error(), "folder") {
				t.Errorf("%s of %q: got %v, want a clear %v", what, name, err, provider.ErrFailedPrecondition)
			}
		}
	}
	if diff := cmp.Diff([]string{"folder/object", "object"}, list(t, store, at, 0)); diff != "" {
		t.Errorf("the listing (-want +got):\n%s", diff)
	}
	expectEmpty(t, filepath.Join(server.Root, nfs.PartialFolder))

	// A folder as a crash leaves it that came before the first object in it is not in the way.
	for _, name := range []string{"up/loaded", "cre/ated"} {
		path := filepath.Join(server.Root, name)
		if err := errors.Join(os.MkdirAll(path, 0o777), os.Chmod(filepath.Dir(path), 0o777)); err != nil {
			t.Fatal(err)
		}
	}
	upload(t, store, "up/loaded", at)
	if err := store.Create(t.Context(), "cre/ated", at, strings.NewReader("x")); err != nil {
		t.Error(err)
	}
}

func TestOldLeftoversAreRemoved(t *testing.T) {
	server := nfsserver.Start(t, nfsserver.Options{})
	for _, folder := range []string{"", "team"} {
		hidden := filepath.Join(server.Root, folder, nfs.PartialFolder)
		if err := errors.Join(os.MkdirAll(hidden, 0o777), os.Chmod(filepath.Dir(hidden), 0o777), os.Chmod(hidden, 0o777)); err != nil {
			t.Fatal(err)
		}
		for name, age := range map[string]time.Duration{"old": 25 * time.Hour, "young": 23 * time.Hour} {
			path := filepath.Join(hidden, name)
			if err := os.WriteFile(path, nil, 0o600); err != nil {
				t.Fatal(err)
			}
			// The clock of the server is that of this machine.
			if err := os.Chtimes(path, time.Time{}, time.Now().Add(-age)); err != nil { //nolint:forbidigo // See above.
				t.Fatal(err)
			}
		}
		upload(t, newStore(t, nfs.Options{}), "object", attributesOf(server, provider.Attributes{nfs.AttributePath: folder}))
		entries, err := os.ReadDir(hidden)
		if err != nil || len(entries) != 1 || entries[0].Name() != "young" {
			t.Errorf("in %q there are %v, %v; want the young one", folder, entries, err)
		}
	}
}

// TestListOfManyObjects has folders larger than a page and than an answer of the server, between others.
func TestListOfManyObjects(t *testing.T) {
	server := nfsserver.Start(t, nfsserver.Options{})
	var want []string
	add := func(name string) {
		path := filepath.Join(server.Root, name)
		if err := errors.Join(os.MkdirAll(filepath.Dir(path), 0o777), os.WriteFile(path, nil, 0o600)); err != nil {
			t.Fatal(err)
		}
		want = append(want, name)
	}
	for i := range 2*provider.MaxPageSize + 17 {
		add(fmt.Sprintf("many/%d", i*7919%10007))
	}
	for i := range 300 {
		add(fmt.Sprintf("folders/%d/object", i))
	}
	add("a")
	add("many-more")
	add("zzz")
	slices.Sort(want)
	store, at := newStore(t, nfs.Options{}), attributesOf(server, provider.Attributes{nfs.AttributeUID: "0"})
	for _, size := range []int{0, 333, provider.MaxPageSize} {
		if diff := cmp.Diff(want, list(t, store, at, size)); diff != "" {
			t.Errorf("in pages of %d (-want +got):\n%s", size, diff)
		}
	}
}

// TestChangedWhileRead has objects that are longer than what is read at once, and that change meanwhile.
func TestChangedWhileRead(t *testing.T) {
	server := nfsserver.Start(t, nfsserver.Options{})
	store, at := newStore(t, nfs.Options{}), attributesOf(server, nil)
	for name, test := range map[string]struct {
		change func(name string) error
		want   error
	}{
		"cut":      {func(name string) error { return os.Truncate(filepath.Join(server.Root, name), 3*mib) }, provider.ErrDataLoss},
		"removed":  {func(name string) error { return store.Delete(t.Context(), name, at) }, provider.ErrUnavailable},
		"replaced": {func(name string) error { return store.Upload(t.Context(), name, at, strings.NewReader("new")) }, provider.ErrUnavailable},
	} {
		before := content(20 * mib)
		if err := store.Upload(t.Context(), name, at, bytes.NewReader(before)); err != nil {
			t.Fatal(err)
		}
		reader, err := store.Download(t.Context(), name, at)
		if err != nil {
			t.Fatal(err)
		}
		head := make([]byte, 1000)
		if _, err := io.ReadFull(reader, head); err != nil {
			t.Fatal(err)
		}
		if err := test.change(name); err != nil {
			t.Fatal(err)
		}
		rest, err := io.ReadAll(reader)
		if !errors.Is(err, test.want) || !bytes.HasPrefix(before, slices.Concat(head, rest)) {
			t.Errorf("%s: got %d bytes and %v, want some and %v", name, len(rest), err, test.want)
		}
		if err := reader.Close(); err != nil {
			t.Error(err)
		}
	}
}
