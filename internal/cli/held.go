package cli

import (
	"errors"
	"fmt"

	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	kahuv1 "github.com/soda-cdm/kahu/api/v1beta1"
)

// awaitedEnd is an object that is awaited until it is gone, and what is known of what holds it.
type awaitedEnd struct {
	session    *session
	word, name string
	why        string
}

// see shows what holds the object, whenever that changes.
func (d *awaitedEnd) see(object client.Object) (bool, error) {
	why := whyHeld(object)
	if why != "" && why != d.why {
		d.session.say(fmt.Sprintf("%s %s: %s", d.word, d.name, why))
	}
	d.why = why
	return false, nil
}

// end is the error of the wait: none where the object is gone, and what holds it where the time ran out before.
func (d *awaitedEnd) end(err error) error {
	switch {
	case errors.Is(err, errGone):
		return nil
	case d.why != "" && (errors.Is(err, ErrTimeout) || errors.Is(err, ErrInterrupted)):
		return fmt.Errorf("%s %s is being deleted still: %s: %w", d.word, d.name, d.why, err)
	}
	return err
}

// whyHeld says what holds an object that is being deleted; empty where nothing is known to do so.
func whyHeld(object client.Object) string {
	if object.GetDeletionTimestamp().IsZero() {
		return ""
	}
	var conditions []metav1.Condition
	switch object := object.(type) {
	case *kahuv1.Backup:
		conditions = object.Status.Conditions
	case *kahuv1.Restore:
		conditions = object.Status.Conditions
	case *kahuv1.BackupLocation:
		conditions = object.Status.Conditions
	}
	for _, name := range []string{kahuv1.ConditionReady, kahuv1.ConditionReconciling, kahuv1.ConditionDataDeleted} {
		if held := meta.FindStatusCondition(conditions, name); held != nil && holds(held) {
			return held.Reason + ": " + held.Message
		}
	}
	return ""
}

// holds tells whether a condition says that something is not done yet.
func holds(held *metav1.Condition) bool {
	return held.Message != "" && (held.Status == metav1.ConditionTrue) == (held.Type == kahuv1.ConditionReconciling)
}
