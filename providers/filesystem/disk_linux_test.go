package filesystem_test

import (
	"errors"
	"io"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"syscall"
	"testing"

	"github.com/soda-cdm/kahu/provider"
	"github.com/soda-cdm/kahu/providers/filesystem"
)

// mount mounts a small file system of its own until the end of the test, which needs root.
func mount(t *testing.T, folder, options string) {
	t.Helper()
	if os.Geteuid() != 0 {
		t.Skip("NOT TESTED: mounting a small file system needs root")
	}
	if err := syscall.Mount("tmpfs", folder, "tmpfs", 0, options); err != nil {
		t.Skipf("NOT TESTED: a small file system cannot be mounted here: %v", err)
	}
	t.Cleanup(func() {
		if err := syscall.Unmount(folder, 0); err != nil {
			t.Errorf("unmounting %s: %v", folder, err)
		}
	})
}

// endless is a content that never comes to its end.
type endless struct{}

func (endless) Read(buffer []byte) (int, error) { return len(buffer), nil }

func TestFullDisk(t *testing.T) {
	root := t.TempDir()
	mount(t, root, "size=4m,mode=0700")
	store := newStore(root)
	upload(t, store, "before", "precious")
	for name, store := range map[string]func() error{
		"upload of a new object": func() error { return store.Upload(t.Context(), "a/new", nil, endless{}) },
		"upload over an object":  func() error { return store.Upload(t.Context(), "before", nil, endless{}) },
		"creation":               func() error { return store.Create(t.Context(), "a/new", nil, endless{}) },
	} {
		err := store()
		if !errors.Is(err, provider.ErrResourceExhausted) || !strings.Contains(err.Error(), "make room") {
			t.Errorf("%s: got %v, want a clear %v", name, err, provider.ErrResourceExhausted)
		}
	}
	expectEmpty(t, filepath.Join(root, filesystem.PartialFolder))
	if got := list(t, store, provider.ListRequest{}); !slices.Equal(got, []string{"before"}) {
		t.Errorf("the listing has %q", got)
	}
	if content, err := read(t, store, "before"); content != "precious" || err != nil {
		t.Errorf("the object from before has %q, %v", content, err)
	}

	// What does fit is stored the next time.
	content := io.LimitReader(endless{}, 3<<20)
	if err := store.Upload(t.Context(), "a/new", nil, content); err != nil {
		t.Errorf("storing what fits: %v", err)
	}
}

// TestNoFileLeft has a disk with room, on which no further file can be made.
func TestNoFileLeft(t *testing.T) {
	root := t.TempDir()
	mount(t, root, "size=4m,nr_inodes=4,mode=0700")
	store := newStore(root)
	upload(t, store, "one", "x")
	err := store.Upload(t.Context(), "folder/of/a/name", nil, strings.NewReader("x"))
	if !errors.Is(err, provider.ErrResourceExhausted) {
		t.Errorf("got %v, want %v", err, provider.ErrResourceExhausted)
	}
	expectEmpty(t, filepath.Join(root, filesystem.PartialFolder))
}

func TestReadOnlyDisk(t *testing.T) {
	root := t.TempDir()
	mount(t, root, "size=1m,mode=0700")
	store := newStore(root)
	upload(t, store, "object", "x")
	if err := syscall.Mount("tmpfs", root, "tmpfs", syscall.MS_REMOUNT|syscall.MS_RDONLY, ""); err != nil {
		t.Fatal(err)
	}
	for call, err := range everyCall(t, store, "object", nil) {
		changes := call == "upload" || call == "create" || call == "delete"
		if changes != errors.Is(err, provider.ErrPermissionDenied) || !changes && err != nil {
			t.Errorf("%s: got %v", call, err)
		}
	}
}

// TestForeignMount has another file system mounted inside a location, where nothing can be put in one step.
func TestForeignMount(t *testing.T) {
	root := t.TempDir()
	inner := filepath.Join(root, "inner")
	if err := os.Mkdir(inner, 0o700); err != nil {
		t.Fatal(err)
	}
	mount(t, inner, "size=1m,mode=0700")
	store := newStore(root)
	for what, err := range map[string]error{
		"upload": store.Upload(t.Context(), "inner/object", nil, strings.NewReader("x")),
		"create": store.Create(t.Context(), "inner/object", nil, strings.NewReader("x")),
	} {
		if !errors.Is(err, provider.ErrFailedPrecondition) {
			t.Errorf("%s: got %v, want %v", what, err, provider.ErrFailedPrecondition)
		}
	}
	// A location that is the mounted one works.
	attributes := provider.Attributes{filesystem.AttributePath: "inner"}
	if err := store.Upload(t.Context(), "object", attributes, strings.NewReader("x")); err != nil {
		t.Errorf("a location that is a mount: %v", err)
	}
}

// TestDenied calls the driver as a user to whom the files of the store do not belong.
func TestDenied(t *testing.T) {
	root := t.TempDir()
	store := newStore(root)
	upload(t, store, "folder/object", "x")
	becomeStranger(t, root)
	for call, err := range everyCall(t, store, "folder/object", nil) {
		if !errors.Is(err, provider.ErrPermissionDenied) {
			t.Errorf("%s: got %v, want %v", call, err, provider.ErrPermissionDenied)
		}
	}
}

// becomeStranger makes this test somebody who may not read below a folder.
func becomeStranger(t *testing.T, folder string) {
	t.Helper()
	if os.Geteuid() != 0 {
		if err := os.Chmod(folder, 0); err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { _ = os.Chmod(folder, 0o700) })
		return
	}
	// Who accesses files is a property of the thread on Linux.
	const nobody = 65534
	runtime.LockOSThread()
	if err := syscall.Setfsuid(nobody); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := syscall.Setfsuid(0); err != nil {
			t.Error(err) // The thread stays locked, and ends with the test.
			return
		}
		runtime.UnlockOSThread()
	})
}
