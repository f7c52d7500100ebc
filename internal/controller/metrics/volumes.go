package metrics

import (
	"github.com/prometheus/client_golang/prometheus"

	kahuv1 "github.com/soda-cdm/kahu/api/v1beta1"
)

// volumes are the metrics of the data of volumes. They are counted from the sums in a status: its rows are the first only.
type volumes struct {
	backups, backupBytes, restores, restoreBytes *prometheus.CounterVec
}

func newVolumes() volumes {
	return volumes{
		backups:      counter("kahu_backup_volumes_total", "Claims in backups, by what became of their data.", location, "result"),
		backupBytes:  counter("kahu_backup_volume_bytes_total", "Bytes of volumes that providers dealt with in backups, of those that tell.", location),
		restores:     counter("kahu_restore_volumes_total", "Claims of restores whose data was in the backup, by what became of it.", location, "result"),
		restoreBytes: counter("kahu_restore_volume_bytes_total", "Bytes of volumes that providers dealt with in restores, of those that tell.", location),
	}
}

func (v *volumes) collectors() []prometheus.Collector {
	return []prometheus.Collector{v.backups, v.backupBytes, v.restores, v.restoreBytes}
}

// backedUp counts the volumes of a backup that ended.
func (v *volumes) backedUp(at string, found *kahuv1.BackupVolumes) {
	if found == nil {
		found = &kahuv1.BackupVolumes{}
	}
	for result, number := range map[string]int64{
		resultCompleted: found.Completed, resultFailed: found.Failed, resultSkipped: found.Skipped,
	} {
		v.backups.WithLabelValues(at, result).Add(float64(number))
	}
	v.backupBytes.WithLabelValues(at).Add(float64(found.BytesDone))
}

// restored counts the volumes of a restore that ended.
func (v *volumes) restored(at string, found *kahuv1.RestoreVolumes) {
	if found == nil {
		found = &kahuv1.RestoreVolumes{}
	}
	for result, number := range map[string]int64{
		resultCompleted: found.Completed, resultFailed: found.Failed, resultWaiting: found.Waiting, resultExisting: found.Existing,
	} {
		v.restores.WithLabelValues(at, result).Add(float64(number))
	}
	v.restoreBytes.WithLabelValues(at).Add(float64(found.BytesDone))
}

// addZeros makes the counters of a location.
func (v *volumes) addZeros(at string) {
	v.backedUp(at, nil)
	v.restored(at, nil)
}
