package volume_test

import (
	"context"
	"slices"
	"strings"
	"testing"
	"time"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/utils/clock"
	"sigs.k8s.io/controller-runtime/pkg/client"

	kahuv1 "github.com/soda-cdm/kahu/api/v1beta1"
	"github.com/soda-cdm/kahu/internal/core/volumeplan"
	"github.com/soda-cdm/kahu/internal/core/volumework"
	"github.com/soda-cdm/kahu/internal/volume"
)

const groupFinalizer = "groupsnapshot.storage.kubernetes.io/volumegroupsnapshotcontent-bound-protection"

// groupClass makes a class with which snapshots can be cut together.
func (w *world) groupClass(name string) {
	w.Helper()
	made := &unstructured.Unstructured{Object: map[string]any{
		"apiVersion": "groupsnapshot.storage.k8s.io/v1", "kind": "VolumeGroupSnapshotClass", "metadata": map[string]any{"name": name},
		"driver": driver, "deletionPolicy": "Delete", "parameters": map[string]any{
			"csi.storage.k8s.io/group-snapshotter-secret-name":      "array-${volumegroupsnapshot.namespace}",
			"csi.storage.k8s.io/group-snapshotter-secret-namespace": "storage",
		},
	}}
	w.create(made)
	w.Cleanup(func() { _ = w.Delete(context.WithoutCancel(w.Context()), made) })
}

// groups returns what stands for the groups of the run.
func (w *world) groups(ctx context.Context) []unstructured.Unstructured {
	list := &unstructured.UnstructuredList{}
	list.SetAPIVersion("groupsnapshot.storage.k8s.io/v1")
	list.SetKind("VolumeGroupSnapshotContentList")
	_ = w.List(ctx, list, client.MatchingLabels{kahuv1.BackupUIDLabel: w.run.UID})
	return list.Items
}

// serveGroups plays a storage system that cuts groups: it answers with what the test says for these volumes. An object that is
// deleted goes when it is marked for that.
func (w *world) serveGroups(answer func(volumes []string) map[string]any) {
	ctx, cancel := context.WithCancel(w.Context())
	ended := make(chan struct{})
	w.Cleanup(func() { cancel(); <-ended })
	go func() {
		defer close(ended)
		for pause(ctx) {
			for _, group := range w.groups(ctx) {
				w.serveGroup(ctx, &group, answer)
			}
		}
	}()
}

func (w *world) serveGroup(ctx context.Context, group *unstructured.Unstructured, answer func(volumes []string) map[string]any) {
	ending := group.GetAnnotations()["groupsnapshot.storage.kubernetes.io/volumegroupsnapshot-being-deleted"] != ""
	_, answered := group.Object["status"]
	switch {
	case group.GetDeletionTimestamp() != nil && ending:
		group.SetFinalizers(slices.DeleteFunc(group.GetFinalizers(), func(each string) bool { return each == groupFinalizer }))
		_ = w.Update(ctx, group)
	case group.GetDeletionTimestamp() == nil && len(group.GetFinalizers()) == 0:
		group.SetFinalizers([]string{groupFinalizer})
		_ = w.Update(ctx, group)
	case group.GetDeletionTimestamp() == nil && !answered && answer != nil:
		volumes, _, _ := unstructured.NestedStringSlice(group.Object, "spec", "source", "volumeHandles")
		group.Object["status"] = answer(volumes)
		_ = w.Status().Update(ctx, group)
	}
}

// cutAll answers that all volumes are cut.
func cutAll(volumes []string) map[string]any {
	now := clock.RealClock{}.Now()
	var list []any
	for _, handle := range volumes {
		list = append(list, map[string]any{
			"volumeHandle": handle, "snapshotHandle": "snap-of-" + handle, "creationTime": now.UnixNano(), "restoreSize": int64(1 << 30), "readyToUse": true,
		})
	}
	return map[string]any{
		"volumeGroupSnapshotHandle": "group-1", "readyToUse": true, "creationTime": now.UTC().Format(time.RFC3339), "volumeSnapshotInfoList": list,
	}
}

func refuse([]string) map[string]any {
	return map[string]any{"readyToUse": false, "error": map[string]any{"message": "the volumes are in two pools"}}
}

// grouped is a world in which claims a and b are to be cut together.
func grouped(t *testing.T, options volume.Options) (*world, []volumeplan.Decision) {
	t.Helper()
	w := newWorld(t, options)
	name := strings.ToLower(t.Name())
	w.provider(name)
	w.class(name)
	w.groupClass(name)
	decisions := w.plan(w.claim("b"), w.claim("a"))
	for _, decision := range decisions {
		if decision.Group.Name == "" || decision.Group.Class != name {
			t.Fatalf("planned is %+v", decision)
		}
	}
	return w, decisions
}

func (w *world) cutAndWant(decisions []volumeplan.Decision, failures int) {
	w.Helper()
	failed, err := w.volumes.Cut(w.Context(), w.run, volumework.Moment{Attempt: "first"}, decisions)
	if err != nil || len(failed) != failures {
		w.Fatalf("cutting: %v, %v", failed, err)
	}
}

// wantNothing waits until nothing stands for a snapshot or a group.
func (w *world) wantNothing() {
	w.Helper()
	w.eventually("nothing is left", func() bool {
		return len(w.groups(w.Context()))+len(w.list("VolumeSnapshot"))+len(w.list("VolumeSnapshotContent")) == 0
	})
}

// TestVolumesAreCutTogether: nothing is changed or made in the namespace of the claims, and the snapshots stay when what stood
// for them goes.
func TestVolumesAreCutTogether(t *testing.T) {
	w, decisions := grouped(t, volume.Options{})
	w.serveGroups(cutAll)
	w.cutAndWant(decisions, 0)
	if snapshots := w.list("VolumeSnapshot"); len(snapshots) > 0 {
		t.Errorf("%d snapshots were cut one by one", len(snapshots))
	}
	claim := &corev1.PersistentVolumeClaim{}
	if err := w.Get(t.Context(), client.ObjectKey{Namespace: w.namespace, Name: "a"}, claim); err != nil || len(claim.Labels) > 0 {
		t.Errorf("the claim has the labels %v: %v", claim.Labels, err)
	}
	if err := w.volumes.Release(t.Context(), volumework.Run{Name: "other", UID: "other"}); err != nil {
		t.Error(err)
	}
	w.provide(kahuv1.VolumePhaseCompleted)
	outcomes, err := w.volumes.BackUp(t.Context(), w.run, decisions, func(volumework.Progress) {})
	if err != nil {
		t.Fatal(err)
	}
	for _, outcome := range outcomes {
		if outcome.Reason != "" || outcome.Handle != "snap-of-"+outcome.Decision.Claim.Handle || !outcome.Cut.Equal(outcomes[0].Cut) || outcome.Cut.IsZero() {
			t.Errorf("%s: %+v", outcome.Decision.Claim.Name, outcome)
		}
	}
	for _, order := range w.orders(t.Context()) {
		group, secret := order.Spec.Snapshot.Group, order.Spec.Snapshot.DeletionSecret
		if group == nil || group.Handle != "group-1" || len(group.Snapshots) != 2 || !slices.Contains(group.Snapshots, order.Spec.Snapshot.Handle) {
			t.Errorf("the order is for a snapshot of the group %+v", group)
		}
		if secret == nil || *secret != (kahuv1.SnapshotSecret{Namespace: "storage", Name: "array-" + w.namespace}) {
			t.Errorf("the order is for a snapshot that is deleted with %v", secret)
		}
	}
	w.wantPolicy("Retain")
	if err := w.volumes.Release(t.Context(), w.run); err != nil {
		t.Fatal(err)
	}
	w.wantNothing()
}

// wantPolicy checks what becomes of the snapshots of the only group, and that it is on record that they are a backup.
func (w *world) wantPolicy(policy string) {
	w.Helper()
	groups := w.groups(w.Context())
	if len(groups) != 1 {
		w.Fatalf("there are %d groups", len(groups))
	}
	said, _, _ := unstructured.NestedString(groups[0].Object, "spec", "deletionPolicy")
	if said != policy || groups[0].GetAnnotations()["kahu.io/keeps-snapshot"] != "true" {
		w.Errorf("the group has the policy %s and the annotations %v", said, groups[0].GetAnnotations())
	}
}

// TestGroupIsCutOneByOne, where the storage system refuses it: the decisions say why.
func TestGroupIsCutOneByOne(t *testing.T) {
	w, decisions := grouped(t, volume.Options{})
	w.serveGroups(refuse)
	w.serve()
	w.cutAndWant(decisions, 0)
	for _, decision := range decisions {
		if decision.Group.Name != "" || !strings.Contains(decision.Message, "by itself: no group of snapshots: the volumes are in two pools") {
			t.Errorf("%+v", decision)
		}
	}
	if snapshots := w.list("VolumeSnapshot"); len(snapshots) != 2 {
		t.Errorf("%d snapshots were cut one by one", len(snapshots))
	}
	w.eventually("the group is gone", func() bool { return len(w.groups(t.Context())) == 0 })
	again := w.plan(decisions[0].Claim.Key(), decisions[1].Claim.Key())
	w.cutAndWant(again, 0)
	if again[0].Group.Name != "" || len(w.groups(t.Context())) > 0 {
		t.Errorf("another attempt cuts a group of what was cut one by one: %+v", again[0])
	}
	if err := w.volumes.Release(t.Context(), w.run); err != nil {
		t.Fatal(err)
	}
	w.eventually("the snapshots are gone", func() bool { return len(w.list("VolumeSnapshot")) == 0 })
}

// TestGroupThatIsDemanded is cut or nothing is.
func TestGroupThatIsDemanded(t *testing.T) {
	w, decisions := grouped(t, volume.Options{CutTime: 2 * time.Second})
	for i := range decisions {
		decisions[i].Group.Required = true
	}
	w.serveGroups(refuse)
	w.serve()
	w.cutAndWant(decisions, 2)
	if snapshots := w.list("VolumeSnapshot"); len(snapshots) > 0 {
		t.Errorf("%d snapshots were cut one by one", len(snapshots))
	}
	w.wantNothing()
}

// TestGroupThatNobodyCuts: there is no csi-snapshotter that knows of groups, and nobody but Kahu would let the object go.
func TestGroupThatNobodyCuts(t *testing.T) {
	w, decisions := grouped(t, volume.Options{CutTime: 2 * time.Second})
	w.serve()
	ctx, cancel := context.WithCancel(t.Context())
	ended := make(chan struct{})
	t.Cleanup(func() { cancel(); <-ended })
	go func() { // the snapshot controller, which knows of groups
		defer close(ended)
		for pause(ctx) {
			for _, group := range w.groups(ctx) {
				if group.GetDeletionTimestamp() == nil && len(group.GetFinalizers()) == 0 {
					group.SetFinalizers([]string{groupFinalizer})
					_ = w.Update(ctx, &group)
				}
			}
		}
	}()
	w.cutAndWant(decisions, 0)
	if !strings.Contains(decisions[0].Message, "by itself") {
		t.Errorf("it says %s", decisions[0].Message)
	}
	w.eventually("the group is gone", func() bool { return len(w.groups(t.Context())) == 0 })
}

// TestClaimThatAGroupLeavesOut is cut by itself.
func TestClaimThatAGroupLeavesOut(t *testing.T) {
	w, decisions := grouped(t, volume.Options{})
	w.serveGroups(func(volumes []string) map[string]any { return cutAll(volumes[:1]) })
	w.serve()
	w.cutAndWant(decisions, 0)
	if decisions[0].Group.Name == "" || decisions[1].Group.Name != "" || !strings.Contains(decisions[1].Message, "has no snapshot of it") {
		t.Errorf("%+v", decisions)
	}
	if snapshots := w.list("VolumeSnapshot"); len(snapshots) != 1 {
		t.Errorf("%d snapshots were cut one by one", len(snapshots))
	}
}

// TestGroupOfADeadRun was cut and is no backup: it goes with its snapshots. Of one that may be a backup, nobody knows.
func TestGroupOfADeadRun(t *testing.T) {
	w, decisions := grouped(t, volume.Options{})
	w.serveGroups(cutAll)
	w.cutAndWant(decisions, 0)
	w.cutAndWant(w.plan(decisions[0].Claim.Key(), decisions[1].Claim.Key()), 0)
	group := w.groups(t.Context())[0]
	w.hold(append(group.GetFinalizers(), "example.com/watched"))
	if err := w.volumes.Release(t.Context(), w.run); err != nil {
		t.Fatal(err)
	}
	group = w.groups(t.Context())[0]
	if policy, _, _ := unstructured.NestedString(group.Object, "spec", "deletionPolicy"); policy != "Delete" || group.GetDeletionTimestamp() == nil {
		t.Errorf("the group is %v", group.Object)
	}
	w.hold(nil)
}

// hold sets the finalizers of the only group, whatever the storage system writes meanwhile.
func (w *world) hold(finalizers []string) {
	w.Helper()
	group := w.groups(w.Context())[0]
	before := group.DeepCopy()
	group.SetFinalizers(finalizers)
	if err := w.Patch(w.Context(), &group, client.MergeFrom(before)); err != nil {
		w.Fatal(err)
	}
}

// TestGroupOfWhichOneOrderFailed stays as long as the others are a backup.
func TestGroupOfWhichOneOrderFailed(t *testing.T) {
	w, decisions := grouped(t, volume.Options{})
	w.serveGroups(cutAll)
	w.cutAndWant(decisions, 0)
	w.provide(kahuv1.VolumePhaseCompleted)
	if _, err := w.volumes.BackUp(t.Context(), w.run, decisions, func(volumework.Progress) {}); err != nil {
		t.Fatal(err)
	}
	failed := w.orders(t.Context())[0]
	failed.Status.Phase, failed.Status.Backup = kahuv1.VolumePhaseFailed, nil
	if err := w.Status().Update(t.Context(), &failed); err != nil {
		t.Fatal(err)
	}
	group := w.groups(t.Context())[0]
	w.hold(append(group.GetFinalizers(), "example.com/watched"))
	if err := w.volumes.Release(t.Context(), w.run); err != nil {
		t.Fatal(err)
	}
	w.wantPolicy("Retain")
	w.hold(nil)
	w.wantNothing()
}

// TestGroupOfAnotherMoment: what was cut when nobody held still is not taken while applications hold still, and is cut again.
func TestGroupOfAnotherMoment(t *testing.T) {
	w, decisions := grouped(t, volume.Options{})
	w.serveGroups(cutAll)
	w.serve()
	w.cutAndWant(decisions, 0)
	again := w.plan(decisions[0].Claim.Key(), decisions[1].Claim.Key())
	failed, err := w.volumes.Cut(t.Context(), w.run, volumework.Moment{Attempt: "second", Held: true}, again)
	if err != nil || len(failed) > 0 || again[0].Group.Name != "" || !strings.Contains(again[0].Message, "did not hold still") {
		t.Errorf("%+v, %v, %v", again[0], failed, err)
	}
	if snapshots := w.list("VolumeSnapshot"); len(snapshots) != 2 {
		t.Errorf("%d snapshots were cut one by one", len(snapshots))
	}
	w.eventually("the group is gone", func() bool { return len(w.groups(t.Context())) == 0 })
}

// TestGroupOfAMomentThatIsOver is taken by another attempt, and no other is cut.
func TestGroupOfAMomentThatIsOver(t *testing.T) {
	w, decisions := grouped(t, volume.Options{})
	w.serveGroups(cutAll)
	w.serve()
	now := clock.RealClock{}.Now()
	over := volumework.Moment{Attempt: "first", Over: true, From: now, To: now.Add(time.Minute)}
	failed, err := w.volumes.Cut(t.Context(), w.run, over, w.plan(decisions[0].Claim.Key(), decisions[1].Claim.Key()))
	if err != nil || len(failed) != 2 || len(w.groups(t.Context())) > 0 {
		t.Errorf("of what was not cut: %v, %v, %d groups", failed, err, len(w.groups(t.Context())))
	}
	w.cutAndWant(decisions, 0)
	again := w.plan(decisions[0].Claim.Key(), decisions[1].Claim.Key())
	if failed, err := w.volumes.Cut(t.Context(), w.run, over, again); err != nil || len(failed) > 0 || again[0].Group.Name == "" {
		t.Errorf("of what was cut: %v, %v, %+v", failed, err, again[0])
	}
	other := over
	other.Attempt = "zeroth"
	if failed, err := w.volumes.Cut(t.Context(), w.run, other, again); err != nil || len(failed) != 2 {
		t.Errorf("of what another attempt has cut: %v, %v", failed, err)
	}
}
