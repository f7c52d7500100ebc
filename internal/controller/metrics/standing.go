package metrics

import (
	"context"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	kahuv1 "github.com/soda-cdm/kahu/api/v1beta1"
)

// standing shows how Kahu's own objects stand when it is asked.
type standing struct {
	from client.Reader

	backups, restores             *prometheus.Desc
	backupsQueued, restoresQueued *prometheus.Desc
	lastSuccess, lastVerified     *prometheus.Desc
	damaged, lost, uncopied       *prometheus.Desc
	ready, created, stored        *prometheus.Desc
	available                     *prometheus.Desc

	backupFailed, restoreFailed           *prometheus.Desc
	backupInterrupted, restoreInterrupted *prometheus.Desc
}

// readTime bounds the reading, which is from memory.
const readTime = 10 * time.Second

func newStanding(from client.Reader) *standing {
	gauge := func(name, help string, labels ...string) *prometheus.Desc {
		return prometheus.NewDesc(name, help, labels, nil)
	}
	return &standing{
		from:           from,
		backups:        gauge("kahu_backups", "Backup objects that are no views, by their state; those in Processing are running.", location, "state"),
		restores:       gauge("kahu_restores", "Restore objects, by their state; those in Processing are running.", location, "state"),
		backupsQueued:  gauge("kahu_backup_queue_length", "Backups that wait for their turn.", location),
		restoresQueued: gauge("kahu_restore_queue_length", "Restores that wait for their turn."),
		lastSuccess: gauge("kahu_backup_last_success_timestamp_seconds",
			"When the last Completed backup of this cluster at the location became real, in seconds since 1970.", location),
		lastVerified: gauge("kahu_backup_last_verification_timestamp_seconds",
			"When a backup at the location was last read back and found sound, in seconds since 1970.", location),
		backupFailed: gauge("kahu_backup_last_failure_timestamp_seconds",
			"When the last Backup that Failed for the reason ended, in seconds since 1970.", location, reason),
		restoreFailed: gauge("kahu_restore_last_failure_timestamp_seconds",
			"When the last Restore that Failed for the reason ended, in seconds since 1970.", location, reason),
		backupInterrupted: gauge("kahu_backup_interruptions",
			"How often managers stopped while the Backups that there are went on, and others went on with them.", location),
		restoreInterrupted: gauge("kahu_restore_interruptions",
			"How often managers stopped while the Restores that there are went on, and others went on with them.", location),
		damaged:   gauge("kahu_backups_damaged", "Backups, views too, that were found damaged when they were last read back.", location),
		lost:      gauge("kahu_backups_lost", "Backups of this cluster whose manifest is not at the location any more.", location),
		uncopied:  gauge("kahu_copies_missing", "Copies of backups that are asked for at the location and not made, or not yet.", location),
		ready:     gauge("kahu_location_ready", "Whether the location can be used: 1 or 0.", location),
		created:   gauge("kahu_location_created_timestamp_seconds", "When the BackupLocation was created, in seconds since 1970.", location),
		stored:    gauge("kahu_location_backups", "Backups that lie at the location, of any cluster.", location),
		available: gauge("kahu_provider_available", "Whether the provider is available: 1 or 0.", "provider"),
	}
}

// Describe says which gauges there are.
func (s *standing) Describe(to chan<- *prometheus.Desc) {
	for _, each := range []*prometheus.Desc{
		s.backups, s.restores, s.backupsQueued, s.restoresQueued, s.lastSuccess, s.lastVerified, s.damaged, s.lost, s.ready, s.created,
		s.stored, s.available, s.uncopied, s.backupFailed, s.restoreFailed, s.backupInterrupted, s.restoreInterrupted,
	} {
		to <- each
	}
}

// Collect reads the objects.
func (s *standing) Collect(to chan<- prometheus.Metric) {
	ctx, cancel := context.WithTimeout(context.Background(), readTime) //nolint:forbidigo // A collector is given no context.
	defer cancel()
	for _, each := range []struct {
		gauge *prometheus.Desc
		read  func(ctx context.Context, show show) error
	}{
		{s.backups, s.readBackups}, {s.restores, s.readRestores}, {s.ready, s.readLocations}, {s.available, s.readProviders},
	} {
		err := each.read(ctx, func(gauge *prometheus.Desc, value float64, labels ...string) {
			to <- prometheus.MustNewConstMetric(gauge, prometheus.GaugeValue, value, labels...)
		})
		if err != nil {
			to <- prometheus.NewInvalidMetric(each.gauge, err)
		}
	}
}

// show takes a value of a gauge.
type show func(gauge *prometheus.Desc, value float64, labels ...string)

// locations returns the names of all locations.
func (s *standing) locations(ctx context.Context) ([]string, error) {
	var all kahuv1.BackupLocationList
	if err := s.from.List(ctx, &all, client.UnsafeDisableDeepCopy); err != nil {
		return nil, err
	}
	names := make([]string, len(all.Items))
	for i := range all.Items {
		names[i] = all.Items[i].Name
	}
	return names, nil
}

// keyed are the two labels of a series.
type keyed struct{ location, other string }

func (s *standing) readBackups(ctx context.Context, show show) error {
	var all kahuv1.BackupList
	if err := s.from.List(ctx, &all, client.UnsafeDisableDeepCopy); err != nil {
		return err
	}
	names, err := s.locations(ctx)
	if err != nil {
		return err
	}
	count := newBackupCount(names)
	for i := range all.Items {
		count.add(&all.Items[i])
	}
	showKeyed(show, s.backups, count.states)
	showKeyed(show, s.backupFailed, count.failed)
	for gauge, values := range map[*prometheus.Desc]map[string]float64{
		s.backupsQueued: count.queued, s.damaged: count.damaged, s.lost: count.lost, s.uncopied: count.uncopied,
		s.lastSuccess: count.succeeded, s.lastVerified: count.verified, s.backupInterrupted: count.interruptions,
	} {
		for at, value := range values {
			show(gauge, value, at)
		}
	}
	return nil
}

// backupCount is what the Backups tell, by their location.
type backupCount struct {
	states, failed                       map[keyed]float64
	queued, damaged, lost, interruptions map[string]float64
	succeeded, verified, uncopied        map[string]float64
}

// newBackupCount returns one that has, for each location, zero of what can be counted.
func newBackupCount(locations []string) *backupCount {
	count := &backupCount{
		states: map[keyed]float64{}, failed: map[keyed]float64{}, queued: map[string]float64{}, damaged: map[string]float64{},
		lost: map[string]float64{}, interruptions: map[string]float64{}, succeeded: map[string]float64{}, verified: map[string]float64{},
		uncopied: map[string]float64{},
	}
	for _, at := range locations {
		count.queued[at], count.damaged[at], count.lost[at], count.interruptions[at], count.uncopied[at] = 0, 0, 0, 0, 0
	}
	return count
}

func (c *backupCount) add(backup *kahuv1.Backup) {
	at, status := backup.Spec.MetadataLocation, &backup.Status
	// Both are there where one is, as their sum is asked for.
	c.damaged[at] += number(meta.IsStatusConditionFalse(status.Conditions, kahuv1.ConditionVerified))
	c.lost[at] += number(backup.Spec.Origin == nil && reasonIs(backup, kahuv1.ReasonManifestNotFound))
	copiesMissing(c.uncopied, backup)
	if found := status.Verification; found != nil && meta.IsStatusConditionTrue(status.Conditions, kahuv1.ConditionVerified) {
		later(c.verified, at, found.Time)
	}
	if backup.Spec.Origin != nil {
		return
	}
	c.states[keyed{at, stateOf(status.State)}]++
	c.queued[at] += number(status.QueuePosition > 0)
	c.interruptions[at] += float64(status.Interruptions)
	if status.State == kahuv1.StateCompleted {
		later(c.succeeded, at, status.LastBackup)
	}
	if status.State == kahuv1.StateFailed {
		later(c.failed, keyed{at, reasonOf(status.Conditions)}, status.CompletionTimestamp)
	}
}

// later keeps the later one of two times.
func later[K comparable](times map[K]float64, of K, found *metav1.Time) {
	if found != nil {
		times[of] = max(times[of], float64(found.Unix()))
	}
}

func showKeyed(show show, gauge *prometheus.Desc, values map[keyed]float64) {
	for of, value := range values {
		show(gauge, value, of.location, of.other)
	}
}

func (s *standing) readRestores(ctx context.Context, show show) error {
	var all kahuv1.RestoreList
	if err := s.from.List(ctx, &all, client.UnsafeDisableDeepCopy); err != nil {
		return err
	}
	names, err := s.locations(ctx)
	if err != nil {
		return err
	}
	states, failed, interruptions, queued := map[keyed]float64{}, map[keyed]float64{}, map[string]float64{}, 0.0
	for _, at := range names {
		interruptions[at] = 0
	}
	for i := range all.Items {
		status := &all.Items[i].Status
		at := status.MetadataLocation
		states[keyed{at, stateOf(status.State)}]++
		queued += number(status.QueuePosition > 0)
		interruptions[at] += float64(status.Interruptions)
		if status.State == kahuv1.StateFailed {
			later(failed, keyed{at, reasonOf(status.Conditions)}, status.CompletionTimestamp)
		}
	}
	showKeyed(show, s.restores, states)
	showKeyed(show, s.restoreFailed, failed)
	for at, value := range interruptions {
		show(s.restoreInterrupted, value, at)
	}
	show(s.restoresQueued, queued)
	return nil
}

func (s *standing) readLocations(ctx context.Context, show show) error {
	var all kahuv1.BackupLocationList
	if err := s.from.List(ctx, &all, client.UnsafeDisableDeepCopy); err != nil {
		return err
	}
	for i := range all.Items {
		found := &all.Items[i]
		show(s.ready, number(meta.IsStatusConditionTrue(found.Status.Conditions, kahuv1.ConditionReady)), found.Name)
		show(s.created, float64(found.CreationTimestamp.Unix()), found.Name)
		if found.Status.Backups != nil {
			show(s.stored, float64(*found.Status.Backups), found.Name)
		}
	}
	return nil
}

func (s *standing) readProviders(ctx context.Context, show show) error {
	var all kahuv1.ProviderList
	if err := s.from.List(ctx, &all, client.UnsafeDisableDeepCopy); err != nil {
		return err
	}
	for i := range all.Items {
		show(s.available, number(all.Items[i].Status.State == kahuv1.ProviderStateAvailable), all.Items[i].Name)
	}
	return nil
}

func reasonIs(backup *kahuv1.Backup, reason string) bool {
	found := meta.FindStatusCondition(backup.Status.Conditions, kahuv1.ConditionReady)
	return found != nil && found.Reason == reason
}

func stateOf(state kahuv1.State) string {
	if state == "" {
		return string(kahuv1.StateNew)
	}
	return string(state)
}

func number(so bool) float64 { //nolint:revive // It is a value that is shown, and controls nothing.
	if so {
		return 1
	}
	return 0
}
