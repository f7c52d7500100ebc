package csi_test

import (
	"errors"
	"strings"
	"testing"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/soda-cdm/kahu/provider"
)

// TestSecretOfASnapshot has a snapshot deleted whose class has a Secret: the csi-snapshotter asks for it by the annotations of the
// content, and deletes nothing before it is there.
func TestSecretOfASnapshot(t *testing.T) {
	w := newWorld(t)
	before := w.stored()
	backup := w.backup("data")
	backup.Attributes[provider.SnapshotSecretNamespace], backup.Attributes[provider.SnapshotSecretName] = w.namespace, "array"
	err := w.driver.DeleteBackup(t.Context(), "order", backup, nil)
	if !errors.Is(err, provider.ErrUnavailable) || !strings.Contains(err.Error(), w.namespace+"/array") {
		t.Errorf("without the Secret: %v, want one that names it", err)
	}
	if now := w.stored(); now != before+1 {
		t.Errorf("without the Secret, the storage holds %d snapshots, want %d", now, before+1)
	}
	w.create("secrets", object{
		"apiVersion": "v1", "kind": "Secret", "metadata": object{"name": "array"}, "stringData": object{"user": "kahu"},
	})
	made := w.begin(backup)
	content := w.until("volumesnapshotcontents", made.DataSource.Name, func(object) bool { return true })
	if named := text(content, "metadata", "annotations", "snapshot.storage.kubernetes.io/deletion-secret-name"); named != "array" {
		t.Errorf("the content of a restore names the Secret %q", named)
	}
	if err := w.driver.CancelRestore(t.Context(), made.Volume, nil); err != nil {
		t.Error(err)
	}
	for range 60 { // The csi-snapshotter tries again after longer and longer times.
		if err = w.driver.DeleteBackup(t.Context(), "order", backup, nil); !errors.Is(err, provider.ErrUnavailable) {
			break
		}
	}
	if now := w.stored(); err != nil || now != before {
		t.Errorf("with the Secret, the storage holds %d snapshots, want %d: %v", now, before, err)
	}
	w.untilNone("volumesnapshotcontents")
	list, err := w.of("volumesnapshots").List(t.Context(), metav1.ListOptions{})
	if err != nil || len(list.Items) != 0 {
		t.Errorf("left are %v: %v", list, err)
	}
}
