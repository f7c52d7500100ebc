package main

import (
	"context"
	"fmt"
	"os"

	"github.com/spf13/cobra"

	"github.com/soda-cdm/kahu/internal/sidecar"
	"github.com/soda-cdm/kahu/internal/sidecar/orders"
)

func newVolumeServiceCommand() *cobra.Command {
	var (
		common sidecarFlags
		limits orders.Limits
	)
	command := &cobra.Command{
		Use:   "volume-service",
		Short: "Run the sidecar of a provider that backs up volumes",
		Long: `Run the sidecar of a provider that backs up volumes. It registers the driver that
listens on a unix socket beside it, renews the driver's lease while it is healthy,
and carries out the work orders for volumes: VolumeBackupContents and
VolumeRestoreContents.`,
		Args: cobra.NoArgs,
		RunE: func(command *cobra.Command, _ []string) error {
			return runVolumeService(command.Context(), common, limits)
		},
	}
	flags := command.Flags()
	common.register(flags, "this machine or pod, and the endpoint of the driver")
	flags.IntVar(&limits.Parallel, "parallel", orders.DefaultParallel, "how many orders the driver works on at once")
	flags.DurationVar(&limits.CallTimeout, "call-timeout", orders.DefaultCallTimeout, "how long one call of the driver may take")
	flags.DurationVar(&limits.Patience, "progress-timeout", orders.DefaultPatience, "how long an order may be without progress while the driver is there")
	flags.DurationVar(&limits.CancelTimeout, "cancel-timeout", orders.DefaultCancelTimeout,
		"how long the driver may take to confirm that it has ended the work on an order")
	_ = command.MarkFlagRequired("driver") // It fails only for a flag that is not there.
	return command
}

// runVolumeService runs the sidecar until the context ends.
func runVolumeService(ctx context.Context, common sidecarFlags, limits orders.Limits) error {
	options, err := common.options("volume-service")
	if err != nil {
		return err
	}
	if options.Place == "" {
		host, err := os.Hostname()
		if err != nil {
			return fmt.Errorf("reading the name of this machine: %w", err)
		}
		options.Place = host + ":" + options.Driver
	}
	return sidecar.RunVolumes(ctx, options, limits)
}
