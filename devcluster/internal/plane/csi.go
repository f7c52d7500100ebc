package plane

import (
	"context"
	"encoding/json"
	"fmt"
	"net"
	"os"
	"path/filepath"
	"slices"
	"strconv"

	"k8s.io/client-go/tools/clientcmd"
	"k8s.io/utils/clock"

	"github.com/soda-cdm/kahu/devcluster/internal/cgroup"
	"github.com/soda-cdm/kahu/devcluster/internal/csi/driver"
	"github.com/soda-cdm/kahu/devcluster/internal/csi/install"
	"github.com/soda-cdm/kahu/devcluster/internal/network"
	"github.com/soda-cdm/kahu/devcluster/internal/pki"
)

// CSI says whether a cluster has volumes and snapshots through CSI drivers.
type CSI struct {
	// Sidecars is the folder of the programs that stand between Kubernetes
	// and the drivers; empty for no drivers.
	Sidecars string
}

// The programs of external-provisioner, external-snapshotter and external-snapshot-metadata.
const (
	provisioner        = "csi-provisioner"
	snapshotter        = "csi-snapshotter"
	snapshotController = "snapshot-controller"
	snapshotMetadata   = "csi-snapshot-metadata"
)

// Sidecars are the names of the programs.
func Sidecars() []string {
	return []string{provisioner, snapshotter, snapshotController, snapshotMetadata}
}

const (
	// storageFolder is below the cluster's folder.
	storageFolder = "csi"
	// socketFolder is where the drivers listen, of the same folder: a socket's
	// path has 107 bytes at most, and the sidecars insist on one from the root on.
	socketFolder = "/proc/self/cwd/" + storageFolder
)

// Storage is the folder with the storage of the CSI drivers.
func (l Layout) Storage() string { return filepath.Join(l.Folder, storageFolder) }

// startCSI starts the drivers' controllers, with what stands between them and Kubernetes.
func (r *run) startCSI(ctx context.Context) error {
	if r.CSI.Sidecars == "" {
		return nil
	}
	options := driver.Options{Storage: r.Layout.Storage(), Sockets: socketFolder}
	if plan := r.site.plan(); len(plan.Nodes) > 0 {
		options.Nodes, options.Cgroup = true, plan.Link()
	}
	if err := r.launchPlane(driver.Program, options.Arguments()); err != nil {
		return err
	}
	config, err := clientcmd.BuildConfigFromFlags("", r.Layout.Kubeconfig())
	if err != nil {
		return fmt.Errorf("reading the kubeconfig: %w", err)
	}
	changes, err := r.changes()
	if err != nil {
		return err
	}
	if err := install.Apply(ctx, config, changes, r.Clock); err != nil {
		return fmt.Errorf("installing CSI drivers: %w", cause(ctx, err))
	}
	for _, one := range slices.Concat(sidecars(r.Layout, options.Nodes), tellers(r.Layout, r.site.plan())) {
		one.path = filepath.Join(r.CSI.Sidecars, one.name)
		if err := r.site.do(func() error { return r.launch(one.log, one.program) }); err != nil {
			return err
		}
	}
	return nil
}

// changes says where clients are told which blocks have changed. It is nowhere
// but in a network of the cluster's own: the program listens on all addresses.
func (r *run) changes() (install.Changes, error) {
	if len(r.site.plan().Nodes) == 0 {
		return install.Changes{}, nil
	}
	authority, err := os.ReadFile(r.Layout.key(pki.CA + pki.CertEnding))
	if err != nil {
		return install.Changes{}, fmt.Errorf("reading the authority: %w", err)
	}
	return install.Changes{Address: r.site.server.Addr(), Authority: authority}, nil
}

// tellers are the processes that tell which blocks have changed.
func tellers(layout Layout, plan network.Plan) []sidecar {
	if len(plan.Nodes) == 0 {
		return nil
	}
	keys := layout.key(pki.Serving(net.IP(plan.Plane().AsSlice())))
	kinds := driver.Kinds()
	all := make([]sidecar, 0, len(kinds))
	for _, kind := range kinds {
		all = append(all, sidecar{log: snapshotMetadata + "-" + kind.Name, program: program{name: snapshotMetadata, arguments: []string{
			"--csi-address=" + driver.Socket(socketFolder, kind), "--kubeconfig=" + layout.Kubeconfig(),
			"--kube-api-qps=1000", "--kube-api-burst=2000", "--disable-metrics", "--audience=" + kind.Driver,
			"--port=" + strconv.Itoa(kind.Changes), "--http-endpoint=127.0.0.1:" + strconv.Itoa(kind.Changes+healthAbove),
			"--tls-cert=" + keys + pki.CertEnding, "--tls-key=" + keys + pki.KeyEnding,
		}}})
	}
	return all
}

// healthAbove is how far above the port of a program that of its health is.
const healthAbove = 100

// sidecar is one process of the programs, which has a log of its own.
type sidecar struct {
	program

	log string
}

func sidecars(layout Layout, nodes bool) []sidecar {
	common := []string{"--kubeconfig=" + layout.Kubeconfig(), "--kube-api-qps=1000", "--kube-api-burst=2000"}
	// What fails is tried again soon: a test waits for it.
	soon := append([]string{"--retry-interval-start=200ms", "--retry-interval-max=5s"}, common...)
	groups := "--feature-gates=CSIVolumeGroupSnapshot=true"
	all := []sidecar{{
		log:     snapshotController,
		program: program{name: snapshotController, arguments: append([]string{groups}, soon...)},
	}}
	for _, kind := range driver.Kinds() {
		address := "--csi-address=" + driver.Socket(socketFolder, kind)
		all = append(all,
			sidecar{log: provisioner + "-" + kind.Name, program: program{name: provisioner, arguments: append([]string{
				address, "--extra-create-metadata", "--timeout=60s", "--feature-gates=Topology=" + strconv.FormatBool(nodes && kind.Pinned),
			}, soon...)}},
			sidecar{log: snapshotter + "-" + kind.Name, program: program{name: snapshotter, arguments: append([]string{
				address, groups,
			}, soon...)}},
		)
	}
	return all
}

// Thaw lets pods go on that a driver held when it was killed: a process that is
// held does not end. It is to be called when the driver has ended.
func Thaw(number int, timers clock.Clock) error {
	if number == 0 {
		return nil
	}
	cgroups, err := cgroup.Machine(timers)
	if err != nil {
		return err
	}
	return cgroups.Freezer(network.NewPlan(number, 0).Link()).Thaw()
}

// csiNodeEvent is the part of a watch event that says which drivers a kubelet has found.
type csiNodeEvent struct {
	Object struct {
		Metadata struct {
			Name string `json:"name"`
		} `json:"metadata"`
		Spec struct {
			Drivers []struct {
				Name string `json:"name"`
			} `json:"drivers"`
		} `json:"spec"`
	} `json:"object"`
}

// untilDrivers waits until the kubelet of every node has found every driver.
func (p probe) untilDrivers(ctx context.Context, nodes []network.Node) error {
	if len(nodes) == 0 {
		return nil
	}
	response, err := p.get(ctx, "/apis/storage.k8s.io/v1/csinodes?watch=true")
	if err != nil {
		return fmt.Errorf("watching the nodes' drivers: %w", cause(ctx, err))
	}
	defer func() { _ = response.Body.Close() }() // a watch has no end to read to
	events := json.NewDecoder(response.Body)
	missing := map[string]bool{}
	for _, one := range nodes {
		missing[one.Name] = true
	}
	for len(missing) > 0 {
		var event csiNodeEvent
		if err := events.Decode(&event); err != nil {
			return fmt.Errorf("waiting for the nodes' drivers: %w", cause(ctx, err))
		}
		if len(event.Object.Spec.Drivers) >= len(driver.Kinds()) {
			delete(missing, event.Object.Metadata.Name)
		}
	}
	return nil
}
