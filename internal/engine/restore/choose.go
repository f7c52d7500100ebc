package restore

import (
	"context"
	"fmt"
	"maps"
	"slices"

	"k8s.io/apimachinery/pkg/runtime/schema"

	"github.com/soda-cdm/kahu/internal/core"
	"github.com/soda-cdm/kahu/internal/core/archive"
	"github.com/soda-cdm/kahu/internal/core/reference"
	"github.com/soda-cdm/kahu/internal/core/restoreplan"
	"github.com/soda-cdm/kahu/internal/core/selection"
	"github.com/soda-cdm/kahu/internal/engine"
)

// choose goes through the index and gives to the planner what the filters choose and what that needs. What is in the
// backup is all that there is to choose from.
func (r *run) choose(ctx context.Context) error {
	kinds := make([]core.Kind, 0, len(r.manifest.Kinds))
	for i := range r.manifest.Kinds {
		kinds = append(kinds, r.manifest.Kinds[i].Kind)
	}
	// To include what the backup has none of is a mistake, to exclude it is none.
	if _, problems := selection.Compile(selection.Filters{IncludeResources: r.request.Filters.IncludeResources}, kinds); len(problems) > 0 {
		return &engine.InvalidError{Problems: problems}
	}
	inBackup := make(map[schema.GroupResource]bool, len(kinds))
	for _, kind := range kinds {
		inBackup[kind.GroupResource()] = true
	}
	for _, kind := range r.served {
		if !inBackup[kind.GroupResource()] {
			kinds = append(kinds, kind)
		}
	}
	selector, problems := selection.Compile(r.request.Filters, kinds)
	declared, wrong := selection.Declare(engine.ReferencesField, r.request.Filters.References, kinds)
	problems = slices.Concat(problems, r.namespaceProblems(ctx), wrong, r.compileStatus(kinds))
	if len(problems) > 0 {
		return &engine.InvalidError{Problems: problems}
	}
	r.selector = selector
	declared, err := r.declaredInBackup(ctx, kinds, declared)
	if err != nil {
		return err
	}
	rules := reference.NewRules(declared...)
	r.needs = selection.NewClosure(selector, rules)
	r.names.Follow(rules, kinds)
	r.planner = restoreplan.NewPlanner()
	if err := r.chooseSelected(ctx); err != nil {
		return err
	}
	if err := r.chooseNeeded(ctx); err != nil {
		return err
	}
	r.counts.Total = r.chosen
	r.counts.Excluded = r.manifest.Counts.Objects - r.chosen
	r.progress.Expect(r.chosen)
	return nil
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
	r.names.Add(record.Kind, record.Namespace, record.Name, record.Labels)
	return r.planner.Add(&record)
}

// visitNeeds reads objects and notes what they need. Where everything is chosen, nothing is read.
func (r *run) visitNeeds(ctx context.Context, records []archive.Record) error {
	if len(records) == 0 || r.selector.Everything() {
		return nil
	}
	return r.readObjects(ctx, records, func(record archive.Record, content []byte) error {
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
	return r.contents.EachRecord(ctx, r.manifest.Index, visit)
}

// namespaceProblems checks that the included namespaces, and those that are mapped, are in the backup: what a slip in a
// mapping leaves out would be restored under its old name.
func (r *run) namespaceProblems(ctx context.Context) []selection.Problem {
	mapping := r.request.Transform.NamespaceMapping
	if len(r.request.Filters.IncludeNamespaces) == 0 && len(mapping) == 0 {
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
	problems := selection.CheckNamespaces(r.request.Filters, existing)
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
