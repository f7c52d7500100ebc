package sidecar

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"k8s.io/apimachinery/pkg/util/validation"

	"github.com/soda-cdm/kahu/provider"
)

const (
	// probeTime bounds one look at the driver, clusterTime one to the API server.
	probeTime   = 5 * time.Second
	clusterTime = 10 * time.Second
	// giveBackTime bounds what is done at the end.
	giveBackTime = 2 * time.Second
	// registerAgain is after how many renewals the Provider object is written again, should somebody have changed it.
	registerAgain = 12
)

var (
	errNotReady    = errors.New("the driver says that it is not ready")
	errOtherDriver = errors.New("another driver answers at the endpoint")
)

// keeper looks after the driver: it probes it, registers it, and renews its lease.
type keeper struct {
	options   Options
	link      *link
	state     *state
	registrar *registrar

	// registered counts the renewals since the Provider object was written; 0 means that it must be written.
	registered int
}

// run looks after the driver until the context ends. It looks at once when the connection comes or goes; besides, every
// third of the lease while all is well, and after pauses that grow while it is not.
func (k *keeper) run(ctx context.Context) error {
	changes := make(chan struct{}, 1)
	watching := make(chan struct{})
	go func() {
		defer close(watching)
		k.link.watch(ctx, changes)
	}()
	defer func() { <-watching }() // It ends with the context.

	pause := firstPause
	for {
		wait := k.options.LeaseDuration / leaseParts
		if k.look(ctx) {
			pause = firstPause
		} else {
			wait, pause = min(pause, wait), min(2*pause, longestPause)
		}
		timer := k.options.Clock.NewTimer(wait)
		select {
		case <-ctx.Done():
			timer.Stop()
			k.giveBack(ctx)
			return nil
		case <-changes:
			k.registered = 0 // It may be another driver.
		case <-timer.C():
		}
		timer.Stop()
	}
}

// giveBack gives the lease back at the end, if it is held. What does not succeed needs no report: the lease runs out.
func (k *keeper) giveBack(ctx context.Context) {
	name, _ := k.state.get()
	if name == "" {
		return
	}
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), giveBackTime)
	defer cancel()
	if err := k.registrar.giveBack(ctx, name); err != nil {
		k.options.Logger.V(1).Info("lease was not given back", "reason", err.Error())
	}
}

// look probes the driver and tells the cluster, and returns whether all is well.
func (k *keeper) look(ctx context.Context) bool {
	found, err := k.meet(ctx)
	if err == nil {
		err = k.tell(ctx, found)
	}
	if err != nil {
		k.registered = 0
	}
	// At the end of the process everything fails, which says nothing about the driver.
	if ctx.Err() == nil && k.state.set(found.Name, err) {
		k.report(ctx, found, err)
	}
	return err == nil
}

// report logs a change. That another sidecar has the provider is told to those who look at it, too.
func (k *keeper) report(ctx context.Context, found description, err error) {
	if errors.Is(err, errTaken) {
		name, _ := k.state.get()
		if err := k.registrar.tell(ctx, cmp.Or(found.Name, name), err.Error()); err != nil {
			k.options.Logger.Info("event was not written", "reason", err.Error())
		}
	}
	if err != nil {
		k.options.Logger.Info("driver cannot be used", "reason", err.Error())
		return
	}
	k.options.Logger.Info("driver is registered and healthy", "provider", found.Name, "version", found.Version)
}

// description is what a driver says about itself.
type description struct {
	provider.Info

	Capabilities []provider.Capability
}

// meet probes the driver, and asks who it is where that is not known, or may have changed.
func (k *keeper) meet(ctx context.Context) (description, error) {
	ctx, cancel := context.WithTimeout(ctx, min(probeTime, k.options.LeaseDuration/leaseParts))
	defer cancel()
	ready, err := k.link.client.Probe(ctx)
	if err != nil {
		return description{}, fmt.Errorf("probing the driver: %w", err)
	}
	if !ready {
		return description{}, errNotReady
	}
	if k.registered > 0 {
		return description{}, nil
	}
	found := description{}
	if found.Info, err = k.link.client.Info(ctx); err != nil {
		return description{}, fmt.Errorf("asking the driver for its name: %w", err)
	}
	if found.Capabilities, err = k.link.client.Capabilities(ctx); err != nil {
		return description{}, fmt.Errorf("asking the driver for its capabilities: %w", err)
	}
	return found, k.judge(found)
}

// judge decides whether this is a driver that can be served here.
func (k *keeper) judge(found description) error {
	if problems := validation.IsDNS1123Subdomain(found.Name); len(problems) > 0 {
		return fmt.Errorf("the driver calls itself %q, which cannot be the name of an object: %s", found.Name, problems[0])
	}
	want, _ := k.state.get()
	if want == "" {
		want = k.options.ProviderName
	}
	if want != "" && found.Name != want {
		return fmt.Errorf("%w: it is %s, and %s was expected: restart the sidecar if that is meant", errOtherDriver, found.Name, want)
	}
	if needed := k.options.service; !slices.Contains(found.Capabilities, needed.capability) {
		return fmt.Errorf("%w: it lacks the capability %s", needed.lacking, needed.capability)
	}
	return nil
}

// tell renews the lease, and writes the Provider object where that is due. The lease comes first: who does not get it writes
// nothing. The endpoint comes last: it is what lets the manager look, and it then finds the rest.
func (k *keeper) tell(ctx context.Context, found description) error {
	ctx, cancel := context.WithTimeout(ctx, clusterTime)
	defer cancel()
	now := k.options.Clock.Now()
	if k.registered > 0 {
		k.registered = (k.registered + 1) % registerAgain
		name, _ := k.state.get()
		return k.registrar.renew(ctx, name, now)
	}
	if err := k.registrar.renew(ctx, found.Name, now); err != nil {
		return err
	}
	if err := k.registrar.describe(ctx, found); err != nil {
		return err
	}
	if err := k.registrar.locate(ctx, found.Name); err != nil {
		return err
	}
	k.registered = 1
	k.options.Logger.V(1).Info("provider object was written", "provider", found.Name, "version", found.Version)
	return nil
}
