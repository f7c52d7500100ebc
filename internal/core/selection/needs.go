package selection

import (
	"strconv"
	"strings"

	"k8s.io/apimachinery/pkg/runtime/schema"

	"github.com/soda-cdm/kahu/internal/core"
)

// Need is one object that another one refers to.
type Need struct {
	// Group is the API group, empty for the core group.
	Group string
	// Resource is the plural name in lower case. It is empty where the reference has a kind, which is then in Kind.
	Resource string
	Kind     string
	// Namespace is where the object is; empty at cluster scope. Where Kind is given and turns out to be a kind at
	// cluster scope, it means nothing.
	Namespace string
	// Name is never empty.
	Name string
	// Optional tells that nothing is wrong when the object does not exist.
	Optional bool
	// Field is the path of the reference in the object that needs, such as spec.volumes[0].secret.secretName.
	Field string
}

// Rules know what objects refer to. They do not change, and may be used by several goroutines at once.
type Rules struct {
	byKind map[schema.GroupResource]rule
}

// NewRules returns the rules for the kinds of Kubernetes and for volume snapshots.
func NewRules() *Rules {
	rules := table()
	for _, row := range cohabitations() {
		rule, found := rules[schema.GroupResource{Group: row.groups[0], Resource: row.resource}]
		if !found {
			continue
		}
		for _, group := range row.groups[1:] {
			rules[schema.GroupResource{Group: group, Resource: row.resource}] = rule
		}
	}
	return &Rules{byKind: rules}
}

// Needs returns what an object refers to, given its decoded JSON. What has an unexpected shape is passed over.
// An object can be in the answer several times, once for each reference.
func (r *Rules) Needs(kind core.Kind, content map[string]any) []Need {
	metadata, _ := content["metadata"].(map[string]any)
	return r.needs(subject{
		kind: kind, namespace: text(metadata, "namespace"), name: text(metadata, "name"), content: content,
	})
}

// reads tells whether the content of objects of the kind matters.
func (r *Rules) reads(kind core.Kind) bool { return r.byKind[kind.GroupResource()] != nil }

// needs returns what a subject refers to; its content may be missing where reads is false.
func (r *Rules) needs(of subject) []Need {
	var found []Need
	add := func(need Need) {
		if need.Name != "" {
			found = append(found, need)
		}
	}
	if of.kind.Namespaced {
		add(Need{Resource: namespaces, Name: of.namespace, Field: "metadata.namespace"})
	}
	if of.kind.Custom {
		// An aggregated API server serves kinds that have no definition.
		add(Need{
			Group: "apiextensions.k8s.io", Resource: "customresourcedefinitions",
			Name: of.kind.Resource + "." + of.kind.Group, Optional: true, Field: "apiVersion",
		})
	}
	if rule := r.byKind[of.kind.GroupResource()]; rule != nil {
		rule(of, add)
	}
	return found
}

// subject is an object that may need others.
type subject struct {
	kind            core.Kind
	namespace, name string
	content         map[string]any
}

// rule finds what objects of one kind refer to.
type rule func(of subject, add func(need Need))

// all is the rule that several rules are together.
func all(rules ...rule) rule {
	return func(of subject, add func(need Need)) {
		for _, rule := range rules {
			rule(of, add)
		}
	}
}

// optional is the rule with every need optional.
func optional(rules ...rule) rule {
	return func(of subject, add func(need Need)) {
		all(rules...)(of, func(need Need) {
			need.Optional = true
			add(need)
		})
	}
}

// target is the kind that references of one field refer to.
type target struct {
	group, resource string
	// atCluster tells that objects of the kind have no namespace.
	atCluster bool
}

func inNamespace(group, resource string) target { return target{group: group, resource: resource} }

func atCluster(group, resource string) target {
	return target{group: group, resource: resource, atCluster: true}
}

// refer is the rule for a field with the name of an object, in the namespace of the object that refers. A field
// optional beside it is heeded.
func refer(path string, to target) rule { return referIn(path, "", to) }

// referIn is refer where the field namespaceField beside the name has the namespace.
func referIn(path, namespaceField string, to target) rule {
	return func(of subject, add func(need Need)) {
		walk(of.content, path, "", func(at place) {
			need := Need{Group: to.group, Resource: to.resource, Name: text(at.parent, at.leaf), Field: at.field}
			need.Optional, _ = at.parent["optional"].(bool)
			if !to.atCluster {
				need.Namespace = of.namespace
				if namespace := text(at.parent, namespaceField); namespace != "" {
					need.Namespace = namespace
				}
				if need.Namespace == "" {
					return
				}
			}
			add(need)
		})
	}
}

// referAny is the rule for a field that names an object together with its kind: apiVersion or apiGroup, kind, name,
// and perhaps a namespace.
func referAny(path string) rule {
	return func(of subject, add func(need Need)) {
		walk(of.content, path, "", func(at place) {
			reference, _ := at.parent[at.leaf].(map[string]any)
			need := Need{
				Group: text(reference, "apiGroup"), Kind: text(reference, "kind"), Name: text(reference, "name"),
				Namespace: of.namespace, Field: at.field + ".name",
			}
			if group, _, grouped := strings.Cut(text(reference, "apiVersion"), "/"); grouped {
				need.Group = group
			}
			if namespace := text(reference, "namespace"); namespace != "" {
				need.Namespace = namespace
			}
			if need.Kind != "" {
				add(need)
			}
		})
	}
}

// place is where a path leads.
type place struct {
	parent map[string]any
	leaf   string
	field  string // the path with the positions in lists
}

// walk visits every place to which a path leads. The parts of a path are divided by dots; one that ends in [] is a
// list, of which every item is visited. A place need not have a value.
func walk(from map[string]any, path, prefix string, visit func(at place)) {
	part, rest, more := strings.Cut(path, ".")
	if !more {
		visit(place{parent: from, leaf: part, field: prefix + part})
		return
	}
	name, list := strings.CutSuffix(part, "[]")
	if !list {
		if next, ok := from[name].(map[string]any); ok {
			walk(next, rest, prefix+name+".", visit)
		}
		return
	}
	items, _ := from[name].([]any)
	for i, item := range items {
		if next, ok := item.(map[string]any); ok {
			walk(next, rest, prefix+name+"["+strconv.Itoa(i)+"].", visit)
		}
	}
}

// text returns a member that is a string, or nothing.
func text(from map[string]any, name string) string {
	value, _ := from[name].(string)
	return value
}
