package view

import (
	"fmt"

	"k8s.io/utils/ptr"

	kahuv1 "github.com/soda-cdm/kahu/api/v1beta1"
	"github.com/soda-cdm/kahu/internal/core/archive"
	"github.com/soda-cdm/kahu/internal/reconcile"
)

// volumesOf shows the volumes whose data a manifest names; nil where it names none. What failed is among the rows of what is
// missing. In an encrypted backup the claims have no names here.
func volumesOf(manifest archive.Manifest, location string) *kahuv1.BackupVolumes {
	if len(manifest.Volumes) == 0 {
		return nil
	}
	number := int64(len(manifest.Volumes))
	made := &kahuv1.BackupVolumes{Total: number, Completed: number}
	for i := range manifest.Volumes {
		of := &manifest.Volumes[i]
		bytes := max(0, ptr.Deref(of.Bytes, 0))
		made.BytesDone += bytes
		if i >= maxRows {
			continue
		}
		row := kahuv1.BackupVolume{
			Namespace: of.Namespace, Name: of.Name, Phase: kahuv1.BackupVolumeCompleted, Way: kahuv1.VolumeWay(of.Way),
			ProviderName: of.Provider, Bytes: bytes,
		}
		if IsCopy(manifest, location) {
			row.Message = reconcile.Bounded(fmt.Sprintf("the data is that of the original, with provider %s: it goes when the original is deleted",
				of.Provider), maxRowText)
		}
		made.Claims = append(made.Claims, row)
	}
	made.BytesTotal = made.BytesDone
	return made
}
