package network

import (
	"errors"
	"net"
	"net/netip"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/soda-cdm/kahu/devcluster/internal/tool"
)

func TestNoTwoClustersShareAnAddress(t *testing.T) {
	services := netip.MustParsePrefix("10.96.0.0/16")
	seen := []netip.Prefix{services}
	for number := 1; number <= MostClusters; number++ {
		plan := NewPlan(number, MostNodes)
		for _, prefix := range []netip.Prefix{plan.Range(), plan.Pods()} {
			for _, other := range seen {
				if prefix.Overlaps(other) {
					t.Fatalf("cluster %d: %s is in %s", number, prefix, other)
				}
			}
			seen = append(seen, prefix)
		}
		for _, node := range plan.Nodes {
			if !plan.Range().Contains(node.Address) || !plan.Pods().Overlaps(node.Pods) || node.Pods.Bits() < plan.Pods().Bits() {
				t.Errorf("cluster %d: %+v is not in %s and %s", number, node, plan.Range(), plan.Pods())
			}
		}
		if len(plan.Link()) > 15 {
			t.Errorf("%s is too long for a link", plan.Link())
		}
	}
}

func TestNoTwoNodesShareAnAddress(t *testing.T) {
	plan := NewPlan(1, MostNodes)
	for i, node := range plan.Nodes {
		for _, other := range plan.Nodes[:i] {
			if node.Address == other.Address || node.Name == other.Name || node.Pods.Overlaps(other.Pods) {
				t.Errorf("%+v and %+v", node, other)
			}
		}
		if node.Address == plan.Plane() || node.Address == plan.Host() {
			t.Errorf("%+v is not a node's alone", node)
		}
	}
}

func TestCommands(t *testing.T) {
	plan := NewPlan(3, 2)
	cases := map[string]struct{ got, want string }{
		"machine": {plan.hostBatch("/ns/plane"), `
link add kahu3 type veth peer name host netns /ns/plane
`},
		"routes of the machine": {plan.hostRoutes(), `
addr add 10.210.3.254/24 dev kahu3
link set kahu3 up
route add 10.211.12.0/22 via 10.210.3.1
`},
		"control plane": {plan.planeBatch([]string{"/ns/1", "/ns/2"}), `
link set lo up
link add nodes type bridge
addr add 10.210.3.1/24 dev nodes
link set nodes up
link set host master nodes
link set host up
link add node-1 type veth peer name eth0 netns /ns/1
link set node-1 master nodes
link set node-1 up
route add 10.211.12.0/24 via 10.210.3.11
link add node-2 type veth peer name eth0 netns /ns/2
link set node-2 master nodes
link set node-2 up
route add 10.211.13.0/24 via 10.210.3.12
`},
		"second node": {plan.nodeBatch(1), `
link set lo up
addr add 10.210.3.12/24 dev eth0
link set eth0 up
route add default via 10.210.3.1
route add 10.211.12.0/24 via 10.210.3.11
`},
	}
	for name, c := range cases {
		t.Run(name, func(t *testing.T) {
			if diff := cmp.Diff(strings.TrimPrefix(c.want, "\n"), c.got); diff != "" {
				t.Error(diff)
			}
		})
	}
}

// needRoot skips where networks cannot be made.
func needRoot(t *testing.T) {
	t.Helper()
	if os.Geteuid() != 0 {
		t.Skip("making a network takes root")
	}
	if _, err := tool.Find("ip"); err != nil {
		t.Skip(err)
	}
}

func TestTwoNetworksAtOnce(t *testing.T) {
	needRoot(t)
	first, err := Make(t.Context(), 0, 1)
	if err != nil {
		t.Fatal(err)
	}
	second, err := Make(t.Context(), first.Plan.Number, 2)
	if err != nil {
		t.Fatal(errors.Join(err, first.Release(t.Context())))
	}
	if second.Plan.Number == first.Plan.Number {
		t.Errorf("both have the number %d", first.Plan.Number)
	}
	if len(second.Nodes) != 2 || !Exists(second.Plan) {
		t.Errorf("the second is %+v", second.Plan)
	}
	answers(t, second)
	for _, network := range []*Network{first, second} {
		if err := network.Release(t.Context()); err != nil {
			t.Error(err)
		}
		if Exists(network.Plan) {
			t.Errorf("%s is still there", network.Plan.Link())
		}
	}
}

// answers wants what listens on a node to be reached from the machine, the
// control plane and the other node.
func answers(t *testing.T, network *Network) {
	t.Helper()
	address := netip.AddrPortFrom(network.Plan.Nodes[1].Address, 7777).String()
	var listener net.Listener
	err := network.Nodes[1].Do(func() error {
		var err error
		listener, err = (&net.ListenConfig{}).Listen(t.Context(), "tcp", address)
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = listener.Close() }()
	dial := func() error {
		// Without a context that ends, it dials on the calling thread.
		connection, err := net.DialTimeout("tcp4", address, 5*time.Second) //nolint:noctx // the thread has the namespace
		if err != nil {
			return err
		}
		return connection.Close()
	}
	for name, err := range map[string]error{
		"machine": dial(), "control plane": network.Plane.Do(dial), "other node": network.Nodes[0].Do(dial),
	} {
		if err != nil {
			t.Errorf("from the %s: %v", name, err)
		}
	}
}

func TestReleaseLeavesNothing(t *testing.T) {
	needRoot(t)
	before := linkNames(t)
	network, err := Make(t.Context(), 9, 1)
	if err != nil {
		t.Fatal(err)
	}
	if network.Plan.Number != 9 {
		t.Logf("9 is taken on this machine, it is %d", network.Plan.Number)
	}
	if err := network.Release(t.Context()); err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(before, linkNames(t)); diff != "" {
		t.Error(diff)
	}
}

func linkNames(t *testing.T) []string {
	t.Helper()
	links, err := net.Interfaces()
	if err != nil {
		t.Fatal(err)
	}
	var names []string
	for _, link := range links {
		names = append(names, link.Name)
	}
	return names
}
