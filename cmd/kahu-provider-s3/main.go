// Command kahu-provider-s3 serves the S3 driver on a unix socket.
//
//	kahu-provider-s3 --endpoint unix:///run/kahu/s3.sock
//
// Where the buckets are, and the credentials, come with each call from the backup location. The process ends in good
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

	"github.com/soda-cdm/kahu/provider"
	"github.com/soda-cdm/kahu/providers/s3"
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
	store := s3.New(s3.Options{
		Name: options.name, Version: version, Now: time.Now, PartBytes: options.partMiB << 20,
		WebIdentityTokenFile: options.tokenFile, Ambient: options.ambient,
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
	endpoint, name, tokenFile string
	partMiB                   int
	ambient                   bool
}

const (
	defaultPartMiB = 16
	maxPartMiB     = 1024
)

// parse reads the command line.
func parse(args []string, stderr io.Writer) (options, error) {
	var result options
	flags := flag.NewFlagSet("kahu-provider-s3", flag.ContinueOnError)
	flags.SetOutput(io.Discard) // Errors are logged once, by the caller.
	flags.StringVar(&result.endpoint, "endpoint", "", "where to listen, such as unix:///run/kahu/s3.sock")
	flags.StringVar(&result.name, "name", s3.DefaultName, "the `name` under which backup locations know the driver")
	flags.IntVar(&result.partMiB, "part-size-mib", defaultPartMiB, "the length of a part in MiB, from 5; each upload holds one in memory")
	flags.StringVar(&result.tokenFile, "web-identity-token-file", os.Getenv("AWS_WEB_IDENTITY_TOKEN_FILE"),
		"the `file` with the token for locations that name a role")
	flags.BoolVar(&result.ambient, "ambient-credentials", false,
		"let locations without credentials use those of this process: environment, service account or instance role")
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
	case result.partMiB < 5 || result.partMiB > maxPartMiB:
		return options{}, fmt.Errorf("--part-size-mib %d is not from 5 to %d", result.partMiB, maxPartMiB)
	}
	return result, nil
}
