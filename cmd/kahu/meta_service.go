package main

import (
	"context"
	"fmt"

	"github.com/spf13/cobra"

	"github.com/soda-cdm/kahu/internal/pki"
	"github.com/soda-cdm/kahu/internal/sidecar"
)

// metaServiceFlags are the flags of the meta-service.
type metaServiceFlags struct {
	sidecarFlags

	listen      string
	advertise   string
	pki         string
	serverName  string
	clientNames []string
}

func newMetaServiceCommand() *cobra.Command {
	var values metaServiceFlags
	command := &cobra.Command{
		Use:   "meta-service",
		Short: "Run the sidecar of a provider that stores objects",
		Long: `Run the sidecar of a provider that stores objects. It registers the driver that
listens on a unix socket beside it, renews the driver's lease while it is healthy,
and serves it to the cluster over TCP with mutual TLS.`,
		Args: cobra.NoArgs,
		RunE: func(command *cobra.Command, _ []string) error {
			return runMetaService(command.Context(), values)
		},
	}
	flags := command.Flags()
	values.register(flags, "the one of --server-name")
	flags.StringVar(&values.listen, "listen", "127.0.0.1:0", "host:port where the driver is served; port 0 is a free one")
	flags.StringVar(&values.advertise, "advertise", "", "host or host:port that clients are told; what it lacks is that of --listen")
	flags.StringVar(&values.pki, "pki", "", "folder with tls.crt, tls.key and ca.crt of the server (required)")
	flags.StringVar(&values.serverName, "server-name", "", "DNS name in the server's certificate (required)")
	flags.StringSliceVar(&values.clientNames, "client-name", []string{managerName}, "common names in the certificates of clients that are let in")
	for _, required := range []string{"driver", "pki", "server-name"} {
		_ = command.MarkFlagRequired(required) // It fails only for a flag that is not there.
	}
	return command
}

// runMetaService runs the sidecar until the context ends.
func runMetaService(ctx context.Context, values metaServiceFlags) error {
	options, err := values.options("meta-service")
	if err != nil {
		return err
	}
	folder, err := pki.Open(values.pki, options.Clock)
	if err != nil {
		return fmt.Errorf("reading --pki: %w", err)
	}
	options.Listen, options.Advertise, options.ServerName = values.listen, values.advertise, values.serverName
	options.TLS = folder.Server(values.clientNames...)
	return sidecar.Run(ctx, options)
}
