// Command kahu-provider-filesystem serves the filesystem driver on a unix socket.
//
//	kahu-provider-filesystem --root /backups --endpoint unix:///run/kahu/filesystem.sock
//
// The root must be there; everything is stored below it. The process ends in good order on SIGINT and SIGTERM: it takes
// no new calls, and gives those under way ten seconds. The exit code is 0 then, 1 after a failure, and 2 when the
// command line is wrong.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"log/slog"
	"os"
	"os/signal"
	"path/filepath"
	"strings"
	"syscall"
	"time"

	"github.com/soda-cdm/kahu/provider"
	"github.com/soda-cdm/kahu/providers/filesystem"
)

// version is set when the program is linked.
var version = "development"

// The exit codes.
const (
	exitStopped = 0
	exitFailed  = 1
	exitUsage   = 2
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	code := run(ctx, os.Args[1:], os.Stderr)
	stop()
	os.Exit(code)
}

func run(ctx context.Context, args []string, stderr io.Writer) int {
	logger := slog.New(slog.NewTextHandler(stderr, nil))
	options, err := parse(args, stderr)
	if errors.Is(err, flag.ErrHelp) {
		return exitStopped
	}
	if err != nil {
		logger.Error("command line is wrong", "reason", err.Error())
		return exitUsage
	}
	store := filesystem.New(filesystem.Options{
		Root: options.root, Name: options.name, Version: version, Now: time.Now,
	})
	if _, err := store.Probe(ctx); err != nil {
		// Not a reason to end: a share may be mounted later, and every call looks for itself.
		logger.Warn("root cannot be used yet", "root", options.root, "reason", err.Error())
	}
	server := provider.NewServer(provider.Options{Driver: store, GRPC: provider.LogFailures(logger)})
	logger.Info("serving", "name", options.name, "version", version, "root", options.root, "endpoint", options.endpoint)
	if err := server.Serve(ctx, options.endpoint); err != nil {
		logger.Error("serving has ended", "reason", err.Error())
		return exitFailed
	}
	logger.Info("stopped")
	return exitStopped
}

// options are what the command line asks for.
type options struct{ root, endpoint, name string }

// parse reads the command line.
func parse(args []string, stderr io.Writer) (options, error) {
	var result options
	flags := flag.NewFlagSet("kahu-provider-filesystem", flag.ContinueOnError)
	flags.SetOutput(io.Discard) // Errors are logged once, by the caller.
	flags.StringVar(&result.root, "root", "", "the `folder` below which everything is stored; it must be there")
	flags.StringVar(&result.endpoint, "endpoint", "", "where to listen, such as unix:///run/kahu/filesystem.sock")
	flags.StringVar(&result.name, "name", filesystem.DefaultName, "the `name` under which backup locations know the driver")
	err := flags.Parse(args)
	if errors.Is(err, flag.ErrHelp) {
		flags.SetOutput(stderr)
		flags.PrintDefaults()
	}
	switch {
	case err != nil:
		return options{}, err
	case flags.NArg() > 0:
		return options{}, fmt.Errorf("unexpected argument %q", flags.Arg(0))
	case result.root == "":
		return options{}, errors.New("--root is missing")
	case !strings.HasPrefix(result.endpoint, "unix://"):
		return options{}, errors.New("--endpoint is missing, or not of the form unix:///path")
	}
	// A relative root would silently mean another folder after a change of the working directory.
	result.root, err = filepath.Abs(result.root)
	return result, err
}
