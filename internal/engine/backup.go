package engine

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"sync"
	"sync/atomic"
	"time"

	"k8s.io/utils/clock"

	"github.com/soda-cdm/kahu/internal/core"
	"github.com/soda-cdm/kahu/internal/core/archive"
	"github.com/soda-cdm/kahu/internal/core/selection"
)

// BackupCluster is what a backup asks of a cluster.
type BackupCluster interface {
	KindLister
	ObjectLister
	ObjectGetter
}

// BackupFiles is what a backup asks of a store.
type BackupFiles interface {
	FileReader
	FileCreator
	FileLister
	FileRemover
}

// Backup copies objects of a cluster into a store.
type Backup struct {
	// Cluster is where the objects are.
	Cluster BackupCluster
	// Clock gives the times that are written down.
	Clock clock.PassiveClock
	// Listers is how many kinds are read at once, Packers how many segments are written at once; both at least 1.
	Listers, Packers int
	// Writer is the name and version of this program, for whoever reads the backup.
	Writer string
}

// BackupRequest is one wish.
type BackupRequest struct {
	// ID says whose backup it is; Attempt is unique to this run and names its segments.
	ID      archive.BackupID
	Attempt string
	// LocationID is the identity of the place that it is written to.
	LocationID string
	// ServerVersion is the version of the API server, for whoever reads the backup.
	ServerVersion string
	// Object is the Backup as it was, as JSON, for whoever reads the backup.
	Object json.RawMessage
	// Filters choose the objects.
	Filters selection.Filters
	// VolumeData tells whether the data of volumes was asked for. No provider can back up volumes yet, so each bound
	// claim is then missing.
	VolumeData bool
	// Confirm is asked right before the manifest is written whether the run is still wanted: an error ends it with
	// nothing made real. It is how a run that lost its leadership is kept from finishing what another has given up.
	Confirm func(ctx context.Context) error
	// Show receives the progress, at most once a second. It must not block.
	Show func(progress Progress)
}

// BackupResult is what became of a backup.
type BackupResult struct {
	// Manifest is what was written last, ManifestBytes its length.
	Manifest      archive.Manifest
	ManifestBytes int64
	// Missing names what is not in the backup, Warnings what people should know; both are the first rows, and the
	// manifest has the numbers of all.
	Missing  []Row
	Warnings []string
}

// cleaningTime bounds the removal of a failed run's files.
const cleaningTime = 30 * time.Second

// Run makes one backup. When it returns an error, the backup does not exist, and the files of the attempt are removed
// as far as the store allows.
func (b *Backup) Run(ctx context.Context, request BackupRequest, files BackupFiles) (BackupResult, error) {
	run, err := newBackupRun(b, request, files)
	if err != nil {
		return BackupResult{}, err
	}
	result, err := run.do(ctx)
	if err == nil || !run.begun {
		return result, err
	}
	// The run's own context may be what ended it, so the cleaning has a time of its own.
	cleaning, cancel := context.WithTimeout(context.WithoutCancel(ctx), cleaningTime)
	defer cancel()
	if cleanErr := Discard(cleaning, files, request.ID, request.Attempt); cleanErr != nil {
		err = errors.Join(err, fmt.Errorf("removing what the run had written: %w", cleanErr))
	}
	return BackupResult{}, err
}

// backupRun is one run of Backup.
type backupRun struct {
	*Backup
	*ledger

	request  BackupRequest
	files    BackupFiles
	started  time.Time
	progress progress
	begun    bool // something was written into the store

	// set by survey
	kinds    []core.Kind
	selector *selection.Selector
	needs    *selection.Closure

	// filled while objects are copied
	index   *archive.IndexBuilder
	namer   *archive.SegmentNamer
	batches chan batch
	counts  backupCounts
	homes   homes
	mu      sync.Mutex
	claims  map[core.Key]bool // that were looked at
	written []archive.File

	// set when the files are written
	indexed    []archive.IndexedKind
	intentFile archive.File
	indexFile  archive.File
	reportFile archive.File
}

// backupCounts are the counts that many goroutines change.
type backupCounts struct {
	needed, excluded, vanished, bytes atomic.Int64
}

func newBackupRun(b *Backup, request BackupRequest, files BackupFiles) (*backupRun, error) {
	if err := request.ID.Check(); err != nil {
		return nil, err
	}
	namer, err := archive.NewSegmentNamer(request.ID.ClusterID, request.Attempt)
	if err != nil {
		return nil, err
	}
	index, err := archive.NewIndexBuilder(0)
	if err != nil {
		return nil, err
	}
	ledger, err := newLedger(b.Clock)
	if err != nil {
		return nil, err
	}
	return &backupRun{
		Backup: b, ledger: ledger, request: request, files: files, started: b.Clock.Now(),
		progress: progress{clock: b.Clock, show: request.Show}, index: index, namer: namer,
		claims: map[core.Key]bool{},
	}, nil
}

// do is the backup, step by step.
func (r *backupRun) do(ctx context.Context) (BackupResult, error) {
	steps := []struct {
		name string
		do   func(ctx context.Context) error
	}{
		{"surveying the cluster", r.survey},
		{"writing the intent", r.writeIntent},
		{"copying objects", r.copy},
		{"writing the index", r.writeIndex},
		{"writing the report", r.writeReport},
		{"checking that every segment is there", r.checkSegments},
	}
	for _, step := range steps {
		if err := step.do(ctx); err != nil {
			return BackupResult{}, fmt.Errorf("%s: %w", step.name, err)
		}
	}
	return r.writeManifest(ctx)
}
