package diff

import (
	"maps"
	"math"
	"slices"
	"strings"

	"github.com/soda-cdm/kahu/internal/core"
)

// Op says how a field differs.
type Op string

// The ways in which a field differs.
const (
	// Added means that only the new object has the field.
	Added Op = "Added"
	// Removed means that only the old object has the field.
	Removed Op = "Removed"
	// Changed means that both have it, with other values.
	Changed Op = "Changed"
	// Reordered means that the elements of a list stand in another order; the values are what tells them apart.
	Reordered Op = "Reordered"
)

// Field is one field in which two objects differ.
type Field struct {
	// Path names the field, in the way of JSONPath: spec.replicas, spec.containers[name=web].image,
	// metadata.annotations['example.com/owner'].
	Path string
	// Op says how it differs.
	Op Op
	// Old and New are the values as JSON has them; nil where the object has none, and always nil where Sensitive.
	Old, New any
	// Sensitive tells that the values are a secret, and left out.
	Sensitive bool
}

// Objects returns the fields in which two objects of a kind differ, in the order of their paths. The objects are as
// decoded from JSON and are not changed.
func Objects(kind core.Kind, old, next map[string]any) []Field {
	c := &comparison{secret: kind.Group == "" && kind.Resource == "secrets"}
	c.maps(location{}, withoutServed(old), withoutServed(next))
	return c.fields
}

// served are the fields of metadata that the API server gives to every object.
func served() []string {
	return []string{
		"uid", "resourceVersion", "generation", "creationTimestamp", "selfLink", "managedFields",
		"deletionTimestamp", "deletionGracePeriodSeconds",
	}
}

func withoutServed(object map[string]any) map[string]any {
	metadata, ok := object["metadata"].(map[string]any)
	if !ok {
		return object
	}
	object, metadata = maps.Clone(object), maps.Clone(metadata)
	for _, field := range served() {
		delete(metadata, field)
	}
	object["metadata"] = metadata
	return object
}

// comparison collects the fields in which two objects differ.
type comparison struct {
	fields []Field
	secret bool
}

// location is where a value is in an object.
type location struct {
	path  string
	steps int
	// hidden is 0 for what everybody may see of a Secret, 1 for what holds its secrets by their names, and more for
	// what is inside of that.
	hidden int
}

// field returns the place of a field of a map.
func (l location) field(name string) location {
	next := l.step()
	switch {
	case strings.ContainsAny(name, "./'[] ") || name == "":
		next.path = l.path + "['" + strings.ReplaceAll(name, "'", `\'`) + "']"
	case l.path == "":
		next.path = name
	default:
		next.path = l.path + "." + name
	}
	open := l.steps > 0 || slices.Contains([]string{"apiVersion", "kind", "metadata", "type", "immutable"}, name)
	// Annotations can repeat the whole object, as those of kubectl apply do.
	if !open || l.path == "metadata" && name == "annotations" {
		next.hidden = 1
	}
	return next
}

// element returns the place of an element of a list.
func (l location) element(mark string) location {
	next := l.step()
	next.path = l.path + "[" + mark + "]"
	return next
}

func (l location) step() location {
	next := location{steps: l.steps + 1}
	if l.hidden > 0 {
		next.hidden = l.hidden + 1
	}
	return next
}

// closed tells whether nothing inside of the value may be named: even names could be a part of the secret.
func (c *comparison) closed(at location, value any) bool {
	_, named := value.(map[string]any)
	return c.secret && (at.hidden > 1 || at.hidden == 1 && !named)
}

// differ writes a difference down.
func (c *comparison) differ(at location, op Op, old, next any) {
	field := Field{Path: at.path, Op: op, Old: old, New: next}
	if c.secret && at.hidden > 0 {
		field.Sensitive, field.Old, field.New = true, nil, nil
	}
	c.fields = append(c.fields, field)
}

// maps compares two maps, field by field in the order of their names.
func (c *comparison) maps(at location, old, next map[string]any) {
	names := slices.Collect(maps.Keys(old))
	for name := range next {
		if _, both := old[name]; !both {
			names = append(names, name)
		}
	}
	slices.Sort(names)
	for _, name := range names {
		before, had := old[name]
		after, has := next[name]
		c.sides(at.field(name), side{before, had}, side{after, has})
	}
}

// side is a value of one of the two objects, if it is there.
type side struct {
	value any
	there bool
}

// sides compares what may be in one object only. A map or a list that is empty is as good as none.
func (c *comparison) sides(at location, old, next side) {
	switch {
	case old.there && next.there:
		c.values(at, old.value, next.value)
	case next.there && !core.IsEmpty(next.value):
		c.single(at, Added, next.value)
	case old.there && !core.IsEmpty(old.value):
		c.single(at, Removed, old.value)
	}
}

// single writes down what is in one object only. The fields of annotations, labels and data are worth a line each.
func (c *comparison) single(at location, op Op, value any) {
	inner, is := value.(map[string]any)
	if is && leaves(inner) && !c.closed(at, value) {
		for _, name := range slices.Sorted(maps.Keys(inner)) {
			c.single(at.field(name), op, inner[name])
		}
		return
	}
	if op == Added {
		c.differ(at, op, nil, value)
	} else {
		c.differ(at, op, value, nil)
	}
}

// leaves tells whether a map holds no further maps or lists.
func leaves(object map[string]any) bool {
	for _, value := range object {
		switch value.(type) {
		case map[string]any, []any:
			return false
		}
	}
	return len(object) > 0
}

// values compares two values that are both there.
func (c *comparison) values(at location, old, next any) {
	if equal(old, next) || core.IsEmpty(old) && core.IsEmpty(next) {
		return
	}
	if c.closed(at, old) || c.closed(at, next) {
		c.differ(at, Changed, nil, nil)
		return
	}
	switch old := old.(type) {
	case map[string]any:
		if next, same := next.(map[string]any); same {
			c.maps(at, old, next)
			return
		}
	case []any:
		if next, same := next.([]any); same {
			c.lists(at, old, next)
			return
		}
	}
	c.differ(at, Changed, old, next)
}

// equal compares two values. Numbers are equal that have the same value, whatever they were decoded into.
func equal(old, next any) bool {
	switch old := old.(type) {
	case map[string]any:
		other, ok := next.(map[string]any)
		return ok && maps.EqualFunc(old, other, equal)
	case []any:
		other, ok := next.([]any)
		return ok && slices.EqualFunc(old, other, equal)
	}
	if a, is := number(old); is {
		b, isToo := number(next)
		return isToo && a == b
	}
	return old == next
}

// numeral is a number, whole wherever it can be: large ones are not told apart as floats.
type numeral struct {
	whole int64
	float float64
}

func number(value any) (numeral, bool) {
	const limit = 1 << 53 // Up to here all whole numbers are floats too.
	switch value := value.(type) {
	case int64:
		return numeral{whole: value}, true
	case int:
		return numeral{whole: int64(value)}, true
	case float64:
		if value == math.Trunc(value) && math.Abs(value) <= limit {
			return numeral{whole: int64(value)}, true
		}
		return numeral{float: value}, true
	}
	return numeral{}, false
}
