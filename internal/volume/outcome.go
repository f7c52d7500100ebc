package volume

import (
	"fmt"

	kahuv1 "github.com/soda-cdm/kahu/api/v1beta1"
	"github.com/soda-cdm/kahu/internal/core/volumeplan"
	"github.com/soda-cdm/kahu/internal/core/volumework"
)

// endOf tells whether an order is over, and why it failed if it did.
func endOf(order *kahuv1.VolumeBackupContent, foreign error) (over bool, why string) {
	switch status := &order.Status; {
	case status.Phase == kahuv1.VolumePhaseFailed:
		return true, fmt.Sprintf("provider %s could not back up its volume: %s", order.Spec.ProviderName, status.FailureReason)
	case status.Phase != kahuv1.VolumePhaseCompleted:
		return false, ""
	case foreign != nil:
		return true, foreign.Error()
	case status.Backup == nil:
		return true, "provider " + order.Spec.ProviderName + " does not say what it knows the backup by"
	}
	return true, ""
}

// conclude takes over what a completed order says.
func conclude(outcome *volumework.Outcome, order *kahuv1.VolumeBackupContent) {
	outcome.Handle, outcome.Attributes = order.Status.Backup.Handle, order.Status.Backup.Attributes
	outcome.Bytes = order.Status.Progress.BytesDone
	// What is on record is what was ordered, whatever this attempt has planned.
	outcome.Decision.Way, outcome.Decision.Provider = volumeplan.Way(order.Spec.Way), order.Spec.ProviderName
	outcome.Decision.Location = order.Spec.Location
	if taken := order.Spec.Snapshot; taken != nil {
		outcome.Cut = taken.CutTimestamp.Time
	}
}
