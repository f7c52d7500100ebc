package backuplocation_test

import (
	"testing"

	"k8s.io/apimachinery/pkg/api/meta"

	kahuv1 "github.com/soda-cdm/kahu/api/v1beta1"
	"github.com/soda-cdm/kahu/internal/core/archive"
	enginelocation "github.com/soda-cdm/kahu/internal/engine/location"
)

// nonce returns what the owner file of the location says.
func (w *world) nonce(t *testing.T) string {
	t.Helper()
	content, err := w.files.Open(t.Context(), archive.OwnerName(cluster))
	if err != nil {
		t.Fatal(err)
	}
	defer content.Close()
	owner, err := archive.DecodeOwner(content)
	if err != nil {
		t.Fatal(err)
	}
	return owner.Nonce
}

// passes lets the controller look so often.
func (w *world) passes(t *testing.T, number int) {
	t.Helper()
	for range number {
		if err := w.pass(); err != nil {
			t.Fatal(err)
		}
	}
}

// isOwned tells what the location says of its owner.
func (w *world) isOwned(t *testing.T) bool {
	t.Helper()
	return meta.IsStatusConditionTrue(w.location(t).Status.Conditions, kahuv1.ConditionOwned)
}

// TestClaimOfASuccessor: a manager never writes the nonce that an earlier one was about to write when it was stopped: that one
// may write it yet, and both would take themselves for the owner. Whether it had is found out, and not taken for somebody else.
func TestClaimOfASuccessor(t *testing.T) {
	for name, wrote := range map[string]bool{"the earlier one wrote it": true, "it had not yet": false} {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t, itself)
			location := w.location(t)
			location.Status.Owner.PendingNonce = "of-the-earlier-one"
			if err := w.client.Status().Update(t.Context(), location); err != nil {
				t.Fatal(err)
			}
			at := &enginelocation.Location{Files: w.files, Clock: w.clock}
			if wrote {
				if err := at.TakeOwner(t.Context(), cluster, "of-the-earlier-one"); err != nil {
					t.Fatal(err)
				}
			}
			w.again()
			w.passes(t, 3)
			own := w.nonce(t)
			if !w.isOwned(t) || own == "of-the-earlier-one" || w.location(t).Status.Owner.Nonce != own {
				t.Fatalf("the owner file has %s, the status is %+v", own, w.location(t).Status.Owner)
			}
			// It wakes up, and writes after all. It is none but a manager of this cluster, and ends soon.
			if err := at.TakeOwner(t.Context(), cluster, "of-the-earlier-one"); err != nil {
				t.Fatal(err)
			}
			w.passes(t, 2)
			if !w.isOwned(t) || w.nonce(t) != "of-the-earlier-one" {
				t.Error("the two of them take the place from each other in turn")
			}
			w.clock.SetTime(noon.Add(21e9))
			w.passes(t, 3)
			if found := w.nonce(t); !w.isOwned(t) || found == own || found == "of-the-earlier-one" {
				t.Errorf("it is not claimed again, with another nonce: %s, %t", found, w.isOwned(t))
			}
		})
	}
}

// TestDecisionOfTheOwner: who decides that a cluster is the owner which is it has decided nothing about later.
func TestDecisionOfTheOwner(t *testing.T) {
	w := newWorld(t, itself)
	w.passes(t, 3)
	location := w.location(t)
	location.Annotations = map[string]string{kahuv1.AnnotationTakeOwnership: location.Status.LocationID}
	if err := w.client.Update(t.Context(), location); err != nil {
		t.Fatal(err)
	}
	w.passes(t, 2)
	if left, there := w.location(t).Annotations[kahuv1.AnnotationTakeOwnership]; there || !w.isOwned(t) {
		t.Errorf("the decision %q stays, and would hold against whoever writes next", left)
	}
}

// TestClaimAfterAStranger: what no manager of this cluster wrote holds everything, whoever remembers what.
func TestClaimAfterAStranger(t *testing.T) {
	w := newWorld(t, itself)
	at := &enginelocation.Location{Files: w.files, Clock: w.clock}
	if err := at.TakeOwner(t.Context(), cluster, "of-a-stranger"); err != nil {
		t.Fatal(err)
	}
	for _, life := range []func(){func() {}, w.again} {
		life()
		w.passes(t, 3)
		if w.isOwned(t) || w.nonce(t) != "of-a-stranger" {
			t.Error("the place was taken from somebody else")
		}
	}
}
