package backuplocation_test

import (
	"bytes"
	"slices"
	"testing"

	"sigs.k8s.io/controller-runtime/pkg/client"

	kahuv1 "github.com/soda-cdm/kahu/api/v1beta1"
	"github.com/soda-cdm/kahu/internal/controller/place"
	"github.com/soda-cdm/kahu/internal/core/archive"
	"github.com/soda-cdm/kahu/internal/engine"
)

// lost is a cluster that is gone.
const lost = "6f1e9a54-7d0b-4a83-9d3f-0e5a7c1b2d48"

// writeOwner writes the owner file of the lost cluster's part.
func (w *world) writeOwner(t *testing.T, nonce, heir string) {
	t.Helper()
	content, err := archive.EncodeOwner(archive.Owner{ClusterID: lost, Nonce: nonce, Written: noon, Heir: heir})
	if err != nil {
		t.Fatal(err)
	}
	if err := w.files.Replace(t.Context(), archive.OwnerName(lost), content); err != nil {
		t.Fatal(err)
	}
}

// owner reads it.
func (w *world) owner(t *testing.T) archive.Owner {
	t.Helper()
	content, err := engine.ReadSmall(t.Context(), w.files, archive.OwnerName(lost))
	if err != nil {
		t.Fatal(err)
	}
	owner, err := archive.DecodeOwner(bytes.NewReader(content))
	if err != nil {
		t.Fatal(err)
	}
	return owner
}

// wish has the location inherit the lost cluster, or not, and write down a decision about it.
func (w *world) wish(t *testing.T, decision string, clusterIDs ...string) {
	t.Helper()
	location := w.location(t)
	location.Spec.InheritedClusters = clusterIDs
	location.Annotations = map[string]string{kahuv1.AnnotationTakeOwnership: decision}
	if err := w.client.Update(t.Context(), location); err != nil {
		t.Fatal(err)
	}
}

// row returns how it stands with the lost cluster, after some passes.
func (w *world) row(t *testing.T, passes int) kahuv1.InheritedCluster {
	t.Helper()
	for range passes {
		if err := w.pass(); err != nil {
			t.Fatal(err)
		}
	}
	row := place.Inherited(w.location(t), lost)
	if row == nil {
		return kahuv1.InheritedCluster{}
	}
	return *row
}

// TestInheritStepByStep: the nonce is on record before it is in the file, is each process's own, and whoever ends in between is
// followed by one that knows what may be there.
func TestInheritStepByStep(t *testing.T) {
	t.Parallel()
	w := newWorld(t, itself)
	w.writeOwner(t, "theirs", "")
	w.wish(t, "", lost)
	first := w.row(t, 1)
	if first.Owner.PendingNonce == "" || first.Reason != kahuv1.ReasonPending || w.owner(t).Nonce != "theirs" {
		t.Fatalf("after one pass: %+v, %+v", first, w.owner(t))
	}

	w.again()             // The process has ended before it wrote.
	second := w.row(t, 2) // In the first one it claims its own part.
	if second.Owner.PendingNonce == first.Owner.PendingNonce || w.owner(t).Nonce != "theirs" {
		t.Fatalf("another process goes on with the nonce of the one before it: %+v", second)
	}
	w.writeOwner(t, second.Owner.PendingNonce, cluster) // It has written, and ended before it could say so.
	w.again()
	third := w.row(t, 2)
	if third.Owner.Nonce != second.Owner.PendingNonce || third.Owner.PendingNonce == second.Owner.PendingNonce {
		t.Errorf("it does not know what is there: %+v", third)
	}
	if owned := w.row(t, 1); owned.Reason != kahuv1.ReasonInherited || owned.Owner.Nonce != third.Owner.PendingNonce || w.owner(t).Nonce != owned.Owner.Nonce || w.owner(t).Heir != cluster {
		t.Errorf("in the end: %+v, %+v", owned, w.owner(t))
	}
	if w.remembered(t).Data[w.location(t).Status.LocationID+"."+lost] == "" {
		t.Errorf("the cluster remembers %v", w.remembered(t).Data)
	}
	before := w.owner(t)
	if after := w.row(t, 3); after.Reason != kahuv1.ReasonInherited || w.owner(t) != before {
		t.Errorf("it is written again and again: %+v", w.owner(t))
	}
}

// TestInheritedBySleeper: a manager of this very cluster is stopped between its record and its writing of the owner file, another
// one takes the part over, and the first one then writes its nonce. It is this cluster's, and nobody else's: the part is not lost
// until a person decides, and the one that leads writes a nonce of its own again.
func TestInheritedBySleeper(t *testing.T) {
	t.Parallel()
	w := newWorld(t, itself)
	w.writeOwner(t, "theirs", "")
	w.wish(t, "", lost)
	asleep := w.row(t, 1).Owner.PendingNonce
	w.again()
	before := w.row(t, 3)
	if before.Reason != kahuv1.ReasonInherited || before.Owner.Nonce == asleep {
		t.Fatalf("the second one: %+v", before)
	}
	w.writeOwner(t, asleep, cluster) // The first one wakes up.
	row := w.row(t, 3)
	if row.Reason != kahuv1.ReasonInherited {
		t.Errorf("it is %s: %s", row.Reason, row.Message)
	}
	if now := w.owner(t).Nonce; now == asleep || now == before.Owner.Nonce || now != row.Owner.Nonce {
		t.Errorf("the file has %s, and the one that leads had %s and remembers %s", now, before.Owner.Nonce, row.Owner.Nonce)
	}
	w.writeOwner(t, "back", "") // Somebody else does not pass for it.
	if row := w.row(t, 3); row.Reason != kahuv1.ReasonNotOwner {
		t.Errorf("after somebody else it is %s: %s", row.Reason, row.Message)
	}
}

// TestOnlyWhoIsOnRecordInherits: a manager that comes to write when another one has begun to take the part over leaves the owner
// file alone. By its own view it still is the one.
func TestOnlyWhoIsOnRecordInherits(t *testing.T) {
	t.Parallel()
	w := newWorld(t, itself)
	w.writeOwner(t, "theirs", "")
	w.wish(t, "", lost)
	if row := w.row(t, 1); row.Owner.PendingNonce == "" {
		t.Fatalf("nothing is on record: %+v", row)
	}
	w.direct.get = func(object client.Object) {
		if location, is := object.(*kahuv1.BackupLocation); is {
			place.Inherited(location, lost).Owner.PendingNonce = "of-another-one"
		}
	}
	_ = w.pass() // Whether it waits or not is the other one's business.
	if found := w.owner(t).Nonce; found != "theirs" {
		t.Errorf("the owner file has %s", found)
	}
	w.direct.get = nil
	if row := w.row(t, 1); row.Reason != kahuv1.ReasonInherited {
		t.Errorf("on record again it is %s: %s", row.Reason, row.Message)
	}
}

// TestInheritanceLost: a part that somebody else has taken over stays theirs, also when the wish is written down anew, until a
// person decides. The cluster's own part is not touched by any of it.
func TestInheritanceLost(t *testing.T) {
	t.Parallel()
	w := newWorld(t, itself)
	w.writeOwner(t, "theirs", "")
	w.wish(t, "", lost)
	if row := w.row(t, 2); row.Reason != kahuv1.ReasonInherited {
		t.Fatalf("it is %+v", row)
	}
	own := w.location(t).Status.Owner
	w.writeOwner(t, "back", "")
	w.again()
	w.wish(t, "")
	if row := w.row(t, 3); row.ClusterID != "" {
		t.Errorf("not wished for: %+v", row)
	}
	w.wish(t, "", lost)
	if row := w.row(t, 3); row.Reason != kahuv1.ReasonNotOwner || w.owner(t).Nonce != "back" {
		t.Errorf("wished for anew: %+v, %+v", row, w.owner(t))
	}
	w.wish(t, w.location(t).Status.LocationID, lost) // This is about the cluster's own part.
	if row := w.row(t, 3); row.Reason != kahuv1.ReasonNotOwner || w.owner(t).Nonce != "back" {
		t.Errorf("after a decision about another part: %+v, %+v", row, w.owner(t))
	}
	if now := w.location(t).Status.Owner; now.Nonce == "" || now.PendingNonce != "" {
		t.Errorf("its own part was %+v and is %+v", own, now)
	}
	w.wish(t, place.Decision(w.location(t), lost), lost)
	if row := w.row(t, 3); row.Reason != kahuv1.ReasonInherited || w.owner(t).Nonce != row.Owner.Nonce || w.owner(t).Heir != cluster {
		t.Errorf("after the decision: %+v, %+v", row, w.owner(t))
	}
	if found := w.location(t).Annotations[kahuv1.AnnotationTakeOwnership]; found != "" {
		t.Errorf("the decision is still there: %s", found)
	}
}

// TestNothingIsInherited: of a cluster that has nothing there, of this one itself, and at a read-only location.
func TestNothingIsInherited(t *testing.T) {
	t.Parallel()
	w := newWorld(t, itself)
	w.wish(t, place.Decision(w.location(t), lost), lost, cluster)
	if row := w.row(t, 3); row.Reason != kahuv1.ReasonClusterNotFound {
		t.Errorf("of nothing: %+v", row)
	}
	if row := place.Inherited(w.location(t), cluster); row == nil || row.Reason != kahuv1.ReasonOwnCluster {
		t.Errorf("of itself: %+v", row)
	}
	w.writeOwner(t, "theirs", "")
	location := w.location(t)
	location.Spec.AccessMode = kahuv1.AccessReadOnly
	if err := w.client.Update(t.Context(), location); err != nil {
		t.Fatal(err)
	}
	if row := w.row(t, 3); row.Reason != kahuv1.ReasonLocationReadOnly || w.owner(t).Nonce != "theirs" {
		t.Errorf("of a read-only location: %+v, %+v", row, w.owner(t))
	}
	if ids := w.location(t).Status.Clusters; !slices.ContainsFunc(ids, func(of kahuv1.LocationCluster) bool { return of.ID == lost && of.OwnerWriteTime != nil }) {
		t.Errorf("the location tells of %+v", ids)
	}
}
