package main

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"strings"
	"time"

	"github.com/spf13/cobra"
	"k8s.io/client-go/dynamic"
	"k8s.io/client-go/tools/clientcmd"

	"github.com/soda-cdm/kahu/provider"
	"github.com/soda-cdm/kahu/providers/csi"
	"github.com/soda-cdm/kahu/providers/filesystem"
	"github.com/soda-cdm/kahu/providers/nfs"
	"github.com/soda-cdm/kahu/providers/s3"
)

// providerOptions are which built-in provider runs, and over what.
type providerOptions struct {
	name string
	root string // of the filesystem provider
}

// place is what the provider serves: two that serve the same can stand in for one another.
func (o providerOptions) place() string {
	if o.root == "" {
		return o.name // Where it is stands in each location.
	}
	return o.root
}

// newDriver returns a built-in provider, and what ends it. It has all that the provider can do: nothing is wrapped around it.
func newDriver(options providerOptions) (provider.Driver, func() error, error) { //nolint:ireturn // One of several.
	switch options.name {
	case filesystem.DefaultName:
		if options.root == "" {
			return nil, nil, errors.New("--root is missing")
		}
		made := filesystem.New(filesystem.Options{Root: options.root, Version: version, Now: time.Now})
		return made, func() error { return nil }, nil
	case s3.DefaultName:
		made := s3.New(s3.Options{Version: version, Now: time.Now})
		return made, made.Close, nil
	case nfs.DefaultName:
		made := nfs.New(nfs.Options{Version: version})
		return made, made.Close, nil
	}
	return nil, nil, fmt.Errorf("provider %q is not built in: there are %s, %s and %s",
		options.name, filesystem.DefaultName, s3.DefaultName, nfs.DefaultName)
}

// newProviderCommand is what a process tree runs as its provider, so that one program is all that a machine needs. Pods run
// the small programs kahu-provider-*, which have more flags.
func newProviderCommand() *cobra.Command {
	options, endpoint, kubeconfig := providerOptions{}, "", ""
	command := &cobra.Command{
		Use:    "provider NAME",
		Short:  "Run a built-in provider, for a process tree",
		Hidden: true,
		Args:   cobra.ExactArgs(1),
		RunE: func(command *cobra.Command, args []string) error {
			options.name = args[0]
			if options.name == csi.DefaultName {
				driver, err := newVolumeDriver(kubeconfig)
				if err != nil {
					return err
				}
				return serveProvider(command.Context(), options.name, driver, endpoint)
			}
			return runProvider(command.Context(), options, endpoint)
		},
	}
	command.Flags().StringVar(&options.root, "root", "", "folder of the filesystem provider")
	command.Flags().StringVar(&kubeconfig, "kubeconfig", "", "file that says how the csi provider reaches the cluster")
	command.Flags().StringVar(&endpoint, "endpoint", "", "where to listen, such as unix:///run/kahu/provider.sock (required)")
	_ = command.MarkFlagRequired("endpoint") // It fails only for a flag that is not there.
	return command
}

// newVolumeDriver returns the built-in provider of volumes.
func newVolumeDriver(kubeconfig string) (*csi.Driver, error) {
	config, err := clientcmd.BuildConfigFromFlags("", kubeconfig)
	if err != nil {
		return nil, fmt.Errorf("reading --kubeconfig: %w", err)
	}
	config.QPS = -1 // The API server says when it is too much; see its priority and fairness.
	client, err := dynamic.NewForConfig(config)
	if err != nil {
		return nil, fmt.Errorf("reaching the cluster: %w", err)
	}
	return csi.New(csi.Options{Version: version, Client: client}), nil
}

// runProvider serves a driver that stores objects until the context ends.
func runProvider(ctx context.Context, options providerOptions, endpoint string) error {
	driver, end, err := newDriver(options)
	if err != nil {
		return err
	}
	return errors.Join(serveProvider(ctx, options.name, driver, endpoint), end())
}

// serveProvider serves a driver until the context ends.
func serveProvider(ctx context.Context, name string, driver provider.Identity, endpoint string) error {
	if !strings.HasPrefix(endpoint, "unix://") {
		return errors.New("--endpoint is not of the form unix:///path")
	}
	logger := slog.New(slog.NewTextHandler(os.Stderr, nil))
	logger.Info("serving", "name", name, "version", version, "endpoint", endpoint)
	return provider.NewServer(provider.Options{Driver: driver, GRPC: provider.LogFailures(logger)}).Serve(ctx, endpoint)
}
