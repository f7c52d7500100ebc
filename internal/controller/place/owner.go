package place

import (
	"fmt"

	kahuv1 "github.com/soda-cdm/kahu/api/v1beta1"
)

// HowToTake says how a person decides that this cluster is the owner.
func HowToTake(location *kahuv1.BackupLocation) string {
	return fmt.Sprintf("If this cluster alone should own them: kubectl annotate backuplocation %s %s=%s",
		location.Name, kahuv1.AnnotationTakeOwnership, location.Status.LocationID)
}
