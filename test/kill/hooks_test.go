package kill_test

import (
	"context"
	"fmt"
	"io"
	"net/http"
	"os"
	"slices"
	"strings"
	"testing"
	"time"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	"sigs.k8s.io/controller-runtime/pkg/client"

	kahuv1 "github.com/soda-cdm/kahu/api/v1beta1"
)

// needNode skips a test whose cluster has no node.
func needNode(t *testing.T) {
	t.Helper()
	if os.Getenv(nodes) == "" { //nolint:forbidigo // A test binary has no flags of its own.
		t.Skip("it takes a node, on which pods run: see make e2e")
	}
}

// quiesceTime is for how long the pod may be held still.
const quiesceTime = time.Minute

const (
	frozen = "frozen"
	thawed = "thawed"
)

// database is a pod whose hooks write lines into a file for each run, which it serves.
type database struct {
	w       *world
	address string
	// times is how often the pre hook ran in each run, and longest the longest time for which the pod was held still in one.
	times   map[string]int
	longest time.Duration
}

// newDatabase returns the pod when it runs.
func newDatabase(w *world) *database {
	w.t.Helper()
	pod := &corev1.Pod{
		ObjectMeta: metav1.ObjectMeta{Namespace: w.app, Name: "database-" + w.app}, // Pods are looked for by their name.
		Spec: corev1.PodSpec{
			TerminationGracePeriodSeconds: new(int64(0)), AutomountServiceAccountToken: new(false),
			Volumes: []corev1.Volume{{Name: "marks", VolumeSource: corev1.VolumeSource{EmptyDir: &corev1.EmptyDirVolumeSource{}}}},
			Containers: []corev1.Container{{
				Name: "main", Image: "kahu.local/workload:1", Args: []string{"serve", "--folder", "/marks"},
				VolumeMounts: []corev1.VolumeMount{{Name: "marks", MountPath: "/marks"}},
			}},
		},
	}
	w.create(pod)
	running, is := await(w, &corev1.PodList{}, pod, func(found *corev1.Pod, gone bool) bool {
		return !gone && found.Status.Phase == corev1.PodRunning && found.Status.PodIP != ""
	})
	if !is {
		w.t.Fatalf("the pod does not run: %+v", running.Status)
	}
	return &database{w: w, address: "http://" + running.Status.PodIP + ":8080/", times: map[string]int{}}
}

// mark is a line that a hook has written, and when, if it says so.
type mark struct {
	text string
	at   time.Time
}

// marks returns what the lines say that the hooks of a run have written.
func (d *database) marks(run string) (texts []string) {
	d.w.t.Helper()
	for _, of := range d.lines(run) {
		texts = append(texts, of.text)
	}
	return texts
}

// lines returns the lines that the hooks of a run have written.
func (d *database) lines(run string) []mark {
	d.w.t.Helper()
	ctx, cancel := context.WithTimeout(d.w.t.Context(), waitLimit)
	defer cancel()
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, d.address+run, nil)
	if err != nil {
		d.w.t.Fatal(err)
	}
	response, err := http.DefaultClient.Do(request)
	if err != nil {
		d.w.t.Fatal(err)
	}
	defer response.Body.Close()
	content, err := io.ReadAll(response.Body)
	if err != nil {
		d.w.t.Fatal(err)
	}
	if response.StatusCode == http.StatusNotFound {
		return nil
	}
	var marks []mark
	for line := range strings.SplitSeq(strings.TrimSpace(string(content)), "\n") {
		words := strings.Fields(line) // Its number, the text with the time, and their checksum.
		if len(words) != 3 {
			continue
		}
		text, stamp, stamped := strings.Cut(words[1], "@")
		at, err := time.Parse(time.RFC3339Nano, stamp)
		if stamped && err != nil {
			d.w.t.Fatal(err)
		}
		marks = append(marks, mark{text, at})
	}
	return marks
}

// backup is a Backup with hooks that write into the file of the run.
func (d *database) backup(name string) *kahuv1.Backup {
	made := d.w.backup(name)
	step := func(mark string) []kahuv1.BackupHookStep {
		return []kahuv1.BackupHookStep{{Exec: &kahuv1.ExecHook{Command: []string{"/devcluster-workload", "append", "--stamp", "/marks/" + name, mark}}}}
	}
	made.Spec.Hook = kahuv1.BackupHook{
		QuiesceTimeout: metav1.Duration{Duration: quiesceTime},
		Resources:      []kahuv1.BackupResourceHook{{Name: "database", Pre: step(frozen), Post: step(thawed)}},
	}
	return made
}

// hooked are runs of a Backup with hooks.
func (d *database) hooked() subject {
	of := backups(nil)
	of.name = "hooked"
	of.begin = func(w *world, name string) {
		w.t.Helper()
		w.create(d.backup(name))
	}
	of.judge = func(w *world, name string) ([]string, string) {
		w.t.Helper()
		backup, ended := w.awaitBackup(name)
		if !ended {
			return []string{fmt.Sprintf("it does not end: %+v", backup.Status)}, never
		}
		return d.judge(backup)
	}
	return of
}

// judge holds what the pod has seen to what is promised.
func (d *database) judge(backup *kahuv1.Backup) (wrong []string, ended string) {
	marks := d.lines(backup.Name)
	pre := len(slices.DeleteFunc(slices.Clone(marks), func(of mark) bool { return of.text != frozen }))
	d.times[backup.Name] = pre
	if pre > 1 {
		wrong = append(wrong, fmt.Sprintf("the pre hook ran %d times: %v", pre, marks))
	}
	if held, ended := heldStill(marks); !ended || held > quiesceTime {
		wrong = append(wrong, fmt.Sprintf("the application is left quiesced, for %s: %v", held, marks))
	} else {
		d.longest = max(d.longest, held)
	}
	hooks := backup.Status.Hooks
	condition := meta.FindStatusCondition(backup.Status.Conditions, kahuv1.ConditionHooksCompleted)
	if hooks == nil || hooks.CompletionTimestamp == nil || condition == nil || condition.Status == metav1.ConditionUnknown {
		wrong = append(wrong, fmt.Sprintf("it has ended, and the status does not say that its hooks have: %+v %+v", hooks, condition))
	}
	complete := meta.FindStatusCondition(backup.Status.Conditions, kahuv1.ConditionComplete)
	switch {
	case backup.Status.State == kahuv1.StateCompleted && pre != 1:
		wrong = append(wrong, fmt.Sprintf("it is Completed, and the pre hook ran %d times", pre))
	case backup.Status.State == kahuv1.StateFailed && complete.Reason != kahuv1.ReasonHookInterrupted:
		wrong = append(wrong, fmt.Sprintf("it has failed for %s: %s", complete.Reason, backup.Status.FailureReason))
	}
	return wrong, fmt.Sprintf("%s after %d pre and %d post hooks", backup.Status.State, pre, len(marks)-pre)
}

// heldStill returns for how long hooks have held a pod still, and whether that has ended.
func heldStill(marks []mark) (held time.Duration, ended bool) {
	at := slices.IndexFunc(marks, func(of mark) bool { return of.text == frozen })
	if at < 0 {
		return 0, true
	}
	for _, of := range marks[at:] {
		if of.text == thawed {
			return of.at.Sub(marks[at].at), true
		}
	}
	return 0, false
}

// tell prints how often the pre hook ran, of which both must have been: never, where the manager was disturbed after it had
// written down that hooks begin, and once.
func (d *database) tell(t *testing.T) {
	t.Helper()
	sums := map[int]int{}
	for _, number := range d.times {
		sums[number]++
	}
	t.Logf("the pre hook ran 0 times in %d runs, and once in %d; the pod was held still for %s at most", sums[0], sums[1], d.longest)
	if sums[0] == 0 || sums[1] == 0 {
		t.Error("not both were tried out")
	}
}

// TestHooks kills the manager at every point of a backup whose hooks run in a real pod, and has two managers at work.
func TestHooks(t *testing.T) {
	needNode(t)
	w := newWorld(t)
	first := newDatabase(w)
	of := first.hooked()
	t.Run("killed", func(t *testing.T) {
		w.campaign(t, of, way{by: killed, every: 1})
		first.tell(t)
	})
	t.Run("stopped", func(t *testing.T) { w.campaign(t, of, way{by: stopped, every: 8}) })
	t.Run("deposed", func(t *testing.T) { w.campaign(t, of, way{by: deposed, every: 8}) })
}

// TestHooksOfDeletedBackups deletes a Backup whose manager died between its hooks.
func TestHooksOfDeletedBackups(t *testing.T) {
	needNode(t)
	w := newWorld(t)
	of := newDatabase(w)
	first := w.manager(role{Run: "gone", Arm: w.armed("gone"), At: 1, Match: "/exec", When: after})
	w.awaitLocation()
	w.arm("gone")
	w.create(of.backup("gone"))
	if !w.awaitPoint(first, func() bool { return of.hooked().over(w, "gone") }) {
		backup, _ := w.awaitBackup("gone")
		t.Fatalf("the manager does not come to its hook: %+v", backup.Status)
	}
	if err := w.client.Delete(t.Context(), of.backup("gone")); err != nil {
		t.Fatal(err)
	}
	w.manager(role{})
	if _, gone := await(w, &kahuv1.BackupList{}, of.backup("gone"), func(_ *kahuv1.Backup, gone bool) bool { return gone }); !gone {
		t.Fatal("it is not deleted")
	}
	if marks := of.marks("gone"); len(marks) == 0 || marks[len(marks)-1] != thawed {
		t.Errorf("the application is left quiesced: %q", marks)
	}
	if err := client.IgnoreNotFound(w.client.Get(t.Context(), client.ObjectKey{Name: "gone"}, &kahuv1.Backup{})); err != nil {
		t.Fatal(err)
	}
}

// TestHooksWithoutLocation: what a manager owes which died between its hooks is run also where the location of the backup cannot
// be reached.
func TestHooksWithoutLocation(t *testing.T) {
	needNode(t)
	w := newWorld(t)
	of := newDatabase(w)
	first := w.manager(role{Run: "away", Arm: w.armed("away"), At: 1, Match: "/exec", When: after})
	w.awaitLocation()
	w.arm("away")
	w.create(of.backup("away"))
	if !w.awaitPoint(first, func() bool { return of.hooked().over(w, "away") }) {
		t.Fatal("the manager does not come to its hook")
	}
	w.stopKeeping()
	w.manager(role{})
	backup, done := await(w, &kahuv1.BackupList{}, of.backup("away"), func(found *kahuv1.Backup, gone bool) bool {
		return !gone && found.Status.Hooks != nil && found.Status.Hooks.CompletionTimestamp != nil
	})
	if !done {
		t.Fatalf("the hooks that are owed are not run: %+v", backup.Status)
	}
	if marks := of.marks("away"); len(marks) == 0 || marks[len(marks)-1] != thawed {
		t.Errorf("the application is left quiesced: %q", marks)
	}
}

// TestHooksOfAPodThatChanged: what a manager owes which died between its hooks is run also in a pod that nobody would ask for it any
// more, as its labels are others by then.
func TestHooksOfAPodThatChanged(t *testing.T) {
	needNode(t)
	w := newWorld(t)
	of := newDatabase(w)
	pod := &corev1.Pod{ObjectMeta: metav1.ObjectMeta{Namespace: w.app, Name: "database-" + w.app}}
	label := func(value string) {
		t.Helper()
		patch := client.RawPatch(types.MergePatchType, []byte(`{"metadata":{"labels":{"app":"`+value+`"}}}`))
		if err := w.client.Patch(t.Context(), pod, patch); err != nil {
			t.Fatal(err)
		}
	}
	label("database")
	first := w.manager(role{Run: "changed", Arm: w.armed("changed"), At: 1, Match: "/exec", When: after})
	w.awaitLocation()
	w.arm("changed")
	wish := of.backup("changed")
	wish.Spec.Hook.Resources[0].LabelSelector = &metav1.LabelSelector{MatchLabels: map[string]string{"app": "database"}}
	w.create(wish)
	if !w.awaitPoint(first, func() bool { return of.hooked().over(w, "changed") }) {
		t.Fatal("the manager does not come to its hook")
	}
	held := &kahuv1.Backup{}
	if err := w.client.Get(t.Context(), client.ObjectKeyFromObject(wish), held); err != nil {
		t.Fatal(err)
	}
	label("other")
	w.manager(role{})
	backup, ended := w.awaitBackup("changed")
	if !ended {
		t.Fatalf("it does not end: %+v", backup.Status)
	}
	if wrong, how := of.judge(backup); len(wrong) > 0 {
		t.Errorf("%s: %q", how, wrong)
	}
	if hooks := backup.Status.Hooks; held.Status.Stage != kahuv1.StagePreHook || hooks == nil || hooks.Commands == 0 || len(hooks.Owed) > 0 {
		t.Errorf("when it was held still its stage was %s; in the end its hooks are %+v", held.Status.Stage, hooks)
	}
}
