package place

import (
	"context"
	"errors"
	"testing"
	"testing/synctest"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/utils/clock"
	"sigs.k8s.io/controller-runtime/pkg/client/fake"

	kahuv1 "github.com/soda-cdm/kahu/api/v1beta1"
	enginelocation "github.com/soda-cdm/kahu/internal/engine/location"
	"github.com/soda-cdm/kahu/internal/store"
	"github.com/soda-cdm/kahu/provider/memory"
)

// TestUseWaitsForEarlierManagers: who counts on what is at a location waits until nobody can remove any more what an earlier
// manager decided to; where there was none, it need not, and before the location is claimed, it may not.
func TestUseWaitsForEarlierManagers(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		const fence = 20 * time.Second
		finder := &Finder{Clock: clock.RealClock{}, Fence: fence}
		location := &kahuv1.BackupLocation{Status: kahuv1.BackupLocationStatus{LocationID: "l"}}
		if _, err := finder.Use(t.Context(), location); !errors.Is(err, enginelocation.ErrNotClaimed) {
			t.Errorf("before it is claimed: %v", err)
		}
		for name, test := range map[string]struct {
			age  time.Duration // of the claim
			want time.Duration
		}{"just claimed": {0, fence}, "claimed a while ago": {15 * time.Second, 5 * time.Second}, "claimed long ago": {time.Hour, 0}} {
			began := time.Now() //nolint:forbidigo // It is the bubble's.
			finder.Claimed("l", "own", began.Add(-test.age))
			leave, err := finder.Use(t.Context(), location)
			if took := time.Since(began); err != nil || took != test.want { //nolint:forbidigo // It is the bubble's.
				t.Errorf("%s: after %s: %v", name, took, err)
			}
			leave()
		}
		finder.Claimed("l", "own", time.Time{})
		began := time.Now() //nolint:forbidigo // It is the bubble's.
		leave, err := finder.Use(t.Context(), location)
		if took := time.Since(began); err != nil || took != 0 { //nolint:forbidigo // It is the bubble's.
			t.Errorf("where nobody was before: after %s: %v", took, err)
		}
		leave()
		finder.Claimed("l", "own", began)
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		if _, err := finder.Use(ctx, location); !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("got %v", err)
		}
	})
}

// TestHold: a word that was given under one nonce is not kept under another, of this process neither, nor at a place that has
// become read-only.
func TestHold(t *testing.T) {
	t.Parallel()
	scheme := runtime.NewScheme()
	if err := kahuv1.AddToScheme(scheme); err != nil {
		t.Fatal(err)
	}
	files := store.New(memory.New(memory.Options{}), store.Options{})
	at := &enginelocation.Location{Files: files, Clock: clock.RealClock{}, NewID: func() string { return "l" }}
	if _, err := at.Open(t.Context(), ""); err != nil {
		t.Fatal(err)
	}
	location := &kahuv1.BackupLocation{ObjectMeta: metav1.ObjectMeta{Name: "main"}}
	location.Status.LocationID = "l"
	location.Status.Owner.PendingNonce = "another"
	reader := fake.NewClientBuilder().WithScheme(scheme).WithObjects(location).Build()
	finder := &Finder{}
	take := func(nonce string) {
		if err := at.TakeOwner(t.Context(), "this", nonce); err != nil {
			t.Fatal(err)
		}
	}
	take("own")
	finder.Claimed("l", "own", time.Time{})
	hold := finder.Hold(reader, location, &Part{ClusterID: "this", Self: "this", Files: files})
	if err := hold.Check(t.Context()); err != nil {
		t.Errorf("it is its own: %v", err)
	}
	take("another")
	if err := hold.Check(t.Context()); !errors.Is(err, enginelocation.ErrNotClaimed) {
		t.Errorf("another manager has claimed it: %v", err)
	}
	take("stranger")
	if err := hold.Check(t.Context()); !errors.Is(err, enginelocation.ErrNotOwner) {
		t.Errorf("somebody else has claimed it: %v", err)
	}
	take("own-again")
	finder.Claimed("l", "own-again", time.Time{})
	if err := hold.Check(t.Context()); err == nil {
		t.Error("what was decided before another manager led is done after it")
	}
	hold = finder.Hold(reader, location, &Part{ClusterID: "this", Self: "this", Files: files})
	if err := hold.Check(t.Context()); err != nil {
		t.Errorf("it is its own again: %v", err)
	}
	location.Spec.AccessMode = kahuv1.AccessReadOnly
	if err := reader.Update(t.Context(), location); err != nil {
		t.Fatal(err)
	}
	if reason, _ := Reason(hold.Check(t.Context())); reason != kahuv1.ReasonLocationReadOnly {
		t.Errorf("it has become read-only: %s", reason)
	}
}
