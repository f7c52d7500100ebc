package cli

import (
	"encoding/json"
	"fmt"
	"io"
	"path/filepath"
	"text/tabwriter"
	"time"

	"github.com/spf13/cobra"

	"github.com/soda-cdm/kahu/devcluster/internal/csi/driver"
	"github.com/soda-cdm/kahu/devcluster/internal/csi/storage"
	"github.com/soda-cdm/kahu/devcluster/internal/plane"
)

func (a *app) csi() *cobra.Command {
	command := &cobra.Command{
		Use:   "csi",
		Short: "Look at what the CSI drivers of a cluster hold, and have them fail",
	}
	command.AddCommand(a.csiList(), a.csiBehave())
	return command
}

func (a *app) csiList() *cobra.Command {
	output := ""
	command := &cobra.Command{
		Use:   "list",
		Short: "List every volume and snapshot that is stored, whoever knows of it",
		Args:  cobra.NoArgs,
		RunE: func(*cobra.Command, []string) error {
			layout, err := a.clusterWithDrivers()
			if err != nil {
				return err
			}
			all, err := a.held(layout)
			if err != nil {
				return err
			}
			if output == "json" {
				encoder := json.NewEncoder(a.Stdout)
				encoder.SetIndent("", "  ")
				return encoder.Encode(all)
			}
			return showHeld(a.Stdout, all)
		},
	}
	a.places(command)
	command.Flags().StringVarP(&output, "output", "o", "text", "text or json")
	return command
}

// held is all that the drivers of a cluster hold.
type held struct {
	Volumes   []heldVolume   `json:"volumes"`
	Snapshots []heldSnapshot `json:"snapshots"`
}

type heldVolume struct {
	storage.Volume

	Driver string `json:"driver"`
	// Path is where the data are, to be read and written from outside.
	Path string `json:"path"`
}

type heldSnapshot struct {
	storage.Snapshot

	Driver string `json:"driver"`
	Path   string `json:"path"`
}

func (a *app) held(layout plane.Layout) (held, error) {
	all := held{Volumes: []heldVolume{}, Snapshots: []heldSnapshot{}}
	for _, kind := range driver.Kinds() {
		system := a.system(layout, kind)
		volumes, err := system.Volumes()
		if err != nil {
			return held{}, err
		}
		for _, volume := range volumes {
			all.Volumes = append(all.Volumes, heldVolume{Volume: volume, Driver: kind.Driver, Path: system.Content(volume)})
		}
		snapshots, err := system.Snapshots()
		if err != nil {
			return held{}, err
		}
		for _, snapshot := range snapshots {
			all.Snapshots = append(all.Snapshots, heldSnapshot{Snapshot: snapshot, Driver: kind.Driver, Path: system.SnapshotContent(snapshot)})
		}
	}
	return all, nil
}

func showHeld(out io.Writer, all held) error {
	table := tabwriter.NewWriter(out, 0, 0, 2, ' ', 0)
	row := func(columns ...any) { _, _ = fmt.Fprintf(table, "%s\t%s\t%s\t%d\t%s\t%s\n", columns...) } // Flush gives the error
	_, _ = fmt.Fprintln(table, "DRIVER\tID\tOF\tBYTES\tSINCE\tPATH")
	for _, volume := range all.Volumes {
		row(volume.Driver, volume.ID, volume.Claim, volume.Bytes, volume.CreatedAt.Format(time.TimeOnly), volume.Path)
	}
	for _, snapshot := range all.Snapshots {
		row(snapshot.Driver, snapshot.ID, snapshot.Volume, snapshot.Bytes, snapshot.CutAt.Format(time.TimeOnly), snapshot.Path)
	}
	return table.Flush()
}

func (a *app) csiBehave() *cobra.Command {
	behaviour, only := storage.Behaviour{}, ""
	command := &cobra.Command{
		Use:   "behave",
		Short: "Have snapshots be slow or refused, from the next one on; without flags, have all be well",
		Example: `  devcluster csi behave --ready-after 10s
  devcluster csi behave --driver local --refuse "the pool is full" --refuse-claim shop/data
  devcluster csi behave`,
		Args: cobra.NoArgs,
		RunE: func(*cobra.Command, []string) error {
			layout, err := a.clusterWithDrivers()
			if err != nil {
				return err
			}
			found := false
			for _, kind := range driver.Kinds() {
				if only != "" && only != kind.Name && only != kind.Driver {
					continue
				}
				found = true
				if err := a.system(layout, kind).Behave(behaviour); err != nil {
					return err
				}
			}
			if !found {
				return fmt.Errorf("there is no driver %q", only)
			}
			return nil
		},
	}
	a.places(command)
	command.Flags().StringVar(&only, "driver", "", "local or shared (default both)")
	command.Flags().DurationVar(&behaviour.CutAfter.Duration, "cut-after", 0, "how long after it was asked for a snapshot is cut")
	command.Flags().DurationVar(&behaviour.ReadyAfter.Duration, "ready-after", 0, "how long after it was cut a snapshot can be read")
	command.Flags().StringVar(&behaviour.Refuse, "refuse", "", "why no snapshot is made")
	command.Flags().StringVar(&behaviour.RefuseClaim, "refuse-claim", "", "refuse only those of one claim, NAMESPACE/NAME")
	return command
}

// clusterWithDrivers gives the place of the cluster that the flags name, which may have ended.
func (a *app) clusterWithDrivers() (plane.Layout, error) {
	layout, err := a.layout()
	if err != nil {
		return plane.Layout{}, err
	}
	state, err := plane.Read(layout)
	if err == nil && !state.CSI {
		err = fmt.Errorf("cluster %s has no CSI drivers: start it with devcluster up --csi --name %s", a.name, a.name)
	}
	return layout, err
}

func (a *app) system(layout plane.Layout, kind driver.Kind) *storage.System {
	return &storage.System{Folder: filepath.Join(layout.Storage(), kind.Name), Clock: a.Clock}
}
