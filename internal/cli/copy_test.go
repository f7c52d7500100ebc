package cli_test

import (
	"testing"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	kahuv1 "github.com/soda-cdm/kahu/api/v1beta1"
)

// TestBackupCopy asks for copies, answers as the manager would, and shows what is said of them.
func TestBackupCopy(t *testing.T) {
	to := newClient(t)
	putLocation(t, "offsite")
	putLocation(t, "main")
	backup := &kahuv1.Backup{ObjectMeta: metav1.ObjectMeta{Name: "copied"}, Spec: kahuv1.BackupSpec{MetadataLocation: "main"}}
	remove(t, &kahuv1.Backup{}, "copied")
	if err := to.Create(t.Context(), backup); err != nil {
		t.Fatal(err)
	}
	read := func() *kahuv1.Backup {
		t.Helper()
		if err := to.Get(t.Context(), client.ObjectKeyFromObject(backup), backup); err != nil {
			t.Fatal(err)
		}
		return backup
	}
	answer := func(state kahuv1.State, reason, message string) {
		t.Helper()
		row := kahuv1.BackupCopyStatus{
			Location: "offsite", Token: read().Spec.Copies[0].Token, State: state, Reason: reason, Message: message,
			FilesTotal: 4, Bytes: 2048, BytesTotal: 2048,
		}
		backup.Status.Copies = []kahuv1.BackupCopyStatus{row}
		if err := to.Status().Update(t.Context(), backup); err != nil {
			t.Fatal(err)
		}
	}
	check(t, run(t, "backup", "copy", "copied", "--to", "offsite", "--name", "far-away"), 0, "is being copied to offsite", "", "")
	first := read().Spec.Copies[0]
	if first.Location != "offsite" || first.Name != "far-away" || first.Token == "" {
		t.Errorf("the wish is %+v", first)
	}
	check(t, run(t, "backup", "copy", "copied", "--to", "offsite", "--wait", "--timeout", "1s"), 4, "", "", "the copying goes on")
	if again := read().Spec.Copies; len(again) != 1 || again[0].Token == first.Token || again[0].Name != "far-away" {
		t.Errorf("asked once more it is %+v after %+v", again, first)
	}
	answer(kahuv1.StateCompleted, kahuv1.ReasonCopied, "It stays encrypted.")
	check(t, run(t, "backup", "describe", "copied"), 0, "5 files: 2.0 KiB sent, 0 B there before. It stays encrypted.", "", "")
	answer(kahuv1.StateFailed, kahuv1.ReasonArchiveCorrupt, "a file is damaged")
	check(t, run(t, "backup", "describe", "copied"), 0, "given up: ArchiveCorrupt: a file is damaged", "", "")

	check(t, run(t, "backup", "copy", "copied", "--to", "offsite", "--cancel"), 0, "a copy that was made stays", "", "")
	if left := read().Spec.Copies; len(left) > 0 {
		t.Errorf("left is %+v", left)
	}
	check(t, run(t, "backup", "copy", "copied", "--to", "offsite", "--cancel"), 2, "", "", "no copy at offsite")
	check(t, run(t, "backup", "copy", "copied", "--to", "main"), 1, "", "", "names the location of the backup itself")
	check(t, run(t, "backup", "copy", "copied"), 2, "", "", "--to is missing")
	check(t, run(t, "backup", "copy", "nobody", "--to", "offsite"), 1, "", "", "not found")
}

// TestDeleteData: with --data an object that only shows a backup is made one whose deletion deletes the data.
func TestDeleteData(t *testing.T) {
	to := newClient(t)
	view := &kahuv1.Backup{
		ObjectMeta: metav1.ObjectMeta{Name: "view-of-data", OwnerReferences: []metav1.OwnerReference{{
			APIVersion: kahuv1.GroupVersion.String(), Kind: "BackupLocation", Name: "offsite", UID: "1",
		}}},
		Spec: kahuv1.BackupSpec{
			MetadataLocation: "offsite", DeletionPolicy: kahuv1.DeletionPolicyRetain,
			Origin: &kahuv1.BackupOrigin{ClusterID: "c", UID: "u", Name: "n"},
		},
	}
	remove(t, &kahuv1.Backup{}, view.Name)
	if err := to.Create(t.Context(), view); err != nil {
		t.Fatal(err)
	}
	check(t, run(t, "backup", "delete", view.Name, "--data"), 0, "is being deleted", "", "")
	if err := to.Get(t.Context(), client.ObjectKeyFromObject(view), view); err != nil {
		t.Fatal(err)
	}
	if view.DeletionTimestamp.IsZero() || view.Spec.DeletionPolicy != kahuv1.DeletionPolicyDelete || len(view.OwnerReferences) > 0 {
		t.Errorf("it is %+v, %+v", view.ObjectMeta, view.Spec)
	}
	view.Finalizers = nil
	if err := to.Update(t.Context(), view); err != nil {
		t.Fatal(err)
	}
}
