package restore_test

import (
	"context"
	"errors"
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
	"github.com/soda-cdm/kahu/internal/controller/restore"
	"github.com/soda-cdm/kahu/internal/core"
	"github.com/soda-cdm/kahu/internal/core/archive"
	"github.com/soda-cdm/kahu/internal/engine"
	enginerestore "github.com/soda-cdm/kahu/internal/engine/restore"
	"github.com/soda-cdm/kahu/internal/reconcile"
	"github.com/soda-cdm/kahu/internal/store"
	"github.com/soda-cdm/kahu/provider/memory"
)

// emptyRunner restores from a place that has no manifest.
type emptyRunner struct{}

func (emptyRunner) Run(context.Context, enginerestore.Request, enginerestore.Files) (enginerestore.Result, error) {
	return enginerestore.Result{}, core.ErrNotFound
}

// TestPlaceThatIsAway: where the storage is away, which nobody has noticed yet, no backup is said to be missing. A look for one is
// tried again, until somebody has brought the place back or the patience is over.
func TestPlaceThatIsAway(t *testing.T) {
	t.Parallel()
	id := archive.BackupID{ClusterID: "0b7f64a2-9f0e-4d1c-8f5e-3a1f9c2d7e10", Name: "source", UID: "c1f6f2f0-5a6b-4f4e-9c7d-0d3f4f1a2b3c"}
	now := time.Date(2026, 11, 21, 12, 0, 0, 0, time.UTC)
	marker, err := archive.EncodeMarker(archive.Marker{LocationID: "the-place", Created: now})
	if err != nil {
		t.Fatal(err)
	}
	for name, test := range map[string]struct {
		whole bool // whether the wish names the folder
		there bool // whether the place is there
		want  string
	}{
		"looked for":                  {want: kahuv1.ReasonMarkerMissing},
		"named":                       {whole: true, want: kahuv1.ReasonMarkerMissing},
		"looked for, and not there":   {there: true, want: kahuv1.ReasonBackupNotFound},
		"named, and without manifest": {whole: true, there: true, want: kahuv1.ReasonManifestNotFound},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			clock := clocktesting.NewFakeClock(now)
			run := &kahuv1.Restore{
				ObjectMeta: metav1.ObjectMeta{Name: "nightly", UID: "an-uid", CreationTimestamp: metav1.NewTime(now)},
				Spec:       kahuv1.RestoreSpec{BackupName: "source", MetadataLocation: "main"},
			}
			if test.whole {
				run.Spec.ClusterID, run.Spec.BackupUID = id.ClusterID, id.UID
			}
			to, location := located(t, run)
			location.Status.LocationID = "the-place"
			if err := to.Status().Update(t.Context(), location); err != nil {
				t.Fatal(err)
			}
			files := store.New(memory.New(memory.Options{}), store.Options{})
			if test.there {
				if err := files.Replace(t.Context(), archive.MarkerName, marker); err != nil {
					t.Fatal(err)
				}
			}
			tasks := reconcile.NewTasks[engine.Progress, enginerestore.Result](1)
			ctx, cancel := context.WithCancel(t.Context())
			ended := make(chan error, 1)
			go func() { ended <- tasks.Start(ctx) }()
			t.Cleanup(func() {
				cancel()
				if err := <-ended; err != nil && !errors.Is(err, context.Canceled) {
					t.Error(err)
				}
			})
			loop := (&restore.Controller{
				Client: to, Direct: to, Finder: &place.Finder{Client: to, Stores: oneStore{files}}, Clock: clock, Patience: time.Minute,
				RunsPerLocation: 1, Gate: reconcile.NewGate(1), Tasks: tasks, Runner: emptyRunner{}, NewAttempt: func() string { return "first" },
			}).Loop()
			var seen *kahuv1.Restore
			pass := func() {
				t.Helper()
				if _, err := loop.Reconcile(t.Context(), ctrl.Request{NamespacedName: types.NamespacedName{Name: "nightly"}}); err != nil {
					t.Fatal(err)
				}
				seen = &kahuv1.Restore{}
				if err := to.Get(t.Context(), client.ObjectKey{Name: "nightly"}, seen); err != nil {
					t.Fatal(err)
				}
			}
			pass()
			if !test.whole && test.there != (seen.Status.State == kahuv1.StateFailed) {
				t.Errorf("at first it is %s: %s", seen.Status.State, seen.Status.FailureReason)
			}
			clock.Step(2 * time.Minute)
			for before := ""; seen.Status.State != kahuv1.StateFailed; pass() {
				if seen.ResourceVersion == before {
					select {
					case <-tasks.Events():
					case <-time.After(30 * time.Second): //nolint:forbidigo // A bound for what comes at once.
						t.Fatalf("nothing happens: it is %s", seen.Status.State)
					}
				}
				before = seen.ResourceVersion
			}
			if why := meta.FindStatusCondition(seen.Status.Conditions, kahuv1.ConditionReady); why == nil || why.Reason != test.want {
				t.Errorf("it ends as %s: %+v", seen.Status.State, why)
			}
		})
	}
}
