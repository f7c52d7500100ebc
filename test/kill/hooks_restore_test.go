package kill_test

import (
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/yaml"

	kahuv1 "github.com/soda-cdm/kahu/api/v1beta1"
)

// writes is a command that writes a line into a file of a pod.
func writes(file, mark string) []string {
	return []string{"/devcluster-workload", "append", "/marks/" + file, mark}
}

// served is what the pods of a workload are made of, which serve what their hooks write.
func served() corev1.PodSpec {
	return corev1.PodSpec{
		TerminationGracePeriodSeconds: new(int64(0)), AutomountServiceAccountToken: new(false),
		Volumes: []corev1.Volume{{Name: "marks", VolumeSource: corev1.VolumeSource{EmptyDir: &corev1.EmptyDirVolumeSource{}}}},
		Containers: []corev1.Container{{
			Name: "main", Image: "kahu.local/workload:1", Args: []string{"serve", "--folder", "/marks"},
			VolumeMounts: []corev1.VolumeMount{{Name: "marks", MountPath: "/marks"}},
		}},
	}
}

// example returns the objects of the example in the guide, with other names for its namespaces.
func example(t *testing.T, shop, again string) []*unstructured.Unstructured {
	t.Helper()
	guide, err := os.ReadFile(filepath.Join(top, "docs", "hooks.md"))
	if err != nil {
		t.Fatal(err)
	}
	_, after, has := strings.Cut(string(guide), "### An example\n")
	_, after, begins := strings.Cut(after, "```yaml\n")
	manifests, _, ends := strings.Cut(after, "```\n")
	if !has || !begins || !ends {
		t.Fatal("the guide has no example")
	}
	manifests = strings.NewReplacer("shop-again", again, "shop", shop).Replace(manifests)
	var objects []*unstructured.Unstructured
	for manifest := range strings.SplitSeq(manifests, "\n---\n") {
		object := &unstructured.Unstructured{}
		if err := yaml.Unmarshal([]byte(manifest), &object.Object); err != nil {
			t.Fatal(err)
		}
		objects = append(objects, object)
	}
	if len(objects) != 3 {
		t.Fatalf("the example has %d objects", len(objects))
	}
	return objects
}

// TestHooksOfRestores plays the example of the guide: a Deployment is restored into a namespace in which a pod runs. The command
// before runs in that one, once, and in both pods of the Deployment an init container and the command after have run.
func TestHooksOfRestores(t *testing.T) {
	needNode(t)
	w := newWorld(t)
	target := w.app + "-there"
	w.makeNamespace(target)
	objects := example(t, w.app, target)
	w.create(objects[0])
	w.create(objects[1])
	proxy := &corev1.Pod{ObjectMeta: metav1.ObjectMeta{Namespace: target, Name: objects[1].GetName()}}
	running, is := await(w, &corev1.PodList{}, proxy, func(found *corev1.Pod, gone bool) bool {
		return !gone && found.Namespace == target && found.Status.Phase == corev1.PodRunning && found.Status.PodIP != ""
	})
	if !is {
		t.Fatalf("the pod does not run: %+v", running.Status)
	}
	w.manager(role{})
	w.awaitLocation()
	w.create(w.backup(w.app))
	if backup, ended := w.awaitBackup(w.app); !ended || backup.Status.State != kahuv1.StateCompleted {
		t.Fatalf("the backup: %+v", backup.Status)
	}
	w.create(objects[2])
	restore, ended := w.awaitRestore(target)
	condition := meta.FindStatusCondition(restore.Status.Conditions, kahuv1.ConditionHooksCompleted)
	if !ended || restore.Status.State != kahuv1.StateCompleted || condition == nil || condition.Status != metav1.ConditionTrue {
		t.Fatalf("the restore: %+v, its hooks: %+v", restore.Status, restore.Status.Hooks)
	}
	if hooks := restore.Status.Hooks; hooks.Commands != 3 || hooks.Pods != 3 || hooks.FailedCommands != 0 || len(hooks.Containers) != 3 || hooks.PreTimestamp == nil {
		t.Errorf("the status of hooks is %+v", hooks)
	}
	if got := seenBy(w, running).marks("hooks"); !slices.Equal(got, []string{"pre"}) {
		t.Errorf("in the pod that was there have run %q", got)
	}
	made := &corev1.PodList{}
	if err := w.client.List(t.Context(), made, client.InNamespace(target), client.MatchingLabels{"app": "web"}); err != nil {
		t.Fatal(err)
	}
	if len(made.Items) != 2 {
		t.Errorf("the Deployment has %d pods", len(made.Items))
	}
	for i := range made.Items {
		if got := seenBy(w, &made.Items[i]).marks("hooks"); !slices.Equal(got, []string{"init", "post"}) {
			t.Errorf("in a restored pod have run %q", got)
		}
	}
}
