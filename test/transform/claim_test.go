package transform_test

import (
	"testing"

	"github.com/google/go-cmp/cmp"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"

	"github.com/soda-cdm/kahu/internal/core/restoreplan"
	"github.com/soda-cdm/kahu/internal/core/transform"
	"github.com/soda-cdm/kahu/internal/engine/restore"
	"github.com/soda-cdm/kahu/internal/testkit/cluster"
)

const volume = `{"apiVersion": "v1", "kind": "PersistentVolume", "metadata": {"name": "NS"}, "spec": {
	"capacity": {"storage": "1Gi"}, "accessModes": ["ReadWriteOnce"], "storageClassName": "NS",
	"persistentVolumeReclaimPolicy": "Retain", "nfs": {"server": "example.org", "path": "/NS"}}}`

const claim = `{"apiVersion": "v1", "kind": "PersistentVolumeClaim", "metadata": {"name": "a"}, "spec": {
	"accessModes": ["ReadWriteOnce"], "storageClassName": "NS", "resources": {"requests": {"storage": "1Mi"}}}}`

func bound(object *unstructured.Unstructured) bool {
	phase, _, _ := unstructured.NestedString(object.Object, "status", "phase")
	return phase == "Bound"
}

// A claim and its volume, read when they are bound, are bound again and are what they were.
func TestBoundClaimComesBack(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	volumes, claims := kindOf("persistentvolumes", false), kindOf("persistentvolumeclaims", true)
	w.create(volumes, w.object(volume), nil)
	claimBefore := w.create(claims, w.object(claim), bound)
	volumeBefore := w.read(volumes, w.namespace, bound)
	w.remove(claims, "a")
	w.remove(volumes, w.namespace)

	w.create(volumes, w.back(volumes, volumeBefore, transform.Options{}), nil)
	t.Cleanup(func() { w.clean(volumes, w.namespace) })
	claimAfter := w.create(claims, w.back(claims, claimBefore, transform.Options{}), bound)
	volumeAfter := w.read(volumes, w.namespace, bound)

	if diff := cmp.Diff(plain(t, claimBefore), plain(t, claimAfter)); diff != "" {
		t.Errorf("claim (-before +after):\n%s", diff)
	}
	// The reference of the volume has the identity of the claim.
	without := [][]string{{"spec", "claimRef", "uid"}, {"spec", "claimRef", "resourceVersion"}}
	if diff := cmp.Diff(plain(t, volumeBefore, without...), plain(t, volumeAfter, without...)); diff != "" {
		t.Errorf("volume (-before +after):\n%s", diff)
	}
	uid, _, _ := unstructured.NestedString(volumeAfter.Object, "spec", "claimRef", "uid")
	if uid != string(claimAfter.GetUID()) {
		t.Errorf("the volume is bound to %q, not to %q", uid, claimAfter.GetUID())
	}
}

// A claim that is restored into another namespace with its volume, which is gone, gets that volume.
func TestMappedClaimGetsItsVolume(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	volumes, claims := kindOf("persistentvolumes", false), kindOf("persistentvolumeclaims", true)
	w.create(volumes, w.object(volume), nil)
	claimBefore := w.create(claims, w.object(claim), bound)
	volumeBefore := w.read(volumes, w.namespace, bound)
	w.remove(claims, "a")
	w.remove(volumes, w.namespace)

	other := cluster.Namespace(t)
	mapped := transform.Options{NamespaceMapping: map[string]string{w.namespace: other}}
	w.create(volumes, w.back(volumes, volumeBefore, mapped), nil)
	t.Cleanup(func() { w.clean(volumes, volumeBefore.GetName()) })
	object := w.back(claims, claimBefore, mapped)
	w.namespace = other
	claimAfter := w.create(claims, object, bound)

	want := plain(t, claimBefore, []string{"metadata", "namespace"})
	if diff := cmp.Diff(want, plain(t, claimAfter, []string{"metadata", "namespace"})); diff != "" {
		t.Errorf("claim (-before +after):\n%s", diff)
	}
}

// A volume that is there and has its claim stays with it where the policy says that what is there is updated, and its claim is
// restored under another name: the copy has no part in it.
func TestUpdatedVolumeStaysWithItsClaim(t *testing.T) {
	t.Parallel()
	s := newStory(t)
	volumes, claims := kindOf("persistentvolumes", false), kindOf("persistentvolumeclaims", true)
	s.create(volumes, s.object(volume), nil)
	t.Cleanup(func() { s.clean(volumes, s.namespace) })
	original := s.create(claims, s.object(claim), bound)
	s.backup()
	other := cluster.Namespace(t)
	s.restored(func(request *restore.Request) {
		request.Existing = restoreplan.Update
		request.Transform.NamespaceMapping = map[string]string{s.namespace: other}
	})
	want := map[string]any{"namespace": s.namespace, "name": "a", "uid": string(original.GetUID())}
	found, _, _ := unstructured.NestedMap(s.read(volumes, s.namespace, anything).Object, "spec", "claimRef")
	for field, value := range want {
		if found[field] != value {
			t.Errorf("the volume has the claim %v, want %v", found, want)
		}
	}
}
