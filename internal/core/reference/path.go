package reference

import (
	"fmt"
	"regexp"
	"slices"
	"strconv"
	"strings"
)

// Path leads to fields of an object: names with dots between them, [*] for every item of a list or every value of a
// map, and ['name'] for a name with other characters: spec.stores[*].auth['secret.name'].
type Path struct {
	steps []string // names, and every for [*]
}

// every is the step that goes to each item or value.
const every = "*"

var pathStep = regexp.MustCompile(`^(?:(\.?)([A-Za-z_$][A-Za-z0-9_$-]*)|\[\*\]|\['([^']+)'\])`)

// ParsePath reads a path.
func ParsePath(text string) (Path, error) {
	var path Path
	for rest := text; rest != ""; {
		parts := pathStep.FindStringSubmatch(rest)
		// A name needs a dot before it, unless it is the first.
		if parts == nil || parts[2] != "" && (parts[1] == "") != (len(path.steps) == 0) {
			return Path{}, fmt.Errorf("%q cannot be read from %q on: write names with dots between them, [*] for each item of "+
				"a list, and ['name'] for a name with other characters", text, rest)
		}
		step := every
		if name := parts[2] + parts[3]; name != "" {
			step = "." + name // So that a name that is * is told from every item.
		}
		path.steps = append(path.steps, step)
		rest = rest[len(parts[0]):]
	}
	if len(path.steps) == 0 || path.steps[0] == every {
		return Path{}, fmt.Errorf("%q does not begin with the name of a field", text)
	}
	return path, nil
}

// member returns the member of the object with which the path begins.
func (p Path) member() string { return p.steps[0][1:] }

// shared returns the number of steps that two paths have in common.
func (p Path) shared(other Path) int {
	for i := range p.steps {
		if i == len(other.steps) || p.steps[i] != other.steps[i] {
			return i
		}
	}
	return len(p.steps)
}

// single tells whether the path leads to one place at most from the step on.
func (p Path) single(from int) bool { return !slices.Contains(p.steps[from:], every) }

// follow visits each place to which steps lead, with the path to it.
func follow(from any, steps []string, at string, visit func(value any, at string)) {
	if len(steps) == 0 {
		visit(from, at)
		return
	}
	switch inner := from.(type) {
	case map[string]any:
		if steps[0] != every {
			if value, there := inner[steps[0][1:]]; there {
				follow(value, steps[1:], at+stepText(steps[0][1:]), visit)
			}
			return
		}
		for _, key := range sortedKeys(inner) {
			follow(inner[key], steps[1:], at+"['"+key+"']", visit)
		}
	case []any:
		if steps[0] != every {
			return
		}
		for i, item := range inner {
			follow(item, steps[1:], at+"["+strconv.Itoa(i)+"]", visit)
		}
	}
}

// stepText returns a name as it stands in a path.
func stepText(name string) string {
	if strings.ContainsAny(name, ".[]") {
		return "['" + name + "']"
	}
	return "." + name
}

// written returns the path to a place for people.
func written(at string) string { return strings.TrimPrefix(at, ".") }
