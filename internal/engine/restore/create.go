package restore

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/types"
	utiljson "k8s.io/apimachinery/pkg/util/json"

	"github.com/soda-cdm/kahu/internal/core"
	"github.com/soda-cdm/kahu/internal/core/archive"
	"github.com/soda-cdm/kahu/internal/core/restoreplan"
	"github.com/soda-cdm/kahu/internal/core/transform"
	"github.com/soda-cdm/kahu/internal/engine"
)

// create carries the plan out, wave by wave.
func (r *run) create(ctx context.Context) error {
	for _, item := range r.plan.Skipped {
		r.Note(item.Key(), item.Action.String(), item.Reason)
		r.count(*item.Kind, func(counts *Counts) { counts.Controlled++ })
	}
	r.progress.Done(int64(len(r.plan.Skipped)), 0)
	if err := r.makeNamespaces(ctx); err != nil {
		return err
	}
	for _, wave := range r.plan.Waves {
		if err := r.request.Confirm(ctx); err != nil {
			return fmt.Errorf("confirming that the restore is still wanted: %w", err)
		}
		if err := r.eachObject(ctx, wave.Left(), r.createItem); err != nil {
			return fmt.Errorf("wave of %s: %w", wave.Name, err)
		}
		if !wave.Definitions {
			continue
		}
		if err := r.waitEstablished(ctx, wave); err != nil {
			return err
		}
	}
	return r.createPostponed(ctx)
}

// eachObject reads the objects of a wave and acts on them, on as many at once as there are creators.
func (r *run) eachObject(
	ctx context.Context, wave restoreplan.Wave, act func(ctx context.Context, item *restoreplan.Item, content []byte) error,
) error {
	creating, inner := engine.NewCrew(ctx, r.Creators)
	var reading error
	items := wave.Items
	for len(items) > 0 && inner.Err() == nil {
		// A frame is one read, so as many items are taken as are in it.
		end := slices.IndexFunc(items, func(item *restoreplan.Item) bool { return !item.SameFrame(items[0]) })
		if end < 0 {
			end = len(items)
		}
		records := make([]archive.Record, 0, end)
		frame := make(map[core.Key]*restoreplan.Item, end)
		for _, item := range items[:end] {
			records = append(records, item.Record())
			frame[item.Key()] = item
		}
		err := r.readObjects(inner, records, func(record archive.Record, content []byte) error {
			item := frame[record.Key()]
			own := slices.Clone(content)
			return creating.Do(inner, func(ctx context.Context) error { return act(ctx, item, own) })
		})
		if err != nil && inner.Err() == nil {
			reading = err
			break
		}
		items = items[end:]
	}
	if err := creating.End(); err != nil {
		return err
	}
	return cmp.Or(reading, ctx.Err())
}

// createItem creates one object. What the API server refuses is a row of the result and no error.
func (r *run) createItem(ctx context.Context, item *restoreplan.Item, content []byte) error {
	wish, ok, err := r.prepare(ctx, item, content)
	switch {
	case ok:
		err = r.put(ctx, wish)
	case wish.unfit != nil:
		r.refused(wish, wish.unfit)
	}
	switch {
	case ctx.Err() != nil:
		return ctx.Err()
	case errors.Is(err, core.ErrCorrupt):
		return err
	case err != nil && r.postpone(wish, int64(len(content)), err):
		return nil
	case err != nil:
		r.refused(wish, err)
	}
	r.settled(item, int64(len(content)))
	return nil
}

// put creates an object, or finds it.
func (r *run) put(ctx context.Context, wish wished) error {
	if wish.item.Made != restoreplan.Unmade {
		return r.goOn(ctx, wish)
	}
	err := r.send(ctx, wish)
	if r.nameIsTaken(ctx, wish, err) {
		return r.existing(ctx, wish)
	}
	return err
}

// send creates an object, and writes what is written after that.
func (r *run) send(ctx context.Context, wish wished) error {
	writing, end := lasting(ctx)
	defer end()
	object := wish.object
	if wish.after.release != nil {
		object = object.DeepCopy()
		transform.Hold(object.Object)
	}
	as := r.writer(wish)
	uid, err := r.Cluster.Create(writing, *wish.item.Kind, object, as)
	if err != nil {
		return err
	}
	return r.complete(writing, wish, uid, as)
}

// complete writes what is written of an object that was made under the name, and takes note of it.
func (r *run) complete(ctx context.Context, wish wished, uid types.UID, as string) error {
	if err := r.conclude(ctx, wish, as); err != nil {
		return err
	}
	if as == r.manager {
		r.created(wish.item, wish.object, uid)
		return nil
	}
	r.remember(wish.item, uid)
	r.updated(wish.item, wish.object, "it was created in the place of one that was deleted for it, or may have been")
	return nil
}

// prepare makes the object of the cluster out of the one of the backup. Where false is returned there is nothing to create:
// no transform fits it, or it is not run again, or waits for its owner.
func (r *run) prepare(ctx context.Context, item *restoreplan.Item, content []byte) (wished, bool, error) {
	wish := wished{item: item, object: &unstructured.Unstructured{}}
	// The decoder's own words could quote the content of a Secret.
	if err := utiljson.Unmarshal(content, &wish.object.Object); err != nil {
		return wish, false, fmt.Errorf("%s is not the JSON of an object: %w", item.Key(), core.ErrCorrupt)
	}
	if r.skipsFinished(item, wish.object) {
		r.count(*item.Kind, func(counts *Counts) { counts.Finished++ })
		r.Note(item.Key(), "SkipFinished", whyFinished)
		return wish, false, nil
	}
	if r.ownerPostponed(wish.object) {
		return wish, false, errOwnerPostponed
	}
	wish.after = r.aftermathOf(item, wish.object)
	defer r.warnOfMentions(item, wish.object)
	for _, change := range r.transformer.Apply(*item.Kind, wish.object.Object) {
		r.noteChange(item.Key(), change)
		wish.taken = append(wish.taken, change.Path)
	}
	r.fixOwners(ctx, item, wish.object)
	wish.unfit = r.applyTransforms(item, wish.object)
	return wish, wish.unfit == nil, nil
}

// refused makes an error about an object a row of the result.
func (r *run) refused(wish wished, err error) {
	reason := engine.ReasonObjectRefused
	if known, is := errors.AsType[*refusal](err); is {
		reason = known.reason
	}
	r.fail(engine.Row{Kind: *wish.item.Kind, Key: wish.key(), Reason: reason, Message: err.Error()})
}

// graceTime is for how long a request that was on its way when the run was told to end may go on: what comes of it is then
// known and counted.
const graceTime = 2 * time.Second

// lasting returns a context that ends the grace time after the other one does.
func lasting(ctx context.Context) (context.Context, func()) {
	longer, cancel := context.WithCancel(context.WithoutCancel(ctx))
	stop := context.AfterFunc(ctx, func() { time.AfterFunc(graceTime, cancel) })
	return longer, func() {
		stop()
		cancel()
	}
}

// targetKey names the object as it is in the target.
func targetKey(item *restoreplan.Item, object *unstructured.Unstructured) core.Key {
	key := item.Key()
	key.Namespace, key.Name = object.GetNamespace(), object.GetName()
	return key
}

// created notes what others need to know of a new object.
func (r *run) created(item *restoreplan.Item, object *unstructured.Unstructured, uid types.UID) {
	r.count(*item.Kind, func(counts *Counts) { counts.Created++ })
	r.remember(item, uid)
	if engine.IsNamespace(*item.Kind) {
		r.own(object.GetName())
	}
	r.Note(targetKey(item, object), "Created", "")
}

// nameIsTaken tells whether an object could not be created because one of that name is there. That comes last for the API
// server: it refuses an address that the living Service has, and what a quota has no room for or a webhook does not like,
// before it looks whether the name is taken.
func (r *run) nameIsTaken(ctx context.Context, wish wished, err error) bool {
	switch {
	case errors.Is(err, core.ErrAlreadyExists):
		return true
	case !errors.Is(err, core.ErrInvalid) && !errors.Is(err, core.ErrDenied):
		return false
	}
	_, err = r.Cluster.Living(ctx, *wish.item.Kind, wish.object.GetNamespace(), wish.object.GetName())
	return err == nil
}

// existing deals with an object that is there already. One that an earlier attempt of this restore made is its own, and
// the cluster's own in a namespace that this restore created is written over; for every other one there is a policy.
func (r *run) existing(ctx context.Context, wish wished) error {
	item, object := wish.item, wish.object
	living, err := r.Cluster.Living(ctx, *item.Kind, object.GetNamespace(), object.GetName())
	if err != nil {
		return fmt.Errorf("reading the object that is there: %w", err)
	}
	if living.Terminating {
		return r.replaceGone(ctx, wish, living)
	}
	r.mu.Lock()
	ours := r.ownNamespaces[object.GetNamespace()]
	r.mu.Unlock()
	r.remember(item, living.UID)
	made := r.judged(wish, r.self.Made(living))
	switch {
	case made != restoreplan.Unmade:
		return r.takeOver(ctx, wish, made, metAs(r.self, living, true))
	case item.ClusterMade && ours:
		if err := r.Cluster.Replace(ctx, *item.Kind, object, r.updater); err != nil {
			return fmt.Errorf("writing over what the cluster made: %w", err)
		}
		r.updated(item, object, "the cluster makes one in every new namespace")
		return nil
	}
	return r.meet(ctx, wish, living)
}

// replaceGone creates an object when the one of its name, which is being deleted, is gone.
func (r *run) replaceGone(ctx context.Context, wish wished, living core.Living) error {
	if err := r.awaitGone(ctx, living); err != nil {
		return err
	}
	return r.send(ctx, wish)
}

// remember keeps the identity of an object that others have as an owner.
func (r *run) remember(item *restoreplan.Item, uid types.UID) {
	if item.Owns {
		r.mu.Lock()
		defer r.mu.Unlock()
		r.living[item.ID] = uid
	}
}

// own remembers a namespace that this run created.
func (r *run) own(namespace string) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.ownNamespaces[namespace] = true
}

// updated notes that an object that was there has its content from the backup.
func (r *run) updated(item *restoreplan.Item, object *unstructured.Unstructured, why string) {
	r.count(*item.Kind, func(counts *Counts) { counts.Updated++ })
	r.Note(targetKey(item, object), "Updated", why)
}

// fixOwners makes owner references point to the living owners, or drops them.
func (r *run) fixOwners(ctx context.Context, item *restoreplan.Item, object *unstructured.Unstructured) {
	changes := transform.Owners(object.Object, func(owner core.Owner) (types.UID, bool) {
		r.mu.Lock()
		uid, known := r.living[restoreplan.IDOf(owner.UID)]
		r.mu.Unlock()
		if !known {
			uid, known = r.lookUp(ctx, owner, object.GetNamespace())
		}
		if !known && !writtenAgain(*item.Kind, owner) {
			r.Warn(targetKey(item, object), fmt.Sprintf("%s %s: its reference to owner %s %s is dropped, as there is no such owner",
				item.Kind, engine.Path(object.GetNamespace(), object.GetName()), owner.Kind, owner.Name))
		}
		return uid, known
	})
	for _, change := range changes {
		r.noteChange(targetKey(item, object), change)
	}
}

// writtenAgain tells whether the owner's controller writes the reference itself: claims come before the StatefulSet that
// would otherwise make empty ones.
func writtenAgain(kind core.Kind, owner core.Owner) bool {
	return engine.IsClaim(kind) && owner.Kind == "StatefulSet"
}

// lookUp finds an owner that is not in the plan, by its kind and name.
func (r *run) lookUp(ctx context.Context, owner core.Owner, namespace string) (types.UID, bool) {
	kind, at, served := r.owners.Find(namespace, owner)
	if !served {
		return "", false
	}
	living, err := r.Cluster.Living(ctx, kind, at, owner.Name)
	return living.UID, err == nil
}

// survey asks what the cluster serves.
func (r *run) survey(ctx context.Context) error {
	kinds, _, err := r.Cluster.Kinds(ctx)
	if err != nil {
		return fmt.Errorf("%w: %w", engine.ErrCluster, err)
	}
	r.served, r.owners = kinds, restoreplan.NewOwnerFinder(kinds)
	return nil
}

// waitEstablished waits until the definitions of a wave are served. One that never is makes its objects fail, by name,
// and no others.
func (r *run) waitEstablished(ctx context.Context, wave restoreplan.Wave) error {
	names := make([]string, 0, len(wave.Items))
	for _, item := range wave.Items {
		names = append(names, item.Name)
	}
	waiting, cancel := context.WithTimeout(ctx, definitionTime)
	defer cancel()
	if err := r.Cluster.WaitEstablished(waiting, names); err != nil {
		if ctx.Err() != nil {
			return ctx.Err()
		}
		r.Warn(core.Key{}, "definitions "+strings.Join(names, ", ")+": "+err.Error())
	}
	return r.survey(ctx)
}
