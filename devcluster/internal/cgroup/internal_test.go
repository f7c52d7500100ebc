package cgroup

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"k8s.io/utils/clock"
)

//nolint:dupword // cgroup is the name and the kind
const mounts = `22 1 254:0 / / rw,relatime - ext4 /dev/vda rw
30 25 0:26 / /sys/fs/cgroup rw,relatime - tmpfs tmpfs rw,mode=755
31 30 0:27 / /sys/fs/cgroup/memory rw,relatime shared:9 - cgroup cgroup rw,memory
32 30 0:28 / /sys/fs/cgroup/unified rw,relatime - cgroup2 cgroup2 rw
33 30 0:29 / /sys/fs/cgroupish rw,relatime - tmpfs cgroup rw
`

func TestHierarchies(t *testing.T) {
	roots, err := hierarchies(strings.NewReader(mounts))
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff([]string{"/sys/fs/cgroup/memory", "/sys/fs/cgroup/unified"}, roots); diff != "" {
		t.Error(diff)
	}
}

func TestMakeAndRemove(t *testing.T) {
	tree := Tree{Roots: []string{t.TempDir(), t.TempDir()}, Clock: clock.RealClock{}}
	for _, name := range []string{"kahu1/node-1", "kahu1/node-2", "kahu11/node-1"} {
		if err := tree.Make(name); err != nil {
			t.Fatal(err)
		}
	}
	for _, root := range tree.Roots {
		if err := os.MkdirAll(filepath.Join(root, "kahu1/node-1/pods/a"), 0o700); err != nil {
			t.Fatal(err)
		}
	}
	for range 2 { // the second time there is nothing to remove
		if err := tree.Remove("kahu1"); err != nil {
			t.Fatal(err)
		}
	}
	for _, root := range tree.Roots {
		if left, err := filepath.Glob(root + "/*"); err != nil || len(left) != 1 || filepath.Base(left[0]) != "kahu11" {
			t.Errorf("left are %v, %v", left, err)
		}
	}
}

// In a hierarchy of version 2 a group has only the controllers that those above it pass on.
func TestMakeDelegatesControllers(t *testing.T) {
	root := t.TempDir()
	if err := os.WriteFile(root+"/cgroup.controllers", []byte("cpu memory pids\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	if err := os.Mkdir(root+"/kahu1", 0o700); err != nil {
		t.Fatal(err)
	}
	for _, file := range []string{root + "/cgroup.subtree_control", root + "/kahu1/cgroup.subtree_control"} {
		if err := os.WriteFile(file, nil, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	if err := (Tree{Roots: []string{root}, Clock: clock.RealClock{}}).Make("kahu1/node-1"); err != nil {
		t.Fatal(err)
	}
	for _, file := range []string{root + "/cgroup.subtree_control", root + "/kahu1/cgroup.subtree_control"} {
		if content, err := os.ReadFile(file); err != nil || string(content) != "+cpu +memory +pids" {
			t.Errorf("%s has %q, %v", file, content, err)
		}
	}
}
