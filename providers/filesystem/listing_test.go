package filesystem_test

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/soda-cdm/kahu/provider"
)

func TestWhatIsNoObjectIsLeftAlone(t *testing.T) {
	root := t.TempDir()
	if err := syscall.Mkfifo(filepath.Join(root, "pipe"), 0o600); err != nil {
		t.Fatal(err)
	}
	for _, name := range []string{"bad\nname", "bad\xffname"} {
		if err := os.WriteFile(filepath.Join(root, name), nil, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	store := newStore(root)
	if exists, err := store.Exists(t.Context(), "pipe", nil); exists || err != nil {
		t.Errorf("a pipe is an object: %v, %v", exists, err)
	}
	if _, err := read(t, store, "pipe"); !errors.Is(err, provider.ErrNotFound) {
		t.Errorf("reading a pipe: got %v, want %v", err, provider.ErrNotFound)
	}
	if err := store.Delete(t.Context(), "pipe", nil); err != nil {
		t.Errorf("deleting a pipe, which is no object: %v", err)
	}
	if _, err := os.Lstat(filepath.Join(root, "pipe")); err != nil {
		t.Errorf("the pipe has been deleted: %v", err)
	}
	if got := list(t, store, provider.ListRequest{}); len(got) > 0 {
		t.Errorf("the listing has %q", got)
	}
}

func TestLocationsAreApart(t *testing.T) {
	root := t.TempDir()
	store := newStore(root)
	one, two := provider.Attributes{"path": "one"}, provider.Attributes{"path": "two"}
	if err := store.Upload(t.Context(), "object", one, strings.NewReader("x")); err != nil {
		t.Fatal(err)
	}
	if exists, err := store.Exists(t.Context(), "object", two); exists || err != nil {
		t.Errorf("the object is in the other location: %v, %v", exists, err)
	}
	if got := list(t, store, provider.ListRequest{Attributes: two}); len(got) > 0 {
		t.Errorf("the other location has %q", got)
	}
	// The root contains both, and not what is being written in them.
	if got := list(t, store, provider.ListRequest{}); !slices.Equal(got, []string{"one/object"}) {
		t.Errorf("the root has %q", got)
	}
	if err := store.Delete(t.Context(), "object", one); err != nil {
		t.Fatal(err)
	}
	if _, err := os.Stat(filepath.Join(root, "one")); err != nil {
		t.Errorf("the folder of a location goes with its last object: %v", err)
	}
}

// TestListOfManyObjects has folders larger than a page, between others, and compares with a sorted list of names.
func TestListOfManyObjects(t *testing.T) {
	root := t.TempDir()
	var want []string
	add := func(name string) {
		path := filepath.Join(root, name)
		if err := errors.Join(os.MkdirAll(filepath.Dir(path), 0o700), os.WriteFile(path, nil, 0o600)); err != nil {
			t.Fatal(err)
		}
		want = append(want, name)
	}
	for i := range 2*provider.MaxPageSize + 17 {
		add(fmt.Sprintf("many/%d", i*7919%10007))
	}
	for i := range provider.MaxPageSize + 20 {
		add(fmt.Sprintf("folders/%d/object", i))
		if i%10 > 0 {
			continue
		}
		if err := os.MkdirAll(filepath.Join(root, fmt.Sprintf("empty/%d/%d", i, i)), 0o700); err != nil {
			t.Fatal(err)
		}
	}
	add("a")
	add("many-more")
	add("zzz")
	slices.Sort(want)
	store := newStore(root)
	for _, size := range []int{0, 70, 999, provider.MaxPageSize} {
		if diff := cmp.Diff(want, list(t, store, provider.ListRequest{PageSize: size})); diff != "" {
			t.Errorf("in pages of %d (-want +got):\n%s", size, diff)
		}
	}
}
