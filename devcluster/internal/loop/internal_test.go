package loop

import (
	"os"
	"path/filepath"
	"testing"

	"github.com/google/go-cmp/cmp"
)

func TestDevicesOfAFolder(t *testing.T) {
	blocks := t.TempDir()
	for device, file := range map[string]string{
		"loop0": "/data/cluster/disk\n",
		"loop1": "/data/cluster/removed (deleted)\n",
		"loop2": "/data/cluster-of-others/disk\n",
		"loop3": "/data/other\n",
	} {
		folder := filepath.Join(blocks, device, "loop")
		if err := os.MkdirAll(folder, 0o700); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(filepath.Join(folder, "backing_file"), []byte(file), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	if err := os.Mkdir(filepath.Join(blocks, "loop4"), 0o700); err != nil { // is attached to nothing
		t.Fatal(err)
	}
	found, err := devices(blocks, "/data/cluster/")
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff([]string{"/dev/loop0", "/dev/loop1"}, found); diff != "" {
		t.Error(diff)
	}
}
