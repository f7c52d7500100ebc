package cli

import (
	"fmt"
	"strings"

	kahuv1 "github.com/soda-cdm/kahu/api/v1beta1"
)

// volumes writes what came of the data of volumes.
func (d *description) volumes(volumes *kahuv1.BackupVolumes) {
	if volumes == nil {
		return
	}
	lines := []string{volumesText(volumes)}
	for i := range volumes.Claims {
		lines = append(lines, volumeText(&volumes.Claims[i]))
	}
	if more := volumes.Total - int64(len(volumes.Claims)); more > 0 && len(volumes.Claims) > 0 {
		lines = append(lines, fmt.Sprintf("... and %d more", more))
	}
	d.block(titled("Volumes", volumes.Total), lines)
}

// volumesText counts them in a line.
func volumesText(volumes *kahuv1.BackupVolumes) string {
	text := fmt.Sprintf("%d completed, %d failed, %d left out", volumes.Completed, volumes.Failed, volumes.Skipped)
	if moving := volumes.Total - volumes.Completed - volumes.Failed - volumes.Skipped; moving > 0 {
		text += fmt.Sprintf(", %d going on", moving)
	}
	if volumes.BytesTotal > 0 {
		text += fmt.Sprintf(", %s of %s", size(volumes.BytesDone), size(volumes.BytesTotal))
	}
	return text
}

// volumeText says in a line what came of one, and why.
func volumeText(row *kahuv1.BackupVolume) string {
	words := []string{fmt.Sprintf("%-9s %s/%s", row.Phase, row.Namespace, row.Name)}
	if row.Way != "" {
		words = append(words, fmt.Sprintf("by %s with %s", row.Way, row.ProviderName))
	}
	if row.Bytes > 0 {
		words = append(words, size(row.Bytes))
	}
	if row.Message != "" {
		words = append(words, row.Message)
	}
	return strings.Join(words, ": ")
}
