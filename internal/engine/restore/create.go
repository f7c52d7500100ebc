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

	"github.com/soda-cdm/kahu/internal/core"
	"github.com/soda-cdm/kahu/internal/core/archive"
	"github.com/soda-cdm/kahu/internal/core/restoreplan"
	"github.com/soda-cdm/kahu/internal/core/transform"
	"github.com/soda-cdm/kahu/internal/engine"
	"github.com/soda-cdm/kahu/internal/engine/restore/draft"
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
	wish, err := r.prepare(ctx, item, content)
	switch {
	case errors.Is(err, draft.ErrFinished):
		err = nil
	case err == nil && wish.Unfit != nil:
		r.refused(wish, &refusal{engine.ReasonTransformFailed, wish.Unfit})
	case err == nil:
		err = r.put(ctx, wish)
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
func (r *run) put(ctx context.Context, wish draft.Draft) error {
	if wish.Item.Made != restoreplan.Unmade {
		return r.goOn(ctx, wish)
	}
	err := r.send(ctx, wish)
	if r.drafts.NameIsTaken(ctx, wish, err) {
		return r.existing(ctx, wish)
	}
	return err
}

// send creates an object, and writes what is written after that.
func (r *run) send(ctx context.Context, wish draft.Draft) error {
	if err := r.holdBack(wish); err != nil {
		return err
	}
	if err := r.withData(ctx, wish); err != nil {
		return err
	}
	writing, end := lasting(ctx)
	defer end()
	object := wish.Object
	if wish.After.Release != nil {
		object = object.DeepCopy()
		transform.Hold(object.Object)
	}
	as := r.writer(wish)
	uid, err := r.Cluster.Create(writing, *wish.Item.Kind, object, as)
	if err != nil {
		return err
	}
	return r.complete(writing, wish, uid, as)
}

// complete writes what is written of an object that was made under the name, and takes note of it.
func (r *run) complete(ctx context.Context, wish draft.Draft, uid types.UID, as string) error {
	if err := r.conclude(ctx, wish, as); err != nil {
		return err
	}
	if as == r.manager {
		r.created(wish.Item, wish.Object, uid)
		return nil
	}
	r.drafts.Remember(wish.Item, uid)
	r.updated(wish.Item, wish.Object, "it was created in the place of one that was deleted for it, or may have been")
	return nil
}

// prepare drafts an object, and counts one that is not to be created because it had finished.
func (r *run) prepare(ctx context.Context, item *restoreplan.Item, content []byte) (draft.Draft, error) {
	made, err := r.drafts.Make(ctx, item, content)
	if errors.Is(err, draft.ErrFinished) {
		r.count(*item.Kind, func(counts *Counts) { counts.Finished++ })
	}
	return made, err
}

// refused makes an error about an object a row of the result.
func (r *run) refused(wish draft.Draft, err error) {
	reason := engine.ReasonObjectRefused
	if known, is := errors.AsType[*refusal](err); is {
		reason = known.reason
	}
	r.lose(wish.Item, err)
	r.fail(engine.Row{Kind: *wish.Item.Kind, Key: wish.Key(), Reason: reason, Message: r.untaken(wish.Item, err)})
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

// created notes what others need to know of a new object.
func (r *run) created(item *restoreplan.Item, object *unstructured.Unstructured, uid types.UID) {
	r.count(*item.Kind, func(counts *Counts) { counts.Created++ })
	r.drafts.Remember(item, uid)
	if engine.IsNamespace(*item.Kind) {
		r.own(object.GetName())
	}
	r.Note(draft.KeyOf(item, object), "Created", "")
}

// existing deals with an object that is there already. One that an earlier attempt of this restore made is its own, and
// the cluster's own in a namespace that this restore created is written over; for every other one there is a policy.
func (r *run) existing(ctx context.Context, wish draft.Draft) error {
	item, object := wish.Item, wish.Object
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
	r.drafts.Remember(item, living.UID)
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
	if err := r.notEmptied(wish, living); err != nil {
		return err
	}
	return r.meet(ctx, wish, living)
}

// replaceGone creates an object when the one of its name, which is being deleted, is gone.
func (r *run) replaceGone(ctx context.Context, wish draft.Draft, living core.Living) error {
	if err := r.awaitGone(ctx, living); err != nil {
		return err
	}
	return r.send(ctx, wish)
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
	r.Note(draft.KeyOf(item, object), "Updated", why)
}

// survey asks what the cluster serves.
func (r *run) survey(ctx context.Context) error {
	kinds, _, err := r.Cluster.Kinds(ctx)
	if err != nil {
		return fmt.Errorf("%w: %w", engine.ErrCluster, err)
	}
	r.served, r.drafts.Owners = kinds, restoreplan.NewOwnerFinder(kinds)
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
