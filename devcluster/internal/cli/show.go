package cli

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"text/tabwriter"

	"github.com/spf13/cobra"

	"github.com/soda-cdm/kahu/devcluster/internal/plane"
)

func (a *app) status() *cobra.Command {
	output := ""
	command := &cobra.Command{
		Use:   "status",
		Short: "Show how a cluster is; exits with 1 unless it is Ready",
		Args:  cobra.NoArgs,
		RunE: func(*cobra.Command, []string) error {
			layout, err := a.layout()
			if err != nil {
				return err
			}
			state, err := plane.Read(layout)
			if errors.Is(err, fs.ErrNotExist) {
				state, err = plane.State{Name: a.name, Phase: "Absent"}, nil
			}
			if err != nil {
				return err
			}
			if err := show(a.Stdout, state, output); err != nil {
				return err
			}
			if state.Phase != plane.Ready {
				return errShown
			}
			return nil
		},
	}
	a.places(command)
	command.Flags().StringVarP(&output, "output", "o", "text", "text or json")
	return command
}

func show(out io.Writer, state plane.State, format string) error {
	switch format {
	case "json":
		encoder := json.NewEncoder(out)
		encoder.SetIndent("", "  ")
		return encoder.Encode(state)
	case "text":
		return showText(out, state)
	}
	return fmt.Errorf("there is no output format %q: use text or json", format)
}

func showText(out io.Writer, state plane.State) error {
	table := tabwriter.NewWriter(out, 0, 0, 2, ' ', 0)
	row := func(name, value string) {
		if value != "" {
			_, _ = fmt.Fprintf(table, "%s\t%s\n", name, value) // Flush gives the error
		}
	}
	row("Name", state.Name)
	row("Phase", string(state.Phase))
	row("Server", state.Server)
	row("Kubeconfig", state.Kubeconfig)
	for _, node := range state.Nodes {
		row(node.Name, fmt.Sprintf("at %s, its /var is %s", node.Address, node.Folder))
	}
	for _, component := range state.Components {
		life := "ended"
		if component.Process.Alive() {
			life = "running"
		}
		row(component.Name, fmt.Sprintf("%s (process %d)", life, component.Process.PID))
	}
	row("Error", state.Error)
	return table.Flush()
}

func (a *app) list() *cobra.Command {
	command := &cobra.Command{
		Use:   "list",
		Short: "List the clusters",
		Args:  cobra.NoArgs,
		RunE: func(*cobra.Command, []string) error {
			clusters, err := a.fleet()
			if err != nil {
				return err
			}
			states, err := clusters.States()
			if err != nil {
				return err
			}
			table := tabwriter.NewWriter(a.Stdout, 0, 0, 2, ' ', 0)
			_, _ = fmt.Fprintln(table, "NAME\tPHASE\tSERVER\tKUBECONFIG") // Flush gives the error
			for _, state := range states {
				_, _ = fmt.Fprintf(table, "%s\t%s\t%s\t%s\n", state.Name, state.Phase, state.Server, state.Kubeconfig)
			}
			return table.Flush()
		},
	}
	a.folder(command)
	return command
}

func (a *app) version() *cobra.Command {
	return &cobra.Command{
		Use:   "version",
		Short: "Print the version of Kubernetes that is compiled in",
		Args:  cobra.NoArgs,
		RunE: func(*cobra.Command, []string) error {
			_, err := fmt.Fprintln(a.Stdout, a.Version)
			return err
		},
	}
}

func (a *app) kubeconfig() *cobra.Command {
	raw := false
	command := &cobra.Command{
		Use:   "kubeconfig",
		Short: "Print the path of a cluster's kubeconfig",
		Args:  cobra.NoArgs,
		RunE: func(*cobra.Command, []string) error {
			layout, err := a.layout()
			if err != nil {
				return err
			}
			content, err := os.ReadFile(layout.Kubeconfig())
			if errors.Is(err, fs.ErrNotExist) {
				return fmt.Errorf("there is no cluster %s: start it with devcluster up --name %s", a.name, a.name)
			}
			if err != nil {
				return fmt.Errorf("reading the kubeconfig: %w", err)
			}
			if raw {
				_, err = a.Stdout.Write(content)
				return err
			}
			_, err = fmt.Fprintln(a.Stdout, layout.Kubeconfig())
			return err
		},
	}
	a.places(command)
	command.Flags().BoolVar(&raw, "raw", false, "print the content instead of the path")
	return command
}
