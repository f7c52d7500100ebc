package leaks_test

import (
	"context"
	"fmt"
	"path/filepath"
	"testing"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
)

// TestDeletedBackupKeepsWhatRestoresNeed: a Backup is deleted while the claim of a Restore waits for its first pod. Its snapshot stays until
// the claim is gone, and then goes with the Backup.
func TestDeletedBackupKeepsWhatRestoresNeed(t *testing.T) {
	w := newWorld(t)
	w.make(w.kahu("backuplocations"), `{"apiVersion":"kahu.io/v1beta1","kind":"BackupLocation","metadata":{"name":"needed"},
		"spec":{"providerName":"filesystem"}}`)
	w.field(w.kahu("providers"), "csi", "Available", "status", "state")
	w.claims("owner", "cash")
	before, err := w.count(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	w.make(w.kahu("backups"), `{"apiVersion":"kahu.io/v1beta1","kind":"Backup","metadata":{"name":"needed"},
		"spec":{"metadataLocation":"needed","deletionPolicy":"Delete","includeNamespaces":["owner"]}}`)
	w.field(w.kahu("backups"), "needed", "Completed", "status", "state")
	w.make(w.kahu("restores"), `{"apiVersion":"kahu.io/v1beta1","kind":"Restore","metadata":{"name":"needing"},
		"spec":{"backupName":"needed","metadataLocation":"needed","namespaceMapping":{"owner":"heir"},"storageClassMapping":{"shared":"shared-wait"}}}`)
	w.until("the claim waits for a pod", func(ctx context.Context) error {
		_, err := w.of("", "v1", "persistentvolumeclaims", "heir").Get(ctx, "cash", metav1.GetOptions{})
		return err
	})
	if err := w.kahu("backups").Delete(t.Context(), "needed", metav1.DeleteOptions{}); err != nil {
		t.Fatal(err)
	}
	w.until("the deletion waits", func(ctx context.Context) error {
		found, err := w.kahu("backups").Get(ctx, "needed", metav1.GetOptions{})
		if err == nil && !w.says(found, "BackupNeeded") {
			err = fmt.Errorf("it says %v", found.Object["status"])
		}
		return err
	})
	if stored, _ := filepath.Glob(filepath.Join(w.storage, "*", "snapshots", "*")); len(stored) == 0 {
		t.Error("the snapshot is gone from which the volume is to be made")
	}
	w.remove(w.of("", "v1", "persistentvolumeclaims", "heir"), "cash")
	w.until("the Backup is gone", func(ctx context.Context) error {
		if _, err := w.kahu("backups").Get(ctx, "needed", metav1.GetOptions{}); err == nil {
			return fmt.Errorf("it is there")
		}
		return nil
	})
	w.until("what was kept ready is gone", func(ctx context.Context) error {
		list, err := w.of("snapshot.storage.k8s.io", "v1", "volumesnapshots", "heir").List(ctx, metav1.ListOptions{})
		if err == nil && len(list.Items) > 0 {
			err = fmt.Errorf("there are %d VolumeSnapshots", len(list.Items))
		}
		return err
	})
	w.remove(w.kahu("restores"), "needing")
	w.remove(w.of("", "v1", "namespaces", ""), "heir")
	w.as(before)
}
