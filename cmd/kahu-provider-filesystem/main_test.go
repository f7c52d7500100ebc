package main_test

import (
	"bytes"
	"context"
	"errors"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/backoff"

	"github.com/soda-cdm/kahu/provider"
	"github.com/soda-cdm/kahu/provider/conformance"
	"github.com/soda-cdm/kahu/providers/filesystem"
)

// build builds the program and returns its path.
func build(t *testing.T) string {
	t.Helper()
	binary := filepath.Join(t.TempDir(), "kahu-provider-filesystem")
	command := exec.CommandContext(t.Context(), "go", "build", "-o", binary, ".")
	if output, err := command.CombinedOutput(); err != nil {
		t.Fatalf("building: %v\n%s", err, output)
	}
	return binary
}

// process is a driver that runs.
type process struct {
	*exec.Cmd

	endpoint string
	log      *bytes.Buffer
}

// start starts the driver and waits until it answers.
func start(t *testing.T, binary, root string) process {
	t.Helper()
	endpoint := "unix://" + filepath.Join(t.TempDir(), "s")
	var log bytes.Buffer
	command := exec.CommandContext(t.Context(), binary, "--root", root, "--endpoint", endpoint)
	command.Stderr = &log
	if err := command.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = command.Process.Kill() })
	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Second)
	defer cancel()
	if _, err := connect(t, endpoint).Info(ctx); err != nil {
		t.Fatalf("the driver does not answer: %v", err)
	}
	return process{command, endpoint, &log}
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

func TestConformance(t *testing.T) {
	driver := start(t, build(t), t.TempDir())
	conformance.Run(t, func(*testing.T) conformance.Target {
		return conformance.Target{
			Endpoint:   driver.endpoint,
			Attributes: provider.Attributes{"path": "team/backups"},
		}
	})
}

func TestProcess(t *testing.T) {
	binary := build(t)
	root := filepath.Join(t.TempDir(), "store")
	driver := start(t, binary, root)
	client := connect(t, driver.endpoint)
	attributes := provider.Attributes{"path": "team"}

	// What it does not know it refuses, and keeps to itself.
	if err := client.Upload(t.Context(), "x", provider.Attributes{"password": "top-secret"}, strings.NewReader("x")); !errors.Is(err, provider.ErrInvalidArgument) {
		t.Errorf("a key that there is not: got %v, want %v", err, provider.ErrInvalidArgument)
	}

	// Without its root the driver runs and is not ready, and makes nothing.
	if _, err := client.Probe(t.Context()); !errors.Is(err, provider.ErrUnavailable) {
		t.Errorf("probing without a root: got %v, want %v", err, provider.ErrUnavailable)
	}
	err := client.Upload(t.Context(), "x", attributes, strings.NewReader("x"))
	if !errors.Is(err, provider.ErrUnavailable) {
		t.Errorf("storing without a root: got %v, want %v", err, provider.ErrUnavailable)
	}
	if _, err := os.Stat(root); !errors.Is(err, os.ErrNotExist) {
		t.Fatalf("the root was made: %v", err)
	}

	// It sees the root as soon as it is there.
	if err := os.Mkdir(root, 0o700); err != nil {
		t.Fatal(err)
	}
	if ready, err := client.Probe(t.Context()); err != nil || !ready {
		t.Errorf("probing: %v, %v", ready, err)
	}
	if err := client.Upload(t.Context(), "x", attributes, strings.NewReader("x")); err != nil {
		t.Errorf("storing: %v", err)
	}

	// A kill leaves a socket behind that the next process replaces, and what was stored.
	if err := driver.Process.Kill(); err != nil {
		t.Fatal(err)
	}
	_ = driver.Wait()
	again := start(t, binary, root)
	if exists, err := connect(t, again.endpoint).Exists(t.Context(), "x", attributes); err != nil || !exists {
		t.Errorf("after a kill: exists is %v, %v", exists, err)
	}

	if err := again.Process.Signal(syscall.SIGTERM); err != nil {
		t.Fatal(err)
	}
	if err := again.Wait(); err != nil {
		t.Errorf("stopping: %v", err)
	}
	if _, err := os.Stat(strings.TrimPrefix(again.endpoint, "unix://")); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("the socket is still there: %v", err)
	}
	for _, log := range []string{driver.log.String(), again.log.String()} {
		if strings.Contains(log, "top-secret") {
			t.Errorf("a secret is in the log:\n%s", log)
		}
	}
	if !strings.Contains(driver.log.String(), "root cannot be used yet") {
		t.Errorf("the log does not say that the root is missing:\n%s", driver.log)
	}
}

// TestKilledInTheMiddle kills the driver in the middle of an upload over an object and of one of a new object.
func TestKilledInTheMiddle(t *testing.T) {
	binary, root := build(t), t.TempDir()
	driver := start(t, binary, root)
	client := connect(t, driver.endpoint)
	if err := client.Upload(t.Context(), "old", nil, strings.NewReader("before")); err != nil {
		t.Fatal(err)
	}
	killed, ended := make(chan struct{}), make(chan error, 2)
	for _, name := range []string{"old", "new"} {
		begun := make(chan struct{})
		go func() {
			// More than is on its way at once, so that the driver has some of it when the rest is asked for.
			beginning := bytes.NewReader(make([]byte, 24<<20))
			ended <- client.Upload(t.Context(), name, nil, io.MultiReader(beginning, held{begun, killed}))
		}()
		<-begun
	}
	if err := driver.Process.Kill(); err != nil {
		t.Fatal(err)
	}
	_ = driver.Wait()
	close(killed)
	for range 2 {
		if err := <-ended; !errors.Is(err, provider.ErrUnavailable) {
			t.Errorf("an upload whose driver was killed: got %v, want %v", err, provider.ErrUnavailable)
		}
	}

	client = connect(t, start(t, binary, root).endpoint)
	page, err := client.List(t.Context(), provider.ListRequest{})
	if err != nil || len(page.Objects) != 1 || page.Objects[0].Name != "old" {
		t.Errorf("after the kill there are %v, %v; want the old object", page.Objects, err)
	}
	reader, err := client.Download(t.Context(), "old", nil)
	if err != nil {
		t.Fatal(err)
	}
	defer reader.Close()
	if content, err := io.ReadAll(reader); string(content) != "before" || err != nil {
		t.Errorf("the old object has %q, %v", content, err)
	}
	if leftovers, err := os.ReadDir(filepath.Join(root, filesystem.PartialFolder)); err != nil || len(leftovers) != 2 {
		t.Errorf("the kill left %v, %v; want the parts of two uploads, or this test shows nothing", leftovers, err)
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

func TestCommandLine(t *testing.T) {
	binary := build(t)
	for name, test := range map[string]struct {
		args []string
		want string
	}{
		"no root":            {[]string{"--endpoint", "unix:///tmp/s"}, "--root"},
		"no endpoint":        {[]string{"--root", "/tmp"}, "--endpoint"},
		"TCP in the clear":   {[]string{"--root", "/tmp", "--endpoint", "127.0.0.1:0"}, "--endpoint"},
		"a superfluous word": {[]string{"--root", "/tmp", "--endpoint", "unix:///tmp/s", "x"}, "unexpected"},
		"an unknown flag":    {[]string{"--unknown"}, "unknown"},
	} {
		t.Run(name, func(t *testing.T) {
			output, err := exec.CommandContext(t.Context(), binary, test.args...).CombinedOutput()
			var exit *exec.ExitError
			if !errors.As(err, &exit) || exit.ExitCode() != 2 {
				t.Errorf("got %v, want the exit code 2", err)
			}
			if !strings.Contains(string(output), test.want) {
				t.Errorf("the output lacks %q: %s", test.want, output)
			}
		})
	}
}
