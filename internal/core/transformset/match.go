package transformset

import (
	"fmt"
	"slices"

	"k8s.io/apimachinery/pkg/labels"

	"github.com/soda-cdm/kahu/internal/core/selection"
)

// matcher is a compiled Match.
type matcher struct {
	resources  []selection.Resource
	namespaces map[string]bool
	labels     labels.Selector
	condition  *condition
}

func (c *compilation) match(field string, match Match) matcher {
	made := matcher{labels: match.Labels}
	for i, filter := range match.Resources {
		resource, problems := selection.CompileResource(fmt.Sprintf("%s.resources[%d]", field, i), filter)
		for _, problem := range problems {
			c.problemf(problem.Field, "%s", problem.Message)
		}
		made.resources = append(made.resources, resource)
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

// takes tells whether the object is one for the transform. The names are those in the backup.
func (m matcher) takes(target Target, object map[string]any) (bool, error) {
	named := len(m.resources) == 0 || slices.ContainsFunc(m.resources, func(each selection.Resource) bool {
		return each.Takes(target.Kind, target.Name)
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
