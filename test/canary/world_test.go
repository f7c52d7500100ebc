package canary_test

import (
	"bytes"
	"context"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"testing"

	corev1 "k8s.io/api/core/v1"
	eventsv1 "k8s.io/api/events/v1"
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/fields"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/client-go/kubernetes/scheme"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/yaml"

	kahuv1 "github.com/soda-cdm/kahu/api/v1beta1"
	testcluster "github.com/soda-cdm/kahu/internal/testkit/cluster"
	"github.com/soda-cdm/kahu/internal/testkit/s3server"
)

// world is a cluster with Kahu beside it, and a store.
type world struct {
	t          *testing.T
	api        client.WithWatch
	kubeconfig string
	store      *s3server.Server
	logs       *lines
	printed    lines // what the command line printed
	metrics    string
	profiles   string
}

// lines keep what processes write.
type lines struct {
	mu   sync.Mutex
	text bytes.Buffer
}

// Write is called by the goroutines of commands.
func (l *lines) Write(text []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.text.Write(text)
}

func (l *lines) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.text.String()
}

func check(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// newWorld starts everything, and ends it with the test.
func newWorld(t *testing.T) *world {
	t.Helper()
	known := runtime.NewScheme()
	check(t, scheme.AddToScheme(known))
	check(t, kahuv1.AddToScheme(known))
	api, err := client.NewWithWatch(testcluster.Config(t), client.Options{Scheme: known})
	check(t, err)
	w := &world{
		t: t, api: api, kubeconfig: testcluster.Kubeconfig(t), store: s3server.Start(t, s3server.Options{}, "backups"), logs: &lines{},
		metrics: freeAddress(t), profiles: freeAddress(t),
	}
	w.startTree()
	return w
}

func (w *world) program(name string) string {
	w.t.Helper()
	path, err := filepath.Abs(filepath.Join(top, "bin", name))
	check(w.t, err)
	if _, err := os.Stat(path); err != nil {
		w.t.Fatalf("run \"make build\" first: %v", err)
	}
	return path
}

func freeAddress(t *testing.T) string {
	t.Helper()
	listener, err := (&net.ListenConfig{}).Listen(t.Context(), "tcp", "127.0.0.1:0")
	check(t, err)
	defer listener.Close()
	return listener.Addr().String()
}

// startTree runs manager, meta-service and the S3 provider, which say as much as they can.
func (w *world) startTree() {
	w.t.Helper()
	state, err := os.MkdirTemp("", "kahu-canary-")
	check(w.t, err)
	w.t.Cleanup(func() { _ = os.RemoveAll(state) })
	command := exec.CommandContext(w.t.Context(), w.program("kahu"), "standalone", "--kubeconfig", w.kubeconfig, "--provider", "s3",
		"--state", state, "--install-crds", "--verbosity", "5", "--location-interval", "2s", "--location-patience", "3s",
		"--metrics-address", w.metrics, "--pprof-address", w.profiles)
	command.Stdout, command.Stderr = w.logs, w.logs
	command.Cancel = func() error { return command.Process.Signal(syscall.SIGTERM) }
	check(w.t, command.Start())
	w.t.Cleanup(func() {
		_ = command.Process.Signal(syscall.SIGTERM) // It may have ended.
		_ = command.Wait()                          // It was asked to end.
		if w.t.Failed() {
			w.t.Logf("the end of what the processes said:\n%s", tail(w.logs.String()))
		}
	})
	w.await(&kahuv1.ProviderList{}, "s3", func(object client.Object) bool {
		provider, is := object.(*kahuv1.Provider)
		return is && provider.Status.State == kahuv1.ProviderStateAvailable
	})
}

func tail(text string) string { return text[max(0, len(text)-6000):] }

// await returns the object when it is as the test waits for it. A kind that is not served yet is waited for, too.
func (w *world) await(list client.ObjectList, name string, is func(object client.Object) bool) client.Object {
	w.t.Helper()
	ctx, cancel := context.WithTimeout(w.t.Context(), waitLimit)
	defer cancel()
	var last client.Object
	for ctx.Err() == nil {
		if found := w.watch(ctx, list, name, func(object client.Object) bool {
			last = object
			return is(object)
		}); found {
			return last
		}
	}
	w.t.Fatalf("waiting for %s in vain: %+v", name, last)
	return nil
}

func (w *world) watch(ctx context.Context, list client.ObjectList, name string, is func(object client.Object) bool) bool {
	only := &client.ListOptions{FieldSelector: fields.OneTermEqualSelector("metadata.name", name)}
	if err := w.api.List(ctx, list, only); err != nil {
		pause(ctx) // Its definition is on its way.
		return false
	}
	items, err := meta.ExtractList(list)
	check(w.t, err)
	for _, item := range items {
		if object, isObject := item.(client.Object); isObject && is(object) {
			return true
		}
	}
	only.Raw = &metav1.ListOptions{ResourceVersion: list.GetResourceVersion()}
	watcher, err := w.api.Watch(ctx, list, only)
	if err != nil {
		pause(ctx)
		return false
	}
	defer watcher.Stop()
	for event := range watcher.ResultChan() {
		if object, isObject := event.Object.(client.Object); isObject && is(object) {
			return true
		}
	}
	return false
}

// pause waits a little for what cannot be watched.
func pause(ctx context.Context) {
	const short = 100_000_000 // nanoseconds
	next, end := context.WithTimeout(ctx, short)
	defer end()
	<-next.Done()
}

func (w *world) create(objects ...client.Object) {
	w.t.Helper()
	for _, object := range objects {
		if err := w.api.Create(w.t.Context(), object); err != nil {
			w.t.Fatalf("creating %s: %v", object.GetName(), err)
		}
	}
}

func (w *world) secret(namespace, name string, data map[string]string) {
	w.t.Helper()
	w.create(&corev1.Secret{ObjectMeta: metav1.ObjectMeta{Namespace: namespace, Name: name}, StringData: data})
}

// cli runs the command line client, whatever comes of it, and keeps what it prints.
func (w *world) cli(args ...string) string {
	w.t.Helper()
	ctx, cancel := context.WithTimeout(w.t.Context(), waitLimit)
	defer cancel()
	command := exec.CommandContext(ctx, w.program("kubectl-kahu"), append(args, "--kubeconfig", w.kubeconfig)...)
	out, err := command.CombinedOutput()
	_, _ = fmt.Fprintf(&w.printed, "$ kubectl-kahu %s\n%s%v\n", strings.Join(args, " "), out, err)
	return string(out)
}

// recover runs the command that brings a cluster back, which stops before it touches anything.
func (w *world) recover(environment []string, args ...string) string {
	w.t.Helper()
	command := exec.CommandContext(w.t.Context(), w.program("kahu"), append([]string{"recover", "--dry-run"}, args...)...)
	command.Env = append(os.Environ(), environment...)
	out, err := command.CombinedOutput()
	_, _ = fmt.Fprintf(&w.printed, "$ kahu recover %s\n%s%v\n", strings.Join(args, " "), out, err)
	return string(out)
}

// everything returns the objects that anybody may be allowed to read who may not read Secrets.
func everything() map[string]client.ObjectList {
	return map[string]client.ObjectList{
		"backups": &kahuv1.BackupList{}, "restores": &kahuv1.RestoreList{}, "locations": &kahuv1.BackupLocationList{},
		"providers": &kahuv1.ProviderList{}, "inspections": &kahuv1.InspectionList{}, "events": &eventsv1.EventList{},
		"config maps": &corev1.ConfigMapList{},
	}
}

// apply creates what is in a manifest, as a person does.
func (w *world) apply(file string) {
	w.t.Helper()
	content, err := os.ReadFile(file)
	check(w.t, err)
	object := &unstructured.Unstructured{}
	check(w.t, yaml.Unmarshal(content, &object.Object))
	w.create(object)
}
