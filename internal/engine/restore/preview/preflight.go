package preview

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"

	"k8s.io/apimachinery/pkg/runtime/schema"
	utiljson "k8s.io/apimachinery/pkg/util/json"

	"github.com/soda-cdm/kahu/internal/core"
	"github.com/soda-cdm/kahu/internal/core/restoreplan"
	"github.com/soda-cdm/kahu/internal/engine"
	"github.com/soda-cdm/kahu/internal/engine/restore/draft"
)

// preflight looks for what the objects of the plan need and what is neither in the plan nor in the cluster, and for quotas
// that would not let them in. The API server asks for none of that when it takes an object.
func (p *run) preflight(ctx context.Context) error {
	for need, by := range p.needs {
		if need.IsStorageClass() && p.Missing[need.Name] {
			continue
		}
		missing, err := p.lacks(ctx, need)
		if err != nil {
			return err
		}
		if missing {
			p.problemf("%s is neither in the cluster nor in the plan: needed by %s", need, by)
		}
	}
	if err := p.preflightQuotas(ctx); err != nil {
		return err
	}
	slices.Sort(p.result.Problems)
	return nil
}

func (p *run) problemf(format string, values ...any) {
	p.result.Problems = append(p.result.Problems, fmt.Sprintf(format, values...))
}

// lacks tells whether a need is met neither by the cluster nor by the plan.
func (p *run) lacks(ctx context.Context, need restoreplan.Need) (bool, error) {
	kind, served := engine.FindKind(p.Served, need.Resource)
	if !served {
		return true, nil
	}
	if need.Name == "" {
		return p.lacksDefault(ctx, kind)
	}
	if p.planned[core.Key{Group: kind.Group, Resource: kind.Resource, Name: need.Name}] {
		return false, nil
	}
	_, err := p.Cluster.Living(ctx, kind, "", need.Name)
	if errors.Is(err, core.ErrNotFound) {
		return true, nil
	}
	return false, err
}

// isRefusal tells whether an object may have been refused for what is not there yet.
func isRefusal(err error) bool {
	return errors.Is(err, core.ErrDenied) || errors.Is(err, core.ErrNotFound)
}

// judgeWanting tells an object that was refused because of what the restore makes before it. It is a conflict where something
// that it wants will not be there.
func (p *run) judgeWanting(ctx context.Context, wish draft.Draft, row *Row) {
	var before []string
	for _, wanted := range restoreplan.Wanted(row.Kind, wish.Object.Object) {
		p.mu.Lock()
		made := p.made[wanted]
		p.mu.Unlock()
		if made {
			before = append(before, wanted.String())
			continue
		}
		kind, served := engine.FindKind(p.Served, wanted.GroupResource())
		if !served {
			return
		}
		if _, err := p.Cluster.Living(ctx, kind, wanted.Namespace, wanted.Name); err != nil {
			return
		}
	}
	if row.Action == Conflict && len(before) > 0 {
		row.Action, row.Checked = Create, false
		row.Reason = "not checked by the API server, as it needs " + strings.Join(before, " and ") + ", which the restore makes before it"
	}
}

// lacksDefault tells whether no class of the kind is the default one.
func (p *run) lacksDefault(ctx context.Context, kind core.Kind) (bool, error) {
	found := p.hasDefault
	err := p.eachLiving(ctx, core.ListRequest{Kind: kind}, func(_ core.Object, object map[string]any) {
		found = found || restoreplan.IsDefaultClass(object)
	})
	return !found, err
}

// preflightQuotas holds what would be created in each namespace against the quotas there.
func (p *run) preflightQuotas(ctx context.Context) error {
	kind, served := engine.FindKind(p.Served, schema.GroupResource{Resource: "resourcequotas"})
	if !served {
		return nil
	}
	for namespace, created := range p.created {
		if p.namespaces[namespace] {
			continue // One that the restore makes has no quota yet.
		}
		counts := make(map[schema.GroupResource]int64, len(created))
		for key, number := range created {
			counts[key.GroupResource()] = number
		}
		request := core.ListRequest{Kind: kind, Namespace: namespace}
		err := p.eachLiving(ctx, request, func(quota core.Object, object map[string]any) {
			if over := restoreplan.OverQuota(object, counts); len(over) > 0 {
				p.problemf("ResourceQuota %s/%s would not let everything in: %s", namespace, quota.Name, strings.Join(over, "; "))
			}
		})
		if err != nil {
			return err
		}
	}
	return nil
}

// eachLiving visits the objects of a kind, of which there are few.
func (p *run) eachLiving(ctx context.Context, request core.ListRequest, visit func(found core.Object, object map[string]any)) error {
	return p.Cluster.List(ctx, request, func(page core.Page) error {
		for _, found := range page.Objects {
			var object map[string]any
			if err := utiljson.Unmarshal(found.JSON, &object); err != nil {
				return fmt.Errorf("%s is not the JSON of an object: %w", found.Key(), core.ErrCorrupt)
			}
			visit(found, object)
		}
		return nil
	})
}
