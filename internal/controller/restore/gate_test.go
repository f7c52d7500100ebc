package restore_test

import (
	"testing"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	clocktesting "k8s.io/utils/clock/testing"
	ctrl "sigs.k8s.io/controller-runtime"
	"sigs.k8s.io/controller-runtime/pkg/client"

	kahuv1 "github.com/soda-cdm/kahu/api/v1beta1"
	"github.com/soda-cdm/kahu/internal/controller/place"
	"github.com/soda-cdm/kahu/internal/controller/restore"
	"github.com/soda-cdm/kahu/internal/core/archive"
	"github.com/soda-cdm/kahu/internal/engine"
	enginerestore "github.com/soda-cdm/kahu/internal/engine/restore"
	"github.com/soda-cdm/kahu/internal/reconcile"
	"github.com/soda-cdm/kahu/internal/store"
	"github.com/soda-cdm/kahu/internal/testkit/fakeapi"
	"github.com/soda-cdm/kahu/provider/memory"
)

type oneStore struct{ files *store.Store }

func (o oneStore) Files(string, kahuv1.ProviderEndpoint) (place.Files, error) { return o.files, nil } //nolint:ireturn // The finder wants its interface.

// located returns an API server with a run, and with the location main, which is Ready.
func located(t *testing.T, run *kahuv1.Restore) (client.Client, *kahuv1.BackupLocation) {
	t.Helper()
	location := &kahuv1.BackupLocation{ObjectMeta: metav1.ObjectMeta{Name: "main"}, Spec: kahuv1.BackupLocationSpec{ProviderName: "files"}}
	location.Status.Conditions = []metav1.Condition{{Type: kahuv1.ConditionReady, Status: metav1.ConditionTrue}}
	registered := &kahuv1.Provider{ObjectMeta: metav1.ObjectMeta{Name: "files"}, Spec: kahuv1.ProviderSpec{Type: kahuv1.ProviderTypeMetadata}}
	registered.Status.State = kahuv1.ProviderStateAvailable
	to := fakeapi.New(t).WithObjects(run, location, registered).WithStatusSubresource(run, location).Build()
	return to, location
}

// TestBusyLocationFailsNoRun: that others ask the location fails no restore, however long they do, and one that waits in the
// queue need not ask again. What is missing for a moment after that gets the whole patience.
func TestBusyLocationFailsNoRun(t *testing.T) {
	t.Parallel()
	now := time.Date(2026, 11, 21, 12, 0, 0, 0, time.UTC)
	clock := clocktesting.NewFakeClock(now)
	files := store.New(memory.New(memory.Options{}), store.Options{})
	id := archive.BackupID{ClusterID: "0b7f64a2-9f0e-4d1c-8f5e-3a1f9c2d7e10", Name: "source", UID: "c1f6f2f0-5a6b-4f4e-9c7d-0d3f4f1a2b3c"}
	if err := files.Replace(t.Context(), id.ManifestName(), []byte("x")); err != nil {
		t.Fatal(err)
	}
	run := &kahuv1.Restore{
		ObjectMeta: metav1.ObjectMeta{Name: "nightly", UID: "an-uid", CreationTimestamp: metav1.NewTime(now)},
		Spec:       kahuv1.RestoreSpec{BackupName: "source", MetadataLocation: "main"},
	}
	to, location := located(t, run)
	gate := reconcile.NewGate(1)
	loop := (&restore.Controller{
		Client: to, Direct: to, Finder: &place.Finder{Client: to, Stores: oneStore{files}}, Clock: clock, Patience: time.Minute, RunsPerLocation: 1,
		Gate: gate, Tasks: reconcile.NewTasks[engine.Progress, enginerestore.Result](1), // They do not start: it stays in the queue.
	}).Loop()
	pass := func(what string) kahuv1.RestoreStatus {
		t.Helper()
		if _, err := loop.Reconcile(t.Context(), ctrl.Request{NamespacedName: types.NamespacedName{Name: "nightly"}}); err != nil {
			t.Fatal(err)
		}
		seen := &kahuv1.Restore{}
		if err := to.Get(t.Context(), client.ObjectKey{Name: "nightly"}, seen); err != nil {
			t.Fatal(err)
		}
		t.Logf("%s: %s, position %d, %q", what, seen.Status.State, seen.Status.QueuePosition, seen.Status.FailureReason)
		return seen.Status
	}
	leave, _ := gate.Enter("main")
	for range 2 {
		if status := pass("others ask the location"); status.State != kahuv1.StateValidating || status.ArchivePath != "" {
			t.Errorf("while others ask it is %s, and has found %q", status.State, status.ArchivePath)
		}
		clock.Step(10 * time.Minute)
	}
	leave()
	if status := pass("nobody else asks"); status.QueuePosition != 1 || status.ArchivePath != id.Folder() {
		t.Fatalf("it is at %d of the queue, and has found %q", status.QueuePosition, status.ArchivePath)
	}
	clock.Step(10 * time.Minute)
	leave, _ = gate.Enter("main")
	defer leave()
	if status := pass("others ask again"); status.QueuePosition != 1 {
		t.Errorf("it is %s and at %d of the queue", status.State, status.QueuePosition)
	}
	ready := location.Status.Conditions
	setReady := func(conditions []metav1.Condition) {
		t.Helper()
		location.Status.Conditions = conditions
		if err := to.Status().Update(t.Context(), location); err != nil {
			t.Fatal(err)
		}
	}
	for range 2 {
		setReady(nil)
		if status := pass("the location is not ready"); status.State != kahuv1.StateValidating {
			t.Errorf("at once it is %s: %s", status.State, status.FailureReason)
		}
		setReady(ready)
		pass("it is ready again")
		clock.Step(10 * time.Minute)
	}
	setReady(nil)
	pass("it is away for good")
	clock.Step(time.Minute)
	if status := pass("a minute after that"); status.State != kahuv1.StateFailed {
		t.Errorf("it waits longer than its patience: %s", status.State)
	}
}
