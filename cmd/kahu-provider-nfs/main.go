// Command kahu-provider-nfs serves the NFS driver on a unix socket.
//
//	kahu-provider-nfs --endpoint unix:///run/kahu/nfs.sock
//
// Which server and export, and as whom, comes with each call from the backup location. Nothing is mounted. The process
// ends in good order on SIGINT and SIGTERM: it takes no new calls, and gives those under way ten seconds. The exit code
// is 0 then, 1 after a failure, and 2 when the command line is wrong.
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
	"strings"
	"syscall"
	"time"

	"github.com/soda-cdm/kahu/provider"
	"github.com/soda-cdm/kahu/providers/nfs"
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
	store := nfs.New(nfs.Options{
		Name: options.name, Version: version, Patience: options.patience, ReservedPorts: options.reserved,
	})
	server := provider.NewServer(provider.Options{Driver: store, GRPC: provider.LogFailures(logger)})
	logger.Info("serving", "name", options.name, "version", version, "endpoint", options.endpoint)
	err = server.Serve(ctx, options.endpoint)
	if err := errors.Join(err, store.Close()); err != nil {
		logger.Error("serving has ended", "reason", err.Error())
		return exitFailed
	}
	logger.Info("stopped")
	return exitStopped
}

// options are what the command line asks for.
type options struct {
	endpoint, name string
	patience       time.Duration
	reserved       bool
}

const (
	defaultPatience = 30 * time.Second
	maxPatience     = time.Hour
)

// parse reads the command line.
func parse(args []string, stderr io.Writer) (options, error) {
	var result options
	flags := flag.NewFlagSet("kahu-provider-nfs", flag.ContinueOnError)
	flags.SetOutput(io.Discard) // Errors are logged once, by the caller.
	flags.StringVar(&result.endpoint, "endpoint", "", "where to listen, such as unix:///run/kahu/nfs.sock")
	flags.StringVar(&result.name, "name", nfs.DefaultName, "the `name` under which backup locations know the driver")
	flags.DurationVar(&result.patience, "patience", defaultPatience,
		"how long to go on trying where a server does not answer, from 1s to 1h")
	flags.BoolVar(&result.reserved, "reserved-ports", false,
		"connect from ports below 1024, for servers that ask for it; the process needs the right to (CAP_NET_BIND_SERVICE)")
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
	case !strings.HasPrefix(result.endpoint, "unix://"):
		return options{}, errors.New("--endpoint is missing, or not of the form unix:///path")
	case result.patience < time.Second || result.patience > maxPatience:
		return options{}, fmt.Errorf("--patience %s is not from 1s to 1h", result.patience)
	}
	return result, nil
}
