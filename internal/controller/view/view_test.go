package view_test

import (
	"errors"
	"fmt"
	"strings"
	"testing"

	"k8s.io/apimachinery/pkg/api/meta"

	kahuv1 "github.com/soda-cdm/kahu/api/v1beta1"
	"github.com/soda-cdm/kahu/internal/controller/view"
	"github.com/soda-cdm/kahu/internal/core"
	"github.com/soda-cdm/kahu/internal/core/archive"
)

// TestUnusableManifests shows what lies in a manifest itself as the state of its view: it must not make the location
// unusable for all the others.
func TestUnusableManifests(t *testing.T) {
	for name, test := range map[string]struct {
		err    error
		reason string // of the view; empty where nothing is shown
	}{
		"newer":               {&archive.NewerFormatError{What: "manifest", Found: 9, Supported: 2}, kahuv1.ReasonManifestTooNew},
		"unknown encryption":  {fmt.Errorf("scheme: %w", core.ErrUnsupported), kahuv1.ReasonManifestTooNew},
		"damaged":             {fmt.Errorf("digest: %w", core.ErrCorrupt), kahuv1.ReasonManifestInvalid},
		"store does not know": {fmt.Errorf("dial: %w", core.ErrUnavailable), ""},
		"anything else":       {errors.New("something"), ""},
	} {
		if view.Lasting(test.err) != (test.reason != "") {
			t.Errorf("%s: lasting is %t", name, view.Lasting(test.err))
		}
		if test.reason == "" {
			continue
		}
		backup := &kahuv1.Backup{}
		view.Show(backup, "l", view.Found{ID: archive.BackupID{ClusterID: "c", Name: "n", UID: "u"}, Err: test.err})
		found := meta.FindStatusCondition(backup.Status.Conditions, kahuv1.ConditionReady)
		if found == nil || found.Reason != test.reason || backup.Status.State != kahuv1.StateFailed {
			t.Errorf("%s: %+v, %s", name, found, backup.Status.State)
		}
	}
}

// TestVolumesOfAView: what has data is shown as the manifest names it, and that of a copy as the original's.
func TestVolumesOfAView(t *testing.T) {
	t.Parallel()
	bytes := int64(7)
	manifest := archive.Manifest{LocationID: "home"}
	for i := range 150 {
		manifest.Volumes = append(manifest.Volumes, archive.Volume{
			VolumeNames: archive.VolumeNames{Namespace: "shop", Name: fmt.Sprintf("data-%d", i)}, Provider: "csi", Way: "Snapshot", Bytes: &bytes,
		})
	}
	for name, test := range map[string]struct {
		location, says string
	}{"Original": {"home", ""}, "Copy": {"vault", "original"}} {
		backup := &kahuv1.Backup{}
		view.Show(backup, test.location, view.Found{ID: archive.BackupID{ClusterID: "c", Name: "n", UID: "u"}, Manifest: manifest})
		got := backup.Status.Volumes
		if got == nil || got.Total != 150 || got.Completed != 150 || got.BytesDone != 1050 || got.BytesTotal != 1050 || len(got.Claims) != 100 {
			t.Fatalf("%s: %+v", name, got)
		}
		row := got.Claims[99]
		said := row.Message
		row.Message = ""
		want := kahuv1.BackupVolume{
			Namespace: "shop", Name: "data-99", Phase: kahuv1.BackupVolumeCompleted, Way: kahuv1.VolumeWaySnapshot, ProviderName: "csi", Bytes: 7,
		}
		if row != want || (test.says == "") != (said == "") || !strings.Contains(said, test.says) {
			t.Errorf("%s: %+v, and it says %q", name, row, said)
		}
	}
	backup := &kahuv1.Backup{}
	if view.Show(backup, "home", view.Found{}); backup.Status.Volumes != nil {
		t.Errorf("of none: %+v", backup.Status.Volumes)
	}
}
