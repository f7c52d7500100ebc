package metrics

import (
	"context"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"k8s.io/apimachinery/pkg/api/meta"
	"sigs.k8s.io/controller-runtime/pkg/client"

	kahuv1 "github.com/soda-cdm/kahu/api/v1beta1"
)

// standing shows how Kahu's own objects stand when it is asked.
type standing struct {
	from client.Reader

	backups, restores             *prometheus.Desc
	backupsQueued, restoresQueued *prometheus.Desc
	lastSuccess, damaged, lost    *prometheus.Desc
	ready, stored, available      *prometheus.Desc
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
		damaged:   gauge("kahu_backups_damaged", "Backups, views too, that were found damaged when they were last read back.", location),
		lost:      gauge("kahu_backups_lost", "Backups of this cluster whose manifest is not at the location any more.", location),
		ready:     gauge("kahu_location_ready", "Whether the location can be used: 1 or 0.", location),
		stored:    gauge("kahu_location_backups", "Backups that lie at the location, of any cluster.", location),
		available: gauge("kahu_provider_available", "Whether the provider is available: 1 or 0.", "provider"),
	}
}

// Describe says which gauges there are.
func (s *standing) Describe(to chan<- *prometheus.Desc) {
	for _, each := range []*prometheus.Desc{
		s.backups, s.restores, s.backupsQueued, s.restoresQueued, s.lastSuccess, s.damaged, s.lost, s.ready, s.stored, s.available,
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

type stateAt struct{ location, state string }

func (s *standing) readBackups(ctx context.Context, show show) error {
	var all kahuv1.BackupList
	if err := s.from.List(ctx, &all, client.UnsafeDisableDeepCopy); err != nil {
		return err
	}
	states, queued, damaged, lost, last := map[stateAt]float64{}, map[string]float64{}, map[string]float64{}, map[string]float64{}, map[string]float64{}
	for i := range all.Items {
		backup := &all.Items[i]
		at, status := backup.Spec.MetadataLocation, &backup.Status
		damaged[at] += number(meta.IsStatusConditionFalse(status.Conditions, kahuv1.ConditionVerified))
		if backup.Spec.Origin != nil {
			continue
		}
		states[stateAt{at, stateOf(status.State)}]++
		queued[at] += number(status.QueuePosition > 0)
		lost[at] += number(reasonIs(backup, kahuv1.ReasonManifestNotFound))
		if status.State == kahuv1.StateCompleted && status.LastBackup != nil {
			last[at] = max(last[at], float64(status.LastBackup.Unix()))
		}
	}
	for of, value := range states {
		show(s.backups, value, of.location, of.state)
	}
	for gauge, values := range map[*prometheus.Desc]map[string]float64{
		s.backupsQueued: queued, s.damaged: damaged, s.lost: lost, s.lastSuccess: last,
	} {
		for at, value := range values {
			show(gauge, value, at)
		}
	}
	return nil
}

func (s *standing) readRestores(ctx context.Context, show show) error {
	var all kahuv1.RestoreList
	if err := s.from.List(ctx, &all, client.UnsafeDisableDeepCopy); err != nil {
		return err
	}
	states, queued := map[stateAt]float64{}, 0.0
	for i := range all.Items {
		status := &all.Items[i].Status
		states[stateAt{status.MetadataLocation, stateOf(status.State)}]++
		queued += number(status.QueuePosition > 0)
	}
	for of, value := range states {
		show(s.restores, value, of.location, of.state)
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
