package cli

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/soda-cdm/kahu/devcluster/internal/image"
	"github.com/soda-cdm/kahu/devcluster/internal/node"
	"github.com/soda-cdm/kahu/devcluster/internal/plane"
	"github.com/soda-cdm/kahu/devcluster/internal/tool"
)

// loadLimit bounds the import of one archive into one node.
const loadLimit = 2 * time.Minute

func (a *app) image() *cobra.Command {
	command := &cobra.Command{
		Use:   "image",
		Short: "Make images without a registry, and bring them to the nodes",
	}
	command.AddCommand(a.imageBuild(), a.imageLoad())
	return command
}

func (a *app) imageBuild() *cobra.Command {
	return &cobra.Command{
		Use:   "build NAME:VERSION BINARY FILE",
		Short: "Make an image of one static program, as an archive",
		Long: `Make an image of one program, which is its entrypoint, as an archive that image
load takes. The program must need no libraries: build it with CGO_ENABLED=0.`,
		Example: "  devcluster image build kahu.local/kahu:dev kahu kahu.tar",
		Args:    cobra.ExactArgs(3),
		RunE: func(_ *cobra.Command, arguments []string) error {
			made, err := image.Program(arguments[0], arguments[1])
			if err != nil {
				return err
			}
			file, err := os.Create(arguments[2])
			if err != nil {
				return fmt.Errorf("making the archive: %w", err)
			}
			if err := errors.Join(image.Write(file, made), file.Close()); err != nil {
				return errors.Join(err, os.Remove(arguments[2]))
			}
			return nil
		},
	}
}

func (a *app) imageLoad() *cobra.Command {
	command := &cobra.Command{
		Use:   "load FILE...",
		Short: "Import archives of images into every node of a cluster",
		Args:  cobra.MinimumNArgs(1),
		RunE: func(command *cobra.Command, arguments []string) error {
			layout, err := a.layout()
			if err != nil {
				return err
			}
			state, err := plane.Read(layout)
			if err != nil {
				return err
			}
			if state.Phase != plane.Ready || len(state.Nodes) == 0 {
				return fmt.Errorf("cluster %s has no nodes that run: start it with devcluster up --node --name %s", a.name, a.name)
			}
			return loadAll(command.Context(), state, arguments)
		},
	}
	a.places(command)
	return command
}

// loadAll imports every archive into every node, until one fails.
func loadAll(ctx context.Context, state plane.State, archives []string) error {
	for _, component := range state.Components {
		if !isNode(state, component.Name) {
			continue
		}
		for _, archive := range archives {
			if err := load(ctx, component, archive); err != nil {
				return err
			}
		}
	}
	return nil
}

func isNode(state plane.State, name string) bool {
	for _, one := range state.Nodes {
		if one.Name == name {
			return true
		}
	}
	return false
}

// load imports an archive through the node's own socket, which is reached
// through the file system of its first process.
func load(ctx context.Context, component plane.Component, archive string) error {
	ctr, err := tool.Find("ctr")
	if err != nil {
		return err
	}
	absolute, err := filepath.Abs(archive)
	if err != nil {
		return fmt.Errorf("finding the archive: %w", err)
	}
	ctx, cancel := context.WithTimeout(ctx, loadLimit)
	defer cancel()
	socket := fmt.Sprintf("/proc/%d/root%s", component.Process.PID, node.Socket)
	out, err := exec.CommandContext(ctx, ctr, node.Import(socket, absolute)...).CombinedOutput() //nolint:gosec // the user names the archive
	if err != nil {
		return fmt.Errorf("importing %s into %s: %w: %s", archive, component.Name, err, strings.TrimSpace(string(out)))
	}
	return nil
}
