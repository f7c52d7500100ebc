package e2e_test

import (
	"bytes"
	"fmt"
	"strings"
	"testing"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	kahuv1 "github.com/soda-cdm/kahu/api/v1beta1"
	testcluster "github.com/soda-cdm/kahu/internal/testkit/cluster"
)

// askToVerify asks of the Backup named verified, and returns it with the answer.
func (a *api) askToVerify(token, sample string) *kahuv1.Backup {
	a.t.Helper()
	patch := fmt.Sprintf(`{"metadata":{"annotations":{%q:%q,%q:%q}}}`,
		kahuv1.AnnotationVerify, token, kahuv1.AnnotationVerifySample, sample)
	backup := &kahuv1.Backup{ObjectMeta: named("verified")}
	if err := a.client.Patch(a.t.Context(), backup, client.RawPatch("application/merge-patch+json", []byte(patch))); err != nil {
		a.t.Fatalf("asking: %v", err)
	}
	return await(a, &kahuv1.Backup{ObjectMeta: named("verified")}, func(backup *kahuv1.Backup) bool {
		found := backup.Status.Verification
		return found != nil && found.Token == token && found.Time != nil
	})
}

// TestVerify asks for backups to be read back: whole ones, damaged ones, lost ones, ones that are made meanwhile, and a
// view.
func TestVerify(t *testing.T) {
	w := newWorld(t)
	namespace := testcluster.Namespace(t)
	for i := range 5 {
		w.create(&corev1.ConfigMap{ObjectMeta: in(namespace, fmt.Sprintf("settings-%d", i)), Data: map[string]string{"a": "b"}})
	}
	w.startBackup("verified", only(namespace))
	backup := w.askToVerify("while it is made", "")
	expect := func(backup *kahuv1.Backup, status metav1.ConditionStatus, reason string) {
		t.Helper()
		found := meta.FindStatusCondition(backup.Status.Conditions, kahuv1.ConditionVerified)
		if found == nil || found.Status != status || found.Reason != reason {
			t.Errorf("the condition is %+v, want %s, %s", found, status, reason)
		}
		if backup.Status.State != kahuv1.StateCompleted || !meta.IsStatusConditionTrue(backup.Status.Conditions, kahuv1.ConditionReady) {
			t.Errorf("the run's own state became %s, %+v", backup.Status.State, backup.Status.Conditions)
		}
	}
	expect(backup, metav1.ConditionTrue, kahuv1.ReasonVerified)
	if found := backup.Status.Verification; found.Objects != backup.Status.Counts.Objects || found.Bytes == 0 || found.DamagedTotal != 0 {
		t.Errorf("found %+v of %+v", found, backup.Status.Counts)
	}
	backup = w.askToVerify("a sample", "10%")
	expect(backup, metav1.ConditionTrue, kahuv1.ReasonSampleVerified)
	if found := backup.Status.Verification; found.Sampled != "10%" || found.Seed == 0 || found.Objects == 0 {
		t.Errorf("found %+v", found)
	}
	expect(w.askToVerify("no sample", "a few"), metav1.ConditionUnknown, kahuv1.ReasonInvalidSample)

	for number, name := range w.store.names() {
		if !strings.Contains(name, "/segments/") {
			continue
		}
		whole := w.store.read(name)
		changed := bytes.Clone(whole)
		for i := range changed { // All of it: a single bit may stand for nothing.
			changed[i] ^= 0xff
		}
		w.store.write(name, changed)
		backup = w.askToVerify("damaged "+name, "")
		expect(backup, metav1.ConditionFalse, kahuv1.ReasonArchiveCorrupt)
		found := backup.Status.Verification
		if len(found.Damaged) != 1 || found.Damaged[0].Offset == nil || len(found.Damaged[0].Objects) == 0 || found.DamagedObjects == 0 {
			t.Errorf("found %+v", found)
		}
		restore := w.restore(fmt.Sprintf("from-damaged-%d", number), "verified", nil)
		if restore.Status.State != kahuv1.StateFailed || !strings.Contains(restore.Status.FailureReason, "nothing was created") ||
			!strings.Contains(restore.Status.FailureReason, found.Damaged[0].Objects[0]) {
			t.Errorf("the restore is %s: %s", restore.Status.State, restore.Status.FailureReason)
		}
		w.store.write(name, whole)
	}
	expect(w.askToVerify("mended", ""), metav1.ConditionTrue, kahuv1.ReasonVerified)
	w.store.remove(backup.Status.ArchivePath + "manifest.json")
	backup = w.askToVerify("lost", "")
	if found := meta.FindStatusCondition(backup.Status.Conditions, kahuv1.ConditionVerified); found.Reason != kahuv1.ReasonManifestNotFound {
		t.Errorf("the condition is %+v", found)
	}
}
