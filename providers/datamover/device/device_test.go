package device_test

import (
	"bytes"
	"os"
	"path/filepath"
	"testing"

	"golang.org/x/sys/unix"

	"github.com/soda-cdm/kahu/providers/datamover/device"
)

// TestFile: a file that stands for a block volume is written, and what is zeros in it takes no room.
func TestFile(t *testing.T) {
	path, content := filepath.Join(t.TempDir(), "disk"), bytes.Repeat([]byte{7}, 1<<20)
	const readable = 0o600
	if err := os.WriteFile(path, content, readable); err != nil {
		t.Fatal(err)
	}
	into, err := device.OpenToWrite(path)
	if err != nil || into.Size != int64(len(content)) {
		t.Fatalf("%+v: %v", into, err)
	}
	if err := into.Zero(1<<18, 1<<19); err != nil {
		t.Fatal(err)
	}
	if err := into.Zero(0, 0); err != nil {
		t.Fatal(err)
	}
	if err := into.Close(); err != nil {
		t.Fatal(err)
	}
	clear(content[1<<18 : 3<<18])
	var stat unix.Stat_t
	if got, err := os.ReadFile(path); err != nil || !bytes.Equal(got, content) {
		t.Errorf("%d bytes: %v", len(got), err)
	}
	if err := unix.Stat(path, &stat); err != nil || stat.Blocks*512 > 1<<19 {
		t.Errorf("it takes %d bytes of the disk: %v", stat.Blocks*512, err)
	}
	from, err := device.OpenToRead(path)
	if err != nil {
		t.Fatal(err)
	}
	if err := from.Close(); err != nil {
		t.Error(err)
	}
	if _, err := device.OpenToRead("/dev/null"); err == nil {
		t.Error("a character device is opened as a block volume")
	}
}
