package driver

import (
	"context"
	"flag"
	"fmt"
	"io"
	"path/filepath"

	"golang.org/x/sync/errgroup"
	"google.golang.org/grpc"
	"k8s.io/kubelet/pkg/apis/pluginregistration/v1"
	"k8s.io/utils/clock"

	"github.com/soda-cdm/kahu/devcluster/internal/cgroup"
	"github.com/soda-cdm/kahu/devcluster/internal/csi/storage"
)

// Program is the name under which the binary serves the drivers.
const Program = "devcluster-csi"

// Options say which side a process serves, and of what.
type Options struct {
	// Storage is the folder with the storage systems, one for each kind.
	Storage string
	// Sockets is the folder in which a socket is made for each kind.
	Sockets string
	// Nodes says that the cluster has nodes.
	Nodes bool
	// Cgroup is the group of the cluster's pods, which are held while a
	// snapshot is cut; empty where there are none.
	Cgroup string
	// Node is the name of the node that is served; empty for the controller's side.
	Node string
	// Registry is where the kubelet of the node looks for sockets of plug-ins.
	Registry string
}

// Arguments are those with which the program gets these options.
func (o Options) Arguments() []string {
	return []string{
		"--storage=" + o.Storage, "--sockets=" + o.Sockets, fmt.Sprintf("--nodes=%t", o.Nodes),
		"--cgroup=" + o.Cgroup, "--node=" + o.Node, "--registry=" + o.Registry,
	}
}

// Socket is where a kind is served, below the folder of sockets.
func Socket(folder string, kind Kind) string { return filepath.Join(folder, kind.Name+".sock") }

// Main serves both drivers until the context ends, and gives the exit code.
func Main(ctx context.Context, arguments []string, stderr io.Writer) int {
	options := Options{}
	flags := flag.NewFlagSet(Program, flag.ContinueOnError)
	flags.SetOutput(stderr)
	flags.StringVar(&options.Storage, "storage", "", "folder of the storage systems")
	flags.StringVar(&options.Sockets, "sockets", "", "folder of the sockets")
	flags.BoolVar(&options.Nodes, "nodes", false, "the cluster has nodes")
	flags.StringVar(&options.Cgroup, "cgroup", "", "group of the pods")
	flags.StringVar(&options.Node, "node", "", "node that is served")
	flags.StringVar(&options.Registry, "registry", "", "where the kubelet looks for plug-ins")
	if err := flags.Parse(arguments); err != nil {
		return 1
	}
	if err := run(ctx, options); err != nil && ctx.Err() == nil {
		_, _ = fmt.Fprintf(stderr, "%s: %v\n", Program, err)
		return 1
	}
	return 0
}

func run(ctx context.Context, options Options) error {
	servers, ctx := errgroup.WithContext(ctx)
	for _, kind := range Kinds() {
		driver, err := newDriver(kind, options)
		if err != nil {
			return err
		}
		socket := Socket(options.Sockets, kind)
		servers.Go(func() error { return driver.Serve(ctx, socket) })
		if options.Registry == "" {
			continue
		}
		servers.Go(func() error {
			server := grpc.NewServer()
			v1.RegisterRegistrationServer(server, registration{driver: kind.Driver, socket: socket})
			return serve(ctx, server, filepath.Join(options.Registry, kind.Name+"-registration.sock"))
		})
	}
	return servers.Wait()
}

// newDriver opens the storage system of a kind where this process may change it.
func newDriver(kind Kind, options Options) (*Driver, error) {
	system := &storage.System{Folder: filepath.Join(options.Storage, kind.Name), Clock: clock.RealClock{}}
	driver := &Driver{Kind: kind, System: system, Nodes: options.Nodes, Node: options.Node}
	if options.Node != "" {
		return driver, nil
	}
	if options.Nodes {
		cgroups, err := cgroup.Machine(clock.RealClock{})
		if err != nil {
			return nil, err
		}
		freezer := cgroups.Freezer(options.Cgroup)
		if err := freezer.Thaw(); err != nil { // of a process that was killed meanwhile
			return nil, err
		}
		system.Freezer, system.Devices = freezer, true
	}
	return driver, system.Open()
}

// registration tells the kubelet that there is a driver, and where.
type registration struct {
	v1.UnimplementedRegistrationServer

	driver, socket string
}

// GetInfo implements v1.RegistrationServer.
func (r registration) GetInfo(context.Context, *v1.InfoRequest) (*v1.PluginInfo, error) {
	return &v1.PluginInfo{Type: v1.CSIPlugin, Name: r.driver, Endpoint: r.socket, SupportedVersions: []string{Version}}, nil
}

// NotifyRegistrationStatus implements v1.RegistrationServer. What failed stands in the kubelet's log.
func (registration) NotifyRegistrationStatus(context.Context, *v1.RegistrationStatus) (*v1.RegistrationStatusResponse, error) {
	return &v1.RegistrationStatusResponse{}, nil
}
