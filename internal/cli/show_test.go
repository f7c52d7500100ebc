package cli_test

import (
	"context"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/watch"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/yaml"

	kahuv1 "github.com/soda-cdm/kahu/api/v1beta1"
	"github.com/soda-cdm/kahu/internal/cli"
	"github.com/soda-cdm/kahu/internal/testkit/cluster"
)

// put creates an object with its status.
func put(t *testing.T, object client.Object, status func()) {
	t.Helper()
	to := newClient(t)
	if err := to.Create(t.Context(), object); err != nil {
		t.Fatal(err)
	}
	remove(t, object, object.GetName())
	status()
	if err := to.Status().Update(t.Context(), object); err != nil {
		t.Fatal(err)
	}
}

// stale is a time that the tests show.
func stale(minutes int) *metav1.Time {
	at := metav1.NewTime(time.Date(2026, time.March, 1, 2, minutes, 0, 0, time.UTC))
	return &at
}

func putShown(t *testing.T) {
	t.Helper()
	backup := &kahuv1.Backup{ObjectMeta: metav1.ObjectMeta{Name: "shown"}, Spec: kahuv1.BackupSpec{MetadataLocation: "default"}}
	put(t, backup, func() {
		backup.Status = kahuv1.BackupStatus{
			Stage: kahuv1.StageFinished, State: kahuv1.StateFailed, FailureReason: "one object is missing",
			StartTimestamp: stale(3), CompletionTimestamp: stale(5), ArchivePath: "clusters/c/backups/shown/u/",
			Counts: kahuv1.BackupCounts{Objects: 12, NeededObjects: 2, Kinds: 3, Namespaces: 1, Segments: 2, SkippedObjects: 4, VanishedObjects: 5, Missing: 1, Warnings: 1},
			Sizes:  kahuv1.BackupSizes{ObjectBytes: 2048, SegmentBytes: 1536, IndexBytes: 100},
			Missing: []kahuv1.ItemProblem{{
				APIVersion: "v1", Kind: "Secret", Namespace: "shop", Name: "x", Reason: "ObjectUnreadable", Message: "denied",
			}},
			Warnings: []string{"something is odd"},
			Kinds:    []kahuv1.BackupKind{{APIVersion: "v1", Kind: "Secret", Objects: 11}, {APIVersion: "apps/v1", Kind: "Deployment", Objects: 1}},
			Timings:  []kahuv1.StepTiming{{Step: "Survey", Milliseconds: 250}, {Step: "Copy", Milliseconds: 61000}},
		}
		meta.SetStatusCondition(&backup.Status.Conditions, metav1.Condition{
			Type: kahuv1.ConditionComplete, Status: metav1.ConditionFalse, Reason: "PartiallyFailed", Message: "one is missing",
		})
	})
	put(t, &kahuv1.Backup{ObjectMeta: metav1.ObjectMeta{Name: "shown-new"}, Spec: kahuv1.BackupSpec{MetadataLocation: "default"}}, func() {})
	restore := &kahuv1.Restore{
		ObjectMeta: metav1.ObjectMeta{Name: "shown"},
		Spec:       kahuv1.RestoreSpec{BackupName: "nightly", NamespaceMapping: map[string]string{"a": "b"}},
	}
	put(t, restore, func() {
		restore.Status = kahuv1.RestoreStatus{
			Stage: kahuv1.StageFinished, State: kahuv1.StateCompleted,
			Counts:   kahuv1.RestoreCounts{Created: 1, Updated: 2, SkippedExisting: 3, SkippedControlled: 4},
			Progress: kahuv1.RestoreProgress{TotalItems: 10, ItemsRestored: 10},
			Kinds:    []kahuv1.RestoreKind{{APIVersion: "v1", Kind: "Secret", Created: 1, Updated: 2, Skipped: 7}},
			Timings:  []kahuv1.StepTiming{{Step: "Create", Milliseconds: 90}}, MetadataLocation: "default",
			Undo: &kahuv1.RestoreUndo{
				Token: "second", DryRun: true, Time: stale(9), Deleted: 1,
				Rows:    []kahuv1.UndoRow{{APIVersion: "v1", Kind: "Secret", Namespace: "shop", Name: "x", Action: kahuv1.UndoActionDelete}},
				Earlier: &kahuv1.EarlierUndo{Token: "first", StartTime: stale(6), Time: stale(7), Deleted: 3, Kept: 2},
			},
		}
	})
	location := &kahuv1.BackupLocation{ObjectMeta: metav1.ObjectMeta{Name: "shown"}, Spec: kahuv1.BackupLocationSpec{ProviderName: "filesystem.kahu.io"}}
	put(t, location, func() {
		backups := int32(9)
		location.Status.Backups = &backups
		meta.SetStatusCondition(&location.Status.Conditions, metav1.Condition{
			Type: kahuv1.ConditionReady, Status: metav1.ConditionTrue, Reason: "Reconciled", Message: "it is",
		})
	})
}

// squeezed replaces the columns' spaces and ages, which are the clock's.
func squeezed(table string) string {
	table = regexp.MustCompile(` +`).ReplaceAllString(table, " ")
	return regexp.MustCompile(`(?m) (\d+m|\d+h|\d+m\d+s)$`).ReplaceAllString(table, " AGO")
}

func TestTables(t *testing.T) {
	putShown(t)
	cases := map[string]struct {
		arguments []string
		want      string
	}{
		"backups": {
			[]string{"backup", "get"},
			"NAME LOCATION STAGE STATE MODE OBJECTS SIZE ORIGIN AGE\n" +
				"shown default Finished Failed Full 12 1.5 KiB this cluster AGO\n" +
				"shown-new default New Full 0 0 B this cluster AGO\n",
		},
		"one backup": {
			[]string{"backups", "get", "shown"},
			"NAME LOCATION STAGE STATE MODE OBJECTS SIZE ORIGIN AGE\nshown default Finished Failed Full 12 1.5 KiB this cluster AGO\n",
		},
		"restores": {
			[]string{"restore", "get"},
			"NAME BACKUP STAGE STATE CREATED THERE FAILED AGE\nshown nightly Finished Completed 1 3 0 AGO\n",
		},
		"locations": {
			[]string{"location", "get"}, "NAME PROVIDER READY REASON BACKUPS AGE\nshown filesystem.kahu.io True Reconciled 9 AGO\n",
		},
	}
	for name, test := range cases {
		t.Run(name, func(t *testing.T) {
			if diff := cmp.Diff(test.want, squeezed(succeed(t, test.arguments...))); diff != "" {
				t.Error(diff)
			}
		})
	}
}

func TestDescriptions(t *testing.T) {
	putShown(t)
	cases := map[string]struct {
		arguments []string
		want      string
	}{
		"backup": {[]string{"backup", "describe", "shown"}, `Name: shown
Location: default
Stage: Finished
State: Failed
Failure: one object is missing
Started: 2026-03-01T02:03:00Z
Ended: 2026-03-01T02:05:00Z
Took: AGO
Objects: 12 of 3 kinds in 1 namespace, 2 of them because others need them
Left out: 4 by a rule, 5 that were being deleted
Size: 2.0 KiB of JSON, 1.5 KiB stored in 2 segments, index 100 B
Folder: clusters/c/backups/shown/u/
Objects by kind (3):
 11 Secret v1
 1 Deployment apps/v1
 ... and 1 kind more
Timings:
 Waiting 0s
 Survey 250ms
 Copy AGO
Missing (1):
 Secret shop/x: ObjectUnreadable: denied
Warnings (1):
 something is odd
Conditions:
 Complete False PartiallyFailed: one is missing
`},
		"restore": {[]string{"restore", "describe", "shown"}, `Name: shown
Backup: nightly
Location: default
Namespaces mapped:
 a -> b
Stage: Finished
State: Completed
Progress: 10 of 10 objects
Objects: 1 created, 2 updated, 3 were there, 4 made again by controllers, 0 failed
Not asked for: 0
Objects by kind:
 Secret v1: 1 created, 2 updated, 7 skipped, 0 failed
Timings:
 Create 90ms
Undo (1 would be deleted, 0 would stay):
 - Secret shop/x
Undo before: 3 deleted, 2 kept, ended 2026-03-01T02:07:00Z
`},
	}
	for name, test := range cases {
		t.Run(name, func(t *testing.T) {
			if diff := cmp.Diff(test.want, squeezed(succeed(t, test.arguments...))); diff != "" {
				t.Error(diff)
			}
		})
	}
}

// TestWholeObjects: what -o prints is what the API server has, the same each time, as an object or as a list that
// kubectl knows.
func TestWholeObjects(t *testing.T) {
	putShown(t)
	for kind, word := range map[string]string{"Backup": "backup", "Restore": "restore", "BackupLocation": "location"} {
		t.Run(kind, func(t *testing.T) {
			printed := map[string]string{}
			for _, format := range []string{"json", "yaml"} {
				printed[format] = succeed(t, word, "get", "shown", "-o", format)
				if again := succeed(t, word, "get", "shown", "-o", format); again != printed[format] {
					t.Errorf("printed again: %s", cmp.Diff(printed[format], again))
				}
			}
			var fromJSON, fromYAML metav1.PartialObjectMetadata
			for text, into := range map[string]*metav1.PartialObjectMetadata{printed["json"]: &fromJSON, printed["yaml"]: &fromYAML} {
				if err := yaml.Unmarshal([]byte(text), into); err != nil {
					t.Fatal(err)
				}
			}
			if diff := cmp.Diff(fromJSON, fromYAML); diff != "" || fromJSON.Kind != kind || fromJSON.APIVersion != "kahu.io/v1beta1" || fromJSON.Name != "shown" {
				t.Errorf("got %+v: %s", fromJSON.TypeMeta, diff)
			}
			if strings.Contains(printed["yaml"], "managedFields") {
				t.Error("managed fields are printed")
			}
			var list struct {
				metav1.TypeMeta `json:",inline"`

				Items []metav1.PartialObjectMetadata `json:"items"`
			}
			if err := yaml.Unmarshal([]byte(succeed(t, word, "get", "-o", "json")), &list); err != nil {
				t.Fatal(err)
			}
			if list.Kind != "List" || list.APIVersion != "v1" || len(list.Items) == 0 || list.Items[0].Kind != kind {
				t.Errorf("got %+v", list)
			}
		})
	}
	described := succeed(t, "backup", "describe", "shown", "-o", "yaml")
	if described != succeed(t, "backup", "get", "shown", "-o", "yaml") {
		t.Errorf("described otherwise than got: %s", described)
	}
}

// TestNames: -o name is what other commands take.
func TestNames(t *testing.T) {
	putShown(t)
	if got := succeed(t, "backup", "get", "-o", "name"); got != "backup.kahu.io/shown\nbackup.kahu.io/shown-new\n" {
		t.Errorf("got %q", got)
	}
	if got := succeed(t, "location", "describe", "shown", "-o", "name"); got != "backuplocation.kahu.io/shown\n" {
		t.Errorf("got %q", got)
	}
}

func TestDescribeLocation(t *testing.T) {
	putShown(t)
	want := "Name: shown\nProvider: filesystem.kahu.io\nBackups: 9\nAt once: backups as the manager says, restores as the manager says\nCompression: Fastest\n" +
		"Conditions:\n Ready True Reconciled: it is\n"
	if diff := cmp.Diff(want, squeezed(succeed(t, "location", "describe", "shown"))); diff != "" {
		t.Error(diff)
	}
}

// TestDeleteRestoreAndLocation: the two go, and are not there a second time.
func TestDeleteRestoreAndLocation(t *testing.T) {
	to := newClient(t)
	for word, object := range map[string]client.Object{
		"restore":  &kahuv1.Restore{ObjectMeta: metav1.ObjectMeta{Name: "goes"}, Spec: kahuv1.RestoreSpec{BackupName: "nightly"}},
		"location": &kahuv1.BackupLocation{ObjectMeta: metav1.ObjectMeta{Name: "goes"}, Spec: kahuv1.BackupLocationSpec{ProviderName: "p"}},
	} {
		if err := to.Create(t.Context(), object); err != nil {
			t.Fatal(err)
		}
		check(t, run(t, word, "delete", "goes", "--wait", "--timeout", limit.String()), 0, word+" goes deleted", "", "")
		check(t, run(t, word, "delete", "goes"), 1, "", "", "not found")
	}
}

// TestLogs: the pages of the report one after the other, and what is known where there is no report.
func TestLogs(t *testing.T) {
	whole := &kahuv1.Backup{ObjectMeta: metav1.ObjectMeta{Name: "logged"}, Spec: kahuv1.BackupSpec{MetadataLocation: "default"}}
	put(t, whole, func() {
		whole.Status = kahuv1.BackupStatus{Stage: kahuv1.StageFinished, State: kahuv1.StateCompleted, LastBackup: stale(5)}
	})
	going := &kahuv1.Backup{ObjectMeta: metav1.ObjectMeta{Name: "going"}, Spec: kahuv1.BackupSpec{MetadataLocation: "default"}}
	put(t, going, func() {
		going.Status = kahuv1.BackupStatus{
			Stage: kahuv1.StageResources, State: kahuv1.StateProcessing, Progress: kahuv1.BackupProgress{ItemsDone: 3, ItemsTotal: 7},
		}
	})
	answerInspections(t, map[string]kahuv1.InspectionStatus{
		"": {State: kahuv1.StateCompleted, NextPage: "1.1.x", Lines: []string{
			`{"time":"2026-03-01T02:03:04Z","level":"info","resource":"pods","action":"NeverBackedUp","message":"they come and go"}`,
		}},
		"1.1.x": {State: kahuv1.StateCompleted, Lines: []string{
			`{"time":"2026-03-01T02:03:05Z","level":"error","group":"apps","resource":"deployments","namespace":"shop","name":"web","action":"Missing","reason":"ObjectUnreadable","message":"denied"}`,
		}},
	})
	want := "2026-03-01T02:03:04Z info NeverBackedUp pods they come and go\n" +
		"2026-03-01T02:03:05Z error Missing ObjectUnreadable deployments.apps shop/web denied\n"
	if diff := cmp.Diff(want, squeezed(succeed(t, "backup", "logs", "logged"))); diff != "" {
		t.Error(diff)
	}
	if got := succeed(t, "backup", "logs", "logged", "--level", "error"); strings.Count(got, "\n") != 1 {
		t.Errorf("got %q", got)
	}
	if got := succeed(t, "backup", "logs", "going"); !strings.HasPrefix(got, "backup going: Processing, 3 of 7 objects; its report is written at the end\n") {
		t.Errorf("got %q", got)
	}
	restored := &kahuv1.Restore{ObjectMeta: metav1.ObjectMeta{Name: "logged"}, Spec: kahuv1.RestoreSpec{BackupName: "logged"}}
	put(t, restored, func() {
		restored.Status = kahuv1.RestoreStatus{Stage: kahuv1.StageFinished, State: kahuv1.StateCompleted, ReportPath: "report"}
		restored.Status.Counts.Warnings = 500
	})
	if diff := cmp.Diff(want, squeezed(succeed(t, "restore", "logs", "logged"))); diff != "" {
		t.Error(diff)
	}
	if got := succeed(t, "restore", "describe", "logged"); !strings.Contains(got, "Warnings (500):\n  ... and 500 more: --all shows them\n") {
		t.Errorf("got %q", got)
	}
	if got := succeed(t, "restore", "describe", "logged", "--all"); !strings.Contains(got, "deployments.apps shop/web: ObjectUnreadable: denied\n") {
		t.Errorf("got %q", got)
	}
	left := &kahuv1.InspectionList{}
	if err := newClient(t).List(t.Context(), left); err != nil || len(left.Items) > 0 {
		t.Errorf("%d questions are left, %v", len(left.Items), err)
	}
}

// answerInspections answers questions as the manager does, by their page, until the test ends.
func answerInspections(t *testing.T, pages map[string]kahuv1.InspectionStatus) {
	t.Helper()
	to := newClient(t)
	ctx, cancel := context.WithCancel(context.WithoutCancel(t.Context()))
	asked, err := to.Watch(ctx, &kahuv1.InspectionList{})
	if err != nil {
		t.Fatal(err)
	}
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		for event := range asked.ResultChan() {
			question, ok := event.Object.(*kahuv1.Inspection)
			if !ok || event.Type != watch.Added {
				continue
			}
			question.Status = pages[question.Spec.Page]
			// The command line may have read the answer, and the test may be over, before the response is here.
			if err := to.Status().Update(ctx, question); err != nil && ctx.Err() == nil {
				t.Errorf("answering: %v", err)
			}
		}
	}()
	t.Cleanup(func() {
		asked.Stop()
		cancel()
		<-ended
	})
}

// TestCalledByKubectl: under the name by which kubectl asks how the arguments of a plug-in can go on, the program answers that.
func TestCalledByKubectl(t *testing.T) {
	t.Parallel()
	for name, test := range map[string]struct{ call, want []string }{
		"itself":     {[]string{"/bin/kubectl-kahu", "backup", "get"}, []string{"backup", "get"}},
		"completion": {[]string{"/bin/kubectl_complete-kahu", "backup", "get", ""}, []string{"__complete", "backup", "get", ""}},
		"nothing":    {},
	} {
		if diff := cmp.Diff(test.want, cli.Arguments(test.call)); diff != "" {
			t.Errorf("%s: %s", name, diff)
		}
	}
}

// TestCompletion: names out of the cluster, also for the last part of a list.
func TestCompletion(t *testing.T) {
	putShown(t)
	put(t, &kahuv1.TransformSet{
		ObjectMeta: metav1.ObjectMeta{Name: "shown-set"},
		Spec:       kahuv1.TransformSetSpec{ImageMapping: kahuv1.ImageMapping{"a": "b"}},
	}, func() {})
	for name, test := range map[string]struct {
		arguments []string
		want      string
	}{
		"backups":           {[]string{"backup", "describe", "sho"}, "shown\nshown-new\n"},
		"locations":         {[]string{"backup", "create", "x", "--location", "s"}, "shown\n"},
		"namespaces":        {[]string{"backup", "create", "x", "--include-namespaces", "default,kube-s"}, "default,kube-system\n"},
		"kinds":             {[]string{"backup", "create", "x", "--include-resources", "deploym"}, "deployments.apps\n"},
		"the first of two":  {[]string{"backup", "diff", "sho"}, "shown\nshown-new\n"},
		"the second of two": {[]string{"backup", "diff", "shown", "sho"}, "shown\nshown-new\n"},
		"no third":          {[]string{"backup", "diff", "shown", "shown-new", ""}, ""},
		"no second":         {[]string{"backup", "describe", "shown", ""}, ""},
		"to be cancelled":   {[]string{"backup", "cancel", "shown-"}, "shown-new\n"},
		"transform sets":    {[]string{"restore", "create", "x", "--transform-set", "a,shown-"}, "a,shown-set\n"},
		"new names":         {[]string{"backup", "create", ""}, ""},
	} {
		t.Run(name, func(t *testing.T) {
			done := run(t, append([]string{"__complete", "--kubeconfig", cluster.Kubeconfig(t)}, test.arguments...)...)
			got, _, _ := strings.Cut(done.out, ":")
			if got != test.want {
				t.Errorf("got %q, want %q; %v", got, test.want, done.failure)
			}
		})
	}
}
