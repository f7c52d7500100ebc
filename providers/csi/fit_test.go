package csi_test

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/soda-cdm/kahu/provider"
)

// TestClaimThatDoesNotFit: what no provisioner would make is refused at once, with the name of the field, and leaves nothing.
func TestClaimThatDoesNotFit(t *testing.T) {
	w := newWorld(t)
	backup := w.backup("data")
	for name, test := range map[string]struct{ class, size, field string }{
		"a class of another driver":   {"alone", "1Mi", "spec.storageClassName"},
		"a class that is not there":   {"nowhere", "1Mi", "spec.storageClassName"},
		"no class":                    {"", "1Mi", "spec.storageClassName"},
		"smaller than the snapshot":   {class, "1Ki", "spec.resources.requests.storage"},
		"smaller, in a class that is": {class + "-wait", "1023Ki", "spec.resources.requests.storage"},
	} {
		made, err := w.driver.CreateVolumeFromBackup(t.Context(), provider.CreateVolumeRequest{Order: name, Claim: w.wanted(test.class, test.size), Backup: backup})
		if !errors.Is(err, provider.ErrInvalidArgument) || !strings.Contains(err.Error(), test.field+": ") {
			t.Errorf("%s: %+v, %v", name, made, err)
		}
	}
	w.untilNone("volumesnapshots")
	w.untilNone("volumesnapshotcontents")
	if err := w.driver.DeleteBackup(t.Context(), "order", backup, nil); err != nil {
		t.Error(err)
	}
}

// TestClaimThatIsLarger: a claim of more than the snapshot gets its data, in another class of the driver too.
func TestClaimThatIsLarger(t *testing.T) {
	w := newWorld(t)
	backup := w.backup("data")
	elsewhere, err := w.driver.CreateVolumeFromBackup(t.Context(), provider.CreateVolumeRequest{
		Order: "elsewhere", Claim: w.wanted(class+"-wait", "3Mi"), Backup: backup,
	})
	if err != nil {
		t.Fatal(err)
	}
	if err := w.driver.CancelRestore(t.Context(), elsewhere.Volume, nil); err != nil {
		t.Error(err)
	}
	made, err := w.driver.CreateVolumeFromBackup(t.Context(), provider.CreateVolumeRequest{Order: "in-" + class, Claim: w.wanted(class, "3Mi"), Backup: backup})
	if err != nil {
		t.Fatal(err)
	}
	folder := w.claimOf("back", made.DataSource.Name, "3Mi")
	if content, err := os.ReadFile(filepath.Join(folder, "record")); string(content) != "of data" {
		t.Errorf("restored is %q: %v", content, err)
	}
	w.wantState(made.Volume, provider.VolumeSucceeded)
	w.untilNone("volumesnapshotcontents")
}
