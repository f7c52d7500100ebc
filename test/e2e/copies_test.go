package e2e_test

import (
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	kahuv1 "github.com/soda-cdm/kahu/api/v1beta1"
	testcluster "github.com/soda-cdm/kahu/internal/testkit/cluster"
	"github.com/soda-cdm/kahu/internal/testkit/s3server"
)

// copyTo returns how far the copy of a backup at a location is.
func copyTo(backup *kahuv1.Backup, location string) kahuv1.BackupCopyStatus {
	for _, row := range backup.Status.Copies {
		if row.Location == location {
			return row
		}
	}
	return kahuv1.BackupCopyStatus{}
}

// awaitCopy returns a Backup whose copy at the location, as it is wished for with that token, is made or given up.
func (a *api) awaitCopy(name, location, token string) *kahuv1.Backup {
	a.t.Helper()
	return await(a, &kahuv1.Backup{ObjectMeta: named(name)}, func(backup *kahuv1.Backup) bool {
		row := copyTo(backup, location)
		return row.Token == token && (row.State == kahuv1.StateCompleted || row.State == kahuv1.StateFailed)
	})
}

// copied fails the test unless the copy is made.
func (a *api) copied(name, location, token string) *kahuv1.Backup {
	a.t.Helper()
	backup := a.awaitCopy(name, location, token)
	if row := copyTo(backup, location); row.State != kahuv1.StateCompleted {
		a.t.Fatalf("the copy is %+v", row)
	}
	return backup
}

// wishing asks for copies at locations.
func wishing(namespace string, locations ...string) func(spec *kahuv1.BackupSpec) {
	return func(spec *kahuv1.BackupSpec) {
		only(namespace)(spec)
		for _, location := range locations {
			spec.Copies = append(spec.Copies, kahuv1.BackupCopy{Location: location})
		}
	}
}

// filesOf returns what belongs to backups at a location, by name.
func filesOf(of side) map[string]string {
	found := map[string]string{}
	for _, name := range of.names() {
		if strings.Contains(name, "/backups/") || strings.Contains(name, "/segments/") {
			found[name] = string(of.read(name))
		}
	}
	return found
}

// TestCopies goes through the life of a copy: made after the backup, shown under a name of its own, verified, restored, deleted
// without touching the backup, asked for again, and left when the backup is deleted.
func TestCopies(t *testing.T) {
	stores := newDrivers(newMemory)
	w := newWorldIn(t, testcluster.Config(t), stores)
	w.newLocation("offsite", memoryProvider, nil)
	offsite := driverSide{t: t, files: stores.of("offsite")}
	namespace := testcluster.Namespace(t)
	w.create(&corev1.ConfigMap{ObjectMeta: in(namespace, "settings"), Data: map[string]string{"a": "b"}})

	w.completedBackup("source", wishing(namespace, "offsite"))
	backup := w.copied("source", "offsite", "")
	w.expectCondition(backup.Status.Conditions, kahuv1.ConditionCopied, metav1.ConditionTrue, kahuv1.ReasonCopied)
	if diff := cmp.Diff(filesOf(w.store), filesOf(offsite)); diff != "" {
		t.Errorf("the copy has other files (-backup +copy):\n%s", diff)
	}
	if row := copyTo(backup, "offsite"); row.Bytes != row.BytesTotal || row.Bytes == 0 || row.Files != row.FilesTotal || row.Time == nil {
		t.Errorf("the row is %+v", row)
	}
	view := w.awaitView("source-offsite")
	if view.Status.State != kahuv1.StateCompleted || view.Status.OriginLocationID != backup.Status.LocationID ||
		view.Status.LocationID == backup.Status.LocationID || view.Spec.Origin.UID != string(backup.UID) || view.Spec.MetadataLocation != "offsite" {
		t.Errorf("the view is %+v, %+v", view.Spec, view.Status)
	}
	view = w.verifyNow(view)
	w.expectCondition(view.Status.Conditions, kahuv1.ConditionVerified, metav1.ConditionTrue, kahuv1.ReasonVerified)
	w.remove(&corev1.ConfigMap{ObjectMeta: in(namespace, "settings")})
	w.completedRestore("of-the-copy", "source-offsite", nil)
	if found := (&corev1.ConfigMap{ObjectMeta: in(namespace, "settings")}); !w.get(found) || found.Data["a"] != "b" {
		t.Errorf("the config map is not as it was: %v", found.Data)
	}

	// The view alone comes back, and with Delete the copy goes.
	before := filesOf(w.store)
	uid := view.UID
	w.remove(view)
	if view = w.awaitView("source-offsite"); view.UID == uid {
		t.Error("the view has not gone")
	}
	w.patch(view, `{"spec":{"deletionPolicy":"Delete"}}`)
	view = await(w.api, view, func(view *kahuv1.Backup) bool { return slices.Contains(view.Finalizers, kahuv1.BackupFinalizer) })
	if len(view.OwnerReferences) > 0 {
		t.Error("it would go with its location, and its data with it")
	}
	w.remove(view)
	if left := filesOf(offsite); len(left) > 0 {
		t.Errorf("the copy has left %v", slices.Sorted(maps.Keys(left)))
	}
	if diff := cmp.Diff(before, filesOf(w.store)); diff != "" {
		t.Errorf("the backup is not as it was:\n%s", diff)
	}
	w.patch(backup, `{"spec":{"copies":[{"location":"offsite","token":"again","name":"other-name"}]}}`)
	w.copied("source", "offsite", "again")
	w.awaitView("other-name")

	// The copy outlives the backup.
	w.remove(backup)
	if left := filesOf(w.store); len(left) > 0 {
		t.Errorf("the backup has left %v", slices.Sorted(maps.Keys(left)))
	}
	w.remove(&corev1.ConfigMap{ObjectMeta: in(namespace, "settings")})
	w.completedRestore("of-what-is-left", "other-name", nil)
	if !w.get(&corev1.ConfigMap{ObjectMeta: in(namespace, "settings")}) {
		t.Error("the config map is not back")
	}
}

// verifyNow has a backup read back.
func (w *world) verifyNow(backup *kahuv1.Backup) *kahuv1.Backup {
	w.t.Helper()
	w.patch(backup, `{"metadata":{"annotations":{"kahu.io/verify":"now"}}}`)
	return await(w.api, backup, func(backup *kahuv1.Backup) bool {
		return backup.Status.Verification != nil && backup.Status.Verification.Time != nil
	})
}

// TestCopyThatCannotBeMade: the backup is as it is said to be, the copy says what is missing, and is made once it can be.
func TestCopyThatCannotBeMade(t *testing.T) {
	stores := newDrivers(newMemory)
	w := newWorldIn(t, testcluster.Config(t), stores)
	namespace := testcluster.Namespace(t)
	backup := w.completedBackup("source", wishing(namespace, "later"))
	backup = await(w.api, backup, func(backup *kahuv1.Backup) bool {
		return copyTo(backup, "later").Tries > 0 && copyTo(backup, "later").RetryTime != nil
	})
	w.expectCondition(backup.Status.Conditions, kahuv1.ConditionReady, metav1.ConditionTrue, reason(backup.Status.Conditions, kahuv1.ConditionComplete))
	w.expectCondition(backup.Status.Conditions, kahuv1.ConditionCopied, metav1.ConditionFalse, kahuv1.ReasonLocationNotFound)
	w.newLocation("later", memoryProvider, nil)
	w.copied("source", "later", "")

	t.Run("Damaged", func(t *testing.T) {
		w := w.during(t)
		other := w.completedBackup("damaged", only(namespace))
		segment := oneOf(t, slices.DeleteFunc(w.store.names(), func(name string) bool { return !strings.Contains(name, other.Status.Attempt) }), ".tar.zst")
		content := w.store.read(segment)
		content[len(content)/2] ^= 1
		w.store.write(segment, content)
		w.patch(other, `{"spec":{"copies":[{"location":"later"}]}}`)
		row := copyTo(w.awaitCopy("damaged", "later", ""), "later")
		if row.State != kahuv1.StateFailed || row.Reason != kahuv1.ReasonArchiveCorrupt || !strings.Contains(row.Message, segment) {
			t.Errorf("the row is %+v", row)
		}
		for name := range filesOf(driverSide{t: t, files: stores.of("later")}) {
			if strings.Contains(name, "damaged") && strings.HasSuffix(name, "manifest.json") {
				t.Errorf("there is %s", name)
			}
		}
	})
	t.Run("Plain", func(t *testing.T) {
		w := w.during(t)
		anna := newReader(t)
		w.create(&kahuv1.BackupLocation{ObjectMeta: named("encrypted"), Spec: kahuv1.BackupLocationSpec{
			ProviderName: memoryProvider, Encryption: &kahuv1.LocationEncryption{Recipients: []string{anna.recipient}},
		}})
		t.Cleanup(func() { w.drop(&corev1.Secret{ObjectMeta: in(kahuNamespace, "kahu-signing-key")}) })
		w.awaitLocation("encrypted", metav1.ConditionTrue)
		w.patch(backup, `{"spec":{"copies":[{"location":"encrypted"}]}}`)
		row := copyTo(w.awaitCopy("source", "encrypted", ""), "encrypted")
		if row.State != kahuv1.StateFailed || row.Reason != kahuv1.ReasonSourceNotEncrypted {
			t.Errorf("the row is %+v", row)
		}
		if found := filesOf(driverSide{t: t, files: stores.of("encrypted")}); len(found) > 0 {
			t.Errorf("in plain text there are %v", slices.Sorted(maps.Keys(found)))
		}
	})
	t.Run("TakenBack", func(t *testing.T) {
		w := w.during(t)
		w.patch(backup, `{"spec":{"copies":[{"location":"never"}]}}`)
		await(w.api, backup, func(backup *kahuv1.Backup) bool { return copyTo(backup, "never").Tries > 0 })
		w.patch(backup, `{"spec":{"copies":null}}`)
		await(w.api, backup, func(backup *kahuv1.Backup) bool {
			return len(backup.Status.Copies) == 0 && meta.FindStatusCondition(backup.Status.Conditions, kahuv1.ConditionCopied) == nil
		})
	})
}

// TestCopyToS3 copies an incremental backup from a folder to an S3 server with the real processes, loses the folder and every
// object of the cluster that tells of the backup, and restores from the copy, which has what the base wrote.
func TestCopyToS3(t *testing.T) {
	server := s3server.Start(t, s3server.Options{}, "offsite")
	w, running := newFileWorld(t)
	driver := "unix://" + filepath.Join(running.state, "s3.sock")
	startBeside(t, "kahu-provider-s3", "--endpoint", driver)
	startBeside(t, "kahu", "meta-service", "--kubeconfig", testcluster.Kubeconfig(t), "--driver", driver,
		"--listen", "127.0.0.1:0", "--pki", filepath.Join(running.state, "meta-service"),
		"--server-name", "filesystem.kahu.local", "--client-name", "kahu-manager", "--lease-duration", leaseTime.String())
	w.create(&corev1.Secret{ObjectMeta: in(kahuNamespace, "s3-credentials"), StringData: map[string]string{
		"accessKeyID": s3server.AccessKey, "secretAccessKey": s3server.SecretKey,
	}})
	t.Cleanup(func() { w.drop(&corev1.Secret{ObjectMeta: in(kahuNamespace, "s3-credentials")}) })
	w.create(&kahuv1.BackupLocation{ObjectMeta: named("offsite"), Spec: kahuv1.BackupLocationSpec{
		ProviderName: "s3", CredentialsSecretRef: kahuv1.SecretReference{Name: "s3-credentials"},
		Config: map[string]string{"bucket": "offsite", "endpoint": server.URL, "region": "us-east-1", "pathStyle": "true"},
	}})
	w.awaitLocation("offsite", metav1.ConditionTrue)
	namespace := testcluster.Namespace(t)
	want := map[string]string{}
	for _, name := range []string{"one", "two", "three"} {
		want[name] = strings.Repeat(name, 1000)
		w.create(&corev1.ConfigMap{ObjectMeta: in(namespace, name), Data: map[string]string{"key": want[name]}})
	}
	w.completedBackup("base", only(namespace))
	want["two"] = "changed"
	w.patch(&corev1.ConfigMap{ObjectMeta: in(namespace, "two")}, `{"data":{"key":"changed"}}`)
	made := w.completedBackup("precious", func(spec *kahuv1.BackupSpec) {
		wishing(namespace, "offsite")(spec)
		spec.Mode = kahuv1.BackupModeIncremental
	})
	if made.Status.Mode != kahuv1.BackupModeIncremental || made.Status.Incremental.UnchangedObjects < 2 {
		t.Errorf("it is %s, %+v", made.Status.Mode, made.Status.Incremental)
	}
	w.copied("precious", "offsite", "")
	w.awaitView("precious-offsite")

	// The first place burns down, with all that the cluster knows of it.
	backup := &kahuv1.Backup{ObjectMeta: named("precious")}
	base := &kahuv1.Backup{ObjectMeta: named("base")}
	w.patch(backup, `{"spec":{"deletionPolicy":"Retain"}}`)
	w.patch(base, `{"spec":{"deletionPolicy":"Retain"}}`)
	w.remove(backup, base, &kahuv1.BackupLocation{ObjectMeta: named("main")})
	if err := os.RemoveAll(w.store.(folderSide).folder); err != nil {
		t.Fatal(err)
	}
	w.remove(&corev1.Namespace{ObjectMeta: named(namespace)})
	w.completedRestore("afterwards", "precious-offsite", nil)
	for name, value := range want {
		if found := (&corev1.ConfigMap{ObjectMeta: in(namespace, name)}); !w.get(found) || found.Data["key"] != value {
			t.Errorf("%s is not as it was", name)
		}
	}
	w.remove(&corev1.Namespace{ObjectMeta: named(namespace)})
	found := w.restoreFrom("by-name", kahuv1.RestoreSpec{BackupName: "precious", MetadataLocation: "offsite"})
	if found.Status.State != kahuv1.StateCompleted {
		t.Errorf("by the name of the backup it is %s: %s", found.Status.State, found.Status.FailureReason)
	}
}
