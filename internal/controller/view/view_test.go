package view_test

import (
	"errors"
	"fmt"
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
