package engine

import (
	"cmp"
	"context"
	"errors"
	"slices"

	"k8s.io/apimachinery/pkg/types"

	"github.com/soda-cdm/kahu/internal/core"
	"github.com/soda-cdm/kahu/internal/core/restoreplan"
	"github.com/soda-cdm/kahu/internal/core/transform"
)

// recognise finds out what earlier attempts of this restore have made, by lists of all that is there, page by page. Nothing
// is sent for what is settled, and its content is not read; what lacks its last step gets it without being asked for again.
// An object that this does not find, such as one that an earlier attempt is just creating, is met when it is created.
func (r *restoreRun) recognise(ctx context.Context) error {
	name := func(item *restoreplan.Item) core.Key { return r.transformer.Key(*item.Kind, item.Key()) }
	looking, inner := newCrew(ctx, r.Creators)
	for _, search := range r.plan.Searches(name) {
		if looking.do(inner, func(ctx context.Context) error { return r.lookThrough(ctx, search) }) != nil {
			break
		}
	}
	return cmp.Or(looking.end(), ctx.Err())
}

// lookThrough looks for objects of this restore in a list. What cannot be listed is met object by object.
func (r *restoreRun) lookThrough(ctx context.Context, search restoreplan.Search) error {
	err := r.Cluster.EachLiving(ctx, search.Kind, search.Namespace, func(living core.Living) error {
		if item := search.Find(living.Key()); item != nil && item.Made == restoreplan.Unmade {
			r.recogniseOne(item, living)
		}
		return nil
	})
	if err != nil && ctx.Err() == nil {
		key := core.Key{Group: search.Kind.Group, Resource: search.Kind.Resource, Namespace: search.Namespace}
		r.note(key, "NotListed", "what an earlier attempt made of it is found one by one: "+err.Error())
	}
	return ctx.Err()
}

// recogniseOne takes note of what an earlier attempt has done about an object.
func (r *restoreRun) recogniseOne(item *restoreplan.Item, living core.Living) {
	made := r.self.Made(living)
	if made == restoreplan.Unmade || living.Terminating {
		return // What is going is waited for when it is created again.
	}
	item.Made = made
	r.remember(item, living.UID)
	if item.Made == restoreplan.Created && isNamespace(*item.Kind) {
		r.own(living.Name)
	}
	if !r.nothingLeft(item, living) {
		return
	}
	item.Settled = true
	if item.Made == restoreplan.Created {
		r.count(*item.Kind, func(counts *RestoreCounts) { counts.Created++ })
		r.note(living.Key(), "Created", whyEarlier)
	} else {
		r.count(*item.Kind, func(counts *RestoreCounts) { counts.Updated++ })
		r.note(living.Key(), "Updated", whyEarlier)
	}
	r.progress.done(1, item.Record().Length)
}

const whyEarlier = "an earlier attempt has written it"

// nothingLeft tells whether an object that an earlier attempt made is settled: nothing is written after its creation, or that
// has been written too, and there is nothing to say of it that only its content tells.
func (r *restoreRun) nothingLeft(item *restoreplan.Item, living core.Living) bool {
	switch {
	case !r.program.Empty(), r.names != nil, item.ForeignOwner, item.Made == restoreplan.Bare:
		// People are told what became of transforms, of names that are mentioned, and of dropped references; and the content of
		// what is bare tells whether this restore would have made it so.
		return false
	case item.Made == restoreplan.Overwritten && r.request.Existing != restoreplan.Recreate:
		return true // It had been there.
	case !r.request.RunFinished && transform.Holds(*item.Kind):
		return false // It may still be held, and only its content tells whether it had finished.
	case r.withStatus == nil || r.withStatus.Kind(*item.Kind).Skip:
		return true
	}
	return slices.ContainsFunc(living.Managers, func(by core.Manager) bool {
		return by.Subresource == "status" && (by.Name == r.manager || by.Name == r.updater)
	})
}

// goOn does what is left to do about an object that an earlier attempt has most likely made. Where it has not, or somebody
// has deleted the object since, it is created.
func (r *restoreRun) goOn(ctx context.Context, wish wished) error {
	r.mu.Lock()
	uid := r.living[wish.item.ID]
	r.mu.Unlock()
	if made := r.judged(wish, wish.item.Made); made != restoreplan.Unmade {
		if err := r.takeOver(ctx, wish, made, uid); !errors.Is(err, core.ErrNotFound) {
			return err
		}
	}
	wish.item.Made = restoreplan.Unmade
	return r.put(ctx, wish)
}

// judged tells what earlier attempts have done about an object of which it is known what this one would create. What the
// cluster makes in every namespace is the cluster's, unless the API server names this restore.
func (r *restoreRun) judged(wish wished, made restoreplan.Made) restoreplan.Made {
	if made == restoreplan.Bare && wish.item.ClusterMade {
		return restoreplan.Unmade
	}
	return made.Given(wish.object.Object)
}

// takeOver counts an object that an earlier attempt made as this one's own, and writes what is written after that. What was
// created in the place of another one is as new.
func (r *restoreRun) takeOver(ctx context.Context, wish wished, made restoreplan.Made, uid types.UID) error {
	switch {
	case made == restoreplan.Created:
		return r.complete(ctx, wish, uid, r.manager)
	case made == restoreplan.Bare:
		return r.complete(ctx, wish, uid, r.writer(wish))
	case r.request.Existing == restoreplan.Recreate:
		return r.complete(ctx, wish, uid, r.updater)
	}
	r.updated(wish.item, wish.object, whyEarlier)
	return nil
}
