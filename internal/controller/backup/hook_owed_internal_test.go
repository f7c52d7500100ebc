package backup

import (
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	kahuv1 "github.com/soda-cdm/kahu/api/v1beta1"
	"github.com/soda-cdm/kahu/internal/core/hook"
	"github.com/soda-cdm/kahu/internal/engine/quiesce"
)

// TestPromisesAreOnRecord: what pods are promised is in the status before anything runs, and gone when it has run; that of a pod
// that may still be held still is not.
func TestPromisesAreOnRecord(t *testing.T) {
	t.Parallel()
	const origin = "annotation post.hook.backup.kahu.io/command"
	command := func(word string) []hook.Command {
		return []hook.Command{{Origin: origin, Container: "main", Words: []string{"go", word}, Continue: true, Timeout: 90 * time.Second}}
	}
	pod := func(name string) hook.Pod { return hook.Pod{Namespace: "shop", Name: name, UID: "1"} }
	plans := []hook.Plan{
		{Pod: pod("chosen"), Sets: []string{"spec.hook.resources[0]", "spec.hook.resources[2]"}, Post: command("no")},
		{Pod: pod("annotated"), Post: command("on")},
		{Pod: pod("long"), Post: command(strings.Repeat("x", 5000))},
		{Pod: pod("nothing"), Pre: command("hold")},
	}
	run := completed("run", func(b *kahuv1.Backup) {
		b.Status.State, b.Status.Stage, b.Status.Attempt, b.Status.Hooks = kahuv1.StateProcessing, "", "first", nil
	})
	c := fakeServer(t, run)
	record := &hookRecord{Controller: c, key: client.ObjectKeyFromObject(run), uid: run.UID, attempt: "first"}
	read := func() *kahuv1.BackupHooks {
		now := &kahuv1.Backup{}
		if err := c.Client.Get(t.Context(), client.ObjectKeyFromObject(run), now); err != nil {
			t.Fatal(err)
		}
		return now.Status.Hooks
	}
	if err := record.Begin(t.Context(), quiesce.Begun{Began: startTime, Pods: plans}); err != nil {
		t.Fatal(err)
	}
	var want []hook.Promise
	for i := range plans {
		want = append(want, hook.PromiseOf(&plans[i]))
	}
	if diff := cmp.Diff(want, promises(read().Owed)); diff != "" {
		t.Errorf("(-promised +on record):\n%s", diff)
	}
	outcome := quiesce.Outcome{Ended: startTime, Stranded: []string{quiesce.PodText("shop", "annotated")}, Reason: hook.Unreachable}
	if err := record.End(t.Context(), outcome); err != nil {
		t.Fatal(err)
	}
	left := []kahuv1.OwedHook{{
		Namespace: "shop", Pod: "annotated", PodUID: "1", Exec: &kahuv1.ExecHook{
			Container: "main", Command: []string{"go", "on"}, OnError: kahuv1.HookErrorModeContinue, Timeout: metav1.Duration{Duration: 90 * time.Second},
		},
	}}
	if diff := cmp.Diff(left, read().Owed); diff != "" {
		t.Errorf("of those that may be held still (-want +got):\n%s", diff)
	}
}
