package transformset

import (
	"maps"
	"slices"
	"strconv"
	"strings"
)

// eachPodSpec visits what looks like the spec of a pod anywhere in the object: a map with a list of containers that have
// names. Fields are visited in the order of their names.
func eachPodSpec(value any, path string, visit func(spec map[string]any, path string)) {
	switch part := value.(type) {
	case map[string]any:
		if isPodSpec(part) {
			visit(part, path)
		}
		for _, field := range slices.Sorted(maps.Keys(part)) {
			eachPodSpec(part[field], join(path, field), visit)
		}
	case []any:
		for i, element := range part {
			eachPodSpec(element, index(path, i), visit)
		}
	}
}

func isPodSpec(part map[string]any) bool {
	containers := list(part, "containers")
	return len(containers) > 0 && !slices.ContainsFunc(containers, func(container map[string]any) bool {
		_, named := container["name"].(string)
		return !named
	})
}

// list returns the elements of a list that are maps; the others are nil.
func list(parent map[string]any, field string) []map[string]any {
	elements, _ := parent[field].([]any)
	found := make([]map[string]any, len(elements))
	for i, element := range elements {
		found[i], _ = element.(map[string]any)
	}
	return found
}

// join appends fields to a path, in brackets where a name is not a plain one.
func join(path string, fields ...string) string {
	for _, field := range fields {
		switch {
		case strings.ContainsAny(field, "./'"):
			path += "['" + field + "']"
		case path == "":
			path = field
		default:
			path += "." + field
		}
	}
	return path
}

func index(path string, i int) string { return path + "[" + strconv.Itoa(i) + "]" }
