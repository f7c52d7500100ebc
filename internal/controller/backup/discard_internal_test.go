package backup

import (
	"errors"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"k8s.io/apimachinery/pkg/types"
	clocktesting "k8s.io/utils/clock/testing"
	"sigs.k8s.io/controller-runtime/pkg/client"

	kahuv1 "github.com/soda-cdm/kahu/api/v1beta1"
	"github.com/soda-cdm/kahu/internal/core"
	"github.com/soda-cdm/kahu/internal/core/selection"
	enginebackup "github.com/soda-cdm/kahu/internal/engine/backup"
	"github.com/soda-cdm/kahu/internal/testkit/fakeapi"
	"github.com/soda-cdm/kahu/internal/testkit/world"
)

// TestFenceBeginsWithTheRecord: the attempt before is confirmed until the takeover is on record. That can be long after this
// process first tried to put it there, as where the API server takes no writes, and the fence is not over before.
func TestFenceBeginsWithTheRecord(t *testing.T) {
	t.Parallel()
	clock := clocktesting.NewFakeClock(startTime)
	c := &Controller{Clock: clock, Fence: 20 * time.Second, NewAttempt: func() string { return "new" }, runs: map[types.UID]*holding{}}
	taken := completed("run", func(b *kahuv1.Backup) { b.Status.Stage, b.Status.State = "", kahuv1.StateProcessing })
	s, before := &scope{backup: taken}, taken.Status.Attempt
	c.takeFrom(taken.UID, before) // The status is not written.
	clock.Step(time.Minute)
	taken.Status.Attempt = c.takeFrom(taken.UID, before)
	clock.Step(time.Minute) // The write takes long, and succeeds.
	taken.Status.EarlierAttempts = []string{before}
	if left := seen(t, c, s); left != c.Fence {
		t.Errorf("when the takeover is first seen, %s are left", left)
	}
	clock.Step(15 * time.Second)
	if left := seen(t, c, s); left != 5*time.Second {
		t.Errorf("after 15 seconds, %s are left", left)
	}
}

// seen has a pass see a run that goes on, and returns how long its debris would stay.
func seen(t *testing.T, c *Controller, s *scope) time.Duration {
	t.Helper()
	if err := c.takeOver(t.Context(), s); err != nil {
		t.Fatal(err)
	}
	return c.fenced(s)
}

// TestFenceOfAFailureNotSeenBefore: where no pass has seen the takeover on record before the run failed, the fence is whole.
func TestFenceOfAFailureNotSeenBefore(t *testing.T) {
	t.Parallel()
	clock := clocktesting.NewFakeClock(startTime)
	c := &Controller{Clock: clock, Fence: 20 * time.Second, NewAttempt: func() string { return "new" }, runs: map[types.UID]*holding{}}
	taken := completed("run", func(b *kahuv1.Backup) { b.Status.Stage, b.Status.State = "", kahuv1.StateDeleting })
	before := taken.Status.Attempt
	taken.Status.Attempt, taken.Status.EarlierAttempts = c.takeFrom(taken.UID, before), []string{before}
	clock.Step(time.Minute)
	if left := c.fenced(&scope{backup: taken}); left != c.Fence {
		t.Errorf("%s are left", left)
	}
}

// TestOver: an attempt may remove what it wrote at once only where the record says that it was the only one.
func TestOver(t *testing.T) {
	t.Parallel()
	for name, test := range map[string]struct {
		change func(b *kahuv1.Backup)
		want   error
	}{
		"alone":      {func(*kahuv1.Backup) {}, enginebackup.ErrOverAlone},
		"taken over": {func(b *kahuv1.Backup) { b.Status.Attempt, b.Status.EarlierAttempts = "second", []string{"first"} }, enginebackup.ErrOver},
		"took over":  {func(b *kahuv1.Backup) { b.Status.EarlierAttempts = []string{"zeroth"} }, enginebackup.ErrOver},
		"deleted":    {func(b *kahuv1.Backup) { b.Name = "another" }, enginebackup.ErrOver},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			c := &Controller{Direct: fakeapi.New(t).WithObjects(completed("run", test.change)).Build()}
			if err := c.giveUp(t.Context(), client.ObjectKey{Name: "run"}, "first", world.ErrRefused); !errors.Is(err, test.want) {
				t.Errorf("got %v", err)
			}
		})
	}
}

// TestAdoptLooks: a run whose manifest names a segment that is gone is not Completed, and what is there stays.
func TestAdoptLooks(t *testing.T) {
	t.Parallel()
	for name, gone := range map[string]bool{"whole": false, "a segment is gone": true} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w := world.New(t)
			w.Shop()
			made, err := w.Try(t.Context(), 0, selection.Filters{})
			if err != nil {
				t.Fatal(err)
			}
			if gone {
				if err := w.Files.Remove(t.Context(), made.Manifest.Segments[0].Name); err != nil {
					t.Fatal(err)
				}
			}
			before, id := w.Names(), world.ID("one")
			c := &Controller{ClusterID: id.ClusterID}
			run := completed(id.Name, func(b *kahuv1.Backup) { b.Status.State, b.Status.Stage = kahuv1.StateDeleting, "" })
			err = c.adopt(t.Context(), &scope{backup: run, files: w.Plain()})
			if errors.Is(err, core.ErrCorrupt) != gone || (run.Status.State == kahuv1.StateDeleting) != gone {
				t.Errorf("it is %s: %v", run.Status.State, err)
			}
			if diff := cmp.Diff(before, w.Names()); diff != "" {
				t.Error(diff)
			}
		})
	}
}
