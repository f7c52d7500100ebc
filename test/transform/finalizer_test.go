package transform_test

import (
	"testing"

	"github.com/google/go-cmp/cmp"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/apimachinery/pkg/watch"

	"github.com/soda-cdm/kahu/internal/core"
	"github.com/soda-cdm/kahu/internal/core/transform"
)

// An object that was read while it was being deleted comes back alive, with the finalizers of its operators and
// without those by which it was being deleted: it can be deleted again, and leaves its dependents where it should.
func TestFinalizers(t *testing.T) {
	t.Parallel()
	for policy, step := range map[metav1.DeletionPropagation]string{
		metav1.DeletePropagationForeground: "foregroundDeletion", metav1.DeletePropagationOrphan: "orphan",
	} {
		t.Run(step, func(t *testing.T) {
			t.Parallel()
			w := newWorld(t)
			kind := kindOf("configmaps", true)
			owner := w.create(kind, w.object(`{"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "a", "finalizers": ["example.org/keep"]}}`), nil)
			if err := w.of(kind).Delete(t.Context(), "a", metav1.DeleteOptions{PropagationPolicy: &policy}); err != nil {
				t.Fatal(err)
			}
			before := owner.DeepCopy()
			before.SetFinalizers([]string{"example.org/keep", step})
			before.SetDeletionTimestamp(&metav1.Time{Time: owner.GetCreationTimestamp().Time})
			free := func() {
				_, err := w.of(kind).Patch(t.Context(), "a", types.MergePatchType, []byte(`{"metadata":{"finalizers":null}}`), metav1.PatchOptions{})
				if err != nil {
					t.Fatal(err)
				}
				w.gone(kind, "a")
			}
			free()
			after := w.create(kind, w.back(kind, before, transform.Options{}), nil)
			if after.GetDeletionTimestamp() != nil {
				t.Error("it is being deleted")
			}
			if diff := cmp.Diff([]string{"example.org/keep"}, after.GetFinalizers()); diff != "" {
				t.Errorf("finalizers (-want +got):\n%s", diff)
			}
			dependent := w.object(`{"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "b"}}`)
			dependent.SetOwnerReferences([]metav1.OwnerReference{{APIVersion: "v1", Kind: "ConfigMap", Name: "a", UID: after.GetUID()}})
			w.create(kind, dependent, nil)
			if err := w.of(kind).Delete(t.Context(), "a", metav1.DeleteOptions{}); err != nil {
				t.Fatal(err)
			}
			free()
			w.gone(kind, "b") // An object with the finalizer orphan would have left it.
		})
	}
}

// gone returns when there is no such object.
func (w *world) gone(kind core.Kind, name string) {
	w.t.Helper()
	w.await(kind, name, func(event watch.EventType, _ *unstructured.Unstructured) bool { return event == watch.Deleted })
}
