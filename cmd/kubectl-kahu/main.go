// Command kubectl-kahu is the command line client of Kahu, and the plug-in behind `kubectl kahu`. Under the name
// kubectl_complete-kahu it tells kubectl how its arguments can go on.
package main

import (
	"context"
	"fmt"
	"os"
	"os/signal"
	"syscall"

	"golang.org/x/term"
	"k8s.io/utils/clock"

	"github.com/soda-cdm/kahu/internal/cli"
)

// version is set when the program is linked.
var version = "development"

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	root := cli.New(cli.Options{Out: os.Stdout, Err: os.Stderr, Terminal: term.IsTerminal(int(os.Stderr.Fd())), Clock: clock.RealClock{}, Version: version})
	root.SetArgs(cli.Arguments(os.Args))
	err := root.ExecuteContext(ctx)
	stop()
	if err != nil {
		fmt.Fprintln(os.Stderr, "kubectl-kahu:", err)
	}
	os.Exit(cli.ExitCode(err))
}
