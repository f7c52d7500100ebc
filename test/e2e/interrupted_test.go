package e2e_test

import (
	"fmt"
	"strings"
	"sync"
	"syscall"
	"testing"

	corev1 "k8s.io/api/core/v1"

	kahuv1 "github.com/soda-cdm/kahu/api/v1beta1"
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

// TestInterruptedBackup kills processes while a backup runs. The provider is frozen at first, so that the run cannot
// end before.
func TestInterruptedBackup(t *testing.T) {
	for name, whole := range map[string]bool{"Manager": false, "Tree": true} {
		t.Run(name, func(t *testing.T) {
			w, running := newFileWorld(t)
			namespace := testcluster.Namespace(t)
			w.many(namespace, 100)
			w.completedBackup("before", only(namespace))
			before := w.listing()

			provider := running.child("provider", 1)
			running.signal(provider, syscall.SIGSTOP)
			w.startBackup("interrupted", only(namespace))
			w.awaitProcessing("interrupted")
			if whole {
				running.kill()
				startTree(t, testcluster.Kubeconfig(t), running.folder)
			} else {
				running.signal(running.child("manager", 1), syscall.SIGKILL)
				running.signal(provider, syscall.SIGCONT)
			}
			ended := w.awaitBackup("interrupted")
			if ended.Status.State != kahuv1.StateFailed || reason(ended.Status.Conditions, kahuv1.ConditionReady) != kahuv1.ReasonInterrupted {
				t.Errorf("the backup is %s: %s %+v", ended.Status.State, ended.Status.FailureReason, ended.Status.Conditions)
			}
			if !strings.Contains(ended.Status.FailureReason, "create another Backup") || strings.Contains(ended.Status.FailureReason, "could not be removed") {
				t.Errorf("what to do: %s", ended.Status.FailureReason)
			}
			w.unchanged(before)
			w.completedBackup("next", only(namespace))
			w.remove(ended)
			if w.get(&kahuv1.Backup{ObjectMeta: named("interrupted")}) {
				t.Error("the interrupted backup is still there")
			}
		})
	}
}

// awaitProcessing returns when a Backup has begun.
func (a *api) awaitProcessing(name string) {
	a.t.Helper()
	await(a, &kahuv1.Backup{ObjectMeta: named(name)}, func(backup *kahuv1.Backup) bool {
		return backup.Status.State == kahuv1.StateProcessing
	})
}

// TestInterruptedRestore kills the manager while a restore creates objects, and restores the rest afterwards.
func TestInterruptedRestore(t *testing.T) {
	w, running := newFileWorld(t)
	namespace := testcluster.Namespace(t)
	const number = 1500
	w.many(namespace, number)
	w.completedBackup("many", only(namespace))
	before := w.listing()
	w.remove(&corev1.Namespace{ObjectMeta: named(namespace)})

	manager := running.child("manager", 1)
	w.create(&kahuv1.Restore{ObjectMeta: named("interrupted"), Spec: kahuv1.RestoreSpec{BackupName: "many"}})
	await(w.api, &corev1.ConfigMap{ObjectMeta: in(namespace, "many-0001")}, func(*corev1.ConfigMap) bool { return true })
	running.signal(manager, syscall.SIGKILL)
	ended := w.awaitRestore("interrupted")
	if ended.Status.State != kahuv1.StateFailed || reason(ended.Status.Conditions, kahuv1.ConditionReady) != kahuv1.ReasonInterrupted ||
		!strings.Contains(ended.Status.FailureReason, "create another Restore") {
		t.Fatalf("the restore is %s: %s", ended.Status.State, ended.Status.FailureReason)
	}
	next := w.completedRestore("next", "many", nil).Status.Counts
	if next.Created == 0 || next.SkippedExisting == 0 {
		t.Errorf("of what was interrupted, the next one did all or nothing: %+v", next)
	}
	found := &corev1.ConfigMapList{}
	if err := w.client.List(t.Context(), found, inNamespace(namespace)); err != nil {
		t.Fatal(err)
	}
	if len(found.Items) < number {
		t.Errorf("%d config maps are there of %d", len(found.Items), number)
	}
	w.unchanged(before)
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
