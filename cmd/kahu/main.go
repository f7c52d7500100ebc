// Command kahu is every process of Kahu in one program: the manager, the sidecar of a provider, and both of them
// with a provider in a process tree of its own.
package main

import (
	"context"
	"errors"
	"fmt"
	"net/url"
	"os"
	"os/signal"
	"syscall"

	"github.com/spf13/cobra"
	apierrors "k8s.io/apimachinery/pkg/api/errors"

	"github.com/soda-cdm/kahu/internal/supervise"
)

// version is set when the program is linked.
var version = "development"

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	err := newRootCommand().ExecuteContext(ctx)
	stop()
	if err != nil {
		fmt.Fprintln(os.Stderr, "kahu:", err)
		os.Exit(exitCode(err))
	}
}

// exitCode tells what can pass, which is that the API server is away or has too much to do, from everything else. Only its
// clients return an url.Error.
func exitCode(err error) int {
	var call *url.Error
	if errors.As(err, &call) || apierrors.IsServiceUnavailable(err) || apierrors.IsInternalError(err) || apierrors.IsServerTimeout(err) ||
		apierrors.IsTimeout(err) || apierrors.IsTooManyRequests(err) {
		return supervise.ExitPassing
	}
	return 1
}

func newRootCommand() *cobra.Command {
	root := &cobra.Command{
		Use:           "kahu",
		Short:         "Backup and restore for Kubernetes",
		Version:       version,
		SilenceUsage:  true,
		SilenceErrors: true,
	}
	root.AddCommand(newManagerCommand(), newMetaServiceCommand(), newVolumeServiceCommand(), newStandaloneCommand(), newRecoverCommand(), newProviderCommand())
	return root
}
