package plane

import (
	"encoding/json"
	"fmt"
	"net/netip"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/soda-cdm/kahu/devcluster/internal/network"
)

func TestUsableNodes(t *testing.T) {
	const event = `{"type":"ADDED","object":{"metadata":{"name":"node-1"},"spec":{%s},"status":{"conditions":[
		{"type":"MemoryPressure","status":"False"},{"type":"Ready","status":"%s","lastHeartbeatTime":"%s"}]}}}`
	started := time.Date(2026, 11, 22, 1, 0, 5, 700e6, time.UTC)
	cases := map[string]struct {
		spec, status, said string
		want               bool
	}{
		"it is ready":                    {status: "True", said: "2026-11-22T01:00:09Z", want: true},
		"within the second of the start": {status: "True", said: "2026-11-22T01:00:05Z", want: true},
		"it was, in an earlier life":     {status: "True", said: "2026-11-22T00:59:59Z"},
		"it is not":                      {status: "False", said: "2026-11-22T01:00:09Z"},
		"it may take no pods yet": {
			spec: `"taints":[{"key":"node.kubernetes.io/not-ready"}]`, status: "True", said: "2026-11-22T01:00:09Z",
		},
	}
	for name, c := range cases {
		t.Run(name, func(t *testing.T) {
			var read nodeEvent
			if err := json.Unmarshal(fmt.Appendf(nil, event, c.spec, c.status, c.said), &read); err != nil {
				t.Fatal(err)
			}
			if got := read.usable(started); got != c.want {
				t.Errorf("got %v", got)
			}
		})
	}
	if (nodeEvent{}).usable(started) {
		t.Error("a node that has said nothing is usable")
	}
}

func TestAPIServerListensWhereItsClusterIs(t *testing.T) {
	layout := Layout{Name: "a", Folder: "/a"}
	plan := network.NewPlan(3, 1)
	cases := map[string]struct {
		where       site
		has, hasNot []string
	}{
		"loopback": {
			where:  site{server: netip.MustParseAddrPort("127.0.0.1:4711")},
			has:    []string{"--bind-address=127.0.0.1", "--secure-port=4711", "--permit-port-sharing=true", "--authorization-mode=RBAC"},
			hasNot: []string{"--kubelet-client-key"},
		},
		"a network of its own": {
			where: site{server: netip.AddrPortFrom(plan.Plane(), securePort), network: &network.Network{Plan: plan}},
			has: []string{
				"--bind-address=10.210.3.1", "--secure-port=6443", "--authorization-mode=Node,RBAC",
				"--tls-cert-file=/a/pki/apiserver-10.210.3.1.crt",
			},
			hasNot: []string{"--permit-port-sharing", "--endpoint-reconciler-type"},
		},
	}
	for name, c := range cases {
		t.Run(name, func(t *testing.T) {
			got := apiServerArguments(layout, c.where)
			for _, want := range c.has {
				if !slices.Contains(got, want) {
					t.Errorf("%s is not among %v", want, got)
				}
			}
			for _, not := range c.hasNot {
				if slices.ContainsFunc(got, func(argument string) bool { return strings.HasPrefix(argument, not) }) {
					t.Errorf("%s is among %v", not, got)
				}
			}
		})
	}
}
