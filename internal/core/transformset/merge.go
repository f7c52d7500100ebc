package transformset

import (
	"maps"
	"slices"

	"k8s.io/apimachinery/pkg/runtime"
	utiljson "k8s.io/apimachinery/pkg/util/json"
)

// mergePatch compiles a merge patch.
func (c *compilation) mergePatch(field string, text []byte) patch {
	if len(text) > maxPatchSize {
		c.problemf(field, "it has %d bytes, and at most %d are allowed", len(text), maxPatchSize)
		return nil
	}
	var wanted any
	if err := utiljson.Unmarshal(text, &wanted); err != nil {
		c.problemf(field, "it is not JSON: correct it")
		return nil
	}
	object, ok := wanted.(map[string]any)
	if !ok || len(object) == 0 {
		c.problemf(field, "it must be an object with the fields to change")
		return nil
	}
	c.mergeIdentity(field, object)
	return func(before map[string]any) (map[string]any, error) {
		merged, ok := merge(before, runtime.DeepCopyJSONValue(object)).(map[string]any)
		if !ok {
			return nil, errNotObject
		}
		return merged, nil
	}
}

// mergeIdentity refuses a merge patch that changes which object an object is.
func (c *compilation) mergeIdentity(field string, object map[string]any) {
	metadata, isMap := object["metadata"].(map[string]any)
	for _, name := range slices.Sorted(maps.Keys(object)) {
		if why := protected("/" + name); why != "" && (name != "metadata" || !isMap) {
			c.problemf(field+"."+name, "%s", why)
		}
	}
	for _, name := range slices.Sorted(maps.Keys(metadata)) {
		if why := protected("/metadata/" + name); why != "" {
			c.problemf(field+".metadata."+name, "%s", why)
		}
	}
}

// merge is the algorithm of RFC 7386, section 2. The result shares what has not changed with the target, and the rest
// with the patch.
func merge(target, change any) any {
	wanted, ok := change.(map[string]any)
	if !ok {
		return change
	}
	before, _ := target.(map[string]any)
	after := make(map[string]any, len(before)+len(wanted))
	maps.Copy(after, before)
	for name, value := range wanted {
		if value == nil {
			delete(after, name)
			continue
		}
		after[name] = merge(after[name], value)
	}
	return after
}
