package restore

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"sync"

	"k8s.io/apimachinery/pkg/types"

	"github.com/soda-cdm/kahu/internal/core"
	"github.com/soda-cdm/kahu/internal/core/archive"
	"github.com/soda-cdm/kahu/internal/core/diff"
	"github.com/soda-cdm/kahu/internal/core/restoreplan"
	"github.com/soda-cdm/kahu/internal/engine"
)

// PlanAction is what a restore would do to an object.
type PlanAction string

// What a restore would do.
const (
	// PlanCreate means that the object is created.
	PlanCreate PlanAction = "Create"
	// PlanUpdate means that one that is there is made equal to the backup.
	PlanUpdate PlanAction = "Update"
	// PlanRecreate means that one that is there is deleted and created again.
	PlanRecreate PlanAction = "Recreate"
	// PlanUnchanged means that one that is there is as in the backup.
	PlanUnchanged PlanAction = "Unchanged"
	// PlanSkip means that the object is left alone.
	PlanSkip PlanAction = "Skip"
	// PlanConflict means that it cannot be as it is wished.
	PlanConflict PlanAction = "Conflict"
)

// The limits of a row: changes, and bytes of a value. The rows of a wave are written down when they are this many bytes, even
// where it has not ended.
const (
	maxPlanFields = 100
	maxValueText  = 256
	maxHeld       = 8 << 20
)

// PlanRow is what a restore would do to one object.
type PlanRow struct {
	Kind   core.Kind
	Key    core.Key
	Action PlanAction
	// Reason says why; Checked tells that the API server's own dry run agreed.
	Reason  string
	Checked bool
	// Fields are the first of what would change in an object that is there, FieldsTotal is the number of all.
	Fields      []PlanField
	FieldsTotal int
}

// PlanField is one field that would change, with as much of its values as is shown.
type PlanField struct {
	Op   diff.Op
	Line string
}

// Preview is what a restore would do.
type Preview struct {
	// Counts are how many objects would meet which end.
	Counts map[PlanAction]int64
	// Unchecked is the number of those that would be created and that the API server could not be asked about.
	Unchecked int64
	// Rows are the first conflicts, then the first objects that are changed, those that are created, and those that stay, each
	// in the order of the plan as it was written; Problems is what is missing around them.
	Rows     []PlanRow
	Problems []string
	// File is the name of the whole plan in the store; empty where it could not be written.
	File string
}

// preview is a plan that is being asked for.
type preview struct {
	mu         sync.Mutex
	result     Preview
	first      [ranks][]PlanRow  // the first rows of each rank
	wave       []PlanRow         // those that are not written down yet
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

// previewPlan asks the API server, object by object, what would come of the plan. Nothing is written to the cluster.
func (r *run) previewPlan(ctx context.Context) error {
	p := &preview{
		result:     Preview{Counts: map[PlanAction]int64{}},
		namespaces: map[string]bool{}, defined: map[string]bool{}, planned: map[core.Key]bool{},
		made: map[core.Key]bool{}, needs: map[restoreplan.Need]string{}, created: map[string]map[core.Key]int64{},
	}
	lines, err := archive.NewReportWriter(&p.content)
	if err != nil {
		return err
	}
	p.lines, r.previewed = lines, p
	r.expectPlanned(p)
	if err := r.expectNamespaces(ctx, p); err != nil {
		return err
	}
	for _, wave := range r.plan.Waves {
		err := r.eachObject(ctx, wave, func(ctx context.Context, item *restoreplan.Item, content []byte) error {
			return r.previewItem(ctx, p, item, content)
		})
		if err == nil {
			err = r.endWave(p)
		}
		if err != nil {
			return fmt.Errorf("wave of %s: %w", wave.Name, err)
		}
	}
	if err := r.previewSkipped(p); err != nil {
		return err
	}
	for _, rows := range p.first {
		p.result.Rows = append(p.result.Rows, rows[:min(len(rows), engine.MaxRows-len(p.result.Rows))]...)
	}
	if err := r.preflight(ctx, p); err != nil {
		return err
	}
	return r.writePlan(ctx, p)
}

// previewSkipped adds the rows of what the plan does not create.
func (r *run) previewSkipped(p *preview) error {
	for _, item := range r.plan.Skipped {
		row := PlanRow{Kind: *item.Kind, Key: r.transformer.Key(*item.Kind, item.Key()), Action: PlanSkip, Reason: item.Reason}
		if err := r.addRow(p, row); err != nil {
			return err
		}
	}
	return r.endWave(p)
}

// expectPlanned notes what the restore itself makes and others wait for.
func (r *run) expectPlanned(p *preview) {
	for _, wave := range r.plan.Waves {
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
func (r *run) expectNamespaces(ctx context.Context, p *preview) error {
	for _, name := range r.plan.Awaited {
		target := r.transformer.Namespace(name)
		living, err := r.Cluster.Living(ctx, namespaceKind(), "", target)
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
func (r *run) previewItem(ctx context.Context, p *preview, item *restoreplan.Item, content []byte) error {
	defer r.progress.Done(1, int64(len(content)))
	wish, ok, err := r.prepare(ctx, item, content)
	if err != nil {
		return err
	}
	row := PlanRow{Kind: *item.Kind, Key: wish.key()}
	switch {
	case wish.unfit != nil:
		row.Action, row.Reason = PlanConflict, "a transform cannot be applied to it: "+wish.unfit.Error()
	case !ok:
		row.Action, row.Reason, row.Key = PlanSkip, whyFinished, r.transformer.Key(*item.Kind, item.Key())
	}
	if row.Action != "" {
		return r.addRow(p, row)
	}
	r.remember(item, types.UID("to-be-made"))
	p.require(wish)
	r.judge(ctx, p, wish, &row)
	if ctx.Err() != nil {
		return ctx.Err()
	}
	return r.addRow(p, row)
}

// judge asks the API server what would come of an object.
func (r *run) judge(ctx context.Context, p *preview, wish wished, row *PlanRow) {
	_, err := r.Cluster.TryCreate(ctx, row.Kind, wish.object, r.manager)
	switch {
	case err == nil:
		row.Action, row.Checked = PlanCreate, true
	case p.waitsForNamespace(row.Key.Namespace, err):
		row.Action, row.Reason = PlanCreate, "not checked by the API server, as the restore makes its namespace"
	case r.nameIsTaken(ctx, wish, err):
		row.Checked = true
		r.judgeExisting(ctx, wish, row)
	default:
		p.judgeRefused(err, row)
		if isRefusal(err) {
			r.judgeWanting(ctx, p, wish, row)
		}
	}
}

// judgeRefused tells an object that the API server cannot check yet from one that it does not take.
func (p *preview) judgeRefused(err error, row *PlanRow) {
	homeless := errors.Is(err, core.ErrNotFound) && row.Key.Namespace != ""
	unserved := errors.Is(err, core.ErrUnsupported)
	row.Action, row.Checked, row.Reason = PlanConflict, true, err.Error()
	switch {
	case unserved && p.defined[row.Kind.GroupResource().String()]:
		row.Action, row.Checked = PlanCreate, false
		row.Reason = "not checked by the API server, which serves its kind when the restore has made the definition"
	case unserved:
		row.Reason = "the API server does not serve its kind, and the definition is not in the plan: " + row.Reason
	case homeless:
		row.Reason = "its namespace is not there, and would not be made: " + row.Reason
	}
}

// judgeExisting says what would come of an object that is there, by the policy.
func (r *run) judgeExisting(ctx context.Context, wish wished, row *PlanRow) {
	living, err := r.Cluster.Living(ctx, row.Kind, row.Key.Namespace, row.Key.Name)
	shared := r.shared(wish.item)
	switch {
	case err != nil:
		row.Action, row.Reason = PlanConflict, err.Error()
		return
	case living.Terminating && (shared || r.request.Existing != restoreplan.Fail):
		row.Action, row.Checked, row.Reason = PlanCreate, false, whyLeaving(living)
		return
	case shared:
		row.Action, row.Reason = PlanSkip, whyShared
		return
	}
	row.Action, row.Reason = PlanSkip, "an object of that name is there already"
	switch r.request.Existing {
	case restoreplan.Update, restoreplan.Recreate:
		r.judgeChange(ctx, wish, living, row)
	case restoreplan.Fail:
		row.Action, row.Reason = PlanConflict, "an object of that name is there already, and the policy is Fail"
	case restoreplan.Skip:
	}
}

// whyLeaving says what an object waits for whose name one has that is being deleted.
func whyLeaving(living core.Living) string {
	why := "not checked by the API server, as an object of that name is being deleted: the restore waits for it to go"
	if len(living.Finalizers) > 0 {
		why += fmt.Sprintf(", and it waits for its finalizers %v", living.Finalizers)
	}
	return why
}

// judgeChange says what would come of writing over an object that is there, or of making it anew.
func (r *run) judgeChange(ctx context.Context, wish wished, living core.Living, row *PlanRow) {
	before, next, err := r.merged(ctx, wish)
	var tried core.Object
	if err == nil {
		tried, err = r.Cluster.TryUpdate(ctx, row.Kind, next, r.updater)
	}
	if err == nil {
		row.show(r.differences(wish, before, tried))
	}
	decided := restoreplan.ToRecreate(living)
	switch {
	case err == nil && row.FieldsTotal == 0:
		row.Action, row.Reason = PlanUnchanged, "it is as in the backup"
	case r.request.Existing == restoreplan.Recreate && decided.Refused != "":
		row.Action, row.Reason = PlanConflict, "it differs and is not recreated, as "+decided.Refused
	case r.request.Existing == restoreplan.Recreate:
		row.Action, row.Reason = PlanRecreate, "it differs"
	case err != nil:
		row.Action, row.Reason = PlanConflict, updateRefused(err).Error()
	default:
		row.Action, row.Reason = PlanUpdate, "it differs"
	}
}

// require notes what the object needs around it.
func (p *preview) require(wish wished) {
	p.mu.Lock()
	defer p.mu.Unlock()
	for _, need := range restoreplan.Needs(*wish.item.Kind, wish.object.Object) {
		if _, known := p.needs[need]; !known {
			p.needs[need] = wish.key().String()
		}
	}
	if restoreplan.IsDefaultClass(wish.object.Object) {
		p.hasDefault = true
	}
}

// addRow adds a row to the wave.
func (r *run) addRow(p *preview, row PlanRow) error {
	if full := p.add(row); full {
		return r.endWave(p)
	}
	return nil
}

// add adds a row to the wave, and tells whether what it holds is to be written down.
func (p *preview) add(row PlanRow) (full bool) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.wave = append(p.wave, row)
	p.held += row.size()
	p.result.Counts[row.Action]++
	if row.Action == PlanCreate {
		p.creates(row)
	}
	return p.held > maxHeld
}

// creates takes note of an object that would be created.
func (p *preview) creates(row PlanRow) {
	p.made[row.Key] = true
	if !row.Checked {
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
func (row *PlanRow) show(fields []diff.Field) {
	row.FieldsTotal = len(fields)
	for _, field := range fields[:min(row.FieldsTotal, maxPlanFields)] {
		row.Fields = append(row.Fields, PlanField{Op: field.Op, Line: planLine(field)})
	}
}

// size is about how many bytes a row takes.
func (row *PlanRow) size() int {
	const itself = 256
	size := itself + len(row.Reason) + len(row.Key.Namespace) + len(row.Key.Name)
	for _, field := range row.Fields {
		size += len(field.Line)
	}
	return size
}

// waitsForNamespace tells whether an object was refused because the restore makes its namespace first. It is not there, or is
// being deleted, which conflicts with whatever is to be created in it.
func (p *preview) waitsForNamespace(namespace string, err error) bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.namespaces[namespace] && (errors.Is(err, core.ErrNotFound) || errors.Is(err, core.ErrConflict))
}
