package backup

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"sync"
	"sync/atomic"
	"time"

	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/utils/clock"

	"github.com/soda-cdm/kahu/internal/core"
	"github.com/soda-cdm/kahu/internal/core/archive"
	"github.com/soda-cdm/kahu/internal/core/increment"
	"github.com/soda-cdm/kahu/internal/core/selection"
	"github.com/soda-cdm/kahu/internal/core/volumeplan"
	"github.com/soda-cdm/kahu/internal/core/volumework"
	"github.com/soda-cdm/kahu/internal/engine"
)

// Cluster is what a backup asks of a cluster.
type Cluster interface {
	engine.KindLister
	engine.ObjectLister
	engine.ObjectGetter
	engine.MetadataLister
}

// Files is what a backup asks of a store.
type Files interface {
	engine.FileReader
	engine.FileCreator
	engine.FileLister
	engine.FileRemover
}

// Runner copies objects of a cluster into a store.
type Runner struct {
	// Cluster is where the objects are.
	Cluster Cluster
	// Clock gives the times that are written down.
	Clock clock.PassiveClock
	// Listers is how many kinds are read at once, Packers how many segments are written at once; both at least 1.
	Listers, Packers int
	// Writer is the name and version of this program, for whoever reads the backup.
	Writer string
	// CheckpointEvery is the least time between two checkpoints; less than zero writes one after every kind, whatever that
	// costs.
	CheckpointEvery time.Duration
	// ManifestTime bounds the time from the beginning of a confirmation to the end of the manifest's writing; 0 means
	// [ManifestTime].
	ManifestTime time.Duration
}

// ManifestTime is how long an attempt may still write its manifest after it asked whether it is wanted.
const ManifestTime = 10 * time.Second

// The ways in which an attempt can learn that its run is not its own any more.
var (
	// ErrSuperseded: another attempt goes on with the run, and with what this one has written.
	ErrSuperseded = errors.New("another attempt goes on with the run")
	// ErrOver: the run has ended, whatever came of it. Another attempt may have been confirmed before that, so that its manifest
	// may still come, and name what this one has written.
	ErrOver = errors.New("the run is over")
	// ErrOverAlone: the run has ended, and this was the only attempt that was ever made at it.
	ErrOverAlone = errors.New("the run is over, and no other attempt was made at it")
)

// ErrLeft is the cause of a run whose context ended: it is left to another attempt, and not given up.
var ErrLeft = errors.New("the run is left to another attempt")

// Request is one wish.
type Request struct {
	// ID says whose backup it is; Attempt is unique to this call and names its segments.
	ID      archive.BackupID
	Attempt string
	// Earlier are the attempts that were interrupted, the oldest first. What they have copied is not copied again.
	Earlier []string
	// Started is when the first of them began; the zero value means now.
	Started time.Time
	// LocationID is the identity of the place that it is written to.
	LocationID string
	// ServerVersion is the version of the API server: a later backup takes over unread only what the same one has listed.
	ServerVersion string
	// Object is the Backup as it was, as JSON, for whoever reads the backup.
	Object json.RawMessage
	// Filters choose the objects.
	Filters selection.Filters
	// VolumeData tells whether the data of volumes was asked for, VolumeSettings how; Volumes deals with it. Without
	// Volumes each bound claim is then missing.
	VolumeData     bool
	VolumeSettings volumeplan.Settings
	Volumes        Volumes
	// Confirm is asked right before the manifest is written whether the run is still wanted: an error ends it with
	// nothing made real. It is how a run that lost its leadership is kept from finishing what another has given up.
	Confirm func(ctx context.Context) error
	// GiveUp is called when the run has failed with cause, before anything is removed. It writes down that the run has
	// failed, for all to see, so that no attempt goes on with what is there: nil means that it has. ErrSuperseded,
	// ErrOver and ErrOverAlone say that this run is not this attempt's to give up; any other error, that nobody knows. Of a run
	// that had Earlier attempts nothing is removed then: who keeps the record has it removed by removal.Erase, when none of them can
	// write its manifest any more. A cause that is
	// ErrLeft only asks whether the run is over: what its only attempt wrote is nobody's then. Without GiveUp every
	// failed run is given up, and every one whose context ended is left.
	GiveUp func(ctx context.Context, cause error) error
	// Compression is how hard to try to make segments small.
	Compression archive.Compression
	// Sealing says how the backup is encrypted and signed; nil means not at all.
	Sealing *Sealing
	// Increment says on what the backup may build.
	Increment Increment
	// Hooks has applications hold still while volumes are cut; nil means that nothing is asked of them, or was already.
	Hooks Hooks
	// Held is what an earlier attempt has cut while applications held still; nil where none of them has done so. No volume is cut
	// any more then.
	Held *Held
	// Show receives the progress, at most once a second. It must not block.
	Show func(progress engine.Progress)
}

// Result is what became of a backup.
type Result struct {
	// Manifest is what was written last, ManifestBytes its length.
	Manifest      archive.Manifest
	ManifestBytes int64
	// Missing names what is not in the backup, Warnings what people should know; both are the first rows, and the
	// manifest has the numbers of all.
	Missing  []engine.Row
	Warnings []string
	// Begun tells of a run that failed that something of it may be left: whoever keeps the record has it removed.
	Begun bool
	// Adopted tells that the manifest is another attempt's, which was quicker: Missing and Warnings are not known.
	Adopted bool
	// Volumes are what became of each claim, also of those that were skipped.
	Volumes []volumework.Outcome
	// Timings are how long the steps took, in their order, of a run that failed too.
	Timings []engine.Timing
	// Choice is what the backup was, and why it is full where it was not to be.
	Choice increment.Choice
	// Unswept says why something that does not belong to the backup is left in the store; empty where nothing is.
	Unswept string
}

// cleaningTime bounds the removal of a failed run's files.
const cleaningTime = 30 * time.Second

// Run makes one backup. When it returns an error, the backup does not exist. Its files are then removed as far as the
// store allows, unless GiveUp says otherwise or the context ended: whoever ended it lets another attempt go on, or calls
// Delete. What this attempt wrote when its run was over already is removed as well, if no manifest can come any more that names
// it, and else left to a collection.
func (b *Runner) Run(ctx context.Context, request Request, files Files) (Result, error) {
	work, err := newRun(b, request, files)
	if err != nil {
		return Result{}, err
	}
	result, err := work.do(ctx)
	result.Timings, result.Choice = work.Timings, work.choice
	if err == nil || !work.begun {
		return result, err
	}
	if ctx.Err() != nil {
		if request.GiveUp == nil {
			return result, err
		}
		err = fmt.Errorf("%w: %w", ErrLeft, err)
	}
	// The removal has a time of its own, and is not cut off half way by the end of the manager.
	cleaning, cancel := context.WithTimeout(context.WithoutCancel(ctx), cleaningTime)
	defer cancel()
	return Result{Timings: work.Timings, Begun: true}, work.giveUp(cleaning, err)
}

// run is one run of Backup.
type run struct {
	*Runner
	*engine.Ledger
	*engine.Stopwatch

	request  Request
	files    Files
	started  time.Time
	progress *engine.Meter
	begun    bool // something was written into the store

	// set by survey
	kinds    []core.Kind
	selector *selection.Selector
	needs    *selection.Closure

	// filled while objects are copied
	index   *archive.IndexBuilder
	namer   *archive.SegmentNamer
	batches chan batch
	counts  counts
	homes   homes
	points  checkpoints
	mu      sync.Mutex
	claims  map[core.Key]bool             // that were looked at; guarded by mu
	packed  [][]archive.File              // the segments of each packer; guarded by mu
	refused map[schema.GroupResource]bool // kinds with an object that the format cannot hold; guarded by mu

	// set by chooseBase and holdBase
	choice     increment.Choice
	base       *base             // nil in a full run
	intentBase *archive.BackupID // whose segments the intent keeps
	uses       []string          // the attempts that wrote these

	// set by resume
	kept        map[schema.GroupResource]bool // kinds that need not be listed
	keptFiles   map[string]archive.File       // the segments that they are in
	manifestNow *archive.Manifest             // of an attempt that had finished
	earlier     *engine.Contents              // what reads the files of earlier attempts
	unversioned bool                          // some kinds are kept of which nobody knows the version of the API server

	// set when everything is copied
	written []archive.File

	// set by planVolumes, and by backUpVolumes
	decisions []volumeplan.Decision
	outcomes  []volumework.Outcome
	// set by cutVolumes
	dealt  bool // some volumes were to be cut and backed up
	moment volumework.Moment
	uncut  []volumework.Uncut

	// set when the files are written
	indexed    []archive.IndexedKind
	intentFile archive.File
	indexFile  archive.File
	reportFile archive.File
	// of an encrypted backup
	detailsFile archive.File
	comparison  archive.Comparison
}

// counts are the counts that many goroutines change.
type counts struct {
	needed, excluded, vanished, bytes atomic.Int64
	unchanged, same                   atomic.Int64 // taken over from the base: unread, and after they were read
}

func newRun(b *Runner, request Request, files Files) (*run, error) {
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
	ledger, err := engine.NewLedger(b.Clock)
	if err != nil {
		return nil, err
	}
	now := b.Clock.Now()
	made := &run{
		Runner: b, Ledger: ledger, Stopwatch: engine.NewStopwatch(b.Clock), request: request, files: files, started: now, begun: len(request.Earlier) > 0,
		progress: engine.NewMeter(b.Clock, request.Show), index: index, namer: namer,
		claims: map[core.Key]bool{}, packed: make([][]archive.File, request.Compression.Packers(b.Packers)), refused: map[schema.GroupResource]bool{},
		kept: map[schema.GroupResource]bool{}, keptFiles: map[string]archive.File{},
		points: checkpoints{last: now},
	}
	if !request.Started.IsZero() {
		made.started = request.Started
	}
	return made, nil
}

// do is the backup, step by step.
func (r *run) do(ctx context.Context) (Result, error) {
	steps := []engine.Step{
		{Word: "Look", Name: "looking for what is done already", Do: r.findManifest},
		{Word: "Survey", Name: "surveying the cluster", Do: r.survey},
		{Word: "Base", Name: "choosing a base", Do: r.chooseBase},
		{Word: "Intent", Name: "writing the intent", Do: r.writeIntent},
		{Word: "BaseIndex", Name: "reading the base", Do: r.holdBase},
		{Word: "Resume", Name: "reading checkpoints", Do: r.resume},
		{Word: "Copy", Name: "copying objects", Do: r.copy},
		{Word: "PlanVolumes", Name: "deciding how volumes are backed up", Do: r.planVolumes},
		{Word: "Cut", Name: "cutting volumes", Do: r.quiesce},
		{Word: "Volumes", Name: "backing up volumes", Do: r.backUpVolumes},
		{Word: "Index", Name: "writing the index", Do: r.writeIndex},
		{Word: "Comparison", Name: "writing the file to compare with", Do: r.writeComparison},
		{Word: "Report", Name: "writing the report", Do: r.writeReport},
		{Word: "Details", Name: "writing the details", Do: r.writeDetails},
		{Word: "Key", Name: "checking that the key is there", Do: r.checkKey},
		{Word: "Check", Name: "checking that every segment is there", Do: r.checkSegments},
	}
	for _, next := range steps {
		if err := r.Step(ctx, next); err != nil {
			return Result{}, err
		}
		if r.manifestNow != nil {
			return r.adopt(ctx, *r.manifestNow)
		}
	}
	var result Result
	err := r.Step(ctx, engine.Step{Word: "Manifest", Name: "making it real", Do: func(ctx context.Context) (err error) {
		result, err = r.writeManifest(ctx)
		return err
	}})
	return result, err
}
