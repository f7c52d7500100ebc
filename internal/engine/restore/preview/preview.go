package preview

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"

	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/utils/clock"

	"github.com/soda-cdm/kahu/internal/core"
	"github.com/soda-cdm/kahu/internal/core/archive"
	"github.com/soda-cdm/kahu/internal/core/diff"
	"github.com/soda-cdm/kahu/internal/core/restoreplan"
	"github.com/soda-cdm/kahu/internal/engine"
	"github.com/soda-cdm/kahu/internal/engine/restore/draft"
)

// Action is what a restore would do to an object.
type Action string

// What a restore would do.
const (
	// Create means that the object is created.
	Create Action = "Create"
	// Update means that one that is there is made equal to the backup.
	Update Action = "Update"
	// Recreate means that one that is there is deleted and created again.
	Recreate Action = "Recreate"
	// Unchanged means that one that is there is as in the backup.
	Unchanged Action = "Unchanged"
	// Skip means that the object is left alone.
	Skip Action = "Skip"
	// Conflict means that it cannot be as it is wished.
	Conflict Action = "Conflict"
)

// The limits of a row: changes, and bytes of a value. The rows of a wave are written down when they are this many bytes, even
// where it has not ended.
const (
	maxPlanFields = 100
	maxValueText  = 256
	maxHeld       = 8 << 20
)

// toBeMade stands for the UID of an owner that the restore makes.
const toBeMade = types.UID("to-be-made")

// Row is what a restore would do to one object.
type Row struct {
	Kind   core.Kind
	Key    core.Key
	Action Action
	// Reason says why; Checked tells that the API server's own dry run agreed.
	Reason  string
	Checked bool
	// Fields are the first of what would change in an object that is there, FieldsTotal is the number of all.
	Fields      []Field
	FieldsTotal int
}

// Field is one field that would change, with as much of its values as is shown.
type Field struct {
	Op   diff.Op
	Line string
}

// Result is what a restore would do.
type Result struct {
	// Counts are how many objects would meet which end.
	Counts map[Action]int64
	// Unchecked is the number of those that would be created and that the API server could not be asked about.
	Unchecked int64
	// Rows are the first conflicts, then the first objects that are changed, those that are created, and those that stay, each
	// in the order of the plan as it was written; Problems is what is missing around them.
	Rows     []Row
	Problems []string
	// Refused tells that the restore would be refused for one of them, and create nothing.
	Refused bool
	// File is the name of the whole plan in the store; empty where it could not be written.
	File string
}

// run is a plan that is being asked for.
type run struct {
	*Previewer

	mu         sync.Mutex
	result     Result
	first      [ranks][]Row      // the first rows of each rank
	wave       []Row             // those that are not written down yet
	held       int               // how many bytes these are
	namespaces map[string]bool   // those that the restore makes, known when their wave has been asked for
	defined    map[string]bool   // the kinds, as plural.group, whose definitions it makes
	planned    map[core.Key]bool // the classes that it makes
	made       map[core.Key]bool // what it makes, known when its wave has been asked for
	needs      map[restoreplan.Need]string
	created    map[string]map[core.Key]int64 // how many objects of which kind, by namespace
	hasDefault bool                          // one of the classes that it makes is the default one
	lines      *archive.ReportWriter
	content    bytes.Buffer
}

// Cluster is what a preview asks of a cluster.
type Cluster interface {
	engine.LivingGetter
	engine.ObjectLister
	// TryCreate and TryUpdate ask the API server what would come of a write; nothing is written.
	TryCreate(ctx context.Context, kind core.Kind, object *unstructured.Unstructured, manager string) (core.Object, error)
	TryUpdate(ctx context.Context, kind core.Kind, object *unstructured.Unstructured, manager string) (core.Object, error)
}

// Previewer asks what would come of a plan.
type Previewer struct {
	// Ledger is told what people should know, Progress how many objects have been asked for.
	*engine.Ledger
	Progress *engine.Meter

	// Cluster is asked, Served are the kinds that it serves.
	Cluster Cluster
	Served  []core.Kind
	// Clock gives the times that are written down.
	Clock clock.PassiveClock
	// Plan is what would be carried out, Policy what would be done about objects that are there, and Manager and Updater the
	// names under which objects would be created and written over.
	Plan             *restoreplan.Plan
	Policy           restoreplan.Policy
	Manager, Updater string
	// Drafts makes what would be written, through Draft.
	Drafts *draft.Drafter
	Draft  func(ctx context.Context, item *restoreplan.Item, content []byte) (draft.Draft, error)
	// Each reads the objects of a wave and acts on them, on many at once.
	Each func(ctx context.Context, wave restoreplan.Wave, act Act) error
	// Problems are known to be in the way already. Missing are the storage classes that are not there, and that they name.
	Problems []string
	Missing  map[string]bool
	// Refused tells that one of them has the whole restore refused; Doomed returns why an object would not be created although the
	// API server takes it, nil where it would. A nil Doomed knows nothing.
	Refused bool
	Doomed  func(wish draft.Draft) error
	// Write writes the file of the whole plan and returns its name; nil: there is no place for it.
	Write func(ctx context.Context, content []byte) (string, error)
}

// Act is what is done with an object of the backup.
type Act = func(ctx context.Context, item *restoreplan.Item, content []byte) error

// Run asks the API server, object by object, what would come of the plan. Nothing is written to the cluster. With an error
// the result is what was found until then.
func (p *Previewer) Run(ctx context.Context) (*Result, error) {
	work := &run{
		Previewer: p, result: Result{Counts: map[Action]int64{}, Problems: slices.Clone(p.Problems), Refused: p.Refused},
		namespaces: map[string]bool{}, defined: map[string]bool{}, planned: map[core.Key]bool{},
		made: map[core.Key]bool{}, needs: map[restoreplan.Need]string{}, created: map[string]map[core.Key]int64{},
	}
	lines, err := archive.NewReportWriter(&work.content)
	if err != nil {
		return nil, err
	}
	work.lines = lines
	return &work.result, work.do(ctx)
}

func (p *run) do(ctx context.Context) error {
	p.expectPlanned()
	if err := p.expectNamespaces(ctx); err != nil {
		return err
	}
	for _, wave := range p.Plan.Waves {
		err := p.Each(ctx, wave, func(ctx context.Context, item *restoreplan.Item, content []byte) error {
			return p.previewItem(ctx, item, content)
		})
		if err == nil {
			err = p.endWave()
		}
		if err != nil {
			return fmt.Errorf("wave of %s: %w", wave.Name, err)
		}
	}
	if err := p.previewSkipped(); err != nil {
		return err
	}
	for _, rows := range p.first {
		p.result.Rows = append(p.result.Rows, rows[:min(len(rows), engine.MaxRows-len(p.result.Rows))]...)
	}
	if err := p.preflight(ctx); err != nil {
		return err
	}
	return p.writePlan(ctx)
}

// previewSkipped adds the rows of what the plan does not create.
func (p *run) previewSkipped() error {
	for _, item := range p.Plan.Skipped {
		row := Row{Kind: *item.Kind, Key: p.Drafts.Transformer.Key(*item.Kind, item.Key()), Action: Skip, Reason: item.Reason}
		if err := p.addRow(row); err != nil {
			return err
		}
	}
	return p.endWave()
}

// expectPlanned notes what the restore itself makes and others wait for.
func (p *run) expectPlanned() {
	for _, wave := range p.Plan.Waves {
		for _, item := range wave.Items {
			switch {
			case wave.Definitions:
				p.defined[item.Name] = true
			case !item.Kind.Namespaced:
				p.planned[item.Key()] = true
			}
		}
	}
}

// expectNamespaces notes the namespaces that the restore makes although they are not in it: those that are not there, or
// are being deleted.
func (p *run) expectNamespaces(ctx context.Context) error {
	for _, name := range p.Plan.Awaited {
		target := p.Drafts.Transformer.Namespace(name)
		living, err := p.Cluster.Living(ctx, engine.NamespaceKind(), "", target)
		switch {
		case errors.Is(err, core.ErrNotFound):
		case err != nil:
			return fmt.Errorf("%w: %w", engine.ErrCluster, err)
		case !living.Terminating:
			continue
		}
		p.namespaces[target] = true
		p.problemf("namespace %s is neither in the cluster nor in the plan: it would be made without labels and annotations", target)
	}
	return nil
}

// previewItem adds a row for one object.
func (p *run) previewItem(ctx context.Context, item *restoreplan.Item, content []byte) error {
	defer p.Progress.Done(1, int64(len(content)))
	wish, err := p.Draft(ctx, item, content)
	finished := errors.Is(err, draft.ErrFinished)
	if err != nil && !finished {
		return err
	}
	row := Row{Kind: *item.Kind, Key: wish.Key()}
	switch {
	case wish.Unfit != nil:
		row.Action, row.Reason = Conflict, "a transform cannot be applied to it: "+wish.Unfit.Error()
	case finished:
		row.Action, row.Reason, row.Key = Skip, draft.ErrFinished.Error(), p.Drafts.Transformer.Key(*item.Kind, item.Key())
	}
	if row.Action != "" {
		return p.addRow(row)
	}
	p.require(wish)
	p.judge(ctx, wish, &row)
	if ctx.Err() != nil {
		return ctx.Err()
	}
	p.judgeDoomed(wish, &row)
	if row.Action == Create || row.Action == Recreate {
		p.Drafts.Remember(item, toBeMade)
	}
	return p.addRow(row)
}

// require notes what the object needs around it.
func (p *run) require(wish draft.Draft) {
	p.mu.Lock()
	defer p.mu.Unlock()
	for _, need := range restoreplan.Needs(*wish.Item.Kind, wish.Object.Object) {
		if _, known := p.needs[need]; !known {
			p.needs[need] = wish.Key().String()
		}
	}
	if restoreplan.IsDefaultClass(wish.Object.Object) {
		p.hasDefault = true
	}
}

// addRow adds a row to the wave.
func (p *run) addRow(row Row) error {
	if full := p.add(row); full {
		return p.endWave()
	}
	return nil
}

// add adds a row to the wave, and tells whether what it holds is to be written down.
func (p *run) add(row Row) (full bool) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if row.Action == Create {
		p.creates(row)
	}
	if p.Refused && (row.Action == Create || row.Action == Update || row.Action == Recreate) {
		row.Action, row.Reason = Conflict, "the whole restore would be refused: see the problems"
	}
	p.wave = append(p.wave, row)
	p.held += row.size()
	p.result.Counts[row.Action]++
	return p.held > maxHeld
}

// creates takes note of an object that would be created.
func (p *run) creates(row Row) {
	p.made[row.Key] = true
	if !row.Checked && !p.Refused {
		p.result.Unchecked++
	}
	if engine.IsNamespace(row.Kind) {
		p.namespaces[row.Key.Name] = true
	}
	if row.Key.Namespace != "" {
		kind := core.Key{Group: row.Key.Group, Resource: row.Key.Resource}
		if p.created[row.Key.Namespace] == nil {
			p.created[row.Key.Namespace] = map[core.Key]int64{}
		}
		p.created[row.Key.Namespace][kind]++
	}
}

// show takes over what is shown of the fields that differ.
func (row *Row) show(fields []diff.Field) {
	row.FieldsTotal = len(fields)
	for _, field := range fields[:min(row.FieldsTotal, maxPlanFields)] {
		row.Fields = append(row.Fields, Field{Op: field.Op, Line: planLine(field)})
	}
}

// size is about how many bytes a row takes.
func (row *Row) size() int {
	const itself = 256
	size := itself + len(row.Reason) + len(row.Key.Namespace) + len(row.Key.Name)
	for _, field := range row.Fields {
		size += len(field.Line)
	}
	return size
}
