package e2e_test

import (
	"context"
	"encoding/json"
	"path/filepath"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	kahuv1 "github.com/soda-cdm/kahu/api/v1beta1"
	"github.com/soda-cdm/kahu/internal/controller"
	"github.com/soda-cdm/kahu/internal/core/archive"
	testcluster "github.com/soda-cdm/kahu/internal/testkit/cluster"
	"github.com/soda-cdm/kahu/provider"
	"github.com/soda-cdm/kahu/provider/memory"
)

// sticky is a store of which nothing but manifests can be removed while it is told so.
type sticky struct {
	*memory.Store

	sticks atomic.Bool
	stuck  atomic.Int32
}

func (s *sticky) Delete(ctx context.Context, name string, attributes provider.Attributes) error {
	if s.sticks.Load() && !strings.HasSuffix(name, "/manifest.json") {
		s.stuck.Add(1)
		return provider.ErrUnavailable
	}
	return s.Store.Delete(ctx, name, attributes)
}

// inheriting is collecting, with a manager that does not wait long for other processes' manifests.
func inheriting(options *controller.Options) {
	collecting(options)
	options.Fence = time.Second
}

// awaitInherited returns the location when its condition Inherited has that reason.
func (w *world) awaitInherited(why string) *kahuv1.BackupLocation {
	w.t.Helper()
	return await(w.api, &kahuv1.BackupLocation{ObjectMeta: named("main")}, func(location *kahuv1.BackupLocation) bool {
		return reason(location.Status.Conditions, kahuv1.ConditionInherited) == why
	})
}

// inherits makes the location's spec name those clusters.
func (w *world) inherits(clusterIDs ...string) {
	w.t.Helper()
	wish, err := json.Marshal(map[string]any{"spec": map[string]any{"inheritedClusters": clusterIDs}})
	if err != nil {
		w.t.Fatal(err)
	}
	w.patch(&kahuv1.BackupLocation{ObjectMeta: named("main")}, string(wish))
}

// decide writes down a person's decision about the owner of a part.
func (w *world) decide(about string) {
	w.t.Helper()
	w.patch(&kahuv1.BackupLocation{ObjectMeta: named("main")}, `{"metadata":{"annotations":{"`+kahuv1.AnnotationTakeOwnership+`":"`+about+`"}}}`)
}

// deleteData deletes a view, and means its data.
func (w *world) deleteData(name string) *kahuv1.Backup {
	w.t.Helper()
	view := &kahuv1.Backup{ObjectMeta: named(name)}
	w.patch(view, `{"spec":{"deletionPolicy":"Delete"},"metadata":{"finalizers":["`+kahuv1.BackupFinalizer+`"],"ownerReferences":null}}`)
	w.drop(view)
	return view
}

func (w *world) has(name string) bool { return slices.Contains(w.store.names(), name) }

// TestInheritance: cluster A writes a full backup and an incremental one and is gone. B takes its part over, deletes the full one
// with its data, through the end of a manager, restores the incremental one, and collects what is garbage. A comes back, finds
// that it is not the owner and deletes nothing, until B gives the part back and a person decides for A.
func TestInheritance(t *testing.T) {
	shared := &sticky{Store: memory.New(memory.Options{})}
	stores := newDrivers(func(string) provider.Driver { return shared })
	a := newWorldWith(t, testcluster.Config(t), stores, inheriting)
	namespace := testcluster.Namespace(t)
	a.create(&corev1.ConfigMap{ObjectMeta: in(namespace, "settings"), Data: map[string]string{"of": "a"}})
	full := a.completedBackup("full", only(namespace))
	a.create(&corev1.ConfigMap{ObjectMeta: in(namespace, "more")})
	next := a.completedBackup("next", incremental(namespace))
	if next.Status.Incremental == nil || next.Status.Incremental.BaseName != full.Name {
		t.Fatalf("it has no base: %+v", next.Status)
	}
	a.stop()
	ofA := full.Status.ClusterID
	idOf := func(backup *kahuv1.Backup) archive.BackupID {
		return archive.BackupID{ClusterID: ofA, Name: backup.Name, UID: string(backup.UID)}
	}
	garbage := archive.SegmentID{ClusterID: ofA, Attempt: "nobodys", Number: 1}.Name()
	a.store.write(garbage, []byte("garbage"))

	fresh := testcluster.Start(t)
	testcluster.InstallCRDs(t, fresh.Config(), filepath.Join(top, "config", "crd"))
	b := newWorldWith(t, fresh.Config(), stores, inheriting)
	b.awaitView("full")
	b.notInherited(ofA, garbage)
	b.takesOver(ofA)

	// The data of the full one goes, although the manager ends in the middle of it; what the other one needs of it stays.
	b.eventually("the garbage to be collected", func() bool { return !b.has(garbage) })
	if counted := b.awaitLocation("main", metav1.ConditionTrue).Status.Collection; counted == nil {
		t.Error("the collection is not told of")
	}
	shared.sticks.Store(true)
	view := b.deleteData("full")
	b.eventually("the manifest to go", func() bool { return shared.stuck.Load() > 0 && !b.has(idOf(full).ManifestName()) })
	b.stop()
	shared.sticks.Store(false)
	if !b.has(idOf(full).IndexName()) {
		t.Fatal("the deletion did not end in the middle")
	}
	b.stop = startManagerWith(t, fresh.Config(), stores, inheriting)
	b.awaitGone(view)
	if b.has(idOf(full).IndexName()) {
		t.Error("its files are still there")
	}
	b.completedRestore("next", "next", nil)
	if found := (&corev1.ConfigMap{ObjectMeta: in(namespace, "settings")}); !b.get(found) || found.Data["of"] != "a" {
		t.Errorf("what was only in the full one is restored as %v", found.Data)
	}

	before := b.listing()
	startManagerWith(t, testcluster.Config(t), stores, inheriting)
	a.awaitOwned(metav1.ConditionFalse)
	a.drop(next)
	held := await(a.api, next, func(backup *kahuv1.Backup) bool {
		return reason(backup.Status.Conditions, kahuv1.ConditionDataDeleted) == kahuv1.ReasonNotOwner
	})
	ofB := b.awaitLocation("main", metav1.ConditionTrue).Status.ClusterID
	if message := meta.FindStatusCondition(held.Status.Conditions, kahuv1.ConditionDataDeleted).Message; !strings.Contains(message, "cluster "+ofB) {
		t.Errorf("A does not say who has taken it over: %s", message)
	}
	b.unchanged(before)

	// Given back, and taken back.
	b.inherits()
	a.decide(full.Status.LocationID)
	a.awaitGone(next)
	a.eventually("the last segments to be collected", func() bool { return a.segmentsOf(ofA) == 0 })
}

// notInherited deletes a view of a cluster whose part is not inherited, with all its might, and nothing is removed.
func (w *world) notInherited(ofA, garbage string) {
	w.t.Helper()
	before := w.listing()
	row := w.rowOf(ofA)
	if row.Backups != 2 || row.LastBackupTime == nil || row.LastWriteTime == nil || row.OwnerWriteTime == nil {
		w.t.Errorf("it says of cluster A: %+v", row)
	}
	w.awaitGone(w.deleteData("full"))
	again := w.awaitView("full")
	if len(again.Finalizers) > 0 {
		w.t.Errorf("the view has finalizers: %v", again.Finalizers)
	}
	w.unchanged(before)
	if !w.has(garbage) {
		w.t.Error("a part that is not inherited was collected")
	}
}

// rowOf returns what the location says of a cluster.
func (w *world) rowOf(clusterID string) (row kahuv1.LocationCluster) {
	w.t.Helper()
	await(w.api, &kahuv1.BackupLocation{ObjectMeta: named("main")}, func(location *kahuv1.BackupLocation) bool {
		for _, row = range location.Status.Clusters {
			if row.ID == clusterID {
				return true
			}
		}
		return false
	})
	return row
}

// takesOver takes the part over, against the objection that its cluster may live.
func (w *world) takesOver(ofA string) {
	w.t.Helper()
	owner := string(w.store.read(archive.OwnerName(ofA)))
	w.inherits("nobody", ofA)
	w.eventually("both to be answered", func() bool {
		location := &kahuv1.BackupLocation{ObjectMeta: named("main")}
		w.get(location)
		answers := map[string]string{}
		for _, row := range location.Status.Inherited {
			answers[row.ClusterID] = row.Reason
		}
		return answers["nobody"] == kahuv1.ReasonClusterNotFound && answers[ofA] == kahuv1.ReasonWrittenRecently
	})
	if w.has(archive.OwnerName("nobody")) || string(w.store.read(archive.OwnerName(ofA))) != owner {
		w.t.Error("an owner file was written")
	}
	w.inherits(ofA)
	location := w.awaitInherited(kahuv1.ReasonWrittenRecently)
	if message := meta.FindStatusCondition(location.Status.Conditions, kahuv1.ConditionInherited).Message; !strings.Contains(message, "location inherit main --cluster "+ofA+" --force") {
		w.t.Errorf("it does not say what to do: %s", message)
	}
	w.decide(location.Status.LocationID + "/" + ofA)
	location = w.awaitInherited(kahuv1.ReasonInherited)
	now := &kahuv1.BackupLocation{ObjectMeta: named("main")}
	w.get(now)
	if now.Annotations[kahuv1.AnnotationTakeOwnership] != "" {
		w.t.Error("the decision is not taken back")
	}
	if text := string(w.store.read(archive.OwnerName(ofA))); !strings.Contains(text, location.Status.Inherited[0].Owner.Nonce) || !strings.Contains(text, location.Status.ClusterID) {
		w.t.Errorf("the owner file is %s", text)
	}
}

// TestInheritedWhenQuiet: a part in which nothing is written is taken over by itself, remembered by a location that is made
// again, and not taken over by a second cluster that wishes for it too.
func TestInheritedWhenQuiet(t *testing.T) {
	shared := memory.New(memory.Options{})
	stores := newDrivers(func(string) provider.Driver { return shared })
	quick := func(options *controller.Options) {
		inheriting(options)
		options.InheritAfter = time.Second
	}
	w := newWorldWith(t, testcluster.Config(t), stores, quick)
	id := archive.BackupID{ClusterID: "another-cluster", Name: "nightly", UID: "uid"}
	w.store.write(id.IntentName(), []byte("{}"))
	w.inherits(id.ClusterID)
	location := w.awaitInherited(kahuv1.ReasonInherited)
	owner := location.Status.Inherited[0].Owner.Nonce

	w.remake(func() {})
	w.inherits(id.ClusterID)
	again := w.awaitInherited(kahuv1.ReasonInherited)
	if found := again.Status.Inherited[0].Owner.Nonce; found != owner {
		t.Errorf("the nonce was %s and is %s", owner, found)
	}

	fresh := testcluster.Start(t)
	testcluster.InstallCRDs(t, fresh.Config(), filepath.Join(top, "config", "crd"))
	other := newWorldWith(t, fresh.Config(), stores, quick)
	other.inherits(id.ClusterID)
	refused := other.awaitInherited(kahuv1.ReasonNotOwner)
	if message := refused.Status.Inherited[0].Message; !strings.Contains(message, "cluster "+location.Status.ClusterID) {
		t.Errorf("it does not say who has it: %s", message)
	}
}
