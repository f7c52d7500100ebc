// Package news tells people of the turning points of Kahu's own objects, as Events.
//
// What is told follows from the status before and after it was written, so that what is told is so, and is told at most
// once: a manager that stops between the two does not tell it.
// The words are those of the status, which has no secrets in it.
package news

import (
	"fmt"
	"slices"
	"strings"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"

	kahuv1 "github.com/soda-cdm/kahu/api/v1beta1"
	"github.com/soda-cdm/kahu/internal/reconcile"
)

// The reasons of Events besides those of conditions.
const (
	// ReasonStarted: the run began.
	ReasonStarted = "Started"
	// ReasonResumed: a manager stopped while the run went on, and another one goes on with it.
	ReasonResumed = "Resumed"
	// ReasonMadeFull: the backup is full although its spec asked for another mode.
	ReasonMadeFull = "MadeFull"
	// ReasonDamaged: the backup was read back and is damaged.
	ReasonDamaged = "Damaged"
	// ReasonVolumesFailed: the data of volumes is not in the backup, though it should be.
	ReasonVolumesFailed = "VolumesFailed"
	// ReasonUnavailable: the location or provider could be used, and cannot any more.
	ReasonUnavailable = "Unavailable"
)

// maxNote bounds the words of an Event, in bytes; the API's own limit is 1,024.
const maxNote = 1000

// Recorder writes Events.
type Recorder interface {
	// Eventf writes one about an object. Those that say the same are counted and not repeated.
	Eventf(regarding, related runtime.Object, kind, reason, action, note string, args ...any)
}

// Item is one piece of news.
type Item struct {
	// Warning tells whether a person should look.
	Warning bool
	// Reason is a stable word for it, Note says what happened.
	Reason, Note string
}

// Teller tells news.
type Teller struct{ Recorder Recorder }

// BackupChanged tells what a change of a Backup's status means.
func (t Teller) BackupChanged(before, after *kahuv1.Backup) {
	t.tell(after, "Backup", OfBackup(before, after))
}

// RestoreChanged tells what a change of a Restore's status means.
func (t Teller) RestoreChanged(before, after *kahuv1.Restore) {
	t.tell(after, "Restore", OfRestore(before, after))
}

// LocationChanged tells what a change of a BackupLocation's status means.
func (t Teller) LocationChanged(before, after *kahuv1.BackupLocation) {
	t.tell(after, "Probe", OfLocation(before, after))
}

// ProviderChanged tells what a change of a Provider's status means.
func (t Teller) ProviderChanged(before, after *kahuv1.Provider) {
	t.tell(after, "Probe", ofReady(before.Status.Conditions, after.Status.Conditions))
}

func (t Teller) tell(about runtime.Object, action string, items []Item) {
	for _, item := range items {
		kind := corev1.EventTypeNormal
		if item.Warning {
			kind = corev1.EventTypeWarning
		}
		t.Recorder.Eventf(about, nil, kind, item.Reason, action, "%s", reconcile.Bounded(item.Note, maxNote))
	}
}

// OfBackup returns the news in a change of a Backup's status.
func OfBackup(before, after *kahuv1.Backup) []Item {
	was, is := &before.Status, &after.Status
	items := append(ofVerification(before, after), ofCopies(before, after)...)
	if after.Spec.Origin != nil {
		return items // What it shows has happened elsewhere.
	}
	items = append(items, ofRun(
		run{was.Stage, was.State, was.Attempt, was.Interruptions, was.FailureReason, was.Conditions},
		run{is.Stage, is.State, is.Attempt, is.Interruptions, is.FailureReason, is.Conditions})...)
	items = append(items, slices.Concat(ofMode(before, after), ofHooks(was, is), ofVolumes(was, is))...)
	if held := meta.FindStatusCondition(is.Conditions, kahuv1.ConditionDataDeleted); held != nil && held.Status == metav1.ConditionFalse &&
		reasonOf(was.Conditions, kahuv1.ConditionDataDeleted) != held.Reason {
		items = append(items, Item{true, held.Reason, held.Message})
	}
	if lost := readyReason(is.Conditions); lost == kahuv1.ReasonManifestNotFound && was.Stage == kahuv1.StageFinished && readyReason(was.Conditions) != lost {
		items = append(items, Item{true, lost, is.FailureReason})
	}
	return items
}

// ofHooks tells of applications that may still be held still.
func ofHooks(was, is *kahuv1.BackupStatus) []Item {
	if is.Hooks == nil || is.Hooks.CompletionTimestamp == nil || was.Hooks != nil && was.Hooks.CompletionTimestamp != nil {
		return nil
	}
	said := meta.FindStatusCondition(is.Conditions, kahuv1.ConditionHooksCompleted)
	if said == nil || said.Status != metav1.ConditionFalse {
		return nil
	}
	for i := range is.Hooks.Containers {
		if row := &is.Hooks.Containers[i]; isStranded(is.Hooks, row) {
			return []Item{{true, row.Post, said.Message}}
		}
	}
	return nil
}

// isStranded tells whether the pod of a row may still be held still: it could not be reached, or is owed what has failed.
func isStranded(hooks *kahuv1.BackupHooks, row *kahuv1.HookContainer) bool {
	switch row.Post {
	case kahuv1.ReasonPodUnreachable, kahuv1.ReasonContainerNotRunning:
		return true
	case "", kahuv1.ReasonCompleted:
		return false
	}
	return slices.ContainsFunc(hooks.Owed, func(owed kahuv1.OwedHook) bool { return owed.Namespace == row.Namespace && owed.Pod == row.Pod })
}

// ofMode tells that a backup is full that was to build on another one. That there is none yet, or that it is time, is expected.
func ofMode(before, after *kahuv1.Backup) []Item {
	is := after.Status.Incremental
	if is == nil || is.Reason == "" || before.Status.Incremental != nil {
		return nil
	}
	expected := is.Reason == kahuv1.ReasonNoBase || is.Reason == kahuv1.ReasonFullDue
	return []Item{{!expected, ReasonMadeFull, fmt.Sprintf("The backup is full, where %s was asked for: %s.", after.Spec.Mode, is.Message)}}
}

// ofVolumes names the volumes that could not be backed up, when the run is over.
func ofVolumes(was, is *kahuv1.BackupStatus) []Item {
	if is.Volumes == nil || is.Volumes.Failed == 0 || was.Stage == kahuv1.StageFinished || is.Stage != kahuv1.StageFinished {
		return nil
	}
	const named = 3
	var rows []string
	for _, row := range is.Volumes.Claims[:min(len(is.Volumes.Claims), named)] {
		if row.Phase != kahuv1.BackupVolumeFailed {
			break // They come first.
		}
		rows = append(rows, fmt.Sprintf("%s/%s (%s: %s)", row.Namespace, row.Name, row.Reason, row.Message))
	}
	note := fmt.Sprintf("The data of %d of %d volumes is not in the backup: %s", is.Volumes.Failed, is.Volumes.Total, strings.Join(rows, "; "))
	return []Item{{true, ReasonVolumesFailed, note}}
}

// OfLocation returns the news in a change of a BackupLocation's status.
func OfLocation(before, after *kahuv1.BackupLocation) []Item {
	items := ofReady(before.Status.Conditions, after.Status.Conditions)
	lost := meta.FindStatusCondition(after.Status.Conditions, kahuv1.ConditionOwned)
	if lost != nil && lost.Status == metav1.ConditionFalse && reasonOf(before.Status.Conditions, kahuv1.ConditionOwned) != lost.Reason {
		items = append(items, Item{true, lost.Reason, lost.Message})
	}
	return items
}

// OfRestore returns the news in a change of a Restore's status.
func OfRestore(before, after *kahuv1.Restore) []Item {
	was, is := &before.Status, &after.Status
	return append(ofUndo(was.Undo, is), ofRun(
		run{was.Stage, was.State, was.Attempt, was.Interruptions, was.FailureReason, was.Conditions},
		run{is.Stage, is.State, is.Attempt, is.Interruptions, is.FailureReason, is.Conditions})...)
}

// ofUndo tells when a restore begins to be taken back, and what became of it.
func ofUndo(was *kahuv1.RestoreUndo, is *kahuv1.RestoreStatus) []Item {
	now, found := is.Undo, meta.FindStatusCondition(is.Conditions, kahuv1.ConditionUndone)
	if now == nil || found == nil {
		return nil
	}
	same := was != nil && was.Token == now.Token
	if same && (was.Time != nil || now.Time == nil) {
		return nil
	}
	warning := found.Status == metav1.ConditionFalse || found.Reason == kahuv1.ReasonRestoreNotFinished
	return []Item{{warning, found.Reason, found.Message}}
}

// run is what backups and restores have in common.
type run struct {
	stage         kahuv1.Stage
	state         kahuv1.State
	attempt       string
	interruptions int32
	failure       string
	conditions    []metav1.Condition
}

func ofRun(was, is run) []Item {
	var items []Item
	if was.attempt == "" && is.attempt != "" {
		items = append(items, Item{false, ReasonStarted, "The run began."})
	}
	if is.interruptions > was.interruptions {
		items = append(items, Item{true, ReasonResumed, fmt.Sprintf(
			"A manager stopped while the run went on, and another one goes on with it. That has happened %s.", times(is.interruptions))})
	}
	if now := readyReason(is.conditions); now == kahuv1.ReasonQueuedLong && readyReason(was.conditions) != now {
		items = append(items, Item{true, now, meta.FindStatusCondition(is.conditions, kahuv1.ConditionReady).Message})
	}
	if was.stage != kahuv1.StageFinished && is.stage == kahuv1.StageFinished {
		items = append(items, ending(is))
	}
	return items
}

func times(number int32) string {
	if number == 1 {
		return "once"
	}
	return fmt.Sprintf("%d times", number)
}

// ending says how a run ended.
func ending(is run) Item {
	reason, note := kahuv1.ReasonFailed, is.failure
	if complete := meta.FindStatusCondition(is.conditions, kahuv1.ConditionComplete); complete != nil {
		reason = complete.Reason
		if note == "" {
			note = complete.Message
		}
	}
	return Item{is.state != kahuv1.StateCompleted && reason != kahuv1.ReasonCancelled, reason, note}
}

// ofVerification tells what was found when a backup was read back.
func ofVerification(before, after *kahuv1.Backup) []Item {
	now, was := after.Status.Verification, before.Status.Verification
	found := meta.FindStatusCondition(after.Status.Conditions, kahuv1.ConditionVerified)
	if found == nil || now == nil || now.Time == nil || was != nil && was.Token == now.Token && was.Time != nil {
		return nil
	}
	if found.Status == metav1.ConditionFalse {
		return []Item{{true, ReasonDamaged, found.Message}}
	}
	return []Item{{found.Status != metav1.ConditionTrue, found.Reason, found.Message}}
}

// ofReady tells of what can be used whether it still can, or can again.
func ofReady(before, after []metav1.Condition) []Item {
	was, is := meta.FindStatusCondition(before, kahuv1.ConditionReady), meta.FindStatusCondition(after, kahuv1.ConditionReady)
	usable := func(condition *metav1.Condition) bool {
		return condition != nil && condition.Status == metav1.ConditionTrue
	}
	switch {
	case is == nil || usable(was) == usable(is):
		return nil
	case usable(is):
		return []Item{{false, kahuv1.ReasonAvailable, is.Message}}
	}
	return []Item{{true, ReasonUnavailable, is.Reason + ": " + is.Message}}
}

func readyReason(conditions []metav1.Condition) string {
	return reasonOf(conditions, kahuv1.ConditionReady)
}

func reasonOf(conditions []metav1.Condition, kind string) string {
	if found := meta.FindStatusCondition(conditions, kind); found != nil {
		return found.Reason
	}
	return ""
}
