package consistency_test

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/soda-cdm/kahu/test/ledger"
)

// app is the namespace of the application.
const app = "ledger"

// limit bounds each single wait.
const limit = 2 * time.Minute

// scene is a cluster with a node, storage and Kahu, used by its programs alone.
type scene struct {
	t   *testing.T
	bin string
	dir string
}

// newScene starts everything, and ends it with the test.
func newScene(t *testing.T) *scene {
	t.Helper()
	if os.Getenv("KAHU_NODES") == "" { //nolint:forbidigo // A test binary has no flags of its own.
		t.Skip("it takes a node, on which pods run: see make e2e")
	}
	bin, err := filepath.Abs("../../bin")
	if err != nil {
		t.Fatal(err)
	}
	dir, err := os.MkdirTemp("", "kahu-") //nolint:usetesting // The name of t.TempDir is too long for sockets.
	if err != nil {
		t.Fatal(err)
	}
	s := &scene{t: t, bin: bin, dir: dir}
	t.Cleanup(func() { _ = os.RemoveAll(dir) })
	t.Cleanup(func() { _, _ = s.run("devcluster", "down", "--dir", dir) })
	s.must("devcluster", "up", "--dir", dir, "--node", "--csi")
	socket := "unix://" + filepath.Join(dir, "csi.sock")
	s.start("kahu", "standalone", "--kubeconfig", s.kubeconfig(), "--store", filepath.Join(dir, "store"), "--install-crds")
	s.start("kahu-provider-csi", "--kubeconfig", s.kubeconfig(), "--endpoint", socket)
	s.kubectl("wait", "--for=create", "--timeout=60s", "crd/volumerestorecontents.kahu.io")
	s.start("kahu", "volume-service", "--kubeconfig", s.kubeconfig(), "--driver", socket)
	for _, name := range []string{"filesystem", "csi"} {
		s.kubectl("wait", "--for=create", "--timeout=60s", "providers.kahu.io/"+name)
		s.kubectl("wait", "--for=condition=Ready", "--timeout=60s", "providers.kahu.io/"+name)
	}
	s.must("kubectl-kahu", "location", "create", "here", "--provider", "filesystem", "--wait", "--kubeconfig", s.kubeconfig())
	return s
}

func (s *scene) kubeconfig() string { return filepath.Join(s.dir, "default", "kubeconfig") }

// start runs a program until the test ends.
func (s *scene) start(name string, arguments ...string) {
	s.t.Helper()
	command := exec.CommandContext(context.WithoutCancel(s.t.Context()), filepath.Join(s.bin, name), arguments...)
	var said bytes.Buffer
	command.Stdout, command.Stderr = &said, &said
	if err := command.Start(); err != nil {
		s.t.Fatalf("run `make build` first: %v", err)
	}
	s.t.Cleanup(func() {
		_ = command.Process.Signal(syscall.SIGTERM)
		killer := time.AfterFunc(limit, func() { _ = command.Process.Kill() })
		_ = command.Wait()
		killer.Stop()
		if s.t.Failed() {
			s.t.Logf("%s %s said:\n%s", name, arguments[0], tail(said.String()))
		}
	})
}

// tail is the end of a text.
func tail(text string) string {
	const most = 8 << 10
	return text[max(0, len(text)-most):]
}

// run runs a program to its end.
func (s *scene) run(name string, arguments ...string) (string, error) {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(s.t.Context()), limit)
	defer cancel()
	command := exec.CommandContext(ctx, filepath.Join(s.bin, name), arguments...)
	var out, side bytes.Buffer
	command.Stdout, command.Stderr = &out, &side
	if err := command.Run(); err != nil {
		return out.String(), fmt.Errorf("%s %s: %w: %s", name, strings.Join(arguments, " "), err, strings.TrimSpace(side.String()))
	}
	return out.String(), nil
}

func (s *scene) must(name string, arguments ...string) string {
	s.t.Helper()
	out, err := s.run(name, arguments...)
	if err != nil {
		s.t.Fatal(err)
	}
	return out
}

func (s *scene) kubectl(arguments ...string) string {
	s.t.Helper()
	return s.must("devcluster", append([]string{"kubectl", "--dir", s.dir, "--"}, arguments...)...)
}

// apply creates what a manifest says.
func (s *scene) apply(name, manifest string) {
	s.t.Helper()
	path := filepath.Join(s.dir, name+".yaml")
	if err := os.WriteFile(path, []byte(manifest), 0o600); err != nil {
		s.t.Fatal(err)
	}
	s.kubectl("apply", "-f", path)
}

// deploy starts the application: two volumes of two drivers.
func (s *scene) deploy() {
	s.t.Helper()
	application := ledger.Application{Namespace: app, Cash: "shared", Books: "local", Every: time.Millisecond}
	s.apply("application", application.Manifest())
	s.kubectl("rollout", "status", "deployment/ledger", "-n", app, "--timeout=120s")
}

// live counts the records that the application has written into its first volume.
func (s *scene) live() int {
	s.t.Helper()
	content, err := os.ReadFile(filepath.Join(s.volume(app, "cash"), "ledger"))
	if err != nil {
		s.t.Fatal(err)
	}
	return bytes.Count(content, []byte("\n"))
}

// volume returns the folder of the volume of a claim.
func (s *scene) volume(namespace, claim string) string {
	s.t.Helper()
	var all struct {
		Volumes []struct {
			Claim string `json:"claim"`
			Path  string `json:"path"`
		} `json:"volumes"`
	}
	if err := json.Unmarshal([]byte(s.must("devcluster", "csi", "list", "--dir", s.dir, "-o", "json")), &all); err != nil {
		s.t.Fatal(err)
	}
	for _, volume := range all.Volumes {
		if volume.Claim == namespace+"/"+claim {
			return volume.Path
		}
	}
	s.t.Fatalf("there is no volume of %s/%s: %+v", namespace, claim, all.Volumes)
	return ""
}

// backup makes a backup while the application writes.
func (s *scene) backup(name, hook string) {
	s.t.Helper()
	s.apply(name, fmt.Sprintf(`apiVersion: kahu.io/v1beta1
kind: Backup
metadata: {name: %s}
spec:
  metadataLocation: here
  includeNamespaces: [%s]
%s`, name, app, hook))
	s.finished("backups.kahu.io", name)
}

// finished waits for the end of a run, which must be a good one.
func (s *scene) finished(kind, name string) {
	s.t.Helper()
	s.kubectl("wait", kind+"/"+name, "--for=jsonpath={.status.stage}=Finished", "--timeout=100s")
	if state := s.kubectl("get", kind, name, "-o", "jsonpath={.status.state}"); state != "Completed" {
		s.t.Fatalf("%s is %s:\n%s", name, state, s.kubectl("get", kind, name, "-o", "yaml"))
	}
}

// restored restores the volumes of a backup into a namespace of their own, and returns how many records are in the first one; an
// error says that they do not agree.
func (s *scene) restored(name string) (records int, err error) {
	s.t.Helper()
	s.apply("restore-"+name, fmt.Sprintf(`apiVersion: kahu.io/v1beta1
kind: Restore
metadata: {name: %s}
spec:
  backupName: %s
  includeResources: [{kind: PersistentVolumeClaim}]
  namespaceMapping: {%s: %s}
`, name, name, app, name))
	s.finished("restores.kahu.io", name)
	said, disagree := s.run("devcluster-workload", "agree", s.volume(name, "cash"), s.volume(name, "books"))
	records, err = strconv.Atoi(regexp.MustCompile(`^\d+`).FindString(said))
	if err != nil || records == 0 {
		s.t.Fatalf("%s: there are no records: %s, %v", name, said, errors.Join(err, disagree))
	}
	return records, disagree
}
