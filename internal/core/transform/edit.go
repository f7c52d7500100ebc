package transform

import (
	"strconv"
	"strings"
)

// edit is one object being changed.
type edit struct {
	options   Options
	namespace func(name string) string
	object    map[string]any
	mapped    bool // the object goes to another namespace than it came from
	renamed   bool // the object gets another name than it had
	changes   []Change
}

// note writes a change down.
func (e *edit) note(path, reason string) {
	e.changes = append(e.changes, Change{Path: path, Reason: reason})
}

// remove removes the field where it is there. Fields that lead to it and are empty afterwards stay.
func (e *edit) remove(reason string, path ...string) {
	parent := child(e.object, path[:len(path)-1]...)
	e.removeFrom(parent, join("", path[:len(path)-1]...), reason, path[len(path)-1])
}

// removeFrom removes fields of a map, which is at the path.
func (e *edit) removeFrom(parent map[string]any, path, reason string, fields ...string) {
	for _, field := range fields {
		if _, found := parent[field]; !found {
			continue
		}
		delete(parent, field)
		e.note(join(path, field), reason)
	}
}

// mapNamespace maps a name of a namespace in a field of a map, which is at the path.
func (e *edit) mapNamespace(parent map[string]any, path, field string) {
	name, _ := parent[field].(string)
	mapped := e.namespace(name)
	if name == "" || mapped == name {
		return
	}
	parent[field] = mapped
	e.note(join(path, field), reasonMapped(name, mapped))
}

func reasonMapped(name, mapped string) string {
	return "namespace " + name + " is restored as " + mapped
}

// child returns the map at the path, or nil, from which one can read and delete.
func child(object map[string]any, path ...string) map[string]any {
	for _, field := range path {
		object, _ = object[field].(map[string]any)
	}
	return object
}

// list returns the elements of a list that are maps; the others are nil.
func list(object map[string]any, field string) []map[string]any {
	elements, _ := object[field].([]any)
	maps := make([]map[string]any, len(elements))
	for i, element := range elements {
		maps[i], _ = element.(map[string]any)
	}
	return maps
}

// text returns the string at the path, or nothing.
func text(object map[string]any, path ...string) string {
	value, _ := child(object, path[:len(path)-1]...)[path[len(path)-1]].(string)
	return value
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

// position appends a position in a list to a path.
func position(path string, index int) string { return path + "[" + strconv.Itoa(index) + "]" }
