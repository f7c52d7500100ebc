package reference

import (
	"strconv"
	"strings"
)

// Renamed is a reference that was changed as what it refers to has another name.
type Renamed struct {
	// Field is the path of the reference.
	Field string
	// From and To are the names before and after.
	From, To string
}

// Rename gives each reference of an object the name that name returns for what it refers to, and returns what that
// changed, in a fixed order. It follows what Needs follows, declared references too, and besides these the ones back to
// whoever uses an object. The object must be a Decoded one, and is changed in place.
//
// What it cannot follow are names within other text (host names, arguments, expressions) and fields of custom resources
// that nobody has declared. Labels and selectors are no names.
func (r *Rules) Rename(of Subject, name func(need Need) string) []Renamed {
	var renamed []Renamed
	seen := map[string]bool{} // by field, as two rules can lead to one
	follow := func(need Need, before string) {
		to := name(need)
		if need.Name == "" || to == need.Name || seen[need.Field] || isOwn(need.Field) {
			return
		}
		if write(of.content, need.Field, before+need.Name, before+to) {
			seen[need.Field] = true
			renamed = append(renamed, Renamed{Field: need.Field, From: before + need.Name, To: before + to})
		}
	}
	for _, need := range r.Needs(of) {
		follow(need, "")
	}
	r.backwards(of, follow)
	return renamed
}

// isOwn tells whether a field is the object's own name or namespace, by which it belongs to another object.
func isOwn(field string) bool { return field == "metadata.name" || field == "metadata.namespace" }

// write replaces the text in a field. It is false where the field does not hold that text, as that of a reference that
// is made of several fields.
func write(content map[string]any, field, from, to string) bool {
	var at any = content
	set := func(string) {}
	for rest := field; rest != ""; {
		step, after := cutStep(rest)
		switch inner := at.(type) {
		case map[string]any:
			at, set = inner[step], func(value string) { inner[step] = value }
		case []any:
			index, err := strconv.Atoi(step)
			if err != nil || index < 0 || index >= len(inner) {
				return false
			}
			at, set = inner[index], func(value string) { inner[index] = value }
		default:
			return false
		}
		rest = after
	}
	if at != any(from) {
		return false
	}
	set(to)
	return true
}

// cutStep cuts the first step off the path of a field: a name, or what is between brackets, with or without quotes.
func cutStep(path string) (step, rest string) {
	path = strings.TrimPrefix(path, ".")
	if quoted, is := strings.CutPrefix(path, "['"); is {
		step, rest, _ = strings.Cut(quoted, "']")
		return step, rest
	}
	if within, is := strings.CutPrefix(path, "["); is {
		step, rest, _ = strings.Cut(within, "]")
		return step, rest
	}
	end := strings.IndexAny(path, ".[")
	if end < 0 {
		return path, ""
	}
	return path[:end], path[end:]
}
