// Package e2e_test tests clusters with nodes: it takes root and Debian's
// packages (devcluster/packages.sh), and is run by make e2e. Where it cannot
// run, every test is skipped and says why.
package e2e_test

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

	"github.com/soda-cdm/kahu/devcluster/internal/binary"
	"github.com/soda-cdm/kahu/devcluster/internal/plane"
	"github.com/soda-cdm/kahu/devcluster/internal/tool"
)

// Limits that only a broken cluster meets: a busy machine is slow.
const (
	upLimit  = 3 * time.Minute
	endLimit = time.Minute
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

func needNodes(t *testing.T) {
	t.Helper()
	if err := tool.Check(); err != nil {
		t.Skipf("no nodes can be made here: %v", err)
	}
}

// fleet is a folder of clusters that are ended with the test.
type fleet struct {
	folder string
}

func newFleet(t *testing.T) fleet {
	t.Helper()
	needNodes(t)
	f := fleet{folder: t.TempDir()}
	t.Cleanup(func() {
		ctx, cancel := context.WithTimeout(context.WithoutCancel(t.Context()), endLimit)
		defer cancel()
		if t.Failed() {
			f.logs(t)
		}
		if out, err := exec.CommandContext(ctx, program, "down", "--all", "--dir", f.folder).CombinedOutput(); err != nil {
			t.Errorf("ending the clusters: %v\n%s", err, out)
		}
	})
	return f
}

// logs prints the end of every log of a test that has failed.
func (f fleet) logs(t *testing.T) {
	t.Helper()
	paths, _ := filepath.Glob(filepath.Join(f.folder, "*", "logs", "*.log")) // the pattern is fine
	for _, path := range paths {
		content, err := os.ReadFile(path)
		if err == nil {
			t.Logf("%s ends with\n%s", filepath.Base(path), content[max(0, len(content)-1000):])
		}
	}
}

// try runs a command of devcluster, as the user types it.
func (f fleet) try(t *testing.T, arguments ...string) (string, error) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), upLimit)
	defer cancel()
	var out bytes.Buffer
	command := exec.CommandContext(ctx, program, append(arguments, "--dir", f.folder)...)
	command.Stdout, command.Stderr = &out, &out
	err := command.Run()
	return strings.TrimSpace(out.String()), err
}

func (f fleet) must(t *testing.T, arguments ...string) string {
	t.Helper()
	out, err := f.try(t, arguments...)
	if err != nil {
		t.Fatalf("devcluster %s: %v\n%s", strings.Join(arguments, " "), err, out)
	}
	return out
}

// up starts a cluster and gives it.
func (f fleet) up(t *testing.T, name string, arguments ...string) cluster {
	t.Helper()
	f.must(t, append([]string{"up", "--name", name}, arguments...)...)
	c := cluster{layout: plane.Layout{Name: name, Folder: filepath.Join(f.folder, name)}}
	t.Logf("cluster %s with %d nodes was ready after %.1f s", name, len(c.state(t).Nodes), c.state(t).ReadySeconds)
	return c
}

// cluster is one that runs.
type cluster struct {
	layout plane.Layout
}

func (c cluster) state(t *testing.T) plane.State {
	t.Helper()
	state, err := plane.Read(c.layout)
	if err != nil {
		t.Fatal(err)
	}
	return state
}

// command is a command of kubectl, which is the binary under another name.
func (c cluster) command(ctx context.Context, arguments ...string) *exec.Cmd {
	command := exec.CommandContext(ctx, program, arguments...)
	command.Args[0] = "kubectl"
	command.Env = append(os.Environ(), "KUBECONFIG="+c.layout.Kubeconfig())
	return command
}

func (c cluster) try(t *testing.T, arguments ...string) (string, error) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), endLimit)
	defer cancel()
	out, err := c.command(ctx, arguments...).CombinedOutput()
	return strings.TrimSpace(string(out)), err
}

func (c cluster) must(t *testing.T, arguments ...string) string {
	t.Helper()
	out, err := c.try(t, arguments...)
	if err != nil {
		t.Fatalf("kubectl %s: %v\n%s", strings.Join(arguments, " "), err, out)
	}
	return out
}

// object is one of Kubernetes, as kubectl takes it.
type object = map[string]any

func (c cluster) apply(t *testing.T, objects ...object) {
	t.Helper()
	var input bytes.Buffer
	for _, one := range objects {
		if err := json.NewEncoder(&input).Encode(one); err != nil {
			t.Fatal(err)
		}
	}
	command := c.command(t.Context(), "apply", "-f", "-")
	command.Stdin = &input
	if out, err := command.CombinedOutput(); err != nil {
		t.Fatalf("applying: %v\n%s", err, out)
	}
}

// pod is a pod of one container with the arguments of the workload.
func pod(name string, arguments []string, changes ...func(spec, container object)) object {
	container := object{"name": "main", "image": "kahu.local/workload:1", "args": arguments}
	spec := object{"terminationGracePeriodSeconds": 0, "containers": []object{container}}
	for _, change := range changes {
		change(spec, container)
	}
	return object{
		"apiVersion": "v1", "kind": "Pod", "spec": spec,
		"metadata": object{"name": name, "labels": object{"app": name}},
	}
}

// server is a pod that serves, and is ready when it does.
func server(name string, changes ...func(spec, container object)) object {
	return pod(name, []string{"serve"}, append(changes, func(_, container object) {
		container["readinessProbe"] = object{"periodSeconds": 1, "httpGet": object{"path": "/healthz", "port": 8080}}
	})...)
}

func onNode(name string) func(spec, container object) {
	return func(spec, _ object) { spec["nodeName"] = name }
}

func (c cluster) untilReady(t *testing.T, pods ...string) {
	t.Helper()
	for _, name := range pods {
		if out, err := c.try(t, "wait", "--for=condition=Ready", "--timeout=50s", "pod/"+name); err != nil {
			described, _ := c.try(t, "describe", "pod", name)
			t.Fatalf("pod %s is not ready: %v\n%s\n%s", name, err, out, described)
		}
	}
}

// untilDone waits until a pod has ended well, and gives what it said.
func (c cluster) untilDone(t *testing.T, name string) string {
	t.Helper()
	if out, err := c.try(t, "wait", "--for=jsonpath={.status.phase}=Succeeded", "--timeout=50s", "pod/"+name); err != nil {
		described, _ := c.try(t, "describe", "pod", name)
		t.Fatalf("pod %s has not ended well: %v\n%s\n%s", name, err, out, described)
	}
	return c.must(t, "logs", name)
}

// untilThere waits until objects are there. Their definitions may come with
// them, and what is not defined cannot be watched: so this asks again and again.
func (c cluster) untilThere(t *testing.T, objects ...string) {
	t.Helper()
	deadline := time.NewTimer(endLimit)
	defer deadline.Stop()
	again := time.NewTicker(200 * time.Millisecond)
	defer again.Stop()
	for _, one := range objects {
		for {
			out, err := c.try(t, "get", one)
			if err == nil {
				break
			}
			select {
			case <-deadline.C:
				t.Fatalf("%s is not there: %v\n%s", one, err, out)
			case <-again.C:
			}
		}
	}
}
