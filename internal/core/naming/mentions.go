package naming

import (
	"maps"
	"slices"
	"strconv"

	"github.com/soda-cdm/kahu/internal/core"
	"github.com/soda-cdm/kahu/internal/core/reference"
)

// Mention is a field of a custom resource that has the name of an object which gets another one, and that nobody has declared
// to be a reference.
type Mention struct {
	// Field is its path, Name is what it says.
	Field, Name string
}

// maxMentions bounds how many mentions of an object are returned.
const maxMentions = 3

// Mentions returns the first fields of a renamed custom resource that look like references which could not be followed. The
// namespace is that of the backup. That a field says the same as a name can be chance: it is a warning and no more.
func (n *Names) Mentions(kind core.Kind, namespace string, object map[string]any) []Mention {
	if n == nil || !kind.Custom {
		return nil
	}
	if namespace == "" {
		namespace = reference.AnyNamespace
	}
	var found []Mention
	for _, member := range slices.Sorted(maps.Keys(object)) {
		if slices.Contains([]string{"apiVersion", "kind", "metadata", "status"}, member) {
			continue
		}
		texts(object[member], member, func(field, text string) bool {
			if len(n.objects[hashOf(namespace, text)]) > 0 {
				found = append(found, Mention{Field: field, Name: text})
			}
			return len(found) < maxMentions
		})
	}
	return found[:min(len(found), maxMentions)]
}

// texts visits the texts in a value, until visit returns false.
func texts(value any, field string, visit func(field, text string) bool) bool {
	switch inner := value.(type) {
	case string:
		return visit(field, inner)
	case []any:
		for i, item := range inner {
			if !texts(item, field+"["+strconv.Itoa(i)+"]", visit) {
				return false
			}
		}
	case map[string]any:
		for _, key := range slices.Sorted(maps.Keys(inner)) {
			if !texts(inner[key], field+"."+key, visit) {
				return false
			}
		}
	}
	return true
}
