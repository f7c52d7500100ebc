package main

import (
	"context"
	"fmt"
	"strings"
	"time"

	"github.com/google/uuid"
	"github.com/spf13/cobra"
	"k8s.io/apimachinery/pkg/runtime"
	clientgoscheme "k8s.io/client-go/kubernetes/scheme"
	"k8s.io/client-go/rest"
	"k8s.io/client-go/tools/clientcmd"
	"k8s.io/utils/clock"
	ctrl "sigs.k8s.io/controller-runtime"
	"sigs.k8s.io/controller-runtime/pkg/cache"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/healthz"
	metricsserver "sigs.k8s.io/controller-runtime/pkg/metrics/server"

	kahuv1 "github.com/soda-cdm/kahu/api/v1beta1"
	"github.com/soda-cdm/kahu/internal/cluster"
	"github.com/soda-cdm/kahu/internal/controller"
	"github.com/soda-cdm/kahu/internal/controller/place"
	"github.com/soda-cdm/kahu/internal/pki"
	"github.com/soda-cdm/kahu/internal/store"
)

// managerOptions are the flags of the manager.
type managerOptions struct {
	kubeconfig     string
	namespace      string
	pki            string
	healthAddress  string
	metricsAddress string
	leaderElection bool
	runs           int
	locationEvery  time.Duration
	patience       time.Duration
	verbosity      int
}

func newManagerCommand() *cobra.Command {
	options := managerOptions{}
	command := &cobra.Command{
		Use:   "manager",
		Short: "Run the controllers of backups, restores and locations",
		Args:  cobra.NoArgs,
		RunE: func(command *cobra.Command, _ []string) error {
			return runManager(command.Context(), options)
		},
	}
	flags := command.Flags()
	flags.StringVar(&options.kubeconfig, "kubeconfig", "", "file that says how to reach the cluster; empty inside of one")
	flags.StringVar(&options.namespace, "namespace", defaultNamespace, "Kahu's own namespace")
	flags.StringVar(&options.pki, "pki", "", "folder with tls.crt, tls.key and ca.crt, for the connections to providers")
	flags.StringVar(&options.healthAddress, "health-address", "127.0.0.1:0", "where /healthz and /readyz are served; 0 turns them off")
	flags.StringVar(&options.metricsAddress, "metrics-address", "0", "where /metrics is served; 0 turns it off")
	flags.BoolVar(&options.leaderElection, "leader-elect", true, "let only one of several managers work")
	flags.IntVar(&options.runs, "runs", 4, "how many backups, and how many restores, go on at once")
	flags.DurationVar(&options.locationEvery, "location-interval", defaultLocationEvery, "time between two looks at a location")
	flags.DurationVar(&options.patience, "location-patience", defaultPatience, "how long a new run waits for its location to become ready")
	flags.IntVar(&options.verbosity, "verbosity", 0, "how much is logged, from 0 to 5")
	return command
}

// What the flags say unless they are given.
const (
	// defaultNamespace is Kahu's own namespace.
	defaultNamespace = "kahu-system"
	// defaultLocationEvery is the time between two looks at a location.
	defaultLocationEvery = time.Minute
	// defaultPatience is how long a new run waits for its location.
	defaultPatience = time.Minute
)

// runManager runs the controllers until the context ends.
func runManager(ctx context.Context, options managerOptions) error {
	logger, err := newLogger("manager", options.verbosity)
	if err != nil {
		return err
	}
	config, err := clientcmd.BuildConfigFromFlags("", options.kubeconfig)
	if err != nil {
		return fmt.Errorf("reading the kubeconfig: %w", err)
	}
	config.QPS = -1 // The API server says when it is too much; see its priority and fairness.
	manager, err := newManager(config, options)
	if err != nil {
		return fmt.Errorf("making the manager: %w", err)
	}
	dependencies, err := newDependencies(ctx, config, options)
	if err != nil {
		return err
	}
	defer dependencies.pool.Close() //nolint:errcheck // The process ends with it.
	if err := controller.SetUp(manager, dependencies.controllers(manager, options)); err != nil {
		return fmt.Errorf("setting up the controllers: %w", err)
	}
	logger.Info("manager starts", "version", version, "cluster", dependencies.clusterID)
	return manager.Start(ctx)
}

// newManager returns a manager whose cache holds Kahu's own kinds and nothing else.
func newManager(config *rest.Config, options managerOptions) (ctrl.Manager, error) { //nolint:ireturn // controller-runtime has only the interface.
	scheme := runtime.NewScheme()
	for _, add := range []func(*runtime.Scheme) error{clientgoscheme.AddToScheme, kahuv1.AddToScheme} {
		if err := add(scheme); err != nil {
			return nil, err
		}
	}
	manager, err := ctrl.NewManager(config, ctrl.Options{
		Scheme:                        scheme,
		LeaderElection:                options.leaderElection,
		LeaderElectionID:              "kahu-manager",
		LeaderElectionNamespace:       options.namespace,
		LeaderElectionReleaseOnCancel: true,
		HealthProbeBindAddress:        options.healthAddress,
		Metrics:                       metricsserver.Options{BindAddress: options.metricsAddress},
		Cache: cache.Options{
			ReaderFailOnMissingInformer: true,
			ByObject: map[client.Object]cache.ByObject{
				&kahuv1.Provider{}: {}, &kahuv1.BackupLocation{}: {}, &kahuv1.Backup{}: {}, &kahuv1.Restore{}: {},
			},
		},
	})
	if err != nil {
		return nil, err
	}
	if err := manager.AddHealthzCheck("ping", healthz.Ping); err != nil {
		return nil, err
	}
	return manager, manager.AddReadyzCheck("ping", healthz.Ping)
}

// dependencies are the adapters that main hands to the controllers.
type dependencies struct {
	cluster   *cluster.Client
	clusterID string
	pool      *store.Pool
}

func newDependencies(ctx context.Context, config *rest.Config, options managerOptions) (*dependencies, error) {
	adapter, err := cluster.New(config, cluster.Options{Version: version})
	if err != nil {
		return nil, fmt.Errorf("reaching the cluster: %w", err)
	}
	id, err := adapter.ClusterID(ctx)
	if err != nil {
		return nil, fmt.Errorf("reading the identity of the cluster: %w", err)
	}
	folder, err := pki.Open(options.pki, clock.RealClock{})
	if err != nil {
		return nil, fmt.Errorf("reading --pki: %w", err)
	}
	pool := store.NewPool(folder.Client, store.Options{})
	return &dependencies{cluster: adapter, clusterID: string(id), pool: pool}, nil
}

// controllers gives the controllers what they need.
func (d *dependencies) controllers(manager ctrl.Manager, options managerOptions) controller.Options {
	return controller.Options{
		Client: manager.GetClient(), Direct: manager.GetAPIReader(), Namespace: options.namespace,
		Cluster: d.cluster, ClusterID: d.clusterID, Stores: stores{d.pool},
		Clock: clock.RealClock{}, NewID: uuid.NewString, NewAttempt: newAttempt,
		Runs: options.runs, LocationEvery: options.locationEvery, Patience: options.patience, Writer: "kahu/" + version,
	}
}

// stores lets the controllers reach the stores of providers through the pool.
type stores struct{ pool *store.Pool }

// Files returns the files of a location.
func (s stores) Files(location string, endpoint kahuv1.ProviderEndpoint) (place.Files, error) { //nolint:ireturn // The port of the controllers wants its own word.
	return s.pool.Location(location, store.Endpoint{Address: endpoint.Address, ServerName: endpoint.ServerName})
}

// newAttempt returns the id of a run: as long as a UUID, without the hyphens that file names use themselves.
func newAttempt() string { return strings.ReplaceAll(uuid.NewString(), "-", "") }
