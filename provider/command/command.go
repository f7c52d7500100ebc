// Package command is the program around a driver: its flags, its log, its exit codes.
package command

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"log/slog"
	"strings"

	"github.com/soda-cdm/kahu/provider"
)

// The exit codes of Run.
const (
	Stopped = 0 // asked to end, and ended in good order
	Failed  = 1 // could not serve, or not go on
	Usage   = 2 // the command line is wrong
)

// Command is what a driver's program brings. Every program has the flags --endpoint and --name besides.
type Command struct {
	// Name is that of the program, and Version the one that its driver tells.
	Name, Version string
	// Driver is the name of the driver where --name gives no other.
	Driver string
	// Flags declares flags of its own; nil means none.
	Flags func(flags *flag.FlagSet)
	// Check says what is wrong with their values once they are read; nil means that nothing can be. It names the flag.
	Check func() error
	// Open makes the driver. One that has a Close method is closed when it is served no longer.
	Open func(ctx context.Context, settings Settings) (provider.Identity, error)
}

// Settings are what every driver gets from its program.
type Settings struct {
	// Name and Version are for the driver's Info.
	Name, Version string
	Logger        *slog.Logger
}

// Run serves the driver until the context ends, and returns the exit code. It takes no new calls then, and gives those
// under way ten seconds. It logs to stderr, each call that fails too, and never an attribute.
func (c Command) Run(ctx context.Context, args []string, stderr io.Writer) int {
	logger := slog.New(slog.NewTextHandler(stderr, nil))
	endpoint, name, err := c.parse(args, stderr)
	if errors.Is(err, flag.ErrHelp) {
		return Stopped
	}
	if err != nil {
		logger.Error("command line is wrong", "reason", err.Error())
		return Usage
	}
	if err := c.serve(ctx, endpoint, Settings{name, c.Version, logger}); err != nil {
		logger.Error("serving has ended", "reason", err.Error())
		return Failed
	}
	logger.Info("stopped")
	return Stopped
}

func (c Command) serve(ctx context.Context, endpoint string, settings Settings) (err error) {
	driver, err := c.Open(ctx, settings)
	if err != nil {
		return err
	}
	if closer, is := driver.(io.Closer); is {
		defer func() { err = errors.Join(err, closer.Close()) }()
	}
	server := provider.NewServer(provider.Options{Driver: driver, GRPC: provider.LogFailures(settings.Logger)})
	settings.Logger.Info("serving", "name", settings.Name, "version", settings.Version, "endpoint", endpoint)
	return server.Serve(ctx, endpoint)
}

// parse reads the command line, and returns where to listen and the name of the driver.
func (c Command) parse(args []string, stderr io.Writer) (endpoint, name string, err error) {
	flags := flag.NewFlagSet(c.Name, flag.ContinueOnError)
	flags.SetOutput(io.Discard) // Errors are logged once, by the caller.
	flags.StringVar(&endpoint, "endpoint", "", "where to listen, such as unix:///run/kahu/driver.sock")
	flags.StringVar(&name, "name", c.Driver, "the `name` under which Kahu knows the driver")
	if c.Flags != nil {
		c.Flags(flags)
	}
	err = flags.Parse(args)
	if errors.Is(err, flag.ErrHelp) {
		flags.SetOutput(stderr)
		flags.PrintDefaults()
	}
	switch {
	case err != nil:
		return "", "", err
	case flags.NArg() > 0:
		return "", "", fmt.Errorf("unexpected argument %q", flags.Arg(0))
	case !strings.HasPrefix(endpoint, "unix://"):
		return "", "", errors.New("--endpoint is missing, or not of the form unix:///path")
	case c.Check != nil:
		return endpoint, name, c.Check()
	}
	return endpoint, name, nil
}
