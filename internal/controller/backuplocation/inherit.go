package backuplocation

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	kahuv1 "github.com/soda-cdm/kahu/api/v1beta1"
	"github.com/soda-cdm/kahu/internal/controller/place"
	"github.com/soda-cdm/kahu/internal/core"
	"github.com/soda-cdm/kahu/internal/core/ownership"
	"github.com/soda-cdm/kahu/internal/engine"
	"github.com/soda-cdm/kahu/internal/engine/location"
)

// inherit makes this cluster the owner of the parts that the spec wishes it to take over. What keeps it from that is shown,
// and holds up nothing else at the location.
func (c *Controller) inherit(ctx context.Context, s *scope) error {
	status, wishes := &s.location.Status, s.location.Spec.InheritedClusters
	rows := make([]kahuv1.InheritedCluster, 0, len(wishes))
	for _, id := range slices.Sorted(slices.Values(wishes)) {
		row := kahuv1.InheritedCluster{ClusterID: id}
		if known := place.Inherited(s.location, id); known != nil {
			row = *known
		}
		rows = append(rows, row)
	}
	status.Inherited = rows
	for i := range rows {
		if s.isReadOnly() {
			rows[i].Reason, rows[i].Message = kahuv1.ReasonLocationReadOnly, "The location is read-only: nothing is taken over."
		} else if err := c.inheritOne(ctx, s, &rows[i]); err != nil {
			return outcome(err)
		}
	}
	c.setInherited(s)
	return nil
}

// setInherited sums up how it stands with all parts.
func (c *Controller) setInherited(s *scope) {
	rows := s.location.Status.Inherited
	if len(rows) == 0 {
		meta.RemoveStatusCondition(&s.location.Status.Conditions, kahuv1.ConditionInherited)
		return
	}
	for i := range rows {
		if rows[i].Reason != kahuv1.ReasonInherited {
			s.set(kahuv1.ConditionInherited, metav1.ConditionFalse, rows[i].Reason, rows[i].Message)
			return
		}
	}
	s.set(kahuv1.ConditionInherited, metav1.ConditionTrue, kahuv1.ReasonInherited,
		fmt.Sprintf("This cluster owns the parts of %s besides its own.", core.Count(int64(len(rows)), "other cluster")))
}

// inheritOne takes one part over, or says in its row why not. As with its own part, the cluster remembers a nonce before it
// writes it, in two passes, and writes another one once in the life of a leader.
func (c *Controller) inheritOne(ctx context.Context, s *scope, row *kahuv1.InheritedCluster) error {
	if err := c.recallOf(ctx, s, row.ClusterID, &row.Owner); err != nil {
		return err
	}
	if left := c.notBefore(s, row); left > 0 {
		s.lookAgain(left)
		return nil
	}
	part, err := c.survey(ctx, s, row)
	if err != nil {
		return err
	}
	verdict, why, left := ownership.Decide(part)
	switch verdict {
	case ownership.Owner:
		return c.keepPart(ctx, s, row, part.File.Nonce)
	case ownership.Take:
		return c.takePart(ctx, s, row)
	case ownership.Later, ownership.Refused:
	}
	row.Reason, row.Message = string(why), refusal(s.location, row.ClusterID, why, part)
	if verdict == ownership.Later {
		s.lookAgain(left)
		c.putOff(s, row, left)
	}
	return nil
}

// keepPart goes on with a part whose owner file a manager of this cluster has written: with a nonce that is this process's own.
func (c *Controller) keepPart(ctx context.Context, s *scope, row *kahuv1.InheritedCluster, found string) error {
	begun := row.Owner.PendingNonce != ""
	if row.Owner.Nonce != found {
		row.Owner.Nonce, begun = found, true // Whoever wrote it could not say so.
	}
	if begun || !c.hasClaimed(keyOf(s, row.ClusterID)) {
		return c.takePart(ctx, s, row)
	}
	s.own(row)
	return c.forgetDecisionAbout(ctx, s, row.ClusterID)
}

// own shows that the part is this cluster's.
func (*scope) own(row *kahuv1.InheritedCluster) {
	row.Reason, row.Message = kahuv1.ReasonInherited, "This cluster wrote the owner file last."
}

// lookAgain makes a pass that ends well one that is followed by another one after that time at the latest.
func (s *scope) lookAgain(after time.Duration) {
	if s.again == 0 || after < s.again {
		s.again = after
	}
}

// keyOf names the part of another cluster among all that this process has claimed, and in the memory of the cluster.
func keyOf(s *scope, clusterID string) string {
	return memoryKey(s.location.Status.LocationID, clusterID)
}

// survey finds out what there is to know of the part of another cluster. Where that is known already, nothing is listed.
func (c *Controller) survey(ctx context.Context, s *scope, row *kahuv1.InheritedCluster) (ownership.Part, error) {
	part := ownership.Part{
		ClusterID: row.ClusterID, Self: c.ClusterID, Patience: c.InheritAfter,
		Memory: ownership.Memory{
			Written: row.Owner.Nonce, Pending: row.Owner.PendingNonce, Former: c.formerOf(keyOf(s, row.ClusterID)),
		},
		Decided: s.location.Annotations[kahuv1.AnnotationTakeOwnership] == place.Decision(s.location, row.ClusterID),
	}
	owner, there, err := c.place(s).OwnerOf(ctx, row.ClusterID)
	part.File = ownership.File{Exists: there, Nonce: owner.Nonce, Heir: owner.Heir}
	if errors.Is(err, core.ErrCorrupt) || errors.Is(err, core.ErrUnsupported) {
		part.File, err = ownership.File{Exists: true, Unreadable: true}, nil
	}
	if err != nil || part.Memory.Wrote(part.File) || part.ClusterID == c.ClusterID {
		return part, err
	}
	found, err := location.PartOf(ctx, s.files, row.ClusterID)
	if errors.Is(err, core.ErrUnsupported) {
		part.Empty = !there
		return part, nil // It is not known how old what is there is.
	}
	part.Empty, part.Newest = found.Files == 0, found.Newest
	if err != nil || part.Empty {
		return part, err
	}
	part.Now, err = engine.StoreTime(ctx, s.files, c.ClusterID)
	return part, err
}

// takePart is the first or second half of a takeover. The nonce is this process's own: one that another process was about to
// write may still come.
func (c *Controller) takePart(ctx context.Context, s *scope, row *kahuv1.InheritedCluster) error {
	key := keyOf(s, row.ClusterID)
	nonce := c.next(key, row.Owner.PendingNonce)
	if row.Owner.PendingNonce != nonce {
		row.Owner.PendingNonce = nonce
		row.Reason, row.Message = kahuv1.ReasonPending, "Recording that the part is being taken over."
		s.lookAgain(writeTime)
		return nil
	}
	if err := c.remember(ctx, key, row.Owner); err != nil {
		return err
	}
	if err := c.inheritPart(ctx, s, row.ClusterID, nonce); err != nil {
		return err
	}
	written := kahuv1.LocationOwner{Nonce: nonce}
	if err := c.remember(ctx, key, written); err != nil {
		return err
	}
	row.Owner = written
	c.written(key)
	c.setClaimed(key)
	s.own(row)
	return c.forgetDecisionAbout(ctx, s, row.ClusterID)
}

// inheritPart is takeOwner for the part of another cluster.
func (c *Controller) inheritPart(ctx context.Context, s *scope, clusterID, nonce string) error {
	pending := func(now *kahuv1.BackupLocation) string {
		if row := place.Inherited(now, clusterID); row != nil {
			return row.Owner.PendingNonce
		}
		return ""
	}
	return c.writeInTime(ctx, s, nonce, pending, func(ctx context.Context) error {
		return c.place(s).Inherit(ctx, clusterID, nonce, c.ClusterID)
	})
}

// forgetDecisionAbout is forgetDecision for the part of another cluster.
func (c *Controller) forgetDecisionAbout(ctx context.Context, s *scope, clusterID string) error {
	if s.location.Annotations[kahuv1.AnnotationTakeOwnership] != place.Decision(s.location, clusterID) {
		return nil
	}
	return c.removeDecision(ctx, s)
}

// waits notes that a part need not be looked at before a time, unless a person wishes something else by then.
type waits struct {
	until      time.Time
	generation int64
}

// notBefore returns how long it is until a part has to be looked at that was written to not long ago.
func (c *Controller) notBefore(s *scope, row *kahuv1.InheritedCluster) time.Duration {
	c.mu.Lock()
	defer c.mu.Unlock()
	wait, there := c.waits[keyOf(s, row.ClusterID)]
	decided := s.location.Annotations[kahuv1.AnnotationTakeOwnership] == place.Decision(s.location, row.ClusterID)
	if !there || decided || wait.generation != s.location.Generation || row.Reason != kahuv1.ReasonWrittenRecently {
		return 0
	}
	return wait.until.Sub(c.Clock.Now())
}

// putOff notes that a part need not be looked at for that time.
func (c *Controller) putOff(s *scope, row *kahuv1.InheritedCluster, left time.Duration) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.waits[keyOf(s, row.ClusterID)] = waits{until: c.Clock.Now().Add(left), generation: s.location.Generation}
}

// inWords is a duration without the minutes and seconds that it does not have.
func inWords(duration time.Duration) string {
	text := duration.String()
	for _, none := range []string{"m0s", "h0m"} {
		if strings.HasSuffix(text, none) {
			text = text[:len(text)-len("0s")]
		}
	}
	return text
}

// refusal says why a part is not taken over, and what to do.
func refusal(at *kahuv1.BackupLocation, clusterID string, why ownership.Reason, part ownership.Part) string {
	text := func(format string, arguments ...any) string {
		return "Cluster " + clusterID + ": " + fmt.Sprintf(format, arguments...)
	}
	const withdraw = "Otherwise remove it from spec.inheritedClusters."
	switch why {
	case ownership.OwnCluster:
		return text("this is the id of this cluster, which owns its part without being asked: remove it from spec.inheritedClusters.")
	case ownership.ClusterNotFound:
		return text("nothing of it lies at the location: correct the id in spec.inheritedClusters; status.clusters has those that are there.")
	case ownership.WrittenRecently:
		return text("something was written in its part %s ago, by the time of the store, so that it may live. The part is taken over "+
			"once nothing was written there for %s. If the cluster is certainly gone: kubectl kahu location inherit %s --cluster %s --force",
			part.Now.Sub(part.Newest).Round(time.Second), inWords(part.Patience), at.Name, clusterID)
	case ownership.AgeUnknown:
		return text("the store does not say when something was last written in its part. If the cluster is gone: "+
			"kubectl kahu location inherit %s --cluster %s --force. %s", at.Name, clusterID, withdraw)
	case ownership.NotOwner:
		by := "somebody whom this cluster does not know"
		if part.File.Heir != "" && part.File.Heir != part.Self {
			by = "cluster " + part.File.Heir
		}
		return text("its part was taken over by %s, and nothing is deleted or collected there. %s. %s",
			by, place.HowToInherit(at, clusterID), withdraw)
	}
	return text("it is not taken over.")
}
