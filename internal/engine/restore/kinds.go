package restore

import (
	"context"
	"errors"
	"fmt"

	"k8s.io/apimachinery/pkg/runtime/schema"
	utiljson "k8s.io/apimachinery/pkg/util/json"

	"github.com/soda-cdm/kahu/internal/core"
	"github.com/soda-cdm/kahu/internal/core/restoreplan"
	"github.com/soda-cdm/kahu/internal/core/selection"
	"github.com/soda-cdm/kahu/internal/engine"
)

// ReasonKindNotServed says that objects of a kind are to be restored which the cluster does not serve.
const ReasonKindNotServed = "KindNotServed"

// checkKinds names the kinds that cannot be restored, before anything is written. The API server takes an object in any
// version of its kind that it serves, preferred or not, and converts it; it takes none in a version that it does not
// serve, which is then sent in one that it does where the two differ in their names alone.
func (r *run) checkKinds(ctx context.Context) error {
	var problems []selection.Problem
	for _, unserved := range r.plan.Unserved(r.served) {
		taken, err := r.takenBy(ctx, unserved)
		if err != nil {
			return err
		}
		if taken {
			continue
		}
		if r.request.AllowIncomplete {
			r.Warn(core.Key{Group: unserved.Kind.Group, Resource: unserved.Kind.Resource}, wordsOf(unserved))
			continue
		}
		problems = append(problems, selection.Problem{
			Field: "spec.includeResources", Reason: ReasonKindNotServed,
			Message: wordsOf(unserved) + ": serve it, exclude it, or set allowIncomplete to true to restore the others",
		})
	}
	if len(problems) > 0 {
		return &engine.InvalidError{Problems: problems}
	}
	return nil
}

// takenBy tells whether the API server takes the objects of a kind: in the version in which they are, or in the one that it
// prefers, where that comes to the same.
func (r *run) takenBy(ctx context.Context, unserved restoreplan.Unserved) (bool, error) {
	if unserved.Served == "" {
		return false, nil
	}
	kind := unserved.Kind
	serves, err := r.Cluster.Serves(ctx, kind)
	if err != nil {
		return false, fmt.Errorf("%w: %w", engine.ErrCluster, err)
	}
	if serves {
		return true, nil
	}
	definition, err := r.definitionOf(ctx, kind)
	if err != nil || !restoreplan.Interchangeable(kind, unserved.Served, definition) {
		return false, err
	}
	r.Warn(core.Key{Group: kind.Group, Resource: kind.Resource}, fmt.Sprintf("%s of kind %s: backed up in version %s, "+
		"which the cluster does not serve, and restored as %s, from which it differs in its name alone",
		core.Count(unserved.Objects, "object"), kind, kind.Version, unserved.Served))
	r.plan.SendAs(kind, unserved.Served)
	return true, nil
}

// definitionOf returns the definition that the cluster has of a kind; nil where it has none.
func (r *run) definitionOf(ctx context.Context, kind core.Kind) (definition map[string]any, err error) {
	definitions, served := engine.FindKind(r.served, schema.GroupResource{Group: "apiextensions.k8s.io", Resource: "customresourcedefinitions"})
	if !served || !kind.Custom {
		return definition, nil
	}
	found, err := r.Cluster.Get(ctx, definitions, "", kind.GroupResource().String())
	if errors.Is(err, core.ErrNotFound) {
		return definition, nil
	}
	if err != nil {
		return nil, fmt.Errorf("%w: %w", engine.ErrCluster, err)
	}
	if err := utiljson.Unmarshal(found.JSON, &definition); err != nil {
		return nil, fmt.Errorf("%s is not the JSON of an object: %w", found.Key(), core.ErrCorrupt)
	}
	return definition, nil
}

func wordsOf(unserved restoreplan.Unserved) string {
	kind := unserved.Kind
	if unserved.Served == "" {
		return fmt.Sprintf("%s of kind %s cannot be restored: the cluster does not serve it, and its definition is "+
			"not in the restore", core.Count(unserved.Objects, "object"), kind)
	}
	return fmt.Sprintf("%s of kind %s cannot be restored: the backup has version %s, and the cluster serves "+
		"version %s and not that one", core.Count(unserved.Objects, "object"), kind, kind.Version, unserved.Served)
}
