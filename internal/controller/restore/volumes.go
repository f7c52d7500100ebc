package restore

import (
	"slices"

	kahuv1 "github.com/soda-cdm/kahu/api/v1beta1"
	"github.com/soda-cdm/kahu/internal/controller/failure"
	"github.com/soda-cdm/kahu/internal/core/volumework"
	"github.com/soda-cdm/kahu/internal/engine"
	"github.com/soda-cdm/kahu/internal/reconcile"
)

// movingVolumes is how far the volumes are, and for which the run waits.
func movingVolumes(now *engine.Progress) *kahuv1.RestoreVolumes {
	made := &kahuv1.RestoreVolumes{}
	if volumes := now.Volumes; volumes != nil {
		made.Total, made.Completed, made.Failed = volumes.Total, volumes.Done, volumes.Failed
		made.BytesDone, made.BytesTotal = volumes.BytesDone, max(volumes.BytesDone, volumes.BytesTotal)
	}
	failed := int64(0)
	for i := range now.Going {
		row := volumeOf(&now.Going[i])
		made.Claims = append(made.Claims, row)
		if row.Phase == kahuv1.RestoreVolumeFailed {
			failed++
		}
	}
	made.Failed = max(made.Failed, failed)
	made.Total = max(made.Total, made.Failed)
	return made
}

// volumesOf is what came of the volumes; nil where there were none.
func volumesOf(found []volumework.Restored) *kahuv1.RestoreVolumes {
	if len(found) == 0 {
		return nil
	}
	made := &kahuv1.RestoreVolumes{Total: int64(len(found))}
	rows := map[kahuv1.RestoreVolumePhase][]kahuv1.RestoreVolume{}
	for i := range found {
		row := volumeOf(&found[i])
		made.BytesDone += row.BytesDone
		made.BytesTotal += row.BytesTotal
		switch row.Phase {
		case kahuv1.RestoreVolumeCompleted:
			made.Completed++
		case kahuv1.RestoreVolumeFailed:
			made.Failed++
		case kahuv1.RestoreVolumeWaiting:
			made.Waiting++
		case kahuv1.RestoreVolumeExisting:
			made.Existing++
		case kahuv1.RestoreVolumeInProgress, kahuv1.RestoreVolumeSkipped, kahuv1.RestoreVolumePlanned:
		}
		if len(rows[row.Phase]) < failure.MaxRows {
			rows[row.Phase] = append(rows[row.Phase], row)
		}
	}
	all := slices.Concat(
		rows[kahuv1.RestoreVolumeFailed], rows[kahuv1.RestoreVolumeInProgress], rows[kahuv1.RestoreVolumeWaiting], rows[kahuv1.RestoreVolumeExisting],
		rows[kahuv1.RestoreVolumeSkipped], rows[kahuv1.RestoreVolumePlanned], rows[kahuv1.RestoreVolumeCompleted],
	)
	made.Claims = all[:min(len(all), failure.MaxRows)]
	return made
}

// volumeOf is what came of the volume of one claim.
func volumeOf(found *volumework.Restored) kahuv1.RestoreVolume {
	return kahuv1.RestoreVolume{
		Namespace: found.Claim.Namespace, Name: found.Claim.Name, Phase: kahuv1.RestoreVolumePhase(found.State),
		Way: kahuv1.VolumeWay(found.Way), ProviderName: found.Provider,
		BytesDone: max(0, found.BytesDone), BytesTotal: max(0, found.BytesDone, found.BytesTotal),
		Message: reconcile.Bounded(found.Message, failure.MaxRowText),
	}
}
