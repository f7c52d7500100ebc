package node

import (
	"encoding/json"
	"fmt"
	"path/filepath"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/component-base/config/v1alpha1"
	proxy "k8s.io/kube-proxy/config/v1alpha1"
	kubelet "k8s.io/kubelet/config/v1beta1"
	"sigs.k8s.io/yaml"

	"github.com/soda-cdm/kahu/devcluster/internal/csi/driver"
	"github.com/soda-cdm/kahu/devcluster/internal/tool"
)

// Places in the file system of a node.
const (
	// Socket is where containerd listens.
	Socket = "/run/containerd/containerd.sock"
	// ImageFolder has the archives that are imported first.
	ImageFolder = "/images"
	// StorageFolder has the volumes of CSI drivers.
	StorageFolder = "/csi"

	containerdConfig = "/etc/containerd/config.toml"
	networkConfig    = "/etc/cni/net.d/10-pods.conflist"
	kubeletConfig    = "/etc/kubernetes/kubelet.yaml"
	proxyConfig      = "/etc/kubernetes/kube-proxy.yaml"
	keys             = "/etc/kubernetes/pki"
)

// File is a file in a node, with its content or with the name of the key whose content it has.
type File struct {
	Content string
	// Key is a file in the folder of keys.
	Key string
}

// Files gives the files of a node by path.
func (c Config) Files() (map[string]File, error) {
	kubeletYAML, err := yaml.Marshal(c.kubelet())
	if err != nil {
		return nil, fmt.Errorf("encoding the kubelet's configuration: %w", err)
	}
	proxyYAML, err := yaml.Marshal(c.proxy())
	if err != nil {
		return nil, fmt.Errorf("encoding the configuration of kube-proxy: %w", err)
	}
	pods, err := json.MarshalIndent(c.pods(), "", "  ")
	if err != nil {
		return nil, fmt.Errorf("encoding the pods' network: %w", err)
	}
	return map[string]File{
		"/etc/hostname":                         {Content: c.Name + "\n"},
		"/etc/hosts":                            {Content: fmt.Sprintf("127.0.0.1 localhost\n%s %s\n", c.Address, c.Name)},
		"/etc/machine-id":                       {Content: c.machineID() + "\n"},
		"/etc/nsswitch.conf":                    {Content: "hosts: files\n"},
		"/etc/passwd":                           {Content: "root:x:0:0:root:/root:/bin/sh\nnobody:x:65534:65534:nobody:/nonexistent:/usr/sbin/nologin\n"},
		"/etc/group":                            {Content: "root:x:0:\nnogroup:x:65534:\n"},
		"/etc/resolv.conf":                      {Content: "# The cluster has no names but those of services, and no server for them.\n"},
		containerdConfig:                        {Content: containerd},
		networkConfig:                           {Content: string(pods)},
		kubeletConfig:                           {Content: string(kubeletYAML)},
		proxyConfig:                             {Content: string(proxyYAML)},
		keys + "/ca.crt":                        {Key: "ca.crt"},
		keys + "/serving.crt":                   {Key: c.Name + "-serving.crt"},
		keys + "/serving.key":                   {Key: c.Name + "-serving.key"},
		"/etc/kubernetes/kubelet.kubeconfig":    {Key: c.Name + ".kubeconfig"},
		"/etc/kubernetes/kube-proxy.kubeconfig": {Key: "kube-proxy.kubeconfig"},
	}, nil
}

// containerd is its configuration. The oom score of a container may be raised
// only: lowering it is denied inside of many virtual machines and containers,
// and runc dies of that.
const containerd = `version = 2
root = "/var/lib/containerd"
state = "/run/containerd"
disabled_plugins = [
  "io.containerd.internal.v1.tracing",
  "io.containerd.snapshotter.v1.aufs",
  "io.containerd.snapshotter.v1.btrfs",
  "io.containerd.snapshotter.v1.devmapper",
  "io.containerd.snapshotter.v1.zfs",
]

[grpc]
  address = "` + Socket + `"

[plugins."io.containerd.grpc.v1.cri"]
  sandbox_image = "` + PauseImage + `"
  disable_apparmor = true
  restrict_oom_score_adj = true

  [plugins."io.containerd.grpc.v1.cri".containerd]
    snapshotter = "overlayfs"
    default_runtime_name = "runc"

    [plugins."io.containerd.grpc.v1.cri".containerd.runtimes.runc]
      runtime_type = "io.containerd.runc.v2"

      [plugins."io.containerd.grpc.v1.cri".containerd.runtimes.runc.options]
        SystemdCgroup = false

  [plugins."io.containerd.grpc.v1.cri".cni]
    bin_dir = "` + tool.Plugins + `"
    conf_dir = "/etc/cni/net.d"
`

// kubelet has no thresholds that a full disk of a developer would meet, and
// leaves the machine's own settings alone.
func (c Config) kubelet() *kubelet.KubeletConfiguration {
	full, no, yes := int32(100), false, true
	almost, score := int32(99), int32(0)
	resolver := "/etc/resolv.conf"
	return &kubelet.KubeletConfiguration{
		TypeMeta: metav1.TypeMeta{APIVersion: "kubelet.config.k8s.io/v1beta1", Kind: "KubeletConfiguration"},
		Address:  c.Address.String(),
		Authentication: kubelet.KubeletAuthentication{
			Anonymous: kubelet.KubeletAnonymousAuthentication{Enabled: &no},
			Webhook:   kubelet.KubeletWebhookAuthentication{Enabled: &yes},
			X509:      kubelet.KubeletX509Authentication{ClientCAFile: keys + "/ca.crt"},
		},
		Authorization:               kubelet.KubeletAuthorization{Mode: kubelet.KubeletAuthorizationModeWebhook},
		TLSCertFile:                 keys + "/serving.crt",
		TLSPrivateKeyFile:           keys + "/serving.key",
		ContainerRuntimeEndpoint:    "unix://" + Socket,
		ClusterDomain:               "cluster.local",
		ResolverConfig:              &resolver,
		CgroupDriver:                "cgroupfs",
		CgroupRoot:                  "/" + c.Cgroup,
		FailCgroupV1:                &no,
		FailSwapOn:                  &no,
		MakeIPTablesUtilChains:      &no,
		OOMScoreAdj:                 &score,
		PodLogsDir:                  "/var/log/pods",
		VolumePluginDir:             "/var/lib/kubelet/volume-plugins",
		ImageGCHighThresholdPercent: &full, // never
		ImageGCLowThresholdPercent:  &almost,
		EvictionHard: map[string]string{
			"memory.available": "50Mi", "nodefs.available": "1%", "nodefs.inodesFree": "1%", "imagefs.available": "1%",
		},
		// A pod that ends is to be seen at once.
		SyncFrequency: metav1.Duration{Duration: 10 * time.Second},
	}
}

// proxy translates the addresses of services in the node's own tables, and
// leaves the machine's limits of connections alone.
func (c Config) proxy() *proxy.KubeProxyConfiguration {
	none, score := int32(0), int32(0)
	return &proxy.KubeProxyConfiguration{
		TypeMeta:           metav1.TypeMeta{APIVersion: "kubeproxy.config.k8s.io/v1alpha1", Kind: "KubeProxyConfiguration"},
		ClientConnection:   v1alpha1.ClientConnectionConfiguration{Kubeconfig: "/etc/kubernetes/kube-proxy.kubeconfig"},
		HostnameOverride:   c.Name,
		BindAddress:        "0.0.0.0",
		HealthzBindAddress: "127.0.0.1:10256",
		MetricsBindAddress: "127.0.0.1:10249",
		Mode:               "nftables",
		ClusterCIDR:        c.AllPods.String(),
		OOMScoreAdj:        &score,
		Conntrack: proxy.KubeProxyConntrackConfiguration{
			MaxPerCore: &none, Min: &none,
			TCPEstablishedTimeout: &metav1.Duration{}, TCPCloseWaitTimeout: &metav1.Duration{},
		},
	}
}

// pods gives each pod a link of its own to the node, which routes between them
// all: what goes from pod to pod goes through the node's tables.
func (c Config) pods() any {
	type object = map[string]any
	return object{
		"cniVersion": "0.4.0",
		"name":       "pods",
		"plugins": []object{{
			"type":   "ptp",
			"ipMasq": false,
			"ipam": object{
				"type":    "host-local",
				"dataDir": "/run/cni", // ends with the node, as the pods do
				"ranges":  [][]object{{{"subnet": c.Pods.String()}}},
				"routes":  []object{{"dst": "0.0.0.0/0"}},
			},
		}},
	}
}

// Daemon is a program that a node runs as long as it lives.
type Daemon struct {
	Name string
	// Own says that it is compiled into this binary.
	Own       bool
	Arguments []string
}

// Containerd is what runs the containers.
func (c Config) Containerd() Daemon {
	return Daemon{Name: "containerd", Arguments: []string{"--config=" + containerdConfig}}
}

// Daemons are those that need containerd and the API server, in the order of their start.
func (c Config) Daemons() []Daemon {
	var drivers []Daemon
	if c.Storage != "" {
		drivers = []Daemon{{Name: driver.Program, Own: true, Arguments: driver.Options{
			Storage: StorageFolder, Sockets: "/var/lib/kubelet/plugins", Registry: "/var/lib/kubelet/plugins_registry",
			Nodes: true, Node: c.Name,
		}.Arguments()}}
	}
	return append(drivers, []Daemon{
		{Name: "kubelet", Own: true, Arguments: []string{
			"--config=" + kubeletConfig,
			"--kubeconfig=/etc/kubernetes/kubelet.kubeconfig",
			"--hostname-override=" + c.Name,
			"--node-ip=" + c.Address.String(),
		}},
		{Name: "kube-proxy", Own: true, Arguments: []string{"--config=" + proxyConfig}},
	}...)
}

// Import are the arguments of ctr(8) that import an archive.
func Import(socket, archive string) []string {
	return []string{"--address", socket, "--namespace", "k8s.io", "images", "import", "--snapshotter", "overlayfs", archive}
}

// Sysctls are the settings that a kubelet insists on and would change for the
// whole machine: it is shown these values instead (its setupKernelTunables).
func Sysctls() map[string]string {
	return map[string]string{
		"vm/overcommit_memory":      "1",
		"vm/panic_on_oom":           "0",
		"kernel/panic":              "10",
		"kernel/panic_on_oops":      "1",
		"kernel/keys/root_maxkeys":  "1000000",
		"kernel/keys/root_maxbytes": "25000000",
	}
}

// Archive is the path, in the node, of an archive of the images' folder.
func Archive(name string) string { return filepath.Join(ImageFolder, name) }
