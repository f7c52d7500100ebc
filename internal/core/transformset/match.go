package transformset

import (
	"fmt"
	"regexp"
	"slices"
	"strings"

	"k8s.io/apimachinery/pkg/labels"

	"github.com/soda-cdm/kahu/internal/core"
	"github.com/soda-cdm/kahu/internal/core/selection"
)

// matcher is a compiled Match.
type matcher struct {
	resources  []resource
	namespaces map[string]bool
	labels     labels.Selector
	condition  *condition
}

// resource names objects of one kind.
type resource struct {
	kind, group string // in lower case; the group may be empty, which means any
	name        string // empty means every name
	pattern     *regexp.Regexp
}

func (c *compilation) match(field string, match Match) matcher {
	made := matcher{labels: match.Labels}
	for i, filter := range match.Resources {
		made.resources = append(made.resources, c.resource(fmt.Sprintf("%s.resources[%d]", field, i), filter))
	}
	if len(match.Namespaces) > 0 {
		made.namespaces = make(map[string]bool, len(match.Namespaces))
		for _, name := range match.Namespaces {
			made.namespaces[name] = true
		}
	}
	if match.Condition != "" {
		made.condition = c.condition(field+".condition", match.Condition)
	}
	return made
}

func (c *compilation) resource(field string, filter selection.ResourceFilter) resource {
	kind, group, _ := strings.Cut(strings.ToLower(filter.Kind), ".")
	made := resource{kind: kind, group: group}
	if kind == "" {
		c.problemf(field+".kind", "name a kind, its plural or its short name, alone or with a dot and the group")
	}
	if filter.Name == "" || filter.Name == "*" {
		return made
	}
	if !filter.IsRegex {
		made.name = filter.Name
		return made
	}
	pattern, err := regexp.Compile(filter.Name)
	if err != nil {
		c.problemf(field+".name", "%v: correct the expression, or set isRegex to false", err)
	}
	made.pattern = pattern
	return made
}

// takes tells whether the object, by its name in the backup, is one of those that are named.
func (r resource) takes(kind core.Kind, name string) bool {
	called := slices.Concat(kind.ShortNames, []string{kind.Name, kind.Resource, kind.Singular})
	isKind := r.kind == "*" || slices.ContainsFunc(called, func(each string) bool { return strings.EqualFold(each, r.kind) })
	switch {
	case !isKind, r.group != "" && r.group != kind.Group:
		return false
	case r.pattern != nil:
		return r.pattern.MatchString(name)
	}
	return r.name == "" || r.name == name
}

// takes tells whether the object is one for the transform. The names are those in the backup.
func (m matcher) takes(target Target, object map[string]any) (bool, error) {
	named := len(m.resources) == 0 || slices.ContainsFunc(m.resources, func(each resource) bool {
		return each.takes(target.Kind, target.Name)
	})
	if !named || m.namespaces != nil && !m.namespaces[target.Namespace] {
		return false, nil
	}
	if m.labels != nil && !m.labels.Matches(labelsOf(object)) {
		return false, nil
	}
	if m.condition == nil {
		return true, nil
	}
	return m.condition.holds(object)
}

// labelsOf returns the labels of an object.
func labelsOf(object map[string]any) labels.Set {
	metadata, _ := object["metadata"].(map[string]any)
	all, _ := metadata["labels"].(map[string]any)
	found := make(labels.Set, len(all))
	for key, value := range all {
		if text, ok := value.(string); ok {
			found[key] = text
		}
	}
	return found
}
