package restore

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"time"

	"sigs.k8s.io/controller-runtime/pkg/client"

	kahuv1 "github.com/soda-cdm/kahu/api/v1beta1"
	"github.com/soda-cdm/kahu/internal/core"
	"github.com/soda-cdm/kahu/internal/core/volumework"
	"github.com/soda-cdm/kahu/internal/reconcile"
)

// holdTime is how often it is asked whether claims have their volumes by now for which a deletion waits.
const holdTime = 5 * time.Second

// hold makes sure that a run which is over, and some of whose claims may still get their volumes, outlives that: its orders go
// with it, and with them what the volumes are made from.
func (c *Controller) hold(ctx context.Context, s *scope, found []volumework.Restored) error {
	lasts := func(row volumework.Restored) bool {
		return row.State == volumework.Delayed || row.State == volumework.Lost || row.State == volumework.Going
	}
	if s.restore.Spec.DryRun || !slices.ContainsFunc(found, lasts) || slices.Contains(s.restore.Finalizers, kahuv1.RestoreFinalizer) {
		return nil
	}
	return c.patchFinalizers(ctx, s, append(slices.Clone(s.restore.Finalizers), kahuv1.RestoreFinalizer))
}

// takeBackOrders has those orders end of a run that an error has ended for which no claim was created: nobody comes any more to
// use what they make. Those of claims that are there go on, as the claims would wait in vain.
func (c *Controller) takeBackOrders(ctx context.Context, s *scope, ended error) error {
	if c.Volumes == nil || ended == nil || toldToEnd(ended) {
		return nil
	}
	_, err := c.Volumes.Claimed(ctx, volumework.Run{Name: s.restore.Name, UID: string(s.restore.UID)})
	return err
}

// letGo ends the orders of a run that is deleted before it is over, and lets one that is over go when no claim needs it.
func (c *Controller) letGo(ctx context.Context, s *scope) error {
	held := slices.Contains(s.restore.Finalizers, kahuv1.RestoreFinalizer)
	switch {
	case s.status().Stage != kahuv1.StageFinished || s.restore.Spec.Cancel:
		// They are deleted with it, and end by that; those of one that stays for long end here.
		if _, err := c.cancelOrders(ctx, s); err != nil {
			return err
		}
	case held:
		if err := c.awaitClaims(ctx, s); err != nil {
			return err
		}
	}
	if !held {
		return reconcile.ErrDone
	}
	rest := slices.DeleteFunc(slices.Clone(s.restore.Finalizers), func(name string) bool { return name == kahuv1.RestoreFinalizer })
	if err := c.patchFinalizers(ctx, s, rest); err != nil {
		return err
	}
	return reconcile.ErrDone
}

// awaitClaims waits for the claims that need what goes with the Restore.
func (c *Controller) awaitClaims(ctx context.Context, s *scope) error {
	if c.Volumes == nil {
		return nil
	}
	claims, err := c.Volumes.Claimed(ctx, volumework.Run{Name: s.restore.Name, UID: string(s.restore.UID)})
	if err == nil && len(claims) > 0 {
		err = reconcile.Waiting(kahuv1.ReasonVolumesWaiting, waitingFor(claims), holdTime)
	}
	return err
}

// waitingFor names the claims for which a deletion waits.
func waitingFor(claims []core.Key) string {
	const most = 5
	slices.SortFunc(claims, core.Key.Compare)
	var names []string
	for _, claim := range claims[:min(len(claims), most)] {
		names = append(names, claim.Namespace+"/"+claim.Name)
	}
	if more := len(claims) - most; more > 0 {
		names = append(names, fmt.Sprintf("%d more", more))
	}
	return "It is deleted when these claims have their volumes, or are deleted: " + strings.Join(names, ", ") +
		". Start pods that use them; or set spec.cancel to do without them."
}

// patchFinalizers changes the finalizers of the object in the API server, if it is still as it was read, and takes over the
// new version.
func (c *Controller) patchFinalizers(ctx context.Context, s *scope, finalizers []string) error {
	before := &kahuv1.Restore{ObjectMeta: *s.restore.ObjectMeta.DeepCopy()}
	after := before.DeepCopy()
	after.Finalizers = finalizers
	if err := c.Client.Patch(ctx, after, client.MergeFromWithOptions(before, client.MergeFromWithOptimisticLock{})); err != nil {
		return client.IgnoreNotFound(err)
	}
	s.restore.Finalizers, s.restore.ResourceVersion = finalizers, after.ResourceVersion
	return nil
}
