package diff

import (
	"fmt"
	"slices"
	"strconv"
	"strings"
)

// marks are the fields by which the API tells the elements of its lists apart. The first that both lists have in every
// element, with values that do not repeat, is taken.
func marks() [][]string {
	return [][]string{
		{"name"},
		{"key"},
		{"mountPath"},
		{"devicePath"},
		{"containerPort", "protocol"},
		{"port", "protocol"},
		{"type"},
		{"uid"},
		{"ip"},
		{"topologyKey", "whenUnsatisfiable"},
		{"kind", "name"},
		{"id"},
		{"host"},
	}
}

// lists compares two lists: by what their elements are called where they have names, as a whole where they hold no
// maps, and place by place otherwise.
func (c *comparison) lists(at location, old, next []any) {
	if fields := markOf(old, next); fields != nil {
		c.marked(at, fields, old, next)
		return
	}
	if flat(old) && flat(next) {
		if !slices.EqualFunc(old, next, equal) {
			c.differ(at, Changed, old, next)
		}
		return
	}
	for i := range max(len(old), len(next)) {
		before, after := side{there: i < len(old)}, side{there: i < len(next)}
		if before.there {
			before.value = old[i]
		}
		if after.there {
			after.value = next[i]
		}
		c.sides(at.element(strconv.Itoa(i)), before, after)
	}
}

// flat tells whether a list holds no maps or lists.
func flat(elements []any) bool {
	return !slices.ContainsFunc(elements, func(element any) bool {
		switch element.(type) {
		case map[string]any, []any:
			return true
		}
		return false
	})
}

// marked compares two lists whose elements have names.
func (c *comparison) marked(at location, fields []string, old, next []any) {
	oldNames, before := byMark(old, fields)
	nextNames, after := byMark(next, fields)
	for _, name := range oldNames {
		value, has := after[name]
		c.sides(at.element(name), side{before[name], true}, side{value, has})
	}
	for _, name := range nextNames {
		if _, had := before[name]; !had {
			c.sides(at.element(name), side{}, side{after[name], true})
		}
	}
	stay := func(names []string, others map[string]any) []any {
		var common []any
		for _, name := range names {
			if _, both := others[name]; both {
				common = append(common, name)
			}
		}
		return common
	}
	was, is := stay(oldNames, after), stay(nextNames, before)
	if !slices.Equal(was, is) {
		c.differ(at, Reordered, was, is)
	}
}

// markOf returns the fields that tell the elements of both lists apart, or nil.
func markOf(old, next []any) []string {
	if len(old) == 0 && len(next) == 0 {
		return nil
	}
	for _, fields := range marks() {
		if distinct(old, fields) && distinct(next, fields) {
			return fields
		}
	}
	return nil
}

// distinct tells whether each element has the first of the fields, and no two have the same values.
func distinct(elements []any, fields []string) bool {
	seen := make(map[string]bool, len(elements))
	for _, element := range elements {
		name, ok := markText(element, fields)
		if !ok || seen[name] {
			return false
		}
		seen[name] = true
	}
	return true
}

// byMark returns the elements by their names, and the names in their order.
func byMark(elements []any, fields []string) ([]string, map[string]any) {
	names, found := make([]string, 0, len(elements)), make(map[string]any, len(elements))
	for _, element := range elements {
		name, _ := markText(element, fields)
		names = append(names, name)
		found[name] = element
	}
	return names, found
}

// markText returns what an element is called: name=web, or port=80,protocol=TCP.
func markText(element any, fields []string) (string, bool) {
	object, ok := element.(map[string]any)
	if !ok {
		return "", false
	}
	var parts []string
	for i, field := range fields {
		value, found := object[field]
		switch value.(type) {
		case map[string]any, []any, nil:
			found = false
		}
		if !found && i == 0 {
			return "", false
		}
		if found {
			parts = append(parts, fmt.Sprintf("%s=%v", field, value))
		}
	}
	return strings.Join(parts, ","), true
}
