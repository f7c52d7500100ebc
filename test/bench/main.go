// The bench measures a backup and a restore on a real API server against the plainest program that could do the same:
// one that reads every list and throws the bytes away, and one that posts the same bodies. Both are measured in one run,
// in alternating order, as figures of different runs say more about the machine than about the program.
//
//	go run ./test/bench                        # from the root of the repository, after make build
//	go run ./test/bench --objects 300000 --rounds 1 --backup-only
//	go run ./test/bench --profile /tmp/prof    # the use cases in this process, with profiles of CPU and heap
//
// The exit code is 0 if the targets are met, 1 if one is missed or something failed, and 2 if it was called wrongly.
// docs/performance.md says what is measured, and what came out.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"os/signal"
	"path/filepath"
	"syscall"
	"time"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM) //nolint:forbidigo // This is main.
	code := run(ctx, os.Args[1:], os.Stdout)
	stop()
	os.Exit(code) //nolint:forbidigo // This is main.
}

// options are what the caller asks for.
type options struct {
	bin         string
	population  population
	rounds      int
	backupOnly  bool
	restoreOnly bool
	small       bool
	profile     string
	patience    time.Duration
}

// run is the program without the process.
func run(ctx context.Context, args []string, out io.Writer) int {
	wish := options{}
	flags := flag.NewFlagSet("bench", flag.ContinueOnError)
	flags.SetOutput(out)
	flags.StringVar(&wish.bin, "bin", "bin", "folder with the programs that `make build` makes")
	flags.IntVar(&wish.population.objects, "objects", 10_000, "how many objects the cluster is filled with")
	flags.IntVar(&wish.population.namespaces, "namespaces", 20, "in how many namespaces these are")
	flags.IntVar(&wish.population.definitions, "definitions", 200, "how many definitions of custom resources there are")
	flags.IntVar(&wish.rounds, "rounds", 5, "how often each measurement of a backup is made; those of a restore half as often")
	flags.BoolVar(&wish.backupOnly, "backup-only", false, "leave the restores out")
	flags.BoolVar(&wish.restoreOnly, "restore-only", false, "measure one backup only, and the restores")
	flags.BoolVar(&wish.small, "small", false, "measure a restore of 1,000 objects into the full cluster and into an empty one")
	flags.StringVar(&wish.profile, "profile", "", "folder for profiles; runs the use cases in this process and measures nothing else")
	flags.DurationVar(&wish.patience, "patience", 3*time.Hour, "bound of the whole run")
	if err := flags.Parse(args); err != nil {
		return 2
	}
	ctx, cancel := context.WithTimeout(ctx, wish.patience)
	defer cancel()
	missed, err := perform(ctx, wish, out)
	if err != nil {
		_, _ = fmt.Fprintln(out, "bench:", err)
	}
	if err != nil || missed {
		return 1
	}
	return 0
}

// perform makes the measurements, and clears up behind itself.
func perform(ctx context.Context, wish options, out io.Writer) (missed bool, err error) {
	if err := wish.check(); err != nil {
		return false, err
	}
	dir, err := os.MkdirTemp("", "kahu-bench-")
	if err != nil {
		return false, fmt.Errorf("making a folder: %w", err)
	}
	b := newBench(wish, dir, out)
	defer func() { err = errors.Join(err, b.clear(), os.RemoveAll(dir)) }()
	b.header()
	if wish.profile != "" {
		return false, b.profiles(ctx)
	}
	return b.measure(ctx)
}

// check finds the programs, and refuses sizes with which nothing can be measured.
func (o *options) check() error {
	bin, err := filepath.Abs(o.bin)
	if err != nil {
		return fmt.Errorf("finding the programs: %w", err)
	}
	o.bin = bin
	for _, name := range []string{"devcluster", "kahu", "kahu-provider-filesystem"} {
		if _, err := os.Stat(filepath.Join(bin, name)); err != nil {
			return fmt.Errorf("finding the programs, run `make build` first: %w", err)
		}
	}
	if o.rounds < 1 || o.population.objects < 1 || o.population.namespaces < 1 || o.population.definitions < 1 {
		return errors.New("--objects, --namespaces, --definitions and --rounds must be at least 1")
	}
	return nil
}
