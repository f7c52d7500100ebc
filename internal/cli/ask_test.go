package cli_test

import (
	"context"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	kahuv1 "github.com/soda-cdm/kahu/api/v1beta1"
)

// TestBackupDiff: the pages one after the other, kinds with their group, and the exit codes of diff.
func TestBackupDiff(t *testing.T) {
	counts := `{"added":1,"removed":0,"changed":1,"unchanged":3}`
	pages := map[string]kahuv1.InspectionStatus{
		"": {State: kahuv1.StateCompleted, NextPage: "second", Lines: []string{
			`{"op":"Added","apiVersion":"v1","kind":"Secret","namespace":"shop","name":"new"}`,
		}},
		"second": {State: kahuv1.StateCompleted, Lines: []string{
			`{"op":"Changed","apiVersion":"apps/v1","kind":"Deployment","namespace":"shop","name":"web",` +
				`"fields":[{"path":"spec.replicas","op":"Changed","old":"1","new":"2"},{"path":"spec.paused","op":"Added","new":"true"}]}`,
			counts,
		}},
	}
	t.Run("different", func(t *testing.T) {
		answerInspections(t, pages)
		done := run(t, "backup", "diff", "old", "new", "--fields")
		want := "+ Secret shop/new\n~ Deployment.apps shop/web\n    spec.replicas: 1 -> 2\n    spec.paused: (none) -> true\n" +
			"1 added, 0 removed, 1 changed, 3 unchanged\n"
		if diff := cmp.Diff(want, done.out); diff != "" || done.code != 1 {
			t.Errorf("code %d, %v: %s", done.code, done.failure, diff)
		}
		lines := strings.Split(strings.TrimSpace(run(t, "backup", "diff", "old", "--live", "-o", "json").out), "\n")
		if len(lines) != 3 || lines[2] != counts {
			t.Errorf("as JSON: %q", lines)
		}
	})
	t.Run("the same", func(t *testing.T) {
		answerInspections(t, map[string]kahuv1.InspectionStatus{"": {State: kahuv1.StateCompleted, Lines: []string{`{"unchanged":4}`}}})
		check(t, run(t, "backup", "diff", "old", "new"), 0, "0 added, 0 removed, 0 changed, 4 unchanged", "", "")
	})
	t.Run("no answer", func(t *testing.T) {
		answerInspections(t, map[string]kahuv1.InspectionStatus{"": {State: kahuv1.StateFailed, Conditions: []metav1.Condition{{
			Type: kahuv1.ConditionStalled, Status: metav1.ConditionTrue, Reason: kahuv1.ReasonBackupNotFound, Message: "there is no backup old",
			LastTransitionTime: *stale(1),
		}}}})
		check(t, run(t, "backup", "diff", "old", "new"), 2, "", "", "there is no backup old")
	})
	for _, wrong := range [][]string{{"old"}, {"old", "new", "--live"}, {"a", "b", "c"}, {"old", "new", "-o", "yaml"}} {
		if done := run(t, append([]string{"backup", "diff"}, wrong...)...); done.code != 2 {
			t.Errorf("%v: code %d", wrong, done.code)
		}
	}
}

// TestRestorePlan: the whole plan, page by page, as the first rows of it are printed after a dry run.
func TestRestorePlan(t *testing.T) {
	planned := &kahuv1.Restore{ObjectMeta: metav1.ObjectMeta{Name: "planned"}, Spec: kahuv1.RestoreSpec{BackupName: "nightly", DryRun: true}}
	put(t, planned, func() {
		planned.Status = kahuv1.RestoreStatus{
			Stage: kahuv1.StageFinished, State: kahuv1.StateCompleted,
			Preview: &kahuv1.RestorePreview{Create: 1, Update: 1, Conflict: 1, PlanPath: "plan", Problems: []string{"no class fast"}},
		}
	})
	pages := map[string]kahuv1.InspectionStatus{
		"": {State: kahuv1.StateCompleted, NextPage: "second", Lines: []string{
			`{"level":"info","resource":"configmaps","namespace":"shop","name":"a","action":"Create","reason":"Checked"}`,
			`{"level":"info","group":"apps","resource":"deployments","namespace":"shop","name":"web","action":"Update","reason":"Checked"}`,
		}},
		"second": {State: kahuv1.StateCompleted, Lines: []string{
			`{"level":"info","group":"apps","resource":"deployments","namespace":"shop","name":"web","action":"Change","message":"~ spec.replicas: 1 -> 2"}`,
			`{"level":"error","resource":"secrets","namespace":"shop","name":"x","action":"Conflict","message":"denied"}`,
			`{"level":"warning","action":"Preflight","message":"no class fast"}`,
		}},
	}
	answerInspections(t, pages)
	want := "+   configmaps shop/a\n~   deployments.apps shop/web\n      ~ spec.replicas: 1 -> 2\n!   secrets shop/x  (conflict: denied)\n! no class fast\n" +
		"Plan: 1 to create, 1 to update, 0 to recreate, 0 unchanged, 0 skipped, 1 conflict, 1 problem. Nothing was written.\n"
	if diff := cmp.Diff(want, succeed(t, "restore", "plan", "planned")); diff != "" {
		t.Error(diff)
	}
	raw := strings.Join(append(append([]string{}, pages[""].Lines...), pages["second"].Lines...), "\n") + "\n"
	if diff := cmp.Diff(raw, succeed(t, "restore", "plan", "planned", "-o", "json")); diff != "" {
		t.Error(diff)
	}
	put(t, &kahuv1.Restore{ObjectMeta: metav1.ObjectMeta{Name: "real"}, Spec: kahuv1.RestoreSpec{BackupName: "nightly"}}, func() {})
	check(t, run(t, "restore", "plan", "real"), 1, "", "", "is no dry run")
}

// TestCancel: the wish is in the spec, and what is said is what became of the run.
func TestCancel(t *testing.T) {
	cancelled := metav1.Condition{Type: kahuv1.ConditionComplete, Status: metav1.ConditionFalse, Reason: kahuv1.ReasonCancelled, Message: "x"}
	completed := metav1.Condition{Type: kahuv1.ConditionComplete, Status: metav1.ConditionTrue, Reason: kahuv1.ReasonCompleted, Message: "x"}
	for _, kind := range []string{"backup", "restore"} {
		for name, test := range map[string]struct {
			stage     kahuv1.Stage
			state     kahuv1.State
			condition metav1.Condition
			flags     []string
			want      string
		}{
			"goes on":   {kahuv1.StageResources, kahuv1.StateProcessing, metav1.Condition{}, nil, " ending is being cancelled\n"},
			"cancelled": {kahuv1.StageFinished, kahuv1.StateFailed, cancelled, []string{"--wait"}, " ending is cancelled"},
			"was over":  {kahuv1.StageFinished, kahuv1.StateCompleted, completed, []string{"--wait"}, " ending had ended already: Completed\n"},
		} {
			t.Run(kind+" "+name, func(t *testing.T) {
				wish := putEnding(t, kind, test.stage, test.state, test.condition)
				check(t, run(t, append([]string{kind, "cancel", "ending", "--timeout", limit.String()}, test.flags...)...), 0, kind+test.want, "", "")
				if wish() == (kind == "restore" && name == "was over") {
					t.Errorf("spec.cancel is %v", wish())
				}
			})
		}
		check(t, run(t, kind, "cancel", "nobody"), 1, "", "", "not found")
	}
	t.Run("waited for", func(t *testing.T) {
		putEnding(t, "backup", kahuv1.StageResources, kahuv1.StateProcessing, metav1.Condition{})
		asked := func(backup *kahuv1.Backup) bool { return backup.Spec.Cancel }
		whenIt(t, "ending", &kahuv1.BackupList{}, asked, func(ctx context.Context, to client.Client, backup *kahuv1.Backup) error {
			backup.Status.Stage, backup.Status.State = kahuv1.StageFinished, kahuv1.StateFailed
			meta.SetStatusCondition(&backup.Status.Conditions, cancelled)
			return client.IgnoreNotFound(to.Status().Patch(ctx, backup, client.Merge))
		})
		check(t, run(t, "backup", "cancel", "ending", "--wait", "--timeout", limit.String()), 0, "backup ending is cancelled\n", "backup ending: ", "")
	})
}

// TestCancelOfARestoreWhoseClaimsWait: one that is over is still told that nobody wants the volumes for which its claims wait.
func TestCancelOfARestoreWhoseClaimsWait(t *testing.T) {
	restore := &kahuv1.Restore{ObjectMeta: metav1.ObjectMeta{Name: "ending"}, Spec: kahuv1.RestoreSpec{BackupName: "nightly"}}
	put(t, restore, func() {
		restore.Status.Stage, restore.Status.State = kahuv1.StageFinished, kahuv1.StateCompleted
		restore.Status.Volumes = &kahuv1.RestoreVolumes{Total: 1, Waiting: 1}
	})
	check(t, run(t, "restore", "cancel", "ending"), 0, "the claims wait in vain", "", "")
	if !read(t, "ending", &kahuv1.Restore{}).Spec.Cancel {
		t.Error("spec.cancel is not set")
	}
}

// putEnding makes a run, and returns what tells whether it is to be cancelled.
func putEnding(t *testing.T, kind string, stage kahuv1.Stage, state kahuv1.State, condition metav1.Condition) func() bool {
	t.Helper()
	if kind == "backup" {
		backup := &kahuv1.Backup{ObjectMeta: metav1.ObjectMeta{Name: "ending"}, Spec: kahuv1.BackupSpec{MetadataLocation: "default"}}
		put(t, backup, func() {
			backup.Status.Stage, backup.Status.State = stage, state
			if condition.Type != "" {
				meta.SetStatusCondition(&backup.Status.Conditions, condition)
			}
		})
		return func() bool { return read(t, "ending", &kahuv1.Backup{}).Spec.Cancel }
	}
	restore := &kahuv1.Restore{ObjectMeta: metav1.ObjectMeta{Name: "ending"}, Spec: kahuv1.RestoreSpec{BackupName: "nightly"}}
	put(t, restore, func() {
		restore.Status.Stage, restore.Status.State = stage, state
		if condition.Type != "" {
			meta.SetStatusCondition(&restore.Status.Conditions, condition)
		}
	})
	return func() bool { return read(t, "ending", &kahuv1.Restore{}).Spec.Cancel }
}

// TestPlanLeavesOutWhatStays: of a dry run is shown what would happen, and what would not is counted.
func TestPlanLeavesOutWhatStays(t *testing.T) {
	row := func(action kahuv1.PlanAction, name string) kahuv1.PlanRow {
		return kahuv1.PlanRow{APIVersion: "v1", Kind: "Secret", Namespace: "shop", Name: name, Action: action, Reason: "because"}
	}
	planned := func(t *testing.T) {
		t.Helper()
		remove(t, &kahuv1.Restore{}, "dry")
		when(t, "dry", &kahuv1.RestoreList{}, func(ctx context.Context, to client.Client, restore *kahuv1.Restore) error {
			restore.Status = kahuv1.RestoreStatus{
				Stage: kahuv1.StageFinished, State: kahuv1.StateCompleted,
				Preview: &kahuv1.RestorePreview{
					Create: 2, Update: 1, Conflict: 2, Unchanged: 1, Skip: 50, Unchecked: 1,
					Rows: []kahuv1.PlanRow{
						row(kahuv1.PlanActionConflict, "no"), row(kahuv1.PlanActionUpdate, "old"), row(kahuv1.PlanActionCreate, "new"),
						row(kahuv1.PlanActionUnchanged, "same"), row(kahuv1.PlanActionSkip, "there"),
					},
				},
			}
			return to.Status().Update(ctx, restore)
		})
	}
	putBackup(t, "nightly")
	planned(t)
	want := "!   Secret shop/no  (conflict: because)\n~   Secret shop/old  (because)\n+   Secret shop/new  (because)\n" +
		"... and 2 more: `kubectl kahu restore plan dry` shows every object\n" +
		"Plan: 2 to create, 1 to update, 0 to recreate, 1 unchanged, 50 skipped, 2 conflicts, 0 problems. Nothing was written. " +
		"The API server could not check 1 of those to create.\n"
	if diff := cmp.Diff(want, succeed(t, "restore", "create", "dry", "--backup", "nightly", "--dry-run", "--timeout", limit.String())); diff != "" {
		t.Error(diff)
	}
	table := succeed(t, "restore", "get", "dry")
	if !strings.Contains(table, "Previewed   -         -       -") || strings.Contains(table, "Completed") {
		t.Errorf("a dry run is shown as\n%s", table)
	}
	if text := succeed(t, "restore", "describe", "dry"); !strings.Contains(text, "Dry run:            Plan: 2 to create") || strings.Contains(text, "created,") {
		t.Errorf("a dry run is described as\n%s", text)
	}
	for _, wrong := range [][]string{{"--all"}, {"--existing", "overwrite"}, {"--existing", "overwrite", "--dry-run"}} {
		check(t, run(t, append([]string{"restore", "create", "wrong", "--backup", "nightly"}, wrong...)...), 2, "", "", "--"+strings.TrimPrefix(wrong[0], "--"))
	}
	check(t, run(t, "restore", "create", "wrong", "--backup", "nightly", "--existing", "overwrite"), 2, "", "", "use Skip, Update, Recreate or Fail")
}
