package cli

import (
	"fmt"
	"slices"
	"strings"
	"syscall"

	"github.com/spf13/cobra"

	"github.com/soda-cdm/kahu/devcluster/internal/plane"
)

// kubectl becomes kubectl. Without --name it uses KUBECONFIG, and without that
// the cluster named default: never whatever cluster ~/.kube/config is about.
func (a *app) kubectl() *cobra.Command {
	command := &cobra.Command{
		Use:   "kubectl [--name NAME] [--] ARGUMENTS...",
		Short: "Run kubectl on a cluster",
		Example: `  devcluster kubectl get namespaces
  devcluster kubectl --name second -- -n shop get pods`,
		RunE: func(command *cobra.Command, arguments []string) error {
			executable, err := a.Executable()
			if err != nil {
				return fmt.Errorf("finding the own binary: %w", err)
			}
			environment := slices.Clone(a.Environment)
			named := command.Flags().Changed("name") || command.Flags().Changed("dir")
			if named || !slices.ContainsFunc(environment, isKubeconfig) {
				layout, err := a.layout()
				if err != nil {
					return err
				}
				// Without the file kubectl would try whatever listens on localhost:8080.
				if !plane.Exists(layout) {
					return fmt.Errorf("there is no cluster %s: start it with devcluster up --name %s", a.name, a.name)
				}
				environment = slices.DeleteFunc(environment, isKubeconfig)
				environment = append(environment, "KUBECONFIG="+layout.Kubeconfig())
			}
			err = syscall.Exec(executable, append([]string{"kubectl"}, arguments...), environment) //nolint:gosec // it is this binary
			return fmt.Errorf("becoming kubectl: %w", err)
		},
	}
	a.places(command)
	command.Flags().SetInterspersed(false) // what follows the first word is kubectl's
	return command
}

func isKubeconfig(variable string) bool {
	return strings.HasPrefix(variable, "KUBECONFIG=")
}
