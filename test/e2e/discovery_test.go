package e2e_test

import (
	"context"
	"path/filepath"
	"strings"
	"testing"

	coordinationv1 "k8s.io/api/coordination/v1"
	corev1 "k8s.io/api/core/v1"
	apiextensionsv1 "k8s.io/apiextensions-apiserver/pkg/apis/apiextensions/v1"
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/utils/clock"
	"sigs.k8s.io/controller-runtime/pkg/client"

	kahuv1 "github.com/soda-cdm/kahu/api/v1beta1"
	"github.com/soda-cdm/kahu/internal/store"
	testcluster "github.com/soda-cdm/kahu/internal/testkit/cluster"
	"github.com/soda-cdm/kahu/provider"
	"github.com/soda-cdm/kahu/provider/memory"
)

// awaitView returns the view of a backup when it shows something.
func (a *api) awaitView(name string) *kahuv1.Backup {
	a.t.Helper()
	return await(a, &kahuv1.Backup{ObjectMeta: named(name)}, func(backup *kahuv1.Backup) bool {
		return backup.Spec.Origin != nil && backup.Status.Stage == kahuv1.StageFinished
	})
}

// TestSecondCluster shows a backup of one cluster in another one, restores it there, and loses the definitions there.
func TestSecondCluster(t *testing.T) {
	stores := newDrivers(newMemory)
	first := newWorldIn(t, testcluster.Config(t), stores)
	namespace := testcluster.Namespace(t)
	first.create(&corev1.ConfigMap{ObjectMeta: in(namespace, "settings"), Data: map[string]string{"a": "b"}})
	original := first.completedBackup("shared", only(namespace))

	fresh := testcluster.Start(t)
	testcluster.InstallCRDs(t, fresh.Config(), filepath.Join(top, "config", "crd"))
	second := newWorldIn(t, fresh.Config(), stores)
	view := second.awaitView("shared")
	if view.Status.State != kahuv1.StateCompleted || view.Status.Counts != original.Status.Counts ||
		view.Spec.Origin.UID != string(original.UID) || view.Spec.Origin.ClusterID != original.Status.ClusterID ||
		!meta.IsStatusConditionTrue(view.Status.Conditions, kahuv1.ConditionReady) {
		t.Errorf("the view is %+v, %+v; the backup was %+v", view.Spec, view.Status, original.Status)
	}
	second.completedRestore("shared", "shared", nil)
	found := &corev1.ConfigMap{ObjectMeta: in(namespace, "settings")}
	if !second.get(found) || found.Data["a"] != "b" {
		t.Errorf("the config map is not in the second cluster: %v", found.Data)
	}

	t.Run("WholeCluster", func(t *testing.T) {
		whole := func(spec *kahuv1.BackupSpec) { spec.EnableVolumeBackup = new(false) }
		backup := first.completedBackup("whole", whole)
		second := second.during(t)
		second.awaitView("whole")
		counts := second.completedRestore("whole", "whole", nil).Status.Counts
		if sum := counts.Created + counts.Updated + counts.SkippedExisting + counts.SkippedControlled; sum != backup.Status.Counts.Objects {
			t.Errorf("%+v are %d of %d objects", counts, sum, backup.Status.Counts.Objects)
		}
		over := first.completedRestore("whole", "whole", nil).Status.Counts
		if over.Created+over.Updated != 0 {
			t.Errorf("over what is there: %+v", over)
		}
	})
	t.Run("RemovingAViewRemovesNothing", func(t *testing.T) {
		second := second.during(t)
		before := second.listing()
		uid := view.UID
		second.remove(view)
		if again := second.awaitView("shared"); again.UID == uid {
			t.Error("the view has not gone")
		}
		second.unchanged(before)
	})
	t.Run("AViewGoesWithItsBackup", func(t *testing.T) {
		second := second.during(t)
		gone := first.completedBackup("short-lived", only(namespace))
		view := second.awaitView("short-lived")
		first.remove(gone)
		second.awaitGone(view)
	})
	t.Run("LosingTheDefinitionsRemovesNothing", func(t *testing.T) {
		second := second.during(t)
		second.completedBackup("own", only(namespace))
		before := second.listing()
		second.remove(&apiextensionsv1.CustomResourceDefinition{ObjectMeta: named("backups.kahu.io")})
		second.unchanged(before)
		testcluster.InstallCRDs(t, fresh.Config(), filepath.Join(top, "config", "crd"))
	})
}

// TestDeletion removes a backup with its data, and keeps what is to be kept.
func TestDeletion(t *testing.T) {
	w := newWorld(t)
	namespace := testcluster.Namespace(t)
	w.create(&corev1.ConfigMap{ObjectMeta: in(namespace, "settings"), Data: map[string]string{"a": "b"}})
	w.completedBackup("stays", only(namespace))
	before := w.listing()

	t.Run("Delete", func(t *testing.T) {
		w := w.during(t)
		gone := w.completedBackup("goes", only(namespace))
		if files := w.added(before); len(files) < 4 {
			t.Errorf("a backup is more than %v", files)
		}
		w.remove(gone)
		w.unchanged(before)
		w.completedRestore("stays", "stays", nil)
	})
	t.Run("Retain", func(t *testing.T) {
		w := w.during(t)
		backup := w.completedBackup("kept", only(namespace))
		kept := w.listing()
		changed := backup.DeepCopy()
		changed.Spec.DeletionPolicy = kahuv1.DeletionPolicyRetain
		if err := w.client.Patch(t.Context(), changed, client.MergeFrom(backup)); err != nil {
			t.Fatal(err)
		}
		w.remove(backup)
		view := w.awaitView("kept")
		if view.Spec.Origin.UID != string(backup.UID) || view.Status.State != kahuv1.StateCompleted {
			t.Errorf("the view is %+v, %s", view.Spec.Origin, view.Status.State)
		}
		w.unchanged(kept)
		w.completedRestore("kept", "kept", nil)
	})
	t.Run("FailedBackup", func(t *testing.T) {
		w := w.during(t)
		before := w.listing()
		failed := w.backUp("failed", func(spec *kahuv1.BackupSpec) { spec.IncludeNamespaces = []string{"no-such-namespace"} })
		w.remove(failed)
		w.unchanged(before)
	})
}

// TestHeldDeletion: a location that cannot be reached holds a deletion, says so, and lets go once it is back.
func TestHeldDeletion(t *testing.T) {
	w := newWorld(t)
	namespace := testcluster.Namespace(t)
	w.create(&corev1.ConfigMap{ObjectMeta: in(namespace, "settings")})
	before := w.listing()
	backup := w.completedBackup("held", only(namespace))
	full := w.listing()
	w.expire()
	w.awaitLocation("main", metav1.ConditionFalse)
	if err := w.client.Delete(t.Context(), backup.DeepCopy()); err != nil {
		t.Fatal(err)
	}
	held := await(w.api, backup, func(backup *kahuv1.Backup) bool {
		return reason(backup.Status.Conditions, kahuv1.ConditionDataDeleted) != ""
	})
	if found := meta.FindStatusCondition(held.Status.Conditions, kahuv1.ConditionDataDeleted); found.Status != metav1.ConditionFalse ||
		found.Reason != kahuv1.ReasonProviderUnavailable || !strings.Contains(found.Message, "not deleted yet") {
		t.Errorf("the condition is %+v", found)
	}
	if held.Status.State != kahuv1.StateDeleting {
		t.Errorf("the state is %s", held.Status.State)
	}
	w.unchanged(full)
	w.renew(clock.RealClock{}.Now())
	w.awaitGone(backup)
	w.unchanged(before)
}

// expire lets the lease of the in-process world end, and returns when the provider is Unavailable. The time in the lease
// stays: another one, even an earlier one, would be that of a renewal.
func (w *world) expire() {
	w.t.Helper()
	w.setLease(func(lease *coordinationv1.LeaseSpec) { lease.LeaseDurationSeconds = new(int32(1)) })
	registered := &kahuv1.Provider{ObjectMeta: named(memoryProvider)}
	// The lease is read when it is due, which was in an hour: a look at the provider is asked for.
	w.get(registered)
	touched := registered.DeepCopy()
	touched.Annotations = map[string]string{"kahu.test/look": "now"}
	if err := w.client.Patch(w.t.Context(), touched, client.MergeFrom(registered)); err != nil {
		w.t.Fatal(err)
	}
	await(w.api, registered, func(found *kahuv1.Provider) bool {
		return found.Status.State == kahuv1.ProviderStateUnavailable
	})
}

// listless hides all functions of a driver that it need not have.
type listless struct{ provider.Driver }

// Capabilities tells what is left.
func (l listless) Capabilities(context.Context) ([]provider.Capability, error) {
	return provider.CapabilitiesOf(l), nil
}

// TestDriverThatCannotList: backups, restores and deletion work, and the location says what does not.
func TestDriverThatCannotList(t *testing.T) {
	objects := memory.New(memory.Options{})
	stores := newDrivers(func(string) provider.Driver { return listless{objects} })
	w := newWorldIn(t, testcluster.Config(t), stores)
	w.store = driverSide{t: t, files: store.New(objects, store.Options{})}
	location := w.awaitLocation("main", metav1.ConditionTrue)
	if found := meta.FindStatusCondition(location.Status.Conditions, kahuv1.ConditionDiscoverable); found == nil ||
		found.Status != metav1.ConditionFalse || found.Reason != kahuv1.ReasonListingUnsupported {
		t.Errorf("the condition Discoverable is %+v", found)
	}
	namespace := testcluster.Namespace(t)
	w.create(&corev1.ConfigMap{ObjectMeta: in(namespace, "settings")})
	before := w.listing()
	backup := w.completedBackup("unlisted", only(namespace))
	w.remove(&corev1.ConfigMap{ObjectMeta: in(namespace, "settings")})
	w.completedRestore("unlisted", "unlisted", nil)
	if !w.get(&corev1.ConfigMap{ObjectMeta: in(namespace, "settings")}) {
		t.Error("the config map is not back")
	}
	w.remove(backup)
	w.unchanged(before)
}
