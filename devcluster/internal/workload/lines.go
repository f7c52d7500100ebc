package workload

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"hash/crc32"
	"io"
	"os"
	"strings"
	"time"

	"k8s.io/utils/clock"
)

// line is the line of a number: the number, the text, and the CRC-32 of both.
func line(number int, text string) string {
	said := fmt.Sprintf("%06d %s", number, text)
	return fmt.Sprintf("%s %08x\n", said, crc32.ChecksumIEEE([]byte(said)))
}

// appendLines appends lines to a file, going on with the number after its last
// one. Each line is on disk before the next is begun.
func appendLines(ctx context.Context, arguments []string, stdout io.Writer) error {
	flags := flagsOf("append")
	every := flags.Duration("every", 100*time.Millisecond, "time between two lines")
	count := flags.Int("count", 1, "how many; 0 goes on until a signal comes")
	stamped := flags.Bool("stamp", false, "add the time to the text, behind an @")
	arguments, err := parse(flags, arguments, 2, 2)
	if err != nil {
		return err
	}
	path, text := arguments[0], arguments[1]
	if strings.ContainsAny(text, "\n") {
		return fmt.Errorf("%w: the text has more than one line", errUsage)
	}
	said := func() string { return text }
	if *stamped {
		said = func() string { return text + "@" + clock.RealClock{}.Now().UTC().Format(time.RFC3339Nano) }
	}
	if path == "-" {
		return repeat(ctx, *count, *every, func(number int) error {
			_, err := io.WriteString(stdout, line(number, said()))
			return err
		})
	}
	file, err := os.OpenFile(path, os.O_CREATE|os.O_RDWR|os.O_APPEND, 0o644) //nolint:gosec // others read it, too
	if err != nil {
		return err
	}
	there, err := countLines(file)
	if err == nil {
		err = repeat(ctx, *count, *every, func(number int) error {
			_, err := file.WriteString(line(there+number, said()))
			return errors.Join(err, file.Sync())
		})
	}
	return errors.Join(err, file.Close())
}

// repeat calls f with 0, 1 and so on, as often as it says, or until the context ends with 0.
func repeat(ctx context.Context, count int, every time.Duration, f func(number int) error) error {
	for number := 0; count == 0 || number < count; number++ {
		if number > 0 && !wait(ctx, every) {
			return nil
		}
		if err := f(number); err != nil {
			return err
		}
	}
	return nil
}

func countLines(file io.Reader) (int, error) {
	lines := bufio.NewScanner(file)
	count := 0
	for lines.Scan() {
		count++
	}
	return count, lines.Err()
}
