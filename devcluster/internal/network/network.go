package network

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"os"
	"os/exec"
	"strings"

	"github.com/soda-cdm/kahu/devcluster/internal/tool"
)

// Network is the network of a running cluster.
type Network struct {
	Plan Plan
	// Plane is where the control plane runs, and Nodes where each node does.
	Plane *Namespace
	Nodes []*Namespace
}

// Make makes a network with the preferred number, or with another one if that
// is taken or 0. It takes root, and ip(8).
func Make(ctx context.Context, preferred, nodes int) (*Network, error) {
	made := &Network{}
	if err := made.make(ctx, preferred, nodes); err != nil {
		return nil, errors.Join(err, made.Release(ctx))
	}
	return made, nil
}

func (n *Network) make(ctx context.Context, preferred, nodes int) error {
	var err error
	if n.Plane, err = NewNamespace(); err != nil {
		return err
	}
	paths := make([]string, 0, nodes)
	for range nodes {
		node, err := NewNamespace()
		if err != nil {
			return err
		}
		n.Nodes, paths = append(n.Nodes, node), append(paths, node.path())
	}
	if n.Plan, err = link(ctx, n.Plane.path(), preferred, nodes); err != nil {
		return err
	}
	if err := n.Plane.configure(ctx, n.Plan.planeBatch(paths)); err != nil {
		return err
	}
	for i, node := range n.Nodes {
		if err := node.configure(ctx, n.Plan.nodeBatch(i)); err != nil {
			return err
		}
	}
	return ip(ctx, n.Plan.hostRoutes())
}

// Release takes the link away, and lets go of the namespaces: those in which
// nothing runs any more are gone soon after.
func (n *Network) Release(ctx context.Context) error {
	var err error
	if n.Plan.Number != 0 && Exists(n.Plan) {
		err = ip(ctx, lines("link delete %s", n.Plan.Link()))
	}
	for _, namespace := range append(n.Nodes, n.Plane) {
		if namespace != nil {
			err = errors.Join(err, namespace.Close())
		}
	}
	return err
}

// link takes the first number that is free by making its link.
func link(ctx context.Context, plane string, preferred, nodes int) (Plan, error) {
	for number := range MostClusters + 1 {
		if number == 0 {
			number = preferred
		}
		plan := NewPlan(number, nodes)
		if number == 0 || Exists(plan) || used(plan) {
			continue
		}
		err := ip(ctx, plan.hostBatch(plane))
		if err == nil {
			return plan, nil
		}
		if !Exists(plan) { // else another one was quicker
			return Plan{}, err
		}
	}
	return Plan{}, fmt.Errorf("all %d numbers of networks are taken, see ip link", MostClusters)
}

// Exists reports whether the machine has the link of a plan: then its cluster runs.
func Exists(plan Plan) bool {
	_, err := net.InterfaceByName(plan.Link())
	return err == nil
}

// used reports whether the machine has an address of the plan for something else.
func used(plan Plan) bool {
	addresses, err := net.InterfaceAddrs()
	if err != nil {
		return false // making the link will tell
	}
	for _, address := range addresses {
		prefix, err := netip.ParsePrefix(address.String())
		if err == nil && (prefix.Overlaps(plan.Range()) || prefix.Overlaps(plan.Pods())) {
			return true
		}
	}
	return false
}

// configure runs commands of ip in the namespace, which forwards from then on.
func (n *Namespace) configure(ctx context.Context, batch string) error {
	return n.Do(func() error {
		if err := ip(ctx, batch); err != nil {
			return err
		}
		if err := os.WriteFile("/proc/sys/net/ipv4/ip_forward", []byte("1"), 0); err != nil {
			return fmt.Errorf("forwarding between nodes: %w", err)
		}
		return nil
	})
}

// ip runs commands in the namespace of the calling thread, until one fails.
func ip(ctx context.Context, batch string) error {
	path, err := tool.Find("ip")
	if err != nil {
		return err
	}
	command := exec.CommandContext(ctx, path, "-batch", "-") //nolint:gosec // found among the machine's own
	command.Stdin = strings.NewReader(batch)
	if out, err := command.CombinedOutput(); err != nil {
		return fmt.Errorf("setting up the network: %w: %s", err, strings.TrimSpace(string(out)))
	}
	return nil
}
