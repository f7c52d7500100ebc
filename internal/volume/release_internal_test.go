package volume

import (
	"context"
	"fmt"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/utils/clock"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/client/fake"
	"sigs.k8s.io/controller-runtime/pkg/client/interceptor"

	kahuv1 "github.com/soda-cdm/kahu/api/v1beta1"
	"github.com/soda-cdm/kahu/internal/core"
	"github.com/soda-cdm/kahu/internal/core/volumeplan"
	"github.com/soda-cdm/kahu/internal/core/volumework"
)

// policies are those that contents were given last, by name.
type policies map[string]string

// fakeClient is a Client without an API server, and what it says of contents.
func fakeClient(t *testing.T, options Options, objects ...client.Object) (*Client, policies) {
	t.Helper()
	scheme := runtime.NewScheme()
	for _, add := range []func(*runtime.Scheme) error{corev1.AddToScheme, kahuv1.AddToScheme} {
		if err := add(scheme); err != nil {
			t.Fatal(err)
		}
	}
	mapper := meta.NewDefaultRESTMapper(nil)
	mapper.Add(snapshotGroup().WithKind(snapshotKind), meta.RESTScopeNamespace)
	for _, kind := range []string{contentKind, classKind} {
		mapper.Add(snapshotGroup().WithKind(kind), meta.RESTScopeRoot)
	}
	for _, kind := range []string{groupKind, groupClassKind} {
		mapper.Add(schema.GroupVersionKind{Group: groupGroup().Group, Version: "v1", Kind: kind}, meta.RESTScopeRoot)
	}
	for gvk := range scheme.AllKnownTypes() {
		scope := meta.RESTScopeRoot
		if gvk.Kind == "PersistentVolumeClaim" {
			scope = meta.RESTScopeNamespace
		}
		mapper.Add(gvk, scope)
	}
	said, mu := policies{}, sync.Mutex{}
	api := fake.NewClientBuilder().WithScheme(scheme).WithRESTMapper(mapper).WithObjects(objects...).
		WithStatusSubresource(&kahuv1.VolumeBackupContent{}).
		WithInterceptorFuncs(interceptor.Funcs{
			Patch: func(ctx context.Context, api client.WithWatch, object client.Object, patch client.Patch, options ...client.PatchOption) error {
				if content, is := object.(*unstructured.Unstructured); is && content.GetKind() == contentKind {
					mu.Lock()
					said[content.GetName()] = contentOf(content).policy
					mu.Unlock()
				}
				return api.Patch(ctx, object, patch, options...)
			},
		}).Build()
	options.CutTime, options.ReadyTime = orDefault(options.CutTime, time.Second), orDefault(options.ReadyTime, time.Second)
	options.Patience = orDefault(options.Patience, time.Second)
	return &Client{api: api, clock: clock.RealClock{}, options: options}, said
}

var (
	theRun   = volumework.Run{Name: "shop-monday", UID: "u1"}
	theLabel = map[string]string{kahuv1.BackupUIDLabel: "u1"}
)

// heldContent is the content of a snapshot that was secured, and that its csi-snapshotter holds.
func heldContent(name, driver, handle string) *unstructured.Unstructured {
	content := objectOf(contentKind, "", name)
	content.SetLabels(theLabel)
	content.SetFinalizers([]string{"snapshot.storage.kubernetes.io/volumesnapshotcontent-bound-protection"})
	content.Object["spec"] = map[string]any{"driver": driver, "deletionPolicy": "Retain"}
	content.Object["status"] = map[string]any{"snapshotHandle": handle, "readyToUse": true}
	return content
}

// doneOrder is an order that is Completed, and whose snapshot is the backup.
func doneOrder(name, driver, handle string) *kahuv1.VolumeBackupContent {
	return &kahuv1.VolumeBackupContent{
		ObjectMeta: metav1.ObjectMeta{Name: name, Labels: theLabel, Annotations: map[string]string{keepsSnapshot: "true"}},
		Spec: kahuv1.VolumeBackupContentSpec{
			BackupName: "shop-monday", BackupUID: "u1", ProviderName: "csi", Way: kahuv1.VolumeWaySnapshot,
			Snapshot: &kahuv1.VolumeSnapshotSource{Driver: driver, Handle: handle},
		},
		Status: kahuv1.VolumeBackupContentStatus{
			VolumeOrderStatus: kahuv1.VolumeOrderStatus{Phase: kahuv1.VolumePhaseCompleted},
			Backup:            &kahuv1.VolumeBackupIdentity{Handle: handle},
		},
	}
}

// TestForgetTwice: a deletion with Retain that is tried again does not have the snapshot deleted that it retains.
func TestForgetTwice(t *testing.T) {
	c, said := fakeClient(t, Options{}, heldContent("c1", "d", "h1"), doneOrder("o1", "d", "h1"))
	for try := range 2 { // The finalizer of the Backup could not be taken away the first time.
		if err := c.Forget(t.Context(), theRun); err != nil {
			t.Fatal(err)
		}
		if said["c1"] == policyDelete {
			t.Fatalf("try %d: the content of a snapshot that is retained was given the policy Delete", try+1)
		}
	}
}

// TestForgetWithoutOrder: orders that somebody has removed are no reason to delete data that is to be retained.
func TestForgetWithoutOrder(t *testing.T) {
	c, said := fakeClient(t, Options{}, heldContent("c1", "d", "h1"))
	if err := c.Forget(t.Context(), theRun); err != nil {
		t.Fatal(err)
	}
	if said["c1"] == policyDelete {
		t.Fatal("the content of a snapshot was given the policy Delete by Forget")
	}
}

// TestOrderGoneBeforeRelease: BackUp says that the volume is in the backup; Release does not delete the snapshot that it is.
func TestOrderGoneBeforeRelease(t *testing.T) {
	claim := volumeplan.Claim{Namespace: "shop", Name: "data"}
	decision := volumeplan.Decision{Claim: claim, Verdict: volumeplan.Chosen, Way: volumeplan.Snapshot, Provider: "csi", SnapshotClass: "s", KeepsSnapshot: true}
	order := doneOrder(OrderName(theRun, "shop", "data"), "d", "h1")
	c, said := fakeClient(t, Options{}, heldContent("c1", "d", "h1"), order)
	outcomes, err := c.BackUp(t.Context(), theRun, []volumeplan.Decision{decision}, func(volumework.Progress) {})
	if err != nil || outcomes[0].Reason != "" || outcomes[0].Handle != "h1" {
		t.Fatalf("%+v, %v", outcomes, err)
	}
	if err := c.api.Delete(t.Context(), order); err != nil { // kubectl delete vbc --all
		t.Fatal(err)
	}
	if err := c.Release(t.Context(), theRun); err != nil {
		t.Fatal(err)
	}
	if said["c1"] == policyDelete {
		t.Fatal("the snapshot that the manifest will name is deleted, and the Backup is Completed")
	}
}

// TestHandlesOfTwoDrivers: handles are unique within a CSI driver only.
func TestHandlesOfTwoDrivers(t *testing.T) {
	for range 50 { // The order of a map decides.
		failed := doneOrder("o2", "d2", "1")
		failed.Status.Phase, failed.Status.Backup = kahuv1.VolumePhaseFailed, nil
		c, said := fakeClient(t, Options{}, heldContent("c1", "d1", "1"), doneOrder("o1", "d1", "1"), heldContent("c2", "d2", "1"), failed)
		if err := c.Release(t.Context(), theRun); err != nil {
			t.Fatal(err)
		}
		if said["c1"] == policyDelete {
			t.Fatal("the snapshot of driver d1, which is a backup, is deleted as that of d2 with the same handle failed")
		}
	}
}

// TestProviderGone: a Provider that was removed before its orders were followed is as away as one that is removed after.
func TestProviderGone(t *testing.T) {
	decision := volumeplan.Decision{Claim: volumeplan.Claim{Namespace: "shop", Name: "data"}, Verdict: volumeplan.Chosen, Way: volumeplan.Offload, Provider: "vendor"}
	c, _ := fakeClient(t, Options{Patience: 200 * time.Millisecond})
	ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second)
	defer cancel()
	outcomes, err := c.BackUp(ctx, theRun, []volumeplan.Decision{decision}, func(volumework.Progress) {})
	if err != nil || outcomes[0].Reason == "" {
		t.Errorf("50 times the patience, and the backup still waits: %+v, %v", outcomes, err)
	}
	making, end := context.WithTimeout(t.Context(), 10*time.Second)
	defer end()
	if _, err := c.Make(making, theRun, volumework.RestoreOrder{Namespace: "shop", Name: "data", Provider: "vendor", Claim: []byte("{}")}); making.Err() != nil {
		t.Errorf("50 times the patience, and the restore still waits: %v", err)
	}
}

// TestLostClaim: a claim that has lost its volume had data, which is not in the backup.
func TestLostClaim(t *testing.T) {
	lost := &corev1.PersistentVolumeClaim{
		ObjectMeta: metav1.ObjectMeta{Namespace: "shop", Name: "data"},
		Spec:       corev1.PersistentVolumeClaimSpec{VolumeName: "pv-1"}, Status: corev1.PersistentVolumeClaimStatus{Phase: corev1.ClaimLost},
	}
	c, _ := fakeClient(t, Options{}, lost)
	facts := volumeplan.Facts{Claims: []volumeplan.Claim{c.lookAt(t.Context(), core.Key{Namespace: "shop", Name: "data"})}}
	if decision := volumeplan.Plan(facts, volumeplan.Settings{})[0]; decision.Verdict != volumeplan.Impossible {
		t.Errorf("a claim whose volume is lost makes no backup incomplete: %s, %s: %s", decision.Verdict, decision.Reason, decision.Message)
	}
}

// TestReleaseRemovesSeveralAtOnce: each of many objects takes the storage system's time, and the end of a run has little.
func TestReleaseRemovesSeveralAtOnce(t *testing.T) {
	t.Parallel()
	objects := []client.Object{}
	for i := range 2 {
		objects = append(objects, heldContent(fmt.Sprintf("c%d", i), "d", fmt.Sprintf("h%d", i)))
	}
	c, said := fakeClient(t, Options{}, objects...)
	var here atomic.Int32
	all := make(chan struct{})
	c.api = interceptor.NewClient(c.api, interceptor.Funcs{
		Delete: func(ctx context.Context, api client.WithWatch, object client.Object, options ...client.DeleteOption) error {
			if int(here.Add(1)) == len(objects) {
				close(all)
			}
			select { // One after the other, the first one waits for the second.
			case <-all:
				return api.Delete(ctx, object, options...)
			case <-ctx.Done():
				return ctx.Err()
			}
		},
	})
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	if err := c.Release(ctx, theRun); err != nil || said["c0"] != policyDelete || said["c1"] != policyDelete {
		t.Errorf("%v: %v", err, said)
	}
}
