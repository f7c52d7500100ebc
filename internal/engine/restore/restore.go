package restore

import (
	"context"
	"fmt"
	"sync"
	"time"

	"k8s.io/utils/clock"

	"github.com/soda-cdm/kahu/internal/core"
	"github.com/soda-cdm/kahu/internal/core/archive"
	"github.com/soda-cdm/kahu/internal/core/naming"
	"github.com/soda-cdm/kahu/internal/core/restoreplan"
	"github.com/soda-cdm/kahu/internal/core/seal"
	"github.com/soda-cdm/kahu/internal/core/selection"
	"github.com/soda-cdm/kahu/internal/core/transform"
	"github.com/soda-cdm/kahu/internal/core/transformset"
	"github.com/soda-cdm/kahu/internal/core/volumework"
	"github.com/soda-cdm/kahu/internal/engine"
	"github.com/soda-cdm/kahu/internal/engine/restore/choice"
	"github.com/soda-cdm/kahu/internal/engine/restore/draft"
	"github.com/soda-cdm/kahu/internal/engine/restore/preview"
)

// Cluster is what a restore asks of a cluster: to read, to write, and to wait.
type Cluster interface {
	ClusterReader
	ClusterWriter
	ClusterWaiter
}

// ClusterReader tells what a cluster serves, and what is there.
type ClusterReader interface {
	engine.KindLister
	engine.ObjectGetter
	engine.LivingGetter
	engine.LivingLister
	engine.ObjectLister
}

// ClusterWriter creates objects, and changes those that are there.
type ClusterWriter interface {
	engine.ObjectCreator
	ObjectChanger
}

// ClusterWaiter waits for what others do.
type ClusterWaiter interface {
	engine.DefinitionWaiter
	engine.ChangeWaiter
}

// Files is what a restore asks of a store: the backup, and a place for its report.
type Files interface {
	engine.FileReader
	engine.FileCreator
}

// Runner creates the objects of a backup in a cluster.
type Runner struct {
	// Cluster is where the objects are created.
	Cluster Cluster
	// Clock gives the times that are written down.
	Clock clock.PassiveClock
	// Creators is how many objects are created at once; at least 1.
	Creators int
	// Patience is how long a run waits for what is being deleted, and at its end for servers that are not ready; 0 means
	// two minutes.
	Patience time.Duration
}

// Request is one wish.
type Request struct {
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
	Keys engine.Keys
	// Trust says whose backups may be restored.
	Trust engine.Trust
	// Epoch is what the report is encrypted to; the zero value means not at all.
	Epoch seal.Epoch
	// ReadOnly says that nothing is written to the location: the restore has no report.
	ReadOnly bool
	// Volumes deals with the data of volumes; without it, a backup that has some is not restored.
	Volumes Volumes
	// Hooks runs commands in pods and gives pods init containers; nil means none.
	Hooks Hooks
	// Show receives the progress, at most once a second. It must not block.
	Show func(progress engine.Progress)
}

// Result is what became of a restore.
type Result struct {
	// Counts says how many objects met which end.
	Counts Counts
	// Preview is what a dry run found; nil otherwise.
	Preview *preview.Result
	// Kinds say the same of each kind.
	Kinds []KindCounts
	// Timings are how long the steps took, in their order.
	Timings []engine.Timing
	// Report is the name of the report in the store; empty where it could not be written.
	Report string
	// Failed names objects that were asked for and are not in the cluster, Warnings what people should know; both are
	// the first rows, and their totals count all.
	Failed        []engine.Row
	Warnings      []string
	FailedTotal   int64
	WarningsTotal int64
	// Volumes are what became of the volumes whose data is in the backup, in the order of their claims.
	Volumes []volumework.Restored
}

// Counts are how many objects met which end.
type Counts struct {
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
	Counts
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
func (r *Runner) Run(ctx context.Context, request Request, files Files) (Result, error) {
	book, err := engine.NewLedger(r.Clock)
	if err != nil {
		return Result{}, err
	}
	if request.Confirm == nil {
		request.Confirm = func(context.Context) error { return nil }
	}
	names := naming.New(request.Prefix)
	request.Transform.Names = names
	work := &run{
		Runner: r, Ledger: book, Stopwatch: engine.NewStopwatch(r.Clock), request: request, files: files, written: files,
		progress: engine.NewMeter(r.Clock, request.Show),
		tallies:  tallies{},
		met:      map[*restoreplan.Item]met{}, ownNamespaces: map[string]bool{}, replaced: map[restoreplan.ID]bool{},
		transformer: transform.New(request.Transform), names: names,
		manager: restoreplan.Manager(request.ID.UID), updater: restoreplan.Updater(request.ID.UID),
		self: restoreplan.Run{UID: request.ID.UID, Began: request.Began, Resumed: request.Resumed},
	}
	work.drafts = &draft.Drafter{
		Ledger: book, Cluster: r.Cluster, Transformer: work.transformer, Names: names, RunFinished: request.RunFinished,
		Postponed: work.ownerPostponed, NewVolume: work.newVolume,
	}
	err = work.steps(ctx)
	work.finishReport(ctx, err)
	return work.result(), err
}

// steps does the work.
func (r *run) steps(ctx context.Context) error {
	steps := []engine.Step{
		{Word: "Transforms", Name: "compiling transforms", Do: r.compileTransforms},
		{Word: "Manifest", Name: "reading the manifest", Do: r.readManifest},
		{Word: "Survey", Name: "asking what the cluster serves", Do: r.survey},
		{Word: "Choose", Name: "choosing objects", Do: r.choose},
		{Word: "Plan", Name: "planning", Do: r.makePlan},
		{Word: "Volumes", Name: "looking for the data of volumes", Do: r.planVolumes},
		{Word: "Names", Name: "deciding names", Do: r.decideNames},
		{Word: "Kinds", Name: "checking kinds", Do: r.checkKinds},
		{Word: "Claims", Name: "looking for claims that are there", Do: r.lookForClaims},
	}
	if r.request.Resumed && !r.request.DryRun {
		steps = append(steps, engine.Step{Word: "Resume", Name: "finding out what an earlier attempt has made", Do: r.recognise})
	}
	if r.request.Hooks != nil {
		steps = append(steps, engine.Step{Word: "Hooks", Name: "preparing hooks", Do: r.prepareHooks})
	}
	steps = append(steps, engine.Step{Word: "Check", Name: "checking the archive", Do: r.checkSegments},
		engine.Step{Word: "OldVolumes", Name: "deciding which volumes come back without their data", Do: r.planOldVolumes},
		engine.Step{Word: "Classes", Name: "looking for storage classes", Do: r.planClasses})
	if r.request.DryRun {
		steps = append(steps, engine.Step{Word: "Preview", Name: "asking what would come of it", Do: r.previewPlan})
	} else {
		steps = append(steps, engine.Step{Word: "Existing", Name: "looking for objects that are there", Do: r.failOnExisting},
			engine.Step{Word: "PreHooks", Name: "running the hooks before", Do: r.hooksBefore},
			engine.Step{Word: "Namespaces", Name: "preparing namespaces", Do: r.prepareNamespaces},
			engine.Step{Word: "Create", Name: "creating objects", Do: r.watchingVolumes(r.create)},
			engine.Step{Word: "AwaitVolumes", Name: "waiting for volumes", Do: r.watchingVolumes(r.awaitVolumes)})
	}
	steps = append(steps, engine.Step{Word: "Judge", Name: "judging transforms", Do: r.judgeTransforms},
		engine.Step{Word: "PostHooks", Name: "running the hooks after", Do: r.hooksAfter})
	for _, next := range steps {
		if err := r.Step(ctx, next); err != nil {
			return err
		}
	}
	return nil
}

// run is one run of Restore.
type run struct {
	*Runner
	*engine.Ledger
	*engine.Stopwatch

	request     Request
	files       engine.FileReader
	contents    *engine.Contents   // the files that the manifest names, set by readManifest
	written     engine.FileCreator // where the report goes
	progress    *engine.Meter
	transformer *transform.Transformer
	names       *naming.Names  // filled by choose and decideNames; nil: none changes
	drafts      *draft.Drafter // is told by the steps what they find out

	manager, updater string          // the names under which objects are created and written over
	self             restoreplan.Run // knows what an earlier attempt created

	manifest archive.Manifest // set by readManifest
	reported string           // the name of the report, set by finishReport

	planner   *restoreplan.Planner // set by choose
	previewed *preview.Result      // set by previewPlan
	absent    []string             // namespaces that the run makes itself, set by prepareNamespaces

	plan     *restoreplan.Plan              // set by makePlan
	data     map[*restoreplan.Item]*claim   // the claims whose data is in the backup, set by planVolumes
	anew     map[*restoreplan.Item]string   // the claims that get a new volume, and why, set by planOldVolumes
	again    map[*restoreplan.Item]core.Key // the volumes that claims get again, which are reserved for old ones, set by planOldVolumes
	homes    map[string][]*claim            // the same by their namespaces in the cluster, set by lookForClaims
	left     []volumework.Restored          // claims with data that their pods make again, set by planVolumes
	problems []string                       // what a dry run says would be in the way, set by lookForClaims and planClasses
	hopeless bool                           // whether one of them has a run end before it begins
	missing  map[string]bool                // the storage classes of which these say that they are not there
	served   []core.Kind                    // what the cluster serves, set by survey

	mu            sync.Mutex
	counts        Counts
	tallies       tallies                   // the counts of each kind
	met           map[*restoreplan.Item]met // what recognise found and did not settle, as far as that matters
	goneBy        time.Time                 // until when what is being deleted is waited for
	later         postponed
	unclear       []*restoreplan.Item     // what may be an earlier attempt's, found by failOnExisting
	ownNamespaces map[string]bool         // the namespaces that this run created
	replaced      map[restoreplan.ID]bool // those for which an object is, or was, deleted
}

// choose decides which objects of the backup are restored.
func (r *run) choose(ctx context.Context) error {
	chooser := &choice.Chooser{Ledger: r.Ledger, Manifest: &r.manifest, Contents: r.contents, Names: r.names}
	chosen, err := chooser.Choose(ctx, choice.Wish{
		Filters: r.request.Filters, Status: r.request.Status, NamespaceMapping: r.request.Transform.NamespaceMapping, Served: r.served,
	})
	if err != nil {
		return err
	}
	r.planner, r.drafts.WithStatus = chosen.Planner, chosen.WithStatus
	r.counts.Total = chosen.Total
	r.counts.Excluded = r.manifest.Counts.Objects - chosen.Total
	r.progress.Expect(chosen.Total)
	return nil
}

// previewPlan asks what would come of the plan, and writes nothing to the cluster.
func (r *run) previewPlan(ctx context.Context) (err error) {
	asking := &preview.Previewer{
		Ledger: r.Ledger, Progress: r.progress, Cluster: r.Cluster, Served: r.served, Clock: r.Clock,
		Plan: r.plan, Policy: r.request.Existing, Manager: r.manager, Updater: r.updater,
		Drafts: r.drafts, Draft: r.prepare, Each: r.eachObject, Problems: r.problems, Missing: r.missing, Refused: r.hopeless, Doomed: r.doomed,
	}
	if r.request.ID != (archive.RestoreID{}) {
		asking.Write = r.writePlan
	}
	r.previewed, err = asking.Run(ctx)
	return err
}

func (r *run) makePlan(context.Context) error {
	plan, err := r.planner.Plan()
	if err != nil {
		return err
	}
	r.plan = plan
	if first, second, name := r.transformer.Collision(plan.Namespaces); name != "" {
		return &engine.InvalidError{Problems: []selection.Problem{{
			Field: "spec.namespaceMapping", Reason: selection.ReasonContradiction,
			Message: fmt.Sprintf("namespaces %s and %s would both become %s, and their objects would mix: "+
				"map one of them elsewhere, or exclude it", first, second, name),
		}}}
	}
	return nil
}

func (r *run) readManifest(ctx context.Context) error {
	manifest, err := engine.ReadManifest(ctx, r.files, r.request.Backup)
	if err != nil {
		return err
	}
	if err := r.request.Trust.Judge(&manifest); err != nil {
		return err
	}
	if r.contents, err = engine.ContentsOf(ctx, r.files, r.request.Keys, &manifest); err != nil {
		return err
	}
	if err := r.contents.Complete(ctx, &manifest); err != nil {
		return fmt.Errorf("reading the details: %w", err)
	}
	if !manifest.Complete && !r.request.AllowIncomplete {
		return &IncompleteError{Missing: manifest.Missing, MissingCount: manifest.MissingCount}
	}
	if len(manifest.Volumes) > 0 && r.request.Volumes == nil {
		return fmt.Errorf("the backup has the data of %s, which nothing here can restore: %w",
			core.Count(int64(len(manifest.Volumes)), "volume"), core.ErrUnsupported)
	}
	r.manifest = manifest
	r.warnOfMissing()
	return nil
}

// warnOfMissing repeats what the backup lacks: it will be missing here too.
func (r *run) warnOfMissing() {
	for _, row := range r.manifest.Missing {
		r.Warn(core.Key{}, fmt.Sprintf("missing from the backup: %s (%s: %s)", row, row.Reason, row.Message))
	}
	if more := r.manifest.MissingCount - int64(len(r.manifest.Missing)); more > 0 {
		r.Warn(core.Key{}, fmt.Sprintf("missing from the backup: %d more things, which its report names", more))
	}
}

func (r *run) result() Result {
	return Result{
		Volumes: r.volumes(), Preview: r.previewed, Counts: r.counts, Kinds: r.tallies.sorted(), Timings: r.Timings, Report: r.reported, Failed: r.Rows, Warnings: r.Warnings, FailedTotal: r.RowsTotal, WarningsTotal: r.WarningsTotal,
	}
}

// count counts an object of a kind.
func (r *run) count(kind core.Kind, change func(counts *Counts)) {
	r.mu.Lock()
	defer r.mu.Unlock()
	change(&r.counts)
	change(&r.tallies.of(kind).Counts)
}

// fail makes an object that is not in the cluster a row of the result.
func (r *run) fail(row engine.Row) {
	r.mu.Lock()
	r.tallies.of(row.Kind).Failed++
	r.mu.Unlock()
	r.Miss(row)
	r.progress.Failed(row)
}
