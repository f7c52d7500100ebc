package volume

import (
	"context"
	"errors"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/client/interceptor"

	kahuv1 "github.com/soda-cdm/kahu/api/v1beta1"
	"github.com/soda-cdm/kahu/internal/core/volumeplan"
	"github.com/soda-cdm/kahu/internal/core/volumework"
)

// openOrder is an order that its provider has not carried out, and holds.
func openOrder(name, handle string) *kahuv1.VolumeBackupContent {
	order := doneOrder(name, "d", handle)
	order.Finalizers = []string{kahuv1.VolumeFinalizer}
	order.Status.Phase, order.Status.Backup = kahuv1.VolumePhaseInProgress, nil
	return order
}

// TestOrdersOfAnAbsentProviderAreTakenBack: what a provider has not done when it is given up, it is not to do when it is back; and
// the snapshot goes that was cut for it.
func TestOrdersOfAnAbsentProviderAreTakenBack(t *testing.T) {
	t.Parallel()
	decision, _ := theClaim()
	decision.KeepsSnapshot = true
	order := openOrder(OrderName(theRun, "shop", "data"), "h1")
	c, said := fakeClient(t, Options{Patience: 50 * time.Millisecond}, order, heldContent("c1", "d", "h1"))
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	outcomes, err := c.BackUp(ctx, theRun, []volumeplan.Decision{decision}, func(volumework.Progress) {})
	if err != nil || outcomes[0].Reason != ReasonOrderFailed || !strings.Contains(outcomes[0].Message, "no sign of life") {
		t.Fatalf("%+v, %v", outcomes, err)
	}
	if err := c.api.Get(ctx, client.ObjectKeyFromObject(order), order); err != nil {
		t.Fatal(err)
	}
	if order.DeletionTimestamp.IsZero() || !order.Spec.Cancel || order.Spec.DeletionPolicy == kahuv1.DeletionPolicyDelete {
		t.Errorf("the order still stands: %+v, deleted at %v", order.Spec, order.DeletionTimestamp)
	}
	if err := c.Release(ctx, theRun); err != nil || said["c1"] != policyDelete {
		t.Errorf("its snapshot stays, with policy %q: %v", said["c1"], err)
	}
}

// TestRemoveTriesAll: one order that cannot be removed keeps no other one from being removed.
func TestRemoveTriesAll(t *testing.T) {
	t.Parallel()
	c, _ := fakeClient(t, Options{}, openOrder("o1", "h1"), openOrder("o2", "h2"), openOrder("o3", "h3"))
	refused := apierrors.NewForbidden(schema.GroupResource{Resource: "volumebackupcontents"}, "o2", errors.New("no"))
	c.api = interceptor.NewClient(c.api, interceptor.Funcs{
		Delete: func(ctx context.Context, api client.WithWatch, object client.Object, options ...client.DeleteOption) error {
			if object.GetName() == "o2" {
				return refused
			}
			return api.Delete(ctx, object, options...)
		},
	})
	if err := c.Remove(t.Context(), theRun, nil); !errors.Is(err, refused) {
		t.Errorf("it says %v", err)
	}
	left := &kahuv1.VolumeBackupContentList{}
	if err := c.api.List(t.Context(), left, client.InNamespace(metav1.NamespaceAll)); err != nil {
		t.Fatal(err)
	}
	for i := range left.Items {
		if order := &left.Items[i]; order.DeletionTimestamp.IsZero() != (order.Name == "o2") {
			t.Errorf("%s: deleted at %v", order.Name, order.DeletionTimestamp)
		}
	}
}

// TestOrderThatGoesBeforeItIsFollowed: an order of an earlier attempt is deleted between the look at what there is and the waiting
// for it. Its provider lives, so nothing else would end the waiting.
func TestOrderThatGoesBeforeItIsFollowed(t *testing.T) {
	t.Parallel()
	decision, _ := theClaim()
	order := doneOrder(OrderName(theRun, "shop", "data"), "d", "h1")
	order.Status.Phase = kahuv1.VolumePhaseInProgress
	there := &kahuv1.Provider{ObjectMeta: metav1.ObjectMeta{Name: decision.Provider}}
	there.Status.State = kahuv1.ProviderStateAvailable
	c, _ := fakeClient(t, Options{}, order, there)
	var lists atomic.Int32
	c.api = interceptor.NewClient(c.api, interceptor.Funcs{
		List: func(ctx context.Context, api client.WithWatch, list client.ObjectList, options ...client.ListOption) error {
			err := api.List(ctx, list, options...)
			if _, is := list.(*kahuv1.VolumeBackupContentList); is && err == nil && lists.Add(1) == 1 {
				err = api.Delete(ctx, order)
			}
			return err
		},
	})
	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Second)
	defer cancel()
	outcomes, err := c.BackUp(ctx, theRun, []volumeplan.Decision{decision}, func(volumework.Progress) {})
	if err != nil || outcomes[0].Reason != ReasonOrderFailed || !strings.Contains(outcomes[0].Message, "was deleted") {
		t.Errorf("%+v, %v", outcomes, err)
	}
}

// TestSnapshotThatIsGivenUpBeforeItCanBeUsed: it is no backup, and goes with the run.
func TestSnapshotThatIsGivenUpBeforeItCanBeUsed(t *testing.T) {
	t.Parallel()
	decision, key := theClaim()
	decision.KeepsSnapshot = true
	made := objectOf(snapshotKind, "shop", snapshotName(theRun, key))
	made.SetLabels(theLabel)
	made.Object["status"] = map[string]any{"creationTime": "2026-03-01T02:03:04Z", "boundVolumeSnapshotContentName": "c1", "readyToUse": false}
	content := heldContent("c1", "d", "h1")
	content.Object["spec"] = map[string]any{"driver": "d", "deletionPolicy": "Delete"}
	c, said := fakeClient(t, Options{Patience: time.Second, ReadyTime: time.Hour}, made, content)
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	outcomes, err := c.BackUp(ctx, theRun, []volumeplan.Decision{decision}, func(volumework.Progress) {})
	if err != nil || !strings.Contains(outcomes[0].Message, "no sign of life") || said["c1"] != policyRetain {
		t.Fatalf("%+v, %v, policy %q", outcomes, err, said["c1"])
	}
	if err := c.Release(ctx, theRun); err != nil || said["c1"] != policyDelete {
		t.Errorf("a snapshot that nobody wants stays: %v, policy %q", err, said["c1"])
	}
}

// TestOneThatFailsEndsNothingElse: an order that cannot be given, before others are, leaves these as they are.
func TestOneThatFailsEndsNothingElse(t *testing.T) {
	t.Parallel()
	first := volumeplan.Decision{Claim: volumeplan.Claim{Namespace: "shop", Name: "a"}, Verdict: volumeplan.Chosen, Way: volumeplan.Offload, Provider: "vendor"}
	second := first
	second.Claim.Name = "b"
	there := &kahuv1.Provider{ObjectMeta: metav1.ObjectMeta{Name: "vendor"}}
	there.Status.State = kahuv1.ProviderStateAvailable
	c, _ := fakeClient(t, Options{Patience: time.Minute}, there)
	c.api = interceptor.NewClient(c.api, interceptor.Funcs{
		Create: func(ctx context.Context, api client.WithWatch, object client.Object, options ...client.CreateOption) error {
			if object.GetName() == OrderName(theRun, "shop", "a") {
				return apierrors.NewForbidden(schema.GroupResource{Resource: "volumebackupcontents"}, object.GetName(), nil)
			}
			order, is := object.(*kahuv1.VolumeBackupContent)
			if err := api.Create(ctx, object, options...); err != nil || !is {
				return err
			}
			order.Status.Phase, order.Status.Backup = kahuv1.VolumePhaseCompleted, &kahuv1.VolumeBackupIdentity{Handle: "h"}
			return api.Status().Update(ctx, order)
		},
	})
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	outcomes, err := c.BackUp(ctx, theRun, []volumeplan.Decision{first, second}, func(volumework.Progress) {})
	if err != nil || len(outcomes) != 2 || outcomes[0].Reason != ReasonOrderFailed || outcomes[1].Reason != "" || outcomes[1].Handle != "h" {
		t.Errorf("%+v, %v", outcomes, err)
	}
}
