package nfs_test

import (
	"bytes"
	"errors"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/soda-cdm/kahu/internal/testkit/nfsserver"
	"github.com/soda-cdm/kahu/provider"
	"github.com/soda-cdm/kahu/providers/nfs"
)

func TestFullDisk(t *testing.T) {
	root := t.TempDir()
	if os.Geteuid() != 0 {
		t.Skip("NOT TESTED: mounting a small file system needs root")
	}
	if err := syscall.Mount("tmpfs", root, "tmpfs", 0, "size=4m"); err != nil {
		t.Skipf("NOT TESTED: a small file system cannot be mounted here: %v", err)
	}
	t.Cleanup(func() {
		if err := syscall.Unmount(root, syscall.MNT_DETACH); err != nil {
			t.Errorf("unmounting %s: %v", root, err)
		}
	})
	server := nfsserver.Start(t, nfsserver.Options{Root: root})
	store, at := newStore(t, nfs.Options{}), attributesOf(server, nil)
	if err := store.Upload(t.Context(), "before", at, strings.NewReader("precious")); err != nil {
		t.Fatal(err)
	}
	for name, err := range map[string]error{
		"upload of a new object": store.Upload(t.Context(), "a/new", at, bytes.NewReader(content(9*mib))),
		"upload over an object":  store.Upload(t.Context(), "before", at, bytes.NewReader(content(9*mib))),
		"creation":               store.Create(t.Context(), "a/new", at, bytes.NewReader(content(9*mib))),
	} {
		if !errors.Is(err, provider.ErrResourceExhausted) || !strings.Contains(err.Error(), "make room") {
			t.Errorf("%s: got %v, want a clear %v", name, err, provider.ErrResourceExhausted)
		}
	}
	expectEmpty(t, filepath.Join(root, nfs.PartialFolder))
	expectContent(t, store, "before", at, []byte("precious"))
	if err := store.Upload(t.Context(), "a/new", at, bytes.NewReader(content(3*mib))); err != nil {
		t.Errorf("storing what fits: %v", err)
	}
}

func TestDenied(t *testing.T) {
	server := nfsserver.Start(t, nfsserver.Options{})
	store := newStore(t, nfs.Options{})
	owner := attributesOf(server, provider.Attributes{nfs.AttributePath: "mine", nfs.AttributeUID: "1500", nfs.AttributeGID: "1500"})
	if err := store.Upload(t.Context(), "object", owner, strings.NewReader("x")); err != nil {
		t.Fatal(err)
	}
	info, err := os.Stat(filepath.Join(server.Root, "mine", "object"))
	if err != nil || info.Sys().(*syscall.Stat_t).Uid != 1500 || info.Mode().Perm() != 0o600 {
		t.Errorf("the file is %v of somebody, %v", info, err)
	}
	stranger := attributesOf(server, provider.Attributes{nfs.AttributePath: "mine", nfs.AttributeUID: "1501", nfs.AttributeGID: "1501"})
	for call, err := range everyCall(t, store, "object", stranger) {
		if !errors.Is(err, provider.ErrPermissionDenied) {
			t.Errorf("%s: got %v, want %v", call, err, provider.ErrPermissionDenied)
		}
	}
	expectContent(t, store, "object", owner, []byte("x"))
}

// TestReservedPorts has an export that clients may only use from ports below 1024.
func TestReservedPorts(t *testing.T) {
	server := nfsserver.Start(t, nfsserver.Options{Reserved: true})
	at := attributesOf(server, nil)
	for call, err := range everyCall(t, newStore(t, nfs.Options{}), "object", at) {
		if !errors.Is(err, provider.ErrPermissionDenied) || !strings.Contains(err.Error(), "reserved") {
			t.Errorf("%s from another port: got %v, want a clear %v", call, err, provider.ErrPermissionDenied)
		}
	}
	store := newStore(t, nfs.Options{ReservedPorts: true})
	if err := store.Upload(t.Context(), "object", at, strings.NewReader("x")); err != nil {
		t.Fatal(err)
	}
	expectContent(t, store, "object", at, []byte("x"))
}

func TestReadOnlyExport(t *testing.T) {
	server := nfsserver.Start(t, nfsserver.Options{ReadOnly: true})
	if err := os.WriteFile(filepath.Join(server.Root, "object"), []byte("x"), 0o644); err != nil {
		t.Fatal(err)
	}
	store, at := newStore(t, nfs.Options{}), attributesOf(server, nil)
	for call, err := range everyCall(t, store, "object", at) {
		changes := slices.Contains([]string{"upload", "create", "delete"}, call)
		if changes != errors.Is(err, provider.ErrPermissionDenied) || !changes && err != nil {
			t.Errorf("%s: got %v", call, err)
		}
	}
}

func TestWrongExport(t *testing.T) {
	server := nfsserver.Start(t, nfsserver.Options{})
	store := newStore(t, nfs.Options{Silence: 200 * time.Millisecond, Patience: 300 * time.Millisecond})
	for name, test := range map[string]struct {
		more provider.Attributes
		want error
	}{
		"no such export":             {provider.Attributes{nfs.AttributeExport: "/nowhere"}, provider.ErrPermissionDenied},
		"the port of something else": {provider.Attributes{nfs.AttributePort: strconv.Itoa(server.MountPort)}, provider.ErrFailedPrecondition},
		"a port of nothing":          {provider.Attributes{nfs.AttributeMountPort: "1"}, provider.ErrUnavailable},
	} {
		for call, err := range everyCall(t, store, "object", attributesOf(server, test.more)) {
			if !errors.Is(err, test.want) {
				t.Errorf("%s, %s: got %v, want %v", name, call, err, test.want)
			}
		}
	}
	expectEmpty(t, server.Root)
}
