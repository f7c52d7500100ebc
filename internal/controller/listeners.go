package controller

import (
	kahuv1 "github.com/soda-cdm/kahu/api/v1beta1"
	"github.com/soda-cdm/kahu/internal/controller/metrics"
	"github.com/soda-cdm/kahu/internal/controller/news"
)

// listeners hear of each change of a status, once it is written.
type listeners struct {
	counts *metrics.Set
	tells  news.Teller
}

func (l listeners) backupChanged(before, after *kahuv1.Backup) {
	l.counts.BackupChanged(before, after)
	l.tells.BackupChanged(before, after)
}

func (l listeners) restoreChanged(before, after *kahuv1.Restore) {
	l.counts.RestoreChanged(before, after)
	l.tells.RestoreChanged(before, after)
}
