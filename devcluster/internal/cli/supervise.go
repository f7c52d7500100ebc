package cli

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"
	"golang.org/x/sys/unix"

	"github.com/soda-cdm/kahu/devcluster/internal/fleet"
	"github.com/soda-cdm/kahu/devcluster/internal/plane"
)

// grace is how long a component of a cluster whose data may be kept has to end by itself.
const grace = 4 * time.Second

// supervise is what up runs in the background.
func (a *app) supervise() *cobra.Command {
	layout, wanted := plane.Layout{}, extent{}
	command := &cobra.Command{
		Use:    "supervise",
		Short:  "Run a cluster for the command up, which listens on file descriptor 3",
		Hidden: true,
		Args:   cobra.NoArgs,
		RunE: func(command *cobra.Command, _ []string) error {
			unix.CloseOnExec(fleet.ReportDescriptor) // it is not for the components
			pipe := os.NewFile(fleet.ReportDescriptor, "report")
			if pipe == nil {
				return errors.New("nobody listens on file descriptor 3: use devcluster up")
			}
			reported := false
			report := func(report fleet.Report) error {
				reported = true
				return errors.Join(json.NewEncoder(pipe).Encode(report), pipe.Close())
			}
			supervisor, err := a.supervisor(layout, wanted)
			if err == nil {
				supervisor.Grace = grace
				err = supervisor.Run(command.Context(), func(state plane.State) error {
					return report(fleet.Report{State: state})
				})
			}
			if err != nil && !reported {
				err = errors.Join(err, report(fleet.Report{Error: err.Error()}))
			}
			return err
		},
	}
	command.Flags().StringVar(&layout.Name, "name", "default", "name of the cluster")
	command.Flags().StringVar(&layout.Folder, "data", "", "folder of the cluster")
	command.Flags().DurationVar(&wanted.limit, "timeout", startLimit, "how long it may take to be ready")
	command.Flags().IntVar(&wanted.nodes, "nodes", 0, "how many nodes")
	csiFlag(command, &wanted.csi)
	return command
}

// run is the cluster of a test: it lives as long as the test holds its stdin.
func (a *app) run() *cobra.Command {
	folder, copyTo, wanted, nodes := "", "", extent{}, nodeFlags{}
	command := &cobra.Command{
		Use:   "run",
		Short: "Run a cluster in the foreground until stdin closes",
		Long: `Run a cluster in the foreground. When it is ready, one line of JSON on stdout
gives its "kubeconfig" and "server". It ends, and its data with it, on SIGTERM, on
SIGINT, or when stdin closes: so it never outlives the program that started it.`,
		Args: cobra.NoArgs,
		RunE: func(command *cobra.Command, _ []string) error {
			count, err := nodes.wanted()
			if err != nil {
				return err
			}
			wanted.nodes = count
			layout, err := emptyFolder(folder)
			if err != nil {
				return err
			}
			supervisor, err := a.supervisor(layout, wanted)
			if err != nil {
				return err
			}
			err = supervisor.Run(untilClosed(command.Context(), a.Stdin), func(state plane.State) error {
				return a.announce(state, copyTo)
			})
			if copyTo != "" {
				err = errors.Join(err, removeFile(copyTo))
			}
			return errors.Join(err, os.RemoveAll(layout.Folder))
		},
	}
	command.Flags().StringVar(&folder, "data", "", "folder for the data, empty or not there yet (default a temporary one)")
	command.Flags().StringVar(&copyTo, "kubeconfig-out", "", "also write the kubeconfig to this file")
	command.Flags().DurationVar(&wanted.limit, "timeout", startLimit, "how long it may take to be ready")
	nodes.add(command)
	csiFlag(command, &wanted.csi)
	return command
}

// extent is what a cluster is to have.
type extent struct {
	nodes int
	csi   bool
	limit time.Duration
}

func (a *app) supervisor(layout plane.Layout, wanted extent) (plane.Supervisor, error) {
	executable, err := a.Executable()
	if err != nil {
		return plane.Supervisor{}, fmt.Errorf("finding the own binary: %w", err)
	}
	nodes, err := a.nodes(wanted.nodes)
	if err != nil {
		return plane.Supervisor{}, err
	}
	drivers, err := a.drivers(wanted.csi)
	if err != nil {
		return plane.Supervisor{}, err
	}
	return plane.Supervisor{
		Layout:      layout,
		Nodes:       nodes,
		CSI:         drivers,
		Executable:  executable,
		Environment: plain(a.Environment),
		Clock:       a.Clock,
		StartLimit:  wanted.limit,
	}, nil
}

// plain leaves out of the environment what would change the components: etcd
// takes every flag from it, and all of them take proxies.
func plain(environment []string) []string {
	kept := []string{"PATH", "HOME", "TMPDIR", "TZ", "GODEBUG", "GOGC", "GOMAXPROCS", "GOMEMLIMIT", "GOTRACEBACK"}
	return slices.DeleteFunc(slices.Clone(environment), func(variable string) bool {
		name, _, _ := strings.Cut(variable, "=")
		return !slices.Contains(kept, name)
	})
}

// emptyFolder makes the folder, which will be removed in the end: so it must not hold anything yet.
func emptyFolder(folder string) (plane.Layout, error) {
	if folder == "" {
		temporary, err := os.MkdirTemp("", "devcluster-")
		if err != nil {
			return plane.Layout{}, fmt.Errorf("making a folder for the data: %w", err)
		}
		return plane.Layout{Name: "run", Folder: temporary}, nil
	}
	absolute, err := filepath.Abs(folder)
	if err != nil {
		return plane.Layout{}, fmt.Errorf("finding the data folder: %w", err)
	}
	if err := os.MkdirAll(absolute, 0o700); err != nil {
		return plane.Layout{}, fmt.Errorf("making the data folder: %w", err)
	}
	entries, err := os.ReadDir(absolute)
	if err != nil {
		return plane.Layout{}, fmt.Errorf("reading the data folder: %w", err)
	}
	if len(entries) > 0 {
		return plane.Layout{}, fmt.Errorf("the data folder %s is not empty, and would be removed in the end", absolute)
	}
	return plane.Layout{Name: "run", Folder: absolute}, nil
}

// untilClosed gives a context that ends with the stream, too. The reading
// cannot be cut short: it ends with the stream or the process.
func untilClosed(ctx context.Context, stream io.Reader) context.Context {
	ctx, cancel := context.WithCancel(ctx)
	go func() {
		defer cancel()
		_, _ = io.Copy(io.Discard, stream) // an error is an end as well
	}()
	return ctx
}

// announce tells the starter where the cluster is, once.
func (a *app) announce(state plane.State, copyTo string) error {
	if copyTo != "" {
		content, err := os.ReadFile(state.Kubeconfig)
		if err != nil {
			return fmt.Errorf("reading the kubeconfig: %w", err)
		}
		if err := os.WriteFile(copyTo, content, 0o600); err != nil { //nolint:gosec // where the user wants it
			return fmt.Errorf("writing the kubeconfig: %w", err)
		}
	}
	return json.NewEncoder(a.Stdout).Encode(struct {
		Kubeconfig string `json:"kubeconfig"`
		Server     string `json:"server"`
	}{state.Kubeconfig, state.Server})
}

func removeFile(path string) error {
	if err := os.Remove(path); err != nil && !errors.Is(err, os.ErrNotExist) {
		return fmt.Errorf("removing the kubeconfig: %w", err)
	}
	return nil
}
