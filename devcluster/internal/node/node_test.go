package node_test

import (
	"encoding/json"
	"net/netip"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	proxy "k8s.io/kube-proxy/config/v1alpha1"
	kubelet "k8s.io/kubelet/config/v1beta1"
	"sigs.k8s.io/yaml"

	"github.com/soda-cdm/kahu/devcluster/internal/node"
)

func config() node.Config {
	return node.Config{
		Name:    "node-2",
		Cluster: "default",
		Address: netip.MustParseAddr("10.210.3.12"),
		Plane:   netip.MustParseAddr("10.210.3.1"),
		Pods:    netip.MustParsePrefix("10.211.13.0/24"),
		AllPods: netip.MustParsePrefix("10.211.12.0/22"),
		Cgroup:  "kahu3/node-2",
		Folder:  "/clusters/default/nodes/node-2",
		Logs:    "/clusters/default/logs",
	}
}

func files(t *testing.T) map[string]node.File {
	t.Helper()
	all, err := config().Files()
	if err != nil {
		t.Fatal(err)
	}
	return all
}

func TestProgramsReadOnlyFilesThatAreThere(t *testing.T) {
	all := files(t)
	daemons := append(config().Daemons(), config().Containerd())
	for _, daemon := range daemons {
		for _, argument := range daemon.Arguments {
			_, path, _ := strings.Cut(argument, "=")
			if _, found := all[path]; strings.HasPrefix(path, "/") && !found {
				t.Errorf("%s reads %s, which is not there", daemon.Name, path)
			}
		}
	}
	for path, file := range all {
		if (file.Key == "") == (file.Content == "") {
			t.Errorf("%s has either a content or a key, and is %+v", path, file)
		}
	}
}

func TestKubelet(t *testing.T) {
	all := files(t)
	var got kubelet.KubeletConfiguration
	if err := yaml.UnmarshalStrict([]byte(all["/etc/kubernetes/kubelet.yaml"].Content), &got); err != nil {
		t.Fatal(err)
	}
	if got.Address != "10.210.3.12" || got.CgroupRoot != "/kahu3/node-2" || *got.FailCgroupV1 || *got.FailSwapOn {
		t.Errorf("the configuration is %+v", got)
	}
	if *got.Authentication.Anonymous.Enabled || got.Authorization.Mode != kubelet.KubeletAuthorizationModeWebhook {
		t.Error("anybody may run commands in its pods")
	}
	for _, path := range []string{got.TLSCertFile, got.TLSPrivateKeyFile, got.Authentication.X509.ClientCAFile} {
		if all[path].Key == "" {
			t.Errorf("it reads %s, which is no key of the node", path)
		}
	}
	if !strings.HasPrefix(all[got.TLSPrivateKeyFile].Key, "node-2-") {
		t.Errorf("it serves with %s", all[got.TLSPrivateKeyFile].Key)
	}
}

func TestProxyLeavesTheMachineAlone(t *testing.T) {
	var got proxy.KubeProxyConfiguration
	if err := yaml.UnmarshalStrict([]byte(files(t)["/etc/kubernetes/kube-proxy.yaml"].Content), &got); err != nil {
		t.Fatal(err)
	}
	if got.Mode != "nftables" || got.ClusterCIDR != "10.211.12.0/22" || got.HostnameOverride != "node-2" {
		t.Errorf("the configuration is %+v", got)
	}
	limits := got.Conntrack
	if *limits.MaxPerCore != 0 || *limits.Min != 0 || limits.TCPEstablishedTimeout.Duration != 0 || limits.TCPCloseWaitTimeout.Duration != 0 {
		t.Errorf("it changes the limits of connections: %+v", limits)
	}
}

func TestPodsGetAddressesOfTheirNode(t *testing.T) {
	var got struct {
		Plugins []struct {
			Type string `json:"type"`
			IPAM struct {
				Ranges [][]struct {
					Subnet string `json:"subnet"`
				} `json:"ranges"`
			} `json:"ipam"`
		} `json:"plugins"`
	}
	if err := json.Unmarshal([]byte(files(t)["/etc/cni/net.d/10-pods.conflist"].Content), &got); err != nil {
		t.Fatal(err)
	}
	if len(got.Plugins) != 1 || got.Plugins[0].Type != "ptp" || got.Plugins[0].IPAM.Ranges[0][0].Subnet != "10.211.13.0/24" {
		t.Errorf("the network is %+v", got)
	}
}

func TestConfigSurvivesItsFile(t *testing.T) {
	want := config()
	want.Folder = filepath.Join(t.TempDir(), "node")
	path, err := want.Write()
	if err != nil {
		t.Fatal(err)
	}
	got, err := node.ReadConfig(path)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(want, got, cmp.Comparer(func(a, b netip.Addr) bool { return a == b }),
		cmp.Comparer(func(a, b netip.Prefix) bool { return a == b })); diff != "" {
		t.Error(diff)
	}
}

func TestNodesHaveMachineIDsOfTheirOwn(t *testing.T) {
	seen := map[string]bool{}
	for _, name := range []string{"node-1", "node-2"} {
		one := config()
		one.Name = name
		all, err := one.Files()
		if err != nil {
			t.Fatal(err)
		}
		seen[all["/etc/machine-id"].Content] = true
	}
	if len(seen) != 2 {
		t.Errorf("they are %v", seen)
	}
}
