package restore

import (
	"context"
	"errors"
	"fmt"
	"time"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"sigs.k8s.io/controller-runtime/pkg/client"

	kahuv1 "github.com/soda-cdm/kahu/api/v1beta1"
	"github.com/soda-cdm/kahu/internal/controller/failure"
	"github.com/soda-cdm/kahu/internal/core"
	"github.com/soda-cdm/kahu/internal/core/volumework"
	enginerestore "github.com/soda-cdm/kahu/internal/engine/restore"
	"github.com/soda-cdm/kahu/internal/reconcile"
)

// cancel ends a run whose end is asked for. One that has not begun ends here; one that goes on is told to end, and
// concludes with what it has done.
func (c *Controller) cancel(ctx context.Context, s *scope) error {
	if !s.restore.Spec.Cancel {
		return nil
	}
	snapshot, there := c.Tasks.Look(s.restore.UID)
	if there && !snapshot.Ended {
		c.Tasks.Cancel(s.restore.UID)
		return going()
	}
	if there && !toldToEnd(snapshot.Err) {
		return nil // It ended by itself, and is concluded below.
	}
	if err := c.endOrders(ctx, s); err != nil || there {
		return err
	}
	message := "the run was cancelled before it began; nothing was created"
	if s.status().State == kahuv1.StateProcessing {
		message = "the run was cancelled while no manager went on with it; what it had created stays"
	}
	return c.fail(s, failure.Failure{Reason: kahuv1.ReasonCancelled, Message: message + s.leftOrders()})
}

// endTime is for how long the providers of volumes are waited for when a run is cancelled.
const endTime = 30 * time.Second

// endOrders has the orders for volumes of a cancelled run end, and waits for that, but not for a provider that is away.
func (c *Controller) endOrders(ctx context.Context, s *scope) error {
	left, err := c.cancelOrders(ctx, s)
	if err != nil || left == 0 {
		return err
	}
	if c.ending(s) < endTime {
		return reconcile.Waiting(kahuv1.ReasonProcessing, "The providers of volumes are ending what they do.", time.Second)
	}
	s.unended = left
	return nil
}

// cancelOrders has the orders for volumes of a run end, and returns how many are not over yet.
func (c *Controller) cancelOrders(ctx context.Context, s *scope) (int, error) {
	if c.Volumes == nil {
		return 0, nil
	}
	return c.Volumes.Cancel(ctx, volumework.Run{Name: s.restore.Name, UID: string(s.restore.UID)})
}

// ending returns for how long this process has waited for the orders of a cancelled run.
func (c *Controller) ending(s *scope) time.Duration {
	c.mu.Lock()
	defer c.mu.Unlock()
	held := c.attempts[s.restore.UID]
	if held.ending.IsZero() {
		held.ending = c.Clock.Now()
		c.attempts[s.restore.UID] = held
	}
	return c.Clock.Since(held.ending)
}

// leftOrders says that providers have not ended what they do.
func (s *scope) leftOrders() string {
	if s.unended == 0 {
		return ""
	}
	return fmt.Sprintf("; %s for volumes are still to be ended by their providers, which end them when they are back", core.Count(int64(s.unended), "order"))
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
			core.Count(found.Counts.Created, "object"), found.Counts.Updated) + s.leftOrders(),
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
