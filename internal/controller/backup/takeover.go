package backup

import (
	"context"
	"fmt"
	"time"

	"k8s.io/apimachinery/pkg/api/meta"

	kahuv1 "github.com/soda-cdm/kahu/api/v1beta1"
	"github.com/soda-cdm/kahu/internal/controller/failure"
	"github.com/soda-cdm/kahu/internal/reconcile"
)

// MaxInterruptions is how often a run is gone on with before it fails: what interrupts it may be the run itself.
const MaxInterruptions = 5

// takeOver goes on with a run that another process began and did not finish. What that one has copied stays, and its
// attempt ends with the write of this status: from then on it is not confirmed any more, should its process live.
func (c *Controller) takeOver(ctx context.Context, s *scope) error {
	status := s.status()
	if status.State != kahuv1.StateProcessing {
		return nil
	}
	if c.isOurs(s) {
		c.begins(s)
		return nil
	}
	if !c.isOld(s) {
		if err := c.yield(s); err != nil {
			return err
		}
	}
	if status.Interruptions >= MaxInterruptions {
		return c.putAway(s, failure.Failure{
			Reason:  kahuv1.ReasonInterrupted,
			Message: fmt.Sprintf("the manager stopped %d times while the run went on; create another Backup", MaxInterruptions+1),
		})
	}
	if err := c.addFinalizer(ctx, s); err != nil {
		return err
	}
	before := status.Attempt
	status.Attempt = c.takeFrom(s.backup.UID, before)
	status.EarlierAttempts = append(status.EarlierAttempts, before)
	status.Interruptions++
	// The write of this status wakes the next pass, which goes on with the work.
	return reconcile.Waiting(kahuv1.ReasonProcessing, "The manager stopped while the run went on; another one goes on with it.", 0)
}

// yield leaves a run to another process that took it over from this one, as long as that one lives. Two managers that
// both believe that they lead would otherwise take it from each other in turn.
func (c *Controller) yield(s *scope) error {
	idle, rival := c.rival(s)
	if !rival {
		return nil
	}
	ended := c.Tasks.Cancel(s.backup.UID)
	if left := c.Fence - idle; left > 0 || !ended {
		return quietly(s, max(left, waitTime))
	}
	c.Tasks.Forget(s.backup.UID)
	c.letGo(s.backup.UID)
	return nil
}

// quietly waits without a change of the status, which is another's to write.
func quietly(s *scope, after time.Duration) error {
	reason, message := kahuv1.ReasonProcessing, "Another manager goes on with the run."
	if shown := meta.FindStatusCondition(s.status().Conditions, reconcile.Reconciling); shown != nil {
		reason, message = shown.Reason, shown.Message
	}
	return reconcile.Waiting(reason, message, after)
}
