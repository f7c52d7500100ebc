package restore

import (
	"context"
	"fmt"
	"slices"
	"strings"

	"github.com/soda-cdm/kahu/internal/core"
	"github.com/soda-cdm/kahu/internal/core/archive"
	"github.com/soda-cdm/kahu/internal/core/hook"
	"github.com/soda-cdm/kahu/internal/core/restoreplan"
	"github.com/soda-cdm/kahu/internal/core/selection"
	"github.com/soda-cdm/kahu/internal/core/transform"
	"github.com/soda-cdm/kahu/internal/engine/restore/hooks"
)

// Hooks runs commands in pods, and knows the init containers of restored pods. Its calls come in this order.
type Hooks interface {
	// Prepare finds out whether the hooks can be run.
	Prepare(ctx context.Context, scope hooks.Scope) error
	// Before runs the commands in pods that are there, before anything is changed.
	Before(ctx context.Context) error
	// Asked returns what is asked of the pods of an object of the backup.
	Asked(kind core.Kind, key core.Key, object map[string]any) (hook.Restored, []selection.Problem)
	// After runs the commands in what was restored.
	After(ctx context.Context) error
}

// prepareHooks tells the hooks what is restored where.
func (r *run) prepareHooks(ctx context.Context) error {
	kinds := r.served
	known := map[string]bool{}
	for i := range kinds {
		known[kinds[i].GroupResource().String()] = true
	}
	for i := range r.manifest.Kinds {
		if kind := r.manifest.Kinds[i].Kind; !known[kind.GroupResource().String()] {
			kinds = append(slices.Clip(kinds), kind)
		}
	}
	sources := make(map[string]string, len(r.plan.Namespaces))
	var targets []string
	for _, name := range r.plan.Namespaces {
		target := r.transformer.Namespace(name)
		sources[target] = name
		targets = append(targets, target)
	}
	self := r.self
	self.Resumed = false // Only what the API server names counts.
	kinds = selection.Cohabiting(kinds)
	err := r.request.Hooks.Prepare(ctx, hooks.Scope{
		Kinds: kinds, Filters: r.request.Filters, Namespaces: targets, Ledger: r.Ledger, Confirm: r.request.Confirm,
		Resumed: r.request.Resumed, Waits: func() { r.progress.After(r.volumes()) },
		Lineage: func(ctx context.Context) (*hook.Lineage, error) { return r.lineage(ctx, kinds) },
		Made:    func(living core.Living) bool { return self.Made(living) != restoreplan.Unmade },
		Source: func(kind core.Kind, namespace, name string) (string, string) {
			if source, is := sources[namespace]; is {
				namespace = source
			}
			if own, has := strings.CutPrefix(name, r.request.Prefix); has && r.names.Of(kind, namespace, own) == name {
				name = own
			}
			return namespace, name
		},
	})
	if err != nil {
		return err
	}
	r.drafts.Init = r.initOf
	return nil
}

// lineage finds out what controlled the pods and workloads that are restored without that. The index is read for it as often as
// the chain of owners is long, and not at all where there are none of these.
func (r *run) lineage(ctx context.Context, kinds []core.Kind) (*hook.Lineage, error) {
	var orphans []core.Key
	for _, wave := range r.plan.Waves {
		for _, item := range wave.Items {
			if item.ForeignOwner && transform.HasPods(*item.Kind) {
				orphans = append(orphans, item.Key())
			}
		}
	}
	found := hook.NewLineage(kinds, orphans)
	for found.Next() {
		err := r.contents.EachRecord(ctx, r.manifest.Index, func(record archive.Record) error {
			found.See(core.Object{
				Kind: record.Kind, Namespace: record.Namespace, Name: record.Name, UID: record.UID, Labels: record.Labels, Owners: record.Owners,
			})
			return nil
		})
		if err != nil {
			return nil, fmt.Errorf("looking for what controlled the pods of the backup: %w", err)
		}
	}
	return found, nil
}

// initOf returns the init containers that the pods of an object get.
func (r *run) initOf(kind core.Kind, key core.Key, object map[string]any) (containers []any, why string, err error) {
	asked, problems := r.request.Hooks.Asked(kind, key, object)
	for _, problem := range problems {
		if strings.Contains(problem.Field, hook.InitRestore) {
			return nil, "", fmt.Errorf("%s: %s: %w", problem.Field, problem.Message, core.ErrInvalid)
		}
	}
	for _, init := range asked.Init {
		containers = append(containers, init.Containers...)
		why = strings.TrimPrefix(why+", "+init.Origin, ", ")
	}
	return containers, "init containers are added by " + why, nil
}

func (r *run) hooksBefore(ctx context.Context) error {
	if r.request.Hooks == nil {
		return nil
	}
	return r.request.Hooks.Before(ctx)
}

func (r *run) hooksAfter(ctx context.Context) error {
	if r.request.Hooks == nil || r.request.DryRun {
		return nil
	}
	if err := r.request.Confirm(ctx); err != nil {
		return fmt.Errorf("confirming that the restore is still wanted: %w", err)
	}
	return r.request.Hooks.After(ctx)
}
