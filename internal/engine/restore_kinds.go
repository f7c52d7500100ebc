package engine

import (
	"context"
	"fmt"

	"github.com/soda-cdm/kahu/internal/core"
	"github.com/soda-cdm/kahu/internal/core/restoreplan"
	"github.com/soda-cdm/kahu/internal/core/selection"
)

// ReasonKindNotServed says that objects of a kind are to be restored which the cluster does not serve.
const ReasonKindNotServed = "KindNotServed"

// checkKinds names the kinds that cannot be restored, before anything is written. The API server takes an object in any
// version of its kind that it serves, preferred or not, and converts it; it takes none in a version that it does not
// serve.
func (r *restoreRun) checkKinds(ctx context.Context) error {
	var problems []selection.Problem
	for _, unserved := range r.plan.Unserved(r.served) {
		if unserved.Served != "" {
			serves, err := r.Cluster.Serves(ctx, unserved.Kind)
			if err != nil {
				return fmt.Errorf("%w: %w", ErrCluster, err)
			}
			if serves {
				continue
			}
		}
		if r.request.AllowIncomplete {
			r.warn(core.Key{Group: unserved.Kind.Group, Resource: unserved.Kind.Resource}, wordsOf(unserved))
			continue
		}
		problems = append(problems, selection.Problem{
			Field: "spec.includeResources", Reason: ReasonKindNotServed,
			Message: wordsOf(unserved) + ": serve it, exclude it, or set allowIncomplete to true to restore the others",
		})
	}
	if len(problems) > 0 {
		return &InvalidError{Problems: problems}
	}
	return nil
}

func wordsOf(unserved restoreplan.Unserved) string {
	kind := unserved.Kind
	if unserved.Served == "" {
		return fmt.Sprintf("%d objects of kind %s cannot be restored: the cluster does not serve it, and its definition is "+
			"not in the restore", unserved.Objects, kind)
	}
	return fmt.Sprintf("%d objects of kind %s cannot be restored: they were backed up in version %s, and the cluster serves "+
		"version %s and not that one", unserved.Objects, kind, kind.Version, unserved.Served)
}
