package restore

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"time"

	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	utiljson "k8s.io/apimachinery/pkg/util/json"

	"github.com/soda-cdm/kahu/internal/core"
	"github.com/soda-cdm/kahu/internal/core/diff"
	"github.com/soda-cdm/kahu/internal/core/restoreplan"
	"github.com/soda-cdm/kahu/internal/engine"
	"github.com/soda-cdm/kahu/internal/engine/restore/draft"
)

// Reasons of rows about objects that are there already.
const (
	// ReasonObjectExists: an object of that name is there, and the wish is to fail then.
	ReasonObjectExists = "ObjectExists"
	// ReasonUpdateRefused: the object that is there could not be made equal to the backup.
	ReasonUpdateRefused = "UpdateRefused"
	// ReasonRecreateRefused: the object that is there may not be deleted, or could not be.
	ReasonRecreateRefused = "RecreateRefused"
)

// goneTime bounds the wait until a deleted object is gone.
const goneTime = time.Minute

// ExistsError says that objects are there already, and that the wish is to fail then. Nothing was written.
type ExistsError struct {
	// Total is the number of those objects; the rows of the result name the first.
	Total int64
}

// Error says what to do.
func (e *ExistsError) Error() string {
	return fmt.Sprintf("spec.existingResourcePolicy: %d of the objects are there already, and nothing was written: "+
		"choose others, or another policy", e.Total)
}

// ObjectChanger changes objects that are there, and tells what would come of that.
type ObjectChanger interface {
	engine.ObjectDeleter
	// TryCreate and TryUpdate ask the API server what would come of a write; nothing is written.
	TryCreate(ctx context.Context, kind core.Kind, object *unstructured.Unstructured, manager string) (core.Object, error)
	TryUpdate(ctx context.Context, kind core.Kind, object *unstructured.Unstructured, manager string) (core.Object, error)
	// Update writes over the object of that name, UID and resourceVersion, and tells whether that changed anything.
	Update(ctx context.Context, kind core.Kind, object *unstructured.Unstructured, manager string) (bool, error)
}

// refusal is why an object is not as it was asked for: a row of the result.
type refusal struct {
	reason string
	cause  error
}

// Error returns the cause.
func (r *refusal) Error() string { return r.cause.Error() }

// failOnExisting looks for every object of the plan before anything is written, where the wish is to fail on any.
func (r *run) failOnExisting(ctx context.Context) error {
	if r.request.Existing != restoreplan.Fail {
		return nil
	}
	looking, inner := engine.NewCrew(ctx, r.Creators)
	for _, wave := range r.plan.Waves {
		for _, item := range wave.Items {
			if looking.Do(inner, func(ctx context.Context) error { return r.findExisting(ctx, item) }) != nil {
				break
			}
		}
	}
	if err := cmp.Or(looking.End(), ctx.Err()); err != nil {
		return err
	}
	if err := r.eachObject(ctx, restoreplan.Wave{Items: r.unclear}, r.judgeUnclear); err != nil {
		return err
	}
	if r.RowsTotal > 0 {
		return &ExistsError{Total: r.RowsTotal}
	}
	return nil
}

// findExisting writes down an object that is there, and that no earlier attempt of this restore made. What Kubernetes makes
// in every namespace stands and falls with the namespace.
func (r *run) findExisting(ctx context.Context, item *restoreplan.Item) error {
	if item.ClusterMade || r.drafts.Shared(item) {
		return nil
	}
	key := r.transformer.Key(*item.Kind, item.Key())
	made := item.Made
	if made == restoreplan.Unmade {
		living, err := r.Cluster.Living(ctx, *item.Kind, key.Namespace, key.Name)
		switch {
		case errors.Is(err, core.ErrNotFound), errors.Is(err, core.ErrUnsupported):
			return nil
		case err != nil:
			return fmt.Errorf("looking for %s: %w", key, err)
		}
		made = r.self.Made(living)
	}
	switch made {
	case restoreplan.Unmade:
		r.inTheWay(item, key)
	case restoreplan.Bare:
		r.mu.Lock()
		r.unclear = append(r.unclear, item)
		r.mu.Unlock()
	case restoreplan.Created, restoreplan.Overwritten:
	}
	return nil
}

// judgeUnclear writes an object down of which nobody can say who made it, unless this restore makes one that is as bare.
func (r *run) judgeUnclear(_ context.Context, item *restoreplan.Item, content []byte) error {
	var object map[string]any
	if err := utiljson.Unmarshal(content, &object); err != nil {
		return fmt.Errorf("%s is not the JSON of an object: %w", item.Key(), core.ErrCorrupt)
	}
	if r.transformer.Apply(*item.Kind, object); restoreplan.Bare.Given(object) == restoreplan.Unmade {
		r.inTheWay(item, r.transformer.Key(*item.Kind, item.Key()))
	}
	return nil
}

func (r *run) inTheWay(item *restoreplan.Item, key core.Key) {
	r.fail(engine.Row{Kind: *item.Kind, Key: key, Reason: ReasonObjectExists, Message: "an object of that name is there already"})
}

// meet deals with an object of somebody else that is there already, as the policy says.
func (r *run) meet(ctx context.Context, wish draft.Draft, living core.Living) error {
	if r.drafts.Shared(wish.Item) {
		r.leave(wish, draft.WhyShared)
		return nil
	}
	if r.request.Existing == restoreplan.Fail {
		return &refusal{ReasonObjectExists, errors.New("an object of that name has come while the restore ran")}
	}
	if bound, err := r.bindAgain(ctx, wish, living); err != nil || bound {
		return err
	}
	switch r.request.Existing {
	case restoreplan.Update, restoreplan.Recreate:
		return r.change(ctx, wish, living)
	case restoreplan.Skip, restoreplan.Fail:
	}
	r.leave(wish, "an object of that name is there already")
	return nil
}

// change makes an object that is there one of the backup.
func (r *run) change(ctx context.Context, wish draft.Draft, living core.Living) error {
	if err := r.holdBack(wish); err != nil {
		return err
	}
	if r.request.Existing == restoreplan.Update {
		return r.update(ctx, wish)
	}
	return r.recreate(ctx, wish, living)
}

// leave notes that an object stays as it is.
func (r *run) leave(wish draft.Draft, why string) {
	r.count(*wish.Item.Kind, func(counts *Counts) { counts.Existing++ })
	r.Note(wish.Key(), "Existing", why)
}

// update makes the object that is there equal to the one of the backup.
func (r *run) update(ctx context.Context, wish draft.Draft) error {
	var err error
	for range engine.MaxChanges {
		before, next, failed := r.drafts.Merge(ctx, wish)
		if failed != nil {
			return failed
		}
		// The API server writes some objects anew although nothing changes in them.
		if len(diff.Objects(*wish.Item.Kind, before, next.Object)) == 0 {
			r.leave(wish, "it is as in the backup")
			return nil
		}
		var changed bool
		changed, err = r.Cluster.Update(ctx, *wish.Item.Kind, next, r.updater)
		switch {
		case errors.Is(err, core.ErrConflict):
			continue
		case err != nil:
			return &refusal{ReasonUpdateRefused, draft.UpdateRefused(err)}
		case !changed:
			r.leave(wish, "it is as in the backup")
			return nil
		}
		r.updated(wish.Item, wish.Object, "it was made equal to the backup")
		return nil
	}
	return &refusal{ReasonUpdateRefused, draft.UpdateRefused(err)}
}

// recreate deletes the object that is there and creates the one of the backup, unless they are equal.
func (r *run) recreate(ctx context.Context, wish draft.Draft, living core.Living) error {
	before, next, err := r.drafts.Merge(ctx, wish)
	if err != nil {
		return err
	}
	tried, err := r.Cluster.TryUpdate(ctx, *wish.Item.Kind, next, r.updater)
	if err == nil && len(wish.Differences(before, tried)) == 0 {
		r.leave(wish, "it is as in the backup")
		return nil
	}
	decided := restoreplan.ToRecreate(living)
	if decided.Refused != "" {
		return &refusal{ReasonRecreateRefused, fmt.Errorf("it differs and is not recreated, as %s", decided.Refused)}
	}
	// The name is looked for last: that it is taken means that nothing else is wrong with the new object.
	if _, err := r.Cluster.TryCreate(ctx, *wish.Item.Kind, wish.Object, r.updater); err != nil && !errors.Is(err, core.ErrAlreadyExists) {
		return &refusal{ReasonRecreateRefused, fmt.Errorf("it stays, as the new one would be refused: %w", err)}
	}
	r.replace(wish.Item)
	if err := r.Cluster.Delete(ctx, living, decided.Orphan); err != nil {
		return &refusal{ReasonRecreateRefused, err}
	}
	waiting, cancel := context.WithTimeout(ctx, goneTime)
	defer cancel()
	if err := r.Cluster.AwaitGone(waiting, living); err != nil {
		return &refusal{ReasonRecreateRefused, fmt.Errorf("it was deleted to be created again: %w", err)}
	}
	if err := r.send(ctx, wish); err != nil {
		return &refusal{ReasonRecreateRefused, fmt.Errorf("it was deleted to be created again: %w", err)}
	}
	return nil
}

// replace takes note that an object is about to be deleted so that the one of the backup takes its place.
func (r *run) replace(item *restoreplan.Item) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.replaced[item.ID] = true
}

// writer returns the name under which an object is created. An undo deletes what the manager created, and leaves what the
// updater did: that is for what takes the place of an object that was there before.
func (r *run) writer(wish draft.Draft) string {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.replaced[wish.Item.ID] {
		return r.updater
	}
	// An attempt that was interrupted left no trace of what it had deleted and not created again. What it cannot have
	// deleted is told apart: kinds that are never deleted, and what is in namespaces that this restore made.
	doubtful := r.request.Resumed && r.request.Existing == restoreplan.Recreate &&
		restoreplan.Recreatable(*wish.Item.Kind) && !r.ownNamespaces[wish.Object.GetNamespace()]
	if doubtful {
		return r.updater
	}
	return r.manager
}
