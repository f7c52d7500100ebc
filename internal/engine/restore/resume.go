package restore

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/types"

	"github.com/soda-cdm/kahu/internal/core"
	"github.com/soda-cdm/kahu/internal/core/restoreplan"
	"github.com/soda-cdm/kahu/internal/core/transform"
	"github.com/soda-cdm/kahu/internal/engine"
	"github.com/soda-cdm/kahu/internal/engine/restore/draft"
)

// recognise finds out what earlier attempts of this restore have made, by lists of all that is there, page by page. Nothing
// is sent for what is settled, and its content is not read; what lacks its last step gets it without being asked for again.
// An object that this does not find, such as one that an earlier attempt is just creating, is met when it is created.
func (r *run) recognise(ctx context.Context) error {
	name := func(item *restoreplan.Item) core.Key { return r.transformer.Key(*item.Kind, item.Key()) }
	looking, inner := engine.NewCrew(ctx, r.Creators)
	for _, search := range r.plan.Searches(name) {
		if looking.Do(inner, func(ctx context.Context) error { return r.lookThrough(ctx, search) }) != nil {
			break
		}
	}
	if err := cmp.Or(looking.End(), ctx.Err()); err != nil {
		return err
	}
	r.settleOwned()
	return nil
}

// lookThrough looks for objects of this restore in a list. What cannot be listed is met object by object.
func (r *run) lookThrough(ctx context.Context, search restoreplan.Search) error {
	err := r.Cluster.EachLiving(ctx, search.Kind, search.Namespace, func(living core.Living) error {
		if item := search.Find(living.Key()); item != nil && item.Made == restoreplan.Unmade {
			r.recogniseOne(item, living)
		}
		return nil
	})
	if err != nil && ctx.Err() == nil {
		key := core.Key{Group: search.Kind.Group, Resource: search.Kind.Resource, Namespace: search.Namespace}
		r.Note(key, "NotListed", "what an earlier attempt made of it is found one by one: "+err.Error())
	}
	return ctx.Err()
}

// recogniseOne takes note of what an earlier attempt has done about an object.
func (r *run) recogniseOne(item *restoreplan.Item, living core.Living) {
	made := r.self.Made(living)
	if made == restoreplan.Unmade || living.Terminating {
		return // What is going is waited for when it is created again.
	}
	item.Made = made
	r.drafts.Remember(item, living.UID)
	if item.Made == restoreplan.Created && engine.IsNamespace(*item.Kind) {
		r.own(living.Name)
	}
	left := !r.nothingLeft(item, living)
	if item.PlannedOwners() > 0 || item.ForeignOwner || left && transform.Holds(*item.Kind) {
		r.mu.Lock()
		r.met[item] = metAs(r.self, living, left)
		r.mu.Unlock()
	} else if !left {
		r.settle(item)
	}
}

// met is what is kept of an object that an earlier attempt made, and to which something may be left to do.
type met struct {
	uid    types.UID
	owners []core.Owner
	// left tells that its content says what is left to do, changed that somebody else has written to it since, and stated
	// that its status has been written.
	left, changed, stated bool
}

func metAs(self restoreplan.Run, living core.Living, left bool) met {
	return met{
		uid: living.UID, owners: living.Owners, left: left, changed: self.Changed(living), stated: self.WroteStatus(living),
	}
}

// settleOwned settles what has its owners. An owner can have been refused when the object was created, and one that somebody
// has deleted since is made anew: what becomes of such an object is found out when its owners are there.
func (r *run) settleOwned() {
	made := map[types.UID]bool{}
	for _, uid := range r.drafts.AllRemembered() {
		made[uid] = true
	}
	for item, found := range r.met {
		orphaned := slices.ContainsFunc(found.owners, func(owner core.Owner) bool { return !made[owner.UID] })
		if !found.left && !orphaned && len(found.owners) >= item.PlannedOwners() {
			delete(r.met, item)
			r.settle(item)
		}
	}
}

// settle counts an object of an earlier attempt to which nothing is left to do.
func (r *run) settle(item *restoreplan.Item) {
	item.Settled = true
	key := r.transformer.Key(*item.Kind, item.Key())
	if item.Made == restoreplan.Created {
		r.count(*item.Kind, func(counts *Counts) { counts.Created++ })
		r.Note(key, "Created", whyEarlier)
	} else {
		r.count(*item.Kind, func(counts *Counts) { counts.Updated++ })
		r.Note(key, "Updated", whyEarlier)
	}
	r.progress.Done(1, item.Record().Length)
}

const whyEarlier = "an earlier attempt has written it"

// nothingLeft tells whether an object that an earlier attempt made is settled: nothing is written after its creation, or that
// has been written too, and there is nothing to say of it that only its content tells.
func (r *run) nothingLeft(item *restoreplan.Item, living core.Living) bool {
	switch {
	case !r.drafts.Program.Empty(), r.names != nil, item.ForeignOwner, item.Made == restoreplan.Bare:
		// People are told what became of transforms, of names that are mentioned, and of dropped references; and the content of
		// what is bare tells whether this restore would have made it so.
		return false
	case item.Made == restoreplan.Overwritten && r.request.Existing != restoreplan.Recreate:
		return true // It had been there.
	case !r.request.RunFinished && transform.Holds(*item.Kind):
		return false // It may still be held, and only its content tells whether it had finished.
	case r.drafts.WithStatus == nil || r.drafts.WithStatus.Kind(*item.Kind).Skip:
		return true
	}
	return r.self.WroteStatus(living)
}

// goOn does what is left to do about an object that an earlier attempt has most likely made. Where it has not, or somebody
// has deleted the object since, it is created.
func (r *run) goOn(ctx context.Context, wish draft.Draft) error {
	r.mu.Lock()
	found, kept := r.met[wish.Item]
	if !kept {
		found.uid = r.drafts.Remembered(wish.Item.ID)
	}
	r.mu.Unlock()
	if made := r.judged(wish, wish.Item.Made); made != restoreplan.Unmade {
		if err := r.takeOver(ctx, wish, made, found); !errors.Is(err, core.ErrNotFound) {
			return err
		}
	}
	wish.Item.Made = restoreplan.Unmade
	return r.put(ctx, wish)
}

// judged tells what earlier attempts have done about an object of which it is known what this one would create. What the
// cluster makes in every namespace is the cluster's, unless the API server names this restore.
func (r *run) judged(wish draft.Draft, made restoreplan.Made) restoreplan.Made {
	if made == restoreplan.Bare && wish.Item.ClusterMade {
		return restoreplan.Unmade
	}
	return made.Given(wish.Object.Object)
}

// takeOver counts an object that an earlier attempt made as this one's own, and writes what is written after that. What was
// created in the place of another one is as new.
func (r *run) takeOver(ctx context.Context, wish draft.Draft, made restoreplan.Made, found met) error {
	as := r.manager
	switch {
	case made == restoreplan.Created:
	case made == restoreplan.Bare:
		as = r.writer(wish)
	case r.request.Existing == restoreplan.Recreate:
		as = r.updater
	default:
		r.updated(wish.Item, wish.Object, whyEarlier)
		return nil
	}
	if err := r.giveOwners(ctx, wish, found, as); err != nil {
		return err
	}
	if found.changed && wish.After.Release != nil {
		r.warnOfHeld(wish, found)
		wish.After = draft.Aftermath{}
	}
	return r.complete(ctx, wish, found.uid, as)
}

// warnOfHeld warns of an object that had finished, and that stays as it is, as somebody else has changed it since an earlier
// attempt created it: that may have been to hold it, or to let it go.
func (r *run) warnOfHeld(wish draft.Draft, found met) {
	if !found.stated {
		r.Warn(wish.Key(), fmt.Sprintf("%s %s: it had finished, and was created suspended so that it does not run again. Somebody else "+
			"has changed it since, and so it stays as it is", wish.Item.Kind, engine.Path(wish.Object.GetNamespace(), wish.Object.GetName())))
	}
}

// giveOwners gives an object that an earlier attempt made the owners that it did not get then, unless it is somebody else's
// by now.
func (r *run) giveOwners(ctx context.Context, wish draft.Draft, found met, as string) error {
	owners := wish.Object.GetOwnerReferences()
	at := slices.IndexFunc(owners, func(owner metav1.OwnerReference) bool { return !found.has(*wish.Item.Kind, owner) })
	if at < 0 {
		return nil
	}
	if found.changed || found.adopted(owners) {
		r.Warn(wish.Key(), fmt.Sprintf("%s %s: it was created without its owner %s %s, and is not given it now, as somebody else "+
			"has changed it since", wish.Item.Kind, engine.Path(wish.Object.GetNamespace(), wish.Object.GetName()), owners[at].Kind, owners[at].Name))
		return nil
	}
	content, _, _ := unstructured.NestedFieldNoCopy(wish.Object.Object, "metadata", "ownerReferences")
	err := r.Cluster.Merge(ctx, core.MergePatch{
		Kind: *wish.Item.Kind, Namespace: wish.Object.GetNamespace(), Name: wish.Object.GetName(),
		Content: map[string]any{"metadata": map[string]any{"uid": string(found.uid), "ownerReferences": content}},
	}, as)
	switch {
	case errors.Is(err, core.ErrConflict):
		return fmt.Errorf("another object has its name by now: %w", core.ErrNotFound)
	case err != nil:
		return fmt.Errorf("giving it the owners that it did not get before: %w", err)
	}
	r.Note(wish.Key(), "Changed", "metadata.ownerReferences: an earlier attempt created it before its owners were there")
	return nil
}

// has tells whether the object has the owner, or gets it from the owner's controller.
func (m met) has(kind core.Kind, owner metav1.OwnerReference) bool {
	return draft.WrittenAgain(kind, core.Owner{Kind: owner.Kind}) ||
		slices.ContainsFunc(m.owners, func(by core.Owner) bool { return by.UID == owner.UID })
}

// adopted tells whether the object has an owner that is none of those, and no earlier one of the same name either.
func (m met) adopted(owners []metav1.OwnerReference) bool {
	return slices.ContainsFunc(m.owners, func(by core.Owner) bool {
		return !slices.ContainsFunc(owners, func(owner metav1.OwnerReference) bool { return owner.Kind == by.Kind && owner.Name == by.Name })
	})
}
