package metrics

import kahuv1 "github.com/soda-cdm/kahu/api/v1beta1"

// The names of two labels.
const (
	location = "location"
	reason   = "reason"
)

// The values of the label result.
const (
	resultCreated = "created"
	resultUpdated = "updated"
	resultSkipped = "skipped"
	resultFailed  = "failed"

	resultMade = "made"

	resultCompleted = "completed"
	resultWaiting   = "waiting"
	resultExisting  = "existing"

	resultSound   = "sound"
	resultDamaged = "damaged"
	resultUnread  = "unread"

	resultUndone  = "undone"
	resultPartial = "partial"
	resultDeleted = "deleted"
	resultKept    = "kept"
)

// The values of the label kind.
const (
	kindSegment = "segment"
	kindOther   = "other"
)

// backupReasons are why backups fail.
func backupReasons() []string {
	return append(
		commonReasons(), kahuv1.ReasonStoreFull, kahuv1.ReasonLocationReadOnly,
		kahuv1.ReasonQuiesceTimeout, kahuv1.ReasonCutFailed, kahuv1.ReasonProviderWrongType,
	)
}

// restoreReasons are why restores fail.
func restoreReasons() []string {
	return append(
		commonReasons(),
		kahuv1.ReasonInvalidTransform, kahuv1.ReasonTransformSetNotFound, kahuv1.ReasonInvalidPrefix, kahuv1.ReasonObjectExists,
		kahuv1.ReasonKindNotServed, kahuv1.ReasonNamespaceTerminating, kahuv1.ReasonListingUnsupported,
		kahuv1.ReasonBackupNotFound, kahuv1.ReasonBackupAmbiguous, kahuv1.ReasonBackupFailed, kahuv1.ReasonBackupIncomplete,
		kahuv1.ReasonManifestNotFound, kahuv1.ReasonManifestTooNew, kahuv1.ReasonManifestInvalid,
		kahuv1.ReasonMarkerMissing, kahuv1.ReasonKeyNeeded, kahuv1.ReasonUnknownSigner, kahuv1.ReasonProviderUnavailable,
		kahuv1.ReasonContainerNotReady,
	)
}

// commonReasons are those of both.
func commonReasons() []string {
	return []string{
		kahuv1.ReasonPartiallyFailed, kahuv1.ReasonFailed, kahuv1.ReasonCancelled, kahuv1.ReasonInterrupted,
		kahuv1.ReasonValidationFailed, kahuv1.ReasonInvalidExpression, kahuv1.ReasonInvalidReference, kahuv1.ReasonContradiction,
		kahuv1.ReasonKindNeverSelected, kahuv1.ReasonNamespaceNotFound, kahuv1.ReasonKindNotFound,
		kahuv1.ReasonLocationNotFound, kahuv1.ReasonLocationNotReady, kahuv1.ReasonLocationUnreachable, kahuv1.ReasonStoreDenied, kahuv1.ReasonStoreFailed,
		kahuv1.ReasonArchiveCorrupt,
		kahuv1.ReasonHookInvalid, kahuv1.ReasonHookFailed, kahuv1.ReasonHookTimedOut, kahuv1.ReasonHookInterrupted,
		kahuv1.ReasonContainerNotFound, kahuv1.ReasonContainerNotRunning, kahuv1.ReasonPodNotRunning, kahuv1.ReasonPodGone,
		kahuv1.ReasonPodUnreachable, kahuv1.ReasonHookChanged,
	}
}

// addZeros makes the counters of locations, and of restores that have none yet.
func (s *Set) addZeros(locations []string) {
	s.restore.addZeros("", restoreReasons())
	for _, at := range locations {
		s.backup.addZeros(at, backupReasons())
		s.restore.addZeros(at, restoreReasons())
		s.backupBytes.WithLabelValues(at)
		s.storedBytes.WithLabelValues(at)
		s.backupObjects.WithLabelValues(at)
		s.unchangedObjects.WithLabelValues(at)
		s.damagedObjects.WithLabelValues(at)
		s.addCopyZeros(at)
		s.volumes.addZeros(at)
		s.Collected(at, 0, 0)
		for _, result := range []string{resultCreated, resultUpdated, resultSkipped, resultFailed} {
			s.restoreObjects.WithLabelValues(at, result)
		}
		for _, result := range []string{resultSound, resultDamaged, resultUnread} {
			s.verifications.WithLabelValues(at, result)
		}
		for _, result := range []string{resultUndone, resultPartial, resultFailed} {
			s.undos.WithLabelValues(at, result)
		}
		for _, result := range []string{resultDeleted, resultKept} {
			s.undoObjects.WithLabelValues(at, result)
		}
	}
}

func (r *runs) addZeros(at string, reasons []string) {
	for _, state := range []kahuv1.State{kahuv1.StateCompleted, kahuv1.StateFailed} {
		r.total.WithLabelValues(at, string(state))
	}
	for _, why := range reasons {
		r.failures.WithLabelValues(at, why)
	}
}
