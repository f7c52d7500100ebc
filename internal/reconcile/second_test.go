package reconcile_test

import (
	"context"
	"errors"
	"testing"
	"time"

	kahuv1 "github.com/soda-cdm/kahu/api/v1beta1"
	"github.com/soda-cdm/kahu/internal/reconcile"
)

// TestSecondLoop: a loop that is not given the conditions leaves them alone, and still writes what its steps change.
func TestSecondLoop(t *testing.T) {
	for name, outcome := range map[string]error{
		"well": nil, "waiting": reconcile.Waiting("Pending", "later", time.Second), "stalled": reconcile.Stalled("Bad", "no"),
		"failing": errors.New("fault"),
	} {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t)
			loop := w.loop(step{Name: "acting", Do: func(_ context.Context, backup *kahuv1.Backup) error {
				backup.Status.FailureReason = "changed"
				return outcome
			}})
			loop.Conditions = nil
			_, _ = loop.Reconcile(t.Context(), request())
			backup := w.read()
			if len(backup.Status.Conditions) != 0 || backup.Status.FailureReason != "changed" {
				t.Errorf("got %+v", backup.Status)
			}
		})
	}
}
