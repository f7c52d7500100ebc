// Command kahu-provider-csi serves the CSI provider on a unix socket.
//
//	kahu-provider-csi --endpoint unix:///run/kahu/csi.sock
//
// Its storage is behind the API server of the cluster in which it runs, or that of a kubeconfig. The process ends in good
// order on SIGINT and SIGTERM: it takes no new calls, and gives those under way ten seconds. The exit code is 0 then, 1
// after a failure, and 2 when the command line is wrong.
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

	"k8s.io/client-go/dynamic"
	"k8s.io/client-go/tools/clientcmd"

	"github.com/soda-cdm/kahu/provider"
	"github.com/soda-cdm/kahu/providers/csi"
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
	if err := serve(ctx, options, logger); err != nil {
		logger.Error("serving has ended", "reason", err.Error())
		return exitFailed
	}
	logger.Info("stopped")
	return exitStopped
}

func serve(ctx context.Context, options options, logger *slog.Logger) error {
	// Without a kubeconfig it is the cluster in which the process runs.
	config, err := clientcmd.BuildConfigFromFlags("", options.kubeconfig)
	if err != nil {
		return fmt.Errorf("finding the cluster: %w", err)
	}
	config.QPS = -1 // The API server knows how much it can take.
	client, err := dynamic.NewForConfig(config)
	if err != nil {
		return fmt.Errorf("making a client: %w", err)
	}
	driver := csi.New(csi.Options{Name: options.name, Version: version, Client: client, Patience: options.patience})
	server := provider.NewServer(provider.Options{Driver: driver, GRPC: provider.LogFailures(logger)})
	logger.Info("serving", "name", options.name, "version", version, "endpoint", options.endpoint)
	return server.Serve(ctx, options.endpoint)
}

// options are what the command line asks for.
type options struct {
	endpoint, name, kubeconfig string
	patience                   time.Duration
}

const maxPatience = time.Hour

// parse reads the command line.
func parse(args []string, stderr io.Writer) (options, error) {
	var result options
	flags := flag.NewFlagSet("kahu-provider-csi", flag.ContinueOnError)
	flags.SetOutput(io.Discard) // Errors are logged once, by the caller.
	flags.StringVar(&result.endpoint, "endpoint", "", "where to listen, such as unix:///run/kahu/csi.sock")
	flags.StringVar(&result.name, "name", csi.DefaultName, "the `name` under which Kahu knows the driver")
	flags.StringVar(&result.kubeconfig, "kubeconfig", "", "the `file` that says where the cluster is, if it is not this one")
	flags.DurationVar(&result.patience, "patience", csi.DefaultPatience,
		"how long a snapshot may take to be deleted before the call is to be repeated, from 1s to 1h")
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
