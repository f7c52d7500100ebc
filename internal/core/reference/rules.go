package reference

import (
	"fmt"
	"strconv"
	"strings"

	"k8s.io/apimachinery/pkg/runtime/schema"

	"github.com/soda-cdm/kahu/internal/core"
)

// Need is one object that another one refers to.
type Need struct {
	// Group is the API group, empty for the core group.
	Group string
	// Resource is the plural name in lower case. It is empty where the reference has a kind, which is then in Kind. Both are
	// empty where the kind stands elsewhere, which only Rename meets.
	Resource string
	Kind     string
	// Namespace is where the object is; empty at cluster scope. Where Kind is given and turns out to be a kind at
	// cluster scope, it means nothing.
	Namespace string
	// Name is never empty.
	Name string
	// Optional tells that nothing is wrong when the object does not exist.
	Optional bool
	// Implied tells that the object names none and gets this one by itself: that it is left out is worth no word.
	Implied bool
	// Field is the path of the reference in the object that needs, such as spec.volumes[0].secret.secretName.
	Field string
}

// Rules know what objects refer to. They do not change, and may be used by several goroutines at once.
type Rules struct {
	byKind  map[schema.GroupResource]rule
	back    map[schema.GroupResource]rule // what Rename follows besides
	members members
}

// NewRules returns the rules for the kinds of Kubernetes and for volume snapshots. Kinds that were once served in
// another group have their rule there, too. To these it adds what is declared.
func NewRules(declared ...Declaration) *Rules {
	rules := table()
	for _, resource := range []string{"daemonsets", "deployments", "replicasets"} {
		rules[schema.GroupResource{Group: "extensions", Resource: resource}] = rules[schema.GroupResource{Group: "apps", Resource: resource}]
	}
	rules[schema.GroupResource{Group: "extensions", Resource: "ingresses"}] = ingress()
	made := &Rules{byKind: rules, back: backTable(), members: members{}}
	made.declare(declared)
	return made
}

// Subject is an object as the rules see it.
type Subject struct {
	// Kind is the kind; Namespace is empty at cluster scope.
	Kind            core.Kind
	Namespace, Name string
	// Labels are the object's labels.
	Labels map[string]string

	content map[string]any
}

// Decoded returns an object whose JSON was decoded as a whole.
func Decoded(kind core.Kind, content map[string]any) Subject {
	metadata := member(content, "metadata")
	labels := map[string]string{}
	for key := range member(metadata, "labels") {
		labels[key] = text(member(metadata, "labels"), key)
	}
	return Subject{
		Kind: kind, Namespace: text(metadata, "namespace"), Name: text(metadata, "name"), Labels: labels, content: content,
	}
}

// Follows tells whether objects of the kind have fields that refer to others: only of these Read needs the JSON.
func (r *Rules) Follows(kind core.Kind) bool { return r.byKind[kind.GroupResource()] != nil }

// Read decodes what the rules read of an object. JSON that is none gives core.ErrCorrupt.
func (r *Rules) Read(object core.Object) (Subject, error) {
	of := Subject{Kind: object.Kind, Namespace: object.Namespace, Name: object.Name, Labels: object.Labels}
	if !r.Follows(object.Kind) {
		return of, nil
	}
	content, err := contentOf(object.JSON, func(member string) bool { return r.reads(object.Kind, member) })
	if err != nil {
		return Subject{}, fmt.Errorf("%w: reading what %s needs: %w", core.ErrCorrupt, object.Key(), err)
	}
	of.content = content
	return of, nil
}

// Needs returns what an object refers to. What has an unexpected shape is passed over. An object can be in the answer
// several times, once for each reference.
func (r *Rules) Needs(of Subject) []Need {
	var found []Need
	add := func(need Need) {
		if need.Name != "" {
			found = append(found, need)
		}
	}
	if of.Kind.Namespaced {
		add(Need{Resource: namespaces, Name: of.Namespace, Field: "metadata.namespace"})
	}
	if of.Kind.Custom {
		// An aggregated API server serves kinds that have no definition.
		add(Need{
			Group: "apiextensions.k8s.io", Resource: "customresourcedefinitions",
			Name: of.Kind.Resource + "." + of.Kind.Group, Optional: true, Field: "apiVersion",
		})
	}
	if rule := r.byKind[of.Kind.GroupResource()]; rule != nil {
		rule(of, add)
	}
	return found
}

// By returns the reason of an object that is in because of this one: "needed by Deployment shop/web".
func (s Subject) By() core.Reason { return core.NeededBy(KindName(s.Kind), s.Namespace, s.Name) }

// KindName returns a kind for people: with its group where it is none of Kubernetes' own.
func KindName(kind core.Kind) string {
	if kind.Custom {
		return kind.String()
	}
	return kind.Name
}

// rule finds what objects of one kind refer to.
type rule func(of Subject, add func(need Need))

// all is the rule that several rules are together.
func all(rules ...rule) rule {
	return func(of Subject, add func(need Need)) {
		for _, rule := range rules {
			rule(of, add)
		}
	}
}

// optional is the rule with every need optional.
func optional(rules ...rule) rule {
	return func(of Subject, add func(need Need)) {
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
	return func(of Subject, add func(need Need)) {
		walk(of.content, path, "", func(at place) {
			need := Need{Group: to.group, Resource: to.resource, Name: text(at.parent, at.leaf), Field: at.field}
			need.Optional, _ = at.parent["optional"].(bool)
			if !to.atCluster {
				need.Namespace = of.Namespace
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
	return func(of Subject, add func(need Need)) {
		walk(of.content, path, "", func(at place) {
			addAny(member(at.parent, at.leaf), Need{Namespace: of.Namespace, Field: at.field}, add)
		})
	}
}

// addAny adds the need for an object that a reference names together with its kind. The need that is given has the
// namespace that it has where the reference says nothing, and the field of the reference.
func addAny(reference map[string]any, need Need, add func(need Need)) {
	need.Kind, need.Name = text(reference, "kind"), text(reference, "name")
	need.Field += ".name"
	if group := text(reference, "apiGroup"); group != "" {
		need.Group = group
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
