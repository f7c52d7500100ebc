package draft

import (
	"context"
	"fmt"
	"maps"
	"slices"

	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/types"

	"github.com/soda-cdm/kahu/internal/core"
	"github.com/soda-cdm/kahu/internal/core/restoreplan"
	"github.com/soda-cdm/kahu/internal/core/transform"
	"github.com/soda-cdm/kahu/internal/engine"
)

// Remember keeps the identity of an object that others have as an owner.
func (d *Drafter) Remember(item *restoreplan.Item, uid types.UID) {
	if !item.Owns {
		return
	}
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.living == nil {
		d.living = map[restoreplan.ID]types.UID{}
	}
	d.living[item.ID] = uid
}

// Remembered returns the UID that an object has in the cluster; empty where it is not known, or nobody's owner.
func (d *Drafter) Remembered(id restoreplan.ID) types.UID {
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.living[id]
}

// AllRemembered returns the UIDs that owners have in the cluster.
func (d *Drafter) AllRemembered() []types.UID {
	d.mu.Lock()
	defer d.mu.Unlock()
	return slices.Collect(maps.Values(d.living))
}

// fixOwners makes owner references point to the living owners, or drops them.
func (d *Drafter) fixOwners(ctx context.Context, item *restoreplan.Item, object *unstructured.Unstructured) {
	changes := transform.Owners(object.Object, func(owner core.Owner) (types.UID, bool) {
		d.mu.Lock()
		uid, known := d.living[restoreplan.IDOf(owner.UID)]
		d.mu.Unlock()
		if !known {
			uid, known = d.lookUp(ctx, owner, object.GetNamespace())
		}
		if !known && !WrittenAgain(*item.Kind, owner) {
			d.Warn(KeyOf(item, object), fmt.Sprintf("%s %s: its reference to owner %s %s is dropped, as there is no such owner",
				item.Kind, engine.Path(object.GetNamespace(), object.GetName()), owner.Kind, owner.Name))
		}
		return uid, known
	})
	for _, change := range changes {
		d.noteChange(KeyOf(item, object), change)
	}
}

// WrittenAgain tells whether the owner's controller writes the reference itself: claims come before the StatefulSet that
// would otherwise make empty ones.
func WrittenAgain(kind core.Kind, owner core.Owner) bool {
	return engine.IsClaim(kind) && owner.Kind == "StatefulSet"
}

// lookUp finds an owner that is not in the plan, by its kind and name.
func (d *Drafter) lookUp(ctx context.Context, owner core.Owner, namespace string) (types.UID, bool) {
	kind, at, served := d.Owners.Find(namespace, owner)
	if !served {
		return "", false
	}
	living, err := d.Cluster.Living(ctx, kind, at, owner.Name)
	return living.UID, err == nil
}
