package plane

import (
	"context"
	"errors"
	"fmt"
	"net/netip"
	"path/filepath"
	"time"

	"k8s.io/utils/clock"

	"github.com/soda-cdm/kahu/devcluster/internal/cgroup"
	"github.com/soda-cdm/kahu/devcluster/internal/loop"
	"github.com/soda-cdm/kahu/devcluster/internal/network"
	"github.com/soda-cdm/kahu/devcluster/internal/port"
)

// securePort is where the API server listens in a network of its own.
const securePort = 6443

// releaseLimit bounds the commands that take a network away.
const releaseLimit = 10 * time.Second

// site is where the control plane listens, and in which network it runs:
// loopback, with a port that is held, or a network of the cluster's own.
type site struct {
	server  netip.AddrPort
	hold    *port.Hold
	network *network.Network
}

// take takes the site that the previous life had, or another one.
func (s Supervisor) take(ctx context.Context, previous State) (site, error) {
	if s.Nodes.Count > 0 {
		made, err := network.Make(ctx, previous.Network, s.Nodes.Count)
		if err != nil {
			return site{}, fmt.Errorf("making a network: %w", err)
		}
		return site{server: netip.AddrPortFrom(made.Plan.Plane(), securePort), network: made}, nil
	}
	if previous.Network != 0 {
		previous.Port = 0 // it was none of loopback
	}
	hold, err := port.Take(previous.Port)
	if err != nil {
		return site{}, fmt.Errorf("taking a port: %w", err)
	}
	loopback := netip.AddrFrom4([4]byte{127, 0, 0, 1})
	return site{server: netip.AddrPortFrom(loopback, uint16(hold.Number())), hold: hold}, nil //nolint:gosec // a port
}

// plan is what the state says of the network; its number is 0 on loopback.
func (s site) plan() network.Plan {
	if s.network == nil {
		return network.Plan{}
	}
	return s.network.Plan
}

// do runs f where the processes that it starts are to be.
func (s site) do(f func() error) error {
	if s.network == nil {
		return f()
	}
	return s.network.Plane.Do(f)
}

// release gives the site back. It is to be called when nothing runs there any more.
func (s site) release(ctx context.Context) error {
	if s.network == nil {
		return s.hold.Release()
	}
	// The run's end is what it is called at.
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), releaseLimit)
	defer cancel()
	return s.network.Release(ctx)
}

// Sweep removes what the processes of nodes leave behind when they end: cgroups,
// and loop devices of files in the cluster's folder. It is to be called when
// they have ended, and does nothing for a cluster without nodes, which can have none.
func Sweep(layout Layout, state State, timers clock.Clock) error {
	if state.Network == 0 {
		return nil
	}
	plan := network.NewPlan(state.Network, 0)
	err := loop.Detach(layout.Folder)
	if !untilGone(plan, timers) {
		return err // the number is another cluster's by now, and so are the cgroups
	}
	cgroups, cgroupErr := cgroup.Machine(timers)
	if cgroupErr != nil {
		return errors.Join(err, cgroupErr)
	}
	return errors.Join(err, cgroups.Remove(plan.Link()))
}

// untilGone waits until the kernel has taken a network away, which it does soon
// after the end of the last process in it, and reports whether it has.
func untilGone(plan network.Plan, timers clock.Clock) bool {
	const limit = 3 * time.Second
	for deadline := timers.Now().Add(limit); network.Exists(plan); timers.Sleep(20 * time.Millisecond) {
		if timers.Now().After(deadline) {
			return false
		}
	}
	return true
}

// nodeFolder is where a node keeps its things.
func (l Layout) nodeFolder(name string) string { return filepath.Join(l.Folder, "nodes", name) }

// images is the folder of the archives that every node imports.
func (l Layout) images() string { return filepath.Join(l.Folder, "images") }
