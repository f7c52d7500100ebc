package transformset

import (
	"slices"
	"strings"

	"github.com/soda-cdm/kahu/internal/core"
	"github.com/soda-cdm/kahu/internal/core/transform"
)

// annotationClass is where claims and volumes had their storage class before they had a field for it. It counts still.
const annotationClass = "volume.beta.kubernetes.io/storage-class"

// mapClasses maps the storage classes of claims, volumes, the claim templates of stateful sets, and those of ephemeral
// volumes in pods and pod templates.
func (p *part) mapClasses(kind core.Kind, object map[string]any) []transform.Change {
	if len(p.classes) == 0 {
		return nil
	}
	var changes []transform.Change
	switch kind.GroupResource().String() {
	case "persistentvolumeclaims", "persistentvolumes":
		changes = p.mapClass(changes, object, "")
	case "statefulsets.apps":
		spec, _ := object["spec"].(map[string]any)
		for i, template := range list(spec, "volumeClaimTemplates") {
			changes = p.mapClass(changes, template, index("spec.volumeClaimTemplates", i))
		}
	}
	eachPodSpec(object, "", func(spec map[string]any, at string) {
		for i, volume := range list(spec, "volumes") {
			ephemeral, _ := volume["ephemeral"].(map[string]any)
			template, _ := ephemeral["volumeClaimTemplate"].(map[string]any)
			changes = p.mapClass(changes, template, join(index(join(at, "volumes"), i), "ephemeral", "volumeClaimTemplate"))
		}
	})
	return changes
}

// mapClass maps the class of a claim, a volume or a template for one, which is at the path.
func (p *part) mapClass(changes []transform.Change, holder map[string]any, path string) []transform.Change {
	spec, _ := holder["spec"].(map[string]any)
	metadata, _ := holder["metadata"].(map[string]any)
	annotations, _ := metadata["annotations"].(map[string]any)
	changes = p.mapField(changes, spec, "storageClassName", join(path, "spec"))
	return p.mapField(changes, annotations, annotationClass, join(path, "metadata", "annotations"))
}

func (p *part) mapField(changes []transform.Change, parent map[string]any, field, path string) []transform.Change {
	name, _ := parent[field].(string)
	for _, entry := range p.classes {
		if entry.from != name {
			continue
		}
		entry.used.Add(1)
		if entry.to == name {
			break
		}
		parent[field] = entry.to
		return append(changes, transform.Change{Path: join(path, field), Reason: entry.title})
	}
	return changes
}

// ClassUsed is an entry of a mapping of storage classes that was applied.
type ClassUsed struct {
	// Field names the entry, and Class is the class that it gives.
	Field, Class string
}

// ClassesUsed returns the entries that were applied until now, in the order of the sets and of the names in them.
func (p *Program) ClassesUsed() []ClassUsed {
	var used []ClassUsed
	if p == nil {
		return nil
	}
	for i := range p.parts {
		for _, entry := range p.parts[i].classes {
			if entry.used.Load() > 0 {
				used = append(used, ClassUsed{Field: entry.title, Class: entry.to})
			}
		}
	}
	return used
}

// ClassSetBy returns what gave a claim its storage class: the transform, or the entry of a mapping, as the reasons of the changes
// name it; empty where none of them did.
func ClassSetBy(changes []transform.Change) string {
	for _, change := range slices.Backward(changes) {
		if change.Path == "spec.storageClassName" || strings.Contains(change.Path, annotationClass) {
			return change.Reason
		}
	}
	return ""
}
