package e2e_test

import (
	"strings"
	"testing"

	corev1 "k8s.io/api/core/v1"

	kahuv1 "github.com/soda-cdm/kahu/api/v1beta1"
	"github.com/soda-cdm/kahu/internal/store"
	testcluster "github.com/soda-cdm/kahu/internal/testkit/cluster"
	"github.com/soda-cdm/kahu/provider"
	"github.com/soda-cdm/kahu/provider/memory"
)

// restoreFrom restores what a spec names, and returns how that ended.
func (w *world) restoreFrom(name string, spec kahuv1.RestoreSpec) *kahuv1.Restore {
	w.t.Helper()
	w.create(&kahuv1.Restore{ObjectMeta: named(name), Spec: spec})
	return w.awaitRestore(name)
}

// TestRestoreAtLocation: a restore that names a location finds the backup in it by name, and says what else to say where that
// is not enough.
func TestRestoreAtLocation(t *testing.T) {
	w := newWorld(t)
	namespace := testcluster.Namespace(t)
	w.create(&corev1.ConfigMap{ObjectMeta: in(namespace, "settings")})
	backup := w.completedBackup("source", only(namespace))
	w.remove(&corev1.ConfigMap{ObjectMeta: in(namespace, "settings")})

	w.expectRefused(w.restoreFrom("nowhere", kahuv1.RestoreSpec{BackupName: "source", MetadataLocation: "nowhere"}),
		kahuv1.ReasonLocationNotFound, "spec.metadataLocation", "nowhere")
	w.expectRefused(w.restoreFrom("nothing", kahuv1.RestoreSpec{BackupName: "other", MetadataLocation: w.location}),
		kahuv1.ReasonBackupNotFound, "spec.backupName", "other", "kubectl kahu backup get")
	found := w.restoreFrom("found", kahuv1.RestoreSpec{BackupName: "source", MetadataLocation: w.location})
	if found.Status.State != kahuv1.StateCompleted || found.Status.ArchivePath != backup.Status.ArchivePath {
		t.Errorf("it is %s, of %s: %s", found.Status.State, found.Status.ArchivePath, found.Status.FailureReason)
	}
	if !w.get(&corev1.ConfigMap{ObjectMeta: in(namespace, "settings")}) {
		t.Error("the config map is not back")
	}

	manifest := backup.Status.ArchivePath + "manifest.json"
	twin := strings.Replace(manifest, backup.Status.ClusterID, "another-cluster", 1)
	w.store.write(twin, w.store.read(manifest))
	w.expectRefused(w.restoreFrom("ambiguous", kahuv1.RestoreSpec{BackupName: "source", MetadataLocation: w.location}),
		kahuv1.ReasonBackupAmbiguous, "another-cluster", backup.Status.ClusterID, string(backup.UID))
	chosen := w.restoreFrom("chosen", kahuv1.RestoreSpec{
		BackupName: "source", MetadataLocation: w.location, ClusterID: backup.Status.ClusterID,
	})
	if chosen.Status.State != kahuv1.StateCompleted || chosen.Status.ArchivePath != backup.Status.ArchivePath {
		t.Errorf("it is %s, of %s: %s", chosen.Status.State, chosen.Status.ArchivePath, chosen.Status.FailureReason)
	}
}

// TestRestoreAtUnlistedLocation: the whole name of a backup is enough where nothing can be listed and no object shows it.
func TestRestoreAtUnlistedLocation(t *testing.T) {
	objects := memory.New(memory.Options{})
	w := newWorldIn(t, testcluster.Config(t), newDrivers(func(string) provider.Driver { return listless{objects} }))
	w.store = driverSide{t: t, files: store.New(objects, store.Options{})}
	namespace := testcluster.Namespace(t)
	w.create(&corev1.ConfigMap{ObjectMeta: in(namespace, "settings")})
	backup := w.completedBackup("source", func(spec *kahuv1.BackupSpec) {
		only(namespace)(spec)
		spec.DeletionPolicy = kahuv1.DeletionPolicyRetain
	})
	w.remove(backup, &corev1.ConfigMap{ObjectMeta: in(namespace, "settings")})

	wish := kahuv1.RestoreSpec{BackupName: "source", MetadataLocation: w.location}
	w.expectRefused(w.restoreFrom("unlisted", wish), kahuv1.ReasonListingUnsupported, "clusterID", "backupUID")
	wish.ClusterID, wish.BackupUID = backup.Status.ClusterID, "of-another"
	w.expectRefused(w.restoreFrom("another", wish), kahuv1.ReasonManifestNotFound)
	wish.BackupUID = string(backup.UID)
	if found := w.restoreFrom("found", wish); found.Status.State != kahuv1.StateCompleted {
		t.Errorf("it is %s: %s", found.Status.State, found.Status.FailureReason)
	}
	if !w.get(&corev1.ConfigMap{ObjectMeta: in(namespace, "settings")}) {
		t.Error("the config map is not back")
	}
}
