package reference

import (
	"errors"
	"fmt"
	"maps"
	"slices"

	"k8s.io/apimachinery/pkg/runtime/schema"

	"github.com/soda-cdm/kahu/internal/core"
)

// Declaration is a reference that somebody declares: of kinds that people add nobody else knows.
type Declaration struct {
	// From is the kind whose objects refer to others.
	From core.Kind
	// Path leads to the name of the object; or, where To is not given, to an object of name, kind, apiVersion or
	// apiGroup or group, and perhaps namespace.
	Path Path
	// To is the kind of what is referred to, if it is always the same one.
	To *core.Kind
	// NamespacePath leads to the namespace, if it is not that of the object that refers. It has [*] only where Path has
	// it, too, and means the same item there.
	NamespacePath *Path
	// Optional tells that nothing is wrong when the object does not exist.
	Optional bool
}

// Check returns what is wrong with a declaration.
func (d Declaration) Check() error {
	if d.readsSecrets() {
		return errors.New("what a Secret keeps secret is not read")
	}
	if d.NamespacePath != nil && !d.NamespacePath.single(d.NamespacePath.shared(d.Path)) {
		return errors.New("namespacePath has [*] where path does not have the same before it, so that nobody knows which namespace is meant")
	}
	if !d.From.Namespaced && d.To != nil && d.To.Namespaced && d.NamespacePath == nil {
		return fmt.Errorf("objects of %s have no namespace and those of %s have one: give namespacePath", d.From, d.To)
	}
	return nil
}

// readsSecrets tells whether a declaration would read what Secrets hold.
func (d Declaration) readsSecrets() bool {
	paths := []Path{d.Path}
	if d.NamespacePath != nil {
		paths = append(paths, *d.NamespacePath)
	}
	return d.From.Group == "" && d.From.Resource == secrets().resource && slices.ContainsFunc(paths, func(path Path) bool {
		return path.member() == "data" || path.member() == "stringData"
	})
}

// rule returns the declaration as a rule.
func (d Declaration) rule() rule {
	return func(of Subject, add func(need Need)) {
		shared := 0
		if d.NamespacePath != nil {
			shared = d.NamespacePath.shared(d.Path)
		}
		follow(of.content, d.Path.steps[:shared], "", func(from any, at string) {
			namespace := of.Namespace
			if d.NamespacePath != nil {
				follow(from, d.NamespacePath.steps[shared:], "", func(value any, _ string) {
					if given, _ := value.(string); given != "" {
						namespace = given
					}
				})
			}
			follow(from, d.Path.steps[shared:], at, func(value any, at string) {
				d.add(value, Need{Namespace: namespace, Optional: d.Optional, Field: written(at)}, add)
			})
		})
	}
}

// add adds the need for a value, if it is one.
func (d Declaration) add(value any, need Need, add func(need Need)) {
	if d.To != nil {
		need.Group, need.Resource = d.To.Group, d.To.Resource
		need.Name, _ = value.(string)
		if !d.To.Namespaced {
			need.Namespace = ""
		}
		add(need)
		return
	}
	if reference, is := value.(map[string]any); is {
		if group := text(reference, "group"); group != "" {
			need.Group = group
		}
		addAny(reference, need, add)
	}
}

// declare adds declarations to the rules.
func (r *Rules) declare(declared []Declaration) {
	for _, one := range declared {
		resource := one.From.GroupResource()
		rules := []rule{one.rule()}
		if before := r.byKind[resource]; before != nil {
			rules = append([]rule{before}, rules...)
		}
		r.byKind[resource] = all(rules...)
		paths := []Path{one.Path}
		if one.NamespacePath != nil {
			paths = append(paths, *one.NamespacePath)
		}
		for _, path := range paths {
			if r.members[resource] == nil {
				r.members[resource] = map[string]bool{}
			}
			r.members[resource][path.member()] = true
		}
	}
}

// members are those of the objects of each kind that declared references read.
type members map[schema.GroupResource]map[string]bool

func sortedKeys(from map[string]any) []string { return slices.Sorted(maps.Keys(from)) }
