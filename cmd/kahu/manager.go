package main

import (
	"context"
	"fmt"

	"github.com/go-logr/logr"
	"github.com/spf13/cobra"
	"github.com/spf13/pflag"
	"k8s.io/client-go/tools/clientcmd"

	"github.com/soda-cdm/kahu/internal/controller"
	"github.com/soda-cdm/kahu/internal/manager"
)

// managerOptions are the flags of the manager.
type managerOptions struct {
	manager.Options
	kubeconfig string
	verbosity  int
}

func newManagerCommand() *cobra.Command {
	options := managerOptions{Options: manager.Options{Version: version}}
	command := &cobra.Command{
		Use:   "manager",
		Short: "Run the controllers of backups, restores and locations",
		Args:  cobra.NoArgs,
		RunE: func(command *cobra.Command, _ []string) error {
			limitMemory()
			return runManager(command.Context(), options)
		},
	}
	flags := command.Flags()
	flags.StringVar(&options.kubeconfig, "kubeconfig", "", "file that says how to reach the cluster; empty inside of one")
	flags.StringVar(&options.Namespace, "namespace", manager.DefaultNamespace, "Kahu's own namespace")
	flags.StringVar(&options.PKI, "pki", "", "folder with tls.crt, tls.key and ca.crt, for the connections to providers")
	flags.StringVar(&options.HealthAddress, "health-address", "127.0.0.1:0", "where /healthz and /readyz are served; 0 turns them off")
	addObservationFlags(flags, &options.Options)
	flags.StringVar(&options.MetricsPKI, "metrics-pki", "", "folder with tls.crt, tls.key and ca.crt, to serve /metrics over TLS: needed unless --metrics-address is a loopback address")
	flags.StringVar(&options.MetricsClient, "metrics-client", manager.DefaultMetricsClient, "common name in the certificate of whoever reads /metrics over TLS")
	addLeaderElectionFlags(flags, &options.Options)
	flags.IntVar(&options.Runs, "runs", manager.DefaultRuns, "how many backups, and how many restores, go on at once; "+
		"more only at locations at which nothing runs, one each, or for who was passed by many, and at most twice as many in all")
	flags.IntVar(&options.RunsPerLocation, "runs-per-location", manager.DefaultRunsPerLocation,
		"how many of them go on at once at a location whose spec.limits does not say it")
	flags.DurationVar(&options.LocationEvery, "location-interval", manager.DefaultLocationEvery, "time between two looks at a location")
	flags.DurationVar(&options.Patience, "location-patience", manager.DefaultPatience, "how long a new run waits for its location to become ready")
	flags.DurationVar(&options.CollectEvery, "collection-interval", controller.DefaultCollectEvery,
		"time between two looks for files at a location that nobody needs")
	flags.DurationVar(&options.CollectGrace, "collection-grace", controller.DefaultCollectGrace,
		"for how long nothing of a run must have been written, by the clock of the store, before what nobody needs of it is removed")
	flags.DurationVar(&options.InheritAfter, "inherit-after", controller.DefaultInheritAfter,
		"for how long nothing must have been written in the part of another cluster, by the clock of the store, before this one takes it over: "+
			"longer than the collection-interval of that cluster")
	flags.BoolVar(&options.ReadOnlyLocations, "read-only-locations", false,
		"treat every location as if its accessMode were ReadOnly: nothing is written to any of them, and no place is made a location")
	flags.DurationVar(&options.KeepAnswers, "inspection-ttl", manager.DefaultKeepAnswers, "how long the answer to an Inspection stays")
	flags.IntVar(&options.verbosity, "verbosity", 0, "how much is logged, from 0 to 5")
	return command
}

// addObservationFlags adds the flags about what is shown to those who watch over the manager.
func addObservationFlags(flags *pflag.FlagSet, options *manager.Options) {
	flags.StringVar(&options.MetricsAddress, "metrics-address", "0", "where /metrics is served; 0 turns it off")
	flags.StringVar(&options.PprofAddress, "pprof-address", "0", "where /debug/pprof/ is served, on a loopback address; 0 turns it off")
}

func addLeaderElectionFlags(flags *pflag.FlagSet, options *manager.Options) {
	flags.BoolVar(&options.LeaderElection, "leader-elect", true, "let only one of several managers work")
	flags.DurationVar(&options.LeaseDuration, "leader-election-lease-duration", manager.DefaultLeaseDuration,
		"how long the others wait after the last sign of life of the manager that leads")
	flags.DurationVar(&options.RenewDeadline, "leader-election-renew-deadline", manager.DefaultRenewDeadline,
		"how long the manager that leads goes on without renewing its lease")
	flags.DurationVar(&options.RetryPeriod, "leader-election-retry-period", manager.DefaultRetryPeriod,
		"time between two tries to get or renew the lease")
}

// runManager runs the controllers until the context ends.
func runManager(ctx context.Context, options managerOptions) error {
	if err := options.Validate(); err != nil {
		return err
	}
	logger, err := newLogger("manager", options.verbosity)
	if err != nil {
		return err
	}
	config, err := clientcmd.BuildConfigFromFlags("", options.kubeconfig)
	if err != nil {
		return fmt.Errorf("reading the kubeconfig: %w", err)
	}
	return manager.Run(logr.NewContext(ctx, logger), config, options.Options, manager.Hooks{})
}
