package verification_test

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	clocktesting "k8s.io/utils/clock/testing"
	ctrl "sigs.k8s.io/controller-runtime"
	"sigs.k8s.io/controller-runtime/pkg/client"

	kahuv1 "github.com/soda-cdm/kahu/api/v1beta1"
	"github.com/soda-cdm/kahu/internal/controller/place"
	"github.com/soda-cdm/kahu/internal/controller/verification"
	"github.com/soda-cdm/kahu/internal/core"
	"github.com/soda-cdm/kahu/internal/core/damage"
	"github.com/soda-cdm/kahu/internal/engine"
	"github.com/soda-cdm/kahu/internal/engine/verify"
	"github.com/soda-cdm/kahu/internal/reconcile"
	"github.com/soda-cdm/kahu/internal/store"
	"github.com/soda-cdm/kahu/internal/testkit/fakeapi"
	"github.com/soda-cdm/kahu/provider/memory"
)

// reading is what one reading of the backup comes to.
type reading struct {
	found verify.Result
	err   error
}

// runner gives the readings one after the other, the last one for ever.
type runner struct {
	readings []reading
	begun    int
}

// Run implements verification.Runner.
func (r *runner) Run(context.Context, verify.Request, engine.FileReader) (verify.Result, error) {
	is := r.readings[min(r.begun, len(r.readings)-1)]
	r.begun++
	return is.found, is.err
}

// nowhere is a store that nobody asks.
type nowhere struct{}

// Files implements place.Stores.
func (nowhere) Files(string, kahuv1.ProviderEndpoint) (place.Files, error) { //nolint:ireturn // It is the port's word.
	return struct{ place.Files }{}, nil
}

// unmounted is a store that has nothing.
type unmounted struct{}

// Files implements place.Stores.
func (unmounted) Files(string, kahuv1.ProviderEndpoint) (place.Files, error) { //nolint:ireturn // It is the port's word.
	return store.New(memory.New(memory.Options{}), store.Options{}), nil
}

// world is an API server with a backup that somebody wants to be verified.
type world struct {
	t      *testing.T
	client client.WithWatch
	clock  *clocktesting.FakeClock
	runner *runner
	tasks  *verification.Tasks
	stores place.Stores
	loop   interface {
		Reconcile(ctx context.Context, request ctrl.Request) (ctrl.Result, error)
	}
}

func newWorld(t *testing.T, sample string, readings ...reading) *world {
	t.Helper()
	provider := &kahuv1.Provider{ObjectMeta: metav1.ObjectMeta{Name: "files"}, Spec: kahuv1.ProviderSpec{Type: kahuv1.ProviderTypeMetadata}}
	provider.Status.State = kahuv1.ProviderStateAvailable
	location := &kahuv1.BackupLocation{ObjectMeta: metav1.ObjectMeta{Name: "main"}, Spec: kahuv1.BackupLocationSpec{ProviderName: "files"}}
	meta.SetStatusCondition(&location.Status.Conditions, metav1.Condition{Type: kahuv1.ConditionReady, Status: metav1.ConditionTrue})
	backup := &kahuv1.Backup{ObjectMeta: metav1.ObjectMeta{
		Name: "nightly", UID: types.UID("uid-of-nightly"),
		Annotations: map[string]string{kahuv1.AnnotationVerify: "now", kahuv1.AnnotationVerifySample: sample},
	}, Spec: kahuv1.BackupSpec{MetadataLocation: "main"}, Status: kahuv1.BackupStatus{Stage: kahuv1.StageFinished}}
	w := &world{
		t: t, clock: clocktesting.NewFakeClock(time.Date(2026, 11, 21, 12, 0, 0, 0, time.UTC)), runner: &runner{readings: readings},
		stores: nowhere{},
		client: fakeapi.New(t).WithObjects(provider, location, backup).
			WithStatusSubresource(provider, location, backup).Build(),
	}
	w.restart()
	return w
}

// restart begins with a process that knows nothing of what the one before did.
func (w *world) restart() {
	w.t.Helper()
	w.tasks = reconcile.NewTasks[engine.Progress, verify.Result](1)
	controller := &verification.Controller{
		Client: w.client, Finder: &place.Finder{Client: w.client, Stores: w.stores}, Runner: w.runner, Tasks: w.tasks,
		ClusterID: "cluster", Clock: w.clock,
	}
	w.loop = controller.Loop()
	ctx, cancel := context.WithCancel(w.t.Context())
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		_ = w.tasks.Start(ctx) // It returns nothing else.
	}()
	w.t.Cleanup(func() { cancel(); <-ended })
}

// pass runs one pass, and returns the backup as it is then, and when the next pass is due.
func (w *world) pass() (*kahuv1.Backup, time.Duration) {
	w.t.Helper()
	request := ctrl.Request{NamespacedName: types.NamespacedName{Name: "nightly"}}
	result, err := w.loop.Reconcile(w.t.Context(), request)
	if err != nil {
		w.t.Fatal(err)
	}
	backup := &kahuv1.Backup{}
	if err := w.client.Get(w.t.Context(), request.NamespacedName, backup); err != nil {
		w.t.Fatal(err)
	}
	return backup, result.RequeueAfter
}

// settle runs passes, one after each task and each pause, until the question has its answer. It returns the pauses.
func (w *world) settle() (backup *kahuv1.Backup, pauses []time.Duration) {
	w.t.Helper()
	for range 50 {
		backup, pause := w.pass()
		if answer := backup.Status.Verification; answer != nil && answer.Time != nil {
			return backup, pauses
		}
		if answer := backup.Status.Verification; answer != nil && answer.RetryTime != nil && answer.RetryTime.After(w.clock.Now()) {
			if again, _ := w.pass(); again.ResourceVersion != backup.ResourceVersion {
				w.t.Errorf("a pass before its time changed %+v to %+v", backup.Status, again.Status)
			}
			pauses = append(pauses, pause)
			w.clock.Step(pause)
			continue
		}
		w.awaitTask()
	}
	w.t.Fatal("the question has no answer after 50 passes")
	return nil, nil
}

// awaitTask returns when a task has something to tell, or soon, where none was begun because nothing leads yet.
func (w *world) awaitTask() {
	select {
	case <-w.tasks.Events():
	case <-time.After(20 * time.Millisecond): //nolint:forbidigo // The tasks begin when their goroutine does.
	}
}

func unavailable() reading { return reading{err: fmt.Errorf("reading a: %w", core.ErrUnavailable)} }

// TestNothingIsReadBeforeTheQuestionIsOnRecord: the pass that takes the question begins no reading. Another one, whose cache
// has not heard of the question being taken, would stop it as one for an earlier question.
func TestNothingIsReadBeforeTheQuestionIsOnRecord(t *testing.T) {
	t.Parallel()
	w := newWorld(t, "", reading{})
	taken, _ := w.pass()
	if answer := taken.Status.Verification; answer == nil || answer.Token != "now" {
		t.Errorf("the question is not on record: %+v", answer)
	}
	if _, begun := w.tasks.Look(taken.UID); begun {
		t.Error("the reading began in the pass that took the question")
	}
}

// TestReadAgain: a store that fails ends no question, unless it fails for long; what does not pass does at once.
func TestReadAgain(t *testing.T) {
	t.Parallel()
	whole := reading{found: verify.Result{Files: 3, Bytes: 30, Objects: 7, ObjectsTotal: 7}}
	damaged := reading{found: verify.Result{DamagedTotal: 1, Objects: 2, ObjectsTotal: 7, DamagedObjects: 1, Damaged: []damage.Row{{
		File: "segment", Reason: damage.WrongContent,
	}}}, err: unavailable().err}
	seconds := func(all ...int) (pauses []time.Duration) {
		for _, each := range all {
			pauses = append(pauses, time.Duration(each)*time.Second)
		}
		return pauses
	}
	for name, test := range map[string]struct {
		readings []reading
		status   metav1.ConditionStatus
		reason   string
		pauses   []time.Duration
	}{
		"Well":        {[]reading{whole}, metav1.ConditionTrue, kahuv1.ReasonVerified, nil},
		"Once":        {[]reading{unavailable(), whole}, metav1.ConditionTrue, kahuv1.ReasonVerified, seconds(5)},
		"Unknown":     {[]reading{{err: errors.New("odd")}, whole}, metav1.ConditionTrue, kahuv1.ReasonVerified, seconds(5)},
		"ForLong":     {[]reading{unavailable()}, metav1.ConditionUnknown, kahuv1.ReasonLocationUnreachable, seconds(5, 10, 20, 40, 80)},
		"Denied":      {[]reading{{err: core.ErrDenied}}, metav1.ConditionUnknown, kahuv1.ReasonStoreDenied, nil},
		"Gone":        {[]reading{{err: core.ErrNotFound}}, metav1.ConditionFalse, kahuv1.ReasonManifestNotFound, nil},
		"Damaged":     {[]reading{damaged}, metav1.ConditionFalse, kahuv1.ReasonArchiveCorrupt, nil},
		"ThenDamaged": {[]reading{unavailable(), damaged}, metav1.ConditionFalse, kahuv1.ReasonArchiveCorrupt, seconds(5)},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w := newWorld(t, "", test.readings...)
			backup, pauses := w.settle()
			found := meta.FindStatusCondition(backup.Status.Conditions, kahuv1.ConditionVerified)
			if found == nil || found.Status != test.status || found.Reason != test.reason {
				t.Errorf("the condition is %+v", found)
			}
			if fmt.Sprint(pauses) != fmt.Sprint(test.pauses) || int(backup.Status.Verification.Attempts) != len(pauses) {
				t.Errorf("the pauses were %v, and the status has %+v", pauses, backup.Status.Verification)
			}
			if w.runner.begun != len(test.pauses)+1 {
				t.Errorf("%d readings", w.runner.begun)
			}
			if early := "ended early"; test.readings[len(test.readings)-1].found.DamagedTotal > 0 && !strings.Contains(found.Message, early) {
				t.Errorf("the message does not say that there may be more: %s", found.Message)
			}
		})
	}
}

// TestLostPlaceIsNoDamage: where the place has not even its marker, a storage is not there, and nothing is said of the backup.
func TestLostPlaceIsNoDamage(t *testing.T) {
	t.Parallel()
	for name, of := range map[string]reading{
		"NoManifest": {err: core.ErrNotFound},
		"Damaged":    {found: verify.Result{DamagedTotal: 1, Damaged: []damage.Row{{File: "segment", Reason: damage.Missing}}}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w := newWorld(t, "", of)
			w.stores = unmounted{}
			w.restart()
			location := &kahuv1.BackupLocation{ObjectMeta: metav1.ObjectMeta{Name: "main"}}
			if err := w.client.Get(t.Context(), client.ObjectKeyFromObject(location), location); err != nil {
				t.Fatal(err)
			}
			location.Status.LocationID = "the-location"
			if err := w.client.Status().Update(t.Context(), location); err != nil {
				t.Fatal(err)
			}
			backup, _ := w.settle()
			found := meta.FindStatusCondition(backup.Status.Conditions, kahuv1.ConditionVerified)
			if found == nil || found.Status != metav1.ConditionUnknown || found.Reason != kahuv1.ReasonMarkerMissing {
				t.Errorf("the condition is %+v", found)
			}
		})
	}
}

// TestReadAgainAfterRestart: another process waits for the time that is on record, and goes on counting.
func TestReadAgainAfterRestart(t *testing.T) {
	t.Parallel()
	w := newWorld(t, "", unavailable())
	for range 50 {
		if backup, _ := w.pass(); backup.Status.Verification.RetryTime != nil {
			break
		}
		w.awaitTask()
	}
	w.restart()
	if _, pause := w.pass(); pause != 5*time.Second || w.runner.begun != 1 {
		t.Errorf("the new process begins %d readings, and waits %s", w.runner.begun, pause)
	}
	w.clock.Step(5 * time.Second)
	backup, pauses := w.settle()
	if len(pauses) != 4 || backup.Status.Verification.Attempts != 5 || w.runner.begun != 6 {
		t.Errorf("%d readings, pauses %v, %+v", w.runner.begun, pauses, backup.Status.Verification)
	}
}

// TestOneIsNotMany: numbers in messages have the unit that goes with them.
func TestOneIsNotMany(t *testing.T) {
	t.Parallel()
	for name, test := range map[string]struct {
		found verify.Result
		says  string
	}{
		"Whole": {verify.Result{Objects: 1, ObjectsTotal: 1}, "as it was written: 1 object."},
		"Damaged": {
			verify.Result{ObjectsTotal: 1, DamagedTotal: 1, DamagedObjects: 1, Damaged: []damage.Row{{File: "a"}}},
			"Damaged: 1 part of the backup's files; not to be restored: 1 object.",
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w := newWorld(t, "", reading{found: test.found})
			backup, _ := w.settle()
			if found := meta.FindStatusCondition(backup.Status.Conditions, kahuv1.ConditionVerified); !strings.Contains(found.Message, test.says) {
				t.Errorf("got %q, want %q", found.Message, test.says)
			}
		})
	}
}

// TestSampleSaysWhatWasNotRead: an answer about a part does not sound like one about the whole.
func TestSampleSaysWhatWasNotRead(t *testing.T) {
	t.Parallel()
	damaged := verify.Result{Objects: 10, ObjectsTotal: 100, DamagedTotal: 1, DamagedObjects: 2, Damaged: []damage.Row{{File: "a"}}}
	for name, test := range map[string]struct {
		found verify.Result
		says  string
	}{
		"Whole":    {verify.Result{Objects: 12, ObjectsTotal: 100}, "as they were written are 12 of 100 objects; not read were 88."},
		"Damaged":  {damaged, "There may be more, as the sample of 10% left out 88 objects."},
		"OneOfOne": {verify.Result{Objects: 1, ObjectsTotal: 100}, "are 1 of 100 objects; not read were 99."},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w := newWorld(t, "10%", reading{found: test.found})
			backup, _ := w.settle()
			found := meta.FindStatusCondition(backup.Status.Conditions, kahuv1.ConditionVerified)
			if !strings.Contains(found.Message, test.says) || backup.Status.Verification.ObjectsTotal != 100 {
				t.Errorf("got %q, %+v", found.Message, backup.Status.Verification)
			}
		})
	}
}
