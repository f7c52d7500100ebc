package csi_test

import (
	"context"
	"path/filepath"
	"strings"
	"testing"

	"github.com/soda-cdm/kahu/provider"
	"github.com/soda-cdm/kahu/provider/conformance"
)

// notKept are the promises of the suite that a provider cannot keep for which the snapshot is the backup, and which has no
// memory besides the storage system's.
func notKept() map[string]string {
	return map[string]string{
		"volumes/apart":   "two orders that are given the same snapshot have the same backup",
		"volumes/deleted": "that a snapshot is gone is found out by restoring from it, and not by asking how its backup is",
	}
}

// TestConformance gives each check a snapshot of its own, as each deletes it.
func TestConformance(t *testing.T) {
	w := newWorld(t)
	endpoint := "unix://" + filepath.Join(t.TempDir(), "csi.sock")
	serve(t, w.driver, endpoint)
	backups := 0
	for _, check := range conformance.Checks() {
		if !strings.HasPrefix(check.Name, "volumes/") && !strings.HasPrefix(check.Name, "identity/") {
			continue
		}
		t.Run(check.Name, func(t *testing.T) {
			if reason, is := notKept()[check.Name]; is {
				t.Skip(reason)
			}
			backups++
			backup := w.backup("data-" + strings.ReplaceAll(strings.TrimPrefix(check.Name, "volumes/"), "/", "-"))
			check.Run(t.Context(), t, conformance.Target{Endpoint: endpoint, Volumes: conformance.Volumes{
				Request: provider.StartBackupRequest{Snapshot: &provider.Snapshot{Handle: backup.Handle, Attributes: backup.Attributes}},
			}})
		})
	}
	if backups == 0 {
		t.Error("the suite has no checks of volumes")
	}
	w.untilNone("volumesnapshotcontents")
}

// serve serves a driver until the test ends.
func serve(t *testing.T, driver provider.Identity, endpoint string) {
	t.Helper()
	ctx, stop := context.WithCancel(t.Context())
	ended := make(chan error, 1)
	go func() { ended <- provider.NewServer(provider.Options{Driver: driver}).Serve(ctx, endpoint) }()
	t.Cleanup(func() {
		stop()
		if err := <-ended; err != nil {
			t.Error(err)
		}
	})
}
