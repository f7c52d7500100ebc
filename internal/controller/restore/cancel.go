package restore

import (
	"context"
	"errors"
	"fmt"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"sigs.k8s.io/controller-runtime/pkg/client"

	kahuv1 "github.com/soda-cdm/kahu/api/v1beta1"
	"github.com/soda-cdm/kahu/internal/controller/failure"
	"github.com/soda-cdm/kahu/internal/core"
	enginerestore "github.com/soda-cdm/kahu/internal/engine/restore"
)

// cancel ends a run whose end is asked for. One that has not begun ends here; one that goes on is told to end, and
// concludes with what it has done.
func (c *Controller) cancel(_ context.Context, s *scope) error {
	if !s.restore.Spec.Cancel {
		return nil
	}
	snapshot, there := c.Tasks.Look(s.restore.UID)
	if there && snapshot.Ended {
		return nil // It is concluded below.
	}
	if there {
		c.Tasks.Cancel(s.restore.UID)
		return going()
	}
	message := "the run was cancelled before it began; nothing was created"
	if s.status().State == kahuv1.StateProcessing {
		message = "the run was cancelled while no manager went on with it; what it had created stays"
	}
	return c.fail(s, failure.Failure{Reason: kahuv1.ReasonCancelled, Message: message})
}

// ended returns why a run ended that was told to end. Where it was not cancelled, its object is going, another manager
// has it, or this one stops and the next goes on.
func (c *Controller) ended(s *scope, found enginerestore.Result) error {
	if !s.restore.Spec.Cancel {
		return going()
	}
	return c.fail(s, failure.Failure{
		Reason: kahuv1.ReasonCancelled,
		Message: fmt.Sprintf("the run was cancelled; what it did stays: %s created and %d written over",
			core.Count(found.Counts.Created, "object"), found.Counts.Updated),
	})
}

// toldToEnd tells whether a run ended because it was told to.
func toldToEnd(err error) bool {
	return errors.Is(err, failure.ErrNotWanted) || errors.Is(err, context.Canceled)
}

// confirm asks the API server itself whether an attempt at a run is still wanted.
func (c *Controller) confirm(ctx context.Context, restore *kahuv1.Restore) error {
	now := &kahuv1.Restore{}
	err := c.Direct.Get(ctx, client.ObjectKeyFromObject(restore), now)
	if client.IgnoreNotFound(err) != nil {
		return fmt.Errorf("reading the Restore: %w", err)
	}
	if apierrors.IsNotFound(err) || now.UID != restore.UID || !now.DeletionTimestamp.IsZero() || now.Spec.Cancel ||
		now.Status.Attempt != restore.Status.Attempt || now.Status.Stage == kahuv1.StageFinished {
		return failure.ErrNotWanted
	}
	return nil
}
