// Package metrics counts what becomes of runs and shows how things stand, for Prometheus.
//
// There are two kinds. Counters and histograms are told of each change of a status once it is written, so that what is
// counted is what people see; they begin at zero with each manager, and are there with zero for each location, as what
// appears with one looks to Prometheus as if it had not increased. Gauges are read from Kahu's own objects when they
// are asked for, so that they are right from the first moment of a manager on. Labels are names of locations and
// providers, states, reasons and steps: never the name of a run or of an object in it.
package metrics

import (
	"context"

	"github.com/prometheus/client_golang/prometheus"
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	kahuv1 "github.com/soda-cdm/kahu/api/v1beta1"
	"github.com/soda-cdm/kahu/internal/controller/view"
)

// Set is all metrics of a manager.
type Set struct {
	backup, restore  runs
	backupBytes      *prometheus.CounterVec
	storedBytes      *prometheus.CounterVec
	unchangedObjects *prometheus.CounterVec
	backupObjects    *prometheus.CounterVec
	restoreObjects   *prometheus.CounterVec
	verifications    *prometheus.CounterVec
	damagedObjects   *prometheus.CounterVec
	copies           *prometheus.CounterVec
	copyFailures     *prometheus.CounterVec
	copiedBytes      *prometheus.CounterVec
	undos            *prometheus.CounterVec
	undoObjects      *prometheus.CounterVec
	collected        *prometheus.CounterVec
	quiesced         *prometheus.HistogramVec
	volumes          volumes
	volumesKept      prometheus.Gauge
	standing         *standing
}

// runs are the metrics that backups and restores have in common.
type runs struct {
	total, failures, steps *prometheus.CounterVec
	duration               *prometheus.HistogramVec
}

// newRuns returns those of backups, or of restores.
func newRuns(kind string) runs {
	return runs{
		total: counter("kahu_"+kind+"_runs_total", "Runs of "+kind+"s that ended, by their state.", location, "state"),
		failures: counter("kahu_"+kind+"_failures_total",
			"Runs of "+kind+"s that ended as Failed, by the reason; Cancelled and PartiallyFailed are reasons too.", location, reason),
		steps: counter("kahu_"+kind+"_step_seconds_total", "Seconds that the steps of "+kind+"s took.", "step"),
		duration: prometheus.NewHistogramVec(prometheus.HistogramOpts{
			Name: "kahu_" + kind + "_duration_seconds", Help: "Seconds from the beginning of a " + kind + " to its end.",
			Buckets: prometheus.ExponentialBuckets(1, 3, 10), // to five hours and a half
		}, []string{location, "state"}),
	}
}

func counter(name, help string, labels ...string) *prometheus.CounterVec {
	return prometheus.NewCounterVec(prometheus.CounterOpts{Name: name, Help: help}, labels)
}

// New returns metrics that begin at zero; the gauges read from the reader.
func New(from client.Reader) *Set {
	return &Set{
		backup: newRuns("backup"), restore: newRuns("restore"),
		backupBytes:      counter("kahu_backup_object_bytes_total", "Bytes of the objects in backups, as JSON.", location),
		storedBytes:      counter("kahu_backup_stored_bytes_total", "Bytes of the segments that backups wrote, as stored.", location),
		unchangedObjects: counter("kahu_backup_unchanged_objects_total", "Objects in backups that were taken over from an earlier one without being read.", location),
		backupObjects:    counter("kahu_backup_objects_total", "Objects in backups.", location),
		restoreObjects:   counter("kahu_restore_objects_total", "Objects of restores, by what became of them.", location, "result"),
		verifications:    counter("kahu_verification_runs_total", "Backups that were read back, by what was found.", location, "result"),
		damagedObjects:   counter("kahu_verification_damaged_objects_total", "Objects that verifications found damaged.", location),
		copies:           counter("kahu_copy_runs_total", "Copies of backups that were made or given up, by the location of the copy.", location, "result"),
		copyFailures:     counter("kahu_copy_failures_total", "Tries at copies of backups that ended early, by the location of the copy and the reason.", location, reason),
		copiedBytes:      counter("kahu_copy_sent_bytes_total", "Bytes that were sent for copies that were made, by the location of the copy.", location),
		undos:            counter("kahu_undo_runs_total", "Restores that were taken back, by what became of it.", location, "result"),
		undoObjects:      counter("kahu_undo_objects_total", "Objects of restores that were taken back, by what became of them.", location, "result"),
		collected:        counter("kahu_collection_removed_files_total", "Files that nobody needed and that were removed: segments, and others.", location, "kind"),
		quiesced: prometheus.NewHistogramVec(prometheus.HistogramOpts{
			Name: "kahu_backup_quiesced_seconds", Help: "Seconds for which backups with hooks held their applications still.",
			Buckets: prometheus.ExponentialBuckets(0.1, 3, 9), // to eleven minutes
		}, []string{location}),
		volumes: newVolumes(),
		volumesKept: prometheus.NewGauge(prometheus.GaugeOpts{
			Name: "kahu_volume_leftovers", Help: "Backups that are gone and have left snapshots or work orders that may be the data of a backup.",
		}),
		standing: newStanding(from),
	}
}

// collectors are all metrics, those of runs twice.
func (s *Set) collectors() []prometheus.Collector {
	all := []prometheus.Collector{s.standing, s.verifications, s.damagedObjects, s.volumesKept}
	return append(all, s.ofLocations()...)
}

// ofLocations are the counters and histograms; those of steps have no location.
func (s *Set) ofLocations() []prometheus.Collector {
	all := []prometheus.Collector{
		s.backupBytes, s.storedBytes, s.backupObjects, s.unchangedObjects, s.restoreObjects, s.undos, s.undoObjects,
		s.copies, s.copyFailures, s.copiedBytes, s.collected, s.quiesced,
	}
	all = append(all, s.volumes.collectors()...)
	for _, of := range []runs{s.backup, s.restore} {
		all = append(all, of.total, of.failures, of.steps, of.duration)
	}
	return all
}

// Describe says which metrics there are.
func (s *Set) Describe(to chan<- *prometheus.Desc) {
	for _, each := range s.collectors() {
		each.Describe(to)
	}
}

// Collect shows all metrics. A location that it sees for the first time has its counters at zero, before anything is
// counted there.
func (s *Set) Collect(to chan<- prometheus.Metric) {
	ctx, cancel := context.WithTimeout(context.Background(), readTime) //nolint:forbidigo // A collector is given no context.
	defer cancel()
	if names, err := s.standing.locations(ctx); err == nil { // The gauges, which read them too, show what is wrong.
		s.addZeros(names)
	}
	for _, each := range s.collectors() {
		each.Collect(to)
	}
}

// Register makes the metrics known to a registry.
func (s *Set) Register(to prometheus.Registerer) error { return to.Register(s) }

// ForgetLocation drops the series of a location that is gone.
func (s *Set) ForgetLocation(name string) {
	gone := prometheus.Labels{location: name}
	for _, each := range s.collectors() {
		if vector, is := each.(interface {
			DeletePartialMatch(labels prometheus.Labels) int
		}); is {
			vector.DeletePartialMatch(gone)
		}
	}
}

// BackupChanged counts what a change of a Backup's status tells. Views are not counted.
func (s *Set) BackupChanged(before, after *kahuv1.Backup) {
	at, status := after.Spec.MetadataLocation, &after.Status
	s.verified(before, after)
	s.copied(before, after)
	if after.Spec.Origin != nil {
		return
	}
	if before.Status.Stage == kahuv1.StageFinished || status.Stage != kahuv1.StageFinished {
		return
	}
	s.backup.ended(end{at, status.State, status.Conditions, status.StartTimestamp, status.CompletionTimestamp, status.Timings})
	s.backupBytes.WithLabelValues(at).Add(float64(status.Sizes.ObjectBytes))
	s.storedBytes.WithLabelValues(at).Add(float64(view.Written(status)))
	s.backupObjects.WithLabelValues(at).Add(float64(status.Counts.Objects))
	s.volumes.backedUp(at, status.Volumes)
	if hooks := status.Hooks; hooks != nil && hooks.CompletionTimestamp != nil {
		s.quiesced.WithLabelValues(at).Observe(float64(hooks.QuiescedMilliseconds) / perSecond)
	}
	if taken := status.Incremental; taken != nil {
		s.unchangedObjects.WithLabelValues(at).Add(float64(taken.UnchangedObjects))
	}
}

// RestoreChanged counts what a change of a Restore's status tells.
func (s *Set) RestoreChanged(before, after *kahuv1.Restore) {
	at, status := after.Status.MetadataLocation, &after.Status
	s.undone(before, after)
	if before.Status.Stage == kahuv1.StageFinished || status.Stage != kahuv1.StageFinished {
		return
	}
	s.restore.ended(end{at, status.State, status.Conditions, status.StartTimestamp, status.CompletionTimestamp, status.Timings})
	s.volumes.restored(at, status.Volumes)
	for result, number := range map[string]int64{
		resultCreated: status.Counts.Created, resultUpdated: status.Counts.Updated, resultFailed: status.Counts.Failed,
		resultSkipped: status.Counts.SkippedExisting + status.Counts.SkippedControlled + status.Counts.SkippedFinished,
	} {
		s.restoreObjects.WithLabelValues(at, result).Add(float64(number))
	}
}

// end is what the end of a run tells.
type end struct {
	location           string
	state              kahuv1.State
	conditions         []metav1.Condition
	started, completed *metav1.Time
	timings            []kahuv1.StepTiming
}

const perSecond = 1000

func (r *runs) ended(run end) {
	r.total.WithLabelValues(run.location, string(run.state)).Inc()
	if run.state == kahuv1.StateFailed {
		r.failures.WithLabelValues(run.location, reasonOf(run.conditions)).Inc()
	}
	if run.started != nil && run.completed != nil {
		r.duration.WithLabelValues(run.location, string(run.state)).Observe(run.completed.Sub(run.started.Time).Seconds())
	}
	for _, step := range run.timings {
		r.steps.WithLabelValues(step.Step).Add(float64(step.Milliseconds) / perSecond)
	}
}

// reasonOf returns why a run failed.
func reasonOf(conditions []metav1.Condition) string {
	for _, kind := range []string{kahuv1.ConditionStalled, kahuv1.ConditionComplete} {
		if found := meta.FindStatusCondition(conditions, kind); found != nil {
			return found.Reason
		}
	}
	return kahuv1.ReasonFailed
}

// Collected counts what a look for files that nobody needs has removed.
func (s *Set) Collected(at string, segments, others int) {
	s.collected.WithLabelValues(at, kindSegment).Add(float64(segments))
	s.collected.WithLabelValues(at, kindOther).Add(float64(others))
}

// VolumesKept shows how many backups that are gone have left what may be the data of a backup.
func (s *Set) VolumesKept(backups int) { s.volumesKept.Set(float64(backups)) }

// verified counts the answer to a question whether a backup can be read back.
func (s *Set) verified(before, after *kahuv1.Backup) {
	now, was := after.Status.Verification, before.Status.Verification
	if now == nil || now.Time == nil || was != nil && was.Token == now.Token && was.Time != nil {
		return
	}
	result := resultUnread
	if found := meta.FindStatusCondition(after.Status.Conditions, kahuv1.ConditionVerified); found != nil {
		result = map[metav1.ConditionStatus]string{
			metav1.ConditionTrue: resultSound, metav1.ConditionFalse: resultDamaged, metav1.ConditionUnknown: resultUnread,
		}[found.Status]
	}
	s.verifications.WithLabelValues(after.Spec.MetadataLocation, result).Inc()
	s.damagedObjects.WithLabelValues(after.Spec.MetadataLocation).Add(float64(now.DamagedObjects))
}

// undone counts the answer to a wish to take a restore back. One that was only looked at is not counted.
func (s *Set) undone(before, after *kahuv1.Restore) {
	now, was := after.Status.Undo, before.Status.Undo
	if now == nil || now.Time == nil || now.DryRun || was != nil && was.Token == now.Token && was.Time != nil {
		return
	}
	found := meta.FindStatusCondition(after.Status.Conditions, kahuv1.ConditionUndone)
	if found == nil {
		return
	}
	result, known := map[string]string{
		kahuv1.ReasonUndone: resultUndone, kahuv1.ReasonPartiallyUndone: resultPartial, kahuv1.ReasonUndoFailed: resultFailed,
	}[found.Reason]
	if !known {
		return // It came before the restore was over, and nothing was done.
	}
	at := after.Status.MetadataLocation
	s.undos.WithLabelValues(at, result).Inc()
	s.undoObjects.WithLabelValues(at, resultDeleted).Add(float64(now.Deleted))
	s.undoObjects.WithLabelValues(at, resultKept).Add(float64(now.Kept))
}
