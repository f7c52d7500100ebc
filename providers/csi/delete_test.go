package csi_test

import (
	"testing"

	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/client-go/dynamic/fake"
	clienttesting "k8s.io/client-go/testing"

	"github.com/soda-cdm/kahu/provider"
	"github.com/soda-cdm/kahu/providers/csi"
)

// TestContentNamesTheSnapshotWhenItIsDeleted looks at the moment of the deletion: of a content whose status does not name
// the snapshot, csi-snapshotter removes the finalizer and leaves the snapshot where it is. Against a real one that is seen
// only when it is slow.
func TestContentNamesTheSnapshotWhenItIsDeleted(t *testing.T) {
	contents := schema.GroupVersionResource{Group: "snapshot.storage.k8s.io", Version: "v1", Resource: "volumesnapshotcontents"}
	client := fake.NewSimpleDynamicClientWithCustomListKinds(runtime.NewScheme(),
		map[schema.GroupVersionResource]string{contents: "VolumeSnapshotContentList"})
	deleted := 0
	client.PrependReactor("delete", contents.Resource, func(action clienttesting.Action) (bool, runtime.Object, error) {
		deleted++
		name := action.(clienttesting.DeleteAction).GetName()
		found, err := client.Tracker().Get(contents, "", name)
		if err != nil {
			t.Fatal(err)
		}
		content := found.(*unstructured.Unstructured)
		if handle := text(content.Object, "status", "snapshotHandle"); handle != "handle" || len(content.GetFinalizers()) != 1 {
			t.Errorf("deleted is a content of snapshot %q with the finalizers %v", handle, content.GetFinalizers())
		}
		return false, nil, nil
	})
	backup := provider.BackupIdentity{Handle: "handle", Attributes: map[string]string{provider.SnapshotDriver: csiDriver}}
	if err := csi.New(csi.Options{Client: client}).DeleteBackup(t.Context(), "order", backup, nil); err != nil || deleted != 1 {
		t.Errorf("after %d deletions: %v", deleted, err)
	}
}
