// Package manager puts the manager together: it builds the adapters, hands them to the controllers, and runs these. The
// program does it with what its flags say; a test does it with [Hooks], which the program has no flag for.
package manager

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"strings"
	"time"

	"github.com/go-logr/logr"
	"github.com/google/uuid"
	"google.golang.org/grpc"
	"k8s.io/apimachinery/pkg/runtime"
	clientgoscheme "k8s.io/client-go/kubernetes/scheme"
	"k8s.io/client-go/rest"
	toolscache "k8s.io/client-go/tools/cache"
	"k8s.io/utils/clock"
	ctrl "sigs.k8s.io/controller-runtime"
	"sigs.k8s.io/controller-runtime/pkg/cache"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/healthz"
	"sigs.k8s.io/controller-runtime/pkg/metrics"

	kahuv1 "github.com/soda-cdm/kahu/api/v1beta1"
	"github.com/soda-cdm/kahu/internal/cluster"
	"github.com/soda-cdm/kahu/internal/controller"
	kahumetrics "github.com/soda-cdm/kahu/internal/controller/metrics"
	"github.com/soda-cdm/kahu/internal/controller/place"
	"github.com/soda-cdm/kahu/internal/hook"
	"github.com/soda-cdm/kahu/internal/pki"
	"github.com/soda-cdm/kahu/internal/store"
	"github.com/soda-cdm/kahu/internal/volume"
)

// Hooks are where a test puts itself between the manager and the world. The zero value changes nothing.
type Hooks struct {
	// Transport wraps the transport of all calls to the API server.
	Transport func(http.RoundTripper) http.RoundTripper
	// Dial are further options of the connections to meta-services, such as interceptors.
	Dial []grpc.DialOption
	// Options changes what the controllers are given.
	Options func(*controller.Options)
}

// Run runs the controllers of the cluster that config reaches until the context ends, or until another manager leads.
// It changes config, and logs to the logger of the context.
func Run(ctx context.Context, config *rest.Config, options Options, hooks Hooks) error {
	if err := options.Validate(); err != nil {
		return err
	}
	config.QPS = -1 // The API server says when it is too much; see its priority and fairness.
	if hooks.Transport != nil {
		config.Wrap(hooks.Transport)
	}
	made, err := newManager(ctx, config, options)
	if err != nil {
		return fmt.Errorf("making the manager: %w", err)
	}
	dependencies, err := newDependencies(ctx, config, options, hooks)
	if err != nil {
		return err
	}
	defer dependencies.pool.Close() //nolint:errcheck // The process ends with it.
	handed := dependencies.controllers(made, options)
	if hooks.Options != nil {
		hooks.Options(&handed)
	}
	if err := handed.Metrics.Register(metrics.Registry); err != nil {
		return fmt.Errorf("registering the metrics: %w", err)
	}
	if err := controller.SetUp(made, handed); err != nil {
		return fmt.Errorf("setting up the controllers: %w", err)
	}
	logr.FromContextOrDiscard(ctx).Info("manager starts", "version", options.Version, "cluster", dependencies.clusterID)
	return made.Start(ctx)
}

// newManager returns a manager whose cache holds Kahu's own kinds and nothing else.
func newManager(ctx context.Context, config *rest.Config, options Options) (ctrl.Manager, error) { //nolint:ireturn // controller-runtime has only the interface.
	scheme := runtime.NewScheme()
	for _, add := range []func(*runtime.Scheme) error{clientgoscheme.AddToScheme, kahuv1.AddToScheme} {
		if err := add(scheme); err != nil {
			return nil, err
		}
	}
	served, err := metricsOptions(options)
	if err != nil {
		return nil, err
	}
	made, err := ctrl.NewManager(config, ctrl.Options{
		Scheme:                        scheme,
		Logger:                        quietAtEnd(ctx),
		LeaderElection:                options.LeaderElection,
		LeaderElectionConfig:          leaseConfig(config),
		LeaderElectionID:              kahuv1.ManagerLeaseName,
		LeaderElectionNamespace:       options.Namespace,
		LeaderElectionReleaseOnCancel: true,
		LeaseDuration:                 &options.LeaseDuration,
		RenewDeadline:                 &options.RenewDeadline,
		RetryPeriod:                   &options.RetryPeriod,
		HealthProbeBindAddress:        options.HealthAddress,
		Metrics:                       served,
		PprofBindAddress:              options.PprofAddress,
		Cache: cache.Options{
			ReaderFailOnMissingInformer: true,
			ByObject: map[client.Object]cache.ByObject{
				&kahuv1.Provider{}: {}, &kahuv1.BackupLocation{}: {Transform: accessOf(options)}, &kahuv1.Backup{}: {}, &kahuv1.Restore{}: {},
				&kahuv1.TransformSet{}: {}, &kahuv1.Inspection{}: {Transform: withoutLines},
			},
		},
	})
	if err != nil {
		return nil, err
	}
	if err := made.AddHealthzCheck("ping", healthz.Ping); err != nil {
		return nil, err
	}
	return made, made.AddReadyzCheck("cache", func(request *http.Request) error {
		waiting, cancel := context.WithTimeout(request.Context(), readyTime)
		defer cancel()
		if !made.GetCache().WaitForCacheSync(waiting) {
			return errNotRead
		}
		return nil
	})
}

// leaseConfig is the config for the lease: with a connection of its own, so that its renewal, which must not be late, waits
// behind no list and no creation, and lives on where their connection hangs. Clients whose configs are equal share one.
func leaseConfig(config *rest.Config) *rest.Config {
	const dialTime = 5 * time.Second
	own := rest.CopyConfig(config)
	own.Dial = (&net.Dialer{Timeout: dialTime, KeepAlive: dialTime}).DialContext
	return own
}

// readyTime bounds the answer whether the manager is ready.
const readyTime = time.Second

// errNotRead: the manager has not read the cluster's objects of Kahu's own kinds yet.
var errNotRead = errors.New("Kahu's own objects have not been read yet") //nolint:staticcheck // It is a name.

// accessOf makes every location in the cache read-only where the options say so. Whoever acts at a location has read it there.
func accessOf(options Options) toolscache.TransformFunc {
	if !options.ReadOnlyLocations {
		return nil
	}
	return func(cached any) (any, error) {
		if location, ok := cached.(*kahuv1.BackupLocation); ok {
			location.Spec.AccessMode = kahuv1.AccessReadOnly
		}
		return cached, nil
	}
}

// withoutLines keeps the answers of Inspections out of the cache: nobody reads them there.
func withoutLines(cached any) (any, error) {
	if inspection, ok := cached.(*kahuv1.Inspection); ok {
		inspection.Status.Lines = nil
	}
	return cached, nil
}

// dependencies are the adapters that the controllers get.
type dependencies struct {
	cluster   *cluster.Client
	clusterID string
	pool      *store.Pool
	commands  *hook.Runner
	volumes   *volume.Client
}

func newDependencies(ctx context.Context, config *rest.Config, options Options, hooks Hooks) (*dependencies, error) {
	adapter, err := cluster.New(config, cluster.Options{Version: options.Version})
	if err != nil {
		return nil, fmt.Errorf("reaching the cluster: %w", err)
	}
	id, err := adapter.ClusterID(ctx)
	if err != nil {
		return nil, fmt.Errorf("reading the identity of the cluster: %w", err)
	}
	folder, err := pki.Open(options.PKI, clock.RealClock{})
	if err != nil {
		return nil, fmt.Errorf("reading --pki: %w", err)
	}
	commands, err := hook.New(config, clock.RealClock{})
	if err != nil {
		return nil, err
	}
	volumes, err := volume.New(config, volume.Options{Namespace: options.Namespace})
	if err != nil {
		return nil, err
	}
	pool := store.NewPool(folder.Client, store.Options{}, hooks.Dial...)
	return &dependencies{cluster: adapter, clusterID: string(id), pool: pool, commands: commands, volumes: volumes}, nil
}

// controllers gives the controllers what they need.
func (d *dependencies) controllers(made ctrl.Manager, options Options) controller.Options {
	return controller.Options{
		Client: made.GetClient(), Direct: made.GetAPIReader(), Namespace: options.Namespace,
		Cluster: d.cluster, ClusterID: d.clusterID, Stores: stores{d.pool}, Commands: d.commands, Volumes: d.volumes,
		Clock: clock.RealClock{}, NewID: uuid.NewString, NewAttempt: newAttempt,
		Runs: options.Runs, RunsPerLocation: options.RunsPerLocation, LocationEvery: options.LocationEvery, Patience: options.Patience,
		Metrics: kahumetrics.New(made.GetClient()), News: made.GetEventRecorder("kahu"),
		CollectEvery: options.CollectEvery, CollectGrace: options.CollectGrace, InheritAfter: options.InheritAfter,
		KeepAnswers: options.KeepAnswers, Writer: "kahu/" + options.Version,
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
