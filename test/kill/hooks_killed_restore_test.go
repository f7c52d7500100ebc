package kill_test

import (
	"fmt"
	"slices"
	"testing"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	kahuv1 "github.com/soda-cdm/kahu/api/v1beta1"
)

const (
	drained = "drained"
	warmed  = "warmed"
	web     = "web"
)

// newPod returns a pod that serves what hooks write in it, when it runs.
func newPod(w *world, namespace, name string) *corev1.Pod {
	w.t.Helper()
	made := &corev1.Pod{ObjectMeta: metav1.ObjectMeta{Namespace: namespace, Name: name}, Spec: served()}
	w.create(made)
	running, is := await(w, &corev1.PodList{}, made, func(found *corev1.Pod, gone bool) bool {
		return !gone && found.Status.Phase == corev1.PodRunning && found.Status.PodIP != ""
	})
	if !is {
		w.t.Fatalf("the pod does not run: %+v", running.Status)
	}
	return running
}

// seenBy is what the hooks of runs wrote in a pod.
func seenBy(w *world, pod *corev1.Pod) *database {
	return &database{w: w, address: "http://" + pod.Status.PodIP + ":8080/", times: map[string]int{}}
}

// hookedRestore is restores of a pod beside one that is there. The command before writes into that one, the command after into the
// restored one, each into the file of the run.
func (d *database) hookedRestore(there *corev1.Pod) subject {
	return subject{
		name: "rehooked",
		begin: func(w *world, name string) {
			w.t.Helper()
			w.create(&kahuv1.Restore{ObjectMeta: named(name), Spec: kahuv1.RestoreSpec{
				BackupName: "base", NamespaceMapping: map[string]kahuv1.NamespaceName{w.app: there.Namespace}, ResourcePrefix: name + "-",
				IncludeResources: []kahuv1.ResourceFilter{{Kind: "pods"}},
				Hook: kahuv1.RestoreHook{Resources: []kahuv1.RestoreResourceHook{
					{
						Name: "there", IncludeResources: []kahuv1.ResourceFilter{{Kind: "pods", Name: there.Name}},
						Pre: []kahuv1.BackupHookStep{{Exec: &kahuv1.ExecHook{Command: writes(name, drained)}}},
					},
					{
						Name: "restored", IncludeResources: []kahuv1.ResourceFilter{{Kind: "pods", Name: web}},
						Post: []kahuv1.RestoreHookStep{{Exec: &kahuv1.RestoreExecHook{Command: writes(name, warmed)}}},
					},
				}},
			}})
		},
		over: func(w *world, name string) bool {
			restore := &kahuv1.Restore{}
			err := w.client.Get(w.t.Context(), client.ObjectKey{Name: name}, restore)
			return err == nil && restore.Status.Stage == kahuv1.StageFinished
		},
		judge: func(w *world, name string) ([]string, string) {
			w.t.Helper()
			restore, ended := w.awaitRestore(name)
			if !ended {
				return []string{fmt.Sprintf("it does not end: %+v", restore.Status)}, never
			}
			return d.judgeRestore(restore, there.Namespace)
		},
	}
}

// judgeRestore holds what both pods have seen to what is promised.
func (d *database) judgeRestore(restore *kahuv1.Restore, namespace string) (wrong []string, ended string) {
	d.w.t.Helper()
	pre := len(d.marks(restore.Name))
	d.times[restore.Name] = pre
	made, post := &corev1.Pod{}, []string(nil)
	err := d.w.client.Get(d.w.t.Context(), client.ObjectKey{Namespace: namespace, Name: restore.Name + "-" + web}, made)
	if err == nil {
		post = seenBy(d.w, made).marks(restore.Name)
	} else if !apierrors.IsNotFound(err) {
		d.w.t.Fatal(err)
	}
	if pre > 1 {
		wrong = append(wrong, fmt.Sprintf("the command before ran %d times", pre))
	}
	hooks := restore.Status.Hooks
	condition := meta.FindStatusCondition(restore.Status.Conditions, kahuv1.ConditionHooksCompleted)
	if hooks == nil || hooks.CompletionTimestamp == nil || condition == nil || condition.Status == metav1.ConditionUnknown {
		wrong = append(wrong, fmt.Sprintf("it has ended, and the status does not say that its hooks have: %+v %+v", hooks, condition))
	}
	complete := meta.FindStatusCondition(restore.Status.Conditions, kahuv1.ConditionComplete)
	switch {
	case restore.Status.State == kahuv1.StateCompleted && (pre != 1 || len(post) == 0):
		wrong = append(wrong, fmt.Sprintf("it is Completed, and the command before ran %d times, the one after %d times", pre, len(post)))
	case restore.Status.State == kahuv1.StateFailed && complete.Reason != kahuv1.ReasonHookInterrupted:
		wrong = append(wrong, fmt.Sprintf("it has failed for %s: %s", complete.Reason, restore.Status.FailureReason))
	case restore.Status.State == kahuv1.StateFailed && err == nil:
		wrong = append(wrong, "its hooks before were interrupted, and something was restored")
	}
	if slices.ContainsFunc(post, func(mark string) bool { return mark != warmed }) {
		wrong = append(wrong, fmt.Sprintf("in the restored pod have run %q", post))
	}
	return wrong, fmt.Sprintf("%s after %d commands before and %d after", restore.Status.State, pre, len(post))
}

// TestHooksOfKilledRestores kills the manager at every point of a restore whose hooks run in real pods, and has two managers at
// work.
func TestHooksOfKilledRestores(t *testing.T) {
	needNode(t)
	w := newWorld(t)
	target := w.app + "-beside"
	w.makeNamespace(target)
	newPod(w, w.app, web)
	there := newPod(w, target, "there-"+w.app)
	running := w.manager(role{})
	w.awaitLocation()
	w.create(w.backup("base"))
	if base, ended := w.awaitBackup("base"); !ended || base.Status.State != kahuv1.StateCompleted {
		t.Fatalf("the base is not there: %+v", base.Status)
	}
	running.kill()
	seen := seenBy(w, there)
	of := seen.hookedRestore(there)
	t.Run("killed", func(t *testing.T) {
		w.campaign(t, of, way{by: killed, every: 1})
		seen.tell(t)
	})
	t.Run("stopped", func(t *testing.T) { w.campaign(t, of, way{by: stopped, every: 8}) })
	t.Run("deposed", func(t *testing.T) { w.campaign(t, of, way{by: deposed, every: 8}) })
}
