package e2e_test

import (
	"context"
	"errors"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/rest"
	"k8s.io/utils/clock"

	kahuv1 "github.com/soda-cdm/kahu/api/v1beta1"
	"github.com/soda-cdm/kahu/internal/controller"
	"github.com/soda-cdm/kahu/internal/core/archive"
	testcluster "github.com/soda-cdm/kahu/internal/testkit/cluster"
	"github.com/soda-cdm/kahu/provider"
	"github.com/soda-cdm/kahu/provider/memory"
	"github.com/soda-cdm/kahu/providers/filesystem"
)

// lateClock is a clock that is an hour late.
type lateClock struct{ clock.PassiveClock }

func (c lateClock) Now() time.Time { return c.PassiveClock.Now().Add(-time.Hour) }

func (c lateClock) Since(since time.Time) time.Duration { return c.Now().Sub(since) }

// collecting has what nobody needs removed soon.
func collecting(options *controller.Options) {
	options.CollectEvery, options.CollectGrace = 300*time.Millisecond, time.Second
}

// incremental is only, on top of what there is.
func incremental(namespace string) func(spec *kahuv1.BackupSpec) {
	return func(spec *kahuv1.BackupSpec) {
		only(namespace)(spec)
		spec.Mode = kahuv1.BackupModeIncremental
	}
}

// segmentsOf returns how many segments a cluster has at the location.
func (w *world) segmentsOf(clusterID string) int {
	names := slices.DeleteFunc(w.store.names(), func(name string) bool {
		return !strings.HasPrefix(name, archive.SegmentsFolder(clusterID))
	})
	return len(names)
}

// TestTwoClusters: two clusters whose clocks are an hour apart use one location, back up at once, delete and collect, and
// neither disturbs the other; what one wrote is restored in the other while it lives, and when it is gone.
func TestTwoClusters(t *testing.T) {
	shared := memory.New(memory.Options{})
	stores := newDrivers(func(string) provider.Driver { return shared })
	a := newWorldWith(t, testcluster.Config(t), stores, collecting)
	fresh := testcluster.Start(t)
	testcluster.InstallCRDs(t, fresh.Config(), filepath.Join(top, "config", "crd"))
	b := newWorldWith(t, fresh.Config(), stores, func(options *controller.Options) {
		collecting(options)
		options.Clock = lateClock{clock.RealClock{}}
	})
	namespace := testcluster.Namespace(t)
	a.create(&corev1.ConfigMap{ObjectMeta: in(namespace, "settings"), Data: map[string]string{"of": "a"}})
	b.create(&corev1.Namespace{ObjectMeta: named("of-b")})
	b.create(&corev1.ConfigMap{ObjectMeta: in("of-b", "settings"), Data: map[string]string{"of": "b"}})

	a.startBackup("full-of-a", only(namespace))
	b.startBackup("full-of-b", only("of-b"))
	base, other := a.awaitBackup("full-of-a"), b.awaitBackup("full-of-b")
	if base.Status.State != kahuv1.StateCompleted || other.Status.State != kahuv1.StateCompleted || base.Status.ClusterID == other.Status.ClusterID {
		t.Fatalf("at once: %+v and %+v", base.Status, other.Status)
	}
	next := a.completedBackup("next-of-a", incremental(namespace))
	if next.Status.Incremental == nil || next.Status.Incremental.BaseName != base.Name {
		t.Fatalf("it has no base: %+v", next.Status)
	}
	a.awaitView("full-of-b")
	b.awaitView("next-of-a")

	// The base goes; what the other backup needs of it stays, through collections in both clusters.
	a.remove(base)
	collected := func(w *world) {
		after := metav1.Time{Time: w.awaitLocation("main", metav1.ConditionTrue).Status.LastProbeTime.Time}
		await(w.api, &kahuv1.BackupLocation{ObjectMeta: named("main")}, func(location *kahuv1.BackupLocation) bool {
			last := location.Status.Collection
			return last != nil && last.Time.After(after.Time)
		})
	}
	collected(a)
	collected(b)
	b.completedRestore("while-a-lives", "next-of-a", nil)
	if found := (&corev1.ConfigMap{ObjectMeta: in(namespace, "settings")}); !b.get(found) || found.Data["of"] != "a" {
		t.Errorf("it is not in the other cluster: %v", found.Data)
	}

	// When nobody needs them any more, they go, and nothing of the other cluster does.
	ofB := b.segmentsOf(other.Status.ClusterID)
	a.completedBackup("last-of-a", only(namespace))
	left := a.segmentsOf(base.Status.ClusterID)
	a.remove(next)
	a.eventually("the segments of the base to be collected", func() bool { return a.segmentsOf(base.Status.ClusterID) < left })
	if b.segmentsOf(other.Status.ClusterID) != ofB || ofB == 0 {
		t.Error("segments of the other cluster are gone")
	}
	a.completedRestore("of-b", "full-of-b", func(spec *kahuv1.RestoreSpec) { spec.NamespaceMapping = map[string]string{"of-b": namespace + "-of-b"} })
	a.remove(&corev1.Namespace{ObjectMeta: named(namespace + "-of-b")})

	a.stop()
	b.remove(&corev1.Namespace{ObjectMeta: named(namespace)})
	b.completedRestore("when-a-is-gone", "last-of-a", nil)
	b.stop()
	b.clear()
	b.register()
	b.readOnly(shared, "last-of-a", fresh.Config())
}

// refusing is a store that refuses to write and to remove, and writes down what it was asked for.
type refusing struct {
	*memory.Store

	mu    sync.Mutex
	asked []string
}

func (r *refusing) refuse(name string) error {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.asked = append(r.asked, name)
	return provider.ErrPermissionDenied
}

func (r *refusing) Create(_ context.Context, name string, _ provider.Attributes, _ io.Reader) error {
	return r.refuse(name)
}

func (r *refusing) Upload(_ context.Context, name string, _ provider.Attributes, _ io.Reader) error {
	return r.refuse(name)
}

func (r *refusing) Delete(_ context.Context, name string, _ provider.Attributes) error {
	return r.refuse(name)
}

// readOnly uses a location that can only be read: backups are found and restored, and the store is never asked to write.
func (w *world) readOnly(from *memory.Store, backup string, config *rest.Config) {
	w.t.Helper()
	refuses := &refusing{Store: from}
	before := w.listing()
	startManager(w.t, config, newDrivers(func(string) provider.Driver { return refuses }))
	w.create(&kahuv1.BackupLocation{ObjectMeta: named("main"), Spec: kahuv1.BackupLocationSpec{
		ProviderName: memoryProvider, AccessMode: kahuv1.AccessReadOnly,
	}})
	location := w.awaitLocation("main", metav1.ConditionTrue)
	if why := reason(location.Status.Conditions, kahuv1.ConditionOwned); why != kahuv1.ReasonLocationReadOnly {
		w.t.Errorf("Owned says %q", why)
	}
	w.awaitView(backup)
	restored := w.completedRestore("from-read-only", backup, nil)
	if !slices.ContainsFunc(restored.Status.Warnings, func(warning string) bool { return strings.Contains(warning, "no report, as its location is read-only") }) {
		w.t.Errorf("it does not say that it has no report: %v", restored.Status.Warnings)
	}
	failed := w.backUp("to-read-only", only("default"))
	if failed.Status.State != kahuv1.StateFailed || !strings.Contains(failed.Status.FailureReason, "read-only") {
		w.t.Errorf("a backup to it is %s: %s", failed.Status.State, failed.Status.FailureReason)
	}
	w.remove(failed)
	if len(refuses.asked) > 0 {
		w.t.Errorf("the store was asked to write or to remove %v", refuses.asked)
	}
	w.unchanged(before)
}

// TestEmptyReadOnlyLocation: a place that is not marked is none, and is not marked.
func TestEmptyReadOnlyLocation(t *testing.T) {
	refuses := &refusing{Store: memory.New(memory.Options{})}
	a := newAPI(t, testcluster.Config(t))
	t.Cleanup(a.clear)
	a.register()
	startManager(t, testcluster.Config(t), newDrivers(func(string) provider.Driver { return refuses }))
	a.create(&kahuv1.BackupLocation{ObjectMeta: named("main"), Spec: kahuv1.BackupLocationSpec{
		ProviderName: memoryProvider, AccessMode: kahuv1.AccessReadOnly,
	}})
	await(a, &kahuv1.BackupLocation{ObjectMeta: named("main")}, func(location *kahuv1.BackupLocation) bool {
		return reason(location.Status.Conditions, kahuv1.ConditionStalled) == kahuv1.ReasonMarkerMissing
	})
	if len(refuses.asked) > 0 {
		t.Errorf("it was asked for %v", refuses.asked)
	}
}

// TestStorageIsAway: a location whose storage is swapped, emptied or not mounted is Stalled; nothing is written or removed
// there, and no view goes. When it is back, everything goes on by itself.
func TestStorageIsAway(t *testing.T) {
	for name, test := range map[string]struct {
		instead func(t *testing.T, root string)
		reason  string
	}{
		"Unmounted": {instead: func(*testing.T, string) {}, reason: kahuv1.ReasonMarkerMissing},
		"Emptied": {instead: func(t *testing.T, root string) {
			t.Helper()
			if err := os.Mkdir(filepath.Join(root, "clusters"), 0o700); err != nil {
				t.Fatal(err)
			}
		}, reason: kahuv1.ReasonMarkerMissing},
		"Swapped": {instead: func(t *testing.T, root string) {
			t.Helper()
			marker, err := archive.EncodeMarker(archive.Marker{LocationID: "another", Created: clock.RealClock{}.Now()})
			if err := errors.Join(err, os.WriteFile(filepath.Join(root, archive.MarkerName), marker, 0o600)); err != nil {
				t.Fatal(err)
			}
		}, reason: kahuv1.ReasonMarkerMismatch},
	} {
		t.Run(name, func(t *testing.T) {
			root := filepath.Join(t.TempDir(), "store")
			if err := os.Mkdir(root, 0o700); err != nil {
				t.Fatal(err)
			}
			driver := filesystem.New(filesystem.Options{Root: root, Now: clock.RealClock{}.Now})
			w := newWorldWith(t, testcluster.Config(t), newDrivers(func(string) provider.Driver { return driver }), collecting)
			away(t, w, root, func() { test.instead(t, root) }, test.reason)
		})
	}
}

// away takes the storage away, puts something in its place, and brings it back.
func away(t *testing.T, w *world, root string, instead func(), why string) {
	t.Helper()
	namespace := testcluster.Namespace(t)
	w.create(&corev1.ConfigMap{ObjectMeta: in(namespace, "settings")})
	backup := w.completedBackup("deleted", only(namespace))
	kept := w.completedBackup("kept", func(spec *kahuv1.BackupSpec) {
		only(namespace)(spec)
		spec.DeletionPolicy = kahuv1.DeletionPolicyRetain
	})
	w.remove(kept)
	view := w.awaitView("kept")

	rename := func(from, to string) {
		if err := os.Rename(from, to); err != nil {
			t.Fatal(err)
		}
	}
	rename(root, root+".kept")
	if err := os.Mkdir(root, 0o700); err != nil {
		t.Fatal(err)
	}
	instead()
	before := w.listing()
	location := w.awaitLocation("main", metav1.ConditionFalse)
	if found := reason(location.Status.Conditions, kahuv1.ConditionReady); found != why || !meta.IsStatusConditionTrue(location.Status.Conditions, kahuv1.ConditionStalled) {
		t.Errorf("it says %+v", location.Status.Conditions)
	}
	w.drop(backup)
	await(w.api, backup, func(backup *kahuv1.Backup) bool {
		return meta.IsStatusConditionFalse(backup.Status.Conditions, kahuv1.ConditionDataDeleted)
	})
	// Some more looks.
	for range 3 {
		last := location.Status.LastProbeTime
		location = await(w.api, location, func(now *kahuv1.BackupLocation) bool { return now.Status.LastProbeTime.After(last.Time) })
	}
	w.unchanged(before)
	if now := view.DeepCopy(); !w.get(now) || now.UID != view.UID || !now.DeletionTimestamp.IsZero() {
		t.Errorf("the view is not there any more: %+v", now)
	}

	rename(root, root+".instead")
	rename(root+".kept", root)
	w.awaitLocation("main", metav1.ConditionTrue)
	w.awaitGone(backup)
	w.completedRestore("back", "kept", nil)
}
