package choice

import (
	"context"
	"fmt"
	"maps"
	"slices"

	"k8s.io/apimachinery/pkg/runtime/schema"

	"github.com/soda-cdm/kahu/internal/core"
	"github.com/soda-cdm/kahu/internal/core/archive"
	"github.com/soda-cdm/kahu/internal/core/naming"
	"github.com/soda-cdm/kahu/internal/core/reference"
	"github.com/soda-cdm/kahu/internal/core/restoreplan"
	"github.com/soda-cdm/kahu/internal/core/selection"
	"github.com/soda-cdm/kahu/internal/engine"
)

// Chooser chooses from a backup.
type Chooser struct {
	// Ledger is told what the chosen objects need and the backup does not have.
	*engine.Ledger

	// Manifest is that of the backup, Contents reads its files.
	Manifest *archive.Manifest
	Contents *engine.Contents
	// Names is told what is chosen; nil where no name changes.
	Names *naming.Names
}

// Wish is what is asked for.
type Wish struct {
	// Filters choose the objects, and Status those of them whose status is restored; nil means none.
	Filters selection.Filters
	Status  *selection.Filters
	// NamespaceMapping says which namespaces get another name.
	NamespaceMapping map[string]string
	// Served are the kinds that the cluster serves.
	Served []core.Kind
}

// Choice is what was chosen.
type Choice struct {
	// Planner has been given the chosen objects, Total is their number.
	Planner *restoreplan.Planner
	Total   int64
	// WithStatus chooses the objects whose status is restored; nil means none.
	WithStatus *selection.Selector
}

// run is one choice.
type run struct {
	*Chooser

	wish       Wish
	selector   *selection.Selector
	needs      *selection.Closure
	planner    *restoreplan.Planner
	withStatus *selection.Selector
	chosen     int64
}

// statusField is where a Restore says of which objects the status is restored.
const statusField = "spec.restoreStatus"

// Choose goes through the index and gives to the planner what the filters choose and what that needs. What is in the
// backup is all that there is to choose from.
func (c *Chooser) Choose(ctx context.Context, wish Wish) (Choice, error) {
	r := &run{Chooser: c, wish: wish, planner: restoreplan.NewPlanner()}
	kinds := make([]core.Kind, 0, len(r.Manifest.Kinds))
	for i := range r.Manifest.Kinds {
		kinds = append(kinds, r.Manifest.Kinds[i].Kind)
	}
	// To include what the backup has none of is a mistake, to exclude it is none.
	if _, problems := selection.Compile(selection.Filters{IncludeResources: r.wish.Filters.IncludeResources}, kinds); len(problems) > 0 {
		return Choice{}, &engine.InvalidError{Problems: problems}
	}
	inBackup := make(map[schema.GroupResource]bool, len(kinds))
	for _, kind := range kinds {
		inBackup[kind.GroupResource()] = true
	}
	for _, kind := range r.wish.Served {
		if !inBackup[kind.GroupResource()] {
			kinds = append(kinds, kind)
		}
	}
	selector, problems := selection.Compile(r.wish.Filters, kinds)
	declared, wrong := selection.Declare(engine.ReferencesField, r.wish.Filters.References, kinds)
	problems = slices.Concat(problems, r.namespaceProblems(ctx), wrong, r.compileStatus(kinds))
	if len(problems) > 0 {
		return Choice{}, &engine.InvalidError{Problems: problems}
	}
	r.selector = selector
	declared, err := r.declaredInBackup(ctx, kinds, declared)
	if err != nil {
		return Choice{}, err
	}
	rules := reference.NewRules(declared...)
	r.needs = selection.NewClosure(selector, rules)
	r.Names.Follow(rules, kinds)
	if err := r.chooseSelected(ctx); err != nil {
		return Choice{}, err
	}
	if err := r.chooseNeeded(ctx); err != nil {
		return Choice{}, err
	}
	return Choice{Planner: r.planner, WithStatus: r.withStatus, Total: r.chosen}, nil
}

// chooseSelected gives the planner what the filters choose.
func (r *run) chooseSelected(ctx context.Context) error {
	var pending []archive.Record
	err := r.eachRecord(ctx, func(record archive.Record) error {
		if !r.selector.Object(record.Kind, record.Namespace, record.Name, record.Labels).In {
			return nil
		}
		record.Reason = core.Selected
		if err := r.take(record); err != nil {
			return err
		}
		if pending = append(pending, record); len(pending) < engine.Chunk {
			return nil
		}
		full := pending
		pending = pending[:0]
		return r.visitNeeds(ctx, full)
	})
	if err != nil {
		return err
	}
	return r.visitNeeds(ctx, pending)
}

// chooseNeeded goes through the index again for what the chosen objects need, until nothing new is found: for what
// they name, and then for what points to them. Each pass is one step further away from what was chosen, and there are
// few of them.
func (r *run) chooseNeeded(ctx context.Context) error {
	for {
		for pending := r.needs.Pending(); len(pending) > 0; pending = r.needs.Pending() {
			if err := r.chooseFrom(ctx, pending); err != nil {
				return err
			}
		}
		searches := r.needs.Searches()
		if len(searches) == 0 {
			break
		}
		if err := r.searchAll(ctx, searches); err != nil {
			return err
		}
	}
	for _, warning := range r.needs.Warnings() {
		r.Warn(warning.Key, warning.Message)
	}
	return nil
}

// chooseFrom gives the planner those of the needed objects that are in the backup.
func (r *run) chooseFrom(ctx context.Context, pending []selection.Pending) error {
	wanted := make(map[core.Key]selection.Pending, len(pending))
	for _, need := range pending {
		wanted[need.Key()] = need
	}
	var found []archive.Record
	err := r.eachRecord(ctx, func(record archive.Record) error {
		if _, asked := wanted[record.Key()]; !asked {
			return nil
		}
		record.Reason = wanted[record.Key()].Reason
		delete(wanted, record.Key())
		found = append(found, record)
		return r.take(record)
	})
	if err != nil {
		return err
	}
	for key, need := range wanted {
		if !need.Optional {
			r.Warn(key, need.Missing())
		}
	}
	return r.visitNeeds(ctx, found)
}

// take gives an object to the planner. Its reason is by now why it is in the restore, and not why it was in the backup.
func (r *run) take(record archive.Record) error {
	r.chosen++
	r.Names.Add(record.Kind, record.Namespace, record.Name, record.Labels)
	return r.planner.Add(&record)
}

// visitNeeds reads objects and notes what they need. Where everything is chosen, nothing is read.
func (r *run) visitNeeds(ctx context.Context, records []archive.Record) error {
	if len(records) == 0 || r.selector.Everything() {
		return nil
	}
	return r.Contents.Objects(ctx, r.Manifest, records, func(record archive.Record, content []byte) error {
		return r.needs.Visit(objectOf(record, content))
	})
}

func objectOf(record archive.Record, content []byte) core.Object {
	return core.Object{
		Kind: record.Kind, Namespace: record.Namespace, Name: record.Name, UID: record.UID,
		Labels: record.Labels, Owners: record.Owners, JSON: content,
	}
}

// eachRecord streams the index. That the index is as it was written is known at its end only, so what visit does must
// not reach the cluster.
func (r *run) eachRecord(ctx context.Context, visit func(record archive.Record) error) error {
	return r.Contents.EachRecord(ctx, r.Manifest.Index, visit)
}

// namespaceProblems checks that the included namespaces, and those that are mapped, are in the backup: what a slip in a
// mapping leaves out would be restored under its old name.
func (r *run) namespaceProblems(ctx context.Context) []selection.Problem {
	mapping := r.wish.NamespaceMapping
	if len(r.wish.Filters.IncludeNamespaces) == 0 && len(mapping) == 0 {
		return nil
	}
	seen := map[string]bool{}
	err := r.eachRecord(ctx, func(record archive.Record) error {
		if record.Namespace != "" {
			seen[record.Namespace] = true
		} else if engine.IsNamespace(record.Kind) {
			seen[record.Name] = true
		}
		return nil
	})
	if err != nil {
		return nil // The same error comes when the objects are chosen.
	}
	existing := make([]string, 0, len(seen))
	for name := range seen {
		existing = append(existing, name)
	}
	problems := selection.CheckNamespaces(r.wish.Filters, existing)
	for _, name := range slices.Sorted(maps.Keys(mapping)) {
		if !seen[name] {
			problems = append(problems, selection.Problem{
				Field: "spec.namespaceMapping[" + name + "]", Reason: selection.ReasonNamespaceNotFound,
				Message: fmt.Sprintf("there is no namespace %q in the backup: correct the name, or remove it", name),
			})
		}
	}
	return problems
}

// compileStatus makes a selector of the wish for which objects the status is restored.
func (r *run) compileStatus(kinds []core.Kind) []selection.Problem {
	if r.wish.Status == nil {
		return nil
	}
	selector, problems := selection.Compile(*r.wish.Status, kinds)
	for i := range problems {
		problems[i].Field = statusField + problems[i].Field[len("spec"):]
	}
	r.withStatus = selector
	return problems
}
