package draft

import (
	"context"
	"errors"
	"fmt"

	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	utiljson "k8s.io/apimachinery/pkg/util/json"

	"github.com/soda-cdm/kahu/internal/core"
	"github.com/soda-cdm/kahu/internal/core/diff"
	"github.com/soda-cdm/kahu/internal/core/restoreplan"
	"github.com/soda-cdm/kahu/internal/engine"
)

// NameIsTaken tells whether an object could not be created because one of that name is there. That comes last for the API
// server: it refuses an address that the living Service has, and what a quota has no room for or a webhook does not like,
// before it looks whether the name is taken.
func (d *Drafter) NameIsTaken(ctx context.Context, of Draft, err error) bool {
	switch {
	case errors.Is(err, core.ErrAlreadyExists):
		return true
	case !errors.Is(err, core.ErrInvalid) && !errors.Is(err, core.ErrDenied):
		return false
	}
	_, err = d.Cluster.Living(ctx, *of.Item.Kind, of.Object.GetNamespace(), of.Object.GetName())
	return err == nil
}

// Merge returns the living object, and the draft completed with what the cluster owns of that.
func (d *Drafter) Merge(ctx context.Context, of Draft) (living map[string]any, next *unstructured.Unstructured, err error) {
	found, err := d.Cluster.Get(ctx, *of.Item.Kind, of.Object.GetNamespace(), of.Object.GetName())
	if err != nil {
		return nil, nil, fmt.Errorf("reading the object that is there: %w", err)
	}
	if err := utiljson.Unmarshal(found.JSON, &living); err != nil {
		return nil, nil, fmt.Errorf("%s is not the JSON of an object: %w", found.Key(), core.ErrCorrupt)
	}
	lives := &unstructured.Unstructured{Object: living}
	lives.SetResourceVersion(found.ResourceVersion)
	next = of.Object.DeepCopy()
	restoreplan.Merge(*of.Item.Kind, next.Object, lives.DeepCopy().Object, of.Taken)
	return living, next, nil
}

// Differences returns what a write would change in an object.
func (d Draft) Differences(before map[string]any, tried core.Object) []diff.Field {
	var after map[string]any
	if err := utiljson.Unmarshal(tried.JSON, &after); err != nil {
		return []diff.Field{{Op: diff.Changed, Sensitive: true}} // What cannot be read is not known to be equal.
	}
	return diff.Objects(*d.Item.Kind, before, after)
}

// UpdateRefused returns why an object that is there could not be made equal to the backup.
func UpdateRefused(err error) error {
	if errors.Is(err, core.ErrInvalid) {
		err = fmt.Errorf("%w: with existingResourcePolicy Recreate it would be deleted and created again", err)
	}
	return err
}

// WhyShared is why an object that is shared stays as it is.
const WhyShared = "it keeps its name, and an object of that name is there already"

// Shared tells whether an object keeps its name in a restore with a prefix. One that is there is then that of the originals,
// and stays as it is whatever the policy says: it would be made to name the objects with the prefix.
func (d *Drafter) Shared(item *restoreplan.Item) bool {
	return d.Names != nil && d.Names.Of(*item.Kind, item.Namespace, item.Name) == item.Name
}

// warnOfMentions names the fields of a custom resource that say the name of an object which gets another one, and that
// nobody has declared to be references.
func (d *Drafter) warnOfMentions(item *restoreplan.Item, object *unstructured.Unstructured) {
	for _, mention := range d.Names.Mentions(*item.Kind, item.Namespace, object.Object) {
		d.Warn(KeyOf(item, object), fmt.Sprintf("%s %s: %s says %s, as an object that gets the prefix was called, and was left "+
			"as it is: if it is a reference, declare it in spec.references", item.Kind,
			engine.Path(object.GetNamespace(), object.GetName()), mention.Field, mention.Name))
	}
}
