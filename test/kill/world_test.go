package kill_test

import (
	"bufio"
	"context"
	"encoding/json"
	"fmt"
	"net"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	corev1 "k8s.io/api/core/v1"
	rbacv1 "k8s.io/api/rbac/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/fields"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/watch"
	clientgoscheme "k8s.io/client-go/kubernetes/scheme"
	"k8s.io/client-go/rest"
	"k8s.io/utils/clock"
	"sigs.k8s.io/controller-runtime/pkg/client"

	kahuv1 "github.com/soda-cdm/kahu/api/v1beta1"
	"github.com/soda-cdm/kahu/internal/pki"
	"github.com/soda-cdm/kahu/internal/store"
	testcluster "github.com/soda-cdm/kahu/internal/testkit/cluster"
	"github.com/soda-cdm/kahu/providers/filesystem"
)

const (
	kahuNamespace = "kahu-system"
	// Backups are made at the one location, and copied to the other.
	location   = "main"
	offsite    = "offsite"
	serverName = "filesystem.kahu.local"
	clientName = "kahu-manager"
	// waitLimit bounds every wait, for a busy machine; and with it the end of every run.
	waitLimit = 90 * time.Second
)

// world is a cluster with an application, a provider with its sidecar, and no manager yet.
type world struct {
	t      *testing.T
	client client.WithWatch
	// kubeconfig is how to reach the cluster.
	kubeconfig string
	folder     string // of the tests' own files
	root       string // of the store's
	pki        string
	files      *store.Store
	copied     *store.Store // the files of the other location
	app        string       // the namespace of the application
	starts     int          // of managers
	tried      []point      // by campaigns
	// others are the UIDs of what was in the target of a restore before it, by its name.
	others map[string]map[string]string

	lifetime context.Context //nolint:containedctx // Children may outlive the subtest in which they are started.

	mu    sync.Mutex
	keeps map[string]*process // the processes of the provider
	over  bool                // nothing is started again
}

func newWorld(t *testing.T) *world {
	t.Helper()
	return newWorldIn(t, testcluster.Config(t), testcluster.Kubeconfig(t))
}

// newWorldIn is newWorld for any cluster.
func newWorldIn(t *testing.T, config *rest.Config, kubeconfig string) *world {
	t.Helper()
	scheme := runtime.NewScheme()
	for _, add := range []func(*runtime.Scheme) error{clientgoscheme.AddToScheme, kahuv1.AddToScheme} {
		if err := add(scheme); err != nil {
			t.Fatal(err)
		}
	}
	reached, err := client.NewWithWatch(config, client.Options{Scheme: scheme})
	if err != nil {
		t.Fatal(err)
	}
	folder, err := os.MkdirTemp("", "kahu-kill-") //nolint:usetesting // t.TempDir is too long a path for a socket.
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		tellLast(t, folder)
		_ = os.RemoveAll(folder)
	})
	w := &world{lifetime: context.WithoutCancel(t.Context()), t: t, client: reached, kubeconfig: kubeconfig, folder: folder, root: filepath.Join(folder, "store"), pki: filepath.Join(folder, "manager")}
	if err := os.MkdirAll(w.root, 0o700); err != nil {
		t.Fatal(err)
	}
	w.others = map[string]map[string]string{}
	driver := filesystem.New(filesystem.Options{Root: w.root, Now: clock.RealClock{}.Now})
	w.files = store.New(driver, store.Options{Attributes: map[string]string{"path": location}})
	w.copied = store.New(driver, store.Options{Attributes: map[string]string{"path": offsite}})
	w.startProvider()
	w.app = testcluster.NamespaceIn(t, config)
	w.makeApplication()
	t.Cleanup(w.clear)
	return w
}

// tellLast prints the end of what the last manager of a test that failed has said and asked for.
func tellLast(t *testing.T, folder string) {
	t.Helper()
	const last = 8000
	for _, kind := range []string{"log", "audit", "output"} {
		files, err := filepath.Glob(filepath.Join(folder, kind+"-0*"))
		if err != nil || len(files) == 0 || !t.Failed() {
			continue
		}
		said, _ := os.ReadFile(slices.Max(files))
		t.Logf("the last %s ends with\n%s", kind, said[max(0, len(said)-last):])
	}
}

// startProvider runs the driver and its sidecar, which end with the test.
func (w *world) startProvider() {
	w.t.Helper()
	authority, err := pki.LoadOrCreate(filepath.Join(w.folder, "authority"), clock.RealClock{})
	if err != nil {
		w.t.Fatal(err)
	}
	server := filepath.Join(w.folder, "server")
	for _, leaf := range []pki.Leaf{
		{Dir: w.pki, Name: clientName},
		{Dir: server, Name: serverName, Server: true, Addresses: []net.IP{net.IPv4(127, 0, 0, 1)}},
	} {
		if err := authority.Ensure(leaf); err != nil {
			w.t.Fatal(err)
		}
	}
	w.makeNamespace(kahuNamespace)
	endpoint := "unix://" + filepath.Join(w.folder, "driver.sock")
	w.keeps = map[string]*process{}
	w.t.Cleanup(w.stopKeeping)
	w.keep("driver", program(w.t, "kahu-provider-filesystem"), "--root", w.root, "--endpoint", endpoint)
	w.keep("meta-service", program(w.t, "kahu"), "meta-service", "--kubeconfig", w.kubeconfig,
		"--namespace", kahuNamespace, "--driver", endpoint, "--pki", server, "--server-name", serverName, "--client-name", clientName,
		"--lease-duration", "1m")
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

// manager starts a manager.
func (w *world) manager(is role) *process {
	w.t.Helper()
	self, err := os.Executable()
	if err != nil {
		w.t.Fatal(err)
	}
	w.starts++
	is.Name = fmt.Sprintf("%04d", w.starts)
	is.Kubeconfig, is.PKI, is.Folder = w.kubeconfig, w.pki, w.folder
	argument, err := json.Marshal(is)
	if err != nil {
		w.t.Fatal(err)
	}
	return w.start(is.Name, self, managerRole, string(argument))
}

// audit returns what a manager wrote of its calls.
func (w *world) audit(name string) []entry {
	w.t.Helper()
	file, err := os.Open(filepath.Join(w.folder, "audit-"+name))
	if err != nil {
		return nil // It did not come so far.
	}
	defer file.Close()
	var found []entry
	lines := bufio.NewScanner(file)
	for lines.Scan() {
		var line entry
		if json.Unmarshal(lines.Bytes(), &line) == nil { // The last line may be cut.
			found = append(found, line)
		}
	}
	return found
}

func named(name string) metav1.ObjectMeta { return metav1.ObjectMeta{Name: name} }

// create creates an object that may be there.
func (w *world) create(object client.Object) {
	w.t.Helper()
	if err := w.client.Create(w.t.Context(), object); err != nil && !apierrors.IsAlreadyExists(err) {
		w.t.Fatalf("creating %T %s: %v", object, object.GetName(), err)
	}
}

func (w *world) makeNamespace(name string) {
	w.t.Helper()
	w.create(&corev1.Namespace{ObjectMeta: named(name)})
}

// appSecrets is how many Secrets the application has.
const appSecrets = 2

// makeApplication makes what is backed up: about ten objects.
func (w *world) makeApplication() {
	w.t.Helper()
	in := func(name string) metav1.ObjectMeta {
		return metav1.ObjectMeta{Namespace: w.app, Name: name, Labels: map[string]string{"app": "shop"}}
	}
	for i := range 3 {
		w.create(&corev1.ConfigMap{ObjectMeta: in(fmt.Sprintf("settings-%d", i)), Data: map[string]string{"number": fmt.Sprint(i)}})
	}
	for i := range appSecrets {
		w.create(&corev1.Secret{ObjectMeta: in(fmt.Sprintf("password-%d", i)), StringData: map[string]string{"number": fmt.Sprint(i)}})
	}
	w.create(&corev1.ServiceAccount{ObjectMeta: in("shop")})
	w.create(&rbacv1.Role{ObjectMeta: in("shop"), Rules: []rbacv1.PolicyRule{{APIGroups: []string{""}, Resources: []string{"pods"}, Verbs: []string{"get"}}}})
	w.create(&rbacv1.RoleBinding{
		ObjectMeta: in("shop"), RoleRef: rbacv1.RoleRef{APIGroup: rbacv1.GroupName, Kind: "Role", Name: "shop"},
		Subjects: []rbacv1.Subject{{Kind: "ServiceAccount", Namespace: w.app, Name: "shop"}},
	})
}

// makeMore makes ConfigMaps of the application.
func (w *world) makeMore(number int) {
	w.t.Helper()
	for i := range number {
		w.create(&corev1.ConfigMap{
			ObjectMeta: metav1.ObjectMeta{Namespace: w.app, Name: fmt.Sprintf("more-%d", i), Labels: map[string]string{"app": "shop"}},
			Data:       map[string]string{"number": fmt.Sprint(i)},
		})
	}
}

// await returns the object when it is as it should be, and false when it is not in time. Between the list and the watch
// nothing is missed, not even that it went.
func await[T client.Object](w *world, list client.ObjectList, object T, ready func(object T, gone bool) bool) (T, bool) {
	w.t.Helper()
	ctx, cancel := context.WithTimeout(w.t.Context(), waitLimit)
	defer cancel()
	only := client.MatchingFieldsSelector{Selector: fields.OneTermEqualSelector("metadata.name", object.GetName())}
	for ctx.Err() == nil {
		if err := w.client.List(ctx, list, only); err != nil {
			continue
		}
		items, err := meta.ExtractList(list)
		if err != nil {
			w.t.Fatal(err)
		}
		gone := len(items) == 0
		if !gone {
			object = items[0].(T)
		}
		if ready(object, gone) {
			return object, true
		}
		since := &client.ListOptions{Raw: &metav1.ListOptions{ResourceVersion: list.GetResourceVersion()}}
		events, err := w.client.Watch(ctx, list, only, since)
		if err != nil {
			continue
		}
		for event := range events.ResultChan() {
			found, is := event.Object.(T)
			if is && ready(found, event.Type == watch.Deleted) {
				events.Stop()
				return found, true
			}
		}
	}
	return object, false
}

// awaitBackup returns a Backup that is Finished.
func (w *world) awaitBackup(name string) (*kahuv1.Backup, bool) {
	w.t.Helper()
	return await(w, &kahuv1.BackupList{}, &kahuv1.Backup{ObjectMeta: named(name)}, func(backup *kahuv1.Backup, gone bool) bool {
		return !gone && backup.Status.Stage == kahuv1.StageFinished
	})
}

// awaitRestore returns a Restore that is Finished.
func (w *world) awaitRestore(name string) (*kahuv1.Restore, bool) {
	w.t.Helper()
	return await(w, &kahuv1.RestoreList{}, &kahuv1.Restore{ObjectMeta: named(name)}, func(restore *kahuv1.Restore, gone bool) bool {
		return !gone && restore.Status.Stage == kahuv1.StageFinished
	})
}

// awaitLocation returns when the location of the backups can be used.
func (w *world) awaitLocation() { w.awaitReady(location) }

// awaitReady returns when a location can be used.
func (w *world) awaitReady(name string) {
	w.t.Helper()
	w.create(&kahuv1.BackupLocation{ObjectMeta: named(name), Spec: kahuv1.BackupLocationSpec{
		ProviderName: "filesystem", Config: map[string]string{"path": name},
	}})
	found, is := await(w, &kahuv1.BackupLocationList{}, &kahuv1.BackupLocation{ObjectMeta: named(name)},
		func(found *kahuv1.BackupLocation, gone bool) bool {
			return !gone && meta.IsStatusConditionTrue(found.Status.Conditions, kahuv1.ConditionReady)
		})
	if !is {
		w.t.Fatalf("location %s is not ready: %+v", name, found.Status)
	}
}

// names returns the names of all files of the location of the backups.
func (w *world) names() []string { return w.namesAt(location) }

// namesAt returns the names of all files of a location.
func (w *world) namesAt(at string) []string {
	w.t.Helper()
	var names []string
	root := filepath.Join(w.root, at)
	err := filepath.WalkDir(root, func(path string, entry os.DirEntry, err error) error {
		if os.IsNotExist(err) {
			return nil
		}
		if err != nil || entry.IsDir() {
			return err
		}
		name, err := filepath.Rel(root, path)
		names = append(names, filepath.ToSlash(name))
		return err
	})
	if err != nil {
		w.t.Fatal(err)
	}
	return slices.DeleteFunc(names, func(name string) bool { return strings.HasPrefix(name, ".kahu-partial/") })
}

// clear removes what is Kahu's from the cluster, when no manager runs any more.
func (w *world) clear() {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(w.t.Context()), waitLimit)
	defer cancel()
	backups := &kahuv1.BackupList{}
	if err := w.client.List(ctx, backups); err != nil {
		w.t.Errorf("clearing: %v", err)
	}
	for i := range backups.Items {
		patch := client.RawPatch("application/merge-patch+json", []byte(`{"metadata":{"finalizers":null}}`))
		if err := w.client.Patch(ctx, &backups.Items[i], patch); client.IgnoreNotFound(err) != nil {
			w.t.Errorf("clearing: %v", err)
		}
	}
	for _, kind := range []client.Object{&kahuv1.Backup{}, &kahuv1.Restore{}, &kahuv1.BackupLocation{}, &kahuv1.Provider{}} {
		if err := w.client.DeleteAllOf(ctx, kind); err != nil {
			w.t.Errorf("clearing: %v", err)
		}
	}
}
