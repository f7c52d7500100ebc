package main_test

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/soda-cdm/kahu/internal/testkit/driver"
	"github.com/soda-cdm/kahu/provider"
	"github.com/soda-cdm/kahu/provider/conformance"
	"github.com/soda-cdm/kahu/providers/filesystem"
)

func start(t *testing.T, binary, root string) *driver.Process {
	t.Helper()
	return driver.Start(t, binary, "--root", root)
}

func TestConformance(t *testing.T) {
	running := start(t, driver.Build(t), t.TempDir())
	conformance.Run(t, func(*testing.T) conformance.Target {
		return conformance.Target{
			Endpoint:   running.Endpoint,
			Attributes: provider.Attributes{"path": "team/backups"},
		}
	})
}

func TestProcess(t *testing.T) {
	binary := driver.Build(t)
	root := filepath.Join(t.TempDir(), "store")
	first := start(t, binary, root)
	client := first.Client
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
	first.Crash(t)
	again := start(t, binary, root)
	if exists, err := again.Client.Exists(t.Context(), "x", attributes); err != nil || !exists {
		t.Errorf("after a kill: exists is %v, %v", exists, err)
	}

	again.Stop(t)
	if _, err := os.Stat(strings.TrimPrefix(again.Endpoint, "unix://")); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("the socket is still there: %v", err)
	}
	for _, log := range []string{first.Log(), again.Log()} {
		if strings.Contains(log, "top-secret") {
			t.Errorf("a secret is in the log:\n%s", log)
		}
	}
	if !strings.Contains(first.Log(), "root cannot be used yet") {
		t.Errorf("the log does not say that the root is missing:\n%s", first.Log())
	}
}

func TestKilledInTheMiddle(t *testing.T) {
	binary, root := driver.Build(t), t.TempDir()
	driver.CrashInUploads(t, func() *driver.Process { return start(t, binary, root) }, nil)
	if leftovers, err := os.ReadDir(filepath.Join(root, filesystem.PartialFolder)); err != nil || len(leftovers) != 2 {
		t.Errorf("the kill left %v, %v; want the parts of two uploads, or this test shows nothing", leftovers, err)
	}
}

func TestCommandLine(t *testing.T) {
	binary := driver.Build(t)
	driver.CheckRefused(t, binary, "--root", "--endpoint", "unix:///tmp/s")
	driver.CheckRefused(t, binary, "--endpoint", "--root", "/tmp")
	driver.CheckRefused(t, binary, "--endpoint", "--root", "/tmp", "--endpoint", "127.0.0.1:0")
	driver.CheckRefused(t, binary, "unexpected", "--root", "/tmp", "--endpoint", "unix:///tmp/s", "x")
	driver.CheckRefused(t, binary, "unknown", "--unknown")
}
