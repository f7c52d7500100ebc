package e2e_test

import (
	"fmt"
	"slices"
	"testing"
	"time"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	kahuv1 "github.com/soda-cdm/kahu/api/v1beta1"
	"github.com/soda-cdm/kahu/internal/controller"
	"github.com/soda-cdm/kahu/internal/store"
	testcluster "github.com/soda-cdm/kahu/internal/testkit/cluster"
	"github.com/soda-cdm/kahu/provider"
	"github.com/soda-cdm/kahu/provider/memory"
)

// newQueueWorld is a world with a second location, stuck, whose driver can hang.
func newQueueWorld(t *testing.T, options store.Options) (*world, *hangingDriver) {
	t.Helper()
	driver := newHanging()
	too := &hangingDriver{Store: memory.New(memory.Options{}), follows: driver}
	stores := newDrivers(func(location string) provider.Driver {
		switch location {
		case "stuck":
			return driver
		case "stuck-too":
			return too
		}
		return memory.New(memory.Options{})
	})
	stores.options = options
	w := newWorldWith(t, testcluster.Config(t), stores, func(options *controller.Options) {
		options.Patience = waitLimit
		options.LocationEvery = time.Hour // The location stays Ready, so that the runs themselves meet what hangs.
	})
	w.newLocation("stuck", memoryProvider, nil)
	return w, driver
}

func at(location, namespace string) func(spec *kahuv1.BackupSpec) {
	return func(spec *kahuv1.BackupSpec) {
		spec.MetadataLocation, spec.IncludeNamespaces = location, []string{namespace}
	}
}

// awaitQueued returns when a run is at that position.
func (w *world) awaitQueued(name string, position int32) *kahuv1.Backup {
	w.t.Helper()
	return await(w.api, &kahuv1.Backup{ObjectMeta: named(name)}, func(backup *kahuv1.Backup) bool {
		return backup.Status.QueuePosition == position && backup.Status.Stage != "" && (position > 0 || backup.Status.Attempt != "")
	})
}

// TestQueue: a location whose driver hangs holds its own runs, which say where in the queue they are, and nobody else's.
// When the driver goes on, they go on, the oldest first.
func TestQueue(t *testing.T) {
	w, driver := newQueueWorld(t, store.Options{})
	namespace := testcluster.Namespace(t)
	w.create(&corev1.ConfigMap{ObjectMeta: in(namespace, "settings")})
	w.completedBackup("old", at("stuck", namespace)) // Something to delete at the place that hangs.
	w.completedBackup("older", at("stuck", namespace))
	goOn := driver.hang("create", "download")
	defer goOn()

	const number = 12 // more than there are workers
	for i := range number {
		name := fmt.Sprintf("stuck-%02d", i)
		w.startBackup(name, at("stuck", namespace))
		w.awaitQueued(name, max(0, int32(i)-1))
	}
	for _, name := range []string{"old", "older"} {
		if err := w.client.Delete(t.Context(), &kahuv1.Backup{ObjectMeta: named(name)}); err != nil {
			t.Fatal(err)
		}
	}
	// Two have a place there and the others wait, in order.
	last := w.awaitQueued(fmt.Sprintf("stuck-%02d", number-1), number-2)
	waits := meta.FindStatusCondition(last.Status.Conditions, kahuv1.ConditionReconciling)
	if want := "Number 10 of 10 in the queue: 2 of 2 places at location stuck are taken."; waits == nil || waits.Reason != kahuv1.ReasonQueued || waits.Message != want {
		t.Errorf("it says %+v", waits)
	}
	// The others are not held up.
	w.completedBackup("free", at("main", namespace))
	w.completedRestore("free", "free", nil)
	// One that waits can be deleted, and one that hangs can.
	w.remove(&kahuv1.Backup{ObjectMeta: named("stuck-05")})
	w.awaitQueued(fmt.Sprintf("stuck-%02d", number-1), number-3)

	goOn()
	var ended []*kahuv1.Backup
	for i := range number {
		if i != 5 {
			ended = append(ended, w.awaitBackup(fmt.Sprintf("stuck-%02d", i)))
		}
	}
	for _, backup := range ended {
		if backup.Status.State != kahuv1.StateCompleted || backup.Status.QueuePosition != 0 {
			t.Errorf("%s: %+v", backup.Name, backup.Status)
		}
	}
	if !slices.IsSortedFunc(ended, func(a, b *kahuv1.Backup) int {
		return a.Status.StartTimestamp.Compare(b.Status.StartTimestamp.Time)
	}) {
		t.Error("a younger one began before an older one")
	}
	for _, name := range []string{"old", "older"} {
		w.awaitGone(&kahuv1.Backup{ObjectMeta: named(name)})
	}
}

// TestTwoHangingLocations: two locations whose driver hangs have all places, and a third one goes on.
func TestTwoHangingLocations(t *testing.T) {
	w, driver := newQueueWorld(t, store.Options{})
	w.newLocation("stuck-too", memoryProvider, nil)
	namespace := testcluster.Namespace(t)
	w.create(&corev1.ConfigMap{ObjectMeta: in(namespace, "settings")})
	goOn := driver.hang("create", "download")
	defer goOn()
	for i := range 2 { // of four places two each
		w.startBackup(fmt.Sprintf("first-%d", i), at("stuck", namespace))
		w.awaitQueued(fmt.Sprintf("first-%d", i), 0)
		w.startBackup(fmt.Sprintf("second-%d", i), at("stuck-too", namespace))
		w.awaitQueued(fmt.Sprintf("second-%d", i), 0)
	}
	w.startBackup("waits", at("stuck", namespace))
	w.awaitQueued("waits", 1)
	w.completedBackup("free", at("main", namespace))
	w.completedRestore("free", "free", nil)
	goOn()
	for _, name := range []string{"first-0", "first-1", "second-0", "second-1", "waits"} {
		if backup := w.awaitBackup(name); backup.Status.State != kahuv1.StateCompleted {
			t.Errorf("%s: %+v", name, backup.Status)
		}
	}
}

// TestHangingRunEnds: a run whose driver hangs is ended by the deadlines of the store, and the next one gets its place.
func TestHangingRunEnds(t *testing.T) {
	w, driver := newQueueWorld(t, store.Options{CallTime: time.Second, IdleTime: time.Second, Attempts: 2})
	namespace := testcluster.Namespace(t)
	w.create(&corev1.ConfigMap{ObjectMeta: in(namespace, "settings")})
	w.setLimits(1)
	// The next one gets its place when the work of this one has ended, which is before this one's object says so.
	defer driver.hangAt("/backups/hangs/", "create")()
	w.startBackup("hangs", at("stuck", namespace))
	w.startBackup("follows", at("stuck", namespace))
	ended := w.awaitBackup("hangs")
	if got := reason(ended.Status.Conditions, kahuv1.ConditionStalled); got != kahuv1.ReasonLocationUnreachable {
		t.Errorf("it ended with %q: %s", got, ended.Status.FailureReason)
	}
	if follows := w.awaitBackup("follows"); follows.Status.State != kahuv1.StateCompleted {
		t.Errorf("the next one: %s", follows.Status.FailureReason)
	}
}

// TestLimitsOfALocation: a greater limit wakes those that wait.
func TestLimitsOfALocation(t *testing.T) {
	w, driver := newQueueWorld(t, store.Options{})
	namespace := testcluster.Namespace(t)
	w.setLimits(1)
	defer driver.hang("create")()
	for i, name := range []string{"first", "second", "third"} {
		w.startBackup(name, at("stuck", namespace))
		w.awaitQueued(name, int32(i))
	}
	w.setLimits(2)
	w.awaitQueued("third", 1)
	w.setLimits(3)
	w.awaitQueued("third", 0)
}

// TestOrderOutlastsALook: while a location whose limits were changed is looked at again, those that wait for it keep
// their places in the queue, and the oldest is the next one that begins.
func TestOrderOutlastsALook(t *testing.T) {
	w, driver := newQueueWorld(t, store.Options{})
	namespace := testcluster.Namespace(t)
	w.setLimits(1)
	defer driver.hangAt("/backups/", "create")()
	names := []string{"first", "second", "third", "fourth"}
	for i, name := range names {
		w.startBackup(name, at("stuck", namespace))
		w.awaitQueued(name, int32(i))
	}
	for round, limit := range []int32{2, 3} {
		look := driver.holdLook()
		w.patch(&kahuv1.BackupLocation{ObjectMeta: named("stuck")}, fmt.Sprintf(`{"spec":{"limits":{"backups":%d}}}`, limit))
		<-look.begun
		look.goOn()
		w.awaitQueued(names[round+1], 0)
		for i, name := range names[round+2:] {
			if waits := w.awaitQueued(name, int32(i+1)); waits.Status.Attempt != "" {
				t.Errorf("limit %d: %s has begun before its turn", limit, name)
			}
		}
	}
}

// TestQueueIsLeft: runs that are cancelled or deleted while they wait leave the queue at once, also where something else
// keeps their objects, and those behind them move up.
func TestQueueIsLeft(t *testing.T) {
	w, driver := newQueueWorld(t, store.Options{})
	namespace := testcluster.Namespace(t)
	w.create(&corev1.ConfigMap{ObjectMeta: in(namespace, "settings")})
	w.completedBackup("old", at("stuck", namespace))
	w.setLimits(1)
	goOn := driver.hang("create", "download")
	defer goOn()
	w.startBackup("first", at("stuck", namespace))
	w.awaitQueued("first", 0)
	w.restoreAt("first", "old")
	w.awaitRestoreQueued("first", 0)
	for i, name := range []string{"cancelled", "deleted", "kept", "last"} {
		backup := &kahuv1.Backup{ObjectMeta: named(name), Spec: kahuv1.BackupSpec{}}
		at("stuck", namespace)(&backup.Spec)
		restore := &kahuv1.Restore{ObjectMeta: named(name), Spec: kahuv1.RestoreSpec{BackupName: "old"}}
		if name == "kept" {
			backup.Finalizers, restore.Finalizers = []string{"test.kahu.io/kept"}, []string{"test.kahu.io/kept"}
		}
		w.create(backup, restore)
		w.awaitQueued(name, int32(i+1))
		w.awaitRestoreQueued(name, int32(i+1))
	}
	for _, kind := range []client.Object{&kahuv1.Backup{ObjectMeta: named("cancelled")}, &kahuv1.Restore{ObjectMeta: named("cancelled")}} {
		if err := w.client.Patch(t.Context(), kind, client.RawPatch("application/merge-patch+json", []byte(`{"spec":{"cancel":true}}`))); err != nil {
			t.Fatal(err)
		}
	}
	w.awaitQueued("last", 3)
	w.awaitRestoreQueued("last", 3)
	if ended := w.awaitBackup("cancelled"); reason(ended.Status.Conditions, kahuv1.ConditionStalled) != kahuv1.ReasonCancelled || ended.Status.QueuePosition != 0 {
		t.Errorf("the cancelled backup: %+v", ended.Status)
	}
	if ended := w.awaitRestore("cancelled"); reason(ended.Status.Conditions, kahuv1.ConditionStalled) != kahuv1.ReasonCancelled || ended.Status.QueuePosition != 0 {
		t.Errorf("the cancelled restore: %+v", ended.Status)
	}
	w.remove(&kahuv1.Backup{ObjectMeta: named("deleted")}, &kahuv1.Restore{ObjectMeta: named("deleted")})
	w.awaitQueued("last", 2)
	w.awaitRestoreQueued("last", 2)
	kept := []client.Object{&kahuv1.Backup{ObjectMeta: named("kept")}, &kahuv1.Restore{ObjectMeta: named("kept")}}
	w.drop(kept...)
	w.awaitQueued("last", 1)
	w.awaitRestoreQueued("last", 1)
	for _, object := range kept {
		if err := w.client.Patch(t.Context(), object, client.RawPatch("application/merge-patch+json", []byte(`{"metadata":{"finalizers":null}}`))); err != nil {
			t.Fatal(err)
		}
	}
	goOn()
	w.awaitBackup("last")
	w.awaitRestore("last")
}

// TestHangingLocationHoldsNoQuestion: backups at another location are read back, shown and deleted while many questions
// about one that hangs go without an answer.
func TestHangingLocationHoldsNoQuestion(t *testing.T) {
	w, driver := newQueueWorld(t, store.Options{})
	namespace := testcluster.Namespace(t)
	w.create(&corev1.ConfigMap{ObjectMeta: in(namespace, "settings")})
	const number = 9 // more than there are workers, or places
	for i := range number {
		w.completedBackup(fmt.Sprintf("stuck-%d", i), at("stuck", namespace))
	}
	w.completedBackup("verified", at("main", namespace))
	defer driver.hang("create", "download")()
	for i := range number {
		backup := &kahuv1.Backup{ObjectMeta: named(fmt.Sprintf("stuck-%d", i))}
		patch := client.RawPatch("application/merge-patch+json", []byte(`{"metadata":{"annotations":{"kahu.io/verify":"stuck"}}}`))
		if err := w.client.Patch(t.Context(), backup, patch); err != nil {
			t.Fatal(err)
		}
		await(w.api, backup, func(backup *kahuv1.Backup) bool { return backup.Status.Verification != nil })
		question := &kahuv1.Inspection{ObjectMeta: named(backup.Name), Spec: kahuv1.InspectionSpec{
			Subject: kahuv1.InspectionSubjectReport, BackupName: backup.Name,
		}}
		w.create(question)
	}
	if answered := w.askToVerify("free", ""); reason(answered.Status.Conditions, kahuv1.ConditionVerified) != kahuv1.ReasonVerified {
		t.Errorf("the backup that does not hang: %+v", answered.Status.Conditions)
	}
	shown := w.inspect(kahuv1.InspectionSpec{Subject: kahuv1.InspectionSubjectObjects, BackupName: "verified"})
	if shown.Status.State != kahuv1.StateCompleted {
		t.Errorf("the question: %+v", shown.Status)
	}
	for i := range number {
		w.drop(&kahuv1.Backup{ObjectMeta: named(fmt.Sprintf("stuck-%d", i))})
	}
	w.remove(&kahuv1.Backup{ObjectMeta: named("verified")})
}

// restoreAt starts a restore.
func (w *world) restoreAt(name, backup string) {
	w.t.Helper()
	w.create(&kahuv1.Restore{ObjectMeta: named(name), Spec: kahuv1.RestoreSpec{BackupName: backup}})
}

// awaitRestoreQueued returns when a restore is at that position.
func (w *world) awaitRestoreQueued(name string, position int32) {
	w.t.Helper()
	await(w.api, &kahuv1.Restore{ObjectMeta: named(name)}, func(restore *kahuv1.Restore) bool {
		return restore.Status.QueuePosition == position && restore.Status.Stage != "" && (position > 0 || restore.Status.Attempt != "")
	})
}

// setLimits says how many backups, and how many restores, go on at once at the location stuck.
func (w *world) setLimits(limit int32) {
	w.t.Helper()
	patch := client.RawPatch("application/merge-patch+json", fmt.Appendf(nil, `{"spec":{"limits":{"backups":%d,"restores":%d}}}`, limit, limit))
	patched := &kahuv1.BackupLocation{ObjectMeta: named("stuck")}
	if err := w.client.Patch(w.t.Context(), patched, patch); err != nil {
		w.t.Fatal(err)
	}
	// What the controllers know of it is as new when its next look is over.
	w.awaitLocation(patched.Name, metav1.ConditionTrue)
}
