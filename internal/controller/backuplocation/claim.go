package backuplocation

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	kahuv1 "github.com/soda-cdm/kahu/api/v1beta1"
	"github.com/soda-cdm/kahu/internal/controller/place"
	"github.com/soda-cdm/kahu/internal/core"
	"github.com/soda-cdm/kahu/internal/engine/location"
	"github.com/soda-cdm/kahu/internal/reconcile"
)

// claim writes a nonce of this process into the cluster's part of the location, once in the life of a leader, and again where
// another manager of this cluster wrote after it: what one of them removes or copies depends on whose nonce is there (see
// engine.Remover). The nonce is remembered in the status before it is written to the store, in two passes, so that a crash in
// between is not taken for another owner, and beside it, for a BackupLocation that is made again. A nonce that this cluster did
// not write stops nothing but deletion and copies.
func (c *Controller) claim(ctx context.Context, s *scope) error {
	if err := c.recall(ctx, s); err != nil {
		return err
	}
	id, owner := s.location.Status.LocationID, &s.location.Status.Owner
	own := c.Finder.Nonce(id)
	err := c.place(s).CheckClaim(ctx, c.ClusterID, own, c.known(id, owner)...)
	switch {
	case err == nil:
		c.mu.Lock()
		c.claimingOf(id).usurped = time.Time{}
		c.mu.Unlock()
		c.setOwned(s, metav1.ConditionTrue, kahuv1.ReasonOwned, "This cluster wrote the owner file last.")
		return c.forgetDecision(ctx, s)
	case errors.Is(err, location.ErrNotClaimed):
		if own != "" && !c.isUsurped(id) {
			return nil // One of the two is a manager that does not know yet that it leads no more.
		}
	case !errors.Is(err, location.ErrNotOwner) && !errors.Is(err, core.ErrCorrupt):
		return outcome(err)
	case !c.decided(s):
		c.setOwned(s, metav1.ConditionFalse, kahuv1.ReasonNotOwner, err.Error()+"; deletion of backups is held. "+
			place.HowToTake(s.location))
		return nil
	}
	return c.take(ctx, s, err)
}

// claiming is what this process knows of its claim to a part of a location.
type claiming struct {
	nonce   string    // the one that it is about to write; empty where it is not
	former  string    // the one that another manager was about to write, and perhaps has
	usurped time.Time // when another manager's nonce was first seen in place of its own
}

// claimingOf returns what is known of the claim to a part, by the id of the location where it is this cluster's own and by its
// memoryKey otherwise. The caller holds the lock.
func (c *Controller) claimingOf(part string) *claiming {
	if c.claims[part] == nil {
		c.claims[part] = &claiming{}
	}
	return c.claims[part]
}

// formerOf returns the nonce that another manager was about to write into a part, and perhaps has.
func (c *Controller) formerOf(part string) string {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.claimingOf(part).former
}

// written notes that this process's nonce is in a part: should it write there again, it does with another one.
func (c *Controller) written(part string) {
	c.mu.Lock()
	defer c.mu.Unlock()
	*c.claimingOf(part) = claiming{former: c.claimingOf(part).former}
}

// known returns the nonces that managers of this cluster wrote, or were about to write.
func (c *Controller) known(locationID string, owner *kahuv1.LocationOwner) []string {
	c.mu.Lock()
	defer c.mu.Unlock()
	of := c.claimingOf(locationID)
	return []string{owner.Nonce, owner.PendingNonce, of.nonce, of.former, c.Finder.Nonce(locationID)}
}

// usurpedTime is for how long another manager's nonce must have been in place of this one's until that is written again: longer
// than a manager goes on that leads no more.
const usurpedTime = 20 * time.Second

func (c *Controller) isUsurped(locationID string) bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	of := c.claimingOf(locationID)
	if of.usurped.IsZero() {
		of.usurped = c.Clock.Now()
	}
	return c.Clock.Since(of.usurped) >= usurpedTime
}

// next returns the nonce that this process is about to write. It never is another manager's, who may have been stopped before
// it wrote that one: then both would take themselves for the owner.
func (c *Controller) next(part, pending string) string {
	c.mu.Lock()
	defer c.mu.Unlock()
	of := c.claimingOf(part)
	if of.nonce == "" {
		of.nonce = c.NewID()
	}
	if pending != "" && pending != of.nonce {
		of.former = pending
	}
	return of.nonce
}

// takeTime bounds the time from the question whether this process's nonce is still the one on record until it is written.
const takeTime = 10 * time.Second

// take is the first or second half of a claim. Where nobody was found to have claimed the location ever, nobody can have decided
// anything before.
func (c *Controller) take(ctx context.Context, s *scope, found error) error {
	id, owner, files := s.location.Status.LocationID, &s.location.Status.Owner, c.place(s)
	nonce := c.next(id, owner.PendingNonce)
	if owner.PendingNonce != nonce {
		if owner.PendingNonce != "" && files.CheckOwner(ctx, c.ClusterID, owner.PendingNonce) == nil {
			owner.Nonce = owner.PendingNonce // An earlier manager wrote it, and could not say so any more.
		}
		owner.PendingNonce = nonce
		return reconcile.Waiting(kahuv1.ReasonPending, "recording that ownership is being claimed", writeTime)
	}
	if err := c.remember(ctx, id, *owner); err != nil {
		return err
	}
	if err := c.takeOwner(ctx, s, nonce); err != nil {
		return err
	}
	written := kahuv1.LocationOwner{Nonce: nonce}
	if err := c.remember(ctx, id, written); err != nil {
		return err
	}
	*owner = written
	c.written(id)
	since := c.Clock.Now()
	if errors.Is(found, core.ErrNotFound) {
		since = time.Time{}
	}
	c.Finder.Claimed(id, nonce, since)
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

// takeOwner writes the nonce, if no other manager has begun to claim the location since this one did.
func (c *Controller) takeOwner(ctx context.Context, s *scope, nonce string) error {
	pending := func(now *kahuv1.BackupLocation) string { return now.Status.Owner.PendingNonce }
	return c.writeInTime(ctx, s, nonce, pending, func(ctx context.Context) error {
		return outcome(c.place(s).TakeOwner(ctx, c.ClusterID, nonce))
	})
}

// writeInTime calls write, if this process's nonce still is the one that is on record as pending by what the API server itself
// says. Both together have takeTime: whoever was stopped in between is too late to write.
func (c *Controller) writeInTime(
	ctx context.Context, s *scope, nonce string, pending func(*kahuv1.BackupLocation) string, write func(context.Context) error,
) error {
	ctx, cancel := context.WithTimeout(ctx, takeTime)
	defer cancel()
	now := &kahuv1.BackupLocation{}
	if err := c.Direct.Get(ctx, client.ObjectKeyFromObject(s.location), now); err != nil {
		return fmt.Errorf("reading BackupLocation %s: %w", s.location.Name, err)
	}
	if pending(now) != nonce {
		return reconcile.Waiting(kahuv1.ReasonPending, "another manager claims the location too", retryTime)
	}
	return write(ctx)
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
