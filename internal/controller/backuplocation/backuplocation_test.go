package backuplocation_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"testing"
	"time"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apimachinery/pkg/types"
	clocktesting "k8s.io/utils/clock/testing"
	ctrl "sigs.k8s.io/controller-runtime"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/client/interceptor"

	kahuv1 "github.com/soda-cdm/kahu/api/v1beta1"
	"github.com/soda-cdm/kahu/internal/controller/backuplocation"
	"github.com/soda-cdm/kahu/internal/controller/place"
	"github.com/soda-cdm/kahu/internal/core/archive"
	"github.com/soda-cdm/kahu/internal/store"
	"github.com/soda-cdm/kahu/internal/testkit/fakeapi"
	"github.com/soda-cdm/kahu/internal/testkit/faultyprovider"
	"github.com/soda-cdm/kahu/provider"
	"github.com/soda-cdm/kahu/provider/memory"
)

var noon = time.Date(2026, 11, 21, 12, 0, 0, 0, time.UTC)

const cluster = "0b7f64a2-9f0e-4d1c-8f5e-3a1f9c2d7e10"

// oneStore is the same store for every location.
type oneStore struct{ files *store.Store }

// Files implements place.Stores.
func (o oneStore) Files(string, kahuv1.ProviderEndpoint) (place.Files, error) { return o.files, nil } //nolint:ireturn // It is the port's word.

// later does something once, after a list was read, and changes what is read where get is set.
type later struct {
	client.Reader

	do  func()
	get func(object client.Object)
}

// Get implements client.Reader.
func (l *later) Get(ctx context.Context, key client.ObjectKey, object client.Object, options ...client.GetOption) error {
	err := l.Reader.Get(ctx, key, object, options...)
	if err == nil && l.get != nil {
		l.get(object)
	}
	return err
}

// List implements client.Reader.
func (l *later) List(ctx context.Context, list client.ObjectList, options ...client.ListOption) error {
	err := l.Reader.List(ctx, list, options...)
	if do := l.do; do != nil {
		l.do = nil
		do()
	}
	return err
}

// world is an API server with a location, a view of one backup, and a controller that looks at them.
type world struct {
	client client.WithWatch
	direct *later
	files  *store.Store // those of the location, as they are
	view   *kahuv1.Backup
	id     archive.BackupID
	pass   func() error
	again  func() // begins a new life of the controller
	clock  *clocktesting.FakeClock
	rows   int // how many rows a ConfigMap can have, where it is not 0
}

// newWorld returns a world whose controller reaches the location through a driver.
func newWorld(t *testing.T, through func(plain *memory.Store) provider.Driver) *world {
	t.Helper()
	id := archive.BackupID{ClusterID: cluster, Name: "nightly", UID: "c1f6f2f0-5a6b-4f4e-9c7d-0d3f4f1a2b3c"}
	registered := &kahuv1.Provider{ObjectMeta: metav1.ObjectMeta{Name: "files"}, Spec: kahuv1.ProviderSpec{Type: kahuv1.ProviderTypeMetadata}}
	registered.Status.State = kahuv1.ProviderStateAvailable
	location := &kahuv1.BackupLocation{
		ObjectMeta: metav1.ObjectMeta{Name: "main", UID: "a-uid"}, Spec: kahuv1.BackupLocationSpec{ProviderName: "files"},
	}
	view := &kahuv1.Backup{ObjectMeta: metav1.ObjectMeta{Name: "nightly"}, Spec: kahuv1.BackupSpec{
		MetadataLocation: "main", Origin: &kahuv1.BackupOrigin{ClusterID: id.ClusterID, Name: id.Name, UID: id.UID},
	}}
	to := fakeapi.New(t, corev1.AddToScheme).WithObjects(registered, location).
		WithStatusSubresource(registered, location, view).Build()
	plain := memory.New(memory.Options{})
	w := &world{client: to, clock: clocktesting.NewFakeClock(noon), direct: &later{Reader: to}, files: store.New(plain, store.Options{}), view: view, id: id}
	ids := 0
	newID := func() string { ids++; return fmt.Sprintf("id-%d", ids) }
	controller := &backuplocation.Controller{
		Client: interceptor.NewClient(to, interceptor.Funcs{Patch: w.patch}), Direct: w.direct, ClusterID: cluster, Namespace: "kahu-system", NewID: newID, Every: time.Minute,
		Finder: &place.Finder{Client: to, Stores: oneStore{store.New(through(plain), store.Options{})}},
		Clock:  w.clock,
	}
	loop := controller.Loop()
	w.again = func() {
		controller.Finder = &place.Finder{Client: to, Stores: controller.Finder.Stores}
		loop = controller.Loop()
	}
	w.pass = func() error {
		_, err := loop.Reconcile(t.Context(), ctrl.Request{NamespacedName: types.NamespacedName{Name: "main"}})
		return err
	}
	for range 3 { // Marking the place and claiming it takes some.
		if err := w.pass(); err != nil {
			t.Fatal(err)
		}
	}
	return w
}

// patch refuses what makes a ConfigMap too large, as the API server does.
func (w *world) patch(
	ctx context.Context, through client.WithWatch, object client.Object, patch client.Patch, options ...client.PatchOption,
) error {
	if _, is := object.(*corev1.ConfigMap); is && w.rows > 0 {
		now, change := &corev1.ConfigMap{}, struct {
			Data map[string]*string `json:"data"`
		}{}
		data, err := patch.Data(object)
		if err := errors.Join(err, json.Unmarshal(data, &change), through.Get(ctx, client.ObjectKeyFromObject(object), now)); err != nil {
			return err
		}
		rows := len(now.Data)
		for _, content := range change.Data {
			if content == nil {
				rows--
			}
		}
		if rows > w.rows {
			return apierrors.NewInvalid(schema.GroupKind{Kind: "ConfigMap"}, object.GetName(), nil)
		}
	}
	return through.Patch(ctx, object, patch, options...)
}

func itself(plain *memory.Store) provider.Driver { return plain } //nolint:ireturn // Other worlds have other drivers.

// location reads the location.
func (w *world) location(t *testing.T) *kahuv1.BackupLocation {
	t.Helper()
	location := &kahuv1.BackupLocation{}
	if err := w.client.Get(t.Context(), client.ObjectKey{Name: "main"}, location); err != nil {
		t.Fatal(err)
	}
	return location
}

// condition returns a condition of the location.
func (w *world) condition(t *testing.T, kind string) metav1.Condition {
	t.Helper()
	found := meta.FindStatusCondition(w.location(t).Status.Conditions, kind)
	if found == nil {
		return metav1.Condition{}
	}
	return *found
}

// TestFreshConditionStays: a condition that another loop writes while this one completes a view is there afterwards.
func TestFreshConditionStays(t *testing.T) {
	t.Parallel()
	w := newWorld(t, itself)
	if err := w.files.Replace(t.Context(), w.id.ManifestName(), []byte("no manifest")); err != nil {
		t.Fatal(err)
	}
	if err := w.client.Create(t.Context(), w.view); err != nil {
		t.Fatal(err)
	}
	var written error
	w.direct.do = func() {
		current := w.view.DeepCopy()
		meta.SetStatusCondition(&current.Status.Conditions, metav1.Condition{
			Type: kahuv1.ConditionVerified, Status: metav1.ConditionUnknown, Reason: kahuv1.ReasonVerifying,
		})
		written = w.client.Status().Update(t.Context(), current)
	}
	for range 3 {
		if err := w.pass(); err != nil {
			t.Logf("a pass ended with %v", err) // It is repeated.
		}
	}
	shown := &kahuv1.Backup{}
	if err := w.client.Get(t.Context(), client.ObjectKey{Name: "nightly"}, shown); err != nil {
		t.Fatal(err)
	}
	verified := meta.FindStatusCondition(shown.Status.Conditions, kahuv1.ConditionVerified)
	ready := meta.FindStatusCondition(shown.Status.Conditions, kahuv1.ConditionReady)
	if written != nil || verified == nil || ready == nil || ready.Reason != kahuv1.ReasonManifestInvalid {
		t.Errorf("written %v; the conditions are %+v", written, shown.Status.Conditions)
	}
}

// TestListThatLies: a list in the wrong order is not taken for a damaged marker, which a person would have to mend.
func TestListThatLies(t *testing.T) {
	t.Parallel()
	var driver *faultyprovider.Driver
	w := newWorld(t, func(plain *memory.Store) provider.Driver {
		driver = faultyprovider.New(plain, 1, faultyprovider.Faults{})
		return driver
	})
	if ready := w.condition(t, kahuv1.ConditionReady); ready.Status != metav1.ConditionTrue {
		t.Fatalf("without faults: %+v", ready)
	}
	for _, name := range []string{"clusters/a", "clusters/b"} {
		if err := w.files.Replace(t.Context(), name, []byte("x")); err != nil {
			t.Fatal(err)
		}
	}
	driver.Set(1, faultyprovider.Faults{Disordered: 1})
	if err := w.pass(); err != nil {
		t.Logf("the pass ended with %v", err)
	}
	ready, stalled := w.condition(t, kahuv1.ConditionReady), w.condition(t, kahuv1.ConditionStalled)
	if ready.Status != metav1.ConditionFalse || ready.Reason != kahuv1.ReasonStoreFailed || stalled.Status == metav1.ConditionTrue {
		t.Errorf("the location is %+v, %+v", ready, stalled)
	}
	if driver.Happened()["disordered"] == 0 {
		t.Error("the list did not lie")
	}
	driver.Set(1, faultyprovider.Faults{})
	if err := w.pass(); err != nil {
		t.Error(err)
	}
	if ready := w.condition(t, kahuv1.ConditionReady); ready.Status != metav1.ConditionTrue {
		t.Errorf("the location is %+v", ready)
	}
}

// TestGoneIsWhatWasThere: that a location is gone is told once, and of none that never was, as what was counted of runs that
// named it would be lost.
func TestGoneIsWhatWasThere(t *testing.T) {
	t.Parallel()
	w := newWorld(t, itself)
	var gone []string
	loop := (&backuplocation.Controller{Client: w.client, Gone: func(name string) { gone = append(gone, name) }}).Loop()
	loop.Steps = nil
	pass := func(name string) {
		t.Helper()
		if _, err := loop.Reconcile(t.Context(), ctrl.Request{NamespacedName: types.NamespacedName{Name: name}}); err != nil {
			t.Fatal(err)
		}
	}
	pass("main")
	pass("never-was")
	if err := w.client.Delete(t.Context(), &kahuv1.BackupLocation{ObjectMeta: metav1.ObjectMeta{Name: "main"}}); err != nil {
		t.Fatal(err)
	}
	pass("main")
	pass("main")
	if len(gone) != 1 || gone[0] != "main" {
		t.Errorf("told of %q", gone)
	}
}
