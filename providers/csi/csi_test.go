package csi_test

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"strconv"
	"testing"
	"time"

	corev1 "k8s.io/api/core/v1"
	quantity "k8s.io/apimachinery/pkg/api/resource"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/client-go/dynamic"
	"k8s.io/client-go/rest"

	"github.com/soda-cdm/kahu/internal/testkit/cluster"
	"github.com/soda-cdm/kahu/provider"
	"github.com/soda-cdm/kahu/providers/csi"
)

func TestMain(m *testing.M) {
	os.Exit(cluster.Main(m, cluster.Volumes(), cluster.Setup(func(tb testing.TB, config *rest.Config) { //nolint:forbidigo // the exit code is Main's
		tb.Helper()
		cluster.Apply(tb, config, "../../config/rbac/provider.yaml")
		cluster.Apply(tb, config, "../../config/rbac/provider-csi.yaml")
	})))
}

// csiDriver is one of those of devcluster, and the name of its classes.
const (
	csiDriver = "shared.csi.devcluster"
	class     = "shared"
)

// limit is what only a broken cluster meets.
const limit = time.Minute

type object = map[string]any

// world is a real cluster with real sidecars of CSI, and a driver with its storage in it.
type world struct {
	*testing.T

	client dynamic.Interface
	// driver has the rights of config/rbac and no others.
	driver    *csi.Driver
	limited   dynamic.Interface
	namespace string
	storage   string
}

func newWorld(t *testing.T) *world {
	t.Helper()
	client, err := dynamic.NewForConfig(cluster.Config(t))
	if err != nil {
		t.Fatal(err)
	}
	limited, err := dynamic.NewForConfig(cluster.ImpersonatingAccount(cluster.Config(t), "kahu-system", "kahu-provider-csi"))
	if err != nil {
		t.Fatal(err)
	}
	return &world{
		T: t, client: client, limited: limited, namespace: cluster.Namespace(t),
		driver:  csi.New(csi.Options{Version: "test", Client: limited, Patience: 5 * time.Second}),
		storage: filepath.Join(filepath.Dir(cluster.Kubeconfig(t)), "csi", class),
	}
}

func (w *world) of(resource string) dynamic.ResourceInterface {
	switch resource {
	case "volumesnapshotcontents":
		return w.client.Resource(schema.GroupVersionResource{Group: "snapshot.storage.k8s.io", Version: "v1", Resource: resource})
	case "volumesnapshots":
		return w.client.Resource(schema.GroupVersionResource{Group: "snapshot.storage.k8s.io", Version: "v1", Resource: resource}).Namespace(w.namespace)
	case "volumegroupsnapshotcontents":
		return w.client.Resource(schema.GroupVersionResource{Group: "groupsnapshot.storage.k8s.io", Version: "v1", Resource: resource})
	case "persistentvolumes":
		return w.client.Resource(schema.GroupVersionResource{Version: "v1", Resource: resource})
	}
	return w.client.Resource(schema.GroupVersionResource{Version: "v1", Resource: resource}).Namespace(w.namespace)
}

func (w *world) create(resource string, content object) {
	w.Helper()
	if _, err := w.of(resource).Create(w.Context(), &unstructured.Unstructured{Object: content}, metav1.CreateOptions{}); err != nil {
		w.Fatal(err)
	}
}

// until waits until an object is as it should be, and gives it.
func (w *world) until(resource, name string, is func(content object) bool) object {
	w.Helper()
	ctx, cancel := context.WithTimeout(w.Context(), limit)
	defer cancel()
	watching, err := w.of(resource).Watch(ctx, metav1.ListOptions{FieldSelector: "metadata.name=" + name})
	if err != nil {
		w.Fatal(err)
	}
	defer watching.Stop()
	for event := range watching.ResultChan() {
		if seen, typed := event.Object.(*unstructured.Unstructured); typed && is(seen.Object) {
			return seen.Object
		}
	}
	w.Fatalf("%s %s does not become what it should be", resource, name)
	return nil
}

func text(content object, path ...string) string {
	found, _, _ := unstructured.NestedString(content, path...) // one of another type is none
	return found
}

// claim makes a claim, from a VolumeSnapshot unless its name is empty, and gives the folder of its volume.
func (w *world) claim(name, source string) string {
	w.Helper()
	return w.claimOf(name, source, "1Mi")
}

// claimOf makes a claim of that size.
func (w *world) claimOf(name, source, size string) string {
	w.Helper()
	spec := object{
		"accessModes": []any{"ReadWriteOnce"}, "storageClassName": class, "resources": object{"requests": object{"storage": size}},
	}
	if source != "" {
		spec["dataSourceRef"] = object{"apiGroup": "snapshot.storage.k8s.io", "kind": "VolumeSnapshot", "name": source}
	}
	w.create("persistentvolumeclaims", object{"apiVersion": "v1", "kind": "PersistentVolumeClaim", "metadata": object{"name": name}, "spec": spec})
	bound := w.until("persistentvolumeclaims", name, func(c object) bool { return text(c, "status", "phase") == "Bound" })
	volume, err := w.of("persistentvolumes").Get(w.Context(), text(bound, "spec", "volumeName"), metav1.GetOptions{})
	if err != nil {
		w.Fatal(err)
	}
	return filepath.Join(w.storage, "volumes", text(volume.Object, "spec", "csi", "volumeHandle"), "data")
}

// cut makes a snapshot of a claim as Kahu does: its content stays when the VolumeSnapshot goes, and then goes itself.
func (w *world) cut(claim string) provider.Snapshot {
	w.Helper()
	w.create("volumesnapshots", object{
		"apiVersion": "snapshot.storage.k8s.io/v1", "kind": "VolumeSnapshot", "metadata": object{"name": claim},
		"spec": object{"source": object{"persistentVolumeClaimName": claim}},
	})
	ready := func(c object) bool {
		is, _, _ := unstructured.NestedBool(c, "status", "readyToUse") // one of another type is not
		return is
	}
	made := w.until("volumesnapshots", claim, ready)
	name := text(made, "status", "boundVolumeSnapshotContentName")
	content := w.until("volumesnapshotcontents", name, ready)
	patch := []byte(`{"spec":{"deletionPolicy":"Retain"}}`)
	if _, err := w.of("volumesnapshotcontents").Patch(w.Context(), name, "application/merge-patch+json", patch, metav1.PatchOptions{}); err != nil {
		w.Fatal(err)
	}
	for _, each := range []struct{ resource, name string }{{"volumesnapshots", claim}, {"volumesnapshotcontents", name}} {
		if err := w.of(each.resource).Delete(w.Context(), each.name, metav1.DeleteOptions{}); err != nil {
			w.Fatal(err)
		}
	}
	w.untilNone("volumesnapshotcontents")
	size, _, _ := unstructured.NestedInt64(content, "status", "restoreSize") // one of another type is 0
	return provider.Snapshot{Handle: text(content, "status", "snapshotHandle"), Attributes: map[string]string{
		provider.SnapshotDriver: csiDriver, provider.SnapshotRestoreSize: strconv.FormatInt(size, 10),
	}}
}

// untilNone waits until no object of a kind is left.
func (w *world) untilNone(resource string) {
	w.Helper()
	ctx, cancel := context.WithTimeout(w.Context(), limit)
	defer cancel()
	for {
		list, err := w.of(resource).List(ctx, metav1.ListOptions{})
		if err != nil {
			w.Fatalf("%s are left: %v", resource, err)
		}
		if len(list.Items) == 0 {
			return
		}
		watching, err := w.of(resource).Watch(ctx, metav1.ListOptions{ResourceVersion: list.GetResourceVersion()})
		if err != nil {
			w.Fatal(err)
		}
		<-watching.ResultChan()
		watching.Stop()
	}
}

// stored counts the snapshots that the storage system holds, whoever knows of them.
func (w *world) stored() int {
	w.Helper()
	found, err := filepath.Glob(filepath.Join(w.storage, "snapshots", "*"))
	if err != nil {
		w.Fatal(err)
	}
	return len(found)
}

// backup backs up a claim's volume with a file in it.
func (w *world) backup(claim string) provider.BackupIdentity {
	w.Helper()
	folder := w.claim(claim, "")
	if err := os.WriteFile(filepath.Join(folder, "record"), []byte("of "+claim), 0o600); err != nil {
		w.Fatal(err)
	}
	mode := corev1.PersistentVolumeFilesystem
	encoded, err := (&corev1.PersistentVolume{Spec: corev1.PersistentVolumeSpec{VolumeMode: &mode}}).Marshal()
	if err != nil {
		w.Fatal(err)
	}
	return w.start(w.cut(claim), encoded)
}

// start backs a snapshot up.
func (w *world) start(snapshot provider.Snapshot, encoded []byte) provider.BackupIdentity {
	w.Helper()
	backup, err := w.driver.StartBackup(w.Context(), provider.StartBackupRequest{
		Order: "order", Volume: provider.Volume{Name: "volume", Encoded: encoded}, Snapshot: &snapshot,
	})
	if err != nil {
		w.Fatal(err)
	}
	stat, err := w.driver.BackupStat(w.Context(), backup, nil)
	if err != nil || stat.State != provider.VolumeSucceeded {
		w.Errorf("the backup is %+v: %v", stat, err)
	}
	return backup
}

// wanted is the claim named back, of a class and a size.
func (w *world) wanted(class, size string) provider.Claim {
	w.Helper()
	encoded, err := (&corev1.PersistentVolumeClaim{Spec: corev1.PersistentVolumeClaimSpec{
		StorageClassName: &class, Resources: corev1.VolumeResourceRequirements{Requests: corev1.ResourceList{corev1.ResourceStorage: quantity.MustParse(size)}},
	}}).Marshal()
	if err != nil {
		w.Fatal(err)
	}
	return provider.Claim{Namespace: w.namespace, Name: "back", Encoded: encoded}
}

// begin begins to restore a backup into the claim named back.
func (w *world) begin(backup provider.BackupIdentity) provider.RestoredVolume {
	w.Helper()
	made, err := w.driver.CreateVolumeFromBackup(w.Context(), provider.CreateVolumeRequest{
		Order: "order", Claim: w.wanted(class, "1Mi"), Backup: backup,
	})
	if err != nil {
		w.Fatal(err)
	}
	return made
}

func (w *world) wantState(volume provider.VolumeIdentity, want provider.VolumeState) {
	w.Helper()
	stat, err := w.driver.RestoreStat(w.Context(), volume, nil)
	if err != nil || stat.State != want {
		w.Errorf("the restore is %+v, want %s: %v", stat, want, err)
	}
}

// TestBackupAndRestore goes all the way, asks everything twice, and counts what is left.
func TestBackupAndRestore(t *testing.T) {
	w := newWorld(t)
	if ready, err := w.driver.Probe(t.Context()); !ready || err != nil {
		t.Errorf("it can serve: %v: %v", ready, err)
	}
	before := w.stored()
	backup := w.backup("data")
	made := w.begin(backup)
	if again := w.begin(backup); again.Volume.Handle != made.Volume.Handle || *again.DataSource != *made.DataSource {
		t.Errorf("asked again, it is %+v, and was %+v", again, made)
	}
	w.wantState(made.Volume, provider.VolumeRunning)
	folder := w.claim("back", made.DataSource.Name)
	if content, err := os.ReadFile(filepath.Join(folder, "record")); string(content) != "of data" {
		t.Errorf("restored is %q: %v", content, err)
	}
	for range 2 {
		w.wantState(made.Volume, provider.VolumeSucceeded)
		w.begin(backup) // must make nothing that nobody would take away
	}
	w.untilNone("volumesnapshots")
	w.untilNone("volumesnapshotcontents")
	w.wantState(made.Volume, provider.VolumeSucceeded)
	if now := w.stored(); now != before+1 {
		t.Errorf("the storage holds %d snapshots, want %d", now, before+1)
	}
	for range 2 {
		if err := w.driver.DeleteBackup(t.Context(), "order", backup, nil); err != nil {
			t.Error(err)
		}
	}
	w.untilNone("volumesnapshotcontents")
	if now := w.stored(); now != before {
		t.Errorf("the storage holds %d snapshots, want %d", now, before)
	}
}

func TestCancelledRestoreLeavesNothing(t *testing.T) {
	w := newWorld(t)
	backup := w.backup("data")
	made := w.begin(backup)
	for range 2 {
		if err := w.driver.CancelRestore(t.Context(), made.Volume, nil); err != nil {
			t.Error(err)
		}
	}
	w.untilNone("volumesnapshots")
	w.untilNone("volumesnapshotcontents")
	if stat, err := w.driver.RestoreStat(t.Context(), made.Volume, nil); !errors.Is(err, provider.ErrNotFound) {
		t.Errorf("the restore is %+v: %v, want ErrNotFound", stat, err)
	}
	if err := w.driver.DeleteBackup(t.Context(), "order", backup, nil); err != nil {
		t.Error(err)
	}
}

// TestContentWhoseSnapshotIsGone was bound to a VolumeSnapshot that went before the snapshot controller had looked at it: nobody
// tells the csi-snapshotter then to let the content go.
func TestContentWhoseSnapshotIsGone(t *testing.T) {
	w := newWorld(t)
	backup := w.backup("data")
	made := w.begin(backup)
	if err := w.driver.CancelRestore(t.Context(), made.Volume, nil); err != nil {
		t.Error(err)
	}
	w.untilNone("volumesnapshotcontents")
	name := made.DataSource.Name
	w.create("volumesnapshotcontents", object{
		"apiVersion": "snapshot.storage.k8s.io/v1", "kind": "VolumeSnapshotContent",
		"metadata": object{"name": name, "finalizers": []any{"snapshot.storage.kubernetes.io/volumesnapshotcontent-bound-protection"}},
		"spec": object{
			"driver": csiDriver, "deletionPolicy": "Retain", "source": object{"snapshotHandle": backup.Handle},
			"volumeSnapshotRef": object{"namespace": w.namespace, "name": name, "uid": "6f1f1f3e-0000-4000-8000-000000000001"},
		},
	})
	if err := w.driver.CancelRestore(t.Context(), made.Volume, nil); err != nil {
		t.Error(err)
	}
	w.untilNone("volumesnapshotcontents")
	if err := w.driver.DeleteBackup(t.Context(), "order", backup, nil); err != nil {
		t.Error(err)
	}
}

// TestDriverThatIsAway has nobody who would delete the snapshot.
func TestDriverThatIsAway(t *testing.T) {
	w := newWorld(t)
	w.driver = csi.New(csi.Options{Client: w.limited, Patience: 200 * time.Millisecond})
	backup := provider.BackupIdentity{Handle: "handle", Attributes: map[string]string{provider.SnapshotDriver: "away.example.com"}}
	if err := w.driver.DeleteBackup(t.Context(), "order", backup, nil); !errors.Is(err, provider.ErrUnavailable) {
		t.Errorf("got %v, want ErrUnavailable", err)
	}
	list, err := w.of("volumesnapshotcontents").List(t.Context(), metav1.ListOptions{})
	if err != nil || len(list.Items) != 1 {
		t.Fatalf("waiting are %v: %v", list, err)
	}
	patch := []byte(`{"metadata":{"finalizers":null}}`)
	if _, err := w.of("volumesnapshotcontents").Patch(t.Context(), list.Items[0].GetName(), "application/merge-patch+json", patch, metav1.PatchOptions{}); err != nil {
		t.Error(err)
	}
	w.untilNone("volumesnapshotcontents")
}

func TestBackupWithoutSnapshotIsRefused(t *testing.T) {
	driver := csi.New(csi.Options{})
	for name, snapshot := range map[string]*provider.Snapshot{"none": nil, "of no driver": {Handle: "handle"}} {
		request := provider.StartBackupRequest{Order: "order", Volume: provider.Volume{Name: "volume"}, Snapshot: snapshot}
		if _, err := driver.StartBackup(t.Context(), request); !errors.Is(err, provider.ErrInvalidArgument) {
			t.Errorf("%s: got %v, want ErrInvalidArgument", name, err)
		}
	}
}
