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
	"github.com/soda-cdm/kahu/internal/pki"
	"github.com/soda-cdm/kahu/internal/sidecar"
)

// metaServiceOptions are the flags of the meta-service.
type metaServiceOptions struct {
	kubeconfig    string
	namespace     string
	driver        string
	providerName  string
	listen        string
	advertise     string
	pki           string
	serverName    string
	place         string
	clientNames   []string
	healthAddress string
	leaseDuration time.Duration
	verbosity     int
}

func newMetaServiceCommand() *cobra.Command {
	options := metaServiceOptions{}
	command := &cobra.Command{
		Use:   "meta-service",
		Short: "Run the sidecar of a provider that stores objects",
		Long: `Run the sidecar of a provider that stores objects. It registers the driver that
listens on a unix socket beside it, renews the driver's lease while it is healthy,
and serves it to the cluster over TCP with mutual TLS.`,
		Args: cobra.NoArgs,
		RunE: func(command *cobra.Command, _ []string) error {
			return runMetaService(command.Context(), options)
		},
	}
	flags := command.Flags()
	flags.StringVar(&options.kubeconfig, "kubeconfig", "", "file that says how to reach the cluster; empty inside of one")
	flags.StringVar(&options.namespace, "namespace", manager.DefaultNamespace, "Kahu's own namespace")
	flags.StringVar(&options.driver, "driver", "", "endpoint of the driver, unix:///path (required)")
	flags.StringVar(&options.providerName, "provider-name", "", "name that the driver must have; empty means the one that it has")
	flags.StringVar(&options.listen, "listen", "127.0.0.1:0", "host:port where the driver is served; port 0 is a free one")
	flags.StringVar(&options.advertise, "advertise", "", "host or host:port that clients are told; what it lacks is that of --listen")
	flags.StringVar(&options.pki, "pki", "", "folder with tls.crt, tls.key and ca.crt of the server (required)")
	flags.StringVar(&options.serverName, "server-name", "", "DNS name in the server's certificate (required)")
	flags.StringVar(&options.place, "place", "", "what the driver serves, such as a folder of a machine: while a sidecar of another place is the provider, "+
		"this one stands by; empty means the one of --server-name")
	flags.StringSliceVar(&options.clientNames, "client-name", []string{managerName}, "common names in the certificates of clients that are let in")
	flags.StringVar(&options.healthAddress, "health-address", "", "where /healthz and /readyz are served; empty turns them off")
	flags.DurationVar(&options.leaseDuration, "lease-duration", sidecar.DefaultLeaseDuration, "how long a driver counts as healthy after its last sign of life")
	flags.IntVar(&options.verbosity, "verbosity", 0, "how much is logged, from 0 to 5")
	for _, required := range []string{"driver", "pki", "server-name"} {
		_ = command.MarkFlagRequired(required) // It fails only for a flag that is not there.
	}
	return command
}

// runMetaService runs the sidecar until the context ends.
func runMetaService(ctx context.Context, options metaServiceOptions) error {
	logger, err := newLogger("meta-service", options.verbosity)
	if err != nil {
		return err
	}
	config, err := clientcmd.BuildConfigFromFlags("", options.kubeconfig)
	if err != nil {
		return fmt.Errorf("reading --kubeconfig: %w", err)
	}
	config.QPS = -1 // The API server says when it is too much; see its priority and fairness.
	folder, err := pki.Open(options.pki, clock.RealClock{})
	if err != nil {
		return fmt.Errorf("reading --pki: %w", err)
	}
	host, err := os.Hostname()
	if err != nil {
		return fmt.Errorf("reading the name of this machine: %w", err)
	}
	return sidecar.Run(ctx, sidecar.Options{
		Driver:        options.driver,
		ProviderName:  options.providerName,
		Listen:        options.listen,
		Advertise:     options.advertise,
		ServerName:    options.serverName,
		Place:         options.place,
		TLS:           folder.Server(options.clientNames...),
		Health:        options.healthAddress,
		Config:        config,
		Namespace:     options.namespace,
		Holder:        host + "_" + strconv.Itoa(os.Getpid()),
		LeaseDuration: options.leaseDuration,
		Clock:         clock.RealClock{},
		Logger:        logger,
	})
}
