package kill_test

import (
	"encoding/json"
	"slices"
	"testing"

	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

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

// TestHooksOfRestores restores a Deployment with hooks into a namespace in which a pod runs: the command before runs in that one,
// once, and in both pods of the Deployment an init container and the command after have run.
func TestHooksOfRestores(t *testing.T) {
	needNode(t)
	w := newWorld(t)
	target := w.app + "-there"
	w.makeNamespace(target)
	labels := map[string]string{"app": "shop"}
	w.create(&appsv1.Deployment{ObjectMeta: metav1.ObjectMeta{Namespace: w.app, Name: "shop"}, Spec: appsv1.DeploymentSpec{
		Replicas: new(int32(2)), Selector: &metav1.LabelSelector{MatchLabels: labels},
		Template: corev1.PodTemplateSpec{ObjectMeta: metav1.ObjectMeta{Labels: labels}, Spec: served()},
	}})
	there := &corev1.Pod{ObjectMeta: metav1.ObjectMeta{Namespace: target, Name: "there-" + w.app}, Spec: served()}
	w.create(there)
	running, is := await(w, &corev1.PodList{}, there, func(found *corev1.Pod, gone bool) bool {
		return !gone && found.Status.Phase == corev1.PodRunning && found.Status.PodIP != ""
	})
	if !is {
		t.Fatalf("the pod does not run: %+v", running.Status)
	}
	w.manager(role{})
	w.awaitLocation()
	w.create(w.backup("shop"))
	if backup, ended := w.awaitBackup("shop"); !ended || backup.Status.State != kahuv1.StateCompleted {
		t.Fatalf("the backup: %+v", backup.Status)
	}
	init := corev1.Container{
		Name: "before", Image: "kahu.local/workload:1", Command: writes("hooks", "init"),
		VolumeMounts: []corev1.VolumeMount{{Name: "marks", MountPath: "/marks"}},
	}
	content, err := json.Marshal([]corev1.Container{init})
	if err != nil {
		t.Fatal(err)
	}
	w.create(&kahuv1.Restore{ObjectMeta: named("shop"), Spec: kahuv1.RestoreSpec{
		BackupName: "shop", NamespaceMapping: map[string]string{w.app: target},
		Hook: kahuv1.RestoreHook{Resources: []kahuv1.RestoreResourceHook{
			{
				Name: "there", IncludeNamespaces: []string{w.app}, IncludeResources: []kahuv1.ResourceFilter{{Kind: "pods", Name: there.Name}},
				Pre: []kahuv1.BackupHookStep{{Exec: &kahuv1.ExecHook{Command: writes("hooks", "pre")}}},
			},
			{
				Name: "shop", IncludeNamespaces: []string{w.app}, IncludeResources: []kahuv1.ResourceFilter{{Kind: "deployments", Name: "shop"}},
				Post: []kahuv1.RestoreHookStep{
					{Init: &kahuv1.InitHook{InitContainers: kahuv1.JSONValue{Raw: content}}},
					{Exec: &kahuv1.RestoreExecHook{Command: writes("hooks", "post")}},
				},
			},
		}},
	}})
	restore, ended := w.awaitRestore("shop")
	condition := meta.FindStatusCondition(restore.Status.Conditions, kahuv1.ConditionHooksCompleted)
	if !ended || restore.Status.State != kahuv1.StateCompleted || condition == nil || condition.Status != metav1.ConditionTrue {
		t.Fatalf("the restore: %+v, its hooks: %+v", restore.Status, restore.Status.Hooks)
	}
	if hooks := restore.Status.Hooks; hooks.Commands != 3 || hooks.FailedCommands != 0 || len(hooks.Containers) != 3 || hooks.PreTimestamp == nil {
		t.Errorf("the status of hooks is %+v", hooks)
	}
	marks := func(pod *corev1.Pod) []string {
		return (&database{w: w, address: "http://" + pod.Status.PodIP + ":8080/"}).marks("hooks")
	}
	if got := marks(running); !slices.Equal(got, []string{"pre"}) {
		t.Errorf("in the pod that was there have run %q", got)
	}
	made := &corev1.PodList{}
	if err := w.client.List(t.Context(), made, client.InNamespace(target), client.MatchingLabels(labels)); err != nil {
		t.Fatal(err)
	}
	if len(made.Items) != 2 {
		t.Errorf("the Deployment has %d pods", len(made.Items))
	}
	for i := range made.Items {
		if got := marks(&made.Items[i]); !slices.Equal(got, []string{"init", "post"}) {
			t.Errorf("in a restored pod have run %q", got)
		}
	}
}
