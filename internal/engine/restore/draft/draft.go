package draft

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync"

	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/types"
	utiljson "k8s.io/apimachinery/pkg/util/json"

	"github.com/soda-cdm/kahu/internal/core"
	"github.com/soda-cdm/kahu/internal/core/naming"
	"github.com/soda-cdm/kahu/internal/core/restoreplan"
	"github.com/soda-cdm/kahu/internal/core/selection"
	"github.com/soda-cdm/kahu/internal/core/transform"
	"github.com/soda-cdm/kahu/internal/core/transformset"
	"github.com/soda-cdm/kahu/internal/engine"
)

// Draft is an object as the restore wants it to be.
type Draft struct {
	Item   *restoreplan.Item
	Object *unstructured.Unstructured
	// After is what is written of the object after it was created.
	After Aftermath
	// Unfit is why a transform cannot be applied; nil where all were.
	Unfit error
	// Taken are the paths of what was taken from it because it belonged to its old self.
	Taken []string
}

// Key names the object as it is in the target.
func (d Draft) Key() core.Key { return KeyOf(d.Item, d.Object) }

// Named is the draft without its content, which is read again.
func (d Draft) Named() Draft {
	name := &unstructured.Unstructured{Object: map[string]any{}}
	name.SetNamespace(d.Object.GetNamespace())
	name.SetName(d.Object.GetName())
	return Draft{Item: d.Item, Object: name}
}

// KeyOf names the object as it is in the target.
func KeyOf(item *restoreplan.Item, object *unstructured.Unstructured) core.Key {
	key := item.Key()
	key.Namespace, key.Name = object.GetNamespace(), object.GetName()
	return key
}

// Why an object is not drafted.
var (
	// ErrFinished: it is a Pod that had finished.
	ErrFinished = errors.New("it had finished, and would run again")
	// ErrOwnerPostponed: it waits for its owner.
	ErrOwnerPostponed = errors.New("its owner could not be created yet")
)

// Cluster is what drafting asks of a cluster.
type Cluster interface {
	engine.LivingGetter
	engine.ObjectGetter
}

// Drafter makes drafts. Whoever has one sets what it knows by then before each wave.
type Drafter struct {
	// Ledger is told what is changed, and what people should know of it.
	*engine.Ledger

	// Cluster is where the objects will be.
	Cluster Cluster
	// Transformer and then Program change the objects; Names knows which get another name, nil for none.
	Transformer *transform.Transformer
	Program     *transformset.Program
	Names       *naming.Names
	// RunFinished tells that Jobs and Pods run again that had finished, WithStatus chooses the objects whose status is
	// restored; nil means none.
	RunFinished bool
	WithStatus  *selection.Selector
	// Owners finds what owner references name among what the cluster serves.
	Owners restoreplan.OwnerFinder
	// Init returns the init containers that the pods of an object of the backup get, and why; nil means none.
	Init func(kind core.Kind, key core.Key, object map[string]any) (containers []any, why string, err error)
	// NewVolume returns why a claim gets a new volume, and not the one that it had; empty: it does not. nil: none does.
	NewVolume func(item *restoreplan.Item) string
	// Postponed tells whether an owner of the object has been put off.
	Postponed func(object *unstructured.Unstructured) bool

	mu     sync.Mutex
	living map[restoreplan.ID]types.UID // the UIDs that owners in the backup have in the cluster
}

// Make makes the object of the cluster out of the one of the backup. Its errors are ErrFinished, ErrOwnerPostponed and
// core.ErrCorrupt. A draft that is unfit is not to be created either.
func (d *Drafter) Make(ctx context.Context, item *restoreplan.Item, content []byte) (Draft, error) {
	made := Draft{Item: item, Object: &unstructured.Unstructured{}}
	// The decoder's own words could quote the content of a Secret.
	if err := utiljson.Unmarshal(content, &made.Object.Object); err != nil {
		return made, fmt.Errorf("%s is not the JSON of an object: %w", item.Key(), core.ErrCorrupt)
	}
	if d.skipsFinished(item, made.Object) {
		d.Note(item.Key(), "SkipFinished", ErrFinished.Error())
		return made, ErrFinished
	}
	if d.Postponed(made.Object) {
		return made, ErrOwnerPostponed
	}
	containers, why, err := d.initOf(item, made.Object)
	made.After = d.aftermathOf(item, made.Object)
	defer d.warnOfMentions(item, made.Object)
	for _, change := range d.change(item, made.Object) {
		d.noteChange(item.Key(), change)
		made.Taken = append(made.Taken, change.Path)
	}
	d.fixOwners(ctx, item, made.Object)
	for _, change := range transform.AddInit(*item.Kind, made.Object.Object, containers, why) {
		d.noteChange(item.Key(), change)
	}
	if made.Unfit = err; err == nil {
		made.Unfit = d.applyTransforms(item, made.Object)
	}
	return made, nil
}

// change takes from an object what belongs to its old self.
func (d *Drafter) change(item *restoreplan.Item, object *unstructured.Unstructured) []transform.Change {
	changes := d.Transformer.Apply(*item.Kind, object.Object)
	if d.NewVolume == nil {
		return changes
	}
	if why := d.NewVolume(item); why != "" {
		changes = append(changes, transform.NewVolume(object.Object, why)...)
	}
	return changes
}

// initOf returns the init containers that an object gets. It is asked before anything is changed in it, as names mean those of
// the backup.
func (d *Drafter) initOf(item *restoreplan.Item, object *unstructured.Unstructured) (containers []any, why string, err error) {
	if d.Init == nil {
		return nil, "", nil
	}
	return d.Init(*item.Kind, item.Key(), object.Object)
}

// applyTransforms changes the object as the wish says, after everything else. The error says that
// it cannot be changed so.
func (d *Drafter) applyTransforms(item *restoreplan.Item, object *unstructured.Unstructured) error {
	key := item.Key()
	target := transformset.Target{Kind: *item.Kind, Namespace: key.Namespace, Name: key.Name}
	applied, err := d.Program.Apply(target, object.Object)
	if err != nil {
		return err
	}
	for _, change := range applied.Changes {
		d.Note(KeyOf(item, object), "Changed", change.Path+": "+change.Reason)
	}
	for _, skipped := range applied.Skipped {
		d.Note(KeyOf(item, object), "TransformSkipped", skipped)
	}
	return nil
}

// noteChange writes a change into the report, unless it is made to every object.
func (d *Drafter) noteChange(key core.Key, change transform.Change) {
	switch field, inMetadata := strings.CutPrefix(change.Path, "metadata."); field {
	case "uid", "resourceVersion", "generation", "creationTimestamp", "selfLink", "managedFields":
		if inMetadata {
			return
		}
	case "status":
		return
	}
	d.Note(key, "Changed", change.Path+": "+change.Reason)
}
