package restore

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"

	"github.com/soda-cdm/kahu/internal/core"
	"github.com/soda-cdm/kahu/internal/core/restoreplan"
	"github.com/soda-cdm/kahu/internal/core/reuse"
	"github.com/soda-cdm/kahu/internal/core/selection"
	"github.com/soda-cdm/kahu/internal/core/transformset"
	"github.com/soda-cdm/kahu/internal/core/volumeplan"
	"github.com/soda-cdm/kahu/internal/engine"
	"github.com/soda-cdm/kahu/internal/engine/restore/draft"
	"github.com/soda-cdm/kahu/internal/engine/restore/oldvolume"
)

// planClasses looks for the storage classes of the claims that are to be created. One to which the wish maps must be there; a claim
// whose data is in the backup, and whose class is not there, fails before anything waits for it.
func (r *run) planClasses(ctx context.Context) error {
	kind, served := engine.FindKind(r.served, storageClassKind().GroupResource())
	if !served {
		return nil
	}
	rehearsal, err := r.rehearsal()
	if err != nil {
		return err
	}
	wanted := map[string][]*restoreplan.Item{}
	err = rehearsal.Each(ctx, r.planned(claimKind()), func(item *restoreplan.Item, _, after map[string]any) {
		if class := reuse.ClaimOf(after).Class; class != "" {
			wanted[class] = append(wanted[class], item)
		}
	})
	if err != nil {
		return err
	}
	err = rehearsal.Each(ctx, r.planned(statefulSetKind()), func(*restoreplan.Item, map[string]any, map[string]any) {}) // It counts.
	if err != nil {
		return err
	}
	mapped := rehearsal.Program.ClassesUsed()
	missing, err := r.missingClasses(ctx, kind, rehearsal, slices.Concat(slices.Sorted(maps.Keys(wanted)), classesOf(mapped)))
	if err != nil || len(missing) == 0 {
		return err
	}
	return r.judgeClasses(ctx, wanted, mapped, missing)
}

// judgeClasses says what becomes of claims of classes that are missing.
func (r *run) judgeClasses(
	ctx context.Context, wanted map[string][]*restoreplan.Item, mapped []transformset.ClassUsed, missing map[string]bool,
) error {
	needed, err := r.neededClasses(ctx, wanted, missing)
	if err != nil {
		return err
	}
	var problems []selection.Problem
	for _, entry := range mapped {
		// Where no claim is restored, it is one of a template of claims.
		if missing[entry.Class] && (len(needed[entry.Class]) > 0 || len(wanted[entry.Class]) == 0) {
			problems = append(problems, selection.Problem{
				Field: entry.Field, Reason: transformset.ReasonInvalidTransform,
				Message: "StorageClass " + entry.Class + " is neither in the cluster nor in the restore: name one that is, or create it",
			})
		}
	}
	if len(problems) > 0 && !r.request.DryRun {
		return &engine.InvalidError{Problems: problems}
	}
	for _, problem := range problems {
		r.problems = append(r.problems, problem.Field+": "+problem.Message)
	}
	for _, class := range slices.Sorted(maps.Keys(needed)) {
		r.warnOfClass(class, needed[class])
	}
	return nil
}

// neededClasses returns the claims of the missing classes that are not there already.
func (r *run) neededClasses(
	ctx context.Context, wanted map[string][]*restoreplan.Item, missing map[string]bool,
) (map[string][]*restoreplan.Item, error) {
	needed := map[string][]*restoreplan.Item{}
	for class := range missing {
		for _, item := range wanted[class] {
			there, err := r.claimIsThere(ctx, item)
			if err != nil {
				return nil, err
			}
			if !there {
				needed[class] = append(needed[class], item)
			}
		}
	}
	return needed, nil
}

// warnOfClass says what becomes of claims whose class is missing. A volume that a provider makes itself needs no class.
func (r *run) warnOfClass(class string, claims []*restoreplan.Item) {
	why := fmt.Sprintf("StorageClass %s is neither in the cluster nor in the restore: create it, or map it to another one "+
		"with spec.storageClassMapping[%s]", class, class)
	for _, item := range claims {
		key := r.transformer.Key(*item.Kind, item.Key())
		said := fmt.Sprintf("PersistentVolumeClaim %s/%s: %s", key.Namespace, key.Name, why)
		switch data := r.data[item]; {
		case data != nil && volumeplan.Way(data.row.Way) == volumeplan.Offload:
		case data != nil:
			data.unfit = errors.New(why)
			r.lose(item, data.unfit)
			if r.request.DryRun {
				r.problems = append(r.problems, said)
			}
		case r.anew[item] != "":
			r.Warn(key, said+"; until then the claim waits")
		}
	}
}

// claimIsThere tells whether somebody else's claim is there, which keeps what it has.
func (r *run) claimIsThere(ctx context.Context, item *restoreplan.Item) (bool, error) {
	if data := r.data[item]; data != nil {
		return data.there != "" || data.state == claimSettled, nil
	}
	key := r.transformer.Key(*item.Kind, item.Key())
	living, err := r.Cluster.Living(ctx, *item.Kind, key.Namespace, key.Name)
	if errors.Is(err, core.ErrNotFound) {
		return false, nil
	}
	return err == nil && !living.Terminating, err
}

// missingClasses returns those of the classes that nobody knows: there is no StorageClass of the name, and no PersistentVolume
// has it, as those have that people make.
func (r *run) missingClasses(ctx context.Context, kind core.Kind, rehearsal *draft.Rehearsal, names []string) (map[string]bool, error) {
	missing := map[string]bool{}
	for _, name := range names {
		_, err := r.Cluster.Living(ctx, kind, "", name)
		switch {
		case errors.Is(err, core.ErrNotFound):
			missing[name] = true
		case err != nil:
			return nil, fmt.Errorf("looking for StorageClass %s: %w", name, err)
		}
	}
	for _, item := range r.planned(storageClassKind()) {
		delete(missing, item.Name)
	}
	if len(missing) == 0 {
		return missing, nil
	}
	has := func(object map[string]any) { delete(missing, reuse.ClaimOf(object).Class) }
	err := rehearsal.Each(ctx, r.planned(oldvolume.Kind()), func(_ *restoreplan.Item, _, after map[string]any) { has(after) })
	if err != nil {
		return nil, err
	}
	if _, served := engine.FindKind(r.served, oldvolume.Kind().GroupResource()); !served {
		return missing, nil
	}
	err = oldvolume.Each(ctx, r.Cluster, has)
	return missing, err
}

func classesOf(used []transformset.ClassUsed) []string {
	var names []string
	for _, entry := range used {
		names = append(names, entry.Class)
	}
	return names
}

func storageClassKind() core.Kind {
	return core.Kind{Group: "storage.k8s.io", Version: "v1", Name: "StorageClass", Resource: "storageclasses"}
}

func statefulSetKind() core.Kind {
	return core.Kind{Group: "apps", Version: "v1", Name: "StatefulSet", Resource: "statefulsets", Namespaced: true}
}
