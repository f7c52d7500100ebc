// Package driver runs the programs of drivers, each in a process of its own, as their tests need them.
package driver

import (
	"bytes"
	"context"
	"errors"
	"io"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/backoff"

	"github.com/soda-cdm/kahu/provider"
)

// patience is how long a process may take until it answers.
const patience = time.Minute

// Build builds the program in the folder of the test, and returns its path.
func Build(t *testing.T) string {
	t.Helper()
	binary := filepath.Join(t.TempDir(), "driver")
	command := exec.CommandContext(t.Context(), "go", "build", "-trimpath", "-o", binary, ".")
	if output, err := command.CombinedOutput(); err != nil {
		t.Fatalf("building: %v\n%s", err, output)
	}
	return binary
}

// Process is a driver that runs. It is killed at the end of the test.
type Process struct {
	*exec.Cmd

	Client   *provider.Client
	Endpoint string
	log      *log
}

// Start starts a driver on a socket of its own and waits until it answers.
func Start(t *testing.T, binary string, args ...string) *Process {
	t.Helper()
	process := &Process{Endpoint: "unix://" + filepath.Join(t.TempDir(), "s"), log: new(log)}
	process.Cmd = exec.CommandContext(t.Context(), binary, append([]string{"--endpoint", process.Endpoint}, args...)...)
	process.Stderr = process.log
	if err := process.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = process.Process.Kill() })
	process.Client = connect(t, process.Endpoint)
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	if _, err := process.Client.Info(ctx); err != nil {
		t.Fatalf("the driver does not answer: %v\n%s", err, process.Log())
	}
	return process
}

// connect returns a client whose calls wait until the driver listens.
func connect(t *testing.T, endpoint string) *provider.Client {
	t.Helper()
	connection, err := provider.Dial(endpoint,
		grpc.WithDefaultCallOptions(grpc.WaitForReady(true)),
		grpc.WithConnectParams(grpc.ConnectParams{
			Backoff: backoff.Config{BaseDelay: 10 * time.Millisecond, Multiplier: 1.5, MaxDelay: 100 * time.Millisecond},
		}))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = connection.Close() })
	return provider.NewClient(connection)
}

// Log returns what the driver has logged.
func (p *Process) Log() string { return p.log.String() }

// Crash kills the driver, and waits for its end.
func (p *Process) Crash(t *testing.T) {
	t.Helper()
	if err := p.Process.Kill(); err != nil {
		t.Fatal(err)
	}
	_ = p.Wait() // It tells of the signal.
}

// Stop asks the driver to end, and expects that it does so in good order.
func (p *Process) Stop(t *testing.T) {
	t.Helper()
	if err := p.Process.Signal(syscall.SIGTERM); err != nil {
		t.Fatal(err)
	}
	if err := p.Wait(); err != nil {
		t.Errorf("stopping: %v\n%s", err, p.Log())
	}
}

// CrashInUploads kills a driver in the middle of an upload over an object and of one of a new object, and expects of
// the next process that the old object is there as it was, and nothing else.
func CrashInUploads(t *testing.T, start func() *Process, attributes provider.Attributes) {
	t.Helper()
	const before = "before"
	driver := start()
	if err := driver.Client.Upload(t.Context(), "old", attributes, strings.NewReader(before)); err != nil {
		t.Fatal(err)
	}
	killed, ended := make(chan struct{}), make(chan error, 2)
	for _, name := range []string{"old", "new"} {
		begun := make(chan struct{})
		go func() {
			// More than is on its way at once, so that the driver has some of it when the rest is asked for.
			beginning := bytes.NewReader(make([]byte, 24<<20))
			ended <- driver.Client.Upload(t.Context(), name, attributes, io.MultiReader(beginning, held{begun, killed}))
		}()
		<-begun
	}
	driver.Crash(t)
	close(killed)
	for range 2 {
		if err := <-ended; !errors.Is(err, provider.ErrUnavailable) {
			t.Errorf("an upload whose driver was killed: got %v, want %v", err, provider.ErrUnavailable)
		}
	}
	again := start()
	page, err := again.Client.List(t.Context(), provider.ListRequest{Attributes: attributes})
	if err != nil || len(page.Objects) != 1 || page.Objects[0].Name != "old" {
		t.Errorf("after the kill there are %v, %v; want the old object", page.Objects, err)
	}
	reader, err := again.Client.Download(t.Context(), "old", attributes)
	if err != nil {
		t.Fatal(err)
	}
	defer reader.Close()
	if content, err := io.ReadAll(reader); string(content) != before || err != nil {
		t.Errorf("the old object has %q, %v; want %q", content, err, before)
	}
	again.Stop(t)
}

// CheckRefused expects that a program refuses a command line with the exit code 2, and a word of the reason.
func CheckRefused(t *testing.T, binary, want string, args ...string) {
	t.Helper()
	output, err := exec.CommandContext(t.Context(), binary, args...).CombinedOutput()
	var exit *exec.ExitError
	if !errors.As(err, &exit) || exit.ExitCode() != 2 {
		t.Errorf("%q: got %v, want the exit code 2", args, err)
	}
	if !strings.Contains(string(output), want) {
		t.Errorf("%q: the output lacks %q: %s", args, want, output)
	}
}

// held is the end of a content, and comes when it is released.
type held struct{ begun, release chan struct{} }

// Read implements io.Reader.
func (h held) Read([]byte) (int, error) {
	close(h.begun)
	<-h.release
	return 0, io.EOF
}

// log keeps what a process writes, while others read it.
type log struct {
	mutex   sync.Mutex
	written bytes.Buffer
}

// Write implements io.Writer.
func (l *log) Write(text []byte) (int, error) {
	l.mutex.Lock()
	defer l.mutex.Unlock()
	return l.written.Write(text)
}

func (l *log) String() string {
	l.mutex.Lock()
	defer l.mutex.Unlock()
	return l.written.String()
}
