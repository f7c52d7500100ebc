package metrics_test

import (
	"maps"
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
	"sigs.k8s.io/yaml"

	kahuv1 "github.com/soda-cdm/kahu/api/v1beta1"
	"github.com/soda-cdm/kahu/internal/controller/metrics"
	"github.com/soda-cdm/kahu/internal/testkit/fakeapi"
)

const page = "../../../docs/metrics.md"

// newSet returns metrics over objects, and their registry.
func newSet(t *testing.T, objects ...runtime.Object) (*metrics.Set, *prometheus.Registry) {
	t.Helper()
	made := metrics.New(fakeapi.New(t).WithRuntimeObjects(objects...).Build())
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
	all := make(chan *prometheus.Desc)
	go func() {
		made.Describe(all)
		close(all)
	}()
	for each := range all {
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
	failed.Status.Incremental = &kahuv1.BackupIncrement{UnchangedObjects: 5, WrittenBytes: 10, ReferredBytes: 20}
	failed.Status.Volumes = &kahuv1.BackupVolumes{
		Total: 300, Completed: 200, Failed: 60, Skipped: 40, BytesDone: 900, Claims: []kahuv1.BackupVolume{{Name: "secret-name"}},
	}
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
		"kahu_backup_interruptions location=main 2",
		"kahu_backup_duration_seconds location=main state=Failed 1",
		"kahu_backup_step_seconds_total step=Copy 5",
		"kahu_backup_objects_total location=main 7",
		"kahu_backup_unchanged_objects_total location=main 5",
		"kahu_backup_stored_bytes_total location=main 10",
		"kahu_backup_volumes_total location=main result=completed 200",
		"kahu_backup_volumes_total location=main result=failed 60",
		"kahu_backup_volumes_total location=main result=skipped 40",
		"kahu_backup_volume_bytes_total location=main 900",
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
		Counts:  kahuv1.RestoreCounts{Created: 3, SkippedExisting: 1, SkippedFinished: 1},
		Volumes: &kahuv1.RestoreVolumes{Total: 10, Completed: 5, Failed: 2, Waiting: 2, Existing: 1, BytesDone: 70},
	}}
	made.RestoreChanged(&kahuv1.Restore{}, restore)
	undone := restore.DeepCopy()
	undone.Status.Undo = &kahuv1.RestoreUndo{Token: "a", Time: &metav1.Time{Time: time.Unix(2000, 0)}, Deleted: 2, Kept: 1}
	meta.SetStatusCondition(&undone.Status.Conditions, metav1.Condition{
		Type: kahuv1.ConditionUndone, Status: metav1.ConditionFalse, Reason: kahuv1.ReasonPartiallyUndone,
	})
	made.RestoreChanged(restore, undone)
	made.RestoreChanged(undone, undone)
	looked := undone.DeepCopy()
	looked.Status.Undo.Token, looked.Status.Undo.DryRun = "b", true
	made.RestoreChanged(undone, looked)
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
		"kahu_restore_volumes_total location=main result=completed 5",
		"kahu_restore_volumes_total location=main result=failed 2",
		"kahu_restore_volumes_total location=main result=waiting 2",
		"kahu_restore_volumes_total location=main result=existing 1",
		"kahu_restore_volume_bytes_total location=main 70",
		"kahu_restore_objects_total location=main result=skipped 2",
		"kahu_verification_runs_total location=main result=damaged 1",
		"kahu_verification_damaged_objects_total location=main 4",
		"kahu_undo_runs_total location=main result=partial 1",
		"kahu_undo_objects_total location=main result=deleted 2",
		"kahu_undo_objects_total location=main result=kept 1",
	} {
		if !slices.Contains(got, want) {
			t.Errorf("%q is not in\n%s", want, strings.Join(got, "\n"))
		}
	}
}

// series returns what is shown of a metric at a location, without the name of the location.
func series(t *testing.T, registry *prometheus.Registry, name string) map[string]string {
	t.Helper()
	found := map[string]string{}
	for _, line := range lines(t, registry) {
		words := strings.Fields(line)
		if words[0] == name && slices.Contains(words, "location=main") {
			found[strings.Join(slices.DeleteFunc(words[1:len(words)-1], func(word string) bool { return word == "location=main" }), " ")] = words[len(words)-1]
		}
	}
	return found
}

func newLocation() *kahuv1.BackupLocation {
	return &kahuv1.BackupLocation{ObjectMeta: metav1.ObjectMeta{Name: "main", CreationTimestamp: metav1.NewTime(time.Unix(500, 0))}}
}

// TestLocationsBeginAtZero: what can be counted at a location is there before anything is, as increase() does not see what
// appears with one. Then the first failure is an increase, of a series that was there, whatever its reason.
func TestLocationsBeginAtZero(t *testing.T) {
	t.Parallel()
	made, registry := newSet(t, newLocation())
	for _, name := range []string{
		"kahu_backup_runs_total", "kahu_backup_failures_total", "kahu_backup_objects_total", "kahu_backup_object_bytes_total",
		"kahu_backup_stored_bytes_total", "kahu_restore_runs_total", "kahu_restore_failures_total", "kahu_restore_objects_total",
		"kahu_backup_volumes_total", "kahu_backup_volume_bytes_total", "kahu_restore_volumes_total", "kahu_restore_volume_bytes_total",
		"kahu_verification_runs_total", "kahu_verification_damaged_objects_total", "kahu_undo_runs_total", "kahu_undo_objects_total",
		"kahu_backup_queue_length", "kahu_backups_damaged", "kahu_backups_lost", "kahu_backup_interruptions", "kahu_restore_interruptions",
	} {
		found := series(t, registry, name)
		if len(found) == 0 {
			t.Errorf("%s is not there at the beginning", name)
		}
		for labels, value := range found {
			if value != "0" {
				t.Errorf("%s %s begins at %s", name, labels, value)
			}
		}
	}
	if got := series(t, registry, "kahu_location_created_timestamp_seconds")[""]; got != "500" {
		t.Errorf("the location was created at %q", got)
	}
	before := series(t, registry, "kahu_backup_failures_total")
	made.BackupChanged(&kahuv1.Backup{}, ended(kahuv1.StateFailed, kahuv1.ReasonStoreFull))
	after := series(t, registry, "kahu_backup_failures_total")
	if len(before) != len(after) || after["reason=StoreFull"] != "1" {
		t.Errorf("there were %d series and are %d: %v", len(before), len(after), after)
	}
}

// TestReasonsOfThePagesBeginAtZero holds the reasons that are there at the beginning to the pages of the kinds: each of the
// series is named there, and whatever a run can fail for, as the pages say, has a series.
func TestReasonsOfThePagesBeginAtZero(t *testing.T) {
	t.Parallel()
	_, registry := newSet(t, newLocation())
	never := []string{ // Reasons of runs that did not fail, of rows, and of what is asked about a run that is over.
		"Queued", "QueuedLong", "Pending", "Processing", "Accepted", "Retrying", "Completed", "Previewed", "Reconciled", "HasWarnings", "NothingSelected",
		"Deleting", "NotOwner", "KindUnlistable", "ObjectUnreadable", "VolumeWithoutProvider", "Verified", "SampleVerified", "SealVerified", "Verifying",
		"InvalidSample", "BackupNotFinished", "RestoreNotFinished", "FileMissing", "FileDamaged", "FilesContradict", "ObjectRefused", "UpdateRefused",
		"RecreateRefused", "TransformFailed", "Undone", "Undoing", "UndoPreviewed", "PartiallyUndone", "UndoFailed", "Changed", "HoldsData",
		"HasFinalizers", "OwnsKept", "NotEmpty", "DeletionRefused",
		"Planned", "Waiting", "InProgress", "Skipped", "Existing", "VolumeRestoreFailed", "VolumesWaiting", "BackupNeeded", // of volumes
		"NoSnapshotClass", "NoGroupSnapshot", "SnapshotFailed", "VolumeBackupFailed", "VolumeUnreadable", "UnknownWay", "NoLocation", "TooManyVolumes",
		"SnapshotTaken", "Offloaded", "SnapshotExposed", "LiveVolume", "NotBound", "Gone", "SkippedByRule", "SkippedByAnnotation",
	}
	full := []string{ // Why a backup is full that was not to be.
		kahuv1.ReasonNoBase, kahuv1.ReasonFullDue, kahuv1.ReasonBaseGone, kahuv1.ReasonBaseUnreadable, kahuv1.ReasonBaseDamaged, kahuv1.ReasonBaseAdopted,
		kahuv1.ReasonKeyChanged, kahuv1.ReasonKeyNeeded, kahuv1.ReasonSignerChanged, kahuv1.ReasonOwnerChanged,
		kahuv1.ReasonListingUnsupported, kahuv1.ReasonTooManySegments,
		kahuv1.ReasonComparisonMissing, kahuv1.ReasonComparisonKeyChanged, kahuv1.ReasonComparisonDamaged,
	}
	for kind, besides := range map[string][]string{
		"backup": append(
			full, "ManifestNotFound", "ManifestTooNew", "ManifestInvalid",
			"Copied", "Copying", "BackupFailed", "SourceNotEncrypted", "SameLocation", "CopyDiffers", "CopyGone", // of copies
			"ProviderUnavailable", // of rows of volumes
		),
		"restore": {},
	} {
		content, err := os.ReadFile("../../../docs/api/" + kind + ".md")
		if err != nil {
			t.Fatal(err)
		}
		var written []string
		for _, row := range regexp.MustCompile("(?m)^\\| ((?:`[A-Z][A-Za-z]+`(?:, )?)+) \\|").FindAllStringSubmatch(string(content), -1) {
			for _, word := range regexp.MustCompile(`[A-Za-z]+`).FindAllString(row[1], -1) {
				if !slices.Contains(never, word) && !slices.Contains(besides, word) {
					written = append(written, "reason="+word)
				}
			}
		}
		zeros := series(t, registry, "kahu_"+kind+"_failures_total")
		if kind == "restore" { // The actions of a preview are in such a table, too.
			written = slices.DeleteFunc(written, func(word string) bool {
				return slices.Contains([]string{"Create", "Update", "Recreate", "Unchanged", "Skip", "Conflict"}, strings.TrimPrefix(word, "reason="))
			})
		}
		// A word of the rows of volumes may be a reason, too.
		if diff := cmp.Diff(slices.Compact(slices.Sorted(slices.Values(written))), slices.Sorted(maps.Keys(zeros))); diff != "" {
			t.Errorf("%s: written and there: %s", kind, diff)
		}
	}
}

// TestGaugesGoOn: what the alerts ask is the same for a manager that has just begun as for the one before it.
func TestGaugesGoOn(t *testing.T) {
	t.Parallel()
	sound := ended(kahuv1.StateCompleted, "Completed")
	sound.Name = "sound"
	read := metav1.NewTime(time.Unix(3000, 0))
	sound.Status.Verification = &kahuv1.BackupVerification{Token: "a", Time: &read}
	meta.SetStatusCondition(&sound.Status.Conditions, metav1.Condition{Type: kahuv1.ConditionVerified, Status: metav1.ConditionTrue, Reason: "Verified"})
	failed := ended(kahuv1.StateFailed, kahuv1.ReasonStoreFull)
	restore := &kahuv1.Restore{ObjectMeta: metav1.ObjectMeta{Name: "r"}, Status: kahuv1.RestoreStatus{
		Stage: kahuv1.StageFinished, State: kahuv1.StateFailed, MetadataLocation: "main", CompletionTimestamp: &read, Interruptions: 3,
	}}
	for range 2 {
		_, registry := newSet(t, newLocation(), sound.DeepCopy(), failed.DeepCopy(), restore.DeepCopy())
		for name, want := range map[string]map[string]string{
			"kahu_backup_interruptions":                       {"": "4"},
			"kahu_restore_interruptions":                      {"": "3"},
			"kahu_backup_last_success_timestamp_seconds":      {"": "1090"},
			"kahu_backup_last_verification_timestamp_seconds": {"": "3000"},
			"kahu_backup_last_failure_timestamp_seconds":      {"reason=StoreFull": "1090"},
			"kahu_restore_last_failure_timestamp_seconds":     {"reason=Failed": "3000"},
		} {
			if diff := cmp.Diff(want, series(t, registry, name)); diff != "" {
				t.Errorf("%s: %s", name, diff)
			}
		}
	}
}

// TestDamagedViewsAreSeen: the sum of two gauges is asked for, which is nothing where one of them is not there.
func TestDamagedViewsAreSeen(t *testing.T) {
	t.Parallel()
	view := ended(kahuv1.StateCompleted, "Completed")
	view.Spec.Origin = &kahuv1.BackupOrigin{}
	meta.SetStatusCondition(&view.Status.Conditions, metav1.Condition{Type: kahuv1.ConditionVerified, Status: metav1.ConditionFalse, Reason: "x"})
	_, registry := newSet(t, view)
	if damaged, lost := series(t, registry, "kahu_backups_damaged")[""], series(t, registry, "kahu_backups_lost")[""]; damaged != "1" || lost != "0" {
		t.Errorf("damaged %q and lost %q", damaged, lost)
	}
}

// TestAlertsAskWhatIsThere: no alert counts with increase() what a manager may have counted before it was first looked at, but
// for what a person has just asked for, and none takes the least of a series that has just come.
func TestAlertsAskWhatIsThere(t *testing.T) {
	t.Parallel()
	content, err := os.ReadFile(page)
	if err != nil {
		t.Fatal(err)
	}
	_, rest, _ := strings.Cut(string(content), "```yaml\n")
	text, _, _ := strings.Cut(rest, "```")
	var file struct {
		Groups []struct {
			Rules []struct{ Alert, Expr, For string } `json:"rules"`
		} `json:"groups"`
	}
	if err := yaml.UnmarshalStrict([]byte(text), &map[string]any{}); err != nil {
		t.Fatal(err)
	}
	if err := yaml.Unmarshal([]byte(text), &file); err != nil || len(file.Groups) != 1 || len(file.Groups[0].Rules) < 8 {
		t.Fatalf("%v: %+v", err, file)
	}
	asked := regexp.MustCompile(`increase\((kahu_[a-z_]+)`)
	for _, rule := range file.Groups[0].Rules {
		for _, found := range asked.FindAllStringSubmatch(rule.Expr, -1) {
			if found[1] != "kahu_undo_runs_total" && found[1] != "kahu_verification_runs_total" {
				t.Errorf("%s counts %s, which begins again with each manager", rule.Alert, found[1])
			}
		}
		if strings.Contains(rule.Expr, "min_over_time") {
			t.Errorf("%s is so at once where a series has just come: use for", rule.Alert)
		}
		if strings.Contains(rule.Expr, "last_success") && !strings.Contains(rule.Expr, "kahu_location_created_timestamp_seconds") {
			t.Errorf("%s is silent where no backup ever completed", rule.Alert)
		}
	}
}

// TestCollected: what a look removed is counted by kind, and forgotten with its location.
func TestCollected(t *testing.T) {
	t.Parallel()
	made, registry := newSet(t, newLocation())
	made.Collected("main", 3, 1)
	made.Collected("main", 2, 0)
	found := series(t, registry, "kahu_collection_removed_files_total")
	if found["kind=segment"] != "5" || found["kind=other"] != "1" {
		t.Errorf("it counts %v", found)
	}
	made.ForgetLocation("main")
	if found := series(t, registry, "kahu_collection_removed_files_total"); found["kind=segment"] != "0" {
		t.Errorf("of a location that is gone: %v", found)
	}
}
