package e2e_test

import (
	"context"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/uuid"
	coordinationv1 "k8s.io/api/coordination/v1"
	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/rest"
	"k8s.io/utils/clock"
	ctrl "sigs.k8s.io/controller-runtime"
	"sigs.k8s.io/controller-runtime/pkg/config"
	metricsserver "sigs.k8s.io/controller-runtime/pkg/metrics/server"

	kahuv1 "github.com/soda-cdm/kahu/api/v1beta1"
	"github.com/soda-cdm/kahu/internal/cluster"
	"github.com/soda-cdm/kahu/internal/controller"
	"github.com/soda-cdm/kahu/internal/controller/metrics"
	"github.com/soda-cdm/kahu/internal/controller/place"
	"github.com/soda-cdm/kahu/internal/store"
	testcluster "github.com/soda-cdm/kahu/internal/testkit/cluster"
	"github.com/soda-cdm/kahu/provider"
	"github.com/soda-cdm/kahu/provider/memory"
)

const (
	// kahuNamespace is where the leases are.
	kahuNamespace = "kahu-system"
	// memoryProvider is the name of the provider of the in-process world.
	memoryProvider = "memory"
	// patience is how long a run waits for its location in these tests.
	patience = 2 * time.Second
	// lookEvery is the time between two looks at a location.
	lookEvery = 500 * time.Millisecond
)

// drivers are the stores behind the locations of an in-process world, each made when it is first asked for.
type drivers struct {
	mu    sync.Mutex
	make  func(location string) provider.Driver
	known map[string]*store.Store

	options store.Options // of every store
}

func newDrivers(driverOf func(location string) provider.Driver) *drivers {
	return &drivers{make: driverOf, known: map[string]*store.Store{}}
}

// newMemory gives every location a memory of its own.
func newMemory(string) provider.Driver { //nolint:ireturn // Other worlds have other drivers.
	return memory.New(memory.Options{})
}

// Files returns the files of a location, as the pool of the manager does.
func (d *drivers) Files(location string, _ kahuv1.ProviderEndpoint) (place.Files, error) { //nolint:ireturn // It is the port's word.
	return d.of(location), nil
}

func (d *drivers) of(location string) *store.Store {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.known[location] == nil {
		d.known[location] = store.New(d.make(location), d.options)
	}
	return d.known[location]
}

// newWorld is a world in the shared cluster over a store in memory.
func newWorld(t *testing.T) *world {
	t.Helper()
	return newWorldIn(t, testcluster.Config(t), newDrivers(newMemory))
}

// newWorldIn is a world in any cluster with the definitions, over any stores. Its location is named main.
func newWorldIn(t *testing.T, kubeconfig *rest.Config, stores *drivers) *world {
	t.Helper()
	return newWorldWith(t, kubeconfig, stores, func(*controller.Options) {})
}

// newWorldWith is newWorldIn with other options.
func newWorldWith(t *testing.T, kubeconfig *rest.Config, stores *drivers, change func(options *controller.Options)) *world {
	t.Helper()
	const location = "main"
	made := &world{api: newAPI(t, kubeconfig), location: location, store: driverSide{t: t, files: stores.of(location)}}
	t.Cleanup(made.clear)
	made.register()
	made.stop = startManagerWith(t, kubeconfig, stores, change)
	made.newLocation(location, memoryProvider, nil)
	return made
}

// register does what a sidecar does: Provider and lease.
func (a *api) register() {
	a.t.Helper()
	err := a.client.Create(a.t.Context(), &corev1.Namespace{ObjectMeta: named(kahuNamespace)})
	if err != nil && !apierrors.IsAlreadyExists(err) {
		a.t.Fatalf("making %s: %v", kahuNamespace, err)
	}
	a.renew(clock.RealClock{}.Now())
	made := &kahuv1.Provider{
		ObjectMeta: named(memoryProvider),
		Spec:       kahuv1.ProviderSpec{Version: "v1", Type: kahuv1.ProviderTypeMetadata},
	}
	a.create(made)
	made.Status.Endpoint = kahuv1.ProviderEndpoint{Address: "127.0.0.1:1", ServerName: "memory.test"}
	made.Status.LeaseName = memoryProvider
	if err := a.client.Status().Update(a.t.Context(), made); err != nil {
		a.t.Fatalf("registering: %v", err)
	}
}

// renew writes the lease as it was renewed at a time; it lasts an hour from then.
func (a *api) renew(at time.Time) {
	a.t.Helper()
	a.setLease(func(lease *coordinationv1.LeaseSpec) {
		lease.RenewTime, lease.LeaseDurationSeconds = &metav1.MicroTime{Time: at}, new(int32(3600))
	})
}

// setLease changes the lease, which may not be there yet.
func (a *api) setLease(change func(lease *coordinationv1.LeaseSpec)) {
	a.t.Helper()
	lease := &coordinationv1.Lease{ObjectMeta: in(kahuNamespace, memoryProvider)}
	there := a.get(lease)
	change(&lease.Spec)
	write := func() error { return a.client.Create(a.t.Context(), lease) }
	if there {
		write = func() error { return a.client.Update(a.t.Context(), lease) }
	}
	if err := write(); err != nil {
		a.t.Fatalf("writing the lease: %v", err)
	}
}

// startManager runs the controllers as startManagerWith does, with the options of most tests.
func startManager(t *testing.T, kubeconfig *rest.Config, stores place.Stores) {
	t.Helper()
	startManagerWith(t, kubeconfig, stores, func(*controller.Options) {})
}

// startPatientManager is startManagerWith another patience.
func startPatientManager(t *testing.T, kubeconfig *rest.Config, stores place.Stores, patience time.Duration) {
	t.Helper()
	startManagerWith(t, kubeconfig, stores, func(options *controller.Options) { options.Patience = patience })
}

// startManagerWith runs the controllers, with some options changed, until the test ends, or the function that it returns
// is called: it returns when they have ended.
func startManagerWith(t *testing.T, kubeconfig *rest.Config, stores place.Stores, change func(options *controller.Options)) (stop func()) {
	t.Helper()
	kubeconfig = rest.CopyConfig(kubeconfig)
	kubeconfig.QPS = -1
	reached := newAPI(t, kubeconfig)
	manager, err := ctrl.NewManager(kubeconfig, ctrl.Options{
		Scheme:     reached.client.Scheme(),
		Metrics:    metricsserver.Options{BindAddress: "0"},
		Controller: config.Controller{SkipNameValidation: new(true)},
	})
	if err != nil {
		t.Fatalf("making a manager: %v", err)
	}
	options := controllerOptions(t, manager, kubeconfig, stores)
	change(&options)
	if err := controller.SetUp(manager, options); err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	ended := make(chan error, 1)
	go func() { ended <- manager.Start(ctx) }()
	var once sync.Once
	stop = func() {
		once.Do(func() {
			cancel()
			if err := <-ended; err != nil {
				t.Errorf("the manager ended: %v", err)
			}
		})
	}
	t.Cleanup(stop)
	return stop
}

func controllerOptions(t *testing.T, manager ctrl.Manager, kubeconfig *rest.Config, stores place.Stores) controller.Options {
	t.Helper()
	adapter, err := cluster.New(kubeconfig, cluster.Options{Version: "test"})
	if err != nil {
		t.Fatal(err)
	}
	id, err := adapter.ClusterID(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	return controller.Options{
		Client: manager.GetClient(), Direct: manager.GetAPIReader(), Namespace: kahuNamespace,
		Cluster: adapter, ClusterID: string(id), Stores: stores,
		Clock: clock.RealClock{}, NewID: uuid.NewString, NewAttempt: newAttempt,
		Metrics: metrics.New(manager.GetClient()), News: manager.GetEventRecorder("kahu"),
		Runs: 4, RunsPerLocation: 2, LocationEvery: lookEvery, Patience: patience, KeepAnswers: time.Hour, Writer: "kahu/test",
	}
}

func newAttempt() string { return strings.ReplaceAll(uuid.NewString(), "-", "") }
