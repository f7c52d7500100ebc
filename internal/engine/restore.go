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
	"github.com/soda-cdm/kahu/internal/core/restoreplan"
	"github.com/soda-cdm/kahu/internal/core/selection"
	"github.com/soda-cdm/kahu/internal/core/transform"
	"github.com/soda-cdm/kahu/internal/core/transformset"
)

// RestoreCluster is what a restore asks of a cluster.
type RestoreCluster interface {
	KindLister
	ObjectGetter
	ObjectCreator
	DefinitionWaiter
}

// Restore creates the objects of a backup in a cluster.
type Restore struct {
	// Cluster is where the objects are created.
	Cluster RestoreCluster
	// Clock gives the times that are written down.
	Clock clock.PassiveClock
	// Creators is how many objects are created at once; at least 1.
	Creators int
}

// RestoreRequest is one wish.
type RestoreRequest struct {
	// Backup says which backup.
	Backup archive.BackupID
	// Filters choose the objects.
	Filters selection.Filters
	// Transform says what is changed in them.
	Transform transform.Options
	// Transforms are applied to each object after that, in their order.
	Transforms []transformset.Set
	// AllowIncomplete permits a backup from which something is missing.
	AllowIncomplete bool
	// Show receives the progress, at most once a second. It must not block.
	Show func(progress Progress)
}

// RestoreResult is what became of a restore.
type RestoreResult struct {
	// Counts says how many objects met which end.
	Counts RestoreCounts
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
	// Created were not there and are now; Updated were made by the cluster on its own and given their content.
	Created, Updated int64
	// Existing were there already, Controlled are made again by a restored controller.
	Existing, Controlled int64
	// Excluded are in the backup and were not chosen.
	Excluded int64
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
func (r *Restore) Run(ctx context.Context, request RestoreRequest, files FileReader) (RestoreResult, error) {
	run := &restoreRun{
		Restore: r, ledger: newSilentLedger(r.Clock), request: request, files: files,
		progress: progress{clock: r.Clock, show: request.Show},
		living:   map[restoreplan.ID]types.UID{}, ownNamespaces: map[string]bool{},
		transformer: transform.New(request.Transform),
	}
	steps := []struct {
		name string
		do   func(ctx context.Context) error
	}{
		{"compiling transforms", run.compileTransforms},
		{"reading the manifest", run.readManifest},
		{"asking what the cluster serves", run.survey},
		{"choosing objects", run.choose},
		{"planning", run.makePlan},
		{"checking the archive", run.checkSegments},
		{"creating objects", run.create},
		{"judging transforms", run.judgeTransforms},
	}
	for _, step := range steps {
		if err := step.do(ctx); err != nil {
			return run.result(), fmt.Errorf("%s: %w", step.name, err)
		}
	}
	return run.result(), nil
}

// restoreRun is one run of Restore.
type restoreRun struct {
	*Restore
	*ledger

	request     RestoreRequest
	files       FileReader
	progress    progress
	transformer *transform.Transformer

	program  *transformset.Program // set by compileTransforms
	manifest archive.Manifest      // set by readManifest

	// set by choose
	selector *selection.Selector
	needs    *selection.Closure
	planner  *restoreplan.Planner
	chosen   int64

	plan   *restoreplan.Plan       // set by makePlan
	served []core.Kind             // what the cluster serves, set by survey
	owners restoreplan.OwnerFinder // of what the cluster serves, set by survey

	mu            sync.Mutex
	counts        RestoreCounts
	living        map[restoreplan.ID]types.UID // the UIDs that owners in the backup have in the cluster
	ownNamespaces map[string]bool              // the namespaces that this run created
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
	if !manifest.Complete && !r.request.AllowIncomplete {
		return &IncompleteError{Missing: manifest.Missing, MissingCount: manifest.MissingCount}
	}
	r.manifest = manifest
	return nil
}

func (r *restoreRun) result() RestoreResult {
	return RestoreResult{
		Counts: r.counts, Failed: r.rows, Warnings: r.warnings, FailedTotal: r.rowsTotal, WarningsTotal: r.warningsTotal,
	}
}

func (r *restoreRun) count(change func(counts *RestoreCounts)) {
	r.mu.Lock()
	defer r.mu.Unlock()
	change(&r.counts)
}
