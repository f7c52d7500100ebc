package main_test

import (
	"bytes"
	"context"
	"errors"
	"io"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/backoff"

	"github.com/soda-cdm/kahu/internal/testkit/nfsserver"
	"github.com/soda-cdm/kahu/provider"
	"github.com/soda-cdm/kahu/provider/conformance"
)

// build builds the program and returns its path.
func build(t *testing.T) string {
	t.Helper()
	binary := filepath.Join(t.TempDir(), "kahu-provider-nfs")
	command := exec.CommandContext(t.Context(), "go", "build", "-trimpath", "-o", binary, ".")
	if output, err := command.CombinedOutput(); err != nil {
		t.Fatalf("building: %v\n%s", err, output)
	}
	return binary
}

// process is a driver that runs.
type process struct {
	*exec.Cmd

	client   *provider.Client
	endpoint string
}

// start starts the driver and waits until it answers.
func start(t *testing.T, binary string) process {
	t.Helper()
	endpoint := "unix://" + filepath.Join(t.TempDir(), "s")
	command := exec.CommandContext(t.Context(), binary, "--endpoint", endpoint)
	if err := command.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = command.Process.Kill() })
	connection, err := provider.Dial(endpoint,
		grpc.WithDefaultCallOptions(grpc.WaitForReady(true)),
		grpc.WithConnectParams(grpc.ConnectParams{
			Backoff: backoff.Config{BaseDelay: 10 * time.Millisecond, Multiplier: 1.5, MaxDelay: 100 * time.Millisecond},
		}))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = connection.Close() })
	client := provider.NewClient(connection)
	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Second)
	defer cancel()
	if _, err := client.Info(ctx); err != nil {
		t.Fatalf("the driver does not answer: %v", err)
	}
	return process{command, client, endpoint}
}

func attributes(server *nfsserver.Server) provider.Attributes {
	return provider.Attributes{
		"server": server.Address, "export": server.Root, "path": "team",
		"port": strconv.Itoa(server.Port), "mountPort": strconv.Itoa(server.MountPort),
	}
}

func TestConformance(t *testing.T) {
	server := nfsserver.Start(t, nfsserver.Options{})
	driver := start(t, build(t))
	conformance.Run(t, func(*testing.T) conformance.Target {
		return conformance.Target{Endpoint: driver.endpoint, Attributes: attributes(server)}
	})
}

// TestKilledInTheMiddle kills the driver in the middle of an upload over an object and of one of a new object.
func TestKilledInTheMiddle(t *testing.T) {
	server := nfsserver.Start(t, nfsserver.Options{})
	binary, location := build(t), attributes(server)
	driver := start(t, binary)
	if err := driver.client.Upload(t.Context(), "old", location, strings.NewReader("before")); err != nil {
		t.Fatal(err)
	}
	killed, ended := make(chan struct{}), make(chan error, 2)
	for _, name := range []string{"old", "new"} {
		begun := make(chan struct{})
		go func() {
			beginning := bytes.NewReader(make([]byte, 24<<20))
			ended <- driver.client.Upload(t.Context(), name, location, io.MultiReader(beginning, held{begun, killed}))
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
	again := start(t, binary)
	page, err := again.client.List(t.Context(), provider.ListRequest{Attributes: location})
	if err != nil || len(page.Objects) != 1 || page.Objects[0].Name != "old" || page.Objects[0].Size != 6 {
		t.Errorf("after the kill there are %v, %v; want the old object", page.Objects, err)
	}
	if err := again.Process.Signal(syscall.SIGTERM); err != nil {
		t.Fatal(err)
	}
	if err := again.Wait(); err != nil {
		t.Errorf("stopping: %v", err)
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
		"no endpoint":        {nil, "--endpoint"},
		"TCP in the clear":   {[]string{"--endpoint", "127.0.0.1:0"}, "--endpoint"},
		"no patience":        {[]string{"--endpoint", "unix:///tmp/s", "--patience", "1ms"}, "--patience"},
		"a superfluous word": {[]string{"--endpoint", "unix:///tmp/s", "x"}, "unexpected"},
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
