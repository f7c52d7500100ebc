package news_test

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"

	kahuv1 "github.com/soda-cdm/kahu/api/v1beta1"
	"github.com/soda-cdm/kahu/internal/controller/news"
)

// recorder keeps what it is told, a line each.
type recorder struct{ told []string }

// Eventf keeps an Event.
func (r *recorder) Eventf(_, _ runtime.Object, kind, reason, action, note string, args ...any) { //nolint:revive // That many arguments are the Recorder's.
	r.told = append(r.told, strings.Join([]string{action, kind, reason, fmt.Sprintf(note, args...)}, " | "))
}

// condition returns a condition whose message is the word said.
func condition(kind string, status metav1.ConditionStatus, reason string) []metav1.Condition {
	return []metav1.Condition{{Type: kind, Status: status, Reason: reason, Message: "said"}}
}

func ready(reason string) []metav1.Condition {
	return condition(kahuv1.ConditionReady, metav1.ConditionFalse, reason)
}

func complete(status metav1.ConditionStatus, reason string) []metav1.Condition {
	return condition(kahuv1.ConditionComplete, status, reason)
}

func verified(status metav1.ConditionStatus, reason string) []metav1.Condition {
	return condition(kahuv1.ConditionVerified, status, reason)
}

func undone(status metav1.ConditionStatus, reason string) []metav1.Condition {
	return condition(kahuv1.ConditionUndone, status, reason)
}

func finished(state kahuv1.State, failure string, conditions []metav1.Condition) kahuv1.BackupStatus {
	return kahuv1.BackupStatus{Stage: kahuv1.StageFinished, State: state, Attempt: "a", FailureReason: failure, Conditions: conditions}
}

// withVolumes adds a volume that failed, and one that did not.
func withVolumes(status kahuv1.BackupStatus) kahuv1.BackupStatus {
	status.Volumes = &kahuv1.BackupVolumes{Total: 2, Completed: 1, Failed: 1, Claims: []kahuv1.BackupVolume{
		{Namespace: "shop", Name: "data-0", Phase: kahuv1.BackupVolumeFailed, Reason: "SnapshotFailed", Message: "it burns"},
		{Namespace: "shop", Name: "data-1", Phase: kahuv1.BackupVolumeCompleted},
	}}
	return status
}

// TestBackups: what each change of a Backup's status tells; to write the same status again tells nothing.
func TestBackups(t *testing.T) {
	t.Parallel()
	now := metav1.NewTime(time.Unix(1000, 0))
	going := kahuv1.BackupStatus{Stage: kahuv1.StageResources, Attempt: "a"}
	whole := finished(kahuv1.StateCompleted, "", complete(metav1.ConditionTrue, kahuv1.ReasonCompleted))
	read := func(ended *metav1.Time, conditions []metav1.Condition) kahuv1.BackupStatus {
		status := whole
		status.Verification, status.Conditions = &kahuv1.BackupVerification{Token: "t", Time: ended}, conditions
		return status
	}
	partly := finished(kahuv1.StateFailed, "", complete(metav1.ConditionFalse, kahuv1.ReasonPartiallyFailed))
	lost := finished(kahuv1.StateCompleted, "it is gone", ready(kahuv1.ReasonManifestNotFound))
	cases := map[string]struct {
		before, after kahuv1.BackupStatus
		isView        bool
		want          []string
	}{
		"nothing":  {before: going, after: going},
		"accepted": {after: kahuv1.BackupStatus{Stage: kahuv1.StageInitial, Conditions: ready(kahuv1.ReasonAccepted)}},
		"started":  {after: going, want: []string{"Backup | Normal | Started | The run began."}},
		"resumed, once": {before: going, after: kahuv1.BackupStatus{Attempt: "b", Interruptions: 1}, want: []string{
			"Backup | Warning | Resumed | A manager stopped while the run went on, and another one goes on with it. That has happened once.",
		}},
		"resumed again": {
			before: kahuv1.BackupStatus{Attempt: "b", Interruptions: 1}, after: kahuv1.BackupStatus{Attempt: "c", Interruptions: 2}, want: []string{
				"Backup | Warning | Resumed | A manager stopped while the run went on, and another one goes on with it. That has happened 2 times.",
			},
		},
		"queued":      {after: kahuv1.BackupStatus{QueuePosition: 1, Conditions: ready(kahuv1.ReasonQueued)}},
		"queued long": {before: kahuv1.BackupStatus{Conditions: ready(kahuv1.ReasonQueued)}, after: kahuv1.BackupStatus{Conditions: ready(kahuv1.ReasonQueuedLong)}, want: []string{"Backup | Warning | QueuedLong | said"}},
		"volumes failed": {before: going, after: withVolumes(partly), want: []string{
			"Backup | Warning | PartiallyFailed | said",
			"Backup | Warning | VolumesFailed | The data of 1 of 2 volumes is not in the backup: shop/data-0 (SnapshotFailed: it burns)",
		}},
		"completed":         {before: going, after: whole, want: []string{"Backup | Normal | Completed | said"}},
		"with warnings":     {before: going, after: finished(kahuv1.StateCompleted, "", complete(metav1.ConditionTrue, kahuv1.ReasonHasWarnings)), want: []string{"Backup | Normal | HasWarnings | said"}},
		"nothing selected":  {before: going, after: finished(kahuv1.StateCompleted, "", complete(metav1.ConditionTrue, kahuv1.ReasonNothingSelected)), want: []string{"Backup | Normal | NothingSelected | said"}},
		"cancelled":         {before: going, after: finished(kahuv1.StateFailed, "somebody ended it", complete(metav1.ConditionFalse, kahuv1.ReasonCancelled)), want: []string{"Backup | Normal | Cancelled | somebody ended it"}},
		"partially failed":  {before: going, after: finished(kahuv1.StateFailed, "3 are missing", complete(metav1.ConditionFalse, kahuv1.ReasonPartiallyFailed)), want: []string{"Backup | Warning | PartiallyFailed | 3 are missing"}},
		"failed":            {before: going, after: finished(kahuv1.StateFailed, "no place", complete(metav1.ConditionFalse, kahuv1.ReasonStoreFull)), want: []string{"Backup | Warning | StoreFull | no place"}},
		"failed, unnamed":   {before: going, after: finished(kahuv1.StateFailed, "no place", nil), want: []string{"Backup | Warning | Failed | no place"}},
		"is being verified": {before: whole, after: read(nil, verified(metav1.ConditionUnknown, kahuv1.ReasonVerifying))},
		"verified":          {before: read(nil, nil), after: read(&now, verified(metav1.ConditionTrue, kahuv1.ReasonVerified)), want: []string{"Backup | Normal | Verified | said"}},
		"sample verified":   {before: read(nil, nil), after: read(&now, verified(metav1.ConditionTrue, kahuv1.ReasonSampleVerified)), want: []string{"Backup | Normal | SampleVerified | said"}},
		"damaged":           {before: read(nil, nil), after: read(&now, verified(metav1.ConditionFalse, kahuv1.ReasonArchiveCorrupt)), want: []string{"Backup | Warning | Damaged | said"}},
		"damaged, a view":   {before: read(nil, nil), after: read(&now, verified(metav1.ConditionFalse, kahuv1.ReasonArchiveCorrupt)), isView: true, want: []string{"Backup | Warning | Damaged | said"}},
		"could not be read": {before: read(nil, nil), after: read(&now, verified(metav1.ConditionUnknown, kahuv1.ReasonStoreFailed)), want: []string{"Backup | Warning | StoreFailed | said"}},
		"lost":              {before: whole, after: lost, want: []string{"Backup | Warning | ManifestNotFound | it is gone"}},
		"a view comes":      {after: whole, isView: true},
	}
	for name, test := range cases {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			before, after := &kahuv1.Backup{Status: test.before}, &kahuv1.Backup{Status: test.after}
			if test.isView {
				before.Spec.Origin, after.Spec.Origin = &kahuv1.BackupOrigin{}, &kahuv1.BackupOrigin{}
			}
			check(t, test.want, func(teller news.Teller) { teller.BackupChanged(before, after) })
			check(t, nil, func(teller news.Teller) { teller.BackupChanged(after, after) })
		})
	}
}

// check compares what a change tells.
func check(t *testing.T, want []string, change func(teller news.Teller)) {
	t.Helper()
	got := &recorder{}
	change(news.Teller{Recorder: got})
	if diff := cmp.Diff(want, got.told); diff != "" {
		t.Error(diff)
	}
}

// TestRestores does so with Restores, and with what becomes of them when they are taken back.
func TestRestores(t *testing.T) {
	t.Parallel()
	now := metav1.NewTime(time.Unix(1000, 0))
	going := kahuv1.RestoreStatus{Stage: kahuv1.StageResources, Attempt: "a"}
	over := func(state kahuv1.State, failure string, conditions []metav1.Condition) kahuv1.RestoreStatus {
		return kahuv1.RestoreStatus{Stage: kahuv1.StageFinished, State: state, Attempt: "a", FailureReason: failure, Conditions: conditions}
	}
	undo := func(token string, ended *metav1.Time, conditions []metav1.Condition) kahuv1.RestoreStatus {
		status := over(kahuv1.StateCompleted, "", conditions)
		status.Undo = &kahuv1.RestoreUndo{Token: token, Time: ended}
		return status
	}
	undoing := undo("t", nil, undone(metav1.ConditionUnknown, kahuv1.ReasonUndoing))
	gone := undo("t", &now, undone(metav1.ConditionTrue, kahuv1.ReasonUndone))
	cases := map[string]struct {
		before, after kahuv1.RestoreStatus
		want          []string
	}{
		"started": {after: going, want: []string{"Restore | Normal | Started | The run began."}},
		"resumed": {before: going, after: kahuv1.RestoreStatus{Attempt: "b", Interruptions: 1}, want: []string{
			"Restore | Warning | Resumed | A manager stopped while the run went on, and another one goes on with it. That has happened once.",
		}},
		"queued long":       {after: kahuv1.RestoreStatus{Conditions: ready(kahuv1.ReasonQueuedLong)}, want: []string{"Restore | Warning | QueuedLong | said"}},
		"completed":         {before: going, after: over(kahuv1.StateCompleted, "", complete(metav1.ConditionTrue, kahuv1.ReasonCompleted)), want: []string{"Restore | Normal | Completed | said"}},
		"cancelled":         {before: going, after: over(kahuv1.StateFailed, "ended", complete(metav1.ConditionFalse, kahuv1.ReasonCancelled)), want: []string{"Restore | Normal | Cancelled | ended"}},
		"partially failed":  {before: going, after: over(kahuv1.StateFailed, "3 refused", complete(metav1.ConditionFalse, kahuv1.ReasonPartiallyFailed)), want: []string{"Restore | Warning | PartiallyFailed | 3 refused"}},
		"incomplete backup": {before: going, after: over(kahuv1.StateFailed, "3 missing", complete(metav1.ConditionFalse, kahuv1.ReasonBackupIncomplete)), want: []string{"Restore | Warning | BackupIncomplete | 3 missing"}},

		"undoing":          {before: over(kahuv1.StateCompleted, "", nil), after: undoing, want: []string{"Restore | Normal | Undoing | said"}},
		"undoing, further": {before: undoing, after: undo("t", nil, undone(metav1.ConditionUnknown, kahuv1.ReasonUndoing))},
		"undone":           {before: undoing, after: gone, want: []string{"Restore | Normal | Undone | said"}},
		"partially undone": {before: undoing, after: undo("t", &now, undone(metav1.ConditionFalse, kahuv1.ReasonPartiallyUndone)), want: []string{"Restore | Warning | PartiallyUndone | said"}},
		"undo failed":      {before: undoing, after: undo("t", &now, undone(metav1.ConditionFalse, kahuv1.ReasonUndoFailed)), want: []string{"Restore | Warning | UndoFailed | said"}},
		"undo previewed":   {before: undoing, after: undo("t", &now, undone(metav1.ConditionUnknown, kahuv1.ReasonUndoPreviewed)), want: []string{"Restore | Normal | UndoPreviewed | said"}},
		"undo too early":   {before: over(kahuv1.StateCompleted, "", nil), after: undo("t", &now, undone(metav1.ConditionUnknown, kahuv1.ReasonRestoreNotFinished)), want: []string{"Restore | Warning | RestoreNotFinished | said"}},
		"undone again":     {before: gone, after: undo("u", nil, undone(metav1.ConditionUnknown, kahuv1.ReasonUndoing)), want: []string{"Restore | Normal | Undoing | said"}},
	}
	for name, test := range cases {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			before, after := &kahuv1.Restore{Status: test.before}, &kahuv1.Restore{Status: test.after}
			check(t, test.want, func(teller news.Teller) { teller.RestoreChanged(before, after) })
			check(t, nil, func(teller news.Teller) { teller.RestoreChanged(after, after) })
		})
	}
}

// TestLocationsAndProviders: whether they can be used, when that changes.
func TestLocationsAndProviders(t *testing.T) {
	t.Parallel()
	can, cannot := condition(kahuv1.ConditionReady, metav1.ConditionTrue, "Reconciled"), ready(kahuv1.ReasonLeaseExpired)
	for name, test := range map[string]struct{ before, after, want []metav1.Condition }{
		"comes":       {nil, can, can},
		"is not yet":  {nil, cannot, nil},
		"goes":        {can, cannot, cannot},
		"comes back":  {cannot, can, can},
		"stays":       {can, can, nil},
		"stays away":  {cannot, cannot, nil},
		"is not told": {can, nil, nil},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			var want []string
			if test.want != nil {
				want = []string{"Probe | Normal | Available | said"}
				if test.want[0].Status == metav1.ConditionFalse {
					want = []string{"Probe | Warning | Unavailable | LeaseExpired: said"}
				}
			}
			check(t, want, func(teller news.Teller) {
				teller.LocationChanged(
					&kahuv1.BackupLocation{Status: kahuv1.BackupLocationStatus{Conditions: test.before}},
					&kahuv1.BackupLocation{Status: kahuv1.BackupLocationStatus{Conditions: test.after}})
			})
			check(t, want, func(teller news.Teller) {
				teller.ProviderChanged(
					&kahuv1.Provider{Status: kahuv1.ProviderStatus{Conditions: test.before}},
					&kahuv1.Provider{Status: kahuv1.ProviderStatus{Conditions: test.after}})
			})
		})
	}
}

// TestNotesAreBounded: the API takes no more than 1,024 bytes of words.
func TestNotesAreBounded(t *testing.T) {
	t.Parallel()
	got := &recorder{}
	after := &kahuv1.Backup{Status: finished(kahuv1.StateFailed, strings.Repeat("long 100% ", 500), nil)}
	news.Teller{Recorder: got}.BackupChanged(&kahuv1.Backup{Status: kahuv1.BackupStatus{Attempt: "a"}}, after)
	if len(got.told) != 1 || len(strings.TrimPrefix(got.told[0], "Backup | Warning | Failed | ")) > 1024 || strings.Contains(got.told[0], "!") {
		t.Errorf("told %q", got.told)
	}
}

// TestHeldDeletions: that a deletion is held is told once for each reason, and so is a location that is not owned.
func TestHeldDeletions(t *testing.T) {
	t.Parallel()
	notOwned := condition(kahuv1.ConditionOwned, metav1.ConditionFalse, kahuv1.ReasonNotOwner)
	held := condition(kahuv1.ConditionDataDeleted, metav1.ConditionFalse, kahuv1.ReasonNotOwner)
	location := func(conditions []metav1.Condition) *kahuv1.BackupLocation {
		return &kahuv1.BackupLocation{Status: kahuv1.BackupLocationStatus{Conditions: conditions}}
	}
	backup := func(conditions []metav1.Condition) *kahuv1.Backup {
		return &kahuv1.Backup{Status: kahuv1.BackupStatus{Conditions: conditions}}
	}
	told := &recorder{}
	teller := news.Teller{Recorder: told}
	teller.LocationChanged(location(nil), location(notOwned))
	teller.LocationChanged(location(notOwned), location(notOwned))
	teller.BackupChanged(backup(nil), backup(held))
	teller.BackupChanged(backup(held), backup(held))
	want := []string{"Probe | Warning | NotOwner | said", "Backup | Warning | NotOwner | said"}
	if diff := cmp.Diff(want, told.told); diff != "" {
		t.Error(diff)
	}
}

// TestStrandedApplicationsAreNews: once, when it is known that a pod may still be held still.
func TestStrandedApplicationsAreNews(t *testing.T) {
	t.Parallel()
	owed := &kahuv1.Backup{Status: kahuv1.BackupStatus{Attempt: "a", Hooks: &kahuv1.BackupHooks{}}}
	given := func(post string) *kahuv1.Backup {
		after := owed.DeepCopy()
		after.Status.Hooks.CompletionTimestamp = &metav1.Time{}
		after.Status.Hooks.Containers = []kahuv1.HookContainer{{Namespace: "shop", Pod: "db", Post: post}}
		after.Status.Conditions = []metav1.Condition{{Type: kahuv1.ConditionHooksCompleted, Status: metav1.ConditionFalse, Message: "Pod shop/db"}}
		return after
	}
	stranded := given(kahuv1.ReasonPodUnreachable)
	want := []news.Item{{Warning: true, Reason: kahuv1.ReasonPodUnreachable, Note: "Pod shop/db"}}
	if got := news.OfBackup(owed, stranded); !cmp.Equal(want, got) {
		t.Errorf("news: %+v", got)
	}
	unfreed := given(kahuv1.ReasonHookFailed)
	unfreed.Status.Hooks.Owed = []kahuv1.OwedHook{{Namespace: "shop", Pod: "db"}}
	want[0].Reason = kahuv1.ReasonHookFailed
	if got := news.OfBackup(owed, unfreed); !cmp.Equal(want, got) {
		t.Errorf("news of a command that failed: %+v", got)
	}
	for name, pair := range map[string][2]*kahuv1.Backup{
		"again": {stranded, stranded}, "well": {owed, given("Completed")}, "may fail": {owed, given(kahuv1.ReasonHookFailed)},
	} {
		if got := news.OfBackup(pair[0], pair[1]); len(got) > 0 {
			t.Errorf("%s: %+v", name, got)
		}
	}
}
