package backup

import (
	"context"
	"fmt"
	"slices"

	"k8s.io/apimachinery/pkg/runtime/schema"

	"github.com/soda-cdm/kahu/internal/core"
	"github.com/soda-cdm/kahu/internal/core/reference"
	"github.com/soda-cdm/kahu/internal/core/selection"
	"github.com/soda-cdm/kahu/internal/engine"
)

// survey finds out what the server serves and what of it the filters choose.
func (r *run) survey(ctx context.Context) error {
	served, unserved, err := r.Cluster.Kinds(ctx)
	if err != nil {
		return fmt.Errorf("%w: %w", engine.ErrCluster, err)
	}
	r.judgeUnserved(unserved)
	served = selection.Cohabiting(served)
	r.kinds = r.backedUp(served)
	selector, problems := selection.Compile(r.request.Filters, served)
	missing, err := r.namespaceProblems(ctx)
	if err != nil {
		return err
	}
	declared, wrong := selection.Declare(engine.ReferencesField, r.request.Filters.References, served)
	if problems = slices.Concat(problems, missing, wrong); len(problems) > 0 {
		return &engine.InvalidError{Problems: problems}
	}
	if r.request.Hooks != nil {
		if err := r.request.Hooks.Prepare(served, selector); err != nil {
			return err
		}
	}
	r.selector = selector
	declared, err = r.lookAtDefinitions(ctx, declared)
	r.needs = selection.NewClosure(selector, reference.NewRules(declared...))
	return err
}

// judgeUnserved writes down the groups that the server cannot describe. What is in them is missing, unless the filters
// name kinds, all of which were found elsewhere, or the group holds measurements and no objects.
func (r *run) judgeUnserved(unserved []core.UnservedGroup) {
	for _, group := range unserved {
		version, err := schema.ParseGroupVersion(group.GroupVersion)
		if err != nil {
			version = schema.GroupVersion{Version: group.GroupVersion}
		}
		key := core.Key{Group: version.Group}
		if len(r.request.Filters.IncludeResources) > 0 || selection.Measures(version.Group) {
			r.Warn(key, fmt.Sprintf("the API server cannot say what is in %s: %s", group.GroupVersion, group.Message))
			continue
		}
		r.Miss(engine.Row{
			Kind: core.Kind{Group: version.Group, Version: version.Version}, Key: key,
			Reason: engine.ReasonKindUnlistable, Message: group.Message,
		})
	}
}

// backedUp returns the kinds that can be in a backup, and reports the others with the reason.
func (r *run) backedUp(served []core.Kind) []core.Kind {
	return slices.DeleteFunc(slices.Clone(served), func(kind core.Kind) bool {
		reason, never := selection.Never(kind)
		if never {
			r.Note(engine.KeyOfKind(kind, ""), "NeverBackedUp", reason)
		}
		return never
	})
}

// namespaceProblems checks that the namespaces which the filters name are there.
func (r *run) namespaceProblems(ctx context.Context) ([]selection.Problem, error) {
	at := slices.IndexFunc(r.kinds, engine.IsNamespace)
	if at < 0 || len(r.request.Filters.IncludeNamespaces) == 0 {
		return nil, nil
	}
	var existing []string
	err := r.Cluster.List(ctx, core.ListRequest{Kind: r.kinds[at]}, func(page core.Page) error {
		for _, namespace := range page.Objects {
			existing = append(existing, namespace.Name)
		}
		return nil
	})
	if err != nil {
		return nil, fmt.Errorf("%w: listing namespaces: %w", engine.ErrCluster, err)
	}
	return selection.CheckNamespaces(r.request.Filters, existing), nil
}
