// Devcluster is a real Kubernetes control plane in one binary: etcd, the API
// server, the controller manager, the scheduler and kubectl are compiled in,
// and the binary executes itself once for each of them.
//
// Under its own name it is the command that starts and ends clusters; under
// the name of a component (a symlink, or argv[0]) it is that component. For
// clusters with nodes the kubelet and kube-proxy are compiled in as well, and
// two CSI drivers for those with volumes.
package main

import (
	"context"
	"io"
	"os"
	"os/signal"
	"path/filepath"
	"syscall"

	"github.com/spf13/pflag"
	"k8s.io/utils/clock"

	"github.com/soda-cdm/kahu/devcluster/internal/cli"
	"github.com/soda-cdm/kahu/devcluster/internal/component"
	"github.com/soda-cdm/kahu/devcluster/internal/csi/driver"
	"github.com/soda-cdm/kahu/devcluster/internal/node"
	"github.com/soda-cdm/kahu/devcluster/internal/nodeinit"
)

func main() {
	if run, found := component.Lookup(filepath.Base(os.Args[0])); found {
		os.Exit(run(os.Args)) //nolint:forbidigo // this is main
	}
	switch filepath.Base(os.Args[0]) {
	case node.Program:
		os.Exit(ended(nodeinit.Main)) //nolint:forbidigo // this is main
	case driver.Program:
		os.Exit(ended(driver.Main)) //nolint:forbidigo // this is main
	}
	os.Exit(devcluster()) //nolint:forbidigo // this is main
}

// ended runs a program until it is asked to end, and gives its exit code.
func ended(run func(ctx context.Context, arguments []string, stderr io.Writer) int) int {
	ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGTERM, syscall.SIGINT) //nolint:forbidigo // this is main
	defer stop()
	return run(ctx, os.Args[1:], os.Stderr)
}

// devcluster runs the command line and gives the exit code.
func devcluster() int {
	// Cobra shows the flags that the linked packages registered globally: they are the components'.
	pflag.CommandLine = pflag.NewFlagSet(os.Args[0], pflag.ContinueOnError)
	ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGTERM, syscall.SIGINT) //nolint:forbidigo // this is main
	defer stop()
	return cli.Main(ctx, os.Args[1:], cli.World{
		Stdin:       os.Stdin,
		Stdout:      os.Stdout,
		Stderr:      os.Stderr,
		Environment: os.Environ(),
		Executable:  os.Executable,
		CacheDir:    os.UserCacheDir,
		Version:     component.Version(),
		Clock:       clock.RealClock{},
	})
}
