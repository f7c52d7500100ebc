package engine_test

import (
	"errors"
	"testing"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/kubernetes"
	"k8s.io/utils/clock"

	"github.com/soda-cdm/kahu/internal/core/archive"
	"github.com/soda-cdm/kahu/internal/core/selection"
	"github.com/soda-cdm/kahu/internal/engine/backup"
	"github.com/soda-cdm/kahu/internal/engine/restore"
	testcluster "github.com/soda-cdm/kahu/internal/testkit/cluster"
)

// TestOwnerThatComesLate: what an attempt created without its owner belongs to the owner that the next attempt creates.
func TestOwnerThatComesLate(t *testing.T) {
	w, namespace, ctx := newWorld(t), testcluster.Namespace(t), t.Context()
	maps := kubernetes.NewForConfigOrDie(testcluster.Config(t)).CoreV1().ConfigMaps(namespace)
	put := func(name string, owners ...metav1.OwnerReference) *corev1.ConfigMap {
		made, err := maps.Create(ctx, &corev1.ConfigMap{
			ObjectMeta: metav1.ObjectMeta{Name: name, OwnerReferences: owners}, Data: map[string]string{"key": "value"},
		}, metav1.CreateOptions{})
		if err != nil {
			t.Fatal(err)
		}
		return made
	}
	old := put("owner")
	put("owned", metav1.OwnerReference{APIVersion: "v1", Kind: "ConfigMap", Name: "owner", UID: old.UID})
	only := selection.Filters{IncludeNamespaces: []string{namespace}}
	if _, err := w.backup("owned", func(request *backup.Request) { request.Filters = only }); err != nil {
		t.Fatal(err)
	}
	if err := errors.Join(maps.Delete(ctx, "owned", metav1.DeleteOptions{}), maps.Delete(ctx, "owner", metav1.DeleteOptions{})); err != nil {
		t.Fatal(err)
	}
	run := func(request restore.Request) restore.Result {
		request.ID = archive.RestoreID{ClusterID: clusterID, Name: "late", UID: "uid-" + namespace}
		request.Backup = id("owned")
		use := &restore.Runner{Cluster: w.adapter, Clock: clock.RealClock{}, Creators: 4}
		result, err := use.Run(ctx, request, w.files)
		if err != nil || result.FailedTotal != 0 {
			t.Fatalf("got %+v %v", result, err)
		}
		return result
	}
	without := only
	without.ExcludeResources = []selection.ResourceFilter{{Kind: "ConfigMap", Name: "owner"}}
	run(restore.Request{Attempt: "first", Filters: without})
	if owned, err := maps.Get(ctx, "owned", metav1.GetOptions{}); err != nil || len(owned.OwnerReferences) != 0 {
		t.Fatalf("it belongs to %+v: %v", owned.OwnerReferences, err)
	}
	result := run(restore.Request{Attempt: "second", Filters: only, Resumed: true})
	owner, err := maps.Get(ctx, "owner", metav1.GetOptions{})
	if err != nil {
		t.Fatal(err)
	}
	owned, err := maps.Get(ctx, "owned", metav1.GetOptions{})
	if err != nil {
		t.Fatal(err)
	}
	if owners := owned.OwnerReferences; len(owners) != 1 || owners[0].UID != owner.UID || result.WarningsTotal != 0 {
		t.Errorf("it belongs to %+v and not to %s; warnings %q", owners, owner.UID, result.Warnings)
	}
}
