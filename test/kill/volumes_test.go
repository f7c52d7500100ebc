package kill_test

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/api/resource"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/utils/clock"
	"sigs.k8s.io/controller-runtime/pkg/client"

	kahuv1 "github.com/soda-cdm/kahu/api/v1beta1"
	testcluster "github.com/soda-cdm/kahu/internal/testkit/cluster"
)

// vault is an application with volumes, beside a provider for which the snapshot is the backup.
type vault struct {
	*world

	app string
	// claims are the storage classes of its claims. Those of one class are cut as a group.
	claims map[string]string
	// storage is where the CSI drivers keep volumes and snapshots.
	storage string
	// empty is what there was when nothing was backed up.
	empty map[string]int
	// kept is what there was beside the backup that is restored.
	kept map[string]int
}

// newVault returns it when its claims are bound.
func newVault(w *world) *vault {
	w.t.Helper()
	made := &vault{
		world: w, app: w.app + "-vault", claims: map[string]string{"cash": "shared", "books": "shared", "safe": "local"},
		storage: filepath.Join(filepath.Dir(w.kubeconfig), "csi"),
	}
	endpoint := "unix://" + filepath.Join(w.folder, "csi.sock")
	w.keep("volume-driver", program(w.t, "kahu-provider-csi"), "--kubeconfig", w.kubeconfig, "--endpoint", endpoint)
	w.keep("volume-service", program(w.t, "kahu"), "volume-service", "--kubeconfig", w.kubeconfig,
		"--namespace", kahuNamespace, "--driver", endpoint, "--lease-duration", "1m")
	w.makeNamespace(made.app)
	for name, class := range made.claims {
		w.create(&corev1.PersistentVolumeClaim{ObjectMeta: metav1.ObjectMeta{Namespace: made.app, Name: name}, Spec: corev1.PersistentVolumeClaimSpec{
			AccessModes: []corev1.PersistentVolumeAccessMode{corev1.ReadWriteOnce}, StorageClassName: &class,
			Resources: corev1.VolumeResourceRequirements{Requests: corev1.ResourceList{corev1.ResourceStorage: resource.MustParse("1Mi")}},
		}})
	}
	for name := range made.claims {
		if _, is := await(w, &corev1.PersistentVolumeClaimList{}, &corev1.PersistentVolumeClaim{ObjectMeta: named(name)},
			func(claim *corev1.PersistentVolumeClaim, gone bool) bool {
				return !gone && claim.Namespace == made.app && claim.Status.Phase == corev1.ClaimBound
			}); !is {
			w.t.Fatalf("claim %s is not bound", name)
		}
	}
	made.empty = made.count()
	return made
}

// file is where a claim of a namespace has its data.
func (v *vault) file(namespace, name string) (string, error) {
	claim, volume := &corev1.PersistentVolumeClaim{}, &corev1.PersistentVolume{}
	if err := v.client.Get(v.t.Context(), client.ObjectKey{Namespace: namespace, Name: name}, claim); err != nil {
		return "", err
	}
	if err := v.client.Get(v.t.Context(), client.ObjectKey{Name: claim.Spec.VolumeName}, volume); err != nil {
		return "", err
	}
	return filepath.Join(v.storage, v.claims[name], "volumes", volume.Spec.CSI.VolumeHandle, "data", "record"), nil
}

// write writes other data into every volume of the application.
func (v *vault) write(text string) {
	v.t.Helper()
	for name := range v.claims {
		file, err := v.file(v.app, name)
		if err == nil {
			err = os.WriteFile(file, []byte(text+" of "+name), 0o600)
		}
		if err != nil {
			v.t.Fatal(err)
		}
	}
}

// read tells what is wrong with the data of the claims of a namespace.
func (v *vault) read(namespace, text string) (wrong []string) {
	v.t.Helper()
	for name := range v.claims {
		var found []byte
		file, err := v.file(namespace, name)
		if err == nil {
			found, err = os.ReadFile(file)
		}
		if want := text + " of " + name; err != nil || string(found) != want {
			wrong = append(wrong, fmt.Sprintf("claim %s/%s has %q, want %q: %v", namespace, name, found, want, err))
		}
	}
	return wrong
}

// counted are the kinds of which nothing may be left.
func counted() []schema.GroupVersionKind {
	snapshots := schema.GroupVersion{Group: "snapshot.storage.k8s.io", Version: "v1"}
	return []schema.GroupVersionKind{
		snapshots.WithKind("VolumeSnapshot"), snapshots.WithKind("VolumeSnapshotContent"),
		{Group: "groupsnapshot.storage.k8s.io", Version: "v1", Kind: "VolumeGroupSnapshotContent"},
		corev1.SchemeGroupVersion.WithKind("PersistentVolumeClaim"), corev1.SchemeGroupVersion.WithKind("PersistentVolume"),
		kahuv1.GroupVersion.WithKind("VolumeBackupContent"), kahuv1.GroupVersion.WithKind("VolumeRestoreContent"),
	}
}

// ofVolumes are the resources with which the data of volumes is dealt with.
func ofVolumes() []string {
	return []string{
		"volumesnapshots", "volumesnapshotcontents", "volumegroupsnapshotcontents", "persistentvolumeclaims", "persistentvolumes",
		"volumebackupcontents", "volumerestorecontents",
	}
}

// count counts what there is of volumes, in the cluster and in the storage system.
func (v *vault) count() map[string]int {
	v.t.Helper()
	found := map[string]int{}
	for _, kind := range counted() {
		list := &unstructured.UnstructuredList{}
		list.SetGroupVersionKind(kind.GroupVersion().WithKind(kind.Kind + "List"))
		if err := v.client.List(v.t.Context(), list); err != nil {
			v.t.Fatal(err)
		}
		found[kind.Kind] = len(list.Items)
	}
	for _, what := range []string{"volumes", "snapshots", "groups"} {
		stored, err := filepath.Glob(filepath.Join(v.storage, "*", what, "*"))
		if err != nil {
			v.t.Fatal(err)
		}
		found["stored "+what] = len(stored)
	}
	return found
}

// left waits until there is as much as there was, and tells what there is more or less.
func (v *vault) left(want map[string]int) []string {
	v.t.Helper()
	ctx, cancel := context.WithTimeout(v.t.Context(), waitLimit)
	defer cancel()
	for {
		diff := cmp.Diff(want, v.count())
		if diff == "" {
			return nil
		}
		select {
		case <-ctx.Done():
			return []string{"of volumes there is more or less than there was: " + diff}
		case <-clock.RealClock{}.After(50 * time.Millisecond):
		}
	}
}

// remove deletes the objects of a run, the claims that it restored, and the Backup with its volumes, and tells what is left.
func (v *vault) remove(run string, doomed ...client.Object) (wrong []string) {
	v.t.Helper()
	for name := range v.claims {
		doomed = append(doomed, &corev1.PersistentVolumeClaim{ObjectMeta: metav1.ObjectMeta{Namespace: v.target(run), Name: name}})
	}
	// A namespace takes ten seconds to go; what is in it is counted, and itself waited for by nobody.
	for _, object := range append(doomed, &corev1.Namespace{ObjectMeta: named(v.target(run))}) {
		if err := client.IgnoreNotFound(v.client.Delete(v.t.Context(), object)); err != nil {
			v.t.Fatal(err)
		}
	}
	for _, object := range doomed {
		key := client.ObjectKeyFromObject(object)
		if err := v.gone(object, key); err != nil {
			wrong = append(wrong, fmt.Sprintf("%T %s is not deleted: %v, %+v", object, key, err, object))
		}
	}
	return append(wrong, v.left(v.kept)...)
}

// gone returns when an object is.
func (v *vault) gone(object client.Object, key client.ObjectKey) error {
	ctx, cancel := context.WithTimeout(v.t.Context(), waitLimit)
	defer cancel()
	for {
		err := v.client.Get(ctx, key, object)
		if apierrors.IsNotFound(err) {
			return nil
		}
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-clock.RealClock{}.After(50 * time.Millisecond):
		}
	}
}

// wanted is a Backup of the application and the data of its volumes.
func (v *vault) wanted(name string) *kahuv1.Backup {
	return &kahuv1.Backup{ObjectMeta: named(name), Spec: kahuv1.BackupSpec{
		MetadataLocation: location, IncludeNamespaces: []kahuv1.NamespaceName{v.app}, DeletionPolicy: kahuv1.DeletionPolicyDelete,
	}}
}

// again is a Restore of a backup of the application into a namespace of its own.
func (v *vault) again(name, backup string) *kahuv1.Restore {
	return &kahuv1.Restore{ObjectMeta: named(name), Spec: kahuv1.RestoreSpec{
		BackupName: backup, NamespaceMapping: map[string]kahuv1.NamespaceName{v.app: v.target(name)},
	}}
}

// mustBackUp makes a backup, undisturbed.
func (v *vault) mustBackUp(name string) {
	v.t.Helper()
	v.write(name)
	v.create(v.wanted(name))
	if backup, ended := v.awaitBackup(name); !ended || backup.Status.State != kahuv1.StateCompleted {
		v.t.Fatalf("backup %s: %+v", name, backup.Status)
	}
	v.write("later")
}

// backups are runs of a Backup, of which each that is Completed is restored, and each removed.
func (v *vault) backups() subject {
	of := backups(nil)
	of.name, of.concerns = "volumes", append(ofVolumes(), "backups")
	of.begin = func(w *world, name string) {
		w.t.Helper()
		v.write(name)
		w.create(v.wanted(name))
	}
	of.judge = func(w *world, name string) (wrong []string, ended string) {
		w.t.Helper()
		backup, over := w.awaitBackup(name)
		if !over {
			return []string{fmt.Sprintf("it does not end: %+v", backup.Status)}, never
		}
		w.disarm(name)
		v.write("later")
		if backup.Status.State == kahuv1.StateCompleted {
			ended = completed(backup.Status.Interruptions)
			wrong = v.restore(v.again(name, name), name)
		} else {
			wrong, ended = failed(string(backup.Status.State), backup.Status.FailureReason)
			w.t.Logf("%s: %+v", name, backup.Status)
		}
		return wrong, ended
	}
	of.clear = func(w *world, name string) []string {
		w.t.Helper()
		return v.remove(name, &kahuv1.Backup{ObjectMeta: named(name)}, &kahuv1.Restore{ObjectMeta: named(name)})
	}
	return of
}

// restore restores a backup, undisturbed, and tells what is wrong with the data that it brings back.
func (v *vault) restore(run *kahuv1.Restore, text string) []string {
	v.t.Helper()
	v.create(run)
	done, over := v.awaitRestore(run.Name)
	if !over || done.Status.State != kahuv1.StateCompleted {
		return []string{fmt.Sprintf("the backup is Completed and cannot be restored: %+v", done.Status)}
	}
	return v.read(v.target(run.Name), text)
}

// restores are runs of a Restore of the backup that is kept.
func (v *vault) restores() subject {
	of := restores()
	of.name, of.creates, of.concerns = "volumesback", false, append(ofVolumes(), "restores")
	of.begin = func(w *world, name string) {
		w.t.Helper()
		w.create(v.again(name, keptVolumes))
	}
	of.judge = func(w *world, name string) (wrong []string, ended string) {
		w.t.Helper()
		restore, over := w.awaitRestore(name)
		if !over {
			return []string{fmt.Sprintf("it does not end: %+v", restore.Status)}, never
		}
		w.disarm(name)
		if restore.Status.State == kahuv1.StateCompleted {
			wrong, ended = v.read(w.target(name), keptVolumes), completed(restore.Status.Interruptions)
		} else {
			wrong, ended = failed(string(restore.Status.State), restore.Status.FailureReason)
			w.t.Logf("%s: %+v", name, restore.Status)
		}
		return wrong, ended
	}
	of.clear = func(w *world, name string) []string {
		w.t.Helper()
		return v.remove(name, &kahuv1.Restore{ObjectMeta: named(name)})
	}
	return of
}

// deletions are deletions of a Backup with its volumes.
func (v *vault) deletions() subject {
	of := deletions()
	of.name, of.concerns = "volumesgone", append(ofVolumes(), "backups")
	of.prepare = func(w *world, name string) {
		w.t.Helper()
		v.mustBackUp(name)
	}
	of.clear = func(w *world, _ string) []string {
		w.t.Helper()
		return v.left(v.kept)
	}
	return of
}

// keptVolumes is the backup that is restored.
const keptVolumes = "kept-volumes"

// TestVolumes kills the manager before and after one call of each kind that it makes of a backup with volumes, of its restore, and of
// its deletion, in a cluster whose storage is real. What is Completed restores with the right bytes, and nothing is left of
// anything.
func TestVolumes(t *testing.T) {
	cluster := testcluster.Start(t, testcluster.Volumes(), testcluster.Setup(install)) // The others have no snapshots to look for.
	w := newWorldIn(t, cluster.Config(), cluster.Kubeconfig())
	v := newVault(w)
	running := w.manager(role{})
	w.awaitLocation()
	v.mustBackUp(keptVolumes)
	v.kept = v.count()
	if v.kept["stored snapshots"] != v.empty["stored snapshots"]+len(v.claims) || v.kept["stored groups"] != v.empty["stored groups"]+1 {
		t.Fatalf("the backup has %v, before: %v", v.kept, v.empty)
	}
	running.kill()
	for _, of := range []subject{v.backups(), v.restores(), v.deletions()} {
		t.Run(of.name, func(t *testing.T) { w.campaign(t, of, way{by: killed, every: 1}) })
	}
	w.manager(role{})
	v.kept = v.empty
	for _, each := range v.remove(keptVolumes, v.wanted(keptVolumes)) {
		t.Error(each)
	}
}
