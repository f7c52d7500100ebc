package e2e_test

import (
	"encoding/json"
	"fmt"
	"strings"
	"testing"
	"time"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/meta"

	kahuv1 "github.com/soda-cdm/kahu/api/v1beta1"
	"github.com/soda-cdm/kahu/internal/controller"
	testcluster "github.com/soda-cdm/kahu/internal/testkit/cluster"
)

// inspect asks one question and returns it with its answer.
func (a *api) inspect(spec kahuv1.InspectionSpec) *kahuv1.Inspection {
	a.t.Helper()
	question := &kahuv1.Inspection{ObjectMeta: named(""), Spec: spec}
	question.GenerateName = "question-"
	a.create(question)
	return await(a, question, func(answer *kahuv1.Inspection) bool {
		return answer.Status.State == kahuv1.StateCompleted || answer.Status.State == kahuv1.StateFailed
	})
}

// TestInspections asks about backups what a person wants to know, and what cannot be answered.
func TestInspections(t *testing.T) {
	w := newWorld(t)
	namespace := w.deploy()
	w.completedBackup("inspected", func(spec *kahuv1.BackupSpec) {
		spec.IncludeNamespaces = []string{namespace}
		spec.IncludeResources = []kahuv1.ResourceFilter{{Kind: "Deployment"}}
		spec.EnableVolumeBackup = new(false)
	})
	t.Run("Objects", func(t *testing.T) {
		answer := w.inspect(kahuv1.InspectionSpec{Subject: kahuv1.InspectionSubjectObjects, BackupName: "inspected"})
		text := strings.Join(answer.Status.Lines, "\n")
		for _, part := range []string{
			`"kind":"Deployment","resource":"deployments","namespace":"` + namespace + `","name":"web","reason":"selected"`,
			`"kind":"Secret","resource":"secrets","namespace":"` + namespace + `","name":"credentials","reason":"needed by Deployment ` + namespace + `/web"`,
		} {
			if !strings.Contains(text, part) {
				t.Errorf("%s is not in\n%s", part, text)
			}
		}
		if strings.Contains(text, "hush") || strings.Contains(text, "aHVzaA==") {
			t.Errorf("the value of a Secret is shown:\n%s", text)
		}
	})
	t.Run("ObjectsOfAKind", func(t *testing.T) {
		answer := w.inspect(kahuv1.InspectionSpec{
			Subject: kahuv1.InspectionSubjectObjects, BackupName: "inspected",
			IncludeNamespaces: []string{namespace}, IncludeResources: []kahuv1.ResourceFilter{{Kind: "secrets"}},
		})
		if len(answer.Status.Lines) != 1 || !strings.Contains(answer.Status.Lines[0], `"name":"credentials"`) {
			t.Errorf("got %q", answer.Status.Lines)
		}
	})
	t.Run("Report", func(t *testing.T) {
		answer := w.inspect(kahuv1.InspectionSpec{Subject: kahuv1.InspectionSubjectReport, BackupName: "inspected"})
		warnings := 0
		for _, line := range answer.Status.Lines {
			var entry struct {
				Level string `json:"level"`
			}
			if err := json.Unmarshal([]byte(line), &entry); err != nil {
				t.Fatalf("line %q: %v", line, err)
			}
			if entry.Level == "warning" {
				warnings++
			}
		}
		if warnings != 1 {
			t.Errorf("%d warnings in %q", warnings, answer.Status.Lines)
		}
	})
	t.Run("Restore", func(t *testing.T) { w.inspectRestores(t) })
	for name, test := range map[string]struct {
		spec   kahuv1.InspectionSpec
		reason string
	}{
		"NoRestore": {kahuv1.InspectionSpec{Subject: kahuv1.InspectionSubjectReport, RestoreName: "nobody"}, kahuv1.ReasonRestoreNotFound},
		"NoBackup":  {kahuv1.InspectionSpec{Subject: kahuv1.InspectionSubjectReport, BackupName: "nobody"}, kahuv1.ReasonBackupNotFound},
		"WrongPage": {kahuv1.InspectionSpec{Subject: kahuv1.InspectionSubjectReport, BackupName: "inspected", Page: "1.5.abc"}, kahuv1.ReasonPageInvalid},
		"NoKind": {kahuv1.InspectionSpec{
			Subject: kahuv1.InspectionSubjectObjects, BackupName: "inspected", IncludeResources: []kahuv1.ResourceFilter{{Kind: "Gadget"}},
		}, kahuv1.ReasonKindNotFound},
	} {
		t.Run(name, func(t *testing.T) {
			answer := w.inspect(test.spec)
			stalled := meta.FindStatusCondition(answer.Status.Conditions, kahuv1.ConditionStalled)
			if stalled == nil || stalled.Reason != test.reason || answer.Status.State != kahuv1.StateFailed || len(answer.Status.Lines) > 0 {
				t.Errorf("got %+v", answer.Status)
			}
		})
	}
}

// inspectRestores asks for the report of a restore and for the plan of a dry run, and looks at what the status has of them.
func (w *world) inspectRestores(t *testing.T) {
	t.Helper()
	restore := w.completedRestore("reported", "inspected", nil)
	status := &restore.Status
	var created, skipped int64
	for _, kind := range status.Kinds {
		created, skipped = created+kind.Created, skipped+kind.Skipped
	}
	counts := status.Counts
	if created != counts.Created || skipped != counts.SkippedExisting+counts.SkippedControlled+counts.SkippedFinished || len(status.Kinds) == 0 {
		t.Errorf("the kinds %+v do not add up to %+v", status.Kinds, counts)
	}
	steps := map[string]bool{}
	for _, step := range status.Timings {
		steps[step.Step] = true
	}
	if !steps["Plan"] || !steps["Create"] {
		t.Errorf("the timings are %+v", status.Timings)
	}
	for name, subject := range map[string]kahuv1.InspectionSubject{
		"reported": kahuv1.InspectionSubjectReport, "planned": kahuv1.InspectionSubjectPlan,
	} {
		if name == "planned" {
			w.completedRestore(name, "inspected", func(spec *kahuv1.RestoreSpec) { spec.DryRun = true })
		}
		answer := w.inspect(kahuv1.InspectionSpec{Subject: subject, RestoreName: name})
		text := strings.Join(answer.Status.Lines, "\n")
		if answer.Status.State != kahuv1.StateCompleted || !strings.Contains(text, `"name":"credentials"`) {
			t.Errorf("%s: %+v", subject, answer.Status)
		}
		if strings.Contains(text, "hush") || strings.Contains(text, "aHVzaA==") {
			t.Errorf("the value of a Secret is shown:\n%s", text)
		}
	}
	answer := w.inspect(kahuv1.InspectionSpec{Subject: kahuv1.InspectionSubjectPlan, RestoreName: "reported"})
	if got := reason(answer.Status.Conditions, kahuv1.ConditionStalled); got != kahuv1.ReasonReportNotFound {
		t.Errorf("a plan that there is not: %+v", answer.Status)
	}
}

// TestInspectionsOfManyObjects reads an answer of several pages.
func TestInspectionsOfManyObjects(t *testing.T) {
	w := newWorld(t)
	namespace := testcluster.Namespace(t)
	const number = 2000 // of some 150 bytes each
	for i := range number {
		w.create(&corev1.ConfigMap{ObjectMeta: in(namespace, fmt.Sprintf("settings-%04d", i))})
	}
	w.completedBackup("many", func(spec *kahuv1.BackupSpec) { spec.IncludeNamespaces = []string{namespace} })
	seen, pages, token := 0, 0, ""
	for {
		answer := w.inspect(kahuv1.InspectionSpec{
			Subject: kahuv1.InspectionSubjectObjects, BackupName: "many", Page: token,
			IncludeResources: []kahuv1.ResourceFilter{{Kind: "ConfigMap"}},
		})
		if answer.Status.State != kahuv1.StateCompleted {
			t.Fatalf("got %+v", answer.Status.Conditions)
		}
		for _, line := range answer.Status.Lines {
			if want := fmt.Sprintf(`"name":"settings-%04d"`, seen); !strings.Contains(line, want) {
				t.Fatalf("%s is not in %s", want, line)
			}
			seen++
		}
		pages++
		if token = answer.Status.NextPage; token == "" {
			break
		}
	}
	if seen != number || pages < 2 {
		t.Errorf("%d objects on %d pages", seen, pages)
	}
}

// TestAnswersGo: an answer is removed when its time is up, whether the manager that gave it lives on or not.
func TestAnswersGo(t *testing.T) {
	stores := newDrivers(newMemory)
	w := newWorldIn(t, testcluster.Config(t), stores)
	w.completedBackup("short", func(spec *kahuv1.BackupSpec) { spec.IncludeNamespaces = []string{"default"} })
	kept := w.inspect(kahuv1.InspectionSpec{Subject: kahuv1.InspectionSubjectReport, BackupName: "short"})
	failed := w.inspect(kahuv1.InspectionSpec{Subject: kahuv1.InspectionSubjectReport, BackupName: "nobody"})
	w.stop()
	if !w.get(kept) || !w.get(failed) {
		t.Error("an answer went before its time")
	}
	startManagerWith(t, testcluster.Config(t), stores, func(options *controller.Options) { options.KeepAnswers = time.Second })
	w.awaitGone(kept)
	w.awaitGone(failed)
	fresh := w.inspect(kahuv1.InspectionSpec{Subject: kahuv1.InspectionSubjectReport, BackupName: "short"})
	w.awaitGone(fresh)
}
