package sidecar

import (
	"errors"
	"testing"
	"time"

	coordinationv1 "k8s.io/api/coordination/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	testclock "k8s.io/utils/clock/testing"
)

// leaseOf is a Lease of 15 s.
func leaseOf(holder, place string, renewed time.Time) *coordinationv1.Lease {
	return &coordinationv1.Lease{
		ObjectMeta: metav1.ObjectMeta{Name: "lease", Annotations: map[string]string{placeAnnotation: place}},
		Spec: coordinationv1.LeaseSpec{
			HolderIdentity: &holder, RenewTime: &metav1.MicroTime{Time: renewed}, LeaseDurationSeconds: new(int32(15)),
		},
	}
}

func TestClaim(t *testing.T) {
	now := time.Date(2026, time.March, 1, 2, 3, 4, 0, time.UTC)
	for name, test := range map[string]struct {
		holder, place string
		taken         bool
	}{
		"another place":                   {"other", "there", true},
		"the same place, started again":   {"other", "here", false},
		"this one":                        {"me", "there", false},
		"given back":                      {"", "there", false},
		"one that does not say its place": {"other", "", false},
	} {
		t.Run(name, func(t *testing.T) {
			mine := &claim{holder: "me", place: "here", clock: testclock.NewFakePassiveClock(now)}
			if err := mine.judge(leaseOf(test.holder, test.place, now)); errors.Is(err, errTaken) != test.taken {
				t.Errorf("got %v", err)
			}
		})
	}
}

// TestClaimAfterAnother: it is taken over when the other one was silent for the duration by this clock, whatever its own says.
func TestClaimAfterAnother(t *testing.T) {
	now := time.Date(2026, time.March, 1, 2, 3, 4, 0, time.UTC)
	for name, ahead := range map[string]time.Duration{"clocks agree": 0, "the other is ahead": time.Hour, "the other is behind": -time.Hour} {
		t.Run(name, func(t *testing.T) {
			moving := testclock.NewFakePassiveClock(now)
			mine := &claim{holder: "me", place: "here", clock: moving}
			for _, step := range []struct {
				at, renewed int // in seconds
				taken       bool
			}{{0, 0, true}, {10, 0, true}, {12, 11, true}, {20, 19, true}, {34, 19, true}, {35, 19, false}} {
				moving.SetTime(now.Add(time.Duration(step.at) * time.Second))
				err := mine.judge(leaseOf("other", "there", now.Add(ahead+time.Duration(step.renewed)*time.Second)))
				if errors.Is(err, errTaken) != step.taken {
					t.Errorf("after %d s: got %v, want it taken: %t", step.at, err, step.taken)
				}
			}
		})
	}
}
