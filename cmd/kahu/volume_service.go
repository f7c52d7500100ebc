package main

import (
	"context"
	"fmt"
	"os"
	"strconv"
	"time"

	"github.com/spf13/cobra"
	"k8s.io/client-go/tools/clientcmd"
	"k8s.io/utils/clock"

	"github.com/soda-cdm/kahu/internal/manager"
	"github.com/soda-cdm/kahu/internal/sidecar"
	"github.com/soda-cdm/kahu/internal/sidecar/orders"
)

// volumeServiceOptions are the flags of the volume-service.
type volumeServiceOptions struct {
	kubeconfig    string
	namespace     string
	driver        string
	providerName  string
	place         string
	healthAddress string
	leaseDuration time.Duration
	limits        orders.Limits
	verbosity     int
}

func newVolumeServiceCommand() *cobra.Command {
	options := volumeServiceOptions{}
	command := &cobra.Command{
		Use:   "volume-service",
		Short: "Run the sidecar of a provider that backs up volumes",
		Long: `Run the sidecar of a provider that backs up volumes. It registers the driver that
listens on a unix socket beside it, renews the driver's lease while it is healthy,
and carries out the work orders for volumes: VolumeBackupContents and
VolumeRestoreContents.`,
		Args: cobra.NoArgs,
		RunE: func(command *cobra.Command, _ []string) error {
			return runVolumeService(command.Context(), options)
		},
	}
	flags := command.Flags()
	flags.StringVar(&options.kubeconfig, "kubeconfig", "", "file that says how to reach the cluster; empty inside of one")
	flags.StringVar(&options.namespace, "namespace", manager.DefaultNamespace, "Kahu's own namespace")
	flags.StringVar(&options.driver, "driver", "", "endpoint of the driver, unix:///path (required)")
	flags.StringVar(&options.providerName, "provider-name", "", "name that the driver must have; empty means the one that it has")
	flags.StringVar(&options.place, "place", "", "what the driver serves: while a sidecar of another place is the provider, this one stands by; "+
		"empty means this machine or pod, and the endpoint of the driver")
	flags.StringVar(&options.healthAddress, "health-address", "", "where /healthz and /readyz are served; empty turns them off")
	flags.DurationVar(&options.leaseDuration, "lease-duration", sidecar.DefaultLeaseDuration, "how long a driver counts as healthy after its last sign of life")
	flags.IntVar(&options.limits.Parallel, "parallel", orders.DefaultParallel, "how many orders the driver works on at once")
	flags.DurationVar(&options.limits.CallTimeout, "call-timeout", orders.DefaultCallTimeout, "how long one call of the driver may take")
	flags.DurationVar(&options.limits.Patience, "progress-timeout", orders.DefaultPatience, "how long an order may be without progress while the driver is there")
	flags.DurationVar(&options.limits.CancelTimeout, "cancel-timeout", orders.DefaultCancelTimeout,
		"how long the driver may take to confirm that it has ended the work on an order")
	flags.IntVar(&options.verbosity, "verbosity", 0, "how much is logged, from 0 to 5")
	_ = command.MarkFlagRequired("driver") // It fails only for a flag that is not there.
	return command
}

// runVolumeService runs the sidecar until the context ends.
func runVolumeService(ctx context.Context, options volumeServiceOptions) error {
	logger, err := newLogger("volume-service", options.verbosity)
	if err != nil {
		return err
	}
	config, err := clientcmd.BuildConfigFromFlags("", options.kubeconfig)
	if err != nil {
		return fmt.Errorf("reading --kubeconfig: %w", err)
	}
	config.QPS = -1 // The API server says when it is too much; see its priority and fairness.
	host, err := os.Hostname()
	if err != nil {
		return fmt.Errorf("reading the name of this machine: %w", err)
	}
	if options.place == "" {
		options.place = host + ":" + options.driver
	}
	return sidecar.RunVolumes(ctx, sidecar.Options{
		Driver:        options.driver,
		ProviderName:  options.providerName,
		Place:         options.place,
		Health:        options.healthAddress,
		Config:        config,
		Namespace:     options.namespace,
		Holder:        host + "_" + strconv.Itoa(os.Getpid()),
		LeaseDuration: options.leaseDuration,
		Clock:         clock.RealClock{},
		Logger:        logger,
	}, options.limits)
}
