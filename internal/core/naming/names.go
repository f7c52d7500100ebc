package naming

import (
	"crypto/sha256"
	"slices"
	"strings"

	"k8s.io/apimachinery/pkg/runtime/schema"

	"github.com/soda-cdm/kahu/internal/core"
	"github.com/soda-cdm/kahu/internal/core/reference"
)

// Names are the names that the objects of a restore get. When all objects were added, it may be used by several goroutines
// at once. A nil one changes no name.
//
// Memory: two hashes of 16 bytes for each object, and two words for each StatefulSet and claim template.
type Names struct {
	prefix string
	rules  *reference.Rules
	kinds  map[schema.GroupKind]core.Kind
	named  map[schema.GroupResource]core.Kind

	numbers map[schema.GroupResource]int
	objects map[hash][]int  // by namespace and name, and by name: the numbers of the kinds that get the prefix
	claims  map[hash]string // by namespace and the name of a claim of a StatefulSet without its ordinal: the same with the prefix
}

// hash is a name in a namespace in 16 bytes. Its strength matters, as names are chosen by people.
type hash [16]byte

func hashOf(namespace, name string) hash {
	sum := sha256.Sum256([]byte(namespace + "\x00" + name))
	return hash(sum[:len(hash{})])
}

// New returns names with the prefix, or nil where it is empty.
func New(prefix string) *Names {
	if prefix == "" {
		return nil
	}
	return &Names{
		prefix: prefix, rules: reference.NewRules(),
		kinds: map[schema.GroupKind]core.Kind{}, named: map[schema.GroupResource]core.Kind{},
		numbers: map[schema.GroupResource]int{}, objects: map[hash][]int{}, claims: map[hash]string{},
	}
}

// Follow says by which rules objects refer to one another, and what kinds there are.
func (n *Names) Follow(rules *reference.Rules, kinds []core.Kind) {
	if n == nil {
		return
	}
	n.rules = rules
	for _, kind := range kinds {
		n.kinds[schema.GroupKind{Group: kind.Group, Kind: kind.Name}] = kind
		n.named[kind.GroupResource()] = kind
	}
}

// Add takes note of an object of the restore.
func (n *Names) Add(kind core.Kind, namespace, name string, labels map[string]string) {
	if n == nil || Keeps(kind, namespace, name, labels) != "" {
		return
	}
	number, known := n.numbers[kind.GroupResource()]
	if !known {
		number = len(n.numbers)
		n.numbers[kind.GroupResource()] = number
	}
	for _, key := range []hash{hashOf(namespace, name), hashOf(reference.AnyNamespace, name)} {
		if !slices.Contains(n.objects[key], number) {
			n.objects[key] = append(n.objects[key], number)
		}
	}
}

// Set takes note of the templates of claims of a StatefulSet of the restore: its controller looks for claims that are
// called after the template, the set and a number, in this order.
func (n *Names) Set(object map[string]any) {
	if n == nil {
		return
	}
	set := reference.Decoded(core.Kind{Group: "apps", Resource: "statefulsets", Namespaced: true}, object)
	spec, _ := object["spec"].(map[string]any)
	templates, _ := spec["volumeClaimTemplates"].([]any)
	for _, item := range templates {
		template, _ := item.(map[string]any)
		metadata, _ := template["metadata"].(map[string]any)
		if name, _ := metadata["name"].(string); name != "" {
			n.claims[hashOf(set.Namespace, name+"-"+set.Name)] = name + "-" + n.prefix + set.Name
		}
	}
}

// Of returns the name that an object gets: its own where it is none of the restore, or keeps it.
func (n *Names) Of(kind core.Kind, namespace, name string) string {
	if n == nil || !n.has(kind.GroupResource(), namespace, name) {
		return name
	}
	if kind.Group == "" && kind.Resource == "persistentvolumeclaims" {
		if base, ordinal, is := cutOrdinal(name); is {
			if renamed, found := n.claims[hashOf(namespace, base)]; found {
				return renamed + ordinal
			}
		}
	}
	return n.prefix + name
}

// cutOrdinal cuts the number at the end of the name of a claim, with the hyphen before it.
func cutOrdinal(name string) (base, ordinal string, ok bool) {
	base = strings.TrimRight(name, "0123456789")
	ordinal = name[len(base):]
	base, hyphen := strings.CutSuffix(base, "-")
	return base, "-" + ordinal, hyphen && ordinal != ""
}

// has tells whether an object is one of the restore that gets another name.
func (n *Names) has(resource schema.GroupResource, namespace, name string) bool {
	number, known := n.numbers[resource]
	return known && slices.Contains(n.objects[hashOf(namespace, name)], number)
}

// referred returns the name that what a need names gets.
func (n *Names) referred(need reference.Need) string {
	if need.Implied {
		return need.Name
	}
	kind, known := n.kindOf(need)
	switch {
	case known && !kind.Namespaced:
		return n.Of(kind, "", need.Name)
	case known:
		return n.Of(kind, need.Namespace, need.Name)
	case need.Resource == "" && need.Kind == "" && len(n.objects[hashOf(need.Namespace, need.Name)]) > 0:
		return n.prefix + need.Name
	}
	return need.Name
}

// kindOf returns the kind of what a need names.
func (n *Names) kindOf(need reference.Need) (core.Kind, bool) {
	if need.Resource != "" {
		kind, known := n.named[schema.GroupResource{Group: need.Group, Resource: need.Resource}]
		return kind, known
	}
	kind, known := n.kinds[schema.GroupKind{Group: need.Group, Kind: need.Kind}]
	return kind, known
}

// Rename writes the names of the restore into an object: its own, and those of the objects that it names. The object has
// the namespaces of the backup.
func (n *Names) Rename(kind core.Kind, object map[string]any) []reference.Renamed {
	if n == nil {
		return nil
	}
	of := reference.Decoded(kind, object)
	renamed := n.rules.Rename(of, n.referred)
	if name := n.Of(kind, of.Namespace, of.Name); name != of.Name {
		metadata, _ := object["metadata"].(map[string]any)
		metadata["name"] = name
		renamed = append([]reference.Renamed{{Field: "metadata.name", From: of.Name, To: name}}, renamed...)
	}
	return renamed
}
