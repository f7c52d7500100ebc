package devcluster_test

import (
	"os"
	"os/exec"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/soda-cdm/kahu/devcluster/internal/plane"
)

func TestTwoClustersSideBySide(t *testing.T) {
	c := newClusters(t)
	names := []string{"first", "second"}
	var group sync.WaitGroup
	for _, name := range names {
		group.Go(func() {
			if _, stderr, err := c.run(t, "up", "--name", name, "--timeout", startLimit.String()); err != nil {
				t.Errorf("%s: %v\n%s", name, err, stderr)
			}
		})
	}
	group.Wait()

	uids := map[string]bool{}
	for _, name := range names {
		state := c.status(t, name)
		wantAlive(t, state)
		t.Logf("%s was ready after %.1f s", name, state.ReadySeconds)
		uids[kubectl(t, state.Kubeconfig, "get", "namespace", "kube-system", "-o", "jsonpath={.metadata.uid}")] = true
	}
	if len(uids) != len(names) {
		t.Errorf("the clusters are one and the same: %v", uids)
	}
	if out, _ := c.must(t, "list"); strings.Count(out, "Ready") != len(names) {
		t.Errorf("the list is\n%s", out)
	}

	first, second := c.status(t, "first"), c.status(t, "second")
	c.must(t, "down", "--name", "first")
	wantEnded(t, first)
	wantAlive(t, second)
	c.must(t, "down", "--all")
	wantEnded(t, second)
	entries, err := os.ReadDir(c.folder)
	if err != nil {
		t.Fatal(err)
	}
	if len(entries) > 0 {
		t.Errorf("files are left: %v", entries)
	}
	if phase := c.status(t, "first").Phase; phase != "Absent" {
		t.Errorf("the phase is %s", phase)
	}
}

func TestUpTwiceIsOnce(t *testing.T) {
	c := newClusters(t)
	path, _ := c.must(t, "up")
	before := c.status(t, "default")
	again, says := c.must(t, "up")
	if again != path || !strings.Contains(says, "up already") {
		t.Errorf("the second up says %q and %q", again, says)
	}
	if after := c.status(t, "default"); after.Supervisor != before.Supervisor {
		t.Error("the second up has started another supervisor")
	}
	if out, _ := c.must(t, "kubeconfig"); out != path {
		t.Errorf("kubeconfig says %s, want %s", out, path)
	}
	content, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if out, _ := c.must(t, "kubeconfig", "--raw"); out != strings.TrimSpace(string(content)) {
		t.Error("kubeconfig --raw is not the file's content")
	}
	info, err := os.Lstat(path)
	if err != nil {
		t.Fatal(err)
	}
	if info.Mode() != 0o600 {
		t.Errorf("the kubeconfig has the mode %v, want 0600", info.Mode())
	}
	version := kubectl(t, path, "get", "--raw", "/version")
	if !strings.Contains(version, `"gitVersion": "v1.`) {
		t.Errorf("the version is %s", version)
	}
}

func TestKubectlMeansADevcluster(t *testing.T) {
	c := newClusters(t)
	c.must(t, "up", "--name", "other")
	home := t.TempDir() // where kubectl would find a kubeconfig that is not ours
	cases := map[string]struct {
		environment []string
		arguments   []string
		works       bool
	}{
		"by name":                {arguments: []string{"--dir", c.folder, "--name", "other", "get", "--raw", "/readyz"}, works: true},
		"flags of its own":       {arguments: []string{"--dir", c.folder, "--name", "other", "--", "--request-timeout=30s", "get", "nodes"}, works: true},
		"by KUBECONFIG":          {arguments: []string{"get", "--raw", "/readyz"}, environment: []string{"KUBECONFIG=" + c.folder + "/other/kubeconfig"}, works: true},
		"name before KUBECONFIG": {arguments: []string{"--dir", c.folder, "--name", "other", "get", "--raw", "/readyz"}, environment: []string{"KUBECONFIG=/nowhere"}, works: true},
		"default is not there":   {arguments: []string{"--dir", c.folder, "get", "--raw", "/readyz"}},
	}
	for name, test := range cases {
		t.Run(name, func(t *testing.T) {
			command := exec.CommandContext(t.Context(), program, append([]string{"kubectl"}, test.arguments...)...)
			command.Env = slices.Concat(test.environment, []string{"HOME=" + home})
			if out, err := command.CombinedOutput(); (err == nil) != test.works {
				t.Errorf("got %v, want it to work: %v\n%s", err, test.works, out)
			}
		})
	}
}

func TestKilledComponentEndsTheCluster(t *testing.T) {
	c := newClusters(t)
	c.must(t, "up")
	before := c.status(t, "default")
	kill(t, before, "etcd")
	waitForEnd(t, before)
	state := c.status(t, "default")
	if state.Phase != plane.Failed || !strings.Contains(state.Error, "etcd has ended (signal: killed)") {
		t.Errorf("the status is %s: %s", state.Phase, state.Error)
	}
	if out, _, _ := c.run(t, "status"); !strings.Contains(out, "etcd has ended") {
		t.Errorf("the status for people is\n%s", out)
	}
	c.must(t, "down")
	wantNoFolder(t, before.Kubeconfig)
}

func TestDataOutliveProcesses(t *testing.T) {
	c := newClusters(t)
	path, _ := c.must(t, "up")
	kubectl(t, path, "create", "configmap", "kept")

	c.must(t, "down", "--keep-data")
	if phase := c.status(t, "default").Phase; phase != plane.Stopped {
		t.Errorf("the phase is %s, want Stopped", phase)
	}
	c.must(t, "up")
	kubectl(t, path, "get", "configmap", "kept")

	// Nothing of a cluster outlives a supervisor that is killed.
	before := c.status(t, "default")
	kill(t, before, "supervisor")
	waitForEnd(t, before)
	if phase := c.status(t, "default").Phase; phase != plane.Dead {
		t.Errorf("the phase is %s, want Dead", phase)
	}
	if _, says := c.must(t, "up"); !strings.Contains(says, "with the data that it had") {
		t.Errorf("up says %s", says)
	}
	kubectl(t, path, "get", "configmap", "kept")

	c.must(t, "up", "--fresh")
	if out := kubectl(t, path, "get", "configmap", "kept", "--ignore-not-found"); out != "" {
		t.Errorf("a fresh cluster has %s", out)
	}
}
