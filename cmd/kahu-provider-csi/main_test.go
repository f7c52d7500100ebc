package main_test

import (
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/soda-cdm/kahu/internal/testkit/driver"
	"github.com/soda-cdm/kahu/providers/csi"
)

func TestCommandLine(t *testing.T) {
	binary := driver.Build(t)
	driver.CheckRefused(t, binary, "--endpoint")
	driver.CheckRefused(t, binary, "--endpoint", "--endpoint", "127.0.0.1:0")
	driver.CheckRefused(t, binary, "--patience", "--endpoint", "unix:///tmp/s", "--patience", "1ms")
	driver.CheckRefused(t, binary, "unexpected", "--endpoint", "unix:///tmp/s", "x")
	driver.CheckRefused(t, binary, "unknown", "--unknown")
}

// TestCluster gives it a cluster that nobody can find, and one that is away.
func TestCluster(t *testing.T) {
	binary := driver.Build(t)
	missing := filepath.Join(t.TempDir(), "kubeconfig")
	output, err := exec.CommandContext(t.Context(), binary, "--endpoint", "unix://"+missing+".sock", "--kubeconfig", missing).CombinedOutput()
	var exit *exec.ExitError
	if !errors.As(err, &exit) || exit.ExitCode() != 1 || !strings.Contains(string(output), "finding the cluster") {
		t.Errorf("without a kubeconfig: got %v, want the exit code 1 and the reason: %s", err, output)
	}
	const away = `{apiVersion: v1, kind: Config, current-context: a, contexts: [{name: a, context: {cluster: a}}],
clusters: [{name: a, cluster: {server: "http://127.0.0.1:1"}}]}`
	if err := os.WriteFile(missing, []byte(away), 0o600); err != nil {
		t.Fatal(err)
	}
	running := driver.Start(t, binary, "--kubeconfig", missing)
	if info, err := running.Client.Info(t.Context()); err != nil || info.Name != csi.DefaultName {
		t.Errorf("while the cluster is away: got %v, %v; want the name %s", info, err, csi.DefaultName)
	}
	if ready, err := running.Client.Probe(t.Context()); err == nil && ready {
		t.Error("it is ready while its cluster is away")
	}
	running.Stop(t)
}
