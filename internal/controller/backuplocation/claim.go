package backuplocation

import (
	"context"
	"errors"
	"strings"

	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	kahuv1 "github.com/soda-cdm/kahu/api/v1beta1"
	"github.com/soda-cdm/kahu/internal/controller/place"
	"github.com/soda-cdm/kahu/internal/core"
	"github.com/soda-cdm/kahu/internal/engine/location"
	"github.com/soda-cdm/kahu/internal/reconcile"
)

// claim writes a new nonce into the cluster's part of the location, once in the life of a leader. The nonce is
// remembered in the status before it is written to the store, in two passes, so that a crash in between is not taken
// for another owner, and beside it, for a BackupLocation that is made again. A nonce that this cluster did not write stops nothing but deletion.
func (c *Controller) claim(ctx context.Context, s *scope) error {
	if err := c.recall(ctx, s); err != nil {
		return err
	}
	owner := &s.location.Status.Owner
	files := c.place(s)
	err := files.CheckOwner(ctx, c.ClusterID, owner.Nonce, owner.PendingNonce)
	switch {
	case (errors.Is(err, location.ErrNotOwner) || errors.Is(err, core.ErrCorrupt)) && !c.decided(s):
		c.setOwned(s, metav1.ConditionFalse, kahuv1.ReasonNotOwner, err.Error()+"; deletion of backups is held. "+
			place.HowToTake(s.location))
		return nil
	case err != nil && !errors.Is(err, location.ErrNotOwner) && !errors.Is(err, core.ErrCorrupt):
		return outcome(err)
	case c.hasClaimed(s.location.Status.LocationID) && err == nil:
		c.setOwned(s, metav1.ConditionTrue, kahuv1.ReasonOwned, "This cluster wrote the owner file last.")
		return nil
	}
	return c.take(ctx, s, files)
}

// take is the first or second half of a claim.
func (c *Controller) take(ctx context.Context, s *scope, files *location.Location) error {
	owner := &s.location.Status.Owner
	if owner.PendingNonce == "" || owner.PendingNonce == owner.Nonce {
		owner.PendingNonce = c.NewID()
		return reconcile.Waiting(kahuv1.ReasonPending, "recording that ownership is being claimed", writeTime)
	}
	id := s.location.Status.LocationID
	if err := c.remember(ctx, id, *owner); err != nil {
		return err
	}
	if err := files.TakeOwner(ctx, c.ClusterID, owner.PendingNonce); err != nil {
		return outcome(err)
	}
	written := kahuv1.LocationOwner{Nonce: owner.PendingNonce}
	if err := c.remember(ctx, id, written); err != nil {
		return err
	}
	*owner = written
	c.setClaimed(id)
	c.setOwned(s, metav1.ConditionTrue, kahuv1.ReasonOwned, "This cluster wrote the owner file last.")
	return c.forgetDecision(ctx, s)
}

func (c *Controller) hasClaimed(part string) bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.claimed[part]
}

func (c *Controller) setClaimed(part string) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.claimed[part] = true
}

// decided tells whether a person decided that this cluster is the owner.
func (c *Controller) decided(s *scope) bool {
	decision := s.location.Annotations[kahuv1.AnnotationTakeOwnership]
	return decision != "" && decision == s.location.Status.LocationID
}

// forgetDecision removes the annotation once it is carried out, so that it does not decide again later.
func (c *Controller) forgetDecision(ctx context.Context, s *scope) error {
	decision, there := s.location.Annotations[kahuv1.AnnotationTakeOwnership]
	if !there || strings.Contains(decision, "/") { // It is about the part of another cluster.
		return nil
	}
	return c.removeDecision(ctx, s)
}

func (c *Controller) removeDecision(ctx context.Context, s *scope) error {
	before := &kahuv1.BackupLocation{ObjectMeta: *s.location.ObjectMeta.DeepCopy()}
	after := before.DeepCopy()
	delete(after.Annotations, kahuv1.AnnotationTakeOwnership)
	if err := c.Client.Patch(ctx, after, client.MergeFrom(before)); err != nil {
		return err
	}
	s.location.ResourceVersion = after.ResourceVersion
	return nil
}

func (c *Controller) setOwned(s *scope, status metav1.ConditionStatus, reason, message string) {
	meta.SetStatusCondition(&s.location.Status.Conditions, metav1.Condition{
		Type: kahuv1.ConditionOwned, Status: status, Reason: reason, Message: message,
		ObservedGeneration: s.location.Generation,
	})
}
