package plane

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"sync"
	"time"

	"k8s.io/utils/clock"

	"github.com/soda-cdm/kahu/devcluster/internal/csi/driver"
	"github.com/soda-cdm/kahu/devcluster/internal/pki"
	"github.com/soda-cdm/kahu/devcluster/internal/process"
)

// Supervisor runs one cluster in its own process.
type Supervisor struct {
	Layout Layout
	// Executable is the binary that becomes a component when it is run under its name.
	Executable string
	// Environment is what the components get, as NAME=value.
	Environment []string
	Clock       clock.Clock
	// StartLimit bounds the time until the cluster is ready.
	StartLimit time.Duration
	Nodes      Nodes
	CSI        CSI
	// Grace is how long each component may take to end by itself; with 0 it is killed at once.
	Grace time.Duration
}

// Run starts the cluster, calls ready once it can be used, and ends it when
// the context ends, or when a component does: then it fails with the last
// lines of that component's log. No component runs any more when it returns.
func (s Supervisor) Run(ctx context.Context, ready func(State) error) error {
	// The kernel ends a component with the thread that started it, not with
	// its process (prctl(2), PR_SET_PDEATHSIG): so this thread has to stay.
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()

	begun := s.Clock.Now()
	where, state, err := s.prepare(ctx, begun)
	if err != nil {
		return err
	}
	ctx, fail := context.WithCancelCause(ctx)
	defer fail(nil)
	r := &run{Supervisor: s, site: where, state: state, fail: fail}
	err = r.untilEnd(ctx, begun, ready)
	if err != nil {
		r.Grace = 0 // it is broken already: there is nothing to end in good order
	}
	cleared := errors.Join(r.stop(), where.release(ctx), Sweep(s.Layout, state, s.Clock))
	return errors.Join(err, r.record(outcome(err)), cleared)
}

func outcome(err error) func(*State) {
	return func(state *State) {
		state.Phase = Stopped
		if err != nil {
			state.Phase, state.Error = Failed, err.Error()
		}
	}
}

// prepare makes all the files that the components read, and takes the port or the network.
func (s Supervisor) prepare(ctx context.Context, now time.Time) (site, State, error) {
	self, err := process.Identify(os.Getpid())
	if err != nil {
		return site{}, State{}, err
	}
	if err := os.MkdirAll(filepath.Dir(s.Layout.Log(etcd)), 0o700); err != nil {
		return site{}, State{}, fmt.Errorf("making the cluster's folder: %w", err)
	}
	previous, _ := Read(s.Layout) // a state that cannot be read offers no port to use again
	if err := pki.Ensure(s.Layout.PKI(), serviceAddress(), now); err != nil {
		return site{}, State{}, fmt.Errorf("making the keys: %w", err)
	}
	where, err := s.take(ctx, previous)
	if err != nil {
		return site{}, State{}, err
	}
	state := State{
		Name:       s.Layout.Name,
		Phase:      Starting,
		Server:     "https://" + where.server.String(),
		Port:       int(where.server.Port()),
		Network:    where.plan().Number,
		CSI:        s.CSI.Sidecars != "",
		Kubeconfig: s.Layout.Kubeconfig(),
		StartedAt:  now,
		Supervisor: self,
	}
	err = errors.Join(s.Layout.write(state), writeKubeconfigs(s.Layout, state.Server))
	if err == nil && s.Nodes.Count > 0 {
		err = s.prepareNodes(where.plan(), state.Server, now)
	}
	if err != nil {
		return site{}, State{}, errors.Join(err, where.release(ctx))
	}
	return where, state, nil
}

// run is one life of a cluster.
type run struct {
	Supervisor

	site     site
	state    State
	children []*child
	waiters  sync.WaitGroup
	// fail ends the run's context with the reason.
	fail context.CancelCauseFunc
}

// untilEnd brings the cluster up and waits: nil when the caller ended it, or why it ended itself.
func (r *run) untilEnd(ctx context.Context, begun time.Time, ready func(State) error) error {
	limited, cancel := context.WithTimeoutCause(ctx, r.StartLimit,
		fmt.Errorf("the cluster is not ready after %s; see %s", r.StartLimit, filepath.Dir(r.Layout.Log(etcd))))
	defer cancel()
	if err := r.start(limited); err != nil {
		return err
	}
	err := r.record(func(state *State) {
		state.Phase = Ready
		state.ReadySeconds = r.Clock.Since(begun).Seconds()
	})
	if err != nil {
		return err
	}
	if err := ready(r.state); err != nil {
		return fmt.Errorf("telling that the cluster is ready: %w", err)
	}
	<-ctx.Done()
	if ended := (*EndedError)(nil); errors.As(context.Cause(ctx), &ended) {
		return ended
	}
	return nil
}

// start starts the components in an order in which none waits for another's
// retry: the API server looks for etcd from its first moment on, while the
// others back off for seconds from a server that does not answer yet.
func (r *run) start(ctx context.Context) error {
	probe, err := newProbe(r.Layout, r.state.Server, r.Clock)
	if err != nil {
		return err
	}
	if err := r.launchPlane(etcd, etcdArguments()); err != nil {
		return err
	}
	if err := r.launchPlane(apiServer, apiServerArguments(r.Layout, r.site)); err != nil {
		return err
	}
	if err := probe.untilServing(ctx); err != nil {
		return err
	}
	if err := r.launchPlane(controllerManager, controllerManagerArguments(r.Layout)); err != nil {
		return err
	}
	if err := r.launchPlane(scheduler, schedulerArguments(r.Layout)); err != nil {
		return err
	}
	if err := r.startNodes(); err != nil {
		return fmt.Errorf("starting nodes: %w", err)
	}
	if err := r.startCSI(ctx); err != nil {
		return err
	}
	return r.untilUsable(ctx, probe)
}

// untilUsable waits until what was started works together.
func (r *run) untilUsable(ctx context.Context, probe probe) error {
	if err := probe.untilDefaults(ctx); err != nil {
		return err
	}
	nodes := r.site.plan().Nodes
	if err := probe.untilNodes(ctx, nodes, r.state.StartedAt); err != nil || !r.state.CSI {
		return err
	}
	return probe.untilDrivers(ctx, nodes)
}

// launchPlane starts a component of the control plane where that is to run.
func (r *run) launchPlane(name string, arguments []string) error {
	return r.site.do(func() error { return r.launch(name, program{name: name, arguments: arguments}) })
}

// launch starts a component and records it, so that it can be found and ended
// whatever becomes of this process.
func (r *run) launch(name string, what program) error {
	c, err := r.newChild(name, what)
	if err != nil {
		return err
	}
	r.children = append(r.children, c)
	r.waiters.Go(func() { r.fail(c.wait()) })
	return r.record(func(state *State) {
		state.Components = append(state.Components, Component{Name: name, Process: c.identity})
	})
}

// stop ends the components, the last one first, and waits for each.
func (r *run) stop() error {
	var err error
	for _, c := range slices.Backward(r.children) {
		c.end(r.Clock, r.Grace)
		if c.name == driver.Program {
			err = Thaw(r.state.Network, r.Clock)
		}
	}
	r.waiters.Wait()
	return err
}

func (r *run) record(change func(*State)) error {
	change(&r.state)
	return r.Layout.write(r.state)
}
