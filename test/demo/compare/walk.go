package compare

import (
	"fmt"
	"maps"
	"slices"
	"strings"
)

// walker compares two values field by field.
type walker struct {
	run    *run
	key    Key
	object Object
	plain  bool // status is a field like any other
}

// value compares what is at a path. An absent field and one that is empty are not the same.
func (w *walker) value(path string, before, after any) {
	switch was := before.(type) {
	case map[string]any:
		if is, isMap := after.(map[string]any); isMap {
			w.fields(path, was, is)
			return
		}
	case []any:
		if is, isList := after.([]any); isList {
			w.elements(path, was, is)
			return
		}
	default:
		w.run.result.Fields++
		if before == after {
			return
		}
	}
	w.differ(path, before, after)
}

func (w *walker) fields(path string, before, after map[string]any) {
	if len(before) == 0 && len(after) == 0 {
		w.run.result.Fields++
	}
	names := maps.Clone(before)
	maps.Copy(names, after)
	for _, name := range slices.Sorted(maps.Keys(names)) {
		inner := join(path, name)
		if w.skips(inner) {
			continue
		}
		was, wasThere := before[name]
		is, isThere := after[name]
		if wasThere != isThere {
			w.run.note(w.key, inner, show(w.key, before, name), show(w.key, after, name))
			continue
		}
		w.value(inner, was, is)
	}
}

func (w *walker) elements(path string, before, after []any) {
	if len(before) != len(after) {
		w.differ(path, before, after)
		return
	}
	for i := range before {
		if inner := fmt.Sprintf("%s[%d]", path, i); !w.skips(inner) {
			w.value(inner, before[i], after[i])
		}
	}
}

// skips tells whether the field is not compared here: it is left out, or it is the UID of an owner, for which there
// is a stricter check.
func (w *walker) skips(path string) bool {
	isOwner := strings.HasPrefix(path, "metadata.ownerReferences[") && strings.HasSuffix(path, "].uid")
	return isOwner || w.isLeftOut(path)
}

// isLeftOut tells whether the table of paths has the field. Of secrets, that is about tokens of service accounts alone.
func (w *walker) isLeftOut(path string) bool {
	kind := textAt(w.object, "kind")
	isPlainSecret := kind == "Secret" && textAt(w.object, "type") != "kubernetes.io/service-account-token"
	for _, left := range LeftOut() {
		if left.JSON != path || left.Mapped && len(w.run.Mapping) == 0 {
			continue
		}
		if left.Kind == Every {
			return path != statusPath || !w.plain
		}
		if left.Kind == kind && !isPlainSecret {
			return true
		}
	}
	return false
}

func (w *walker) differ(path string, before, after any) {
	w.run.note(w.key, path, showValue(w.key, before), showValue(w.key, after))
}

// join adds a field to a path: spec.replicas, data["ca.crt"].
func join(path, name string) string {
	isPlain := func(r rune) bool {
		return 'a' <= r && r <= 'z' || 'A' <= r && r <= 'Z' || '0' <= r && r <= '9' || r == '_'
	}
	if name == "" || strings.ContainsFunc(name, func(r rune) bool { return !isPlain(r) }) {
		return fmt.Sprintf("%s[%q]", path, name)
	}
	if path == "" {
		return name
	}
	return path + "." + name
}
