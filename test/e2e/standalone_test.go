package e2e_test

import (
	"bytes"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strconv"
	"sync"
	"syscall"
	"testing"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/utils/clock"

	kahuv1 "github.com/soda-cdm/kahu/api/v1beta1"
	testcluster "github.com/soda-cdm/kahu/internal/testkit/cluster"
)

const (
	// fileProvider is the provider of the process tree.
	fileProvider = "filesystem"
	// leaseTime is how long its sidecar's lease lasts in these tests.
	leaseTime = 3 * time.Second
	// endLimit bounds the end of a process that is asked to end.
	endLimit = time.Minute
)

// tree is a running `kahu standalone`.
type tree struct {
	t       *testing.T
	folder  string // of the whole store
	state   string // its sockets and certificates
	command *exec.Cmd
	output  *lines
	ended   chan struct{}
}

// program returns the path of a program of this repository.
func program(t *testing.T, name string) string {
	t.Helper()
	path, err := filepath.Abs(filepath.Join(top, "bin", name))
	if err != nil {
		t.Fatal(err)
	}
	if _, err := os.Stat(path); err != nil {
		t.Fatalf("run \"make build\" first: %v", err)
	}
	return path
}

// startTree starts the process tree over a folder, with the definitions of this release. It ends with the test.
func startTree(t *testing.T, kubeconfig, folder string, arguments ...string) *tree {
	t.Helper()
	return startBareTree(t, kubeconfig, folder, append([]string{"--install-crds"}, arguments...)...)
}

// startBareTree is startTree, over the definitions that are there.
func startBareTree(t *testing.T, kubeconfig, folder string, arguments ...string) *tree {
	t.Helper()
	state, err := os.MkdirTemp("", "kahu-e2e-") //nolint:usetesting // t.TempDir is too long a path for a socket.
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = os.RemoveAll(state) }) // what remains is in a folder for such things
	command := exec.CommandContext(t.Context(), program(t, "kahu"), append([]string{
		"standalone", "--kubeconfig", kubeconfig, "--store", folder, "--state", state,
		"--lease-duration", leaseTime.String(), "--location-interval", lookEvery.String(),
		"--location-patience", patience.String(),
	}, arguments...)...)
	made := &tree{t: t, folder: folder, state: state, command: command, output: newLines(), ended: make(chan struct{})}
	command.Stdout, command.Stderr = made.output, made.output
	command.Cancel = func() error { return command.Process.Signal(syscall.SIGTERM) }
	command.WaitDelay = endLimit
	if err := command.Start(); err != nil {
		t.Fatalf("starting the process tree: %v", err)
	}
	go func() {
		defer close(made.ended)
		_ = command.Wait() // what it says of its end is in the output
	}()
	t.Cleanup(func() {
		made.stop()
		if t.Failed() {
			t.Logf("the process tree said:\n%s", made.output)
		}
	})
	return made
}

// stop ends the tree and returns when it has ended.
func (p *tree) stop() {
	_ = p.command.Process.Signal(syscall.SIGTERM) // fails if it has ended, which is as good
	p.awaitEnd()
}

// kill ends the tree without a word, and the kernel its children.
func (p *tree) kill() {
	_ = p.command.Process.Kill() // fails if it has ended, which is as good
	p.awaitEnd()
}

func (p *tree) awaitEnd() {
	select {
	case <-p.ended:
	case <-clock.RealClock{}.After(endLimit):
		p.t.Errorf("the process tree does not end")
		_ = p.command.Process.Kill()
	}
}

// child returns the process id of the youngest child of that name, at least the number-th one of that name.
func (p *tree) child(name string, number int) int {
	p.t.Helper()
	started := regexp.MustCompile(`child started.*"child": "` + name + `", "pid": (\d+)`)
	var found [][]string
	p.output.await(p.t, fmt.Sprintf("start %d of %s", number, name), func(text string) bool {
		found = started.FindAllStringSubmatch(text, -1)
		return len(found) >= number
	})
	pid, err := strconv.Atoi(found[len(found)-1][1])
	if err != nil {
		p.t.Fatal(err)
	}
	return pid
}

// signal sends a signal to a child of this tree.
func (p *tree) signal(pid int, which syscall.Signal) {
	p.t.Helper()
	if err := syscall.Kill(pid, which); err != nil {
		p.t.Fatalf("sending %s to %d: %v", which, pid, err)
	}
}

// stopChild asks a child to end, and returns when it is started again.
func (p *tree) stopChild(name string) {
	p.t.Helper()
	p.signal(p.child(name, 1), syscall.SIGTERM)
	p.child(name, 2)
}

// newFileWorld is a world in the shared cluster with the process tree over a folder. Its location has a folder of its
// own in the store, as other locations beside it do.
func newFileWorld(t *testing.T) (*world, *tree) {
	t.Helper()
	folder := t.TempDir()
	config := testcluster.Config(t)
	made := &world{api: newAPI(t, config), location: "main", store: folderSide{t: t, folder: filepath.Join(folder, "main")}}
	t.Cleanup(made.clear)
	running := startTree(t, testcluster.Kubeconfig(t), folder)
	made.awaitProvider(kahuv1.ProviderStateAvailable)
	made.newLocation("main", fileProvider, map[string]string{"path": "main"})
	return made, running
}

// awaitProvider returns when the provider of the tree is in that state.
func (a *api) awaitProvider(state kahuv1.ProviderState) {
	a.t.Helper()
	await(a, &kahuv1.Provider{ObjectMeta: metav1.ObjectMeta{Name: fileProvider}}, func(provider *kahuv1.Provider) bool {
		return provider.Status.State == state
	})
}

// lines is what a process says, and tells when it says more.
type lines struct {
	mu   sync.Mutex
	text bytes.Buffer
	more chan struct{} // closed at the next write
}

func newLines() *lines { return &lines{more: make(chan struct{})} }

// Write takes what the process says.
func (l *lines) Write(data []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	close(l.more)
	l.more = make(chan struct{})
	return l.text.Write(data)
}

// String returns what the process has said.
func (l *lines) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.text.String()
}

func (l *lines) await(t *testing.T, what string, enough func(text string) bool) {
	t.Helper()
	limit := clock.RealClock{}.After(waitLimit)
	for {
		l.mu.Lock()
		text, more := l.text.String(), l.more
		l.mu.Unlock()
		if enough(text) {
			return
		}
		select {
		case <-more:
		case <-limit:
			t.Fatalf("waiting for %s: it is not in\n%s", what, text)
		}
	}
}
