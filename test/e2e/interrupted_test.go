package e2e_test

import (
	"fmt"
	"slices"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/utils/clock"
	"sigs.k8s.io/controller-runtime/pkg/client"

	kahuv1 "github.com/soda-cdm/kahu/api/v1beta1"
	backupcontroller "github.com/soda-cdm/kahu/internal/controller/backup"
	"github.com/soda-cdm/kahu/internal/core/archive"
	"github.com/soda-cdm/kahu/internal/core/restoreplan"
	testcluster "github.com/soda-cdm/kahu/internal/testkit/cluster"
)

// many makes so many config maps that a run over them takes a while.
func (w *world) many(namespace string, number int) {
	w.t.Helper()
	const workers = 16
	var group sync.WaitGroup
	failures := make(chan error, workers)
	for worker := range workers {
		group.Go(func() {
			for i := worker; i < number; i += workers {
				object := &corev1.ConfigMap{
					ObjectMeta: in(namespace, fmt.Sprintf("many-%04d", i)), Data: map[string]string{"number": fmt.Sprint(i)},
				}
				if err := w.client.Create(w.t.Context(), object); err != nil {
					failures <- err
					return
				}
			}
		})
	}
	group.Wait()
	close(failures)
	for err := range failures {
		w.t.Fatalf("making config maps: %v", err)
	}
}

// freeze starts a backup and freezes the provider once the backup has begun to write, so that it cannot end. It
// returns the backup's name. A backup that was quicker is removed, and another one is tried.
func (w *world) freeze(running *tree, namespace string) string {
	w.t.Helper()
	provider := running.child("provider", 1)
	for try := range 10 {
		name := fmt.Sprintf("interrupted-%d", try)
		w.startBackup(name, only(namespace))
		backup := &kahuv1.Backup{ObjectMeta: named(name)}
		wrote := func(file string) bool {
			return slices.ContainsFunc(w.store.names(), func(found string) bool {
				return strings.Contains(found, "/"+name+"/") && strings.HasSuffix(found, file)
			})
		}
		w.eventually("the first file of "+name, func() bool { return wrote("/intent.json") })
		running.signal(provider, syscall.SIGSTOP)
		if !wrote("/manifest.json") {
			return name
		}
		running.signal(provider, syscall.SIGCONT)
		w.awaitBackup(name)
		w.remove(backup)
	}
	w.t.Fatal("every backup was over before it could be frozen")
	return ""
}

// TestInterruptedBackup kills processes while a backup runs, the provider being frozen after its first writes.
func TestInterruptedBackup(t *testing.T) {
	for name, whole := range map[string]bool{"Manager": false, "Tree": true} {
		t.Run(name, func(t *testing.T) {
			w, running := newFileWorld(t)
			namespace := testcluster.Namespace(t)
			w.many(namespace, 2000)
			w.completedBackup("before", only(namespace))
			before := w.listing()

			name := w.freeze(running, namespace)
			provider := running.child("provider", 1)
			if whole {
				running.kill()
				startTree(t, testcluster.Kubeconfig(t), running.folder)
			} else {
				running.signal(running.child("manager", 1), syscall.SIGKILL)
				running.signal(provider, syscall.SIGCONT)
			}
			ended := w.awaitBackup(name)
			if ended.Status.State != kahuv1.StateCompleted || ended.Status.Interruptions != 1 || len(ended.Status.EarlierAttempts) != 1 {
				t.Errorf("the backup is %s, interrupted %d times: %s", ended.Status.State, ended.Status.Interruptions, ended.Status.FailureReason)
			}
			if ended.Status.Counts.Objects < 2000 {
				t.Errorf("it has %d objects", ended.Status.Counts.Objects)
			}
			w.remove(ended)
			if whole {
				w.dropPartial()
			}
			w.unchanged(before)
			w.completedBackup("next", only(namespace))
		})
	}
}

// dropPartial removes what a provider that was killed had not put in its place yet: it does so itself after a day.
func (w *world) dropPartial() {
	w.t.Helper()
	for _, name := range w.store.names() {
		if strings.HasPrefix(name, ".kahu-partial/") {
			w.store.remove(name)
		}
	}
}

// awaitProcessing returns when a Backup has begun.
func (a *api) awaitProcessing(name string) {
	a.t.Helper()
	await(a, &kahuv1.Backup{ObjectMeta: named(name)}, func(backup *kahuv1.Backup) bool {
		return backup.Status.State == kahuv1.StateProcessing
	})
}

// TestInterruptedRestore kills the manager while a restore creates objects: the next one goes on, and makes nothing twice.
func TestInterruptedRestore(t *testing.T) {
	w, running := newFileWorld(t)
	namespace := testcluster.Namespace(t)
	const number = 1500
	w.many(namespace, number)
	w.completedBackup("many", only(namespace))
	w.remove(&corev1.Namespace{ObjectMeta: named(namespace)})

	manager := running.child("manager", 1)
	w.create(&kahuv1.Restore{ObjectMeta: named("interrupted"), Spec: kahuv1.RestoreSpec{BackupName: "many"}})
	await(w.api, &corev1.ConfigMap{ObjectMeta: in(namespace, "many-0001")}, func(*corev1.ConfigMap) bool { return true })
	running.signal(manager, syscall.SIGKILL)
	ended := w.awaitRestore("interrupted")
	if ended.Status.State != kahuv1.StateCompleted || ended.Status.Interruptions != 1 {
		t.Fatalf("the restore is %s after %d interruptions: %s", ended.Status.State, ended.Status.Interruptions, ended.Status.FailureReason)
	}
	counts := ended.Status.Counts
	// The namespace, the config maps and whatever else was in it: all were gone, so none was there already.
	if counts.Created < number+1 || counts.SkippedExisting != 0 || counts.Failed != 0 {
		t.Errorf("the counts are %+v", counts)
	}
	found := &corev1.ConfigMapList{}
	if err := w.client.List(t.Context(), found, inNamespace(namespace)); err != nil {
		t.Fatal(err)
	}
	writer := restoreplan.Manager(string(ended.UID))
	ours := 0
	for _, object := range found.Items {
		if len(object.ManagedFields) == 1 && object.ManagedFields[0].Manager == writer {
			ours++
		}
	}
	if ours != number {
		t.Errorf("%d config maps are there, made by the restore and written once; want %d", ours, number)
	}
	if !slices.Contains(w.store.names(), ended.Status.ReportPath) {
		t.Errorf("there is no report %q among %v", ended.Status.ReportPath, w.store.names())
	}
	w.remove(ended)
	w.eventually("the reports of the restore to go", func() bool {
		return !slices.ContainsFunc(w.store.names(), func(name string) bool { return strings.Contains(name, "/restores/") })
	})
}

// TestCancelledRestore cancels a restore while it creates objects, and one that waits for its backup.
func TestCancelledRestore(t *testing.T) {
	w, running := newFileWorld(t)
	namespace := testcluster.Namespace(t)
	const number = 1500
	w.many(namespace, number)
	w.completedBackup("many", only(namespace))
	w.remove(&corev1.Namespace{ObjectMeta: named(namespace)})

	cancel := func(name string) *kahuv1.Restore {
		patch := client.RawPatch(types.MergePatchType, []byte(`{"spec":{"cancel":true}}`))
		if err := w.client.Patch(t.Context(), &kahuv1.Restore{ObjectMeta: named(name)}, patch); err != nil {
			t.Fatal(err)
		}
		ended := w.awaitRestore(name)
		if ended.Status.State != kahuv1.StateFailed || reason(ended.Status.Conditions, kahuv1.ConditionComplete) != kahuv1.ReasonCancelled {
			t.Errorf("restore %s is %s: %s", name, ended.Status.State, ended.Status.FailureReason)
		}
		return ended
	}
	w.create(&kahuv1.Restore{ObjectMeta: named("midway"), Spec: kahuv1.RestoreSpec{BackupName: "many"}})
	await(w.api, &corev1.ConfigMap{ObjectMeta: in(namespace, "many-0001")}, func(*corev1.ConfigMap) bool { return true })
	midway := cancel("midway")
	found := &corev1.ConfigMapList{}
	if err := w.client.List(t.Context(), found, inNamespace(namespace)); err != nil {
		t.Fatal(err)
	}
	// The namespace is the one that is no config map. kube-root-ca.crt is one that the cluster makes.
	there, created := int64(len(found.Items)), midway.Status.Counts.Created
	if there >= number || created < there || created > there+1 {
		t.Errorf("%d objects are counted and %d config maps are there", created, there)
	}

	provider := running.child("provider", 1)
	running.signal(provider, syscall.SIGSTOP)
	w.startBackup("slow", only(namespace))
	w.create(&kahuv1.Restore{ObjectMeta: named("waits"), Spec: kahuv1.RestoreSpec{BackupName: "slow"}})
	await(w.api, &kahuv1.Restore{ObjectMeta: named("waits")}, func(restore *kahuv1.Restore) bool { return restore.Status.State != "" })
	if waits := cancel("waits"); waits.Status.StartTimestamp != nil || waits.Status.Counts.Created != 0 {
		t.Errorf("the restore that waited is %+v", waits.Status)
	}
	// One whose store hangs, which is read before anything is created.
	w.create(&kahuv1.Restore{ObjectMeta: named("hangs"), Spec: kahuv1.RestoreSpec{BackupName: "many"}})
	await(w.api, &kahuv1.Restore{ObjectMeta: named("hangs")}, func(restore *kahuv1.Restore) bool {
		return restore.Status.State == kahuv1.StateProcessing
	})
	cancel("hangs")
	running.signal(provider, syscall.SIGCONT)
}

// TestDeletedWhileItRuns: a Backup that is deleted while it runs is stopped, and leaves nothing in the store.
func TestDeletedWhileItRuns(t *testing.T) {
	w, running := newFileWorld(t)
	namespace := testcluster.Namespace(t)
	w.many(namespace, 10)
	w.completedBackup("before", only(namespace))
	before := w.listing()
	provider := running.child("provider", 1)
	running.signal(provider, syscall.SIGSTOP)
	w.startBackup("deleted", only(namespace))
	w.awaitProcessing("deleted")
	deleted := &kahuv1.Backup{ObjectMeta: named("deleted")}
	if err := w.client.Delete(t.Context(), deleted); err != nil {
		t.Fatal(err)
	}
	await(w.api, deleted, func(backup *kahuv1.Backup) bool { return !backup.DeletionTimestamp.IsZero() })
	running.signal(provider, syscall.SIGCONT)
	w.awaitGone(deleted)
	w.unchanged(before)
	w.completedBackup("next", only(namespace))
}

// TestTakingOverWaitsForTheStore: a manager that finds an interrupted run before its store is back waits for the store, and
// goes on with the run then. What the other one left beside is removed.
func TestTakingOverWaitsForTheStore(t *testing.T) {
	stores := newDrivers(newMemory)
	w := newWorldIn(t, testcluster.Config(t), stores)
	namespace := testcluster.Namespace(t)
	w.create(&corev1.ConfigMap{ObjectMeta: in(namespace, "settings")})
	done := w.completedBackup("done", only(namespace))
	w.stop()

	// What a manager leaves that is killed after the first write.
	before := w.listing()
	w.startBackup("orphan", only(namespace))
	orphan := &kahuv1.Backup{ObjectMeta: named("orphan")}
	w.get(orphan)
	orphan.Status = kahuv1.BackupStatus{
		Stage: kahuv1.StageResources, State: kahuv1.StateProcessing, Attempt: newAttempt(),
		ClusterID: done.Status.ClusterID, LocationID: done.Status.LocationID,
	}
	if err := w.client.Status().Update(t.Context(), orphan); err != nil {
		t.Fatal(err)
	}
	segment := archive.SegmentID{ClusterID: done.Status.ClusterID, Attempt: orphan.Status.Attempt, Number: 1}
	w.store.write(segment.Name(), []byte("half of something"))

	w.renew(clock.RealClock{}.Now().Add(-2 * time.Hour))
	startPatientManager(t, testcluster.Config(t), stores, waitLimit)
	await(w.api, orphan, func(backup *kahuv1.Backup) bool {
		return reason(backup.Status.Conditions, kahuv1.ConditionReconciling) == kahuv1.ReasonProviderUnavailable
	})
	w.renew(clock.RealClock{}.Now())
	if ended := w.awaitBackup("orphan"); ended.Status.State != kahuv1.StateCompleted || ended.Status.Interruptions != 1 {
		t.Errorf("the backup is %s: %s", ended.Status.State, ended.Status.FailureReason)
	}
	w.remove(orphan)
	w.unchanged(before)
}

// TestOftenInterrupted: a run that was interrupted too often fails, and what its attempts left is removed.
func TestOftenInterrupted(t *testing.T) {
	stores := newDrivers(newMemory)
	w := newWorldIn(t, testcluster.Config(t), stores)
	namespace := testcluster.Namespace(t)
	w.create(&corev1.ConfigMap{ObjectMeta: in(namespace, "settings")})
	done := w.completedBackup("done", only(namespace))
	w.stop()
	before := w.listing()
	w.startBackup("orphan", only(namespace))
	orphan := &kahuv1.Backup{ObjectMeta: named("orphan")}
	w.get(orphan)
	orphan.Status = kahuv1.BackupStatus{
		Stage: kahuv1.StageResources, State: kahuv1.StateProcessing, Attempt: newAttempt(), Interruptions: backupcontroller.MaxInterruptions,
		ClusterID: done.Status.ClusterID, LocationID: done.Status.LocationID,
	}
	for range backupcontroller.MaxInterruptions {
		orphan.Status.EarlierAttempts = append(orphan.Status.EarlierAttempts, newAttempt())
	}
	if err := w.client.Status().Update(t.Context(), orphan); err != nil {
		t.Fatal(err)
	}
	for _, attempt := range append(orphan.Status.EarlierAttempts, orphan.Status.Attempt) {
		segment := archive.SegmentID{ClusterID: done.Status.ClusterID, Attempt: attempt, Number: 1}
		w.store.write(segment.Name(), []byte("half of something"))
	}
	startPatientManager(t, testcluster.Config(t), stores, waitLimit)
	ended := w.awaitBackup("orphan")
	if reason(ended.Status.Conditions, kahuv1.ConditionReady) != kahuv1.ReasonInterrupted ||
		!strings.Contains(ended.Status.FailureReason, "create another Backup") ||
		strings.Contains(ended.Status.FailureReason, "could not be removed") {
		t.Errorf("the backup is %s: %s", ended.Status.State, ended.Status.FailureReason)
	}
	w.unchanged(before)
}

// TestCancel: a Backup that is cancelled leaves nothing, whether it runs, waits, or was interrupted.
func TestCancel(t *testing.T) {
	cancel := func(w *world, name string) {
		w.t.Helper()
		patch := client.RawPatch("application/merge-patch+json", []byte(`{"spec":{"cancel":true}}`))
		if err := w.client.Patch(w.t.Context(), &kahuv1.Backup{ObjectMeta: named(name)}, patch); err != nil {
			w.t.Fatal(err)
		}
	}
	cancelled := func(w *world, name string) {
		w.t.Helper()
		ended := w.awaitBackup(name)
		if ended.Status.State != kahuv1.StateFailed || reason(ended.Status.Conditions, kahuv1.ConditionReady) != kahuv1.ReasonCancelled {
			w.t.Errorf("the backup is %s: %s %+v", ended.Status.State, ended.Status.FailureReason, ended.Status.Conditions)
		}
	}
	t.Run("Running", func(t *testing.T) {
		w, running := newFileWorld(t)
		namespace := testcluster.Namespace(t)
		w.many(namespace, 2000)
		w.completedBackup("before", only(namespace))
		before := w.listing()
		name := w.freeze(running, namespace)
		cancel(w, name)
		running.signal(running.child("provider", 1), syscall.SIGCONT)
		cancelled(w, name)
		w.unchanged(before)
		w.completedBackup("next", only(namespace))
	})
	t.Run("Interrupted", func(t *testing.T) {
		w, running := newFileWorld(t)
		namespace := testcluster.Namespace(t)
		w.many(namespace, 2000)
		w.completedBackup("before", only(namespace))
		before := w.listing()
		name := w.freeze(running, namespace)
		running.signal(running.child("manager", 1), syscall.SIGKILL)
		cancel(w, name)
		running.signal(running.child("provider", 1), syscall.SIGCONT)
		cancelled(w, name)
		w.unchanged(before)
	})
	t.Run("Waiting", func(t *testing.T) {
		w := newWorld(t)
		w.stop()
		w.startBackup("waiting", nil)
		cancel(w, "waiting")
		startManager(t, testcluster.Config(t), newDrivers(newMemory))
		cancelled(w, "waiting")
	})
	t.Run("Over", func(t *testing.T) {
		w := newWorld(t)
		w.completedBackup("over", only(testcluster.Namespace(t)))
		before := w.listing()
		cancel(w, "over")
		w.completedBackup("next", only(testcluster.Namespace(t)))
		if over := w.awaitBackup("over"); over.Status.State != kahuv1.StateCompleted {
			t.Errorf("it is %s", over.Status.State)
		}
		for name := range before {
			w.store.read(name)
		}
	})
}
