package transform

import (
	"github.com/soda-cdm/kahu/internal/core"
	"github.com/soda-cdm/kahu/internal/core/naming"
)

// Options are what the author of a restore decides.
type Options struct {
	// NamespaceMapping is from the names of namespaces in the backup to their names in the cluster. All names are
	// mapped at once, so that two namespaces can change places.
	NamespaceMapping map[string]string
	// Names are the names that the objects get; nil where they keep theirs.
	Names *naming.Names
	// PreserveNodePorts keeps the node ports of services.
	PreserveNodePorts bool
	// PreserveClusterIPs keeps the cluster addresses of services.
	PreserveClusterIPs bool
}

// Change is one change that was made to an object.
type Change struct {
	// Path names the field, in the way of JSONPath: metadata.uid, spec.ports[0].nodePort,
	// metadata.annotations['pv.kubernetes.io/bind-completed'].
	Path string
	// Reason says why it was removed or changed.
	Reason string
	// Dropped tells whether an owner reference was dropped, which a person should know.
	Dropped bool
}

// Transformer changes objects as its options say. It is safe for concurrent use.
type Transformer struct {
	options    Options
	rules      map[string]rule
	namespaces map[string][]string // the fields that name namespaces; empty where none is mapped
}

// New returns a Transformer.
func New(options Options) *Transformer {
	made := &Transformer{options: options, rules: rules()}
	if len(options.NamespaceMapping) > 0 {
		made.namespaces = namespaceFields()
	}
	return made
}

// Namespace returns the name in the cluster of a namespace of the backup.
func (t *Transformer) Namespace(name string) string {
	if mapped, found := t.options.NamespaceMapping[name]; found && mapped != "" {
		return mapped
	}
	return name
}

// Key returns the name in the cluster of an object of the backup.
func (t *Transformer) Key(kind core.Kind, key core.Key) core.Key {
	key.Name = t.options.Names.Of(kind, key.Namespace, key.Name)
	key.Namespace = t.Namespace(key.Namespace)
	if kind.Group == "" && kind.Resource == "namespaces" {
		key.Name = t.Namespace(key.Name)
	}
	return key
}

// Collision returns two of the namespaces of a backup that would get the same name in the cluster, and that name, or
// nothing: their objects would become one heap, of which only the first of each name is created.
func (t *Transformer) Collision(namespaces []string) (first, second, name string) {
	owners := make(map[string]string, len(namespaces))
	for _, namespace := range namespaces {
		mapped := t.Namespace(namespace)
		if other, taken := owners[mapped]; taken && other != namespace {
			return other, namespace, mapped
		}
		owners[mapped] = namespace
	}
	return "", "", ""
}

// Apply changes the object, which is of the kind, in place, and returns what was changed, in a fixed order. Owner
// references are left to Owners, but for the names of owners that get other ones. Applied to what it returned, it changes
// nothing more, but for names of namespaces, which it maps every time.
func (t *Transformer) Apply(kind core.Kind, object map[string]any) []Change {
	e := &edit{options: t.options, namespace: t.Namespace, object: object}
	e.rename(kind, t.options.Names)
	e.version(kind)
	e.metadata(kind)
	name := kind.GroupResource().String()
	if apply, found := t.rules[name]; found {
		apply(e)
	}
	e.mapFields(t.namespaces[name])
	return e.changes
}
