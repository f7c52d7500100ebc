package backuplocation_test

import (
	"context"
	"testing"
	"time"

	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/types"
	clocktesting "k8s.io/utils/clock/testing"
	ctrl "sigs.k8s.io/controller-runtime"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/client/fake"

	kahuv1 "github.com/soda-cdm/kahu/api/v1beta1"
	"github.com/soda-cdm/kahu/internal/controller/backuplocation"
	"github.com/soda-cdm/kahu/internal/controller/place"
	"github.com/soda-cdm/kahu/internal/core/archive"
	"github.com/soda-cdm/kahu/internal/store"
	"github.com/soda-cdm/kahu/provider/memory"
)

const cluster = "0b7f64a2-9f0e-4d1c-8f5e-3a1f9c2d7e10"

// oneStore is the same store for every location.
type oneStore struct{ files *store.Store }

// Files implements place.Stores.
func (o oneStore) Files(string, kahuv1.ProviderEndpoint) (place.Files, error) { return o.files, nil } //nolint:ireturn // It is the port's word.

// later does something once, after a list was read.
type later struct {
	client.Reader

	do func()
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

// TestFreshConditionStays: a condition that another loop writes while this one completes a view is there afterwards.
func TestFreshConditionStays(t *testing.T) {
	t.Parallel()
	scheme := runtime.NewScheme()
	if err := kahuv1.AddToScheme(scheme); err != nil {
		t.Fatal(err)
	}
	id := archive.BackupID{ClusterID: cluster, Name: "nightly", UID: "c1f6f2f0-5a6b-4f4e-9c7d-0d3f4f1a2b3c"}
	provider := &kahuv1.Provider{ObjectMeta: metav1.ObjectMeta{Name: "files"}, Spec: kahuv1.ProviderSpec{Type: kahuv1.ProviderTypeMetadata}}
	provider.Status.State = kahuv1.ProviderStateAvailable
	location := &kahuv1.BackupLocation{ObjectMeta: metav1.ObjectMeta{Name: "main"}, Spec: kahuv1.BackupLocationSpec{ProviderName: "files"}}
	view := &kahuv1.Backup{ObjectMeta: metav1.ObjectMeta{Name: "nightly"}, Spec: kahuv1.BackupSpec{
		MetadataLocation: "main", Origin: &kahuv1.BackupOrigin{ClusterID: id.ClusterID, Name: id.Name, UID: id.UID},
	}}
	to := fake.NewClientBuilder().WithScheme(scheme).WithObjects(provider, location, view).
		WithStatusSubresource(provider, location, view).Build()
	files := store.New(memory.New(memory.Options{}), store.Options{})
	direct := &later{Reader: to}
	clock := clocktesting.NewFakeClock(time.Date(2026, 11, 21, 12, 0, 0, 0, time.UTC))
	loop := (&backuplocation.Controller{
		Client: to, Direct: direct, Finder: &place.Finder{Client: to, Stores: oneStore{files}}, ClusterID: cluster,
		Clock: clock, NewID: func() string { return "an-id" }, Every: time.Minute,
	}).Loop()
	pass := func() {
		t.Helper()
		if _, err := loop.Reconcile(t.Context(), ctrl.Request{NamespacedName: types.NamespacedName{Name: "main"}}); err != nil {
			t.Logf("a pass ended with %v", err) // It is repeated.
		}
	}
	for range 3 { // Marking the place and claiming it takes some.
		pass()
	}
	if err := files.Replace(t.Context(), id.ManifestName(), []byte("no manifest")); err != nil {
		t.Fatal(err)
	}
	written := false
	direct.do = func() {
		current := &kahuv1.Backup{}
		if err := to.Get(t.Context(), client.ObjectKey{Name: "nightly"}, current); err != nil {
			// The view of what was not there went meanwhile; this pass makes it again.
			return
		}
		meta.SetStatusCondition(&current.Status.Conditions, metav1.Condition{
			Type: kahuv1.ConditionVerified, Status: metav1.ConditionUnknown, Reason: kahuv1.ReasonVerifying,
		})
		written = to.Status().Update(t.Context(), current) == nil
	}
	if err := to.Create(t.Context(), &kahuv1.Backup{ObjectMeta: metav1.ObjectMeta{Name: "nightly"}, Spec: view.Spec}); err != nil {
		t.Fatal(err)
	}
	for range 3 {
		pass()
	}
	shown := &kahuv1.Backup{}
	if err := to.Get(t.Context(), client.ObjectKey{Name: "nightly"}, shown); err != nil {
		t.Fatal(err)
	}
	verified := meta.FindStatusCondition(shown.Status.Conditions, kahuv1.ConditionVerified)
	ready := meta.FindStatusCondition(shown.Status.Conditions, kahuv1.ConditionReady)
	if !written || verified == nil || ready == nil || ready.Reason != kahuv1.ReasonManifestInvalid {
		t.Errorf("written %t; the conditions are %+v", written, shown.Status.Conditions)
	}
}
