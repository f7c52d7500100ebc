// Package cli is the command line of devcluster, one file per group of commands.
package cli

import (
	"context"
	"errors"
	"fmt"
	"io"
	"path/filepath"
	"strconv"

	"github.com/spf13/cobra"
	"k8s.io/utils/clock"

	"github.com/soda-cdm/kahu/devcluster/internal/fleet"
	"github.com/soda-cdm/kahu/devcluster/internal/plane"
)

// World is all that the commands have of the process and the machine.
type World struct {
	Stdin          io.Reader
	Stdout, Stderr io.Writer
	Environment    []string
	Executable     func() (string, error)
	CacheDir       func() (string, error)
	Version        string
	Clock          clock.Clock
}

// Main runs the command line and gives the exit code: 0, or 1 for any error.
func Main(ctx context.Context, arguments []string, world World) int {
	root := newRoot(world) //nolint:contextcheck // the commands take the context from cobra
	root.SetArgs(arguments)
	root.SetIn(world.Stdin)
	root.SetOut(world.Stdout)
	root.SetErr(world.Stderr)
	err := root.ExecuteContext(ctx)
	if err == nil {
		return 0
	}
	if !errors.Is(err, errShown) {
		_, _ = fmt.Fprintln(world.Stderr, "devcluster:", err) // where else could its failure be told?
	}
	return 1
}

// errShown is the error of a command that has said all there is to say.
var errShown = errors.New("already shown")

func newRoot(world World) *cobra.Command {
	root := &cobra.Command{
		Use:   "devcluster",
		Short: "A real Kubernetes in one binary",
		Long: `Devcluster runs etcd, the API server, the controller manager and the scheduler of
Kubernetes ` + world.Version + ` on loopback, without root and without containers: pods
are accepted and never run. With --node, which takes root and some Debian packages
(devcluster/packages.sh), it has a kubelet and containerd in namespaces of its own,
and pods run.`,
		SilenceErrors: true,
		SilenceUsage:  true,
	}
	app := &app{World: world}
	root.AddCommand(
		app.up(), app.down(), app.status(), app.list(), app.kubeconfig(),
		app.kubectl(), app.image(), app.csi(), app.check(), app.run(), app.supervise(), app.version(),
	)
	return root
}

// app is the world and the flags that commands share.
type app struct {
	World

	name string
	root string
}

// places adds the flags that say which cluster is meant.
func (a *app) places(command *cobra.Command) {
	command.Flags().StringVar(&a.name, "name", "default", "name of the cluster")
	a.folder(command)
}

func (a *app) folder(command *cobra.Command) {
	command.Flags().StringVar(&a.root, "dir", "", `folder of all clusters (default "kahu-devcluster" in the user's cache folder)`)
}

func (a *app) fleet() (fleet.Fleet, error) {
	root, err := a.rootFolder()
	if err != nil {
		return fleet.Fleet{}, err
	}
	executable, err := a.Executable()
	if err != nil {
		return fleet.Fleet{}, fmt.Errorf("finding the own binary: %w", err)
	}
	return fleet.Fleet{
		Root:  root,
		Clock: a.Clock,
		Supervise: func(layout plane.Layout, options fleet.UpOptions) []string {
			return []string{
				executable, "supervise",
				"--name", layout.Name, "--data", layout.Folder, "--timeout", options.Limit.String(),
				"--nodes", strconv.Itoa(options.Nodes), "--csi=" + strconv.FormatBool(options.CSI),
			}
		},
	}, nil
}

func (a *app) rootFolder() (string, error) {
	if a.root != "" {
		return filepath.Abs(a.root)
	}
	cache, err := a.CacheDir()
	if err != nil {
		return "", fmt.Errorf("finding the cache folder (or give --dir): %w", err)
	}
	return filepath.Join(cache, "kahu-devcluster"), nil
}

// layout gives the place of the cluster that the flags name.
func (a *app) layout() (plane.Layout, error) {
	clusters, err := a.fleet()
	if err != nil {
		return plane.Layout{}, err
	}
	return clusters.Layout(a.name)
}
