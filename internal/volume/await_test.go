package volume_test

import (
	"context"
	"maps"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	corev1 "k8s.io/api/core/v1"
	storagev1 "k8s.io/api/storage/v1"
	"k8s.io/apimachinery/pkg/api/resource"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	kahuv1 "github.com/soda-cdm/kahu/api/v1beta1"
	"github.com/soda-cdm/kahu/internal/core"
	"github.com/soda-cdm/kahu/internal/core/volumework"
	"github.com/soda-cdm/kahu/internal/volume"
)

// storageClass makes a class whose volumes nobody makes, and returns its name.
func (w *world) storageClass(mode storagev1.VolumeBindingMode) string {
	name := w.namespace + "-" + strings.ToLower(string(mode))
	w.create(&storagev1.StorageClass{ObjectMeta: metav1.ObjectMeta{Name: name}, Provisioner: driver, VolumeBindingMode: &mode})
	return name
}

// pending makes a claim that is to be made from something, and for which there is an order.
func (w *world) pending(name, class string) core.Key {
	w.Helper()
	group := "snapshot.storage.k8s.io"
	w.create(&corev1.PersistentVolumeClaim{ObjectMeta: metav1.ObjectMeta{Namespace: w.namespace, Name: name}, Spec: corev1.PersistentVolumeClaimSpec{
		AccessModes: []corev1.PersistentVolumeAccessMode{corev1.ReadWriteOnce}, StorageClassName: &class,
		Resources:     corev1.VolumeResourceRequirements{Requests: corev1.ResourceList{corev1.ResourceStorage: resource.MustParse("1Gi")}},
		DataSourceRef: &corev1.TypedObjectReference{APIGroup: &group, Kind: "VolumeSnapshot", Name: "n"},
	}})
	w.make(name)
	return core.Key{Resource: "persistentvolumeclaims", Namespace: w.namespace, Name: name}
}

func (w *world) make(name string) {
	w.Helper()
	if _, err := w.volumes.Make(w.Context(), w.run, w.wish(name)); err != nil {
		w.Fatal(err)
	}
}

func (w *world) orderOf(claim string) *kahuv1.VolumeRestoreContent {
	w.Helper()
	list := &kahuv1.VolumeRestoreContentList{}
	if err := w.List(w.Context(), list, client.MatchingLabels{kahuv1.RestoreUIDLabel: w.run.UID}); err != nil {
		w.Fatal(err)
	}
	for i := range list.Items {
		if list.Items[i].Spec.Claim.Name == claim {
			return &list.Items[i]
		}
	}
	w.Fatalf("no order for %s", claim)
	return nil
}

// sourced is the status of an order whose claim the cluster fills.
func sourced() kahuv1.VolumeRestoreContentStatus {
	return kahuv1.VolumeRestoreContentStatus{
		VolumeOrderStatus: kahuv1.VolumeOrderStatus{Phase: kahuv1.VolumePhaseInProgress},
		DataSource:        &kahuv1.VolumeDataSource{APIGroup: "snapshot.storage.k8s.io", Kind: "VolumeSnapshot", Name: "n"},
	}
}

// TestAwait: a volume is waited for as long as it is being made, and no longer; who waits for a pod is left to it.
func TestAwait(t *testing.T) {
	w := newWorld(t, volume.Options{LookTime: 200 * time.Millisecond})
	w.provider("maker")
	statuses := map[string]kahuv1.VolumeRestoreContentStatus{}
	for _, name := range []string{"slow", "broken", "bound", "orphan", "delayed", "gone", "stranger"} {
		statuses[name] = sourced()
	}
	w.answer(statuses)
	atOnce, later := w.storageClass(storagev1.VolumeBindingImmediate), w.storageClass(storagev1.VolumeBindingWaitForFirstConsumer)
	wish := volumework.Awaited{Pods: time.Second, Claims: []core.Key{w.claim("bound")}}
	w.make("bound")
	for name, class := range map[string]string{"slow": atOnce, "broken": atOnce, "orphan": atOnce, "delayed": later, "gone": atOnce} {
		wish.Claims = append(wish.Claims, w.pending(name, class))
	}
	w.make("stranger")
	for _, name := range []string{"bound", "orphan"} { // Whoever tidies up too early.
		if err := w.Delete(t.Context(), w.orderOf(name)); err != nil {
			t.Fatal(err)
		}
	}
	if err := w.Delete(t.Context(), &corev1.PersistentVolumeClaim{ObjectMeta: metav1.ObjectMeta{Namespace: w.namespace, Name: "gone"}}); err != nil {
		t.Fatal(err)
	}
	w.create(&corev1.Event{
		ObjectMeta: metav1.ObjectMeta{Namespace: w.namespace, Name: "trouble"}, Type: corev1.EventTypeWarning, Message: "the pool is full",
		InvolvedObject: corev1.ObjectReference{Kind: "PersistentVolumeClaim", Namespace: w.namespace, Name: "slow"},
	})
	var alone sync.Once
	said := map[string]bool{}
	rows, err := w.volumes.Await(t.Context(), w.run, wish, func(going []volumework.Restored) {
		for i := range going {
			if going[i].Claim.Name == "slow" {
				said[going[i].Message] = true
			}
		}
		if len(going) != 2 || !said["the pool is full"] { // All but slow and broken have been dealt with.
			return
		}
		alone.Do(func() {
			for name, phase := range map[string]kahuv1.VolumePhase{"slow": kahuv1.VolumePhaseCompleted, "broken": kahuv1.VolumePhaseFailed} {
				order := w.orderOf(name)
				order.Status.Phase, order.Status.FailureReason = phase, "the disk is on fire"
				if err := w.Status().Update(t.Context(), order); err != nil {
					t.Error(err)
				}
			}
		})
	})
	if err != nil {
		t.Fatal(err)
	}
	got := map[string]volumework.State{}
	for i := range rows {
		got[rows[i].Claim.Name] = rows[i].State
	}
	want := map[string]volumework.State{
		"slow": volumework.Done, "broken": volumework.Lost, "bound": volumework.Done, "orphan": volumework.Lost,
		"delayed": volumework.Delayed, "gone": volumework.Lost,
	}
	if !maps.Equal(got, want) {
		t.Errorf("%+v", rows)
	}
	if !w.orderOf("stranger").Spec.Cancel || w.orderOf("delayed").Spec.Cancel {
		t.Errorf("the order without a claim is %+v, the one that waits for a pod %+v", w.orderOf("stranger").Spec, w.orderOf("delayed").Spec)
	}
}

// TestVolumeThatStandsStillIsGivenUp and the next one: what does not come is not waited for without end.
func TestVolumeThatStandsStillIsGivenUp(t *testing.T) {
	w := newWorld(t, volume.Options{LookTime: 100 * time.Millisecond, StillTime: time.Second})
	w.provider("maker")
	w.givenUp("maker")
}

func TestProviderThatLeavesIsGivenUp(t *testing.T) {
	w := newWorld(t, volume.Options{LookTime: 100 * time.Millisecond, Patience: time.Second})
	w.givenUp("nobody")
}

// givenUp awaits a volume that is being made by a provider, and that never comes.
func (w *world) givenUp(provider string) {
	w.Helper()
	order := &kahuv1.VolumeRestoreContent{
		ObjectMeta: metav1.ObjectMeta{Name: volume.OrderName(w.run, w.namespace, "data"), Labels: map[string]string{kahuv1.RestoreUIDLabel: w.run.UID}},
		Spec: kahuv1.VolumeRestoreContentSpec{
			RestoreName: "r", RestoreUID: w.run.UID, ProviderName: provider, Backup: kahuv1.VolumeBackupIdentity{Handle: "h"},
			Claim: kahuv1.VolumeClaim{Namespace: w.namespace, Name: "data"}, ClaimTemplate: kahuv1.JSONValue{Raw: []byte(`{}`)},
		},
	}
	w.create(order)
	order.Status = sourced()
	if err := w.Status().Update(w.Context(), order); err != nil {
		w.Fatal(err)
	}
	wish := volumework.Awaited{Pods: time.Second, Claims: []core.Key{w.pending("data", w.storageClass(storagev1.VolumeBindingImmediate))}}
	rows, err := w.volumes.Await(w.Context(), w.run, wish, func([]volumework.Restored) {})
	if err != nil || len(rows) != 1 || rows[0].State != volumework.Lost {
		w.Errorf("%+v, %v", rows, err)
	}
}

// TestWatch: how far the orders of a restore are is told as it changes.
func TestWatch(t *testing.T) {
	w := newWorld(t, volume.Options{})
	w.provider("maker")
	done, all := int64(5), int64(9)
	half := sourced()
	half.Progress = kahuv1.VolumeProgress{BytesDone: &done, BytesTotal: &all}
	w.answer(map[string]kahuv1.VolumeRestoreContentStatus{"a": half, "b": {
		VolumeOrderStatus: kahuv1.VolumeOrderStatus{Phase: kahuv1.VolumePhaseCompleted}, Volume: &kahuv1.VolumeIdentity{Handle: "v"},
	}})
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	var last []volumework.Progress
	for _, name := range []string{"a", "b"} {
		w.make(name)
	}
	w.volumes.Watch(ctx, w.run, func(now volumework.Progress) {
		if last = append(last, now); now.Done == 1 && now.BytesDone == done {
			cancel()
		}
	})
	if len(last) == 0 || !slices.Contains(last, volumework.Progress{Done: 1, BytesDone: done, BytesTotal: all}) {
		t.Errorf("%+v", last)
	}
}
