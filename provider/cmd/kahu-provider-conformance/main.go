// Command kahu-provider-conformance runs the conformance suite of the provider contract against a driver at a socket.
//
//	kahu-provider-conformance --endpoint unix:///run/driver.sock --attribute path=conformance
//
// It prints a line for each check and one with the counts at the end. The exit code is 0 when no check fails, 1 when
// one does, and 2 when the suite cannot be run. Everything that it stores has a name that begins with
// kahu-conformance-, and is removed again.
package main

import (
	"bufio"
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"os/signal"
	"regexp"
	"strings"
	"syscall"
	"time"

	"github.com/soda-cdm/kahu/provider"
	"github.com/soda-cdm/kahu/provider/conformance"
)

// The exit codes.
const (
	exitPassed = 0
	exitFailed = 1
	exitUsage  = 2
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	code := run(ctx, os.Args[1:], os.Stdout, os.Stderr)
	stop()
	os.Exit(code)
}

func run(ctx context.Context, args []string, stdout, stderr io.Writer) int {
	options, err := parse(args, stderr)
	if errors.Is(err, flag.ErrHelp) {
		return exitPassed // The flags have been printed.
	}
	if err != nil {
		printf(stderr, "%v\n", err)
		return exitUsage
	}
	checks := options.checks()
	if options.list {
		for _, check := range checks {
			printf(stdout, "%-26s %s\n", check.Name, check.Promise)
		}
		return exitPassed
	}
	if len(checks) == 0 {
		printf(stderr, "no check matches --run; see --list\n")
		return exitUsage
	}
	if err := reach(ctx, options.target); err != nil {
		printf(stderr, "asking the driver at %s who it is: %v\n", options.target.Endpoint, err)
		return exitUsage
	}
	return execute(ctx, checks, options.target, stdout)
}

// reachTime bounds the first question to a driver.
const reachTime = 10 * time.Second

// reach returns nil where a driver answers: a suite without one says nothing of it.
func reach(ctx context.Context, target conformance.Target) error {
	ctx, cancel := context.WithTimeout(ctx, reachTime)
	defer cancel()
	connection, err := provider.Dial(target.Endpoint, target.DialOptions...)
	if err != nil {
		return err
	}
	defer connection.Close() //nolint:errcheck // It carried one question.
	_, err = provider.NewClient(connection).Info(ctx)
	if errors.Is(err, provider.ErrUnavailable) || ctx.Err() != nil {
		return err
	}
	return nil
}

// execute runs the checks and prints their results.
func execute(ctx context.Context, checks []conformance.Check, target conformance.Target, stdout io.Writer) int {
	counts := map[conformance.Outcome]int{}
	for _, check := range checks {
		if ctx.Err() != nil {
			printf(stdout, "interrupted before %s\n", check.Name)
			counts[conformance.Failed]++
			break
		}
		result := conformance.Execute(ctx, check, target)
		counts[result.Outcome]++
		report(stdout, check, result)
		if result.Hangs != "" {
			printf(stdout, "the driver gave no answer to %s: the checks that follow were not run\n", result.Hangs)
			break
		}
	}
	printf(stdout, "%d passed, %d failed, %d skipped\n",
		counts[conformance.Passed], counts[conformance.Failed], counts[conformance.Skipped])
	if counts[conformance.Failed] > 0 {
		return exitFailed
	}
	return exitPassed
}

// printf prints. That nobody reads the output any more does not change what the exit code says.
func printf(writer io.Writer, format string, args ...any) {
	_, _ = fmt.Fprintf(writer, format, args...)
}

// report prints one result: a reason beside a skip; below a failure the promise, and what was seen instead.
func report(stdout io.Writer, check conformance.Check, result conformance.Result) {
	switch result.Outcome {
	case conformance.Passed:
		printf(stdout, "pass  %s\n", check.Name)
	case conformance.Skipped:
		printf(stdout, "skip  %s (%s)\n", check.Name, strings.Join(result.Messages, "; "))
	case conformance.Failed:
		printf(stdout, "FAIL  %s\n      %s\n", check.Name, check.Promise)
		for _, message := range result.Messages {
			printf(stdout, "      - %s\n", message)
		}
	}
}

// options are what the command line asks for.
type options struct {
	target conformance.Target
	list   bool
	filter *regexp.Regexp
}

// parse reads the command line.
func parse(args []string, stderr io.Writer) (options, error) {
	result := options{target: conformance.Target{Attributes: provider.Attributes{}}}
	flags := flag.NewFlagSet("kahu-provider-conformance", flag.ContinueOnError)
	flags.SetOutput(io.Discard) // Errors are printed once, by the caller.
	flags.StringVar(&result.target.Endpoint, "endpoint", "", "where the driver listens, such as unix:///run/driver.sock")
	flags.BoolVar(&result.list, "list", false, "list the checks and what they expect, and run none")
	filter := flags.String("run", "", "run only the checks whose names match this regular expression")
	flags.Func("attribute", "an attribute of the backup location as `key=value`; may be repeated", func(text string) error {
		return addAttribute(result.target.Attributes, text)
	})
	flags.Func("attributes-file", "a `file` with an attribute key=value on each line, for secrets", func(path string) error {
		return readAttributes(result.target.Attributes, path)
	})
	addVolumeFlags(flags, &result.target.Volumes)
	err := flags.Parse(args)
	if errors.Is(err, flag.ErrHelp) {
		flags.SetOutput(stderr)
		flags.PrintDefaults()
	}
	if err != nil {
		return options{}, err
	}
	if flags.NArg() > 0 {
		return options{}, fmt.Errorf("unexpected argument %q", flags.Arg(0))
	}
	if result.target.Endpoint == "" && !result.list {
		return options{}, errors.New("--endpoint is missing")
	}
	expression, err := regexp.Compile(*filter)
	if err != nil {
		return options{}, fmt.Errorf("reading --run: %w", err)
	}
	result.filter = expression
	return result, nil
}

// addVolumeFlags adds the flags that say what a driver of volumes backs up and restores.
func addVolumeFlags(flags *flag.FlagSet, volumes *conformance.Volumes) {
	flags.Func("volume-file", "a `file` with a PersistentVolume in its own protocol buffer encoding, to be backed up", func(path string) error {
		content, err := os.ReadFile(path) //nolint:gosec // the file that the user names
		if err == nil {
			volumes.Request.Volume, err = provider.NewVolume(content)
		}
		return err
	})
	flags.Func("claim-file", "a `file` with a PersistentVolumeClaim in its own protocol buffer encoding, for which a volume is made", func(path string) error {
		content, err := os.ReadFile(path) //nolint:gosec // the file that the user names
		if err == nil {
			volumes.Claim, err = provider.NewClaim(content)
		}
		return err
	})
	flags.Func("snapshot", "the `handle` of a snapshot of the volume, for a driver that needs one", func(handle string) error {
		volumes.Request.Snapshot = &provider.Snapshot{Handle: handle}
		return nil
	})
}

// checks returns the checks that were asked for.
func (o options) checks() []conformance.Check {
	var checks []conformance.Check
	for _, check := range conformance.Checks() {
		if o.filter.MatchString(check.Name) {
			checks = append(checks, check)
		}
	}
	return checks
}

func addAttribute(attributes provider.Attributes, text string) error {
	key, value, found := strings.Cut(text, "=")
	if !found || key == "" {
		return errors.New("an attribute is of the form key=value")
	}
	attributes[key] = value
	return nil
}

func readAttributes(attributes provider.Attributes, path string) error {
	file, err := os.Open(path) //nolint:gosec // the file that the user names
	if err != nil {
		return err
	}
	lines := bufio.NewScanner(file)
	for err == nil && lines.Scan() {
		if line := strings.TrimSpace(lines.Text()); line != "" {
			err = addAttribute(attributes, line)
		}
	}
	return errors.Join(err, lines.Err(), file.Close())
}
