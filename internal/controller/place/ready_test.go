package place_test

import (
	"errors"
	"testing"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	kahuv1 "github.com/soda-cdm/kahu/api/v1beta1"
	"github.com/soda-cdm/kahu/internal/controller/place"
	"github.com/soda-cdm/kahu/internal/reconcile"
	"github.com/soda-cdm/kahu/internal/testkit/fakeapi"
)

// TestOldVerdictsPass: what an earlier process found wrong with a location may have been mended since.
func TestOldVerdictsPass(t *testing.T) {
	t.Parallel()
	now := time.Date(2026, 11, 21, 12, 0, 0, 500, time.UTC)
	for name, test := range map[string]struct {
		began, probed time.Time
		passing       bool
	}{
		"OfAnEarlierProcess": {began: now, probed: now.Add(-time.Minute), passing: true},
		"BeforeThisOneBegan": {probed: now, passing: true},
		"NeverLookedAt":      {began: now, passing: true},
		"OfThisProcess":      {began: now, probed: now.Add(time.Second)},
		"InTheSameSecond":    {began: now, probed: now.Truncate(time.Second)},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			location := &kahuv1.BackupLocation{ObjectMeta: metav1.ObjectMeta{Name: "main"}}
			reconcile.SetStalled(&location.Status.Conditions, kahuv1.ReasonMarkerMissing, "it is not mounted", 0)
			if !test.probed.IsZero() {
				location.Status.LastProbeTime = &metav1.Time{Time: test.probed}
			}
			finder := &place.Finder{Client: fakeapi.New(t).WithObjects(location).Build()}
			if !test.began.IsZero() {
				finder.Begin(test.began)
			}
			_, _, err := finder.Ready(t.Context(), "main")
			unusable, is := errors.AsType[*place.NotUsableError](err)
			if !is || unusable.Reason != kahuv1.ReasonMarkerMissing || unusable.Passing != test.passing {
				t.Errorf("got %+v", err)
			}
		})
	}
}
