package place

import (
	"fmt"

	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	kahuv1 "github.com/soda-cdm/kahu/api/v1beta1"
)

// ready returns nil for a location that is Ready in its present generation, or why it is not.
func ready(location *kahuv1.BackupLocation) *NotUsableError {
	conditions := location.Status.Conditions
	found := meta.FindStatusCondition(conditions, kahuv1.ConditionReady)
	if found == nil || found.ObservedGeneration != location.Generation {
		return &NotUsableError{
			Reason: kahuv1.ReasonLocationNotReady, Passing: true, Unseen: true,
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

// unlessOld makes a verdict one that may pass where this process has not looked at the location yet.
func (f *Finder) unlessOld(location *kahuv1.BackupLocation, verdict *NotUsableError) error {
	began, probed := f.began.Load(), location.Status.LastProbeTime
	if began == 0 || probed == nil || probed.Unix() < began {
		verdict.Passing = true
	}
	return verdict
}
