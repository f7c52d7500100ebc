package faults_test

import (
	"context"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	corev1 "k8s.io/api/core/v1"
	rbacv1 "k8s.io/api/rbac/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	clientgoscheme "k8s.io/client-go/kubernetes/scheme"
	"k8s.io/utils/clock"
	"sigs.k8s.io/controller-runtime/pkg/client"

	kahuv1 "github.com/soda-cdm/kahu/api/v1beta1"
	"github.com/soda-cdm/kahu/internal/core"
	"github.com/soda-cdm/kahu/internal/pki"
	"github.com/soda-cdm/kahu/internal/store"
	testcluster "github.com/soda-cdm/kahu/internal/testkit/cluster"
	"github.com/soda-cdm/kahu/internal/testkit/faultyapiserver"
	"github.com/soda-cdm/kahu/internal/testkit/faultyprovider"
	"github.com/soda-cdm/kahu/provider"
	"github.com/soda-cdm/kahu/providers/filesystem"
)

const (
	kahuNamespace = "kahu-system"
	location      = "main"
	serverName    = "filesystem.kahu.local"
	clientName    = "kahu-manager"
	// settings is how many objects of one kind the application has: more than come with one page.
	settings = 40
)

// world is a cluster with an application and Kahu, between which and the world there are faults.
type world struct {
	t      *testing.T
	client client.WithWatch // without faults
	proxy  *faultyapiserver.Server
	driver *faultyprovider.Driver
	files  *store.Store // without faults
	folder string
	root   string
	app    string
	ended  map[string]chan struct{} // by the name of a program
}

func newWorld(t *testing.T) *world {
	t.Helper()
	scheme := runtime.NewScheme()
	for _, add := range []func(*runtime.Scheme) error{clientgoscheme.AddToScheme, kahuv1.AddToScheme} {
		if err := add(scheme); err != nil {
			t.Fatal(err)
		}
	}
	reached, err := client.NewWithWatch(testcluster.Config(t), client.Options{Scheme: scheme})
	if err != nil {
		t.Fatal(err)
	}
	folder, err := os.MkdirTemp("", "kahu-faults-") //nolint:usetesting // t.TempDir is too long a path for a socket.
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = os.RemoveAll(folder) })
	w := &world{
		t: t, client: reached, proxy: faultyapiserver.Start(t, testcluster.Config(t)), folder: folder,
		root: filepath.Join(folder, "store"), ended: map[string]chan struct{}{},
	}
	if err := os.MkdirAll(w.root, 0o700); err != nil {
		t.Fatal(err)
	}
	plain := filesystem.New(filesystem.Options{Root: w.root, Now: clock.RealClock{}.Now})
	w.files = store.New(plain, store.Options{Attributes: map[string]string{"path": location}})
	w.driver = faultyprovider.New(plain, 0, faultyprovider.Faults{})
	w.makeApplication()
	w.create(&corev1.Namespace{ObjectMeta: metav1.ObjectMeta{Name: kahuNamespace}})
	w.startPrograms()
	w.create(&kahuv1.BackupLocation{ObjectMeta: metav1.ObjectMeta{Name: location}, Spec: kahuv1.BackupLocationSpec{
		ProviderName: "filesystem", Config: map[string]string{"path": location},
	}})
	w.awaitLocation()
	return w
}

// awaitLocation returns when the location can be used.
func (w *world) awaitLocation() {
	w.t.Helper()
	found := &kahuv1.BackupLocation{ObjectMeta: metav1.ObjectMeta{Name: location}}
	ready := func(bool) bool { return meta.IsStatusConditionTrue(found.Status.Conditions, kahuv1.ConditionReady) }
	if !w.await(found, waitLimit, ready) {
		w.t.Fatalf("the location is not ready: %+v", found.Status)
	}
}

// startPrograms serves the driver, and runs the sidecar and the manager, all of which end with the test.
func (w *world) startPrograms() {
	w.t.Helper()
	authority, err := pki.LoadOrCreate(filepath.Join(w.folder, "authority"), clock.RealClock{})
	if err != nil {
		w.t.Fatal(err)
	}
	ofServer, ofClient := filepath.Join(w.folder, "server"), filepath.Join(w.folder, "manager")
	for _, leaf := range []pki.Leaf{
		{Dir: ofClient, Name: clientName},
		{Dir: ofServer, Name: serverName, Server: true, Addresses: []net.IP{net.IPv4(127, 0, 0, 1)}},
	} {
		if err := authority.Ensure(leaf); err != nil {
			w.t.Fatal(err)
		}
	}
	endpoint := "unix://" + filepath.Join(w.folder, "driver.sock")
	ctx, stop := context.WithCancel(context.WithoutCancel(w.t.Context()))
	served := make(chan error, 1)
	go func() { served <- provider.NewServer(provider.Options{Driver: w.driver}).Serve(ctx, endpoint) }()
	w.t.Cleanup(func() {
		stop()
		if err := <-served; err != nil {
			w.t.Errorf("serving the driver: %v", err)
		}
	})
	w.start("meta-service", "--kubeconfig", w.proxy.Kubeconfig(), "--namespace", kahuNamespace, "--driver", endpoint,
		"--pki", ofServer, "--server-name", serverName, "--client-name", clientName, "--lease-duration", "1m")
	w.start("manager", "--kubeconfig", w.proxy.Kubeconfig(), "--namespace", kahuNamespace, "--pki", ofClient,
		"--leader-elect=false", "--health-address", "0", "--location-interval", "2s", "--location-patience", "20s",
		// What a deletion does not find in a list that is behind is collected.
		"--collection-interval", "2s", "--collection-grace", "10s")
}

// start runs the program in one of its roles until the test ends.
func (w *world) start(role string, arguments ...string) {
	w.t.Helper()
	path, err := filepath.Abs(filepath.Join(top, "bin", "kahu"))
	if err != nil {
		w.t.Fatal(err)
	}
	if _, err := os.Stat(path); err != nil {
		w.t.Fatalf("run \"make build\" first: %v", err)
	}
	output, err := os.Create(filepath.Join(w.folder, "output-"+role))
	if err != nil {
		w.t.Fatal(err)
	}
	command := exec.CommandContext(context.WithoutCancel(w.t.Context()), path, append([]string{role}, arguments...)...)
	command.Stdout, command.Stderr = output, output
	command.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
	if err := command.Start(); err != nil {
		w.t.Fatalf("starting the %s: %v", role, err)
	}
	ended := make(chan struct{})
	w.ended[role] = ended
	go func() {
		defer close(ended)
		_ = command.Wait() // It is told by the closed channel.
		_ = output.Close()
	}()
	w.t.Cleanup(func() {
		_ = command.Process.Kill() // Fails if it has ended, which is as good.
		<-ended
		if w.t.Failed() {
			w.keep(role)
		}
	})
}

// keep shows what a program said last.
func (w *world) keep(role string) {
	const most = 12000
	content, err := os.ReadFile(filepath.Join(w.folder, "output-"+role))
	if err == nil {
		w.t.Logf("the %s said last:\n%s", role, content[max(0, len(content)-most):])
	}
}

// fallen says which programs have ended.
func (w *world) fallen() (wrong []string) {
	for role, ended := range w.ended {
		select {
		case <-ended:
			wrong = append(wrong, "the "+role+" has ended")
		default:
		}
	}
	return wrong
}

// create creates an object that may be there.
func (w *world) create(object client.Object) {
	w.t.Helper()
	if err := w.client.Create(w.t.Context(), object); err != nil && !apierrors.IsAlreadyExists(err) {
		w.t.Fatalf("creating %T %s: %v", object, object.GetName(), err)
	}
}

// makeApplication makes what is backed up.
func (w *world) makeApplication() {
	w.t.Helper()
	w.app = testcluster.Namespace(w.t)
	in := func(name string) metav1.ObjectMeta {
		return metav1.ObjectMeta{Namespace: w.app, Name: name, Labels: map[string]string{"app": "shop"}}
	}
	for i := range settings {
		w.create(&corev1.ConfigMap{ObjectMeta: in(fmt.Sprintf("settings-%d", i)), Data: map[string]string{"number": fmt.Sprint(i)}})
	}
	for i := range 5 {
		w.create(&corev1.Secret{ObjectMeta: in(fmt.Sprintf("password-%d", i)), StringData: map[string]string{"number": fmt.Sprint(i)}})
	}
	w.create(&corev1.ServiceAccount{ObjectMeta: in("shop")})
	w.create(&rbacv1.Role{ObjectMeta: in("shop"), Rules: []rbacv1.PolicyRule{{APIGroups: []string{""}, Resources: []string{"pods"}, Verbs: []string{"get"}}}})
	w.create(&rbacv1.RoleBinding{
		ObjectMeta: in("shop"), RoleRef: rbacv1.RoleRef{APIGroup: rbacv1.GroupName, Kind: "Role", Name: "shop"},
		Subjects: []rbacv1.Subject{{Kind: "ServiceAccount", Namespace: w.app, Name: "shop"}},
	})
}

// live returns what the application's objects say in a namespace.
func (w *world) live(namespace string) map[string]string {
	w.t.Helper()
	found := map[string]string{}
	which := []client.ListOption{client.InNamespace(namespace), client.MatchingLabels{"app": "shop"}}
	maps, secrets, roles := &corev1.ConfigMapList{}, &corev1.SecretList{}, &rbacv1.RoleList{}
	for _, list := range []client.ObjectList{maps, secrets, roles} {
		if err := w.client.List(w.t.Context(), list, which...); err != nil {
			w.t.Fatal(err)
		}
	}
	for i := range maps.Items {
		found["ConfigMap "+maps.Items[i].Name] = fmt.Sprint(maps.Items[i].Data)
	}
	for i := range secrets.Items {
		found["Secret "+secrets.Items[i].Name] = fmt.Sprint(secrets.Items[i].Data)
	}
	for i := range roles.Items {
		found["Role "+roles.Items[i].Name] = fmt.Sprint(roles.Items[i].Rules)
	}
	return found
}

// await reads the object again and again until it is as it should be, and returns whether it was in time. It does not
// watch, so that nothing of what is tried out here is in it.
func (w *world) await(object client.Object, limit time.Duration, ready func(gone bool) bool) bool {
	w.t.Helper()
	deadline := clock.RealClock{}.After(limit)
	for {
		err := w.client.Get(w.t.Context(), client.ObjectKeyFromObject(object), object)
		if client.IgnoreNotFound(err) != nil {
			w.t.Fatal(err)
		}
		if ready(apierrors.IsNotFound(err)) {
			return true
		}
		select {
		case <-deadline:
			return false
		case <-clock.RealClock{}.After(50 * time.Millisecond):
		}
	}
}

// names returns the names of all files of the location.
func (w *world) names() []string {
	w.t.Helper()
	var names []string
	err := w.files.List(w.t.Context(), "", func(file core.FileInfo) error {
		names = append(names, file.Name)
		return nil
	})
	if err != nil {
		w.t.Fatal(err)
	}
	return names
}

// createdTwice returns the objects of which one name was created more than once.
func (w *world) createdTwice() (wrong []string) {
	for path, times := range w.proxy.Created() {
		if times > 1 && !strings.Contains(path, "/events/") {
			wrong = append(wrong, fmt.Sprintf("%s was created %d times", path, times))
		}
	}
	return wrong
}
