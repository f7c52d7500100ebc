package cli_test

import (
	"bytes"
	"context"
	"strings"
	"sync"
	"testing"
	"time"

	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/fields"
	testclock "k8s.io/utils/clock/testing"
	"sigs.k8s.io/controller-runtime/pkg/client"

	kahuv1 "github.com/soda-cdm/kahu/api/v1beta1"
	"github.com/soda-cdm/kahu/internal/cli"
	"github.com/soda-cdm/kahu/internal/testkit/cluster"
)

// screen is a terminal whose content a test can wait for.
type screen struct {
	mutex   sync.Mutex
	content strings.Builder
	changed chan struct{}
}

// Write adds to what is seen.
func (s *screen) Write(content []byte) (int, error) {
	s.mutex.Lock()
	defer s.mutex.Unlock()
	select {
	case s.changed <- struct{}{}:
	default:
	}
	return s.content.Write(content)
}

// seen returns everything that was written.
func (s *screen) seen() string {
	s.mutex.Lock()
	defer s.mutex.Unlock()
	return s.content.String()
}

// await waits until a text was written.
func (s *screen) await(ctx context.Context, text string) error {
	for !strings.Contains(s.seen(), text) {
		select {
		case <-s.changed:
		case <-ctx.Done():
			return ctx.Err()
		}
	}
	return nil
}

// step is what a manager does next, and what is seen of it.
type step[T client.Object] struct {
	do   func(object T)
	seen string
}

// follow lets a manager take the steps of a run, each once the one before it was seen on the screen.
func follow[T client.Object](t *testing.T, on *screen, list client.ObjectList, begun func(object T) bool, steps []step[T]) {
	t.Helper()
	to := newClient(t)
	ctx, cancel := context.WithTimeout(context.WithoutCancel(t.Context()), limit)
	watcher, err := to.Watch(ctx, list, &client.ListOptions{FieldSelector: fields.OneTermEqualSelector("metadata.name", "bar")})
	if err != nil {
		cancel()
		t.Fatal(err)
	}
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		for event := range watcher.ResultChan() {
			object, ok := event.Object.(T)
			if !ok || !begun(object) {
				continue
			}
			for i, step := range steps {
				step.do(object)
				if err := to.Status().Update(ctx, object); err != nil {
					t.Errorf("step %d: %v", i, err)
					return
				}
				if err := on.await(ctx, step.seen); err != nil {
					t.Errorf("%q is not seen: %q", step.seen, on.seen())
				}
			}
			return
		}
	}()
	t.Cleanup(func() {
		<-ended
		watcher.Stop()
		cancel()
	})
}

// runOn runs a command whose progress goes to a screen.
func runOn(t *testing.T, on *screen, arguments ...string) {
	t.Helper()
	var out bytes.Buffer
	command := cli.New(cli.Options{
		Out: &out, Err: on, Terminal: true, Clock: testclock.NewFakePassiveClock(time.Unix(1000, 0)), Version: "test",
	})
	command.SetArgs(append(arguments, "--wait", "--timeout", limit.String(), "--kubeconfig", cluster.Kubeconfig(t)))
	if err := command.ExecuteContext(t.Context()); err != nil {
		t.Error(err)
	}
	// The bar stays, and what comes next begins at a line of its own.
	if seen := on.seen(); !strings.HasSuffix(seen, "\n") || strings.Count(seen, "\n") != 1 {
		t.Errorf("seen %q", seen)
	}
}

// bar is what is drawn of a run.
func bar(filled int, line string) string {
	return "\r\x1b[K[" + strings.Repeat("=", filled) + strings.Repeat(" ", 30-filled) + "] " + line
}

func TestBarOfBackup(t *testing.T) {
	putLocation(t, "default")
	on := &screen{changed: make(chan struct{}, 1)}
	remove(t, &kahuv1.Backup{}, "bar")
	at := func(state kahuv1.State, stage kahuv1.Stage, done int64) func(*kahuv1.Backup) {
		return func(backup *kahuv1.Backup) {
			backup.Status.State, backup.Status.Stage = state, stage
			backup.Status.Progress = kahuv1.BackupProgress{ItemsDone: done, ItemsTotal: 6}
		}
	}
	follow(t, on, &kahuv1.BackupList{}, func(*kahuv1.Backup) bool { return true }, []step[*kahuv1.Backup]{
		{at(kahuv1.StateProcessing, kahuv1.StageResources, 0), bar(0, "backup bar: Processing, 0 of 6 objects")},
		{at(kahuv1.StateProcessing, kahuv1.StageResources, 3), bar(15, "backup bar: Processing, 3 of 6 objects")},
		{at(kahuv1.StateCompleted, kahuv1.StageFinished, 6), bar(30, "backup bar: Completed, 6 of 6 objects")},
	})
	runOn(t, on, "backup", "create", "bar", "--location", "default")
}

func TestBarOfVerification(t *testing.T) {
	on := &screen{changed: make(chan struct{}, 1)}
	backup := &kahuv1.Backup{ObjectMeta: metav1.ObjectMeta{Name: "bar"}, Spec: kahuv1.BackupSpec{MetadataLocation: "default"}}
	put(t, backup, func() { backup.Status.Counts.Objects = 10 })
	at := func(status metav1.ConditionStatus, reason string, objects int64, ended *metav1.Time) func(*kahuv1.Backup) {
		return func(backup *kahuv1.Backup) {
			backup.Status.Verification = &kahuv1.BackupVerification{Token: backup.Annotations[kahuv1.AnnotationVerify], Objects: objects, Time: ended}
			meta.SetStatusCondition(&backup.Status.Conditions, metav1.Condition{Type: kahuv1.ConditionVerified, Status: status, Reason: reason, Message: "x"})
		}
	}
	follow(t, on, &kahuv1.BackupList{}, func(backup *kahuv1.Backup) bool { return backup.Annotations[kahuv1.AnnotationVerify] != "" },
		[]step[*kahuv1.Backup]{
			{at(metav1.ConditionTrue, kahuv1.ReasonVerified, 0, nil), bar(0, "backup bar: 0 of 10 objects")}, // The answer of before.
			{at(metav1.ConditionUnknown, kahuv1.ReasonVerifying, 5, nil), bar(15, "backup bar: 5 of 10 objects")},
			{at(metav1.ConditionTrue, kahuv1.ReasonVerified, 10, stale(5)), "\n"},
		})
	runOn(t, on, "backup", "verify", "bar")
}

func TestProgressOfUndo(t *testing.T) {
	on := &screen{changed: make(chan struct{}, 1)}
	restore := &kahuv1.Restore{ObjectMeta: metav1.ObjectMeta{Name: "bar"}, Spec: kahuv1.RestoreSpec{BackupName: "nightly"}}
	put(t, restore, func() { restore.Status.Stage = kahuv1.StageFinished })
	at := func(status metav1.ConditionStatus, reason, message string, ended *metav1.Time) func(*kahuv1.Restore) {
		return func(restore *kahuv1.Restore) {
			restore.Status.Undo = &kahuv1.RestoreUndo{Token: restore.Annotations[kahuv1.AnnotationUndo], Time: ended}
			meta.SetStatusCondition(&restore.Status.Conditions, metav1.Condition{Type: kahuv1.ConditionUndone, Status: status, Reason: reason, Message: message})
		}
	}
	follow(t, on, &kahuv1.RestoreList{}, func(restore *kahuv1.Restore) bool { return restore.Annotations[kahuv1.AnnotationUndo] != "" },
		[]step[*kahuv1.Restore]{
			{at(metav1.ConditionUnknown, kahuv1.ReasonUndoing, "5 of 10 gone", nil), "\r\x1b[Kundo of restore bar: 5 of 10 gone"},
			{at(metav1.ConditionUnknown, kahuv1.ReasonUndoing, "6 of 10 gone", nil), "\r\x1b[Kundo of restore bar: 6 of 10 gone"},
			{at(metav1.ConditionTrue, kahuv1.ReasonUndone, "gone", stale(5)), "\n"},
		})
	runOn(t, on, "restore", "undo", "bar")
}
