package volume_test

import (
	"context"
	"os"
	"strings"
	"testing"
	"time"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/resource"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime"
	clientgoscheme "k8s.io/client-go/kubernetes/scheme"
	"k8s.io/client-go/rest"
	"k8s.io/utils/clock"
	"sigs.k8s.io/controller-runtime/pkg/client"

	kahuv1 "github.com/soda-cdm/kahu/api/v1beta1"
	"github.com/soda-cdm/kahu/internal/core"
	"github.com/soda-cdm/kahu/internal/core/volumeplan"
	"github.com/soda-cdm/kahu/internal/core/volumework"
	testcluster "github.com/soda-cdm/kahu/internal/testkit/cluster"
	"github.com/soda-cdm/kahu/internal/volume"
)

const driver = "disks.example.com"

func TestMain(m *testing.M) {
	os.Exit(testcluster.Main(m, testcluster.Setup(func(tb testing.TB, config *rest.Config) { //nolint:forbidigo // The exit code is Main's.
		tb.Helper()
		testcluster.InstallCRDs(tb, config, "../../config/crd")
		testcluster.InstallCRDs(tb, config, "testdata")
	})))
}

// world is a cluster in which the test plays the storage system, the snapshot controller and the provider.
type world struct {
	*testing.T
	client.WithWatch

	volumes   *volume.Client
	namespace string
	run       volumework.Run
}

func newWorld(t *testing.T, options volume.Options) *world {
	t.Helper()
	scheme := runtime.NewScheme()
	for _, add := range []func(*runtime.Scheme) error{clientgoscheme.AddToScheme, kahuv1.AddToScheme} {
		if err := add(scheme); err != nil {
			t.Fatal(err)
		}
	}
	api, err := client.NewWithWatch(testcluster.Config(t), client.Options{Scheme: scheme})
	if err != nil {
		t.Fatal(err)
	}
	volumes, err := volume.New(testcluster.Config(t), options)
	if err != nil {
		t.Fatal(err)
	}
	name := strings.ToLower(t.Name())
	w := &world{T: t, WithWatch: api, volumes: volumes, namespace: name, run: volumework.Run{Name: name, UID: "uid-" + name}}
	w.create(&corev1.Namespace{ObjectMeta: metav1.ObjectMeta{Name: name}})
	return w
}

func (w *world) create(object client.Object) {
	w.Helper()
	if err := w.Create(w.Context(), object); err != nil {
		w.Fatalf("creating %s: %v", object.GetName(), err)
	}
}

// claim makes a claim that is bound, with its volume.
func (w *world) claim(name string) core.Key {
	w.Helper()
	size := corev1.ResourceList{corev1.ResourceStorage: resource.MustParse("1Gi")}
	modes := []corev1.PersistentVolumeAccessMode{corev1.ReadWriteOnce}
	pv, none := w.namespace+"-"+name, ""
	w.create(&corev1.PersistentVolume{ObjectMeta: metav1.ObjectMeta{Name: pv}, Spec: corev1.PersistentVolumeSpec{
		Capacity: size, AccessModes: modes,
		ClaimRef:               &corev1.ObjectReference{Namespace: w.namespace, Name: name},
		PersistentVolumeSource: corev1.PersistentVolumeSource{CSI: &corev1.CSIPersistentVolumeSource{Driver: driver, VolumeHandle: pv}},
	}})
	w.create(&corev1.PersistentVolumeClaim{ObjectMeta: metav1.ObjectMeta{Namespace: w.namespace, Name: name}, Spec: corev1.PersistentVolumeClaimSpec{
		AccessModes: modes, StorageClassName: &none, VolumeName: pv, Resources: corev1.VolumeResourceRequirements{Requests: size},
	}})
	w.eventually("the claim is bound", func() bool {
		found := &corev1.PersistentVolumeClaim{}
		return w.Get(w.Context(), client.ObjectKey{Namespace: w.namespace, Name: name}, found) == nil && found.Status.Phase == corev1.ClaimBound
	})
	return core.Key{Resource: "persistentvolumeclaims", Namespace: w.namespace, Name: name}
}

func (w *world) eventually(what string, is func() bool) {
	w.Helper()
	ctx, cancel := context.WithTimeout(w.Context(), 30*time.Second)
	defer cancel()
	for !is() {
		if !pause(ctx) {
			w.Fatalf("%s: never", what)
		}
	}
}

// pause waits for a moment, and tells whether the context goes on.
func pause(ctx context.Context) bool {
	select {
	case <-ctx.Done():
		return false
	case <-clock.RealClock{}.After(20 * time.Millisecond):
		return true
	}
}

func (w *world) list(kind string) []unstructured.Unstructured {
	w.Helper()
	list := &unstructured.UnstructuredList{}
	list.SetAPIVersion("snapshot.storage.k8s.io/v1")
	list.SetKind(kind + "List")
	if err := w.List(w.Context(), list, client.MatchingLabels{kahuv1.BackupUIDLabel: w.run.UID}); err != nil {
		w.Fatal(err)
	}
	return list.Items
}

// serve plays the storage system until the test ends: it cuts snapshots, and makes them ready.
func (w *world) serve() {
	ctx, cancel := context.WithCancel(w.Context())
	ended := make(chan struct{})
	w.Cleanup(func() { cancel(); <-ended })
	go func() {
		defer close(ended)
		for pause(ctx) {
			list := &unstructured.UnstructuredList{}
			list.SetAPIVersion("snapshot.storage.k8s.io/v1")
			list.SetKind("VolumeSnapshotList")
			if err := w.List(ctx, list, client.InNamespace(w.namespace)); err == nil {
				for i := range list.Items {
					w.cut(ctx, &list.Items[i])
				}
			}
		}
	}()
}

// cut gives a snapshot its content.
func (w *world) cut(ctx context.Context, snapshot *unstructured.Unstructured) {
	if _, done := snapshot.Object["status"]; done || snapshot.GetDeletionTimestamp() != nil {
		return
	}
	content := &unstructured.Unstructured{Object: map[string]any{
		"apiVersion": "snapshot.storage.k8s.io/v1", "kind": "VolumeSnapshotContent",
		"metadata": map[string]any{"name": "content-" + string(snapshot.GetUID()), "annotations": map[string]any{
			"snapshot.storage.kubernetes.io/deletion-secret-namespace": "storage", "snapshot.storage.kubernetes.io/deletion-secret-name": "array",
		}},
		"spec": map[string]any{
			"deletionPolicy": "Delete", "driver": driver, "source": map[string]any{"volumeHandle": "v"},
			"volumeSnapshotRef": map[string]any{"namespace": snapshot.GetNamespace(), "name": snapshot.GetName(), "uid": string(snapshot.GetUID())},
		},
	}}
	if w.Create(ctx, content) != nil {
		return
	}
	now := clock.RealClock{}.Now()
	content.Object["status"] = map[string]any{
		"snapshotHandle": "snap-of-" + snapshot.GetName(), "creationTime": now.UnixNano(), "readyToUse": true, "restoreSize": int64(1 << 30),
	}
	if w.Status().Update(ctx, content) != nil {
		return
	}
	snapshot.Object["status"] = map[string]any{
		"boundVolumeSnapshotContentName": content.GetName(), "creationTime": now.UTC().Format(time.RFC3339), "readyToUse": true, "restoreSize": "1Gi",
	}
	_ = w.Status().Update(ctx, snapshot)
}

// provide plays a provider that ends every order in the phase.
func (w *world) provide(phase kahuv1.VolumePhase) {
	ctx, cancel := context.WithCancel(w.Context())
	ended := make(chan struct{})
	w.Cleanup(func() { cancel(); <-ended })
	go func() {
		defer close(ended)
		for pause(ctx) {
			for _, order := range w.orders(ctx) {
				if order.Status.Phase != "" || order.Spec.Snapshot == nil {
					continue
				}
				bytes := int64(123)
				order.Status.Phase, order.Status.FailureReason = phase, "the disk is on fire"
				order.Status.Progress.BytesDone = &bytes
				order.Status.Backup = &kahuv1.VolumeBackupIdentity{Handle: order.Spec.Snapshot.Handle, Attributes: map[string]string{"a": "b"}}
				_ = w.Status().Update(ctx, &order)
			}
		}
	}()
}

func (w *world) orders(ctx context.Context) []kahuv1.VolumeBackupContent {
	list := &kahuv1.VolumeBackupContentList{}
	_ = w.List(ctx, list, client.MatchingLabels{kahuv1.BackupUIDLabel: w.run.UID})
	return list.Items
}

// provider registers one that keeps snapshots.
func (w *world) provider(name string) {
	w.Helper()
	made := &kahuv1.Provider{ObjectMeta: metav1.ObjectMeta{Name: name}, Spec: kahuv1.ProviderSpec{
		Type: kahuv1.ProviderTypeVolume, Version: "v1", SupportedVolumeProvisioners: []string{driver},
		Capabilities: map[string]bool{"VolumeBackupService": true, "NeedsSnapshot": true, "KeepsSnapshot": true},
	}}
	w.create(made)
	w.Cleanup(func() { _ = w.Delete(context.WithoutCancel(w.Context()), made) })
	made.Status.State = kahuv1.ProviderStateAvailable
	if err := w.Status().Update(w.Context(), made); err != nil {
		w.Fatal(err)
	}
}

func (w *world) class(name string) {
	w.Helper()
	made := &unstructured.Unstructured{Object: map[string]any{
		"apiVersion": "snapshot.storage.k8s.io/v1", "kind": "VolumeSnapshotClass", "metadata": map[string]any{"name": name},
		"driver": driver, "deletionPolicy": "Delete",
	}}
	w.create(made)
	w.Cleanup(func() { _ = w.Delete(context.WithoutCancel(w.Context()), made) })
}

func (w *world) plan(claims ...core.Key) []volumeplan.Decision {
	w.Helper()
	facts, err := w.volumes.Look(w.Context(), claims)
	if err != nil {
		w.Fatal(err)
	}
	decisions := volumeplan.Plan(facts, volumeplan.Settings{})
	for _, decision := range decisions {
		if decision.Verdict != volumeplan.Chosen {
			w.Fatalf("%s: %s: %s", decision.Claim.Name, decision.Reason, decision.Message)
		}
	}
	return decisions
}

func TestSnapshotsAreTheBackup(t *testing.T) {
	w := newWorld(t, volume.Options{})
	w.provider("keeper")
	w.class("keeper")
	decisions := w.plan(w.claim("b"), w.claim("a"))
	w.serve()
	failed, err := w.volumes.Cut(t.Context(), w.run, volumework.Moment{Attempt: "first"}, decisions)
	if err != nil || len(failed) > 0 {
		t.Fatalf("cutting: %v, %v", failed, err)
	}
	w.provide(kahuv1.VolumePhaseCompleted)
	var last volumework.Progress
	outcomes, err := w.volumes.BackUp(t.Context(), w.run, decisions, func(now volumework.Progress) { last = now })
	if err != nil {
		t.Fatal(err)
	}
	if last != (volumework.Progress{Done: 2, Total: 2, BytesDone: 246}) {
		t.Errorf("the last progress is %+v", last)
	}
	for _, outcome := range outcomes {
		if outcome.Reason != "" || !strings.HasPrefix(outcome.Handle, "snap-of-kahu-") || outcome.Cut.IsZero() || *outcome.Bytes != 123 {
			t.Errorf("%s: %+v", outcome.Decision.Claim.Name, outcome)
		}
	}
	for _, content := range w.list("VolumeSnapshotContent") {
		if policy, _, _ := unstructured.NestedString(content.Object, "spec", "deletionPolicy"); policy != "Retain" {
			t.Errorf("content %s would go with its namespace: %s", content.GetName(), policy)
		}
	}
	if found := len(w.list("VolumeSnapshotContent")); found != 2 {
		t.Errorf("%d contents bear the label of the backup", found)
	}
	for _, order := range w.orders(t.Context()) {
		if secret := order.Spec.Snapshot.DeletionSecret; secret == nil || *secret != (kahuv1.SnapshotSecret{Namespace: "storage", Name: "array"}) {
			t.Errorf("order %s is for a snapshot that is deleted with %v", order.Name, secret)
		}
	}
	// Another attempt finds what this one has done.
	again, err := w.volumes.BackUp(t.Context(), w.run, decisions, func(volumework.Progress) {})
	if err != nil || len(again) != 2 || again[0].Handle != outcomes[0].Handle || len(w.orders(t.Context())) != 2 {
		t.Errorf("another attempt: %v, %v", again, err)
	}
	w.releaseAndCheck("Retain")
}

// releaseAndCheck removes the objects of snapshots, and makes sure that each went with that policy.
func (w *world) releaseAndCheck(policy string) {
	w.Helper()
	contents := w.list("VolumeSnapshotContent")
	for i := range contents {
		contents[i].SetFinalizers([]string{"example.com/watched"})
		if err := w.Update(w.Context(), &contents[i]); err != nil {
			w.Fatal(err)
		}
	}
	if err := w.volumes.Release(w.Context(), w.run); err != nil {
		w.Fatal(err)
	}
	if left := w.list("VolumeSnapshot"); len(left) > 0 {
		w.Errorf("%d snapshots are left", len(left))
	}
	for _, content := range w.list("VolumeSnapshotContent") {
		if said, _, _ := unstructured.NestedString(content.Object, "spec", "deletionPolicy"); said != policy || content.GetDeletionTimestamp() == nil {
			w.Errorf("content %s: policy %s, deleted %v", content.GetName(), said, content.GetDeletionTimestamp())
		}
		content.SetFinalizers(nil)
		if err := w.Update(w.Context(), &content); err != nil {
			w.Error(err)
		}
	}
}

func TestSnapshotOfAFailedOrderGoes(t *testing.T) {
	w := newWorld(t, volume.Options{})
	w.provider("breaker")
	w.class("breaker")
	decisions := w.plan(w.claim("a"))
	w.serve()
	if failed, err := w.volumes.Cut(t.Context(), w.run, volumework.Moment{Attempt: "first"}, decisions); err != nil || len(failed) > 0 {
		t.Fatalf("cutting: %v, %v", failed, err)
	}
	w.provide(kahuv1.VolumePhaseFailed)
	outcomes, err := w.volumes.BackUp(t.Context(), w.run, decisions, func(volumework.Progress) {})
	if err != nil {
		t.Fatal(err)
	}
	if outcomes[0].Reason != volume.ReasonOrderFailed || !strings.Contains(outcomes[0].Message, "the disk is on fire") {
		t.Errorf("%+v", outcomes[0])
	}
	w.releaseAndCheck("Delete")
}

func TestWhatIsNotCutInTimeIsNamed(t *testing.T) {
	w := newWorld(t, volume.Options{CutTime: 500 * time.Millisecond})
	w.provider("slow")
	w.class("slow")
	claim := w.claim("a")
	failed, err := w.volumes.Cut(t.Context(), w.run, volumework.Moment{Attempt: "first"}, w.plan(claim))
	if err != nil {
		t.Fatal(err)
	}
	if why := failed[claim]; why == nil || !strings.Contains(why.Error(), "was not cut") {
		t.Errorf("%v", failed)
	}
	if err := w.volumes.Release(t.Context(), w.run); err != nil {
		t.Error(err)
	}
	if left := w.list("VolumeSnapshot"); len(left) > 0 {
		t.Errorf("%d snapshots are left", len(left))
	}
}

func TestProviderThatStaysAwayIsGivenUp(t *testing.T) {
	w := newWorld(t, volume.Options{Patience: time.Second})
	w.provider("leaver")
	w.class("leaver")
	decisions := w.plan(w.claim("a"))
	w.serve()
	if failed, err := w.volumes.Cut(t.Context(), w.run, volumework.Moment{Attempt: "first"}, decisions); err != nil || len(failed) > 0 {
		t.Fatalf("cutting: %v, %v", failed, err)
	}
	gone := &kahuv1.Provider{ObjectMeta: metav1.ObjectMeta{Name: "leaver"}}
	if err := w.Get(t.Context(), client.ObjectKeyFromObject(gone), gone); err != nil {
		t.Fatal(err)
	}
	gone.Status.State = kahuv1.ProviderStateUnavailable
	if err := w.Status().Update(t.Context(), gone); err != nil {
		t.Fatal(err)
	}
	outcomes, err := w.volumes.BackUp(t.Context(), w.run, decisions, func(volumework.Progress) {})
	if err != nil || !strings.Contains(outcomes[0].Message, "no sign of life") {
		t.Errorf("%+v, %v", outcomes, err)
	}
}
