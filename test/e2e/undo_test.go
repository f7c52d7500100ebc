package e2e_test

import (
	"fmt"
	"slices"
	"testing"

	appsv1 "k8s.io/api/apps/v1"
	autoscalingv1 "k8s.io/api/autoscaling/v1"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	kahuv1 "github.com/soda-cdm/kahu/api/v1beta1"
	testcluster "github.com/soda-cdm/kahu/internal/testkit/cluster"
)

// undo asks for a Restore to be undone, and returns it with the answer.
func (a *api) undo(name, token string, dryRun bool) *kahuv1.Restore {
	a.t.Helper()
	patch := fmt.Sprintf(`{"metadata":{"annotations":{%q:%q,%q:"%t"}}}`,
		kahuv1.AnnotationUndo, token, kahuv1.AnnotationUndoDryRun, dryRun)
	restore := &kahuv1.Restore{ObjectMeta: named(name)}
	if err := a.client.Patch(a.t.Context(), restore, client.RawPatch("application/merge-patch+json", []byte(patch))); err != nil {
		a.t.Fatalf("asking: %v", err)
	}
	return await(a, &kahuv1.Restore{ObjectMeta: named(name)}, func(restore *kahuv1.Restore) bool {
		found := restore.Status.Undo
		return found != nil && found.Token == token && found.Time != nil
	})
}

// undone checks the condition and returns the rows that stay, as kind/name: reason.
func undone(t *testing.T, restore *kahuv1.Restore, status metav1.ConditionStatus, reason string) []string {
	t.Helper()
	found := meta.FindStatusCondition(restore.Status.Conditions, kahuv1.ConditionUndone)
	if found == nil || found.Status != status || found.Reason != reason {
		t.Errorf("the condition is %+v, want %s, %s", found, status, reason)
	}
	if restore.Status.State != kahuv1.StateCompleted {
		t.Errorf("the run's own state became %s", restore.Status.State)
	}
	var kept []string
	for _, row := range restore.Status.Undo.Rows {
		if row.Action == kahuv1.UndoActionKeep {
			kept = append(kept, row.Kind+"/"+row.Name+": "+row.Reason)
		}
	}
	slices.Sort(kept)
	if t.Failed() {
		t.Logf("the answer is %+v", restore.Status.Undo.Rows)
	}
	return kept
}

// settings makes config maps by name.
func settings(namespace string, names ...string) []client.Object {
	var made []client.Object
	for _, name := range names {
		made = append(made, &corev1.ConfigMap{ObjectMeta: in(namespace, name), Data: map[string]string{"a": "b", "c": "d"}})
	}
	return made
}

// deployment makes one whose pods have an annotation.
func deployment(namespace, name string) client.Object {
	replicas := int32(1)
	labels := map[string]string{"app": name}
	return &appsv1.Deployment{ObjectMeta: in(namespace, name), Spec: appsv1.DeploymentSpec{
		Replicas: &replicas, Selector: &metav1.LabelSelector{MatchLabels: labels},
		Template: corev1.PodTemplateSpec{
			ObjectMeta: metav1.ObjectMeta{Labels: labels, Annotations: map[string]string{"note": "a"}},
			Spec:       corev1.PodSpec{Containers: []corev1.Container{{Name: "web", Image: "web:1"}}},
		},
	}}
}

// TestUndo takes a restore back: what is as it was created goes, what others changed, made anew or put beside it stays, and
// the namespace with that; and when nothing of the others is left, the namespace goes too.
func TestUndo(t *testing.T) {
	w := newWorld(t)
	namespace := testcluster.Namespace(t)
	w.create(settings(namespace, "plain", "changed", "recreated", "lost")...)
	w.create(deployment(namespace, "web"), deployment(namespace, "trimmed"), deployment(namespace, "scaled"))
	w.completedBackup("undo", only(namespace))
	w.remove(&corev1.Namespace{ObjectMeta: named(namespace)})
	restored := w.completedRestore("undo", "undo", nil)
	// The controllers of Kubernetes act on what was restored, which is no change of anybody's.
	for _, name := range []string{"web", "trimmed", "scaled"} {
		await(w.api, &appsv1.Deployment{ObjectMeta: in(namespace, name)}, func(web *appsv1.Deployment) bool {
			return web.Status.ObservedGeneration > 0 && web.Annotations["deployment.kubernetes.io/revision"] != ""
		})
	}

	// Others: a change, one that only takes away, a recreation, a deletion, and an object of their own.
	w.patch(&corev1.ConfigMap{ObjectMeta: in(namespace, "changed")}, `{"data":{"a":"mine"}}`)
	w.patch(&appsv1.Deployment{ObjectMeta: in(namespace, "trimmed")}, `{"spec":{"template":{"metadata":{"annotations":{"note":null}}}}}`)
	scale := &autoscalingv1.Scale{Spec: autoscalingv1.ScaleSpec{Replicas: 0}}
	scaled := &appsv1.Deployment{ObjectMeta: in(namespace, "scaled")}
	if err := w.client.SubResource("scale").Update(t.Context(), scaled, client.WithSubResourceBody(scale)); err != nil {
		t.Fatal(err)
	}
	w.remove(&corev1.ConfigMap{ObjectMeta: in(namespace, "recreated")}, &corev1.ConfigMap{ObjectMeta: in(namespace, "lost")})
	w.create(settings(namespace, "recreated", "foreign")...)

	seen := w.undo("undo", "look", true)
	want := []string{"ConfigMap/changed: Changed", "Deployment/scaled: Changed", "Deployment/trimmed: Changed", "Namespace/" + namespace + ": NotEmpty"}
	if kept := undone(t, seen, metav1.ConditionUnknown, kahuv1.ReasonUndoPreviewed); !slices.Equal(kept, want) {
		t.Errorf("would stay %v, want %v", kept, want)
	}
	wouldGo := seen.Status.Undo.Deleted
	for _, object := range settings(namespace, "plain", "changed", "recreated", "foreign") {
		if !w.get(object) {
			t.Errorf("%s is gone after a dry run", object.GetName())
		}
	}

	answered := w.undo("undo", "first", false)
	if kept := undone(t, answered, metav1.ConditionFalse, kahuv1.ReasonPartiallyUndone); !slices.Equal(kept, want) {
		t.Errorf("stay %v, want %v", kept, want)
	}
	if deleted := answered.Status.Undo.Deleted; deleted != wouldGo || deleted+answered.Status.Undo.Kept >= restored.Status.Counts.Created {
		t.Errorf("deleted %d of %d, and a dry run said %d", deleted, restored.Status.Counts.Created, wouldGo)
	}
	w.awaitGone(&corev1.ConfigMap{ObjectMeta: in(namespace, "plain")})
	w.awaitGone(&appsv1.Deployment{ObjectMeta: in(namespace, "web")})
	for _, object := range settings(namespace, "changed", "recreated", "foreign") {
		if !w.get(object) {
			t.Errorf("%s is gone", object.GetName())
		}
	}

	// Twice does no harm, and finds nothing more.
	if again := w.undo("undo", "second", false); again.Status.Undo.Deleted != 0 {
		t.Errorf("the second time %d objects were deleted", again.Status.Undo.Deleted)
	}
	for _, object := range append(settings(namespace, "changed", "recreated", "foreign"), deployment(namespace, "scaled"), deployment(namespace, "trimmed")) {
		w.remove(object)
	}
	last := w.undo("undo", "third", false)
	if kept := undone(t, last, metav1.ConditionTrue, kahuv1.ReasonUndone); len(kept) > 0 {
		t.Errorf("stay %v", kept)
	}
	w.awaitGone(&corev1.Namespace{ObjectMeta: named(namespace)})
	// Whoever only looks does not lose what is known of the undo.
	for _, token := range []string{"fourth", "fifth"} {
		looked := w.undo("undo", token, true).Status.Undo
		if looked.Earlier == nil || looked.Earlier.Token != "third" || looked.Earlier.Deleted != last.Status.Undo.Deleted || looked.Earlier.Time == nil {
			t.Errorf("of the last undo is known %+v", looked.Earlier)
		}
	}
	if last.Status.Undo.Earlier != nil {
		t.Errorf("an undo that deletes has %+v beside it", last.Status.Undo.Earlier)
	}
}

// TestUndoLeavesWhatWasThere: objects that were there before a restore stay, updated ones as they are, and so does a
// namespace that the restore did not make.
func TestUndoLeavesWhatWasThere(t *testing.T) {
	w := newWorld(t)
	namespace := testcluster.Namespace(t)
	w.create(settings(namespace, "there", "updated", "gone")...)
	w.completedBackup("there", only(namespace))
	w.remove(&corev1.ConfigMap{ObjectMeta: in(namespace, "gone")})
	w.patch(&corev1.ConfigMap{ObjectMeta: in(namespace, "updated")}, `{"data":{"a":"mine"}}`)
	w.completedRestore("there", "there", func(spec *kahuv1.RestoreSpec) {
		spec.ExistingResourcePolicy = kahuv1.ExistingResourcePolicyUpdate
	})
	answered := w.undo("there", "now", false)
	if kept := undone(t, answered, metav1.ConditionTrue, kahuv1.ReasonUndone); len(kept) > 0 || answered.Status.Undo.Deleted != 1 {
		t.Errorf("deleted %d, stay %v", answered.Status.Undo.Deleted, kept)
	}
	w.awaitGone(&corev1.ConfigMap{ObjectMeta: in(namespace, "gone")})
	updated := &corev1.ConfigMap{ObjectMeta: in(namespace, "updated")}
	if !w.get(updated) || updated.Data["a"] != "b" || !w.get(settings(namespace, "there")[0]) {
		t.Errorf("what was there is not as the restore left it: %v", updated.Data)
	}
}

// TestUndoTooEarly: a wish that comes with the Restore is not carried out, neither at once nor later.
func TestUndoTooEarly(t *testing.T) {
	w := newWorld(t)
	namespace := testcluster.Namespace(t)
	w.create(settings(namespace, "kept")...)
	w.completedBackup("early", only(namespace))
	w.remove(&corev1.Namespace{ObjectMeta: named(namespace)})
	restore := &kahuv1.Restore{ObjectMeta: named("early"), Spec: kahuv1.RestoreSpec{BackupName: "early"}}
	restore.Annotations = map[string]string{kahuv1.AnnotationUndo: "copied"}
	w.create(restore)
	ended := w.awaitRestore("early")
	undone(t, ended, metav1.ConditionUnknown, kahuv1.ReasonRestoreNotFinished)
	if !w.get(settings(namespace, "kept")[0]) {
		t.Error("the wish was carried out")
	}
}
