package place

import (
	"fmt"

	kahuv1 "github.com/soda-cdm/kahu/api/v1beta1"
)

// TakeOwnershipAnnotation is an annotation that, with the location's id as its value, makes this cluster the owner of its part of the
// location whoever wrote there last. It is a person's decision, and it is taken back once it is carried out.
const TakeOwnershipAnnotation = "kahu.io/take-ownership"

// HowToTake says how a person decides that this cluster is the owner.
func HowToTake(location *kahuv1.BackupLocation) string {
	return fmt.Sprintf("If this cluster alone should own them: kubectl annotate backuplocation %s %s=%s",
		location.Name, TakeOwnershipAnnotation, location.Status.LocationID)
}
