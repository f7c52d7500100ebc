package world

import (
	"bytes"
	"context"

	"github.com/soda-cdm/kahu/internal/core"
	"github.com/soda-cdm/kahu/internal/core/archive"
	"github.com/soda-cdm/kahu/internal/core/restoreplan"
	"github.com/soda-cdm/kahu/internal/core/selection"
	"github.com/soda-cdm/kahu/internal/engine"
	"github.com/soda-cdm/kahu/internal/engine/restore"
	"github.com/soda-cdm/kahu/internal/testkit/fakecluster"
)

// Restored restores backup one into an empty cluster, and returns what is there.
func (w *World) Restored() map[string]string {
	w.T.Helper()
	target := fakecluster.New(AllKinds()...)
	result, err := w.Restore("one", target)
	if err != nil || result.FailedTotal > 0 {
		w.T.Fatalf("restoring: %v, failed %+v", err, result.Failed)
	}
	return target.Contents()
}

// TwoBackups makes two backups and returns the names of the files of the second one and of others, which must stay.
func (w *World) TwoBackups() []string {
	w.T.Helper()
	w.Shop()
	w.Put(archive.MarkerName, "{}")
	w.Put(archive.SegmentPrefix(ClusterID, "attemptfirst1")+"000001.tar.zst", "of another attempt")
	w.Put(archive.SegmentPrefix("another-cluster", "attemptfirst")+"000001.tar.zst", "of another cluster")
	if _, err := w.Backup("second", selection.Filters{}); err != nil {
		w.T.Fatal(err)
	}
	others := w.Names()
	if _, err := w.Backup("first", selection.Filters{}); err != nil {
		w.T.Fatal(err)
	}
	return others
}

// RestoreOver restores backup one into a cluster in which something is, with a policy for that.
func (w *World) RestoreOver(policy restoreplan.Policy, to *fakecluster.Cluster) (restore.Result, error) {
	w.T.Helper()
	use := &restore.Runner{Cluster: to, Clock: w.Clock, Creators: 2}
	return use.Run(w.T.Context(), restore.Request{
		Backup: ID("one"), ID: RestoreID, Attempt: "first", Existing: policy,
	}, w.Files)
}

// Records returns the index of backup one.
func (w *World) Records() []archive.Record {
	w.T.Helper()
	manifest, err := engine.ReadManifest(w.T.Context(), w.Plain(), ID("one"))
	if err != nil {
		w.T.Fatal(err)
	}
	var records []archive.Record
	for record, err := range archive.ReadIndex(bytes.NewReader(w.Content(manifest.Index.Name))) {
		if err != nil {
			w.T.Fatal(err)
		}
		records = append(records, record)
	}
	return records
}

// Reasons returns why each object is in a backup.
func (w *World) Reasons(manifest archive.Manifest) map[string]core.Reason {
	w.T.Helper()
	index, err := w.Plain().Open(w.T.Context(), manifest.Index.Name)
	if err != nil {
		w.T.Fatal(err)
	}
	defer index.Close()
	found := map[string]core.Reason{}
	for record, err := range archive.ReadIndex(index) {
		if err != nil {
			w.T.Fatal(err)
		}
		found[record.Key().String()] = record.Reason
	}
	return found
}

// ReadOnly is a place that takes no files.
type ReadOnly struct{ engine.FileReader }

// Create refuses.
func (ReadOnly) Create(context.Context, string) (core.FileWriter, error) { return nil, ErrRefused }
