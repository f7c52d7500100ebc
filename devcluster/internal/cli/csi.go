package cli

import (
	"fmt"
	"os"
	"path/filepath"

	"github.com/spf13/cobra"

	"github.com/soda-cdm/kahu/devcluster/internal/plane"
)

// sidecarFolder is built beside the own binary, see build.sh.
const sidecarFolder = "devcluster-sidecars"

func csiFlag(command *cobra.Command, wanted *bool) {
	command.Flags().BoolVar(wanted, "csi", false, "with two CSI drivers, their classes, and snapshots")
}

// drivers gives what a supervisor is told of CSI drivers.
func (a *app) drivers(wanted bool) (plane.CSI, error) { //nolint:revive // it is the user's
	if !wanted {
		return plane.CSI{}, nil
	}
	executable, err := a.Executable()
	if err != nil {
		return plane.CSI{}, fmt.Errorf("finding the own binary: %w", err)
	}
	folder := filepath.Join(filepath.Dir(executable), sidecarFolder)
	for _, name := range plane.Sidecars() {
		if _, err := os.Stat(filepath.Join(folder, name)); err != nil {
			return plane.CSI{}, fmt.Errorf("a program beside the CSI drivers is missing, build it with devcluster/build.sh: %w", err)
		}
	}
	return plane.CSI{Sidecars: folder}, nil
}
