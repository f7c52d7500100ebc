package cli

import (
	"context"
	"fmt"
	"time"

	"github.com/spf13/cobra"

	"github.com/soda-cdm/kahu/devcluster/internal/fleet"
)

// startLimit is generous: a busy machine may take ten times as long as an idle one.
const startLimit = 2 * time.Minute

func (a *app) up() *cobra.Command {
	options, nodes := fleet.UpOptions{}, nodeFlags{}
	command := &cobra.Command{
		Use:   "up",
		Short: "Start a cluster in the background and print the path of its kubeconfig",
		Args:  cobra.NoArgs,
		RunE: func(command *cobra.Command, _ []string) error {
			clusters, err := a.fleet()
			if err != nil {
				return err
			}
			if options.Nodes, err = nodes.wanted(); err != nil {
				return err
			}
			state, found, err := clusters.Up(command.Context(), a.name, options)
			if err != nil {
				return err
			}
			says := fmt.Sprintf("cluster %s is ready at %s after %.1f s", a.name, state.Server, state.ReadySeconds)
			switch found {
			case fleet.Running:
				says = fmt.Sprintf("cluster %s is up already at %s", a.name, state.Server)
			case fleet.Data:
				says += ", with the data that it had"
			case fleet.Nothing:
			}
			command.PrintErrln(says)
			_, err = fmt.Fprintln(a.Stdout, state.Kubeconfig)
			return err
		},
	}
	a.places(command)
	nodes.add(command)
	csiFlag(command, &options.CSI)
	command.Flags().BoolVar(&options.Fresh, "fresh", false, "remove what the cluster held before")
	command.Flags().DurationVar(&options.Limit, "timeout", startLimit, "how long it may take to be ready")
	return command
}

func (a *app) down() *cobra.Command {
	options := fleet.DownOptions{Limit: startLimit}
	all := false
	command := &cobra.Command{
		Use:   "down",
		Short: "End a cluster and remove its data",
		Args:  cobra.NoArgs,
		RunE: func(command *cobra.Command, _ []string) error {
			clusters, err := a.fleet()
			if err != nil {
				return err
			}
			names := []string{a.name}
			if all {
				if names, err = namesOf(clusters); err != nil {
					return err
				}
			}
			for _, name := range names {
				if err := takeDown(command.Context(), command, clusters, name, options); err != nil {
					return err
				}
			}
			return nil
		},
	}
	a.places(command)
	command.Flags().BoolVar(&options.KeepData, "keep-data", false, "keep the cluster's folder for the next start")
	command.Flags().BoolVar(&all, "all", false, "end every cluster of the folder")
	command.MarkFlagsMutuallyExclusive("all", "name")
	return command
}

func namesOf(clusters fleet.Fleet) ([]string, error) {
	states, err := clusters.States()
	names := make([]string, 0, len(states))
	for _, state := range states {
		names = append(names, state.Name)
	}
	return names, err
}

func takeDown(ctx context.Context, command *cobra.Command, clusters fleet.Fleet, name string, options fleet.DownOptions) error {
	was, err := clusters.Down(ctx, name, options)
	if err != nil {
		return err
	}
	if !was {
		command.PrintErrf("there is no cluster %s\n", name)
		return nil
	}
	command.PrintErrf("cluster %s is down\n", name)
	return nil
}
