package e2e_test

import (
	"strings"
	"testing"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/utils/clock"

	kahuv1 "github.com/soda-cdm/kahu/api/v1beta1"
	"github.com/soda-cdm/kahu/internal/core/archive"
	testcluster "github.com/soda-cdm/kahu/internal/testkit/cluster"
	"github.com/soda-cdm/kahu/provider"
)

// awaitOwned returns the location when it says that of its owner file.
func (w *world) awaitOwned(owned metav1.ConditionStatus) {
	w.t.Helper()
	await(w.api, &kahuv1.BackupLocation{ObjectMeta: named("main")}, func(location *kahuv1.BackupLocation) bool {
		found := meta.FindStatusCondition(location.Status.Conditions, kahuv1.ConditionOwned)
		return found != nil && found.Status == owned
	})
}

// remake deletes the location main and makes it again.
func (w *world) remake(meanwhile func()) {
	w.t.Helper()
	w.remove(&kahuv1.BackupLocation{ObjectMeta: named("main")})
	meanwhile()
	w.create(&kahuv1.BackupLocation{ObjectMeta: named("main"), Spec: kahuv1.BackupLocationSpec{ProviderName: memoryProvider}})
}

// TestLocationMadeAgain: a location that is deleted and made again is this cluster's own as it was before, also for a
// manager that has just begun, unless somebody else wrote there meanwhile.
func TestLocationMadeAgain(t *testing.T) {
	stores := newDrivers(newMemory)
	w := newWorldIn(t, testcluster.Config(t), stores)
	namespace := testcluster.Namespace(t)
	w.create(&corev1.ConfigMap{ObjectMeta: in(namespace, "settings")})
	before := w.listing()
	first, second := w.completedBackup("first", only(namespace)), w.completedBackup("second", only(namespace))
	third := w.completedBackup("third", only(namespace))

	w.remake(func() {})
	w.awaitOwned(metav1.ConditionTrue)
	w.remove(first)

	w.stop()
	w.remove(&kahuv1.BackupLocation{ObjectMeta: named("main")})
	startManager(t, testcluster.Config(t), stores)
	w.remake(func() {})
	w.awaitOwned(metav1.ConditionTrue)
	w.remove(second)

	w.remake(func() {
		content, err := archive.EncodeOwner(archive.Owner{ClusterID: third.Status.ClusterID, Nonce: "of-a-copy", Written: clock.RealClock{}.Now()})
		if err != nil {
			t.Fatal(err)
		}
		w.store.write(archive.OwnerName(third.Status.ClusterID), content)
	})
	w.awaitOwned(metav1.ConditionFalse)
	w.drop(third)
	held := await(w.api, third, func(backup *kahuv1.Backup) bool {
		return reason(backup.Status.Conditions, kahuv1.ConditionDataDeleted) == kahuv1.ReasonNotOwner
	})
	message := meta.FindStatusCondition(held.Status.Conditions, kahuv1.ConditionDataDeleted).Message
	if want := "kubectl kahu location own main --location-id " + third.Status.LocationID; !strings.Contains(message, want) {
		t.Errorf("it does not say what to do: %s", message)
	}
	w.patch(&kahuv1.BackupLocation{ObjectMeta: named("main")},
		`{"metadata":{"annotations":{"`+kahuv1.AnnotationTakeOwnership+`":"`+third.Status.LocationID+`"}}}`)
	w.awaitGone(third)
	w.unchanged(before)
}

// TestLocationTwice: a second location at the same place is refused while the first one is there.
func TestLocationTwice(t *testing.T) {
	memory := newMemory("")
	stores := newDrivers(newMemory)
	stores.make = func(string) provider.Driver { return memory }
	w := newWorldIn(t, testcluster.Config(t), stores)
	namespace := testcluster.Namespace(t)
	w.create(&corev1.ConfigMap{ObjectMeta: in(namespace, "settings")})
	w.completedBackup("only-one", only(namespace))
	w.create(&kahuv1.BackupLocation{ObjectMeta: named("again"), Spec: kahuv1.BackupLocationSpec{ProviderName: memoryProvider}})
	again := w.awaitLocation("again", metav1.ConditionFalse)
	if stalled := meta.FindStatusCondition(again.Status.Conditions, kahuv1.ConditionStalled); stalled == nil ||
		stalled.Reason != kahuv1.ReasonLocationTwice || !strings.Contains(stalled.Message, `"main"`) ||
		!strings.Contains(stalled.Message, w.awaitLocation("main", metav1.ConditionTrue).Status.LocationID) { // kahu recover looks for the id.
		t.Errorf("it says %+v", again.Status.Conditions)
	}
	backups := &kahuv1.BackupList{}
	if err := w.client.List(t.Context(), backups); err != nil || len(backups.Items) != 1 {
		t.Errorf("%d backups are shown (%v)", len(backups.Items), err)
	}
	w.remove(&kahuv1.BackupLocation{ObjectMeta: named("main")})
	w.awaitLocation("again", metav1.ConditionTrue)
}
