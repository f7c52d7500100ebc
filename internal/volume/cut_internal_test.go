package volume

import (
	"context"
	"errors"
	"strings"
	"testing"
	"time"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/soda-cdm/kahu/internal/core"
	"github.com/soda-cdm/kahu/internal/core/volumeplan"
	"github.com/soda-cdm/kahu/internal/core/volumework"
)

// theClaim is a claim whose data is to be in a snapshot, and its key.
func theClaim() (volumeplan.Decision, core.Key) {
	claim := volumeplan.Claim{Namespace: "shop", Name: "data"}
	return volumeplan.Decision{Claim: claim, Verdict: volumeplan.Chosen, Way: volumeplan.Snapshot, Provider: "csi", SnapshotClass: "s"}, claim.Key()
}

// cutAt has the storage system say that it has cut the snapshot of the claim.
func cutAt(t *testing.T, c *Client, when time.Time) *unstructured.Unstructured {
	t.Helper()
	_, key := theClaim()
	made := objectOf(snapshotKind, "shop", snapshotName(theRun, key))
	if err := c.api.Get(t.Context(), client.ObjectKeyFromObject(made), made); err != nil {
		t.Fatal(err)
	}
	made.Object["status"] = map[string]any{"creationTime": when.UTC().Format(time.RFC3339), "readyToUse": true}
	if err := c.api.Update(t.Context(), made); err != nil {
		t.Fatal(err)
	}
	return made
}

// TestMoments: what was not cut at the moment that counts is not taken for it, and after it nothing is asked for.
func TestMoments(t *testing.T) {
	t.Parallel()
	from := time.Date(2026, time.March, 1, 2, 3, 4, 0, time.UTC)
	over := volumework.Moment{Attempt: "first", Over: true, From: from, To: from.Add(10 * time.Second)}
	cases := map[string]struct {
		by   string        // the attempt that has asked for the snapshot; none where it is empty
		late time.Duration // by how much it was asked for after the moment began
		cut  time.Time     // when it is cut, by the storage system; zero where it is not
		at   volumework.Moment
		want error
	}{
		"cut meanwhile":                      {"first", 0, from.Add(time.Second), over, nil},
		"by a clock that is late":            {"first", 0, from.Add(-time.Hour), over, nil},
		"by a clock that is early":           {"first", 0, from.Add(time.Hour), over, nil},
		"the clock of the server is late":    {"first", -30 * time.Second, from, over, nil},
		"made again when the moment is over": {"first", time.Hour, from, over, errOtherMoment},
		"made before":                        {"first", -time.Hour, from, over, errOtherMoment},
		"cut for another one":                {"zeroth", 0, from.Add(time.Second), over, errOtherMoment},
		"not cut":                            {"first", 0, time.Time{}, over, errTooLate},
		"never asked for":                    {"", 0, time.Time{}, over, errTooLate},
		"held, and of another one":           {"zeroth", 0, from, volumework.Moment{Attempt: "first", Held: true}, errOtherMoment},
		"held, whatever the clock":           {"first", 0, from.Add(time.Hour), volumework.Moment{Attempt: "first", Held: true}, nil},
		"nobody holds still for any":         {"zeroth", 0, from.Add(time.Hour), volumework.Moment{Attempt: "first"}, nil},
	}
	for name, test := range cases {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			decision, key := theClaim()
			c, _ := fakeClient(t, Options{CutTime: time.Minute})
			if test.by != "" {
				asked := newSnapshot(theRun, volumework.Moment{Attempt: test.by}, &decision)
				asked.SetCreationTimestamp(metav1.Time{Time: from.Add(test.late)})
				if err := c.api.Create(t.Context(), asked); err != nil {
					t.Fatal(err)
				}
			}
			if !test.cut.IsZero() {
				cutAt(t, c, test.cut)
			}
			failed, err := c.Cut(t.Context(), theRun, test.at, []volumeplan.Decision{decision})
			if err != nil || !errors.Is(failed[key], test.want) || len(failed) > 0 != (test.want != nil) {
				t.Errorf("%v, %v", failed, err)
			}
			all := listOf(snapshotKind)
			if err := c.api.List(t.Context(), all); err != nil || len(all.Items) > 0 != (test.by != "") {
				t.Errorf("there are %d snapshots: %v", len(all.Items), err)
			}
		})
	}
}

// TestOrderedBeforeAnybodyHeldStill: a volume that an attempt has ordered before is of another moment.
func TestOrderedBeforeAnybodyHeldStill(t *testing.T) {
	t.Parallel()
	decision, key := theClaim()
	c, _ := fakeClient(t, Options{}, doneOrder(OrderName(theRun, "shop", "data"), "d", "h1"))
	for held, want := range map[bool]error{true: errOtherMoment, false: nil} {
		failed, err := c.Cut(t.Context(), theRun, volumework.Moment{Attempt: "second", Held: held}, []volumeplan.Decision{decision})
		if err != nil || !errors.Is(failed[key], want) {
			t.Errorf("held %v: %v, %v", held, failed, err)
		}
	}
}

// TestWhoseTimeIsUp: a claim says whose time has ended the waiting for its snapshot, and what its storage system said meanwhile, and
// not what another one's said.
func TestWhoseTimeIsUp(t *testing.T) {
	t.Parallel()
	decision, key := theClaim()
	other := decision
	other.Claim.Name = "other"
	quiet := errors.New("applications held still for long enough")
	for name, test := range map[string]struct {
		options Options
		limit   time.Duration
		want    string
	}{
		"that of applications":   {Options{CutTime: time.Hour}, 100 * time.Millisecond, quiet.Error()},
		"that of storage system": {Options{CutTime: 100 * time.Millisecond}, time.Hour, errSlow.Error()},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			c, _ := fakeClient(t, test.options)
			ctx, cancel := context.WithTimeoutCause(t.Context(), test.limit, quiet)
			defer cancel()
			failed, err := c.Cut(ctx, theRun, volumework.Moment{Attempt: "first", Held: true}, []volumeplan.Decision{decision, other})
			if err != nil || len(failed) != 2 {
				t.Fatalf("%v, %v", failed, err)
			}
			if why := failed[key]; !strings.HasSuffix(why.Error(), ": "+test.want) {
				t.Errorf("it says %v", why)
			}
		})
	}
	waiting := &cutting{
		wanted: map[client.ObjectKey]*volumeplan.Decision{{Name: "a"}: &decision, {Name: "b"}: &other},
		failed: map[core.Key]error{}, last: map[core.Key]string{key: "the array is full"},
	}
	waiting.giveUp(quiet)
	if said := waiting.failed[key].Error(); !strings.HasSuffix(said, quiet.Error()+": the array is full") {
		t.Errorf("it says %s", said)
	}
	if said := waiting.failed[other.Claim.Key()].Error(); !strings.HasSuffix(said, quiet.Error()) {
		t.Errorf("the other says %s", said)
	}
}

// TestDrop: a snapshot that was given up goes with what it has become meanwhile, where its class would keep it too; others stay.
func TestDrop(t *testing.T) {
	t.Parallel()
	decision, key := theClaim()
	c, said := fakeClient(t, Options{CutTime: 50 * time.Millisecond}, heldContent("c1", "d", "h1"))
	other := decision
	other.Claim.Name = "other"
	failed, err := c.Cut(t.Context(), theRun, volumework.Moment{Attempt: "first", Held: true}, []volumeplan.Decision{decision, other})
	if err != nil || len(failed) != 2 {
		t.Fatalf("%v, %v", failed, err)
	}
	late := cutAt(t, c, time.Unix(1_700_000_000, 0))
	late.Object["status"] = map[string]any{"boundVolumeSnapshotContentName": "c1"}
	if err := c.api.Update(t.Context(), late); err != nil {
		t.Fatal(err)
	}
	for range 2 { // It can be called again.
		if err := c.Drop(t.Context(), theRun, []core.Key{key}); err != nil {
			t.Fatal(err)
		}
	}
	if err := c.api.Get(t.Context(), client.ObjectKeyFromObject(late), late); !apierrors.IsNotFound(err) || said["c1"] != policyDelete {
		t.Errorf("it is left, with policy %q: %v", said["c1"], err)
	}
	all := listOf(snapshotKind)
	if err := c.api.List(t.Context(), all); err != nil || len(all.Items) != 1 {
		t.Errorf("%d snapshots are left: %v", len(all.Items), err)
	}
}
