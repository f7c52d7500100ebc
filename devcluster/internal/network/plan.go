// Package network gives a cluster with nodes a network of its own: a network
// namespace for the control plane, one for each node, a bridge between them and
// one link to the machine. Nothing of it is forwarded any further, and every
// server listens inside.
//
//	machine ── kahuN ══ host ── [ plane: bridge "nodes" ] ── node-1 ══ eth0 [ node-1 ] ── pods
//	                                                     └── node-2 ══ eth0 [ node-2 ] ── pods
//
// The namespaces have no names: they live as long as processes run in them or
// this process keeps them, and the kernel takes the links away with them. So a
// cluster whose supervisor was killed leaves no network behind.
package network

import (
	"fmt"
	"net/netip"
	"strings"
)

// Limits of the addresses.
const (
	// MostClusters is how many can run on a machine at once: their numbers go from 1 to this.
	MostClusters = 63
	// MostNodes is how many nodes a cluster can have.
	MostNodes = 4
)

// Plan is all the addresses of one cluster. They follow from its number.
type Plan struct {
	// Number tells the clusters of a machine apart, from 1 to MostClusters.
	Number int
	Nodes  []Node
}

// Node is the network of one node.
type Node struct {
	Name    string
	Address netip.Addr
	// Pods is the range of its pods' addresses.
	Pods netip.Prefix
}

// NewPlan gives the addresses of a cluster with at most MostNodes nodes.
func NewPlan(number, nodes int) Plan {
	plan := Plan{Number: number}
	for i := range nodes {
		plan.Nodes = append(plan.Nodes, Node{
			Name:    fmt.Sprintf("node-%d", i+1),
			Address: plan.address(byte(11 + i)),
			Pods:    netip.PrefixFrom(netip.AddrFrom4([4]byte{10, 211, byte(number*MostNodes + i), 0}), 24), //nolint:gosec // at most 255
		})
	}
	return plan
}

// Plane is the address of the control plane.
func (p Plan) Plane() netip.Addr { return p.address(1) }

// Host is the machine's own address in the cluster's network.
func (p Plan) Host() netip.Addr { return p.address(254) }

// Range holds the addresses of the control plane, the nodes and the machine.
func (p Plan) Range() netip.Prefix { return netip.PrefixFrom(p.address(0), 24) }

// Pods is the range of all pods' addresses.
func (p Plan) Pods() netip.Prefix {
	return netip.PrefixFrom(netip.AddrFrom4([4]byte{10, 211, byte(p.Number * MostNodes), 0}), 22) //nolint:gosec // at most 252
}

// Link is the name of the machine's end of the link. The kernel has one of a
// name: so a link that is there says that the number is taken.
func (p Plan) Link() string { return fmt.Sprintf("kahu%d", p.Number) }

func (p Plan) address(last byte) netip.Addr {
	return netip.AddrFrom4([4]byte{10, 210, byte(p.Number), last}) //nolint:gosec // at most MostClusters
}

// The names of links inside the namespaces.
const (
	bridge   = "nodes"
	hostPort = "host"
	nodePort = "eth0"
)

// hostBatch are commands of ip(8) for the machine: plane is the path of the control plane's namespace.
func (p Plan) hostBatch(plane string) string {
	return lines("link add %s type veth peer name %s netns %s", p.Link(), hostPort, plane)
}

// hostRoutes come after the other end is up.
func (p Plan) hostRoutes() string {
	return lines("addr add %s/24 dev %s", p.Host(), p.Link()) +
		lines("link set %s up", p.Link()) +
		lines("route add %s via %s", p.Pods(), p.Plane())
}

// planeBatch are the commands for the control plane's namespace: nodes are the paths of the nodes'.
func (p Plan) planeBatch(nodes []string) string {
	var batch strings.Builder
	batch.WriteString(lines("link set lo up") +
		lines("link add %s type bridge", bridge) +
		lines("addr add %s/24 dev %s", p.Plane(), bridge) +
		lines("link set %s up", bridge) +
		lines("link set %s master %s", hostPort, bridge) +
		lines("link set %s up", hostPort))
	for i, node := range p.Nodes {
		batch.WriteString(lines("link add %s type veth peer name %s netns %s", node.Name, nodePort, nodes[i]) +
			lines("link set %s master %s", node.Name, bridge) +
			lines("link set %s up", node.Name) +
			lines("route add %s via %s", node.Pods, node.Address))
	}
	return batch.String()
}

// nodeBatch are the commands for a node's namespace. The pods' own routes are made with the pods.
func (p Plan) nodeBatch(index int) string {
	var batch strings.Builder
	batch.WriteString(lines("link set lo up") +
		lines("addr add %s/24 dev %s", p.Nodes[index].Address, nodePort) +
		lines("link set %s up", nodePort) +
		lines("route add default via %s", p.Plane()))
	for i, other := range p.Nodes {
		if i != index {
			batch.WriteString(lines("route add %s via %s", other.Pods, other.Address))
		}
	}
	return batch.String()
}

func lines(format string, values ...any) string {
	return strings.TrimSpace(fmt.Sprintf(format, values...)) + "\n"
}
