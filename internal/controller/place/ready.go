package place

import (
	"fmt"

	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	kahuv1 "github.com/soda-cdm/kahu/api/v1beta1"
)

// ready returns nil for a location that is Ready in its present generation, or why it is not.
func ready(location *kahuv1.BackupLocation) error {
	conditions := location.Status.Conditions
	found := meta.FindStatusCondition(conditions, kahuv1.ConditionReady)
	if found == nil || found.ObservedGeneration != location.Generation {
		return &NotUsableError{
			Reason: kahuv1.ReasonLocationNotReady, Passing: true,
			Message: fmt.Sprintf("BackupLocation %q has not been looked at yet", location.Name),
		}
	}
	if found.Status == metav1.ConditionTrue {
		return nil
	}
	return &NotUsableError{
		Reason: found.Reason, Passing: !meta.IsStatusConditionTrue(conditions, kahuv1.ConditionStalled),
		Message: fmt.Sprintf("BackupLocation %q is not ready: %s", location.Name, found.Message),
	}
}
