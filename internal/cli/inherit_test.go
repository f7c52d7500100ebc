package cli_test

import (
	"context"
	"strings"
	"testing"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	"sigs.k8s.io/controller-runtime/pkg/client"

	kahuv1 "github.com/soda-cdm/kahu/api/v1beta1"
	"github.com/soda-cdm/kahu/internal/cli"
)

const (
	ownCluster  = "0b7f64a2-9f0e-4d1c-8f5e-3a1f9c2d7e10"
	lostCluster = "6f1e9a54-7d0b-4a83-9d3f-0e5a7c1b2d48"
)

// putShared creates a location at which two clusters have something.
func putShared(t *testing.T, name string) {
	t.Helper()
	location := &kahuv1.BackupLocation{ObjectMeta: metav1.ObjectMeta{Name: name}, Spec: kahuv1.BackupLocationSpec{ProviderName: "p"}}
	put(t, location, func() {
		location.Status = kahuv1.BackupLocationStatus{
			LocationID: "the-place", ClusterID: ownCluster, ObservedGeneration: 1,
			Clusters: []kahuv1.LocationCluster{
				{ID: lostCluster, Backups: 3, LastBackupTime: stale(1), LastWriteTime: stale(2), OwnerWriteTime: stale(0)},
				{ID: ownCluster, Backups: 1, LastWriteTime: stale(3)},
			},
		}
	})
}

// answers gives the manager's answers to a wish, one after the other.
func answers(t *testing.T, name string, reasons ...string) {
	t.Helper()
	whenIt(t, name, &kahuv1.BackupLocationList{}, func(location *kahuv1.BackupLocation) bool {
		return len(location.Spec.InheritedClusters) > 0
	}, func(ctx context.Context, to client.Client, location *kahuv1.BackupLocation) error {
		for _, reason := range reasons {
			if err := to.Get(ctx, client.ObjectKeyFromObject(location), location); err != nil {
				return err
			}
			delete(location.Annotations, kahuv1.AnnotationTakeOwnership)
			if err := to.Update(ctx, location); err != nil {
				return err
			}
			location.Status.ObservedGeneration = location.Generation
			location.Status.Inherited = []kahuv1.InheritedCluster{{ClusterID: lostCluster, Reason: reason, Message: "it says " + reason}}
			if err := to.Status().Update(ctx, location); err != nil {
				return err
			}
		}
		return nil
	})
}

func TestInherit(t *testing.T) {
	const name = "inherited"
	putShared(t, name)
	for what, arguments := range map[string][]string{
		"no cluster": {}, "this cluster": {"--cluster", ownCluster}, "an unknown one": {"--cluster", "nobody"},
		"another place": {"--cluster", lostCluster, "--location-id", "another-place"}, "no wish to end": {"--cluster", lostCluster, "--end"},
	} {
		if done := run(t, append([]string{"location", "inherit", name}, arguments...)...); done.code != cli.ExitUsage {
			t.Errorf("%s: %+v", what, done)
		}
	}
	if found := read(t, name, &kahuv1.BackupLocation{}).Spec.InheritedClusters; len(found) > 0 {
		t.Fatalf("it inherits %v", found)
	}

	answers(t, name, kahuv1.ReasonWrittenRecently, kahuv1.ReasonInherited)
	done := run(t, "location", "inherit", name, "--cluster", lostCluster, "--location-id", "the-place", "--wait")
	for _, want := range []string{"3 backups", "last written at 2026-03-01T02:02:00Z", "owner file of 2026-03-01T02:00:00Z"} {
		if !strings.Contains(done.err, want) {
			t.Errorf("it does not show %q: %s", want, done.err)
		}
	}
	if done.failure != nil || !strings.Contains(done.out, "owns the part of cluster "+lostCluster) {
		t.Errorf("waiting: %+v", done)
	}
	if out := succeed(t, "location", "describe", name); !strings.Contains(out, lostCluster+" (inherited): 3 backups") || !strings.Contains(out, ownCluster+" (this one): 1 backup") {
		t.Errorf("describe: %s", out)
	}

	succeed(t, "location", "inherit", name, "--cluster", lostCluster, "--force")
	forced := read(t, name, &kahuv1.BackupLocation{})
	if forced.Annotations[kahuv1.AnnotationTakeOwnership] != "the-place/"+lostCluster || len(forced.Spec.InheritedClusters) != 1 {
		t.Errorf("forced: %v, %v", forced.Annotations, forced.Spec.InheritedClusters)
	}
	succeed(t, "location", "inherit", name, "--cluster", lostCluster, "--end")
	ended := read(t, name, &kahuv1.BackupLocation{})
	if len(ended.Spec.InheritedClusters) > 0 || ended.Annotations[kahuv1.AnnotationTakeOwnership] != "" {
		t.Errorf("ended: %v, %v", ended.Annotations, ended.Spec.InheritedClusters)
	}
}

// TestInheritRefused: what the manager refuses is shown, and ends the waiting.
func TestInheritRefused(t *testing.T) {
	const name = "refused-inheritance"
	putShared(t, name)
	answers(t, name, kahuv1.ReasonNotOwner)
	done := run(t, "location", "inherit", name, "--cluster", lostCluster, "--force", "--wait")
	if done.code != cli.ExitFailed || !strings.Contains(done.failure.Error(), "it says NotOwner") {
		t.Errorf("got %+v", done)
	}
}

// TestOwn: that the location says to be this cluster's may be from before somebody else wrote there. A person's decision is
// written down all the same, and the manager's answer awaited.
func TestOwn(t *testing.T) {
	const name = "owned"
	location := &kahuv1.BackupLocation{ObjectMeta: metav1.ObjectMeta{Name: name}, Spec: kahuv1.BackupLocationSpec{ProviderName: "p"}}
	put(t, location, func() {
		location.Status.LocationID = "the-place"
		location.Status.Conditions = []metav1.Condition{{
			Type: kahuv1.ConditionOwned, Status: metav1.ConditionTrue, Reason: kahuv1.ReasonOwned, LastTransitionTime: *stale(0),
		}}
	})
	check(t, run(t, "location", "own", name, "--location-id", "another"), cli.ExitUsage, "", "", "repeat it")
	check(t, run(t, "location", "own", name, "--location-id", "the-place"), 0, "is being taken over", "", "")
	if found := read(t, name, &kahuv1.BackupLocation{}).Annotations[kahuv1.AnnotationTakeOwnership]; found != "the-place" {
		t.Errorf("the decision is %q", found)
	}
	check(t, run(t, "location", "own", name, "--location-id", "the-place", "--wait", "--timeout", "1s"), cli.ExitTimeout, "", "", "ran out")
	carryOut := func(ctx context.Context, to client.Client, location *kahuv1.BackupLocation) error {
		delete(location.Annotations, kahuv1.AnnotationTakeOwnership)
		return to.Update(ctx, location)
	}
	if err := carryOut(t.Context(), newClient(t), read(t, name, &kahuv1.BackupLocation{})); err != nil {
		t.Fatal(err)
	}
	whenIt(t, name, &kahuv1.BackupLocationList{}, func(location *kahuv1.BackupLocation) bool {
		return location.Annotations[kahuv1.AnnotationTakeOwnership] != ""
	}, carryOut)
	check(t, run(t, "location", "own", name, "--location-id", "the-place", "--wait", "--timeout", limit.String()), 0, "this cluster owns its part", "", "")
}

// TestDataOfAnotherCluster: a wish to delete data that would leave the data where it is: it is refused, and the object stays.
func TestDataOfAnotherCluster(t *testing.T) {
	const location, name = "with-strangers", "of-a-stranger"
	putShared(t, location)
	view := &kahuv1.Backup{ObjectMeta: metav1.ObjectMeta{Name: name}, Spec: kahuv1.BackupSpec{
		MetadataLocation: location, DeletionPolicy: kahuv1.DeletionPolicyRetain,
		Origin: &kahuv1.BackupOrigin{ClusterID: lostCluster, Name: "nightly", UID: "a-uid"},
	}}
	put(t, view, func() {})
	done := run(t, "backup", "delete", name, "--data")
	if done.failure == nil || !strings.Contains(done.failure.Error(), "location inherit "+location+" --cluster "+lostCluster) {
		t.Errorf("got %+v", done)
	}
	if found := read(t, name, &kahuv1.Backup{}); len(found.Finalizers) > 0 || !found.DeletionTimestamp.IsZero() || found.Spec.DeletionPolicy != kahuv1.DeletionPolicyRetain {
		t.Errorf("it was changed: %+v", found)
	}
	succeed(t, "location", "inherit", location, "--cluster", lostCluster)
	succeed(t, "backup", "delete", name, "--data")
	if found := read(t, name, &kahuv1.Backup{}); len(found.Finalizers) == 0 || found.DeletionTimestamp.IsZero() {
		t.Errorf("it does not wait for its data: %+v", found)
	}
	// There is no manager that lets it go.
	letGo := client.RawPatch(types.MergePatchType, []byte(`{"metadata":{"finalizers":null}}`))
	if err := newClient(t).Patch(t.Context(), view, letGo); err != nil {
		t.Error(err)
	}
}
