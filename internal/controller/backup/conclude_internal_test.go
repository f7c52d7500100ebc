package backup

import (
	"context"
	"errors"
	"testing"

	kahuv1 "github.com/soda-cdm/kahu/api/v1beta1"
	"github.com/soda-cdm/kahu/internal/engine"
	enginebackup "github.com/soda-cdm/kahu/internal/engine/backup"
	"github.com/soda-cdm/kahu/internal/reconcile"
	"github.com/soda-cdm/kahu/internal/testkit/world"
)

// TestFailedRunsAreNotOverBeforeTheyAreRemoved: a run that had begun, and could not put its failure on record, is Deleting until what
// is left of it is gone; it never says that nothing is.
func TestFailedRunsAreNotOverBeforeTheyAreRemoved(t *testing.T) {
	t.Parallel()
	cases := map[string]struct {
		result  enginebackup.Result
		err     error
		earlier []string
		want    kahuv1.State
	}{
		"never begun":         {err: world.ErrRefused, want: kahuv1.StateFailed},
		"begun":               {result: enginebackup.Result{Begun: true}, err: world.ErrRefused, want: kahuv1.StateDeleting},
		"begun by another":    {err: world.ErrRefused, earlier: []string{"zeroth"}, want: kahuv1.StateDeleting},
		"another goes on":     {result: enginebackup.Result{Begun: true}, err: enginebackup.ErrSuperseded, want: kahuv1.StateProcessing},
		"its context ended":   {result: enginebackup.Result{Begun: true}, err: context.Canceled, want: kahuv1.StateProcessing},
		"somebody else knows": {result: enginebackup.Result{Begun: true}, err: enginebackup.ErrOver, want: kahuv1.StateProcessing},
	}
	for name, test := range cases {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			run := completed("run", func(b *kahuv1.Backup) {
				b.Status.State, b.Status.Stage, b.Status.EarlierAttempts = kahuv1.StateProcessing, "", test.earlier
			})
			c := fakeServer(t, run)
			err := c.concludeFailed(&scope{backup: run}, reconcile.Snapshot[engine.Progress, enginebackup.Result]{Ended: true, Result: test.result, Err: test.err})
			if err == nil || run.Status.State != test.want || (run.Status.Stage == kahuv1.StageFinished) != (test.want == kahuv1.StateFailed) {
				t.Errorf("it is %s, %s: %v", run.Status.State, run.Status.Stage, err)
			}
			if waiting := errors.As(err, new(*reconcile.WaitingError)); waiting == (test.want == kahuv1.StateFailed) {
				t.Errorf("it is looked at again: %v", err)
			}
		})
	}
}
