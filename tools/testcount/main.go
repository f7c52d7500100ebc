// Testcount runs go test in several modules and ends with one line that counts
// the tests of all of them:
//
//	testcount [-race] [-p N] [-timeout D] FOLDER=PACKAGES[,PACKAGES...] ...
//
// A test that has subtests is counted through them. What a failed test printed is
// shown; what a passed one printed is not. A package that does not build, and a
// module in which go test does not even begin, count as one failure each. It exits
// with 1 when anything failed, and when nothing was run.
package main

import (
	"bufio"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"os/exec"
	"strconv"
	"strings"
	"time"
)

// maxLine bounds one event of go test: a line of a test's output and its envelope.
const maxLine = 16 << 20

func main() {
	race := flag.Bool("race", false, "find data races")
	parallel := flag.Int("p", 2, "how many packages are built and tested at once")
	timeout := flag.Duration("timeout", 30*time.Minute, "how long the tests of one package may take")
	flag.Parse()

	// The programs are built with -trimpath, so that tests share their cache.
	flags := []string{"test", "-trimpath", "-json", "-p", strconv.Itoa(*parallel), "-timeout", timeout.String()}
	if *race {
		flags = append(flags, "-race")
	}
	total := newTally(os.Stdout)
	for _, argument := range flag.Args() {
		folder, packages, found := strings.Cut(argument, "=")
		if !found {
			fmt.Fprintf(os.Stderr, "testcount: %q is not FOLDER=PACKAGES\n", argument)
			os.Exit(2)
		}
		if err := runModule(total, folder, append(flags, strings.Split(packages, ",")...)); err != nil {
			total.failModule(folder, err)
		}
	}
	fmt.Println(total.line())
	if !total.good() {
		os.Exit(1)
	}
}

// runModule runs go in a folder and hands its events to the tally. That tests
// failed is no error: the events have said so.
func runModule(total *tally, folder string, arguments []string) error {
	command := exec.Command("go", arguments...) //nolint:noctx // The person at the terminal ends it.
	command.Dir = folder
	command.Stderr = os.Stderr
	output, err := command.StdoutPipe()
	if err != nil {
		return fmt.Errorf("opening the output of go test: %w", err)
	}
	if err := command.Start(); err != nil {
		return fmt.Errorf("starting go test: %w", err)
	}
	before := total.failed
	readErr := total.read(output)
	waitErr := command.Wait()
	var exit *exec.ExitError
	if errors.As(waitErr, &exit) && total.failed > before {
		waitErr = nil
	}
	return errors.Join(readErr, waitErr)
}

// read takes the events of one run of go test until its output ends.
func (t *tally) read(output io.Reader) error {
	lines := bufio.NewScanner(output)
	lines.Buffer(make([]byte, 0, 64<<10), maxLine)
	for lines.Scan() {
		var e event
		if err := json.Unmarshal(lines.Bytes(), &e); err != nil {
			fmt.Fprintln(t.out, lines.Text())
			continue
		}
		t.take(e)
	}
	if err := lines.Err(); err != nil {
		_, _ = io.Copy(io.Discard, output)
		return fmt.Errorf("reading the output of go test: %w", err)
	}
	return nil
}
