package sidecar_test

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"os"
	"os/exec"
	"os/signal"
	"path"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/go-logr/logr/funcr"
	"google.golang.org/grpc"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/client-go/tools/clientcmd"
	"k8s.io/utils/clock"

	"github.com/soda-cdm/kahu/internal/sidecar"
	"github.com/soda-cdm/kahu/internal/sidecar/orders"
	"github.com/soda-cdm/kahu/internal/testkit/cluster"
	"github.com/soda-cdm/kahu/provider"
	"github.com/soda-cdm/kahu/provider/memory"
)

// roleVariable is set in the children of this test: it says what to be.
const roleVariable = "KAHU_SIDECAR_TEST_ROLE"

// role is what a child is: the driver or the sidecar.
type role struct {
	Part       string `json:"part"`
	Folder     string `json:"folder"`
	Socket     string `json:"socket"`
	Kubeconfig string `json:"kubeconfig"`
	Namespace  string `json:"namespace"`
	Name       string `json:"name"`
}

// point is where a process is killed: before or after a call of a run, by the driver or the sidecar.
type point struct {
	Run    string `json:"run"`
	Call   string `json:"call"`
	When   string `json:"when"`
	Victim string `json:"victim"`
}

func (p point) String() string { return p.Victim + " killed " + p.When + " " + p.Call }

// play is the main function of a child.
func play(text string) int {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt) //nolint:forbidigo // It is a program.
	defer stop()
	var as role
	err := json.Unmarshal([]byte(text), &as)
	if err == nil {
		err = os.WriteFile(filepath.Join(as.Folder, as.Part+".pid"), []byte(strconv.Itoa(os.Getpid())), 0o600)
	}
	watching := &witness{role: as, counts: map[string]int{}}
	switch {
	case err != nil:
	case as.Part == "driver":
		err = playDriver(ctx, as, watching)
	default:
		err = playSidecar(ctx, as, watching)
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	return 0
}

func playDriver(ctx context.Context, as role, watching *witness) error {
	driver, err := memory.NewVolumes(memory.VolumeOptions{
		Name: as.Name, File: filepath.Join(as.Folder, "works"), Duration: 200 * time.Millisecond, Bytes: 1000,
		Now: clock.RealClock{}.Now, Stall: func(name string) bool { return strings.HasSuffix(name, "stalled") },
	})
	if err != nil {
		return err
	}
	intercept := func(ctx context.Context, request any, info *grpc.UnaryServerInfo, handle grpc.UnaryHandler) (any, error) {
		defer watching.see(path.Base(info.FullMethod), fmt.Sprint(request))()
		return handle(ctx, request)
	}
	options := provider.Options{Driver: driver, GRPC: []grpc.ServerOption{grpc.UnaryInterceptor(intercept)}}
	return provider.NewServer(options).Serve(ctx, "unix://"+as.Socket)
}

func playSidecar(ctx context.Context, as role, watching *witness) error {
	config, err := clientcmd.BuildConfigFromFlags("", as.Kubeconfig)
	if err != nil {
		return err
	}
	config.QPS = -1
	config.Wrap(func(next http.RoundTripper) http.RoundTripper {
		return roundTrip(func(request *http.Request) (*http.Response, error) {
			if request.Method != http.MethodGet {
				defer watching.see(request.Method, request.URL.Path)()
			}
			return next.RoundTrip(request)
		})
	})
	return sidecar.RunVolumes(ctx, sidecar.Options{
		Driver: "unix://" + as.Socket, Config: config, Namespace: as.Namespace, LeaseDuration: lease,
		Holder: strconv.Itoa(os.Getpid()), Place: "here",
		Logger: funcr.New(func(prefix, args string) { fmt.Fprintln(os.Stderr, prefix, args) }, funcr.Options{}),
	}, orders.Limits{})
}

// roundTrip is a function as a transport.
type roundTrip func(*http.Request) (*http.Response, error)

// RoundTrip calls the function.
func (r roundTrip) RoundTrip(request *http.Request) (*http.Response, error) { return r(request) }

// witness sees the calls of a child, notes those of the run, and kills where it is told to.
type witness struct {
	role

	mutex  sync.Mutex
	counts map[string]int
}

// see notes a call that begins, and returns what notes that it has ended.
func (w *witness) see(what, about string) (ended func()) {
	w.mutex.Lock()
	defer w.mutex.Unlock()
	content, err := os.ReadFile(filepath.Join(w.Folder, "run"))
	run := string(content)
	if err != nil || !strings.Contains(about, run) {
		return func() {}
	}
	if what == http.MethodPut || what == http.MethodPatch {
		what += " " + strings.ReplaceAll(strings.TrimPrefix(about, "/apis/kahu.io/v1beta1/"), run, "RUN")
	}
	w.counts[run+what]++
	if what = fmt.Sprintf("%s #%d", what, w.counts[run+what]); strings.Contains(what, "Stat #") && !strings.HasSuffix(what, "#1") {
		return func() {} // How often it is asked says nothing.
	}
	w.note("calls-"+run, what)
	w.at(run, what, "before")
	return func() { w.at(run, what, "after") }
}

// at kills who is to be killed at this point, once.
func (w *witness) at(run, call, when string) {
	name := filepath.Join(w.Folder, "point")
	content, err := os.ReadFile(name)
	if err != nil {
		return
	}
	var wanted point
	if json.Unmarshal(content, &wanted) != nil || wanted.Run != run || wanted.Call != call || wanted.When != when {
		return
	}
	if os.Rename(name, name+"-"+run) != nil {
		return // Another call was there first.
	}
	pid, _ := os.ReadFile(filepath.Join(w.Folder, wanted.Victim+".pid"))
	if number, err := strconv.Atoi(string(pid)); err == nil {
		_ = syscall.Kill(number, syscall.SIGKILL)
	}
}

// note adds a line to a file.
func (w *witness) note(name, line string) {
	file, err := os.OpenFile(filepath.Join(w.Folder, name), os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o600)
	if err != nil {
		return
	}
	_, _ = fmt.Fprintln(file, line)
	_ = file.Close()
}

// keep runs a child, again whenever it has ended, until the test ends.
func (w *volumeWorld) keep(as role) {
	w.t.Helper()
	text, err := json.Marshal(as)
	must(w.t, err)
	ctx, cancel := context.WithCancel(context.WithoutCancel(w.t.Context()))
	var output bytes.Buffer
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		for ctx.Err() == nil {
			command := exec.CommandContext(ctx, os.Args[0])
			command.Env = append(os.Environ(), roleVariable+"="+string(text))
			command.Stdout, command.Stderr = &output, &output
			command.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
			_ = command.Run() // It is killed, or its output says why it ended.
		}
	}()
	w.t.Cleanup(func() {
		cancel()
		<-ended
		if w.t.Failed() {
			w.t.Logf("%s:\n%s", as.Part, output.String()[max(0, output.Len()-20000):])
		}
	})
}

// scenario is a run of a name, and what must have come of it.
type scenario func(w *volumeWorld, run string)

// wholeLife has a volume backed up and restored, and the backup removed.
func wholeLife(w *volumeWorld, run string) {
	w.t.Helper()
	name := w.order(run, map[string]any{"deletionPolicy": "Delete"})
	done := w.inPhase(w.backups(), name, "Completed")
	back := w.create(w.restores(), "VolumeRestoreContent", run, map[string]any{
		"restoreName": "r", "restoreUID": "u", "providerName": w.name,
		"backup":        map[string]any{"handle": text(done, "status", "backup", "handle")},
		"claim":         map[string]any{"namespace": w.namespace, "name": run},
		"claimTemplate": map[string]any{"apiVersion": "v1", "kind": "PersistentVolumeClaim", "spec": map[string]any{}},
	})
	w.inPhase(w.restores(), back, "Completed")
	w.delete(w.restores(), back)
	w.delete(w.backups(), name)
}

// cancelledLife has a backup that stands still cancelled, and removed.
func cancelledLife(w *volumeWorld, run string) {
	w.t.Helper()
	name := w.order(run+"-stalled", map[string]any{"deletionPolicy": "Delete"})
	w.await(w.backups(), name, func(object *unstructured.Unstructured) bool { return text(object, "status", "phase") == "InProgress" })
	w.patch(w.backups(), name, `{"spec":{"cancel":true}}`)
	failed := w.inPhase(w.backups(), name, "Failed")
	if reason := text(failed, "status", "reason"); reason != "Cancelled" {
		w.t.Errorf("%s: the reason is %q: %v", run, reason, failed.Object["status"])
	}
	w.delete(w.backups(), name)
}

// deletedLife has a backup deleted while it goes on.
func deletedLife(w *volumeWorld, run string) {
	w.t.Helper()
	name := w.order(run+"-stalled", map[string]any{"deletionPolicy": "Delete"})
	w.await(w.backups(), name, func(object *unstructured.Unstructured) bool { return text(object, "status", "startTimestamp") != "" })
	w.delete(w.backups(), name)
}

// TestKilledBesideVolumes: the sidecar and the driver are killed before and after each of the calls that change something,
// those of the sidecar and those of the driver. Every order comes to its end all the same, and nothing is left at the driver.
func TestKilledBesideVolumes(t *testing.T) {
	w := newVolumeWorld(t)
	folder := t.TempDir()
	as := role{Folder: folder, Socket: w.socket, Kubeconfig: cluster.Kubeconfig(t), Namespace: w.namespace, Name: w.name}
	for _, part := range []string{"driver", "sidecar"} {
		as.Part = part
		w.keep(as)
	}
	write := func(name string, content []byte) {
		must(t, os.WriteFile(filepath.Join(folder, "."+name), content, 0o600))
		must(t, os.Rename(filepath.Join(folder, "."+name), filepath.Join(folder, name)))
	}
	number, killed := 0, 0
	run := func(life scenario, at point) (calls []string) {
		number++
		name := fmt.Sprintf("run%03dx", number)
		write("run", []byte(name))
		if at.Call != "" {
			at.Run = name
			content, err := json.Marshal(at)
			must(t, err)
			write("point", content)
		}
		life(w, name)
		if _, err := os.Stat(filepath.Join(folder, "point-"+name)); err == nil {
			killed++
		} else if at.Call != "" {
			t.Logf("%s: it did not come to that", at)
		}
		works, _ := os.ReadFile(filepath.Join(folder, "works"))
		if strings.Contains(string(works), "backup/"+w.namespace+"-"+name) {
			t.Errorf("%s: the driver still has the backup: %s", at, works)
		}
		content, _ := os.ReadFile(filepath.Join(folder, "calls-"+name))
		return strings.Fields(strings.ReplaceAll(string(content), " ", "_"))
	}
	tried := 0
	for name, life := range map[string]scenario{"whole": wholeLife, "cancelled": cancelledLife, "deleted": deletedLife} {
		calls := run(life, point{})
		if len(calls) < 5 {
			t.Fatalf("%s: only %q were seen", name, calls)
		}
		for _, at := range pointsOf(slices.Compact(slices.Sorted(slices.Values(calls)))) {
			tried++
			run(life, at)
		}
	}
	t.Logf("killed at %d of %d points", killed, tried)
	if killed*10 < tried*9 {
		t.Errorf("killed at %d of %d points only", killed, tried)
	}
}

// pointsOf returns the points at these calls: the driver's with both as victims, the others with the sidecar alone.
func pointsOf(calls []string) (points []point) {
	for _, call := range calls {
		victims := []string{"sidecar"}
		call = strings.ReplaceAll(call, "_", " ")
		if !strings.HasPrefix(call, http.MethodPut) && !strings.HasPrefix(call, http.MethodPatch) {
			victims = append(victims, "driver")
		}
		for _, victim := range victims {
			points = append(points, point{Call: call, When: "before", Victim: victim}, point{Call: call, When: "after", Victim: victim})
		}
	}
	return points
}
