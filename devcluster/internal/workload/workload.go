// Package workload is what a pod of a test does: it serves, writes files whose
// content is known, appends numbered lines, keeps a ledger in several folders,
// gives checksums, asks another server, holds memory, or sleeps.
//
// Everything is written so that a test can tell from outside what happened:
// files depend on a seed alone, each line carries its number and a checksum,
// and the checksum of a folder covers names, modes and content.
package workload

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"time"
)

const usage = `usage: devcluster-workload FUNCTION [FLAGS] [ARGUMENTS]

serve [--address :8080] [--folder DIR]           answer HTTP: /name, /healthz, and the folder's files
write [--files N] [--size BYTES] [--seed S] DIR  write files whose content depends on the seed alone
append [--every D] [--count N] [--stamp] FILE TEXT  append numbered lines, each on disk before the next; - is stdout
ledger [--every D] [--sync=false] [--quiesce FILE] DIR...  append numbered records to all folders, and hold still while FILE is there
quiesce [--limit D] FILE                         make a ledger hold still, and return when it does
unquiesce FILE                                   let it go on
agree DIR...                                     tell how many records are there, and fail unless all folders have the same
fetch [--ca FILE] [--token FILE] URL             print what a server answers
hold MIB                                         keep so much memory
checksum PATH...                                 print one SHA-256 for each file or whole folder
sleep [DURATION]                                 do nothing, by default until a signal comes`

// Main runs one function and gives the exit code: 0, 1 for an error, 2 for a
// wrong use. It returns soon after the context ends, with 0.
func Main(ctx context.Context, arguments []string, stdout, stderr io.Writer) int {
	functions := map[string]func(context.Context, []string, io.Writer) error{
		"serve": serve, "write": write, "append": appendLines, "checksum": checksum, "sleep": sleep,
		"fetch": fetch, "hold": hold, "ledger": ledger, "quiesce": quiesce, "unquiesce": unquiesce, "agree": agree,
	}
	if len(arguments) == 0 || functions[arguments[0]] == nil {
		_, _ = fmt.Fprintln(stderr, usage)
		return 2
	}
	err := functions[arguments[0]](ctx, arguments[1:], stdout)
	if errors.Is(err, errUsage) {
		_, _ = fmt.Fprintf(stderr, "%s: %v\n%s\n", arguments[0], err, usage)
		return 2
	}
	if err != nil {
		_, _ = fmt.Fprintf(stderr, "%s: %v\n", arguments[0], err)
		return 1
	}
	return 0
}

var errUsage = errors.New("wrong use")

// flagsOf is an empty set of flags that tells of mistakes by errors alone.
func flagsOf(function string) *flag.FlagSet {
	flags := flag.NewFlagSet(function, flag.ContinueOnError)
	flags.SetOutput(io.Discard)
	return flags
}

// parse gives the arguments after the flags, and fails unless there are so many.
func parse(flags *flag.FlagSet, arguments []string, least, most int) ([]string, error) {
	if err := flags.Parse(arguments); err != nil {
		return nil, fmt.Errorf("%w: %w", errUsage, err)
	}
	if flags.NArg() < least || flags.NArg() > most {
		return nil, fmt.Errorf("%w: %d arguments", errUsage, flags.NArg())
	}
	return flags.Args(), nil
}

func sleep(ctx context.Context, arguments []string, _ io.Writer) error {
	arguments, err := parse(flagsOf("sleep"), arguments, 0, 1)
	if err != nil {
		return err
	}
	if len(arguments) == 0 {
		<-ctx.Done()
		return nil
	}
	duration, err := time.ParseDuration(arguments[0])
	if err != nil {
		return fmt.Errorf("%w: %w", errUsage, err)
	}
	wait(ctx, duration)
	return nil
}

// wait reports whether the time is over rather than the context.
func wait(ctx context.Context, duration time.Duration) bool {
	timer := time.NewTimer(duration)
	defer timer.Stop()
	select {
	case <-ctx.Done():
		return false
	case <-timer.C:
		return true
	}
}
