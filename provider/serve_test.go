package provider_test

import (
	"context"
	"errors"
	"io"
	"io/fs"
	"net"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/backoff"

	"github.com/soda-cdm/kahu/provider"
	"github.com/soda-cdm/kahu/provider/memory"
)

// begin serves at an endpoint in the background, waits until it answers, and returns how to stop it and its error.
func begin(t *testing.T, endpoint string, options provider.Options) (stop func() error) {
	t.Helper()
	ctx, cancel := context.WithCancel(context.WithoutCancel(t.Context()))
	ended := make(chan error, 1)
	go func() { ended <- provider.NewServer(options).Serve(ctx, endpoint) }()
	waiting, give := context.WithTimeout(t.Context(), 20*time.Second)
	defer give()
	connection, err := provider.Dial(endpoint,
		grpc.WithDefaultCallOptions(grpc.WaitForReady(true)),
		grpc.WithConnectParams(grpc.ConnectParams{
			Backoff: backoff.Config{BaseDelay: 10 * time.Millisecond, Multiplier: 1.5, MaxDelay: 100 * time.Millisecond},
		}))
	if err != nil {
		t.Fatal(err)
	}
	defer connection.Close()
	if _, err := provider.NewClient(connection).Probe(waiting); err != nil {
		t.Fatalf("the server does not answer: %v", err)
	}
	return func() error {
		cancel()
		return <-ended
	}
}

func TestServeUnixSocket(t *testing.T) {
	path := filepath.Join(t.TempDir(), "s")
	options := provider.Options{Driver: memory.New(memory.Options{})}
	stop := begin(t, "unix://"+path, options)
	info, err := os.Stat(path)
	if err != nil {
		t.Fatal(err)
	}
	if mode := info.Mode().Perm(); mode != 0o600 {
		t.Errorf("the mode of the socket is %o, want 600", mode)
	}
	err = provider.NewServer(options).Serve(t.Context(), "unix://"+path)
	if err == nil || !strings.Contains(err.Error(), "another process") {
		t.Errorf("a second server at the same socket: got %v, want a refusal", err)
	}
	if err := stop(); err != nil {
		t.Errorf("stopping: %v", err)
	}
	if _, err := os.Lstat(path); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("the socket is still there: %v", err)
	}
}

func TestServeReplacesStaleSocket(t *testing.T) {
	path := filepath.Join(t.TempDir(), "s")
	listener, err := net.ListenUnix("unix", &net.UnixAddr{Name: path, Net: "unix"})
	if err != nil {
		t.Fatal(err)
	}
	listener.SetUnlinkOnClose(false)
	listener.Close() // As after a crash: the file stays, and nobody listens.
	stop := begin(t, "unix://"+path, provider.Options{Driver: memory.New(memory.Options{})})
	if err := stop(); err != nil {
		t.Errorf("stopping: %v", err)
	}
}

func TestServeRefuses(t *testing.T) {
	file := filepath.Join(t.TempDir(), "file")
	if err := os.WriteFile(file, []byte("precious"), 0o600); err != nil {
		t.Fatal(err)
	}
	for name, endpoint := range map[string]string{
		"a file that is no socket":   "unix://" + file,
		"a relative path":            "unix://relative",
		"a folder that is not there": "unix://" + file + "/below/s",
		"no endpoint at all":         "",
		"another scheme":             "http://127.0.0.1:0",
		"TCP in the clear":           "127.0.0.1:0",
	} {
		t.Run(name, func(t *testing.T) {
			server := provider.NewServer(provider.Options{Driver: memory.New(memory.Options{})})
			if err := server.Serve(t.Context(), endpoint); err == nil {
				t.Error("it served")
			}
		})
	}
	if content, err := os.ReadFile(file); string(content) != "precious" {
		t.Errorf("the file has changed: %q, %v", content, err)
	}
}

func TestDialRefusesTCPInTheClear(t *testing.T) {
	connection, err := provider.Dial("127.0.0.1:1")
	if err == nil {
		connection.Close()
		t.Error("a connection without credentials was prepared")
	}
}

// TestStopLimit has a call that does not end by itself; the server stops all the same, and the call fails.
func TestStopLimit(t *testing.T) {
	endpoint := "unix://" + filepath.Join(t.TempDir(), "s")
	stop := begin(t, endpoint,
		provider.Options{Driver: memory.New(memory.Options{}), StopTimeout: 50 * time.Millisecond})
	client := dial(t, endpoint)
	content := held{begun: make(chan struct{}), release: make(chan struct{})}
	uploaded := make(chan error, 1)
	go func() { uploaded <- client.Upload(t.Context(), "x", nil, content) }()
	<-content.begun
	if err := stop(); err != nil {
		t.Errorf("stopping: %v", err)
	}
	close(content.release)
	if err := <-uploaded; !errors.Is(err, provider.ErrUnavailable) {
		t.Errorf("the call under way: got %v, want %v", err, provider.ErrUnavailable)
	}
}

// held is an empty content that comes to its end when it is released.
type held struct{ begun, release chan struct{} }

func (h held) Read([]byte) (int, error) {
	close(h.begun)
	<-h.release
	return 0, io.EOF
}
