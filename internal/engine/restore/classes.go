package restore

import (
	"cmp"
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
	wanted := wishes{}
	err = rehearsal.Each(ctx, r.planned(claimKind()), func(seen draft.Rehearsed) {
		if class := reuse.ClaimOf(seen.After).Class; class != "" {
			wish := restoreplan.ClassWish{Class: class, By: transformset.ClassSetBy(seen.Changes)}
			wanted[wish] = append(wanted[wish], seen.Item)
		}
	})
	if err != nil {
		return err
	}
	if err := rehearsal.Each(ctx, r.planned(statefulSetKind()), func(draft.Rehearsed) {}); err != nil { // It counts.
		return err
	}
	mapped := rehearsal.Program.ClassesUsed()
	missing, err := r.missingClasses(ctx, kind, rehearsal, slices.Concat(wanted.classes(), classesOf(mapped)))
	if err != nil {
		return err
	}
	if err := r.judgeClasses(ctx, wanted, mapped, missing); err != nil {
		return err
	}
	return r.judgeDrivers(ctx, kind, rehearsal, wanted)
}

// wishes are the claims that are to have a storage class, by that.
type wishes map[restoreplan.ClassWish][]*restoreplan.Item

// judgeClasses says what of the missing classes is in the way: a mapping to one refuses the run, and claims of one fail.
func (r *run) judgeClasses(ctx context.Context, wanted wishes, mapped []transformset.ClassUsed, missing map[string]bool) error {
	needed, err := r.neededClasses(ctx, wanted, missing)
	if err != nil {
		return err
	}
	problems := r.missingMapped(needed, wanted, mapped, missing)
	if len(problems) > 0 && !r.request.DryRun {
		return &engine.InvalidError{Problems: problems}
	}
	for _, problem := range problems {
		r.hopeless = true
		r.problems = append(r.problems, problem.Field+": "+problem.Message)
	}
	told := maps.Clone(r.missing)
	for _, wish := range needed.sorted() {
		lost := r.loseClass(wish, needed[wish])
		if len(lost) > 0 && r.request.DryRun && !told[wish.Class] {
			r.problems = append(r.problems, wish.Missing()+": needed by "+restoreplan.NamesOfClaims(lost))
			r.missing[wish.Class] = true
		}
	}
	return nil
}

// missingMapped says which entries of mappings that are used give classes that are missing.
func (r *run) missingMapped(needed, wanted wishes, mapped []transformset.ClassUsed, missing map[string]bool) []selection.Problem {
	var problems []selection.Problem
	r.missing = map[string]bool{}
	for _, entry := range mapped {
		// Where no claim is restored, it is one of a template of claims.
		if missing[entry.Class] && (needed.have(entry.Class) || !wanted.have(entry.Class)) {
			problems = append(problems, selection.Problem{
				Field: entry.Field, Reason: transformset.ReasonInvalidTransform,
				Message: "StorageClass " + entry.Class + " is neither in the cluster nor in the restore: name one that is there, or create it",
			})
			r.missing[entry.Class] = true
		}
	}
	return problems
}

// neededClasses returns the claims of the missing classes that are not there already.
func (r *run) neededClasses(ctx context.Context, wanted wishes, missing map[string]bool) (wishes, error) {
	needed := wishes{}
	for wish, items := range wanted {
		if !missing[wish.Class] {
			continue
		}
		for _, item := range items {
			there, err := r.claimIsThere(ctx, item)
			if err != nil {
				return nil, err
			}
			if !there {
				needed[wish] = append(needed[wish], item)
			}
		}
	}
	return needed, nil
}

// loseClass says what becomes of claims whose class is missing, and names those that suffer from it. A volume that a provider makes
// itself needs no class.
func (r *run) loseClass(wish restoreplan.ClassWish, claims []*restoreplan.Item) (lost []string) {
	why := wish.Missing()
	for _, item := range claims {
		key := r.transformer.Key(*item.Kind, item.Key())
		data := r.data[item]
		switch {
		case data != nil && volumeplan.Way(data.row.Way) == volumeplan.Offload, data == nil && r.anew[item] == "":
			continue
		case data != nil:
			data.unfit = errors.New(why)
			r.lose(item, data.unfit)
		case !r.request.DryRun: // Which says it once.
			r.Warn(key, fmt.Sprintf("PersistentVolumeClaim %s/%s: %s; until then the claim waits", key.Namespace, key.Name, why))
		}
		lost = append(lost, engine.Path(key.Namespace, key.Name))
	}
	return lost
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
	err := rehearsal.Each(ctx, r.planned(oldvolume.Kind()), func(seen draft.Rehearsed) { has(seen.After) })
	if err != nil {
		return nil, err
	}
	if _, served := engine.FindKind(r.served, oldvolume.Kind().GroupResource()); !served {
		return missing, nil
	}
	err = oldvolume.Each(ctx, r.Cluster, has)
	return missing, err
}

// sorted returns the wishes in an order that is always the same.
func (w wishes) sorted() []restoreplan.ClassWish {
	return slices.SortedFunc(maps.Keys(w), func(a, b restoreplan.ClassWish) int {
		return cmp.Or(cmp.Compare(a.Class, b.Class), cmp.Compare(a.By, b.By))
	})
}

// classes returns the classes that are wished for, each once.
func (w wishes) classes() []string {
	var names []string
	for _, wish := range w.sorted() {
		names = append(names, wish.Class)
	}
	return slices.Compact(names)
}

// have tells whether a class is among those.
func (w wishes) have(class string) bool { return slices.Contains(w.classes(), class) }

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
