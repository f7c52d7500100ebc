package restore

import (
	"context"
	"errors"
	"fmt"

	utiljson "k8s.io/apimachinery/pkg/util/json"

	"github.com/soda-cdm/kahu/internal/core"
	"github.com/soda-cdm/kahu/internal/core/archive"
	"github.com/soda-cdm/kahu/internal/core/naming"
	"github.com/soda-cdm/kahu/internal/core/restoreplan"
	"github.com/soda-cdm/kahu/internal/core/selection"
	"github.com/soda-cdm/kahu/internal/engine"
)

// ReasonInvalidPrefix says that objects cannot have the names that a prefix would give them.
const ReasonInvalidPrefix = "InvalidPrefix"

// prefixField is where a Restore has the prefix.
const prefixField = "spec.resourcePrefix"

// decideNames decides which names the objects of the plan get, and refuses what they cannot have before anything is written.
func (r *run) decideNames(ctx context.Context) error {
	if r.names == nil {
		return nil
	}
	if err := r.readSets(ctx); err != nil {
		return err
	}
	var problems []selection.Problem
	for _, wave := range r.plan.Waves {
		for _, item := range wave.Items {
			wrong := r.names.Check(*item.Kind, item.Namespace, item.Name)
			if wrong != "" && len(problems) < engine.MaxRows {
				problems = append(problems, selection.Problem{Field: prefixField, Reason: ReasonInvalidPrefix, Message: wrong})
			}
		}
	}
	if len(problems) > 0 {
		return &engine.InvalidError{Problems: problems}
	}
	return r.warnOfSharedPods(ctx)
}

// warnOfSharedPods names the namespaces in which both the restored objects and their originals choose pods, by the same
// labels. It looks for the first original of each kind.
func (r *run) warnOfSharedPods(ctx context.Context) error {
	looked := map[core.Key]bool{} // kinds in namespaces, and namespaces that are done
	for _, wave := range r.plan.Waves {
		for _, item := range wave.Items {
			inNamespace := core.Key{Group: item.Kind.Group, Resource: item.Kind.Resource, Namespace: item.Namespace}
			namespace := core.Key{Resource: "namespaces", Name: item.Namespace}
			if looked[inNamespace] || looked[namespace] || !r.choosesBesides(item) {
				continue
			}
			looked[inNamespace] = true
			there, err := r.originalIsThere(ctx, item)
			if err != nil {
				return err
			}
			if !there {
				continue
			}
			looked[namespace] = true
			r.Warn(namespace, fmt.Sprintf("namespace %s has the originals (such as %s %s), and a prefix changes no labels: services, "+
				"disruption budgets and network policies of both choose the pods of both, and autoscalers stop where two choose the "+
				"same pods: map the namespace where this must not be", item.Namespace, item.Kind, item.Name))
		}
	}
	return nil
}

// choosesBesides tells whether an object chooses pods by labels, and would do so beside its original.
func (r *run) choosesBesides(item *restoreplan.Item) bool {
	return naming.Chooses(*item.Kind) && !r.drafts.Shared(item) && r.transformer.Namespace(item.Namespace) == item.Namespace
}

// originalIsThere tells whether the cluster has an object under its name in the backup.
func (r *run) originalIsThere(ctx context.Context, item *restoreplan.Item) (bool, error) {
	_, err := r.Cluster.Living(ctx, *item.Kind, item.Namespace, item.Name)
	if errors.Is(err, core.ErrNotFound) || errors.Is(err, core.ErrUnsupported) {
		return false, nil
	}
	if err != nil {
		return false, fmt.Errorf("%w: %w", engine.ErrCluster, err)
	}
	return true, nil
}

// readSets tells the names of the StatefulSets of the plan, whose claims are called after them.
func (r *run) readSets(ctx context.Context) error {
	var records []archive.Record
	for _, wave := range r.plan.Waves {
		for _, item := range wave.Items {
			if item.Kind.Group == "apps" && item.Kind.Resource == "statefulsets" {
				records = append(records, item.Record())
			}
		}
	}
	return r.readObjects(ctx, records, func(record archive.Record, content []byte) error {
		var object map[string]any
		if err := utiljson.Unmarshal(content, &object); err != nil {
			return fmt.Errorf("%s is not the JSON of an object: %w", record.Key(), core.ErrCorrupt)
		}
		r.names.Set(object)
		return nil
	})
}
