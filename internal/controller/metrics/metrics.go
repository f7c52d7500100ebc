// Package metrics counts what becomes of runs and shows how things stand, for Prometheus.
//
// There are two kinds. Counters and histograms are told of each change of a status once it is written, so that what is
// counted is what people see; they begin at zero with each manager. Gauges are read from Kahu's own objects when they
// are asked for, so that they are right from the first moment of a manager on. Labels are names of locations and
// providers, states, reasons and steps: never the name of a run or of an object in it.
package metrics

import (
	"github.com/prometheus/client_golang/prometheus"
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	kahuv1 "github.com/soda-cdm/kahu/api/v1beta1"
)

const location = "location"

// Set is all metrics of a manager.
type Set struct {
	backup, restore runs
	backupBytes     *prometheus.CounterVec
	storedBytes     *prometheus.CounterVec
	backupObjects   *prometheus.CounterVec
	restoreObjects  *prometheus.CounterVec
	verifications   *prometheus.CounterVec
	damagedObjects  *prometheus.CounterVec
	standing        *standing
}

// runs are the metrics that backups and restores have in common.
type runs struct {
	total, failures, interruptions, steps *prometheus.CounterVec
	duration                              *prometheus.HistogramVec
}

// newRuns returns those of backups, or of restores.
func newRuns(kind string) runs {
	return runs{
		total: counter("kahu_"+kind+"_runs_total", "Runs of "+kind+"s that ended, by their state.", location, "state"),
		failures: counter("kahu_"+kind+"_failures_total",
			"Runs of "+kind+"s that ended as Failed, by the reason; Cancelled and PartiallyFailed are reasons too.", location, "reason"),
		interruptions: counter("kahu_"+kind+"_interruptions_total",
			"How often a manager stopped while a "+kind+" went on, and another one went on with it.", location),
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
		backupBytes:    counter("kahu_backup_object_bytes_total", "Bytes of the objects in backups, as JSON.", location),
		storedBytes:    counter("kahu_backup_stored_bytes_total", "Bytes of the segments of backups, as stored.", location),
		backupObjects:  counter("kahu_backup_objects_total", "Objects in backups.", location),
		restoreObjects: counter("kahu_restore_objects_total", "Objects of restores, by what became of them.", location, "result"),
		verifications:  counter("kahu_verification_runs_total", "Backups that were read back, by what was found.", location, "result"),
		damagedObjects: counter("kahu_verification_damaged_objects_total", "Objects that verifications found damaged.", location),
		standing:       newStanding(from),
	}
}

// collectors are all metrics, those of runs twice.
func (s *Set) collectors() []prometheus.Collector {
	all := []prometheus.Collector{s.standing, s.verifications, s.damagedObjects}
	return append(all, s.ofLocations()...)
}

// ofLocations are the counters and histograms; those of steps have no location.
func (s *Set) ofLocations() []prometheus.Collector {
	all := []prometheus.Collector{s.backupBytes, s.storedBytes, s.backupObjects, s.restoreObjects}
	for _, of := range []runs{s.backup, s.restore} {
		all = append(all, of.total, of.failures, of.interruptions, of.steps, of.duration)
	}
	return all
}

// Descriptions describe all metrics.
func (s *Set) Descriptions() []*prometheus.Desc {
	described := make(chan *prometheus.Desc)
	go func() {
		defer close(described)
		for _, each := range s.collectors() {
			each.Describe(described)
		}
	}()
	var all []*prometheus.Desc
	for each := range described {
		all = append(all, each)
	}
	return all
}

// Register makes the metrics known to a registry.
func (s *Set) Register(to prometheus.Registerer) error {
	for _, each := range s.collectors() {
		if err := to.Register(each); err != nil {
			return err
		}
	}
	return nil
}

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
	if after.Spec.Origin != nil {
		return
	}
	s.backup.interruptions.WithLabelValues(at).Add(float64(max(0, status.Interruptions-before.Status.Interruptions)))
	if before.Status.Stage == kahuv1.StageFinished || status.Stage != kahuv1.StageFinished {
		return
	}
	s.backup.ended(end{at, status.State, status.Conditions, status.StartTimestamp, status.CompletionTimestamp, status.Timings})
	s.backupBytes.WithLabelValues(at).Add(float64(status.Sizes.ObjectBytes))
	s.storedBytes.WithLabelValues(at).Add(float64(status.Sizes.SegmentBytes))
	s.backupObjects.WithLabelValues(at).Add(float64(status.Counts.Objects))
}

// RestoreChanged counts what a change of a Restore's status tells.
func (s *Set) RestoreChanged(before, after *kahuv1.Restore) {
	at, status := after.Status.MetadataLocation, &after.Status
	if earlier := before.Status.Interruptions; status.Interruptions > earlier {
		s.restore.interruptions.WithLabelValues(at).Add(float64(status.Interruptions - earlier))
	}
	if before.Status.Stage == kahuv1.StageFinished || status.Stage != kahuv1.StageFinished {
		return
	}
	s.restore.ended(end{at, status.State, status.Conditions, status.StartTimestamp, status.CompletionTimestamp, status.Timings})
	for result, number := range map[string]int64{
		"created": status.Counts.Created, "updated": status.Counts.Updated, "failed": status.Counts.Failed,
		"skipped": status.Counts.SkippedExisting + status.Counts.SkippedControlled + status.Counts.SkippedFinished,
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

// verified counts the answer to a question whether a backup can be read back.
func (s *Set) verified(before, after *kahuv1.Backup) {
	now, was := after.Status.Verification, before.Status.Verification
	if now == nil || now.Time == nil || was != nil && was.Token == now.Token && was.Time != nil {
		return
	}
	result := "unread"
	if found := meta.FindStatusCondition(after.Status.Conditions, kahuv1.ConditionVerified); found != nil {
		result = map[metav1.ConditionStatus]string{
			metav1.ConditionTrue: "sound", metav1.ConditionFalse: "damaged", metav1.ConditionUnknown: "unread",
		}[found.Status]
	}
	s.verifications.WithLabelValues(after.Spec.MetadataLocation, result).Inc()
	s.damagedObjects.WithLabelValues(after.Spec.MetadataLocation).Add(float64(now.DamagedObjects))
}
