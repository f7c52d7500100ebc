package e2e_test

import (
	"bufio"
	"context"
	"io"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"k8s.io/utils/clock"
)

// TestPods has one cluster with two nodes for everything that pods do.
func TestPods(t *testing.T) {
	f := newFleet(t)
	c := f.up(t, "default", "--nodes", "2")
	c.apply(t, server("one", onNode("node-1")), server("two", onNode("node-2")))
	c.untilReady(t, "one", "two")

	t.Run("exec and logs", func(t *testing.T) { testExec(t, c) })
	t.Run("port-forward", func(t *testing.T) { testPortForward(t, c) })
	t.Run("pods and services across nodes", func(t *testing.T) { testNetwork(t, c) })
	t.Run("a service account's token", func(t *testing.T) { testToken(t, c) })
	t.Run("limits", func(t *testing.T) { testLimits(t, c) })
	t.Run("volumes of a user who is not root", func(t *testing.T) { testVolumes(t, c) })
	t.Run("a deployment rolls out", func(t *testing.T) { testDeployment(t, c) })
	t.Run("Kahu in a pod", func(t *testing.T) { testKahu(t, f, c) })
}

func testExec(t *testing.T, c cluster) {
	t.Helper()
	for _, name := range []string{"one", "two"} {
		c.must(t, "exec", name, "--", "/devcluster-workload", "append", "/tmp/marks", "frozen")
		c.must(t, "exec", name, "--", "/devcluster-workload", "append", "/tmp/marks", "thawed")
		first := strings.Fields(c.must(t, "exec", name, "--", "/devcluster-workload", "checksum", "/tmp/marks"))
		if len(first) != 2 || len(first[0]) != 64 || first[1] != "/tmp/marks" {
			t.Errorf("%s says %v", name, first)
		}
		if out := c.must(t, "logs", name); out != name+" listens at [::]:8080" {
			t.Errorf("the log of %s is %q", name, out)
		}
	}
	if out, err := c.try(t, "exec", "one", "--", "/devcluster-workload", "checksum", "/nowhere"); err == nil || !strings.Contains(out, "exit code 1") {
		t.Errorf("a command that fails: %v, %s", err, out)
	}
}

func testPortForward(t *testing.T, c cluster) {
	t.Helper()
	ctx, cancel := context.WithCancel(t.Context())
	command := c.command(ctx, "port-forward", "--address=127.0.0.1", "pod/two", ":8080")
	command.Stderr = t.Output()
	out, err := command.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := command.Start(); err != nil {
		t.Fatal(err)
	}
	defer func() { cancel(); _ = command.Wait() }()
	line, err := bufio.NewReader(out).ReadString('\n')
	if err != nil {
		t.Fatal(err)
	}
	// It says: Forwarding from 127.0.0.1:41213 -> 8080
	words := strings.Fields(line)
	if len(words) != 5 {
		t.Fatalf("it says %q", line)
	}
	if got := get(t, "http://"+words[2]+"/name"); got != "two" {
		t.Errorf("two says that it is %q", got)
	}
}

func get(t *testing.T, url string) string {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Second)
	defer cancel()
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, url, nil)
	if err != nil {
		t.Fatal(err)
	}
	response, err := http.DefaultClient.Do(request)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = response.Body.Close() }()
	body, err := io.ReadAll(response.Body)
	if err != nil {
		t.Fatal(err)
	}
	return string(body)
}

// testNetwork has a pod of each node ask one pod by its service's address, and
// the other one by its own.
func testNetwork(t *testing.T, c cluster) {
	t.Helper()
	c.must(t, "expose", "pod", "one", "--port=80", "--target-port=8080")
	service := c.must(t, "get", "service", "one", "-o", "jsonpath={.spec.clusterIP}")
	address := c.must(t, "get", "pod", "two", "-o", "jsonpath={.status.podIP}")
	for _, from := range []string{"node-1", "node-2"} {
		for name, url := range map[string]string{"one": "http://" + service + "/name", "two": "http://" + address + ":8080/name"} {
			asking := "ask-" + name + "-from-" + from
			c.apply(t, pod(asking, []string{"fetch", url}, onNode(from), onFailure))
			if got := c.untilDone(t, asking); got != name {
				t.Errorf("from %s, %s answers %q", from, url, got)
			}
		}
	}
	// The machine itself gets to the pods as well: a test looks at them from there.
	if got := get(t, "http://"+address+":8080/name"); got != "two" {
		t.Errorf("two says that it is %q", got)
	}
}

// onFailure has a pod ask again: a node comes to know of a service some time after the API server.
func onFailure(spec, _ object) { spec["restartPolicy"] = "OnFailure" }

func never(spec, _ object) { spec["restartPolicy"] = "Never" }

func testToken(t *testing.T, c cluster) {
	t.Helper()
	// It is an answer that nobody gets without a token.
	c.apply(t, pod("token", []string{
		"fetch", "--ca", "/var/run/secrets/kubernetes.io/serviceaccount/ca.crt",
		"--token", "/var/run/secrets/kubernetes.io/serviceaccount/token",
		"https://10.96.0.1/apis/authentication.k8s.io/v1",
	}, never))
	if got := c.untilDone(t, "token"); !strings.Contains(got, "selfsubjectreviews") {
		t.Errorf("the API server says %q", got)
	}
}

func testLimits(t *testing.T, c cluster) {
	t.Helper()
	c.apply(t, pod("hungry", []string{"hold", "200"}, never, func(_, container object) {
		container["resources"] = object{"limits": object{"memory": "32Mi", "cpu": "500m"}}
	}))
	c.must(t, "wait", "--for=jsonpath={.status.containerStatuses[0].state.terminated.reason}=OOMKilled", "--timeout=50s", "pod/hungry")
}

// testVolumes writes through one pod and reads through another, as somebody.
func testVolumes(t *testing.T, c cluster) {
	t.Helper()
	somebody := func(spec, container object) {
		spec["nodeName"] = "node-1"
		spec["restartPolicy"] = "Never"
		spec["securityContext"] = object{
			"runAsUser": 1234, "runAsNonRoot": true, "fsGroup": 4321,
			"seccompProfile": object{"type": "RuntimeDefault"},
		}
		spec["initContainers"] = []object{{
			"name": "write", "image": container["image"], "volumeMounts": container["volumeMounts"],
			"args": []string{"write", "--files", "20", "--size", "10000", "--seed", "7", "/data/files"},
		}}
	}
	mounted := func(volume object) func(spec, container object) {
		return func(spec, container object) {
			volume["name"] = "data"
			spec["volumes"] = []object{volume}
			container["volumeMounts"] = []object{{"name": "data", "mountPath": "/data"}}
		}
	}
	path := filepath.Join(c.state(t).Nodes[0].Folder, "shared")
	if err := os.Mkdir(path, 0o700); err != nil {
		t.Fatal(err)
	}
	if err := os.Chmod(path, 0o777); err != nil {
		t.Fatal(err)
	}
	checksum := []string{"checksum", "/data/files/000007"}
	c.apply(t,
		pod("empty-dir", checksum, mounted(object{"emptyDir": object{}}), somebody),
		pod("host-path", checksum, mounted(object{"hostPath": object{"path": "/var/shared"}}), somebody),
	)
	first, second := c.untilDone(t, "empty-dir"), c.untilDone(t, "host-path")
	if len(first) < 64 || first != second {
		t.Errorf("the checksums are %q and %q", first, second)
	}
	if files := glob(t, path+"/files/*"); len(files) != 20 {
		t.Errorf("the machine sees %d files of the host path", len(files))
	}
}

func testDeployment(t *testing.T, c cluster) {
	t.Helper()
	c.must(t, "create", "deployment", "web", "--image=kahu.local/workload:1", "--replicas=3", "--", "/devcluster-workload", "serve")
	begun := clock.RealClock{}.Now()
	c.must(t, "rollout", "status", "deployment/web", "--timeout=50s")
	t.Logf("three pods after %.1f s", clock.RealClock{}.Since(begun).Seconds())
}

// testKahu makes an image of the product's own program, and runs it as somebody
// would who tries it: it installs its definitions and finds its provider.
func testKahu(t *testing.T, f fleet, c cluster) {
	t.Helper()
	folder := t.TempDir()
	build := exec.CommandContext(t.Context(), "go", "-C", "../..", "build", "-trimpath", "-o", folder, "./cmd/kahu")
	build.Env = append(os.Environ(), "CGO_ENABLED=0")
	if out, err := build.CombinedOutput(); err != nil {
		t.Fatalf("building kahu: %v\n%s", err, out)
	}
	archive := filepath.Join(folder, "kahu.tar")
	if out, err := exec.CommandContext(t.Context(), program, "image", "build", "kahu.local/kahu:dev", filepath.Join(folder, "kahu"), archive).CombinedOutput(); err != nil {
		t.Fatalf("making the image: %v\n%s", err, out)
	}
	f.must(t, "image", "load", archive)
	c.must(t, "create", "secret", "generic", "cluster", "--from-file=kubeconfig="+c.layout.Kubeconfig())
	c.apply(t, pod("kahu", []string{
		"standalone", "--kubeconfig", "/cluster/kubeconfig", "--store", "/store", "--install-crds",
	}, func(spec, container object) {
		container["image"] = "kahu.local/kahu:dev"
		container["volumeMounts"] = []object{{"name": "cluster", "mountPath": "/cluster"}, {"name": "store", "mountPath": "/store"}}
		spec["volumes"] = []object{
			{"name": "cluster", "secret": object{"secretName": "cluster"}},
			{"name": "store", "emptyDir": object{}},
		}
	}))
	c.untilReady(t, "kahu")
	c.untilThere(t, "crd/providers.kahu.io", "providers.kahu.io/filesystem")
	c.must(t, "wait", "--for=condition=Ready", "--timeout=50s", "providers.kahu.io/filesystem")
}
