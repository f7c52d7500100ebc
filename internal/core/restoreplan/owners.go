package restoreplan

import (
	"k8s.io/apimachinery/pkg/runtime/schema"

	"github.com/soda-cdm/kahu/internal/core"
)

// OwnerFinder tells where the owner of an object would be in a cluster, for owners that are not in the plan.
type OwnerFinder struct {
	kinds map[schema.GroupKind]core.Kind
}

// NewOwnerFinder returns a finder for a cluster that serves these kinds.
func NewOwnerFinder(kinds []core.Kind) OwnerFinder {
	finder := OwnerFinder{kinds: make(map[schema.GroupKind]core.Kind, len(kinds))}
	for _, kind := range kinds {
		finder.kinds[schema.GroupKind{Group: kind.Group, Kind: kind.Name}] = kind
	}
	return finder
}

// Find returns the kind and the namespace in which to look for an owner by its name: that of the object (as it is
// called in the cluster, after a mapping) or none. It is false where the cluster serves no such kind, or where an
// object at cluster scope has an owner in a namespace, which no cluster accepts.
func (f OwnerFinder) Find(namespace string, owner core.Owner) (kind core.Kind, at string, ok bool) {
	version, err := schema.ParseGroupVersion(owner.APIVersion)
	if err != nil {
		return core.Kind{}, "", false
	}
	kind, found := f.kinds[schema.GroupKind{Group: version.Group, Kind: owner.Kind}]
	switch {
	case !found, kind.Namespaced && namespace == "":
		return core.Kind{}, "", false
	case kind.Namespaced:
		return kind, namespace, true
	}
	return kind, "", true
}
