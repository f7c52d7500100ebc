package cli

import (
	"fmt"
	"strings"

	kahuv1 "github.com/soda-cdm/kahu/api/v1beta1"
)

// restoredVolumes writes what came of the volumes of a restore.
func (d *description) restoredVolumes(volumes *kahuv1.RestoreVolumes) {
	if volumes == nil {
		return
	}
	lines := []string{restoredText(volumes)}
	for i := range volumes.Claims {
		lines = append(lines, restoredVolumeText(&volumes.Claims[i]))
	}
	if more := volumes.Total - int64(len(volumes.Claims)); more > 0 && len(volumes.Claims) > 0 {
		lines = append(lines, fmt.Sprintf("... and %d more", more))
	}
	d.block(titled("Volumes", volumes.Total), lines)
}

// restoredText counts them in a line.
func restoredText(volumes *kahuv1.RestoreVolumes) string {
	text := fmt.Sprintf("%d completed, %d failed", volumes.Completed, volumes.Failed)
	if volumes.Waiting > 0 {
		text += fmt.Sprintf(", %d waiting for a pod", volumes.Waiting)
	}
	if volumes.Existing > 0 {
		text += fmt.Sprintf(", %d there already and not touched", volumes.Existing)
	}
	if volumes.BytesTotal > 0 {
		text += fmt.Sprintf(", %s of %s", size(volumes.BytesDone), size(volumes.BytesTotal))
	}
	return text
}

// restoredVolumeText says in a line what came of one, and why.
func restoredVolumeText(row *kahuv1.RestoreVolume) string {
	words := []string{fmt.Sprintf("%-10s %s/%s", row.Phase, row.Namespace, row.Name)}
	if row.Way != "" {
		words = append(words, fmt.Sprintf("by %s with %s", row.Way, row.ProviderName))
	}
	if row.BytesTotal > 0 {
		words = append(words, size(row.BytesDone)+" of "+size(row.BytesTotal))
	}
	if row.Message != "" {
		words = append(words, row.Message)
	}
	return strings.Join(words, ": ")
}
