package transformset

import (
	"encoding/json"
	"fmt"

	"k8s.io/apimachinery/pkg/labels"

	"github.com/soda-cdm/kahu/internal/core/selection"
)

// Set is what one TransformSet, or a Restore itself, says. Its mappings come before its transforms.
type Set struct {
	// Name is that of the TransformSet, or nothing for what stands in the Restore.
	Name string
	// ImageMapping is from prefixes of images (a registry, a path in it, a repository) to others. The longest prefix
	// that fits counts; tags and digests stay.
	ImageMapping map[string]string
	// StorageClassMapping is from names of storage classes to others.
	StorageClassMapping map[string]string
	// Transforms are applied in order.
	Transforms []Transform
}

// Transform is one change of the objects that it matches: a JSON patch or a merge patch.
type Transform struct {
	// Name is for people; it may be empty.
	Name string
	// Match chooses the objects.
	Match Match
	// JSONPatch are the operations of RFC 6902; MergePatch is an object of RFC 7386. One of them is given.
	JSONPatch  []Operation
	MergePatch json.RawMessage
	// SkipOnError leaves an object to which the patch cannot be applied without it; otherwise the object fails.
	SkipOnError bool
}

// Match chooses objects; all that is given must hold.
type Match struct {
	// Resources name kinds and objects, as they are in the backup; none means all.
	Resources []selection.ResourceFilter
	// Namespaces are names in the backup; none means all, and objects at cluster scope.
	Namespaces []string
	// Labels and Condition look at the object as it is when the transform's turn comes. nil and nothing mean all.
	Labels    labels.Selector
	Condition string
}

// Operation is one operation of a JSON patch.
type Operation struct {
	// Op is add, remove, replace, move, copy or test.
	Op string
	// Path is a JSON pointer; From is one for move and copy.
	Path, From string
	// Value is the JSON of add, replace and test; nothing means that none was given.
	Value json.RawMessage
}

// ReasonInvalidTransform is the reason of all problems of this package.
const ReasonInvalidTransform = "InvalidTransform"

// The limits of a set; the API has the same where a schema can say them.
const (
	maxTransforms = 64
	maxOperations = 64
	maxMappings   = 256
	maxPatchSize  = 64 << 10
	maxCondition  = 4096
)

// Field names a field of the set in texts for people.
func (s Set) Field(path string) string {
	if s.Name == "" {
		return path
	}
	return "TransformSet " + s.Name + ": " + path
}

// title is how a transform is called in texts for people.
func (t Transform) title(field string) string {
	if t.Name == "" {
		return field
	}
	return fmt.Sprintf("%s (%s)", field, t.Name)
}
