// Package devcluster_test tests the binary as its users have it: as a process.
package devcluster_test

import (
	"bytes"
	"context"
	"encoding/json"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/soda-cdm/kahu/devcluster/internal/binary"
	"github.com/soda-cdm/kahu/devcluster/internal/plane"
	"github.com/soda-cdm/kahu/devcluster/internal/process"
)

// Limits that only a broken cluster meets: a busy machine is slow.
const (
	startLimit = 3 * time.Minute
	endLimit   = time.Minute
)

// program is the devcluster under test.
var program string

func TestMain(m *testing.M) {
	var err error
	if program, err = binary.Find(context.Background()); err != nil { //nolint:forbidigo // there is no test yet
		panic(err)
	}
	m.Run()
}

// clusters is a folder of clusters that are ended with the test.
type clusters struct {
	folder string
}

func newClusters(t *testing.T) clusters {
	t.Helper()
	// A socket's path has 107 bytes at most: the clusters must not mind.
	c := clusters{folder: filepath.Join(t.TempDir(), strings.Repeat("long", 30))}
	t.Cleanup(func() {
		ctx, cancel := context.WithTimeout(context.WithoutCancel(t.Context()), endLimit)
		defer cancel()
		if out, err := exec.CommandContext(ctx, program, "down", "--all", "--dir", c.folder).CombinedOutput(); err != nil {
			t.Errorf("ending the clusters: %v\n%s", err, out)
		}
	})
	return c
}

// run runs a command of devcluster and gives what it wrote.
func (c clusters) run(t *testing.T, arguments ...string) (stdout, stderr string, err error) {
	t.Helper()
	var out, errs bytes.Buffer
	command := exec.CommandContext(t.Context(), program, append(arguments, "--dir", c.folder)...)
	command.Stdout, command.Stderr = &out, &errs
	err = command.Run()
	return strings.TrimSpace(out.String()), strings.TrimSpace(errs.String()), err
}

func (c clusters) must(t *testing.T, arguments ...string) (stdout, stderr string) {
	t.Helper()
	stdout, stderr, err := c.run(t, arguments...)
	if err != nil {
		t.Fatalf("devcluster %s: %v\n%s%s", strings.Join(arguments, " "), err, stdout, stderr)
	}
	return stdout, stderr
}

func (c clusters) status(t *testing.T, name string) plane.State {
	t.Helper()
	out, _, err := c.run(t, "status", "--name", name, "-o", "json")
	var state plane.State
	if err := json.Unmarshal([]byte(out), &state); err != nil {
		t.Fatalf("reading the status: %v\n%s", err, out)
	}
	if ready := state.Phase == plane.Ready; ready != (err == nil) {
		t.Errorf("the phase is %s, and the exit says %v", state.Phase, err)
	}
	return state
}

// kubectl runs kubectl, which is this binary under another name.
func kubectl(t *testing.T, kubeconfig string, arguments ...string) string {
	t.Helper()
	link := filepath.Join(t.TempDir(), "kubectl")
	if err := os.Symlink(program, link); err != nil {
		t.Fatal(err)
	}
	command := exec.CommandContext(t.Context(), link, arguments...)
	command.Env = append(os.Environ(), "KUBECONFIG="+kubeconfig)
	out, err := command.CombinedOutput()
	if err != nil {
		t.Fatalf("kubectl %s: %v\n%s", strings.Join(arguments, " "), err, out)
	}
	return strings.TrimSpace(string(out))
}

func wantAlive(t *testing.T, state plane.State) {
	t.Helper()
	for name, id := range processes(t, state) {
		if !id.Alive() {
			t.Errorf("%s does not run", name)
		}
	}
}

func wantEnded(t *testing.T, state plane.State) {
	t.Helper()
	for name, id := range processes(t, state) {
		if id.Alive() {
			t.Errorf("%s still runs", name)
		}
	}
}

// processes are all that a cluster has, by name.
func processes(t *testing.T, state plane.State) map[string]process.Identity {
	t.Helper()
	all := map[string]process.Identity{"supervisor": state.Supervisor}
	for _, component := range state.Components {
		all[component.Name] = component.Process
	}
	if len(all) != 5 {
		t.Fatalf("there are %d processes, want 5: %v", len(all), all)
	}
	return all
}

// waitForEnd waits until every process of a cluster has ended.
func waitForEnd(t *testing.T, state plane.State) {
	t.Helper()
	for name, id := range processes(t, state) {
		if ended, err := id.Wait(endLimit); !ended || err != nil {
			t.Fatalf("%s has not ended: %v", name, err)
		}
	}
}

func kill(t *testing.T, state plane.State, name string) {
	t.Helper()
	if err := processes(t, state)[name].Signal(unix.SIGKILL); err != nil {
		t.Fatal(err)
	}
}

func wantNoFolder(t *testing.T, path string) {
	t.Helper()
	if _, err := os.Lstat(path); !os.IsNotExist(err) {
		t.Errorf("%s is still there: %v", path, err)
	}
}
