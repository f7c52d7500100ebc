package engine

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"

	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/types"
	utiljson "k8s.io/apimachinery/pkg/util/json"

	"github.com/soda-cdm/kahu/internal/core"
	"github.com/soda-cdm/kahu/internal/core/archive"
	"github.com/soda-cdm/kahu/internal/core/restoreplan"
	"github.com/soda-cdm/kahu/internal/core/transform"
)

// create carries the plan out, wave by wave.
func (r *restoreRun) create(ctx context.Context) error {
	for _, item := range r.plan.Skipped {
		r.note(item.Key(), item.Action.String(), item.Reason)
	}
	r.counts.Controlled = int64(len(r.plan.Skipped))
	r.progress.done(int64(len(r.plan.Skipped)), 0)
	for _, wave := range r.plan.Waves {
		if err := r.createWave(ctx, wave); err != nil {
			return fmt.Errorf("wave of %s: %w", wave.Name, err)
		}
		if !wave.Definitions {
			continue
		}
		if err := r.waitEstablished(ctx, wave); err != nil {
			return err
		}
	}
	return nil
}

// createWave creates the objects of a wave, as many at once as there are creators.
func (r *restoreRun) createWave(ctx context.Context, wave restoreplan.Wave) error {
	creating, inner := newCrew(ctx, r.Creators)
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
			return creating.do(inner, func(ctx context.Context) error { return r.createItem(ctx, item, own) })
		})
		if err != nil && inner.Err() == nil {
			reading = err
			break
		}
		items = items[end:]
	}
	if err := creating.end(); err != nil {
		return err
	}
	return cmp.Or(reading, ctx.Err())
}

// createItem creates one object. What the API server refuses is a row of the result and no error.
func (r *restoreRun) createItem(ctx context.Context, item *restoreplan.Item, content []byte) error {
	object := &unstructured.Unstructured{}
	// The decoder's own words could quote the content of a Secret.
	if err := utiljson.Unmarshal(content, &object.Object); err != nil {
		return fmt.Errorf("%s is not the JSON of an object: %w", item.Key(), core.ErrCorrupt)
	}
	for _, change := range r.transformer.Apply(*item.Kind, object.Object) {
		r.note(item.Key(), "Changed", change.Path+": "+change.Reason)
	}
	r.fixOwners(ctx, item, object)
	if !r.applyTransforms(item, object) {
		r.progress.done(1, int64(len(content)))
		return nil
	}
	uid, err := r.Cluster.Create(ctx, *item.Kind, object)
	switch {
	case ctx.Err() != nil:
		return ctx.Err()
	case err == nil:
		r.created(item, object, uid)
	case errors.Is(err, core.ErrAlreadyExists), errors.Is(err, core.ErrInvalid) && r.isThere(ctx, item, object):
		err = r.existing(ctx, item, object)
	}
	if err != nil {
		r.miss(Row{Kind: *item.Kind, Key: targetKey(item, object), Reason: ReasonObjectRefused, Message: err.Error()})
	}
	r.progress.done(1, int64(len(content)))
	return nil
}

// targetKey names the object as it is in the target.
func targetKey(item *restoreplan.Item, object *unstructured.Unstructured) core.Key {
	key := item.Key()
	key.Namespace, key.Name = object.GetNamespace(), object.GetName()
	return key
}

// created notes what others need to know of a new object.
func (r *restoreRun) created(item *restoreplan.Item, object *unstructured.Unstructured, uid types.UID) {
	r.count(func(counts *RestoreCounts) {
		counts.Created++
		if item.Owns {
			r.living[item.ID] = uid
		}
		if isNamespace(*item.Kind) {
			r.ownNamespaces[object.GetName()] = true
		}
	})
	r.note(targetKey(item, object), "Created", "")
}

// isThere tells whether an object of that name is there. A server that hands out addresses refuses one that the living
// Service has before it looks whether the name is taken.
func (r *restoreRun) isThere(ctx context.Context, item *restoreplan.Item, object *unstructured.Unstructured) bool {
	_, err := r.Cluster.Get(ctx, *item.Kind, object.GetNamespace(), object.GetName())
	return err == nil
}

// existing deals with an object that is there already: it stays as it is, unless the cluster made it by itself in a
// namespace that this run created.
func (r *restoreRun) existing(ctx context.Context, item *restoreplan.Item, object *unstructured.Unstructured) error {
	r.mu.Lock()
	ours := r.ownNamespaces[object.GetNamespace()]
	r.mu.Unlock()
	living, err := r.Cluster.Get(ctx, *item.Kind, object.GetNamespace(), object.GetName())
	if err != nil {
		return fmt.Errorf("reading the object that is there: %w", err)
	}
	if living.Terminating {
		return errors.New("an object of that name is there and is being deleted: wait until it is gone, and restore again")
	}
	if item.ClusterMade && ours {
		if err := r.Cluster.Replace(ctx, *item.Kind, object); err != nil {
			return fmt.Errorf("writing over what the cluster made: %w", err)
		}
		r.count(func(counts *RestoreCounts) { counts.Updated++ })
		r.note(targetKey(item, object), "Updated", "the cluster makes one in every new namespace")
	} else {
		r.count(func(counts *RestoreCounts) { counts.Existing++ })
		r.note(targetKey(item, object), "Existing", "an object of that name is there already")
	}
	if item.Owns {
		r.count(func(*RestoreCounts) { r.living[item.ID] = living.UID })
	}
	return nil
}

// fixOwners makes owner references point to the living owners, or drops them.
func (r *restoreRun) fixOwners(ctx context.Context, item *restoreplan.Item, object *unstructured.Unstructured) {
	changes := transform.Owners(object.Object, func(owner core.Owner) (types.UID, bool) {
		r.mu.Lock()
		uid, known := r.living[restoreplan.IDOf(owner.UID)]
		r.mu.Unlock()
		if !known {
			uid, known = r.lookUp(ctx, owner, object.GetNamespace())
		}
		if !known && !writtenAgain(*item.Kind, owner) {
			r.warn(targetKey(item, object), fmt.Sprintf("%s %s: its reference to owner %s %s is dropped, as there is no such owner",
				item.Kind, path(object.GetNamespace(), object.GetName()), owner.Kind, owner.Name))
		}
		return uid, known
	})
	for _, change := range changes {
		r.note(targetKey(item, object), "Changed", change.Path+": "+change.Reason)
	}
}

// writtenAgain tells whether the owner's controller writes the reference itself: claims come before the StatefulSet that
// would otherwise make empty ones.
func writtenAgain(kind core.Kind, owner core.Owner) bool {
	return isClaim(kind) && owner.Kind == "StatefulSet"
}

// lookUp finds an owner that is not in the plan, by its kind and name.
func (r *restoreRun) lookUp(ctx context.Context, owner core.Owner, namespace string) (types.UID, bool) {
	kind, at, served := r.owners.Find(namespace, owner)
	if !served {
		return "", false
	}
	living, err := r.Cluster.Get(ctx, kind, at, owner.Name)
	return living.UID, err == nil
}

// survey asks what the cluster serves.
func (r *restoreRun) survey(ctx context.Context) error {
	kinds, _, err := r.Cluster.Kinds(ctx)
	if err != nil {
		return fmt.Errorf("%w: %w", ErrCluster, err)
	}
	r.served, r.owners = kinds, restoreplan.NewOwnerFinder(kinds)
	return nil
}

// waitEstablished waits until the definitions of a wave are served. One that never is makes its objects fail, by name,
// and no others.
func (r *restoreRun) waitEstablished(ctx context.Context, wave restoreplan.Wave) error {
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
		r.warn(core.Key{}, "definitions "+strings.Join(names, ", ")+": "+err.Error())
	}
	return r.survey(ctx)
}
