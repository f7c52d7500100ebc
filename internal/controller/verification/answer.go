package verification

import (
	"context"
	"errors"
	"fmt"
	"time"

	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	kahuv1 "github.com/soda-cdm/kahu/api/v1beta1"
	"github.com/soda-cdm/kahu/internal/controller/failure"
	"github.com/soda-cdm/kahu/internal/controller/place"
	"github.com/soda-cdm/kahu/internal/core"
	"github.com/soda-cdm/kahu/internal/core/archive"
	"github.com/soda-cdm/kahu/internal/core/damage"
	"github.com/soda-cdm/kahu/internal/engine"
	"github.com/soda-cdm/kahu/internal/engine/verify"
	"github.com/soda-cdm/kahu/internal/reconcile"
)

// maxObjectText bounds the name of an object in a row, in bytes.
const maxObjectText = 600

// sampleOf returns the part of a backup that the annotation asks for.
func sampleOf(text, token string) (damage.Sample, error) {
	share, err := damage.ParseShare(text)
	if err != nil || share == 0 {
		return damage.Sample{}, err
	}
	return damage.Sample{Share: share, Seed: seedOf(token)}, nil
}

// say writes the condition Verified.
func (s *scope) say(status metav1.ConditionStatus, reason, message string) {
	meta.SetStatusCondition(&s.backup.Status.Conditions, metav1.Condition{
		Type: kahuv1.ConditionVerified, Status: status, Reason: reason,
		Message: reconcile.Bounded(message, failure.MaxText), ObservedGeneration: s.backup.Generation,
	})
}

// finish says that the question has its answer.
func (s *scope) finish(now time.Time) { s.answer().Time = &metav1.Time{Time: now} }

// findFiles finds the location.
func (c *Controller) findFiles(ctx context.Context, s *scope) error {
	location, files, err := c.Finder.Ready(ctx, s.backup.Spec.MetadataLocation)
	if unusable, is := errors.AsType[*place.NotUsableError](err); is {
		message := "spec.metadataLocation: " + unusable.Error() + "; the backup is read when the location can be used"
		s.say(metav1.ConditionUnknown, unusable.Reason, message)
		return reconcile.Waiting(unusable.Reason, message, waitTime)
	}
	if err != nil {
		return err
	}
	s.files, s.keys, s.known = files, c.Finder.Keys(location, files), location.Status.LocationID
	return nil
}

// read begins the reading, and shows how far it is.
func (c *Controller) read(ctx context.Context, s *scope) error {
	if err := c.awaitRetry(s); err != nil {
		return err
	}
	snapshot, there := c.Tasks.Look(s.backup.UID)
	if !there {
		return c.begin(ctx, s)
	}
	if !snapshot.Ended {
		s.answer().Objects, s.answer().RetryTime = snapshot.Progress.Done, nil
		return reconcile.ErrDone
	}
	return nil
}

func (c *Controller) begin(ctx context.Context, s *scope) error {
	if err := c.findFiles(ctx, s); err != nil {
		c.Tasks.Leave(s.backup.UID) // Others can be read meanwhile.
		return err
	}
	wish := reconcile.Wish{Group: s.backup.Spec.MetadataLocation, GroupLimit: AtOnce, Since: s.answer().StartTime.Time}
	if turn := c.Tasks.Enter(s.named(), wish); turn.Position > 0 {
		s.say(metav1.ConditionUnknown, kahuv1.ReasonPending, fmt.Sprintf("%d others are read before this backup.", turn.Taken+turn.Position-1))
		return reconcile.ErrDone // It is woken when its turn has come.
	}
	s.say(metav1.ConditionUnknown, kahuv1.ReasonVerifying, "The backup is being read back.")
	sample, err := sampleOf(s.answer().Sampled, s.answer().Token)
	if err != nil {
		return err
	}
	request, files, known := verify.Request{Backup: c.id(s), Sample: sample, Keys: s.keys}, s.files, s.known
	begun := c.Tasks.Begin(s.backup.DeepCopy(), func(ctx context.Context, show func(engine.Progress)) (verify.Result, error) {
		request.Show = show
		found, err := c.Runner.Run(ctx, request, files)
		if err == nil && found.DamagedTotal == 0 {
			return found, nil
		}
		if lost := place.Lost(ctx, files, known); lost != nil {
			return verify.Result{}, lost
		}
		return found, err
	})
	if !begun {
		return reconcile.Waiting(kahuv1.ReasonPending, "the manager is ending; another one reads the backup", waitTime)
	}
	s.answer().RetryTime = nil
	return reconcile.ErrDone
}

// conclude writes what was found.
func (c *Controller) conclude(_ context.Context, s *scope) error {
	snapshot, there := c.Tasks.Look(s.backup.UID)
	if !there || !snapshot.Ended {
		return nil
	}
	found, answer := snapshot.Result, s.answer()
	if found.DamagedTotal == 0 && isPassing(snapshot.Err) && answer.Attempts < maxAttempts {
		return c.retryLater(s, snapshot.Err)
	}
	s.finish(c.Clock.Now())
	answer.Files, answer.Bytes, answer.Objects = found.Files, found.Bytes, found.Objects
	answer.ObjectsTotal = found.ObjectsTotal
	answer.DamagedTotal, answer.DamagedObjects = found.DamagedTotal, found.DamagedObjects
	answer.Damaged = partsOf(found.Damaged)
	s.say(verdict(c.id(s), found, snapshot.Err, answer.Sampled))
	return reconcile.ErrDone
}

// verdict returns what the condition says of a reading.
func verdict(
	id archive.BackupID, found verify.Result, err error, sampled string,
) (status metav1.ConditionStatus, reason, message string) {
	const remedy = "Bring the files back from a copy of the store, or use another backup."
	switch {
	case errors.Is(err, core.ErrNotFound):
		return metav1.ConditionFalse, kahuv1.ReasonManifestNotFound,
			"The location has no manifest of this backup: " + err.Error() + ". " + remedy
	case err != nil && found.DamagedTotal == 0:
		return metav1.ConditionUnknown, failure.OfReading(err).Reason,
			"The backup could not be read to its end, which says nothing of it: " + err.Error()
	case found.DamagedTotal > 0 && found.Damaged[0].File == id.ManifestName():
		return metav1.ConditionFalse, kahuv1.ReasonManifestInvalid, found.Damaged[0].Message + ". " + remedy
	case found.DamagedTotal > 0:
		return metav1.ConditionFalse, kahuv1.ReasonArchiveCorrupt, fmt.Sprintf(
			"Damaged: %s of the backup's files; not to be restored: %s. See status.verification.damaged. %s%s",
			core.Count(found.DamagedTotal, "part"), core.Count(found.DamagedObjects, "object"), unread(found, err, sampled), remedy)
	case found.Sealed != nil:
		return metav1.ConditionTrue, kahuv1.ReasonSealVerified, fmt.Sprintf(
			"Every byte of its files (%d) is as it was written. What is in them was not looked at: %s", found.Files, found.Sealed.Error())
	case sampled != "":
		return metav1.ConditionTrue, kahuv1.ReasonSampleVerified, fmt.Sprintf(
			"A sample of %s was read: as they were written are %d of %s; not read were %d.",
			sampled, found.Objects, core.Count(found.ObjectsTotal, "object"), found.ObjectsTotal-found.Objects)
	}
	return metav1.ConditionTrue, kahuv1.ReasonVerified,
		"Everything was read, and is as it was written: " + core.Count(found.Objects, "object") + "."
}

// unread says of a damaged backup that there may be more damage than was found.
func unread(found verify.Result, err error, sampled string) string {
	switch left := found.ObjectsTotal - found.Objects - found.DamagedObjects; {
	case err != nil:
		return "There may be more, as the reading ended early: " + err.Error() + ". "
	case sampled != "" && left > 0:
		return fmt.Sprintf("There may be more, as the sample of %s left out %s. ", sampled, core.Count(left, "object"))
	}
	return ""
}

// partsOf turns rows of the engine into rows of the status.
func partsOf(rows []damage.Row) []kahuv1.DamagedPart {
	parts := make([]kahuv1.DamagedPart, 0, len(rows))
	for _, row := range rows {
		part := kahuv1.DamagedPart{
			File: row.File, Length: row.Length, Reason: row.Reason,
			Message: reconcile.Bounded(row.Message, failure.MaxRowText), ObjectsTotal: row.ObjectsTotal,
		}
		if row.Offset != damage.Nowhere {
			part.Offset = &row.Offset
		}
		for _, key := range row.Objects {
			part.Objects = append(part.Objects, reconcile.Bounded(key.String(), maxObjectText))
		}
		parts = append(parts, part)
	}
	return parts
}
