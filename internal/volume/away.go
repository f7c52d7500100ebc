package volume

import (
	"context"
	"fmt"
	"time"

	"k8s.io/utils/clock"
	"sigs.k8s.io/controller-runtime/pkg/client"

	kahuv1 "github.com/soda-cdm/kahu/api/v1beta1"
	"github.com/soda-cdm/kahu/internal/core/volumeplan"
	"github.com/soda-cdm/kahu/internal/core/volumework"
)

// rounds is how often within the patience it is asked for how long a provider has been away.
const rounds = 4

// watchProviders gives up the orders of providers that are away for too long.
func (w *backingUp) watchProviders(ctx context.Context) error {
	var names []string
	w.mu.Lock()
	for _, outcome := range w.outcomes {
		names = append(names, outcome.Decision.Provider)
	}
	w.mu.Unlock()
	watched := newAbsences(w.clock, names...)
	for !w.over() {
		round, cancel := context.WithTimeout(ctx, w.options.Patience/rounds)
		err := w.follow(round, follower{list: func() client.ObjectList { return &kahuv1.ProviderList{} }, over: w.over, look: watched.look})
		cancel()
		if err == nil || ctx.Err() != nil {
			return ctx.Err()
		}
		for name, since := range watched.away {
			if w.clock.Since(since) >= w.options.Patience {
				w.abandon(ctx, name)
			}
		}
	}
	return nil
}

// revokeTime bounds the taking back of one order.
const revokeTime = time.Minute

// revoke takes back the order of a volume that was given up: the provider ends it when it is back, and removes what it has made.
// What remains is that of a server that cannot be reached; it goes with the Backup. A snapshot that was to become the backup is no
// data of the provider's: removed with the order, it might take others of its group along, or be what the next attempt of the run
// orders again. Release removes it, which asks all orders. The last volume that is given up ends the waiting for all, and not this.
func (w *backingUp) revoke(ctx context.Context, decision *volumeplan.Decision) {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), revokeTime)
	defer cancel()
	order := &kahuv1.VolumeBackupContent{}
	key := client.ObjectKey{Name: OrderName(w.run, decision.Claim.Namespace, decision.Claim.Name)}
	err := patiently(ctx, func() error {
		if err := w.api.Get(ctx, key, order); err != nil {
			return client.IgnoreNotFound(err)
		}
		if order.Annotations[keepsSnapshot] != "true" {
			return w.removeOrder(ctx, order)
		}
		return w.endOrder(ctx, order)
	})
	if err != nil {
		w.settle(key.Name, func(outcome *volumework.Outcome, _ *state) {
			outcome.Message += "; its order could not be taken back, and goes with the Backup: " + err.Error()
		})
	}
}

// endOrder has an order end, and leaves its snapshot to Release: that is no backup any more.
func (c *Client) endOrder(ctx context.Context, order *kahuv1.VolumeBackupContent) error {
	after := order.DeepCopy()
	after.Spec.Cancel = true
	if err := c.api.Patch(ctx, after, client.MergeFrom(order)); client.IgnoreNotFound(err) != nil {
		return fmt.Errorf("cancelling work order %s: %w", order.Name, err)
	}
	contents := listOf(contentKind)
	if err := c.api.List(ctx, contents, client.MatchingLabels{kahuv1.BackupUIDLabel: order.Spec.BackupUID}); err != nil {
		return fmt.Errorf("listing snapshot contents: %w", err)
	}
	for i := range contents.Items {
		object := &contents.Items[i]
		held := contentOf(object)
		if taken := order.Spec.Snapshot; taken == nil || held.id() != (snapshotID{taken.Driver, taken.Handle}) || !held.keeps {
			continue
		}
		before := object.DeepCopy()
		annotations := object.GetAnnotations()
		delete(annotations, keepsSnapshot)
		object.SetAnnotations(annotations)
		if err := c.api.Patch(ctx, object, client.MergeFrom(before)); client.IgnoreNotFound(err) != nil {
			return fmt.Errorf("changing VolumeSnapshotContent %s: %w", object.GetName(), err)
		}
	}
	if err := c.api.Delete(ctx, order); client.IgnoreNotFound(err) != nil {
		return fmt.Errorf("removing work order %s: %w", order.Name, err)
	}
	return nil
}

// isGivenUp tells whether nobody waits for a volume any more.
func (w *backingUp) isGivenUp(decision *volumeplan.Decision) bool {
	w.mu.Lock()
	defer w.mu.Unlock()
	now := w.states[OrderName(w.run, decision.Claim.Namespace, decision.Claim.Name)]
	return now != nil && now.failed
}

// absences remember since when providers are away.
type absences struct {
	clock clock.PassiveClock
	away  map[string]time.Time
}

// newAbsences takes providers for away until they are seen: of one whose object is gone nothing else will ever tell.
func newAbsences(passing clock.PassiveClock, providers ...string) *absences {
	made := &absences{clock: passing, away: map[string]time.Time{}}
	for _, name := range providers {
		made.away[name] = passing.Now()
	}
	return made
}

func (a *absences) look(_ context.Context, object client.Object, gone bool) error {
	provider, is := object.(*kahuv1.Provider)
	switch {
	case !is:
	case !gone && provider.Status.State == kahuv1.ProviderStateAvailable:
		delete(a.away, provider.Name)
	case a.away[provider.Name].IsZero():
		a.away[provider.Name] = a.clock.Now()
	}
	return nil
}

// abandon gives up what a provider has not finished, and takes its orders back: nobody waits for what it would do later.
func (w *backingUp) abandon(ctx context.Context, provider string) {
	w.mu.Lock()
	var left []*volumeplan.Decision
	for name, outcome := range w.outcomes {
		if outcome.Decision.Provider == provider && (w.states[name] == nil || !w.states[name].over) {
			left = append(left, &outcome.Decision)
		}
	}
	w.mu.Unlock()
	for _, decision := range left {
		w.fail(decision, ReasonOrderFailed, fmt.Errorf("provider %s gave no sign of life for %s", provider, w.options.Patience))
		w.revoke(ctx, decision)
	}
}
