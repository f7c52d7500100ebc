package reconcile

import (
	"encoding/json"
	"errors"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
)

// The conditions that every kind has.
const (
	// Ready tells whether the object is what its spec asks for.
	Ready = "Ready"
	// Reconciling is there while work is going on or waited for.
	Reconciling = "Reconciling"
	// Stalling names the condition Stalled, which is there while nothing goes on until a person acts.
	Stalling = "Stalled"
)

// The reasons that the loop itself gives.
const (
	// ReasonReconciled: everything that the spec asks for is done.
	ReasonReconciled = "Reconciled"
	// ReasonRetrying: something failed that is being tried again.
	ReasonRetrying = "Retrying"
)

// maxMessage bounds a condition's message, in bytes; the API's own limit is 32,768.
const maxMessage = 2048

// show writes the outcome of a pass into the conditions. Ready keeps a reason that a step gave it in this state. A race
// that was lost shows nothing: the next pass is about to begin.
func show(conditions *[]metav1.Condition, outcome error, generation int64) {
	var waiting *WaitingError
	var stalled *StalledError
	switch {
	case isWell(outcome):
		settle(conditions, generation)
	case errors.As(outcome, &waiting):
		turn(conditions, Reconciling, Stalling, condition(waiting.Reason, waiting.Message, generation))
	case errors.As(outcome, &stalled):
		turn(conditions, Stalling, Reconciling, condition(stalled.Reason, stalled.Message, generation))
	case apierrors.IsConflict(outcome):
	default:
		turn(conditions, Reconciling, Stalling, condition(ReasonRetrying, outcome.Error(), generation))
	}
}

// settle makes the object Ready.
func settle(conditions *[]metav1.Condition, generation int64) {
	meta.RemoveStatusCondition(conditions, Reconciling)
	meta.RemoveStatusCondition(conditions, Stalling)
	if current := meta.FindStatusCondition(*conditions, Ready); current != nil &&
		current.Status == metav1.ConditionTrue && current.ObservedGeneration == generation {
		return
	}
	ready := condition(ReasonReconciled, "Everything that the spec asks for is done.", generation)
	ready.Type, ready.Status = Ready, metav1.ConditionTrue
	meta.SetStatusCondition(conditions, ready)
}

// turn makes the object not Ready, sets one of the two abnormal conditions and removes the other.
func turn(conditions *[]metav1.Condition, set, remove string, why metav1.Condition) {
	meta.RemoveStatusCondition(conditions, remove)
	why.Type, why.Status = set, metav1.ConditionTrue
	meta.SetStatusCondition(conditions, why)
	why.Type, why.Status = Ready, metav1.ConditionFalse
	meta.SetStatusCondition(conditions, why)
}

// SetReady makes the object Ready for a reason of its kind.
func SetReady(conditions *[]metav1.Condition, reason, message string, generation int64) {
	meta.RemoveStatusCondition(conditions, Reconciling)
	meta.RemoveStatusCondition(conditions, Stalling)
	ready := condition(reason, message, generation)
	ready.Type, ready.Status = Ready, metav1.ConditionTrue
	meta.SetStatusCondition(conditions, ready)
}

// SetStalled makes the object not Ready until a person acts, for a reason of its kind.
func SetStalled(conditions *[]metav1.Condition, reason, message string, generation int64) {
	turn(conditions, Stalling, Reconciling, condition(reason, message, generation))
}

func condition(reason, message string, generation int64) metav1.Condition {
	return metav1.Condition{Reason: reason, Message: Bounded(message, maxMessage), ObservedGeneration: generation}
}

// Bounded cuts a text that is longer than limit bytes, at a rune's edge, and shows that it did, if there is room for that.
func Bounded(text string, limit int) string {
	const ellipsis = "…"
	if len(text) <= limit {
		return text
	}
	if limit < len(ellipsis) {
		return ""
	}
	end := 0
	for i := range text {
		if i > limit-len(ellipsis) {
			break
		}
		end = i
	}
	return text[:end] + ellipsis
}

// Repeat returns the outcome that the conditions show, for an object that is over and stays as it is.
func Repeat(conditions []metav1.Condition) error {
	if stalled := meta.FindStatusCondition(conditions, Stalling); stalled != nil {
		return Stalled(stalled.Reason, stalled.Message)
	}
	return ErrDone
}

// hasStatus tells whether a merge patch says anything about the status.
func hasStatus(patch []byte) bool {
	var parts struct {
		Status json.RawMessage `json:"status"`
	}
	return json.Unmarshal(patch, &parts) == nil && parts.Status != nil
}
