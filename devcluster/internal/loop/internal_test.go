package loop

import (
	"errors"
	"os"
	"path/filepath"
	"testing"

	"github.com/google/go-cmp/cmp"
	"golang.org/x/sys/unix"
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

// TestDetachTakesWhatStandsUponADevice has a device upon a device, as a kubelet makes it.
func TestDetachTakesWhatStandsUponADevice(t *testing.T) {
	folder := t.TempDir()
	disk := filepath.Join(folder, "disk")
	if err := os.WriteFile(disk, make([]byte, 1<<20), 0o600); err != nil {
		t.Fatal(err)
	}
	lower, err := Attach(disk)
	if err != nil {
		t.Skipf("no loop device can be had: %v", err)
	}
	upper, err := Attach(lower)
	if err != nil {
		t.Fatal(errors.Join(err, Detach(folder)))
	}
	if err := Detach(folder); err != nil {
		t.Error(err)
	}
	for _, device := range []string{lower, upper} {
		if _, err := fileOf(device); !errors.Is(err, unix.ENXIO) {
			t.Errorf("%s is still attached: %v", device, err)
		}
	}
}
