package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"time"

	"github.com/go-logr/logr"
	"github.com/spf13/cobra"
	apiextensionsv1 "k8s.io/apiextensions-apiserver/pkg/apis/apiextensions/v1"
	"k8s.io/client-go/rest"
	"k8s.io/client-go/tools/clientcmd"
	"k8s.io/utils/clock"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/soda-cdm/kahu/config/crd"
	"github.com/soda-cdm/kahu/internal/cluster"
	"github.com/soda-cdm/kahu/internal/install"
	"github.com/soda-cdm/kahu/internal/manager"
	"github.com/soda-cdm/kahu/internal/pki"
	"github.com/soda-cdm/kahu/internal/sidecar"
	"github.com/soda-cdm/kahu/internal/supervise"
	"github.com/soda-cdm/kahu/providers/csi"
	"github.com/soda-cdm/kahu/providers/filesystem"
	"github.com/soda-cdm/kahu/providers/nfs"
	"github.com/soda-cdm/kahu/providers/s3"
)

// standaloneOptions are the flags of the standalone command.
type standaloneOptions struct {
	observation   manager.Options // what the manager shows
	provider      providerOptions // what the provider is
	volumes       bool            // whether the csi provider runs, too
	kubeconfig    string
	store         string
	state         string
	namespace     string
	healthAddress string
	installCRDs   bool
	leaseDuration time.Duration
	locationEvery time.Duration
	patience      time.Duration
	verbosity     int
}

func newStandaloneCommand() *cobra.Command {
	options := standaloneOptions{}
	command := &cobra.Command{
		Use:   "standalone",
		Short: "Run manager, meta-service and a built-in provider as one supervised process tree",
		Long: `Run manager, meta-service and a built-in provider as one supervised process tree,
on a laptop or on a machine outside of the cluster. The filesystem provider keeps
backups in the folder that --store names; s3 and nfs where each location says. A
child that ends is started again; all of them end with this process. A child that ends soon after each of its first starts, which
no other start would change, ends the tree with its last words.`,
		Args: cobra.NoArgs,
		RunE: func(command *cobra.Command, _ []string) error {
			return runStandalone(command.Context(), options)
		},
	}
	flags := command.Flags()
	flags.StringVar(&options.kubeconfig, "kubeconfig", "", "file that says how to reach the cluster (required)")
	flags.StringVar(&options.provider.name, "provider", filesystem.DefaultName, "built-in provider: filesystem, s3 or nfs")
	flags.StringVar(&options.store, "store", "", "folder for the backups of the filesystem provider, which needs one; made if it is not there")
	flags.BoolVar(&options.volumes, "volumes", false, "run the built-in csi provider, too, which backs up volumes by CSI snapshots")
	flags.StringVar(&options.state, "state", "", "folder for sockets and certificates; empty means a temporary one that is removed at the end")
	flags.StringVar(&options.namespace, "namespace", manager.DefaultNamespace, "Kahu's own namespace; made if it is not there")
	flags.StringVar(&options.healthAddress, "health-address", "127.0.0.1:0", "where the manager serves /healthz and /readyz; 0 turns them off")
	addObservationFlags(flags, &options.observation)
	flags.BoolVar(&options.installCRDs, "install-crds", false, "install Kahu's definitions, or bring them up to date")
	flags.DurationVar(&options.leaseDuration, "lease-duration", sidecar.DefaultLeaseDuration, "how long the provider counts as healthy after its last sign of life")
	flags.DurationVar(&options.locationEvery, "location-interval", manager.DefaultLocationEvery, "time between two looks at a location")
	flags.DurationVar(&options.patience, "location-patience", manager.DefaultPatience, "how long a new run waits for its location to become ready")
	flags.IntVar(&options.verbosity, "verbosity", 0, "how much is logged, from 0 to 5")
	_ = command.MarkFlagRequired("kubeconfig") // It fails only for a flag that is not there.
	_ = command.RegisterFlagCompletionFunc("provider",
		cobra.FixedCompletions([]string{filesystem.DefaultName, s3.DefaultName, nfs.DefaultName}, cobra.ShellCompDirectiveNoFileComp))
	return command
}

// The names in the certificates of the process tree.
const (
	managerName  = "kahu-manager"
	serverDomain = ".kahu.local"
)

// preparationTime bounds what is done in the cluster before the children start.
const preparationTime = 2 * time.Minute

// runStandalone prepares the cluster and the folders, and runs the children until the context ends.
func runStandalone(ctx context.Context, options standaloneOptions) error {
	if err := options.observation.ValidateAddresses(); err != nil {
		return err
	}
	logger, err := newLogger("standalone", options.verbosity)
	if err != nil {
		return err
	}
	if err := absolute(&options.kubeconfig); err != nil {
		return err
	}
	if err := prepareStore(&options); err != nil {
		return err
	}
	cleanUp, err := prepareState(&options)
	if err != nil {
		return err
	}
	defer cleanUp()
	if err := prepareCluster(ctx, options); err != nil {
		return err
	}
	return runTree(logr.NewContext(ctx, logger), options, os.Stderr)
}

// prepareStore makes the folder of the filesystem provider; the others have none.
func prepareStore(options *standaloneOptions) error {
	if options.provider.name != filesystem.DefaultName {
		if options.store != "" {
			return fmt.Errorf("--store is for the filesystem provider: that of provider %s stands in each location", options.provider.name)
		}
		_, end, err := newDriver(options.provider)
		if err != nil {
			return err
		}
		return end()
	}
	if options.store == "" {
		return errors.New("--store is missing: name the folder for the backups")
	}
	if err := absolute(&options.store); err != nil {
		return err
	}
	options.provider.root = options.store
	if err := os.MkdirAll(options.store, 0o700); err != nil {
		return fmt.Errorf("making the folder for backups: %w", err)
	}
	return nil
}

// runTree runs the children over what is prepared until the context ends. What they say goes to output.
func runTree(ctx context.Context, options standaloneOptions, output io.Writer) error {
	leaves, err := certificates(options)
	if err != nil {
		return err
	}
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	renewing := make(chan struct{})
	go func() {
		defer close(renewing)
		leaves.authority.Keep(ctx, leaves.all)
	}()
	children, err := newChildren(options)
	if err != nil {
		return err
	}
	logger := logr.FromContextOrDiscard(ctx)
	logger.Info("process tree starts", "store", options.provider.place(), "state", options.state)
	supervisor := &supervise.Supervisor{Output: output, Logger: logger, Clock: clock.RealClock{}}
	err = supervisor.Run(ctx, children)
	cancel()
	<-renewing
	return err
}

// absolute makes paths independent of the working folder.
func absolute(paths ...*string) error {
	for _, path := range paths {
		full, err := filepath.Abs(*path)
		if err != nil {
			return fmt.Errorf("resolving %s: %w", *path, err)
		}
		*path = full
	}
	return nil
}

// maxSocketPath is the greatest length of a unix socket's path on Linux, in bytes.
const maxSocketPath = 107

// prepareState makes the folder for sockets and certificates.
func prepareState(options *standaloneOptions) (func(), error) {
	if options.state == "" {
		dir, err := os.MkdirTemp("", "kahu-")
		if err != nil {
			return nil, fmt.Errorf("making a folder for sockets and certificates: %w", err)
		}
		options.state = dir
		return func() { _ = os.RemoveAll(dir) }, nil
	}
	if err := absolute(&options.state); err != nil {
		return nil, err
	}
	if len(socketPath(*options)) > maxSocketPath {
		return nil, fmt.Errorf("--state %s: the path is too long for a socket in it, which may have %d bytes: choose a shorter one",
			options.state, maxSocketPath)
	}
	if err := os.MkdirAll(options.state, 0o700); err != nil {
		return nil, fmt.Errorf("making --state: %w", err)
	}
	return func() {}, nil
}

func socketPath(options standaloneOptions) string {
	return filepath.Join(options.state, options.provider.name+".sock")
}

// prepareCluster installs what is asked for.
func prepareCluster(ctx context.Context, options standaloneOptions) error {
	ctx, cancel := context.WithTimeout(ctx, preparationTime)
	defer cancel()
	config, err := clientcmd.BuildConfigFromFlags("", options.kubeconfig)
	if err != nil {
		return fmt.Errorf("reading --kubeconfig: %w", err)
	}
	target, err := client.New(config, client.Options{})
	if err != nil {
		return fmt.Errorf("reaching the cluster: %w", err)
	}
	if options.installCRDs {
		err = installDefinitions(ctx, config, target)
	} else {
		err = checkDefinitions(target)
	}
	if err != nil {
		return err
	}
	return install.Namespace(ctx, target, options.namespace)
}

// checkDefinitions refuses a cluster without them, in which no child could ever do anything.
func checkDefinitions(target client.Client) error {
	manifests, err := crd.Manifests()
	if err != nil {
		return err
	}
	missing, err := install.Missing(target, manifests)
	if err != nil || len(missing) == 0 {
		return err
	}
	return fmt.Errorf("the cluster does not serve %s: start with --install-crds, or apply config/crd of this release", strings.Join(missing, ", "))
}

func installDefinitions(ctx context.Context, config *rest.Config, target client.Client) error {
	if err := apiextensionsv1.AddToScheme(target.Scheme()); err != nil {
		return err
	}
	waiter, err := cluster.New(config, cluster.Options{Version: version})
	if err != nil {
		return fmt.Errorf("reaching the cluster: %w", err)
	}
	manifests, err := crd.Manifests()
	if err != nil {
		return err
	}
	return install.Definitions(ctx, target, waiter, manifests)
}

// issued are the certificates of the process tree.
type issued struct {
	authority *pki.Authority
	all       []pki.Leaf
}

// certificates makes the authority of the process tree and what it issues.
func certificates(options standaloneOptions) (issued, error) {
	authority, err := pki.LoadOrCreate(filepath.Join(options.state, "authority"), clock.RealClock{})
	if err != nil {
		return issued{}, fmt.Errorf("making the certificate authority: %w", err)
	}
	made := issued{authority: authority, all: []pki.Leaf{
		{Dir: managerFolder(options), Name: managerName},
		{Dir: serverFolder(options), Name: options.provider.name + serverDomain, Server: true, Addresses: []net.IP{net.IPv4(127, 0, 0, 1)}},
	}}
	var failures []error
	for _, leaf := range made.all {
		failures = append(failures, authority.Ensure(leaf))
	}
	return made, errors.Join(failures...)
}

func managerFolder(options standaloneOptions) string { return filepath.Join(options.state, "manager") }

func serverFolder(options standaloneOptions) string {
	return filepath.Join(options.state, "meta-service")
}

// newChildren returns the processes of the tree, all of them this program itself: nothing else is needed on a machine.
func newChildren(options standaloneOptions) ([]supervise.Child, error) {
	self, err := os.Executable()
	if err != nil {
		return nil, fmt.Errorf("finding this program: %w", err)
	}
	host, err := os.Hostname()
	if err != nil {
		return nil, fmt.Errorf("reading the name of this machine: %w", err)
	}
	endpoint := "unix://" + socketPath(options)
	verbosity := "--verbosity=" + strconv.Itoa(options.verbosity)
	children := []supervise.Child{
		{
			Name: "provider", Path: self,
			Args: []string{"provider", options.provider.name, "--root", options.provider.root, "--endpoint", endpoint},
		},
		{
			Name: "meta-service", Path: self,
			Args: []string{
				"meta-service", "--kubeconfig", options.kubeconfig, "--namespace", options.namespace,
				"--driver", endpoint, "--listen", "127.0.0.1:0", "--pki", serverFolder(options),
				"--server-name", options.provider.name + serverDomain, "--client-name", managerName, "--place", host + ":" + options.provider.place(),
				"--lease-duration", options.leaseDuration.String(), verbosity,
			},
		},
		{
			Name: "manager", Path: self,
			Args: []string{
				"manager", "--kubeconfig", options.kubeconfig, "--namespace", options.namespace,
				"--pki", managerFolder(options), "--health-address", options.healthAddress,
				"--metrics-address", options.observation.MetricsAddress, "--pprof-address", options.observation.PprofAddress,
				"--location-interval", options.locationEvery.String(),
				"--location-patience", options.patience.String(), "--read-only-locations=" + strconv.FormatBool(options.observation.ReadOnlyLocations), verbosity,
			},
		},
	}
	if options.volumes {
		children = append(children, volumeChildren(self, host, options)...)
	}
	return children, nil
}

// volumeChildren returns the processes that back up volumes.
func volumeChildren(self, host string, options standaloneOptions) []supervise.Child {
	endpoint := "unix://" + filepath.Join(options.state, "csi.sock")
	return []supervise.Child{
		{
			Name: "volume-provider", Path: self,
			Args: []string{"provider", csi.DefaultName, "--kubeconfig", options.kubeconfig, "--endpoint", endpoint},
		},
		{
			Name: "volume-service", Path: self,
			Args: []string{
				"volume-service", "--kubeconfig", options.kubeconfig, "--namespace", options.namespace, "--driver", endpoint,
				"--place", host, "--lease-duration", options.leaseDuration.String(), "--verbosity=" + strconv.Itoa(options.verbosity),
			},
		},
	}
}
