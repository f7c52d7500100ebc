package cli

import (
	"fmt"
	"os"
	"path/filepath"

	"github.com/spf13/cobra"

	"github.com/soda-cdm/kahu/devcluster/internal/network"
	"github.com/soda-cdm/kahu/devcluster/internal/plane"
	"github.com/soda-cdm/kahu/devcluster/internal/tool"
)

// workloadProgram is built beside the own binary, see build.sh.
const workloadProgram = "devcluster-workload"

// nodeFlags say how many nodes a cluster gets.
type nodeFlags struct {
	one   bool
	count int
}

func (n *nodeFlags) add(command *cobra.Command) {
	command.Flags().BoolVar(&n.one, "node", false, "with a node on which pods run; takes root")
	command.Flags().IntVar(&n.count, "nodes", 0, fmt.Sprintf("with so many nodes, at most %d", network.MostNodes))
	command.MarkFlagsMutuallyExclusive("node", "nodes")
}

// wanted gives the number of nodes, and fails where nodes cannot be made.
func (n *nodeFlags) wanted() (int, error) {
	count := n.count
	if n.one {
		count = 1
	}
	if count == 0 {
		return 0, nil
	}
	if count < 0 || count > network.MostNodes {
		return 0, fmt.Errorf("--nodes is %d: use 0 to %d", count, network.MostNodes)
	}
	if err := tool.Check(); err != nil {
		return 0, fmt.Errorf("a node cannot be made here: %w", err)
	}
	return count, nil
}

func (a *app) check() *cobra.Command {
	return &cobra.Command{
		Use:   "check",
		Short: "Say whether nodes can be made here; exits with 1 if not",
		Args:  cobra.NoArgs,
		RunE: func(command *cobra.Command, _ []string) error {
			if err := tool.Check(); err != nil {
				return fmt.Errorf("no nodes can be made here: %w", err)
			}
			command.PrintErrln("nodes can be made here")
			return nil
		},
	}
}

// nodes gives what a supervisor is told of its nodes.
func (a *app) nodes(count int) (plane.Nodes, error) {
	if count == 0 {
		return plane.Nodes{}, nil
	}
	executable, err := a.Executable()
	if err != nil {
		return plane.Nodes{}, fmt.Errorf("finding the own binary: %w", err)
	}
	workload := filepath.Join(filepath.Dir(executable), workloadProgram)
	if _, err := os.Stat(workload); err != nil {
		return plane.Nodes{}, fmt.Errorf("the program of the pods is missing, build it with devcluster/build.sh: %w", err)
	}
	return plane.Nodes{Count: count, Workload: workload}, nil
}
