package restore_test

import (
	"context"
	"errors"
	"strings"
	"testing"
	"time"

	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/utils/clock"
	ctrl "sigs.k8s.io/controller-runtime"
	"sigs.k8s.io/controller-runtime/pkg/client"

	kahuv1 "github.com/soda-cdm/kahu/api/v1beta1"
	"github.com/soda-cdm/kahu/internal/controller/place"
	"github.com/soda-cdm/kahu/internal/controller/restore"
	"github.com/soda-cdm/kahu/internal/core"
	"github.com/soda-cdm/kahu/internal/core/archive"
	"github.com/soda-cdm/kahu/internal/engine"
	enginerestore "github.com/soda-cdm/kahu/internal/engine/restore"
	"github.com/soda-cdm/kahu/internal/reconcile"
	"github.com/soda-cdm/kahu/internal/store"
	"github.com/soda-cdm/kahu/provider/memory"
)

// runFunc is a restore.
type runFunc func(ctx context.Context) (enginerestore.Result, error)

func (f runFunc) Run(ctx context.Context, _ enginerestore.Request, _ enginerestore.Files) (enginerestore.Result, error) {
	return f(ctx)
}

// TestBackupThatIsBeingDeleted: a backup whose files are being deleted is not restored, also where it is named by its location; and a
// restore that lacks something while its backup is being deleted says so.
func TestBackupThatIsBeingDeleted(t *testing.T) {
	t.Parallel()
	id := archive.BackupID{ClusterID: "0b7f64a2-9f0e-4d1c-8f5e-3a1f9c2d7e10", Name: "source", UID: "c1f6f2f0-5a6b-4f4e-9c7d-0d3f4f1a2b3c"}
	for name, test := range map[string]struct {
		policy kahuv1.DeletionPolicy
		before bool // it is deleted before the restore, and not while it runs
		result enginerestore.Result
		err    error
		reason string
		says   bool
	}{
		"before":                              {policy: kahuv1.DeletionPolicyDelete, before: true, reason: kahuv1.ReasonBackupNotFound, says: true},
		"before, and its files stay":          {policy: kahuv1.DeletionPolicyRetain, before: true, reason: kahuv1.ReasonNothingSelected},
		"files are missing":                   {policy: kahuv1.DeletionPolicyDelete, err: core.ErrCorrupt, reason: kahuv1.ReasonBackupNotFound, says: true},
		"the manifest is missing":             {policy: kahuv1.DeletionPolicyDelete, err: core.ErrNotFound, reason: kahuv1.ReasonBackupNotFound, says: true},
		"files are damaged":                   {policy: kahuv1.DeletionPolicyRetain, err: core.ErrCorrupt, reason: kahuv1.ReasonArchiveCorrupt},
		"a volume is missing":                 {policy: kahuv1.DeletionPolicyDelete, result: enginerestore.Result{FailedTotal: 1}, reason: kahuv1.ReasonPartiallyFailed, says: true},
		"it ends before anything was missing": {policy: kahuv1.DeletionPolicyDelete, reason: kahuv1.ReasonNothingSelected},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			run := &kahuv1.Restore{
				ObjectMeta: metav1.ObjectMeta{Name: "nightly", UID: "an-uid", CreationTimestamp: metav1.NewTime(clock.RealClock{}.Now())},
				Spec:       kahuv1.RestoreSpec{BackupName: "source", MetadataLocation: "main", ClusterID: id.ClusterID, BackupUID: id.UID},
			}
			to, location := located(t, run)
			location.Status.LocationID = "the-place"
			marker, err := archive.EncodeMarker(archive.Marker{LocationID: "the-place", Created: clock.RealClock{}.Now()})
			files := store.New(memory.New(memory.Options{}), store.Options{})
			err = errors.Join(err, to.Status().Update(t.Context(), location), files.Replace(t.Context(), archive.MarkerName, marker),
				to.Create(t.Context(), &kahuv1.Backup{
					ObjectMeta: metav1.ObjectMeta{Name: "source", UID: types.UID(id.UID), Finalizers: []string{"kahu.io/data"}},
					Spec:       kahuv1.BackupSpec{DeletionPolicy: test.policy},
				}))
			if err != nil {
				t.Fatal(err)
			}
			remove := func(ctx context.Context) error {
				return to.Delete(ctx, &kahuv1.Backup{ObjectMeta: metav1.ObjectMeta{Name: "source"}})
			}
			if test.before {
				if err := remove(t.Context()); err != nil {
					t.Fatal(err)
				}
			}
			seen := trial{to: to, files: files, clusterID: id.ClusterID}.ended(t, func(ctx context.Context) (enginerestore.Result, error) {
				if !test.before {
					if err := remove(ctx); err != nil {
						return enginerestore.Result{}, err
					}
				}
				return test.result, test.err
			})
			why := meta.FindStatusCondition(seen.Status.Conditions, kahuv1.ConditionReady)
			text := seen.Status.FailureReason + strings.Join(seen.Status.Warnings, "")
			if why == nil || why.Reason != test.reason || test.says != strings.Contains(text, `Backup "source" is being deleted`) {
				t.Errorf("it ends as %s: %+v, %s", seen.Status.State, why, text)
			}
		})
	}
}

// trial is what a Restore runs in.
type trial struct {
	to        client.Client
	files     *store.Store
	clusterID string
	volumes   restore.Volumes // nil: nothing deals with them
}

// ended returns the Restore when it is over.
func (w trial) ended(t *testing.T, run runFunc) *kahuv1.Restore {
	t.Helper()
	to := w.to
	tasks := reconcile.NewTasks[engine.Progress, enginerestore.Result](1)
	ctx, cancel := context.WithCancel(t.Context())
	over := make(chan error, 1)
	go func() { over <- tasks.Start(ctx) }()
	t.Cleanup(func() {
		cancel()
		if err := <-over; err != nil && !errors.Is(err, context.Canceled) {
			t.Error(err)
		}
	})
	loop := (&restore.Controller{
		Client: to, Direct: to, Finder: &place.Finder{Client: to, Stores: oneStore{w.files}}, Clock: clock.RealClock{}, Patience: time.Minute,
		RunsPerLocation: 1, Gate: reconcile.NewGate(1), Tasks: tasks, Runner: run, NewAttempt: func() string { return "first" }, ClusterID: w.clusterID, Volumes: w.volumes,
	}).Loop()
	before := ""
	for {
		if _, err := loop.Reconcile(t.Context(), ctrl.Request{NamespacedName: types.NamespacedName{Name: "nightly"}}); err != nil {
			t.Fatal(err)
		}
		seen := &kahuv1.Restore{}
		if err := to.Get(t.Context(), client.ObjectKey{Name: "nightly"}, seen); err != nil {
			t.Fatal(err)
		}
		if seen.Status.Stage == kahuv1.StageFinished {
			return seen
		}
		if seen.ResourceVersion == before {
			select {
			case <-tasks.Events():
			case <-time.After(time.Minute): //nolint:forbidigo // A bound for what comes at once.
				t.Fatalf("nothing happens: it is %s", seen.Status.State)
			}
		}
		before = seen.ResourceVersion
	}
}
