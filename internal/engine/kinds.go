package engine

import (
	"slices"

	"k8s.io/apimachinery/pkg/runtime/schema"

	"github.com/soda-cdm/kahu/internal/core"
)

// KeyOfKind names a kind where no single object of it is meant.
func KeyOfKind(kind core.Kind, namespace string) core.Key {
	return core.Key{Group: kind.Group, Resource: kind.Resource, Namespace: namespace}
}

// IsDefinition tells whether the objects of a kind define kinds.
func IsDefinition(kind core.Kind) bool {
	return kind.Group == "apiextensions.k8s.io" && kind.Resource == "customresourcedefinitions"
}

// IsNamespace tells whether the objects of a kind are namespaces.
func IsNamespace(kind core.Kind) bool { return kind.Group == "" && kind.Resource == "namespaces" }

// IsClaim tells whether the objects of a kind are claims of volumes.
func IsClaim(kind core.Kind) bool {
	return kind.Group == "" && kind.Resource == "persistentvolumeclaims"
}

// Path returns how people write the name of an object in a namespace, or of one in none.
func Path(namespace, name string) string {
	if namespace == "" {
		return name
	}
	return namespace + "/" + name
}

// FindKind returns the kind of that name, if it is among those.
func FindKind(among []core.Kind, name schema.GroupResource) (core.Kind, bool) {
	at := slices.IndexFunc(among, func(kind core.Kind) bool { return kind.GroupResource() == name })
	if at < 0 {
		return core.Kind{}, false
	}
	return among[at], true
}

// NamespaceKind returns the kind Namespace.
func NamespaceKind() core.Kind {
	return core.Kind{Version: "v1", Name: "Namespace", Resource: "namespaces"}
}
