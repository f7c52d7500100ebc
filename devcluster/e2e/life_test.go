package e2e_test

import (
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"testing"

	"golang.org/x/sys/unix"
	"k8s.io/utils/clock"

	"github.com/soda-cdm/kahu/devcluster/internal/plane"
)

// rounds is how often a cluster comes and goes: KAHU_E2E_ROUNDS, or twice.
func rounds(t *testing.T) int {
	t.Helper()
	asked := os.Getenv("KAHU_E2E_ROUNDS") //nolint:forbidigo // the one who runs the tests says so
	if asked == "" {
		return 2
	}
	count, err := strconv.Atoi(asked)
	if err != nil {
		t.Fatal(err)
	}
	return count
}

// TestUpAndDownLeaveNothing has a pod with a volume run each time, and a loop
// device that nobody but the command down lets go of.
func TestUpAndDownLeaveNothing(t *testing.T) {
	f := newFleet(t)
	for range rounds(t) {
		before := takeCensus(t, f.folder)
		c := f.up(t, "default", "--node")
		c.apply(t, server("web"))
		c.untilReady(t, "web")
		attachLoop(t, filepath.Join(c.state(t).Nodes[0].Folder, "disk"))
		if during := takeCensus(t, f.folder); len(during["processes"]) < 8 || len(during["loops"]) != 1 || len(during["namespaces"]) <= len(before["namespaces"]) {
			t.Fatalf("the census sees too little: %v", during)
		}
		begun := clock.RealClock{}.Now()
		f.must(t, "down")
		t.Logf("down after %.1f s", clock.RealClock{}.Since(begun).Seconds())
		wantSame(t, before, f.folder)
		wantEmpty(t, f.folder)
	}
}

func wantEmpty(t *testing.T, folder string) {
	t.Helper()
	if left := glob(t, folder+"/*"); len(left) > 0 {
		t.Errorf("left in the folder are %v", left)
	}
}

func attachLoop(t *testing.T, path string) {
	t.Helper()
	if err := os.WriteFile(path, make([]byte, 1<<20), 0o600); err != nil {
		t.Fatal(err)
	}
	if out, err := exec.CommandContext(t.Context(), "losetup", "--find", path).CombinedOutput(); err != nil {
		t.Fatalf("attaching a loop device: %v: %s", err, out)
	}
}

// TestKilledSupervisorTakesItsNodesAlong has two clusters, each with a pod; one is killed.
func TestKilledSupervisorTakesItsNodesAlong(t *testing.T) {
	f := newFleet(t)
	kept := f.up(t, "kept", "--node")
	kept.apply(t, server("web"))
	kept.untilReady(t, "web")
	before := takeCensus(t, f.folder)

	killed := f.up(t, "killed", "--node")
	killed.apply(t, server("web"))
	killed.untilReady(t, "web")
	state := killed.state(t)
	if err := state.Supervisor.Signal(unix.SIGKILL); err != nil {
		t.Fatal(err)
	}
	for _, component := range state.Components {
		if ended, err := component.Process.Wait(endLimit); !ended || err != nil {
			t.Errorf("%s has not ended: %v", component.Name, err)
		}
	}
	if ended, err := state.Supervisor.Wait(endLimit); !ended || err != nil { // Its children may go before it has quite gone.
		t.Errorf("the supervisor has not ended: %v", err)
	}
	if phase := killed.state(t).Phase; phase != plane.Dead {
		t.Errorf("the phase is %s", phase)
	}
	f.must(t, "down", "--name", "killed")
	wantSame(t, before, f.folder)

	kept.untilReady(t, "web")
	if phase := kept.state(t).Phase; phase != plane.Ready {
		t.Errorf("the other cluster is %s", phase)
	}
}

func TestDaemonThatEndsEndsTheCluster(t *testing.T) {
	f := newFleet(t)
	before := takeCensus(t, f.folder)
	c := f.up(t, "default", "--node")
	state := c.state(t)
	daemon := childNamed(t, state.Components[len(state.Components)-1].Process.PID, "kube-proxy")
	if err := unix.Kill(daemon, unix.SIGKILL); err != nil {
		t.Fatal(err)
	}
	if ended, err := state.Supervisor.Wait(endLimit); !ended || err != nil {
		t.Fatalf("the supervisor has not ended: %v", err)
	}
	after := c.state(t)
	if after.Phase != plane.Failed || !strings.Contains(after.Error, "kube-proxy has ended (signal: killed") {
		t.Errorf("the state says %s: %s", after.Phase, after.Error)
	}
	f.must(t, "down")
	wantSame(t, before, f.folder)
}

// childNamed gives the child of a process by the name that it was started under.
func childNamed(t *testing.T, parent int, name string) int {
	t.Helper()
	for _, path := range glob(t, "/proc/[0-9]*/status") {
		content, err := os.ReadFile(path)
		if err != nil || !strings.Contains(string(content), "\nPPid:\t"+strconv.Itoa(parent)+"\n") {
			continue
		}
		arguments, err := os.ReadFile(filepath.Join(filepath.Dir(path), "cmdline"))
		if err != nil || !strings.HasPrefix(string(arguments), name+"\x00") {
			continue
		}
		pid, err := strconv.Atoi(filepath.Base(filepath.Dir(path)))
		if err != nil {
			t.Fatal(err)
		}
		return pid
	}
	t.Fatalf("process %d has no child %s", parent, name)
	return 0
}

func TestPodsComeBackWithTheirData(t *testing.T) {
	f := newFleet(t)
	before := takeCensus(t, f.folder)
	c := f.up(t, "default", "--node")
	c.apply(t, server("web"))
	c.untilReady(t, "web")
	folder := c.state(t).Nodes[0].Folder
	f.must(t, "down", "--keep-data")
	wantSame(t, before, f.folder)
	if _, err := os.Stat(folder); err != nil {
		t.Error(err)
	}
	c = f.up(t, "default", "--node")
	c.must(t, "wait", "--for=jsonpath={.status.containerStatuses[0].restartCount}=1", "--timeout=50s", "pod/web")
	c.untilReady(t, "web")
	if _, err := f.try(t, "up", "--nodes", "2"); err == nil {
		t.Error("it is up with one node, and says that it has two")
	}
}

// TestRunHasNodes is about the cluster of a test, which lives as long as its stdin.
func TestRunHasNodes(t *testing.T) {
	needNodes(t)
	folder := filepath.Join(t.TempDir(), "data")
	before := takeCensus(t, folder)
	command := exec.CommandContext(t.Context(), program, "run", "--node", "--data", folder)
	command.Stderr = t.Output()
	stdin, err := command.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	stdout, err := command.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := command.Start(); err != nil {
		t.Fatal(err)
	}
	if _, err := stdout.Read(make([]byte, 1)); err != nil {
		t.Errorf("it does not say that it is ready: %v", err)
	}
	c := cluster{layout: plane.Layout{Name: "run", Folder: folder}}
	if !t.Failed() {
		c.apply(t, server("web"))
		c.untilReady(t, "web")
	}
	if err := stdin.Close(); err != nil {
		t.Error(err)
	}
	if err := command.Wait(); err != nil {
		t.Errorf("it ended with %v", err)
	}
	wantSame(t, before, folder)
}
