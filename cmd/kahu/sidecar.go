package main

import (
	"fmt"
	"os"
	"strconv"
	"time"

	"github.com/spf13/pflag"
	"k8s.io/client-go/tools/clientcmd"
	"k8s.io/utils/clock"

	"github.com/soda-cdm/kahu/internal/manager"
	"github.com/soda-cdm/kahu/internal/sidecar"
)

// sidecarFlags are the flags that every sidecar has.
type sidecarFlags struct {
	kubeconfig    string
	namespace     string
	driver        string
	providerName  string
	place         string
	healthAddress string
	leaseDuration time.Duration
	verbosity     int
}

// register declares the flags. The last sentence on --place is the sidecar's own.
func (f *sidecarFlags) register(flags *pflag.FlagSet, emptyPlace string) {
	flags.StringVar(&f.kubeconfig, "kubeconfig", "", "file that says how to reach the cluster; empty inside of one")
	flags.StringVar(&f.namespace, "namespace", manager.DefaultNamespace, "Kahu's own namespace")
	flags.StringVar(&f.driver, "driver", "", "endpoint of the driver, unix:///path (required)")
	flags.StringVar(&f.providerName, "provider-name", "", "name that the driver must have; empty means the one that it has")
	flags.StringVar(&f.place, "place", "", "what the driver serves, such as a folder of a machine: while a sidecar of another place is the provider, "+
		"this one stands by; empty means "+emptyPlace)
	flags.StringVar(&f.healthAddress, "health-address", "", "where /healthz and /readyz are served; empty turns them off")
	flags.DurationVar(&f.leaseDuration, "lease-duration", sidecar.DefaultLeaseDuration, "how long a driver counts as healthy after its last sign of life")
	flags.IntVar(&f.verbosity, "verbosity", 0, "how much is logged, from 0 to 5")
}

// options returns what all sidecars have in common, for one of a name.
func (f *sidecarFlags) options(name string) (sidecar.Options, error) {
	logger, err := newLogger(name, f.verbosity)
	if err != nil {
		return sidecar.Options{}, err
	}
	config, err := clientcmd.BuildConfigFromFlags("", f.kubeconfig)
	if err != nil {
		return sidecar.Options{}, fmt.Errorf("reading --kubeconfig: %w", err)
	}
	config.QPS = -1 // The API server says when it is too much; see its priority and fairness.
	host, err := os.Hostname()
	if err != nil {
		return sidecar.Options{}, fmt.Errorf("reading the name of this machine: %w", err)
	}
	return sidecar.Options{
		Driver:        f.driver,
		ProviderName:  f.providerName,
		Place:         f.place,
		Health:        f.healthAddress,
		Config:        config,
		Namespace:     f.namespace,
		Holder:        host + "_" + strconv.Itoa(os.Getpid()),
		LeaseDuration: f.leaseDuration,
		Clock:         clock.RealClock{},
		Logger:        logger,
	}, nil
}
