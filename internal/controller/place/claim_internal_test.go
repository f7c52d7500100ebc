package place

import (
	"context"
	"errors"
	"testing"
	"testing/synctest"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/utils/clock"

	kahuv1 "github.com/soda-cdm/kahu/api/v1beta1"
	enginelocation "github.com/soda-cdm/kahu/internal/engine/location"
	"github.com/soda-cdm/kahu/internal/testkit/fakeapi"
	"github.com/soda-cdm/kahu/internal/testkit/owned"
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
	at, files := owned.Location(t, "own")
	location := &kahuv1.BackupLocation{ObjectMeta: metav1.ObjectMeta{Name: "main"}}
	location.Status.LocationID = owned.ID
	location.Status.Owner.PendingNonce = "another"
	reader := fakeapi.New(t).WithObjects(location).Build()
	finder := &Finder{}
	finder.Claimed(owned.ID, "own", time.Time{})
	hold := finder.Hold(reader, location, &Part{ClusterID: owned.Cluster, Self: owned.Cluster, Files: files})
	if err := hold.Check(t.Context()); err != nil {
		t.Errorf("it is its own: %v", err)
	}
	owned.Claim(t, at, "another")
	if err := hold.Check(t.Context()); !errors.Is(err, enginelocation.ErrNotClaimed) {
		t.Errorf("another manager has claimed it: %v", err)
	}
	owned.Claim(t, at, "stranger")
	if err := hold.Check(t.Context()); !errors.Is(err, enginelocation.ErrNotOwner) {
		t.Errorf("somebody else has claimed it: %v", err)
	}
	owned.Claim(t, at, "own-again")
	finder.Claimed(owned.ID, "own-again", time.Time{})
	if err := hold.Check(t.Context()); err == nil {
		t.Error("what was decided before another manager led is done after it")
	}
	hold = finder.Hold(reader, location, &Part{ClusterID: owned.Cluster, Self: owned.Cluster, Files: files})
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
