package metrics_test

import (
	"os"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/prometheus/client_golang/prometheus"
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"sigs.k8s.io/controller-runtime/pkg/client/fake"

	kahuv1 "github.com/soda-cdm/kahu/api/v1beta1"
	"github.com/soda-cdm/kahu/internal/controller/metrics"
)

const page = "../../../docs/metrics.md"

// newSet returns metrics over objects, and their registry.
func newSet(t *testing.T, objects ...runtime.Object) (*metrics.Set, *prometheus.Registry) {
	t.Helper()
	scheme := runtime.NewScheme()
	if err := kahuv1.AddToScheme(scheme); err != nil {
		t.Fatal(err)
	}
	made := metrics.New(fake.NewClientBuilder().WithScheme(scheme).WithRuntimeObjects(objects...).Build())
	registry := prometheus.NewPedanticRegistry()
	if err := made.Register(registry); err != nil {
		t.Fatal(err)
	}
	return made, registry
}

// lines returns what a registry has, a line for each series: name{label="value"} value, and of a histogram its count.
func lines(t *testing.T, registry *prometheus.Registry) []string {
	t.Helper()
	families, err := registry.Gather()
	if err != nil {
		t.Fatal(err)
	}
	var all []string
	for _, family := range families {
		for _, metric := range family.GetMetric() {
			var labels []string
			for _, label := range metric.GetLabel() {
				labels = append(labels, label.GetName()+"="+label.GetValue())
			}
			value := metric.GetCounter().GetValue() + metric.GetGauge().GetValue() + float64(metric.GetHistogram().GetSampleCount())
			all = append(all, strings.TrimSpace(family.GetName()+" "+strings.Join(labels, " "))+" "+formatted(value))
		}
	}
	return all
}

func formatted(value float64) string { return strconv.FormatFloat(value, 'g', -1, 64) }

// TestPageNamesThem holds the page to what is registered, in both directions, with the labels.
func TestPageNamesThem(t *testing.T) {
	t.Parallel()
	made, _ := newSet(t)
	described := map[string]string{}
	for _, each := range made.Descriptions() {
		text := each.String()
		found := regexp.MustCompile(`fqName: "([^"]+)".*variableLabels: \{([^}]*)\}`).FindStringSubmatch(text)
		if found == nil {
			t.Fatalf("cannot read %s", text)
		}
		described[found[1]] = found[2]
	}
	content, err := os.ReadFile(page)
	if err != nil {
		t.Fatal(err)
	}
	written := map[string]string{}
	for _, row := range regexp.MustCompile("(?m)^\\| `(kahu_[a-z_]+)` \\| *([^|]*?) *\\|").FindAllStringSubmatch(string(content), -1) {
		written[row[1]] = strings.NewReplacer("`", "", " ", "").Replace(row[2])
	}
	if diff := cmp.Diff(described, written); diff != "" {
		t.Errorf("registered and written: %s", diff)
	}
	for _, name := range regexp.MustCompile(`kahu_[a-z_]+`).FindAllString(string(content), -1) {
		if _, known := described[strings.TrimSuffix(name, "_")]; !known {
			t.Errorf("the page has %s, which there is not", name)
		}
	}
}

func ended(state kahuv1.State, reason string) *kahuv1.Backup {
	began := metav1.NewTime(time.Unix(1000, 0))
	over := metav1.NewTime(time.Unix(1090, 0))
	backup := &kahuv1.Backup{ObjectMeta: metav1.ObjectMeta{Name: "secret-name"}, Spec: kahuv1.BackupSpec{MetadataLocation: "main"}}
	backup.Status = kahuv1.BackupStatus{
		Stage: kahuv1.StageFinished, State: state, StartTimestamp: &began, CompletionTimestamp: &over, LastBackup: &over,
		Interruptions: 2, Timings: []kahuv1.StepTiming{{Step: "Copy", Milliseconds: 5000}},
		Counts: kahuv1.BackupCounts{Objects: 7}, Sizes: kahuv1.BackupSizes{ObjectBytes: 70, SegmentBytes: 30},
	}
	meta.SetStatusCondition(&backup.Status.Conditions, metav1.Condition{Type: kahuv1.ConditionComplete, Status: metav1.ConditionFalse, Reason: reason})
	return backup
}

// TestBackupsAreCounted: the end of a run counts once, with what it has, and a location that goes takes its series along.
func TestBackupsAreCounted(t *testing.T) {
	t.Parallel()
	failed := ended(kahuv1.StateFailed, kahuv1.ReasonStoreFull)
	made, registry := newSet(t, ended(kahuv1.StateCompleted, "Completed"))
	made.BackupChanged(&kahuv1.Backup{}, failed)
	made.BackupChanged(failed, failed) // Something else of it changed.
	view := failed.DeepCopy()
	view.Spec.Origin = &kahuv1.BackupOrigin{}
	made.BackupChanged(&kahuv1.Backup{}, view)
	got := lines(t, registry)
	for _, want := range []string{
		"kahu_backup_runs_total location=main state=Failed 1",
		"kahu_backup_failures_total location=main reason=StoreFull 1",
		"kahu_backup_interruptions_total location=main 2",
		"kahu_backup_duration_seconds location=main state=Failed 1",
		"kahu_backup_step_seconds_total step=Copy 5",
		"kahu_backup_objects_total location=main 7",
		"kahu_backups location=main state=Completed 1",
		"kahu_restore_queue_length 0",
	} {
		if !slices.Contains(got, want) {
			t.Errorf("%q is not in\n%s", want, strings.Join(got, "\n"))
		}
	}
	if strings.Contains(strings.Join(got, "\n"), "secret-name") {
		t.Error("the name of a backup is in a label")
	}
	made.ForgetLocation("main")
	for _, line := range lines(t, registry) {
		if strings.Contains(line, "_total") && strings.Contains(line, "main") {
			t.Errorf("%s is still there", line)
		}
	}
}

// TestRestoresAndVerificationsAreCounted does so with the other counters.
func TestRestoresAndVerificationsAreCounted(t *testing.T) {
	t.Parallel()
	made, registry := newSet(t)
	restore := &kahuv1.Restore{Status: kahuv1.RestoreStatus{
		Stage: kahuv1.StageFinished, State: kahuv1.StateCompleted, MetadataLocation: "main",
		Counts: kahuv1.RestoreCounts{Created: 3, SkippedExisting: 1, SkippedFinished: 1},
	}}
	made.RestoreChanged(&kahuv1.Restore{}, restore)
	read := ended(kahuv1.StateCompleted, "Completed")
	now := metav1.NewTime(time.Unix(2000, 0))
	read.Status.Verification = &kahuv1.BackupVerification{Token: "a", Time: &now, DamagedObjects: 4}
	meta.SetStatusCondition(&read.Status.Conditions, metav1.Condition{Type: kahuv1.ConditionVerified, Status: metav1.ConditionFalse, Reason: "x"})
	made.BackupChanged(ended(kahuv1.StateCompleted, "Completed"), read)
	made.BackupChanged(read, read)
	got := lines(t, registry)
	for _, want := range []string{
		"kahu_restore_runs_total location=main state=Completed 1",
		"kahu_restore_objects_total location=main result=created 3",
		"kahu_restore_objects_total location=main result=skipped 2",
		"kahu_verification_runs_total location=main result=damaged 1",
		"kahu_verification_damaged_objects_total location=main 4",
	} {
		if !slices.Contains(got, want) {
			t.Errorf("%q is not in\n%s", want, strings.Join(got, "\n"))
		}
	}
}
