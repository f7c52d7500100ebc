package backup_test

import (
	"testing"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	clocktesting "k8s.io/utils/clock/testing"
	ctrl "sigs.k8s.io/controller-runtime"
	"sigs.k8s.io/controller-runtime/pkg/client"

	kahuv1 "github.com/soda-cdm/kahu/api/v1beta1"
	"github.com/soda-cdm/kahu/internal/controller/backup"
	"github.com/soda-cdm/kahu/internal/controller/place"
	"github.com/soda-cdm/kahu/internal/engine"
	enginebackup "github.com/soda-cdm/kahu/internal/engine/backup"
	"github.com/soda-cdm/kahu/internal/reconcile"
	"github.com/soda-cdm/kahu/internal/testkit/fakeapi"
)

// TestPatienceBeginsWithTheProcess: a run that was asked for while no manager was there has as much time as every other.
func TestPatienceBeginsWithTheProcess(t *testing.T) {
	t.Parallel()
	now := time.Date(2026, 11, 21, 12, 0, 0, 0, time.UTC)
	clock := clocktesting.NewFakeClock(now)
	meta := metav1.ObjectMeta{Name: "nightly", UID: "an-uid", CreationTimestamp: metav1.NewTime(now.Add(-time.Hour))}
	run := &kahuv1.Backup{ObjectMeta: meta, Spec: kahuv1.BackupSpec{MetadataLocation: "main"}}
	location := &kahuv1.BackupLocation{ObjectMeta: metav1.ObjectMeta{Name: "main"}} // It was not looked at yet.
	to := fakeapi.New(t).WithObjects(run, location).WithStatusSubresource(run).Build()
	loop := (&backup.Controller{
		Client: to, Direct: to, Finder: &place.Finder{Client: to}, Clock: clock, Patience: time.Minute, RunsPerLocation: 1,
		Tasks: reconcile.NewTasks[engine.Progress, enginebackup.Result](1),
	}).Loop()
	state := func() kahuv1.State {
		t.Helper()
		if _, err := loop.Reconcile(t.Context(), ctrl.Request{NamespacedName: types.NamespacedName{Name: "nightly"}}); err != nil {
			t.Fatal(err)
		}
		seen := &kahuv1.Backup{}
		if err := to.Get(t.Context(), client.ObjectKey{Name: "nightly"}, seen); err != nil {
			t.Fatal(err)
		}
		return seen.Status.State
	}
	for _, step := range []struct {
		after time.Duration
		want  kahuv1.State
	}{{0, kahuv1.StateValidating}, {30 * time.Second, kahuv1.StateValidating}, {30 * time.Second, kahuv1.StateFailed}} {
		clock.Step(step.after)
		if got := state(); got != step.want {
			t.Errorf("%s after it was first seen it is %s, want %s", clock.Since(now), got, step.want)
		}
	}
}
