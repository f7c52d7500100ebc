// Package provider judges the registered providers: one is Available while its sidecar renews its lease.
//
// The sidecar writes what the provider is and where it can be reached; this controller writes whether it is alive. The
// two are kept apart so that a sidecar that died cannot stay Available by its own word.
package provider

import (
	"context"
	"fmt"
	"sync"
	"time"

	coordinationv1 "k8s.io/api/coordination/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/utils/clock"
	ctrl "sigs.k8s.io/controller-runtime"
	"sigs.k8s.io/controller-runtime/pkg/client"

	kahuv1 "github.com/soda-cdm/kahu/api/v1beta1"
	"github.com/soda-cdm/kahu/internal/reconcile"
)

// slack is added to the moment at which a lease ends before it is looked at again, for clocks that differ a little.
const slack = 500 * time.Millisecond

// Controller reconciles Provider objects.
type Controller struct {
	// Client reads and writes Kahu's own kinds.
	Client client.Client
	// Leases reads leases without caching them: a cache would watch those of the whole cluster.
	Leases client.Reader
	// Namespace is Kahu's own namespace, where the leases are.
	Namespace string
	// Changed is told of each status that was written, with the object as it was before; it may be nil.
	Changed func(before, after *kahuv1.Provider)
	// Clock measures the time since a lease was seen to be renewed. It is compared with the times in a lease only until
	// this process has seen a renewal: the clocks of the two sides may differ.
	Clock clock.PassiveClock

	mu       sync.Mutex
	renewals map[types.UID]renewal // by lease
}

// renewal is what this process knows of a lease.
type renewal struct {
	time time.Time // as the sidecar wrote it
	seen time.Time // when this process first saw it
	// since tells that an older one was seen before, so that it is no older than it is known.
	since bool
}

type scope struct {
	provider *kahuv1.Provider
	was      kahuv1.ProviderState  // the state before this pass, set by presume
	lease    *coordinationv1.Lease // set by readLease
}

// Loop returns the controller as a loop of steps.
func (c *Controller) Loop() *reconcile.Loop[*kahuv1.Provider, *scope] {
	return &reconcile.Loop[*kahuv1.Provider, *scope]{
		Client:     c.Client,
		New:        func() *kahuv1.Provider { return &kahuv1.Provider{} },
		Conditions: func(provider *kahuv1.Provider) *[]metav1.Condition { return &provider.Status.Conditions },
		Changed:    c.Changed,
		Scope:      func(provider *kahuv1.Provider) *scope { return &scope{provider: provider} },
		Steps: []reconcile.Step[*scope]{
			{Name: "presuming the worst", Do: c.presume},
			{Name: "reading the lease", Do: c.readLease},
			{Name: "judging the lease", Do: c.judge},
		},
	}
}

// SetUp registers the controller with the manager.
func (c *Controller) SetUp(manager ctrl.Manager) error {
	return ctrl.NewControllerManagedBy(manager).Named("provider").For(&kahuv1.Provider{}).Complete(c.Loop())
}

// presume makes a provider unavailable unless one of the next steps finds otherwise.
func (c *Controller) presume(_ context.Context, s *scope) error {
	s.provider.Status.ObservedGeneration = s.provider.Generation
	s.was = s.provider.Status.State
	s.provider.Status.State = kahuv1.ProviderStateUnavailable
	if !s.provider.DeletionTimestamp.IsZero() {
		return reconcile.ErrDone
	}
	return nil
}

func (c *Controller) readLease(ctx context.Context, s *scope) error {
	name := s.provider.Status.LeaseName
	if name == "" || s.provider.Status.Endpoint.Address == "" && s.provider.Spec.Type != kahuv1.ProviderTypeVolume {
		return reconcile.Waiting(kahuv1.ReasonPending, "the sidecar has not registered its endpoint yet", 0)
	}
	lease := &coordinationv1.Lease{}
	err := c.Leases.Get(ctx, client.ObjectKey{Namespace: c.Namespace, Name: name}, lease)
	if apierrors.IsNotFound(err) {
		return reconcile.Waiting(kahuv1.ReasonLeaseExpired,
			fmt.Sprintf("lease %s/%s is not there: is the sidecar running?", c.Namespace, name), time.Second)
	}
	if err != nil {
		return fmt.Errorf("reading lease %s/%s: %w", c.Namespace, name, err)
	}
	s.lease = lease
	return nil
}

// judge tells whether the lease is being renewed, and comes back when it ends.
func (c *Controller) judge(_ context.Context, s *scope) error {
	left, ok := c.left(s.lease)
	if !ok || left <= 0 {
		return reconcile.Waiting(kahuv1.ReasonLeaseExpired,
			"the sidecar does not renew its lease: the sidecar or its driver is down", time.Second)
	}
	if s.was != kahuv1.ProviderStateAvailable {
		s.provider.Status.LastHeartbeatTime = &metav1.Time{Time: s.lease.Spec.RenewTime.Time}
	}
	s.provider.Status.State = kahuv1.ProviderStateAvailable
	reconcile.SetReady(&s.provider.Status.Conditions, kahuv1.ReasonAvailable, "The sidecar renews its lease.", s.provider.Generation)
	return reconcile.After(left + slack)
}

// left returns how long the lease is good for, if it says so: its duration from when its last renewal was seen. The first
// that a process sees may be old, and counts from the time that is in it, but for no longer than the duration.
func (c *Controller) left(lease *coordinationv1.Lease) (time.Duration, bool) {
	if lease.Spec.RenewTime == nil || lease.Spec.LeaseDurationSeconds == nil {
		return 0, false
	}
	duration := time.Duration(*lease.Spec.LeaseDurationSeconds) * time.Second
	known := c.note(lease.UID, lease.Spec.RenewTime.Time)
	left := known.seen.Add(duration).Sub(c.Clock.Now())
	if !known.since {
		left = min(left, known.time.Add(duration).Sub(c.Clock.Now()))
	}
	return left, true
}

// maxRenewals bounds how many leases are known at once; there is one for each provider.
const maxRenewals = 1024

// note takes notice of a renewal, and returns the last one.
func (c *Controller) note(lease types.UID, renewed time.Time) renewal {
	c.mu.Lock()
	defer c.mu.Unlock()
	known, there := c.renewals[lease]
	if there && known.time.Equal(renewed) {
		return known
	}
	if c.renewals == nil || len(c.renewals) >= maxRenewals {
		c.renewals = map[types.UID]renewal{}
	}
	c.renewals[lease] = renewal{time: renewed, seen: c.Clock.Now(), since: there}
	return c.renewals[lease]
}
