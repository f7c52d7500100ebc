package metrics

import (
	"slices"

	kahuv1 "github.com/soda-cdm/kahu/api/v1beta1"
)

// copied counts the copies of a backup whose tries ended.
func (s *Set) copied(before, after *kahuv1.Backup) {
	for i := range after.Status.Copies {
		now := &after.Status.Copies[i]
		if isCounted(before, now) {
			continue
		}
		switch now.State {
		case kahuv1.StateCompleted:
			s.copies.WithLabelValues(now.Location, resultMade).Inc()
			s.copiedBytes.WithLabelValues(now.Location).Add(float64(now.Bytes))
		case kahuv1.StateFailed:
			s.copies.WithLabelValues(now.Location, resultFailed).Inc()
			s.copyFailures.WithLabelValues(now.Location, now.Reason).Inc()
		case kahuv1.StateNew:
			if now.Tries > 0 {
				s.copyFailures.WithLabelValues(now.Location, now.Reason).Inc()
			}
		case kahuv1.StateValidating, kahuv1.StateProcessing, kahuv1.StateDeleting: // It goes on.
		}
	}
}

// isCounted tells whether what a row says was counted when it said so first. A copy that was gone and is back was when it was made.
func isCounted(before *kahuv1.Backup, now *kahuv1.BackupCopyStatus) bool {
	at := slices.IndexFunc(before.Status.Copies, func(was kahuv1.BackupCopyStatus) bool {
		return was.Location == now.Location && was.Token == now.Token
	})
	if at < 0 {
		return false
	}
	was := &before.Status.Copies[at]
	return was.State == now.State || now.State == kahuv1.StateCompleted && was.Reason == kahuv1.ReasonCopyGone
}

// copyReasons are why copies are not made.
func copyReasons() []string {
	return []string{
		kahuv1.ReasonBackupFailed, kahuv1.ReasonSourceNotEncrypted, kahuv1.ReasonSameLocation, kahuv1.ReasonCopyDiffers,
		kahuv1.ReasonArchiveCorrupt, kahuv1.ReasonFileMissing, kahuv1.ReasonManifestNotFound, kahuv1.ReasonManifestTooNew,
		kahuv1.ReasonListingUnsupported, kahuv1.ReasonInterrupted, kahuv1.ReasonCopyGone,
		kahuv1.ReasonLocationReadOnly,
		kahuv1.ReasonLocationNotFound, kahuv1.ReasonLocationNotReady, kahuv1.ReasonLocationUnreachable, kahuv1.ReasonMarkerMissing,
		kahuv1.ReasonMarkerMismatch, kahuv1.ReasonNotOwner, kahuv1.ReasonStoreFull, kahuv1.ReasonStoreDenied, kahuv1.ReasonStoreFailed,
	}
}

// addCopyZeros makes the counters of copies at a location.
func (s *Set) addCopyZeros(at string) {
	s.copiedBytes.WithLabelValues(at)
	for _, result := range []string{resultMade, resultFailed} {
		s.copies.WithLabelValues(at, result)
	}
	for _, why := range copyReasons() {
		s.copyFailures.WithLabelValues(at, why)
	}
}

// copiesMissing adds to each location how many copies that are asked for are not made there.
func copiesMissing(missing map[string]float64, backup *kahuv1.Backup) {
	for _, wish := range backup.Spec.Copies {
		made := slices.ContainsFunc(backup.Status.Copies, func(row kahuv1.BackupCopyStatus) bool {
			return row.Location == wish.Location && row.Token == wish.Token && row.State == kahuv1.StateCompleted
		})
		missing[wish.Location] += number(!made)
	}
}
