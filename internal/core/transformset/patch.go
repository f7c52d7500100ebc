package transformset

import (
	"encoding/json"
	"errors"
	"fmt"
	"strings"

	jsonpatch "github.com/evanphx/json-patch/v5"
	utiljson "k8s.io/apimachinery/pkg/util/json"
)

// patch returns the object with its changes, and leaves the one that it is given as it is.
type patch func(object map[string]any) (map[string]any, error)

// maxCopied bounds what the copy operations of a patch can add to an object, in bytes.
const maxCopied = 3 << 20

// errNotObject says that a patch made something else of an object.
var errNotObject = errors.New("what it makes of the object is not an object")

// jsonPatch compiles the operations of a JSON patch.
func (c *compilation) jsonPatch(field string, operations []Operation) patch {
	if len(operations) > maxOperations {
		c.problemf(field, "there are %d operations, and at most %d are allowed: make several transforms", len(operations), maxOperations)
		return nil
	}
	lines := make([]map[string]any, 0, len(operations))
	size := 0
	for i, operation := range operations {
		size += len(operation.Value)
		lines = append(lines, c.operation(fmt.Sprintf("%s[%d]", field, i), operation))
	}
	if size > maxPatchSize {
		c.problemf(field, "its values have %d bytes, and at most %d are allowed", size, maxPatchSize)
		return nil
	}
	if len(c.problems) > 0 {
		return nil
	}
	text, err := json.Marshal(lines)
	if err != nil {
		c.problemf(field, "a value is not JSON: correct it")
		return nil
	}
	decoded, err := jsonpatch.DecodePatch(text)
	if err != nil {
		c.problemf(field, "it is not a JSON patch (RFC 6902): correct it")
		return nil
	}
	return func(object map[string]any) (map[string]any, error) {
		return applyOperations(decoded, operations, object)
	}
}

// shape is what an operation has and does.
type shape struct{ value, from, writes, takes bool }

func shapes() map[string]shape {
	return map[string]shape{
		"add":     {value: true, writes: true},
		"replace": {value: true, writes: true},
		"test":    {value: true},
		"remove":  {writes: true},
		"move":    {from: true, writes: true, takes: true},
		"copy":    {from: true, writes: true},
	}
}

// operation checks one operation and returns it as it stands in a JSON patch.
func (c *compilation) operation(field string, operation Operation) map[string]any {
	shape, known := shapes()[operation.Op]
	if !known {
		c.problemf(field+".op", "there is no operation %q: use add, remove, replace, move, copy or test", operation.Op)
		return nil
	}
	line := map[string]any{"op": operation.Op, "path": operation.Path}
	c.pointer(field+".path", operation.Path)
	if shape.writes {
		c.allowed(field+".path", operation.Path)
	}
	switch {
	case shape.from:
		c.pointer(field+".from", operation.From)
		line["from"] = operation.From
	case operation.From != "":
		c.problemf(field+".from", "operation %q has none: remove it", operation.Op)
	}
	if shape.takes {
		c.allowed(field+".from", operation.From)
	}
	c.value(field+".value", operation, shape.value)
	if shape.value {
		line["value"] = operation.Value
	}
	return line
}

// allowed refuses a path to which a patch writes, or from which it takes away, where that would change which object an
// object is.
func (c *compilation) allowed(field, path string) {
	if why := protected(path); why != "" {
		c.problemf(field, "%s", why)
	}
}

func (c *compilation) value(field string, operation Operation, wanted bool) {
	given := len(operation.Value) > 0
	switch {
	case wanted && !given:
		c.problemf(field, "operation %q needs one: give it, null where nothing is meant", operation.Op)
	case !wanted && given:
		c.problemf(field, "operation %q has none: remove it", operation.Op)
	case given && !json.Valid(operation.Value):
		c.problemf(field, "it is not JSON: correct it")
	}
}

// pointer checks a JSON pointer (RFC 6901).
func (c *compilation) pointer(field, pointer string) {
	if !strings.HasPrefix(pointer, "/") {
		c.problemf(field, "%q is not a JSON pointer: begin it with a slash, such as /spec/replicas", pointer)
		return
	}
	for at, char := range pointer {
		if char == '~' && !strings.HasPrefix(pointer[at:], "~0") && !strings.HasPrefix(pointer[at:], "~1") {
			c.problemf(field, "in a JSON pointer ~ is written ~0, and a slash in a name ~1: correct %q", pointer)
			return
		}
	}
}

// applyOperations applies a JSON patch. Where it cannot, the error names the operation.
func applyOperations(decoded jsonpatch.Patch, operations []Operation, object map[string]any) (map[string]any, error) {
	before, err := json.Marshal(object)
	if err != nil {
		return nil, errNotObject
	}
	after, err := decoded.ApplyWithOptions(before, patchOptions())
	if err != nil {
		return nil, firstFailing(decoded, operations, before)
	}
	return decode(after)
}

func patchOptions() *jsonpatch.ApplyOptions {
	options := jsonpatch.NewApplyOptions()
	options.SupportNegativeIndices = false // They are not in RFC 6902.
	options.AccumulatedCopySizeLimit = maxCopied
	return options
}

// firstFailing applies the operations one by one until one of them fails, and says which and why. The library's own
// words can have values of the object in them.
func firstFailing(decoded jsonpatch.Patch, operations []Operation, document []byte) error {
	for i, operation := range operations {
		after, err := decoded[i:i+1].ApplyWithOptions(document, patchOptions())
		if err == nil {
			document = after
			continue
		}
		what := fmt.Sprintf("jsonPatch[%d] (%s %s): ", i, operation.Op, operation.Path)
		var copied *jsonpatch.AccumulatedCopySizeError
		switch {
		case operation.Op == "test":
			return errors.New(what + "the object has another value there, or none")
		case errors.As(err, &copied):
			return errors.New(what + "the patch copies too much")
		case operation.From != "":
			return errors.New(what + "the object has nothing at " + operation.From + ", or the path does not lead anywhere in it")
		}
		return errors.New(what + "the path does not lead anywhere in the object")
	}
	return errors.New("the patch copies too much")
}

func decode(text []byte) (map[string]any, error) {
	var object map[string]any
	if err := utiljson.Unmarshal(text, &object); err != nil || object == nil {
		return nil, errNotObject
	}
	return object, nil
}
