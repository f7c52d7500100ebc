package filesystem_test

import (
	"errors"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/soda-cdm/kahu/provider"
	"github.com/soda-cdm/kahu/providers/filesystem"
)

// upload stores a small object, or ends the test.
func upload(t *testing.T, store *filesystem.Store, name, content string) {
	t.Helper()
	if err := store.Upload(t.Context(), name, nil, strings.NewReader(content)); err != nil {
		t.Fatal(err)
	}
}

// read returns the content of an object.
func read(t *testing.T, store *filesystem.Store, name string) (string, error) {
	t.Helper()
	reader, err := store.Download(t.Context(), name, nil)
	if err != nil {
		return "", err
	}
	defer reader.Close()
	content, err := io.ReadAll(reader)
	return string(content), err
}

// list returns the names of all objects.
func list(t *testing.T, store *filesystem.Store, request provider.ListRequest) []string {
	t.Helper()
	var names []string
	for {
		page, err := store.List(t.Context(), request)
		if err != nil {
			t.Fatal(err)
		}
		for _, object := range page.Objects {
			names = append(names, object.Name)
		}
		if page.NextPageToken == "" {
			return names
		}
		request.PageToken = page.NextPageToken
	}
}

// everyCall runs each call on a name and returns the errors.
func everyCall(t *testing.T, store *filesystem.Store, name string, attributes provider.Attributes) map[string]error {
	t.Helper()
	ctx := t.Context()
	_, exists := store.Exists(ctx, name, attributes)
	whole, download := store.Download(ctx, name, attributes)
	_, stat := store.Stat(ctx, name, attributes)
	piece, part := store.DownloadRange(ctx, provider.RangeRequest{Name: name, Attributes: attributes, Length: 1})
	for _, reader := range []io.ReadCloser{whole, piece} {
		if reader != nil {
			reader.Close()
		}
	}
	return map[string]error{
		"exists":   exists,
		"download": download,
		"stat":     stat,
		"range":    part,
		"upload":   store.Upload(ctx, name, attributes, strings.NewReader("x")),
		"create":   store.Create(ctx, name, attributes, strings.NewReader("x")),
		"delete":   store.Delete(ctx, name, attributes),
	}
}

func TestObjectsArePlainFiles(t *testing.T) {
	root := t.TempDir()
	store := newStore(root)
	upload(t, store, "a/b/object", "content")
	path := filepath.Join(root, "a/b/object")
	content, err := os.ReadFile(path)
	if err != nil || string(content) != "content" {
		t.Errorf("the file has %q, %v", content, err)
	}
	for path, want := range map[string]fs.FileMode{path: 0o600, filepath.Dir(path): 0o700 | fs.ModeDir} {
		if info, err := os.Stat(path); err != nil || info.Mode() != want {
			t.Errorf("the mode of %s is %v, %v; want %v", path, info.Mode(), err, want)
		}
	}
}

func TestMissingRootIsNeverMade(t *testing.T) {
	root := filepath.Join(t.TempDir(), "mount")
	store := newStore(root)
	calls := everyCall(t, store, "object", provider.Attributes{"path": "team"})
	_, calls["list"] = store.List(t.Context(), provider.ListRequest{})
	_, calls["probe"] = store.Probe(t.Context())
	for call, err := range calls {
		if !errors.Is(err, provider.ErrUnavailable) || !strings.Contains(err.Error(), root) {
			t.Errorf("%s: got %v, want an error of the class %v that names the folder", call, err, provider.ErrUnavailable)
		}
	}
	if _, err := os.Lstat(root); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("the root is there now: %v", err)
	}
}

func TestPathsAreRefused(t *testing.T) {
	store := newStore(t.TempDir())
	for _, path := range []string{
		"..", "../other", "a/../../other", "/absolute", "a//b", "a/", ".", "a\x00b", ".kahu-partial", "a/.kahu-partial/b",
	} {
		calls := everyCall(t, store, "object", provider.Attributes{"path": path})
		_, calls["list"] = store.List(t.Context(), provider.ListRequest{Attributes: provider.Attributes{"path": path}})
		for call, err := range calls {
			if !errors.Is(err, provider.ErrInvalidArgument) {
				t.Errorf("%s in the path %q: got %v, want %v", call, path, err, provider.ErrInvalidArgument)
			}
		}
	}
}

// TestMisspelledKeyIsRefused: who writes another word for path must not get backups into the root.
func TestMisspelledKeyIsRefused(t *testing.T) {
	root := t.TempDir()
	store, attributes := newStore(root), provider.Attributes{"prefix": "team"}
	calls := everyCall(t, store, "object", attributes)
	_, calls["list"] = store.List(t.Context(), provider.ListRequest{Attributes: attributes})
	for call, err := range calls {
		if !errors.Is(err, provider.ErrInvalidArgument) || !strings.Contains(err.Error(), `"prefix"`) || !strings.Contains(err.Error(), ": path:") {
			t.Errorf("%s: got %v, want an %v that names the key and the one that there is", call, err, provider.ErrInvalidArgument)
		}
	}
	expectEmpty(t, root)
}

func TestHiddenFolderCannotBeNamed(t *testing.T) {
	store := newStore(t.TempDir())
	for _, name := range []string{".kahu-partial", ".kahu-partial/x", "a/.kahu-partial/x"} {
		for call, err := range everyCall(t, store, name, nil) {
			if !errors.Is(err, provider.ErrInvalidArgument) {
				t.Errorf("%s of %q: got %v, want %v", call, name, err, provider.ErrInvalidArgument)
			}
		}
	}
}

// TestLinksDoNotLeadOut has symbolic links in the store that lead out of it: as a folder of objects, as an object, as
// the folder of a location.
func TestLinksDoNotLeadOut(t *testing.T) {
	outside, root := t.TempDir(), t.TempDir()
	precious := filepath.Join(outside, "precious")
	if err := os.WriteFile(precious, []byte("precious"), 0o600); err != nil {
		t.Fatal(err)
	}
	for name, target := range map[string]string{
		"folder": outside, "object": precious, "up": "../" + filepath.Base(outside), "loop": "loop",
	} {
		if err := os.Symlink(target, filepath.Join(root, name)); err != nil {
			t.Fatal(err)
		}
	}
	store := newStore(root)
	upload(t, store, "real", "x")
	for _, name := range []string{"folder/precious", "folder/new", "up/precious", "up/new", "loop/x"} {
		for call, err := range everyCall(t, store, name, nil) {
			if err == nil || errors.Is(err, provider.ErrNotFound) {
				t.Errorf("%s of %q: got %v, want a refusal", call, name, err)
			}
		}
	}
	for call, err := range everyCall(t, store, "precious", provider.Attributes{"path": "folder"}) {
		if !errors.Is(err, provider.ErrPermissionDenied) {
			t.Errorf("%s in a location that is a link: got %v, want %v", call, err, provider.ErrPermissionDenied)
		}
	}
	if exists, err := store.Exists(t.Context(), "object", nil); exists || err != nil {
		t.Errorf("a link is an object: %v, %v", exists, err)
	}
	if got := list(t, store, provider.ListRequest{}); !slices.Equal(got, []string{"real"}) {
		t.Errorf("the listing has %q", got)
	}

	// An upload replaces the link, not what it leads to.
	upload(t, store, "object", "new")
	if content, err := os.ReadFile(precious); err != nil || string(content) != "precious" {
		t.Errorf("what is outside has changed: %q, %v", content, err)
	}
	expectOnly(t, outside, "precious")
}

func TestFoldersFollowObjects(t *testing.T) {
	root := t.TempDir()
	store := newStore(root)
	upload(t, store, "a/b/c/one", "1")
	upload(t, store, "a/two", "2")
	if err := store.Delete(t.Context(), "a/b/c/one", nil); err != nil {
		t.Fatal(err)
	}
	expectOnly(t, filepath.Join(root, "a"), "two")
	if err := store.Delete(t.Context(), "a/two", nil); err != nil {
		t.Fatal(err)
	}
	expectOnly(t, root, filesystem.PartialFolder)
}

func TestObjectAgainstFolder(t *testing.T) {
	root := t.TempDir()
	store := newStore(root)
	upload(t, store, "object", "x")
	upload(t, store, "folder/object", "x")
	for _, name := range []string{"object/below", "folder"} {
		for what, err := range map[string]error{
			"upload": store.Upload(t.Context(), name, nil, strings.NewReader("new")),
			"create": store.Create(t.Context(), name, nil, strings.NewReader("new")),
		} {
			if !errors.Is(err, provider.ErrFailedPrecondition) || !strings.Contains(err.Error(), "folder") {
				t.Errorf("%s of %q: got %v, want a clear %v", what, name, err, provider.ErrFailedPrecondition)
			}
		}
	}
	want := []string{"folder/object", "object"}
	if got := list(t, store, provider.ListRequest{}); !slices.Equal(got, want) {
		t.Errorf("the listing has %q, want %q", got, want)
	}
	expectEmpty(t, filepath.Join(root, filesystem.PartialFolder))
}

// TestEmptyFolderIsNotInTheWay has a folder as a crash leaves it that came before the first object in it.
func TestEmptyFolderIsNotInTheWay(t *testing.T) {
	for what, store := range map[string]func(store *filesystem.Store) error{
		"upload": func(store *filesystem.Store) error {
			return store.Upload(t.Context(), "a/b", nil, strings.NewReader("x"))
		},
		"create": func(store *filesystem.Store) error {
			return store.Create(t.Context(), "a/b", nil, strings.NewReader("x"))
		},
	} {
		root := t.TempDir()
		if err := os.MkdirAll(filepath.Join(root, "a/b"), 0o700); err != nil {
			t.Fatal(err)
		}
		if err := store(newStore(root)); err != nil {
			t.Errorf("%s: %v", what, err)
		}
	}
}

// expectEmpty reports a folder that has anything in it.
func expectEmpty(t *testing.T, folder string) {
	t.Helper()
	expectOnly(t, folder)
}

func TestOldLeftoversAreRemoved(t *testing.T) {
	for location, attributes := range map[string]provider.Attributes{
		".": nil, "team": {filesystem.AttributePath: "team"},
	} {
		root := t.TempDir()
		hidden := filepath.Join(root, location, filesystem.PartialFolder)
		if err := os.MkdirAll(hidden, 0o700); err != nil {
			t.Fatal(err)
		}
		for name, age := range map[string]time.Duration{"old": 25 * time.Hour, "young": 23 * time.Hour} {
			path := filepath.Join(hidden, name)
			if err := os.WriteFile(path, []byte("x"), 0o600); err != nil {
				t.Fatal(err)
			}
			if err := os.Chtimes(path, time.Time{}, now().Add(-age)); err != nil {
				t.Fatal(err)
			}
		}
		store := newStore(root)
		if got := list(t, store, provider.ListRequest{Attributes: attributes}); len(got) > 0 {
			t.Errorf("the listing has %q", got)
		}
		if err := store.Upload(t.Context(), "object", attributes, strings.NewReader("x")); err != nil {
			t.Fatal(err)
		}
		entries, err := os.ReadDir(hidden)
		if err != nil || len(entries) != 1 || entries[0].Name() != "young" {
			t.Errorf("in %s there are %v, %v; want the young one", location, entries, err)
		}
	}
}

// TestCutFile has an object that somebody cuts while it is read.
func TestCutFile(t *testing.T) {
	root := t.TempDir()
	store := newStore(root)
	upload(t, store, "object", strings.Repeat("x", 1000))
	reader, err := store.Download(t.Context(), "object", nil)
	if err != nil {
		t.Fatal(err)
	}
	defer reader.Close()
	if err := os.Truncate(filepath.Join(root, "object"), 500); err != nil {
		t.Fatal(err)
	}
	content, err := io.ReadAll(reader)
	if !errors.Is(err, provider.ErrDataLoss) {
		t.Errorf("got %d bytes and %v, want %v", len(content), err, provider.ErrDataLoss)
	}
}
