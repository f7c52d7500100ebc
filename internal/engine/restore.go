package engine

import (
	"context"
	"fmt"
	"sync"
	"time"

	"k8s.io/apimachinery/pkg/types"
	"k8s.io/utils/clock"

	"github.com/soda-cdm/kahu/internal/core"
	"github.com/soda-cdm/kahu/internal/core/archive"
	"github.com/soda-cdm/kahu/internal/core/naming"
	"github.com/soda-cdm/kahu/internal/core/restoreplan"
	"github.com/soda-cdm/kahu/internal/core/seal"
	"github.com/soda-cdm/kahu/internal/core/selection"
	"github.com/soda-cdm/kahu/internal/core/transform"
	"github.com/soda-cdm/kahu/internal/core/transformset"
)

// RestoreCluster is what a restore asks of a cluster: to read, to write, and to wait.
type RestoreCluster interface {
	ClusterReader
	ClusterWriter
	ClusterWaiter
}

// ClusterReader tells what a cluster serves, and what is there.
type ClusterReader interface {
	KindLister
	ObjectGetter
	LivingGetter
	LivingLister
	ObjectLister
}

// ClusterWriter creates objects, and changes those that are there.
type ClusterWriter interface {
	ObjectCreator
	ObjectChanger
}

// ClusterWaiter waits for what others do.
type ClusterWaiter interface {
	DefinitionWaiter
	ChangeWaiter
}

// RestoreFiles is what a restore asks of a store: the backup, and a place for its report.
type RestoreFiles interface {
	FileReader
	FileCreator
}

// Restore creates the objects of a backup in a cluster.
type Restore struct {
	// Cluster is where the objects are created.
	Cluster RestoreCluster
	// Clock gives the times that are written down.
	Clock clock.PassiveClock
	// Creators is how many objects are created at once; at least 1.
	Creators int
	// Patience is how long a run waits for what is being deleted, and at its end for servers that are not ready; 0 means
	// two minutes.
	Patience time.Duration
}

// RestoreRequest is one wish.
type RestoreRequest struct {
	// ID says which restore this is. Its UID is in the name under which the restore writes. Without one, the restore
	// writes no report.
	ID archive.RestoreID
	// Attempt is the id of this try at it.
	Attempt string
	// Began is when the API server created the Restore, Resumed tells that an earlier attempt was interrupted, which may have
	// made some of the objects.
	Began   time.Time
	Resumed bool
	// Confirm makes sure that the attempt is still wanted; its error ends the run. It is asked before anything is
	// written, and again before each wave. nil means that it is.
	Confirm func(ctx context.Context) error
	// Backup says which backup.
	Backup archive.BackupID
	// Filters choose the objects.
	Filters selection.Filters
	// Transform says what is changed in them.
	Transform transform.Options
	// Prefix is put before the names of the objects, and of what they refer to; see package naming. Empty: they keep
	// their names.
	Prefix string
	// Transforms are applied to each object after that, in their order.
	Transforms []transformset.Set
	// Existing says what is done about objects that are there already; empty means Skip.
	Existing restoreplan.Policy
	// DryRun asks what would come of the restore, and writes nothing to the cluster.
	DryRun bool
	// Status chooses the objects whose status is restored; nil means none.
	Status *selection.Filters
	// RunFinished lets Jobs and Pods run again that had finished.
	RunFinished bool
	// AllowIncomplete permits a backup from which something is missing.
	AllowIncomplete bool
	// Keys opens encrypted backups; nil where nothing can.
	Keys Keys
	// Trust says whose backups may be restored.
	Trust Trust
	// Epoch is what the report is encrypted to; the zero value means not at all.
	Epoch seal.Epoch
	// Show receives the progress, at most once a second. It must not block.
	Show func(progress Progress)
}

// RestoreResult is what became of a restore.
type RestoreResult struct {
	// Counts says how many objects met which end.
	Counts RestoreCounts
	// Preview is what a dry run found; nil otherwise.
	Preview *Preview
	// Kinds say the same of each kind.
	Kinds []KindCounts
	// Timings are how long the steps took, in their order.
	Timings []Timing
	// Report is the name of the report in the store; empty where it could not be written.
	Report string
	// Failed names objects that were asked for and are not in the cluster, Warnings what people should know; both are
	// the first rows, and their totals count all.
	Failed        []Row
	Warnings      []string
	FailedTotal   int64
	WarningsTotal int64
}

// RestoreCounts are how many objects met which end.
type RestoreCounts struct {
	// Total is the number of objects that were chosen.
	Total int64
	// Created were not there before this restore and are now, whichever of its attempts made them; Updated were there and
	// were given their content from the backup.
	Created, Updated int64
	// Existing were there already, Controlled are made again by a restored controller.
	Existing, Controlled int64
	// Finished are Pods that had finished and are not run again.
	Finished int64
	// Excluded are in the backup and were not chosen.
	Excluded int64
}

// KindCounts are how many objects of one kind met which end.
type KindCounts struct {
	// APIVersion and Kind name the kind.
	APIVersion, Kind string
	RestoreCounts
	// Failed are those that are not in the cluster.
	Failed int64
}

// IncompleteError says that a backup lacks something and that the wish does not allow for that.
type IncompleteError struct {
	// Missing are the first things that are missing, MissingCount is the number of all.
	Missing      []archive.Missing
	MissingCount int64
}

// Error says what to do.
func (e *IncompleteError) Error() string {
	return fmt.Sprintf("spec.allowIncomplete: %d things are missing from the backup, such as %s: "+
		"set allowIncomplete to true to restore what it has", e.MissingCount, e.Missing[0])
}

// definitionTime bounds the wait for the definitions of a restore to be served.
const definitionTime = 2 * time.Minute

// Run restores. An error means that the run could not go on; the result says what had been done until then. An object
// that the API server refuses is a row of the result and stops no other.
func (r *Restore) Run(ctx context.Context, request RestoreRequest, files RestoreFiles) (RestoreResult, error) {
	book, err := newLedger(r.Clock)
	if err != nil {
		return RestoreResult{}, err
	}
	if request.Confirm == nil {
		request.Confirm = func(context.Context) error { return nil }
	}
	names := naming.New(request.Prefix)
	request.Transform.Names = names
	work := &restoreRun{
		Restore: r, ledger: book, stopwatch: newStopwatch(r.Clock), request: request, files: files, written: files,
		progress: newProgress(r.Clock, request.Show),
		tallies:  tallies{},
		living:   map[restoreplan.ID]types.UID{}, met: map[*restoreplan.Item]met{}, ownNamespaces: map[string]bool{}, replaced: map[restoreplan.ID]bool{},
		transformer: transform.New(request.Transform), names: names,
		manager: restoreplan.Manager(request.ID.UID), updater: restoreplan.Updater(request.ID.UID),
		self: restoreplan.Run{UID: request.ID.UID, Began: request.Began, Resumed: request.Resumed},
	}
	err = work.steps(ctx)
	work.finishReport(ctx, err)
	return work.result(), err
}

// steps does the work.
func (r *restoreRun) steps(ctx context.Context) error {
	steps := []step{
		{word: "Transforms", name: "compiling transforms", do: r.compileTransforms},
		{word: "Manifest", name: "reading the manifest", do: r.readManifest},
		{word: "Survey", name: "asking what the cluster serves", do: r.survey},
		{word: "Choose", name: "choosing objects", do: r.choose},
		{word: "Plan", name: "planning", do: r.makePlan},
		{word: "Names", name: "deciding names", do: r.decideNames},
		{word: "Kinds", name: "checking kinds", do: r.checkKinds},
	}
	if r.request.Resumed && !r.request.DryRun {
		steps = append(steps, step{word: "Resume", name: "finding out what an earlier attempt has made", do: r.recognise})
	}
	steps = append(steps, step{word: "Check", name: "checking the archive", do: r.checkSegments})
	if r.request.DryRun {
		steps = append(steps, step{word: "Preview", name: "asking what would come of it", do: r.previewPlan})
	} else {
		steps = append(steps, step{word: "Existing", name: "looking for objects that are there", do: r.failOnExisting},
			step{word: "Namespaces", name: "preparing namespaces", do: r.prepareNamespaces},
			step{word: "Create", name: "creating objects", do: r.create})
	}
	steps = append(steps, step{word: "Judge", name: "judging transforms", do: r.judgeTransforms})
	for _, next := range steps {
		if err := r.step(ctx, next); err != nil {
			return err
		}
	}
	return nil
}

// restoreRun is one run of Restore.
type restoreRun struct {
	*Restore
	*ledger
	*stopwatch

	request     RestoreRequest
	files       FileReader
	contents    *contentReader // the files that the manifest names, set by readManifest
	written     FileCreator    // where the report goes
	progress    *progress
	transformer *transform.Transformer
	names       *naming.Names // filled by choose and decideNames; nil: none changes

	program *transformset.Program // set by compileTransforms

	manager, updater string          // the names under which objects are created and written over
	self             restoreplan.Run // knows what an earlier attempt created

	manifest archive.Manifest // set by readManifest
	reported string           // the name of the report, set by finishReport

	// set by choose
	selector *selection.Selector
	needs    *selection.Closure
	planner  *restoreplan.Planner
	chosen   int64

	previewed  *preview            // set by previewPlan
	withStatus *selection.Selector // the objects whose status is restored; nil: none; set by choose
	absent     []string            // namespaces that the run makes itself, set by prepareNamespaces

	plan   *restoreplan.Plan       // set by makePlan
	served []core.Kind             // what the cluster serves, set by survey
	owners restoreplan.OwnerFinder // of what the cluster serves, set by survey

	mu            sync.Mutex
	counts        RestoreCounts
	tallies       tallies                      // the counts of each kind
	living        map[restoreplan.ID]types.UID // the UIDs that owners in the backup have in the cluster
	met           map[*restoreplan.Item]met    // what recognise found and did not settle, as far as that matters
	goneBy        time.Time                    // until when what is being deleted is waited for
	later         postponed
	unclear       []*restoreplan.Item     // what may be an earlier attempt's, found by failOnExisting
	ownNamespaces map[string]bool         // the namespaces that this run created
	replaced      map[restoreplan.ID]bool // those for which an object is, or was, deleted
}

func (r *restoreRun) makePlan(context.Context) error {
	plan, err := r.planner.Plan()
	if err != nil {
		return err
	}
	r.plan = plan
	if first, second, name := r.transformer.Collision(plan.Namespaces); name != "" {
		return &InvalidError{Problems: []selection.Problem{{
			Field: "spec.namespaceMapping", Reason: selection.ReasonContradiction,
			Message: fmt.Sprintf("namespaces %s and %s would both become %s, and their objects would mix: "+
				"map one of them elsewhere, or exclude it", first, second, name),
		}}}
	}
	return nil
}

func (r *restoreRun) readManifest(ctx context.Context) error {
	manifest, err := ReadManifest(ctx, r.files, r.request.Backup)
	if err != nil {
		return err
	}
	if err := r.request.Trust.Judge(&manifest); err != nil {
		return err
	}
	if r.contents, err = contentsOf(ctx, r.files, r.request.Keys, &manifest); err != nil {
		return err
	}
	if err := r.contents.completeManifest(ctx, &manifest); err != nil {
		return fmt.Errorf("reading the details: %w", err)
	}
	if !manifest.Complete && !r.request.AllowIncomplete {
		return &IncompleteError{Missing: manifest.Missing, MissingCount: manifest.MissingCount}
	}
	r.manifest = manifest
	r.warnOfMissing()
	return nil
}

// warnOfMissing repeats what the backup lacks: it will be missing here too.
func (r *restoreRun) warnOfMissing() {
	for _, row := range r.manifest.Missing {
		r.warn(core.Key{}, fmt.Sprintf("missing from the backup: %s (%s: %s)", row, row.Reason, row.Message))
	}
	if more := r.manifest.MissingCount - int64(len(r.manifest.Missing)); more > 0 {
		r.warn(core.Key{}, fmt.Sprintf("missing from the backup: %d more things, which its report names", more))
	}
}

func (r *restoreRun) result() RestoreResult {
	var shown *Preview
	if r.previewed != nil {
		shown = &r.previewed.result
	}
	return RestoreResult{
		Preview: shown, Counts: r.counts, Kinds: r.tallies.sorted(), Timings: r.timings, Report: r.reported, Failed: r.rows, Warnings: r.warnings, FailedTotal: r.rowsTotal, WarningsTotal: r.warningsTotal,
	}
}

// count counts an object of a kind.
func (r *restoreRun) count(kind core.Kind, change func(counts *RestoreCounts)) {
	r.mu.Lock()
	defer r.mu.Unlock()
	change(&r.counts)
	change(&r.tallies.of(kind).RestoreCounts)
}

// fail makes an object that is not in the cluster a row of the result.
func (r *restoreRun) fail(row Row) {
	r.mu.Lock()
	r.tallies.of(row.Kind).Failed++
	r.mu.Unlock()
	r.miss(row)
}
