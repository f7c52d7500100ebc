package csi_test

import (
	"encoding/json"
	"os"
	"path/filepath"
	"sync"
	"testing"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"

	"github.com/soda-cdm/kahu/provider"
)

// cutTogether makes a group of snapshots of claims as Kahu does, and gives a backup of each.
func (w *world) cutTogether(claims ...string) []provider.BackupIdentity {
	w.Helper()
	var handles []any
	for _, claim := range claims {
		folder := w.claim(claim, "")
		handles = append(handles, filepath.Base(filepath.Dir(folder)))
		if err := os.WriteFile(filepath.Join(folder, "record"), []byte("of "+claim), 0o600); err != nil {
			w.Fatal(err)
		}
	}
	name := w.namespace
	w.create("volumegroupsnapshotcontents", object{
		"apiVersion": "groupsnapshot.storage.k8s.io/v1", "kind": "VolumeGroupSnapshotContent", "metadata": object{"name": name},
		"spec": object{
			"deletionPolicy": "Retain", "driver": csiDriver, "volumeGroupSnapshotClassName": class, "source": object{"volumeHandles": handles},
			"volumeGroupSnapshotRef": object{"namespace": w.namespace, "name": name, "uid": "6f1f1f3e-0000-4000-8000-000000000000"},
		},
	})
	made := w.until("volumegroupsnapshotcontents", name, func(c object) bool {
		is, _, _ := unstructured.NestedBool(c, "status", "readyToUse") // one of another type is not
		return is
	})
	patch := []byte(`{"metadata":{"annotations":{"groupsnapshot.storage.kubernetes.io/volumegroupsnapshot-being-deleted":"yes"}}}`)
	if _, err := w.of("volumegroupsnapshotcontents").Patch(w.Context(), name, "application/merge-patch+json", patch, metav1.PatchOptions{}); err != nil {
		w.Fatal(err)
	}
	if err := w.of("volumegroupsnapshotcontents").Delete(w.Context(), name, metav1.DeleteOptions{}); err != nil {
		w.Fatal(err)
	}
	w.untilNone("volumegroupsnapshotcontents")
	return w.startAll(made, handles)
}

// startAll gives a backup of each volume of a group, in their order.
func (w *world) startAll(made object, handles []any) []provider.BackupIdentity {
	w.Helper()
	list, _, err := unstructured.NestedSlice(made, "status", "volumeSnapshotInfoList")
	if err != nil || len(list) != len(handles) {
		w.Fatalf("the snapshots of the group are %v: %v", list, err)
	}
	of, all := map[any]string{}, []string{}
	for _, each := range list {
		member := each.(object)
		of[member["volumeHandle"]] = text(member, "snapshotHandle")
		all = append(all, text(member, "snapshotHandle"))
	}
	members, err := json.Marshal(all)
	if err != nil {
		w.Fatal(err)
	}
	var backups []provider.BackupIdentity
	for _, handle := range handles {
		backups = append(backups, w.start(provider.Snapshot{Handle: of[handle], Attributes: map[string]string{
			provider.SnapshotDriver: csiDriver, provider.SnapshotGroup: text(made, "status", "volumeGroupSnapshotHandle"),
			provider.SnapshotGroupMembers: string(members),
		}}, nil))
	}
	return backups
}

// TestSnapshotOfAGroup is restored like any other, and deleted with the group, of which nothing is left.
func TestSnapshotOfAGroup(t *testing.T) {
	w := newWorld(t)
	before := w.stored()
	backups := w.cutTogether("one", "two")
	if now := w.stored(); now != before+2 {
		t.Fatalf("the storage holds %d snapshots, want %d", now, before+2)
	}
	made := w.begin(backups[1])
	folder := w.claim("back", made.DataSource.Name)
	if content, err := os.ReadFile(filepath.Join(folder, "record")); string(content) != "of two" {
		t.Errorf("restored is %q: %v", content, err)
	}
	for range 2 {
		w.wantState(made.Volume, provider.VolumeSucceeded)
		w.begin(backups[1]) // must make nothing that nobody would take away
	}
	w.wantNothingLeft()
	if now := w.stored(); now != before+2 {
		t.Errorf("after the restore the storage holds %d snapshots, want %d", now, before+2)
	}
	var deleting sync.WaitGroup
	for _, backup := range append(backups, backups...) {
		deleting.Go(func() {
			if err := w.driver.DeleteBackup(t.Context(), "order", backup, nil); err != nil {
				t.Error(err)
			}
		})
	}
	deleting.Wait()
	w.wantNothingLeft()
	if now := w.stored(); now != before {
		t.Errorf("the storage holds %d snapshots, want %d", now, before)
	}
}

func TestCancelledRestoreOfAGroupLeavesNothing(t *testing.T) {
	w := newWorld(t)
	backups := w.cutTogether("one", "two")
	made := w.begin(backups[0])
	for range 2 {
		if err := w.driver.CancelRestore(t.Context(), made.Volume, nil); err != nil {
			t.Error(err)
		}
	}
	w.wantNothingLeft()
	if err := w.driver.DeleteBackup(t.Context(), "order", backups[0], nil); err != nil {
		t.Error(err)
	}
}

// wantNothingLeft waits until no object stands for a snapshot.
func (w *world) wantNothingLeft() {
	w.Helper()
	for _, resource := range []string{"volumesnapshots", "volumesnapshotcontents", "volumegroupsnapshotcontents"} {
		w.untilNone(resource)
	}
}
