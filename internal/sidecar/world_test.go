package sidecar_test

import (
	"context"
	"crypto/rand"
	"io"
	"maps"
	"net"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"testing/iotest"
	"time"

	"github.com/go-logr/logr/funcr"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/client-go/dynamic"
	"k8s.io/client-go/rest"
	"k8s.io/utils/clock"

	"github.com/soda-cdm/kahu/internal/pki"
	"github.com/soda-cdm/kahu/internal/sidecar"
	"github.com/soda-cdm/kahu/internal/store"
	"github.com/soda-cdm/kahu/internal/testkit/cluster"
	"github.com/soda-cdm/kahu/provider"
	"github.com/soda-cdm/kahu/provider/memory"
)

const (
	managerName = "kahu-manager"
	serverName  = "driver.kahu.local"
	// lease is as short as it can be.
	lease = time.Second
	// patience bounds every wait on a busy machine.
	patience = time.Minute
)

func TestMain(m *testing.M) {
	if text, child := os.LookupEnv(roleVariable); child { //nolint:forbidigo // A test binary has no flags of its own.
		os.Exit(play(text)) //nolint:forbidigo // It is a program.
	}
	install := func(tb testing.TB, config *rest.Config) {
		tb.Helper()
		cluster.InstallCRDs(tb, config, "../../config/crd")
	}
	os.Exit(cluster.Main(m, cluster.Setup(install))) //nolint:forbidigo // The exit code is that of Main.
}

// driver is a good driver with a name of its own, which remembers the attributes that it was given.
type driver struct {
	*memory.Store

	mutex    sync.Mutex
	info     provider.Info
	asleep   bool
	seen     []provider.Attributes
	failWith func(attributes provider.Attributes) error
	tear     bool // Whether failWith comes in the middle of a download, and nowhere else.
	block    chan struct{}
}

func newDriver(name string) *driver {
	return &driver{
		Store: memory.New(memory.Options{}),
		info:  provider.Info{Name: name, Version: "1.2.3", Manifest: map[string]string{"vendor": "test"}},
	}
}

func (d *driver) Info(context.Context) (provider.Info, error) {
	d.mutex.Lock()
	defer d.mutex.Unlock()
	return d.info, nil
}

func (d *driver) Probe(context.Context) (bool, error) {
	d.mutex.Lock()
	defer d.mutex.Unlock()
	return !d.asleep, nil
}

// change changes the driver while it runs.
func (d *driver) change(how func(d *driver)) {
	d.mutex.Lock()
	defer d.mutex.Unlock()
	how(d)
}

// note remembers the attributes of a call, and fails it where a test wants that.
func (d *driver) note(attributes provider.Attributes) error {
	d.mutex.Lock()
	defer d.mutex.Unlock()
	d.seen = append(d.seen, maps.Clone(attributes))
	if d.failWith != nil && !d.tear {
		return d.failWith(attributes)
	}
	return nil
}

// torn breaks a download off, where a test wants that.
func (d *driver) torn(attributes provider.Attributes, content io.ReadCloser, err error) (io.ReadCloser, error) {
	d.mutex.Lock()
	defer d.mutex.Unlock()
	if err != nil || !d.tear {
		return content, err
	}
	return struct {
		io.Reader
		io.Closer
	}{io.MultiReader(content, iotest.ErrReader(d.failWith(attributes))), content}, nil
}

func (d *driver) last() provider.Attributes {
	d.mutex.Lock()
	defer d.mutex.Unlock()
	if len(d.seen) == 0 {
		return nil
	}
	return d.seen[len(d.seen)-1]
}

func (d *driver) Create(ctx context.Context, name string, attributes provider.Attributes, content io.Reader) error {
	if err := d.note(attributes); err != nil {
		return err
	}
	return d.Store.Create(ctx, name, attributes, content)
}

func (d *driver) Upload(ctx context.Context, name string, attributes provider.Attributes, content io.Reader) error {
	if err := d.note(attributes); err != nil {
		return err
	}
	if d.block != nil {
		close(d.block)
		<-ctx.Done()
		return ctx.Err()
	}
	return d.Store.Upload(ctx, name, attributes, content)
}

func (d *driver) Download(ctx context.Context, name string, attributes provider.Attributes) (io.ReadCloser, error) {
	if err := d.note(attributes); err != nil {
		return nil, err
	}
	content, err := d.Store.Download(ctx, name, attributes)
	return d.torn(attributes, content, err)
}

func (d *driver) DownloadRange(ctx context.Context, request provider.RangeRequest) (io.ReadCloser, error) {
	if err := d.note(request.Attributes); err != nil {
		return nil, err
	}
	content, err := d.Store.DownloadRange(ctx, request)
	return d.torn(request.Attributes, content, err)
}

func (d *driver) Delete(ctx context.Context, name string, attributes provider.Attributes) error {
	if err := d.note(attributes); err != nil {
		return err
	}
	return d.Store.Delete(ctx, name, attributes)
}

func (d *driver) Exists(ctx context.Context, name string, attributes provider.Attributes) (bool, error) {
	if err := d.note(attributes); err != nil {
		return false, err
	}
	return d.Store.Exists(ctx, name, attributes)
}

func (d *driver) Stat(ctx context.Context, name string, attributes provider.Attributes) (provider.ObjectInfo, error) {
	if err := d.note(attributes); err != nil {
		return provider.ObjectInfo{}, err
	}
	return d.Store.Stat(ctx, name, attributes)
}

func (d *driver) List(ctx context.Context, request provider.ListRequest) (provider.ListPage, error) {
	if err := d.note(request.Attributes); err != nil {
		return provider.ListPage{}, err
	}
	return d.Store.List(ctx, request)
}

// world is a namespace of the cluster, with a socket for a driver, an authority, and the log of a sidecar.
type world struct {
	t         *testing.T
	name      string // Of the provider.
	namespace string
	socket    string
	client    *dynamic.DynamicClient
	authority *pki.Authority
	log       *logBook
}

func newWorld(t *testing.T) *world {
	t.Helper()
	namespace := cluster.Namespace(t)
	client, err := dynamic.NewForConfig(cluster.Config(t))
	must(t, err)
	authority, err := pki.LoadOrCreate(t.TempDir(), clock.RealClock{})
	must(t, err)
	folder, err := os.MkdirTemp("", "kahu") //nolint:usetesting // The path of a socket must be short.
	must(t, err)
	t.Cleanup(func() { must(t, os.RemoveAll(folder)) })
	w := &world{
		t: t, name: namespace + ".kahu.io", namespace: namespace, socket: filepath.Join(folder, "s"),
		client: client, authority: authority, log: &logBook{changed: make(chan struct{}, 1)},
	}
	t.Cleanup(func() {
		ctx, cancel := context.WithTimeout(context.WithoutCancel(t.Context()), patience)
		defer cancel()
		_ = w.providers().Delete(ctx, w.name, metav1.DeleteOptions{}) // A test may have made none.
	})
	return w
}

// serve serves a driver at the socket until the function that it returns is called.
func (w *world) serve(driver provider.Identity) (stop func()) {
	w.t.Helper()
	// The socket appears ready, in place of one that may be there, and is left behind.
	hidden := w.socket + "." + rand.Text()[:4]
	var config net.ListenConfig
	listener, err := config.Listen(w.t.Context(), "unix", hidden)
	must(w.t, err)
	listener.(*net.UnixListener).SetUnlinkOnClose(false)
	must(w.t, os.Rename(hidden, w.socket))
	ctx, cancel := context.WithCancel(w.t.Context())
	var serving sync.WaitGroup
	serving.Go(func() {
		server := provider.NewServer(provider.Options{Driver: driver, StopTimeout: time.Millisecond})
		if err := server.ServeListener(ctx, listener); err != nil {
			w.t.Errorf("serving the driver: %v", err)
		}
	})
	stop = sync.OnceFunc(func() { cancel(); serving.Wait() })
	w.t.Cleanup(stop)
	return stop
}

// folder returns a folder with a certificate.
func (w *world) folder(leaf pki.Leaf) *pki.Folder {
	w.t.Helper()
	leaf.Dir = w.t.TempDir()
	must(w.t, w.authority.Ensure(leaf))
	folder, err := pki.Open(leaf.Dir, clock.RealClock{})
	must(w.t, err)
	return folder
}

// options are those of a sidecar that works.
func (w *world) options() sidecar.Options {
	w.t.Helper()
	own := w.folder(pki.Leaf{Name: serverName, Server: true, Addresses: []net.IP{net.IPv4(127, 0, 0, 1)}})
	return sidecar.Options{
		Driver:        "unix://" + w.socket,
		Listen:        "127.0.0.1:0",
		ServerName:    serverName,
		TLS:           own.Server(managerName),
		Health:        "127.0.0.1:0",
		Config:        cluster.Config(w.t),
		Namespace:     w.namespace,
		Holder:        "test",
		LeaseDuration: lease,
		StopTime:      100 * time.Millisecond,
		Logger:        funcr.New(w.log.add, funcr.Options{Verbosity: 5}),
	}
}

// run runs a sidecar until the function that it returns is called, or the test ends.
func (w *world) run(options sidecar.Options) (stop func()) {
	w.t.Helper()
	ctx, cancel := context.WithCancel(w.t.Context())
	var running sync.WaitGroup
	running.Go(func() {
		if err := sidecar.Run(ctx, options); err != nil {
			w.t.Errorf("running the sidecar: %v", err)
		}
	})
	stop = sync.OnceFunc(func() { cancel(); running.Wait() })
	w.t.Cleanup(stop)
	return stop
}

// location returns the store of a location behind the sidecar that has registered itself.
func (w *world) location(name string) *store.Store {
	w.t.Helper()
	object := w.await(w.providers(), w.name, func(object *unstructured.Unstructured) bool {
		return text(object, "status", "endpoint", "address") != ""
	})
	pool := store.NewPool(w.folder(pki.Leaf{Name: managerName}).Client, store.Options{Attempts: 2})
	w.t.Cleanup(func() { must(w.t, pool.Close()) })
	files, err := pool.Location(name, store.Endpoint{
		Address:    text(object, "status", "endpoint", "address"),
		ServerName: text(object, "status", "endpoint", "serverName"),
	})
	must(w.t, err)
	return files
}

// write stores a file with the text "content" through a store.
func (w *world) write(files *store.Store, name string) error {
	w.t.Helper()
	file, err := files.Create(w.t.Context(), name)
	if err != nil {
		return err
	}
	defer file.Abort()
	if _, err := io.Copy(file, strings.NewReader("content")); err != nil {
		return err
	}
	return file.Commit()
}

func (w *world) providers() dynamic.ResourceInterface {
	return w.client.Resource(schema.GroupVersionResource{Group: "kahu.io", Version: "v1beta1", Resource: "providers"})
}

func (w *world) leases() dynamic.ResourceInterface {
	return w.client.Resource(schema.GroupVersionResource{Group: "coordination.k8s.io", Version: "v1", Resource: "leases"}).Namespace(w.namespace)
}

func (w *world) locations() dynamic.ResourceInterface {
	return w.client.Resource(schema.GroupVersionResource{Group: "kahu.io", Version: "v1beta1", Resource: "backuplocations"})
}

// patchLocation changes a location.
func (w *world) patchLocation(name, patch string) {
	w.t.Helper()
	_, err := w.locations().Patch(w.t.Context(), name, types.MergePatchType, []byte(patch), metav1.PatchOptions{})
	must(w.t, err)
}

// locationNamed creates a BackupLocation with this spec. Its name is its own in the cluster.
func (w *world) locationNamed(suffix string, spec map[string]any) string {
	w.t.Helper()
	locations := w.locations()
	name := w.namespace + "-" + suffix
	_, err := locations.Create(w.t.Context(), &unstructured.Unstructured{Object: map[string]any{
		"apiVersion": "kahu.io/v1beta1", "kind": "BackupLocation",
		"metadata": map[string]any{"name": name}, "spec": spec,
	}}, metav1.CreateOptions{})
	must(w.t, err)
	w.t.Cleanup(func() {
		ctx, cancel := context.WithTimeout(context.WithoutCancel(w.t.Context()), patience)
		defer cancel()
		must(w.t, locations.Delete(ctx, name, metav1.DeleteOptions{}))
	})
	return name
}

// secret creates a Secret in a namespace.
func (w *world) secret(namespace, name string, data map[string]any) {
	w.t.Helper()
	secrets := w.client.Resource(schema.GroupVersionResource{Version: "v1", Resource: "secrets"}).Namespace(namespace)
	_, err := secrets.Create(w.t.Context(), &unstructured.Unstructured{Object: map[string]any{
		"apiVersion": "v1", "kind": "Secret", "metadata": map[string]any{"name": name}, "stringData": data,
	}}, metav1.CreateOptions{})
	must(w.t, err)
}

// await returns the object once it is as it should be.
func (w *world) await(of dynamic.ResourceInterface, name string, ready func(*unstructured.Unstructured) bool) *unstructured.Unstructured {
	w.t.Helper()
	ctx, cancel := context.WithTimeout(w.t.Context(), patience)
	defer cancel()
	watcher, err := of.Watch(ctx, metav1.ListOptions{FieldSelector: "metadata.name=" + name})
	must(w.t, err)
	defer watcher.Stop()
	for event := range watcher.ResultChan() {
		if object, ok := event.Object.(*unstructured.Unstructured); ok && event.Type != "DELETED" && ready(object) {
			return object
		}
	}
	w.t.Fatalf("%s was not as it should be in time; the log:\n%s", name, w.log)
	return nil
}

// text returns a string in an object, or nothing.
func text(object *unstructured.Unstructured, path ...string) string {
	found, _, _ := unstructured.NestedString(object.Object, path...)
	return found
}

// pass lets a time pass in which nothing must happen.
func pass(duration time.Duration) { <-time.NewTimer(duration).C }

func must(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}
