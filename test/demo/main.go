// The demo backs up an application, loses it, and restores it: into the cluster that it came from, under another
// name, and into a second, empty cluster. After each restore, it compares every object, field by field, with a copy
// that plain kubectl made before.
//
//	go run ./test/demo             # from the root of the repository, after make build
//	go run ./test/demo --paths     # what the comparison leaves out, and why
//	go run ./test/demo --sabotage  # alters one object on purpose, to see the demo fail
//	go run ./test/demo --drill     # another story: a cluster is lost, and comes back from a bucket and a key
//	go run ./test/demo --volumes   # another one: the data of an application that writes
//
// KEEP=1 leaves everything running; SABOTAGE=1 is the same as --sabotage. The exit code is 0 if everything came back
// as it was, 1 if not, and 2 if the demo was called wrongly.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"os/signal"
	"syscall"

	"k8s.io/utils/clock"

	"github.com/soda-cdm/kahu/test/demo/compare"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM) //nolint:forbidigo // This is main.
	code := run(ctx, os.Args[1:], os.Stdout)
	stop()
	os.Exit(code) //nolint:forbidigo // This is main.
}

// options are what the caller asks for.
type options struct {
	bin      string
	keep     bool
	sabotage bool
	paths    bool
	drill    bool
	volumes  bool
}

// run is the program without the process.
func run(ctx context.Context, args []string, out io.Writer) int {
	wish := options{
		keep:     os.Getenv("KEEP") != "",     //nolint:forbidigo // This is main.
		sabotage: os.Getenv("SABOTAGE") != "", //nolint:forbidigo // This is main.
	}
	flags := flag.NewFlagSet("demo", flag.ContinueOnError)
	flags.SetOutput(out)
	flags.StringVar(&wish.bin, "bin", "bin", "folder with the programs that `make build` makes")
	flags.BoolVar(&wish.sabotage, "sabotage", wish.sabotage, "alter one object on purpose after the first restore, to see the demo fail")
	flags.BoolVar(&wish.paths, "paths", false, "print what the comparison leaves out, and why")
	flags.BoolVar(&wish.drill, "drill", false, "lose a whole cluster, and bring it back from a bucket and a key")
	flags.BoolVar(&wish.volumes, "volumes", false, "back up and restore the data of volumes, on a node with pods; takes root")
	if err := flags.Parse(args); err != nil {
		return 2
	}
	if wish.paths {
		if err := compare.Explain(out); err != nil {
			return 1
		}
		return 0
	}
	return perform(ctx, wish, out)
}

// perform tells the story and clears the stage.
func perform(ctx context.Context, wish options, out io.Writer) int {
	stage, err := build(wish, newTeller(out, clock.RealClock{}))
	if err != nil {
		_, _ = fmt.Fprintln(out, "demo:", err)
		return 1
	}
	ctx, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	switch {
	case wish.drill:
		err = performDrill(ctx, stage, wish)
	case wish.volumes:
		err = performVolumes(ctx, stage, wish)
	default:
		err = newStory(stage, wish).perform(ctx)
	}
	if err != nil {
		stage.tell.linef("FAILED: %v", err)
		stage.showLogs()
	}
	if wish.keep && ctx.Err() == nil {
		err = errors.Join(err, stage.leave())
	} else {
		err = errors.Join(err, stage.clear(context.WithoutCancel(ctx)))
	}
	if err != nil {
		return 1
	}
	return 0
}
