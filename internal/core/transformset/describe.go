package transformset

import (
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/soda-cdm/kahu/internal/core/selection"
)

// Describe returns lines that say what sets do, for a report: what each transform matches and which paths it writes.
// Values are left out, as they may be those of a Secret; a digest of a patch tells two of them apart.
func Describe(sets []Set) []string {
	var lines []string
	for _, set := range sets {
		for _, mapping := range []struct {
			field   string
			entries map[string]string
		}{{"imageMapping", set.ImageMapping}, {"storageClassMapping", set.StorageClassMapping}} {
			for _, from := range slices.Sorted(maps.Keys(mapping.entries)) {
				lines = append(lines, set.Field(fmt.Sprintf("spec.%s[%s]: %s", mapping.field, from, mapping.entries[from])))
			}
		}
		for i, transform := range set.Transforms {
			lines = append(lines, set.Field(transform.title(fmt.Sprintf("spec.transforms[%d]", i)))+": "+transform.describe())
		}
	}
	return lines
}

func (t Transform) describe() string {
	parts := t.Match.describe()
	var writes []string
	for _, operation := range t.JSONPatch {
		text := operation.Op + " " + operation.Path
		if operation.From != "" {
			text += " from " + operation.From
		}
		writes = append(writes, text)
	}
	if len(writes) > 0 {
		parts = append(parts, "jsonPatch "+strings.Join(writes, ", "))
	}
	if len(t.MergePatch) > 0 {
		parts = append(parts, "mergePatch "+strings.Join(leaves(t.MergePatch), ", "))
	}
	return strings.Join(append(parts, "patch "+t.digest()), "; ")
}

func (m Match) describe() []string {
	var parts []string
	for _, resource := range m.Resources {
		parts = append(parts, strings.TrimSpace("resource "+resource.Kind+" "+describeName(resource)))
	}
	if len(m.Namespaces) > 0 {
		parts = append(parts, "namespaces "+strings.Join(m.Namespaces, ", "))
	}
	if m.Labels != nil {
		parts = append(parts, "labels "+m.Labels.String())
	}
	if m.Condition != "" {
		parts = append(parts, "condition "+oneLine(m.Condition))
	}
	return parts
}

func describeName(filter selection.ResourceFilter) string {
	if filter.IsRegex && filter.Name != "" {
		return "/" + filter.Name + "/"
	}
	return filter.Name
}

// digest identifies the patch with its values.
func (t Transform) digest() string {
	var text []byte
	for _, operation := range t.JSONPatch {
		text = fmt.Appendf(text, "%q %q %q %q\n", operation.Op, operation.Path, operation.From, operation.Value)
	}
	sum := sha256.Sum256(append(text, t.MergePatch...))
	return hex.EncodeToString(sum[:8])
}

// leaves returns the paths that a merge patch writes, in their order.
func leaves(text []byte) []string {
	object, err := decode(text)
	if err != nil {
		return nil
	}
	var found []string
	var visit func(value any, path string)
	visit = func(value any, path string) {
		inner, is := value.(map[string]any)
		if !is || len(inner) == 0 {
			found = append(found, path)
			return
		}
		for _, name := range slices.Sorted(maps.Keys(inner)) {
			visit(inner[name], join(path, name))
		}
	}
	visit(object, "")
	return found
}
