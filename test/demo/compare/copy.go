package compare

import (
	"encoding/json"
	"fmt"
	"io"
	"slices"
	"strings"
)

// Object is one object, as kubectl printed it.
type Object map[string]any

// Key names an object.
type Key struct {
	Group     string
	Kind      string
	Namespace string // empty at cluster scope
	Name      string
}

// String returns the key as people read it: Deployment.apps shop/web.
func (k Key) String() string {
	kind := k.Kind
	if k.Group != "" {
		kind += "." + k.Group
	}
	if k.Namespace == "" {
		return kind + " " + k.Name
	}
	return kind + " " + k.Namespace + "/" + k.Name
}

// Copy is what a cluster held at one time. The zero Copy is empty and cannot be added to.
type Copy map[Key]Object

// Read reads what `kubectl get -o json` printed for a list. Objects that no copy has are left out (see Explain). Two
// objects of one key are an error.
func Read(from io.Reader) (Copy, error) {
	var list struct {
		Kind  string   `json:"kind"`
		Items []Object `json:"items"`
	}
	decoder := json.NewDecoder(from)
	decoder.UseNumber() // an integer must not lose its last digits in a float
	if err := decoder.Decode(&list); err != nil {
		return nil, fmt.Errorf("reading what kubectl printed: %w", err)
	}
	if list.Kind != "List" {
		return nil, fmt.Errorf("reading what kubectl printed: it is a %q, not a List", list.Kind)
	}
	made := Copy{}
	for _, object := range list.Items {
		key := object.Key()
		if _, found := made[key]; found {
			return nil, fmt.Errorf("reading what kubectl printed: %s is in it twice", key)
		}
		if key.Kind == "" || key.Name == "" {
			return nil, fmt.Errorf("reading what kubectl printed: an object without kind or name: %v", object)
		}
		if !isOutside(key) {
			made[key] = object
		}
	}
	return made, nil
}

// Without returns the objects whose keys are not in any of the others.
func (c Copy) Without(others ...Copy) Copy {
	return c.Where(func(key Key, _ Object) bool {
		return !slices.ContainsFunc(others, func(other Copy) bool {
			_, found := other[key]
			return found
		})
	})
}

// Where returns the objects for which keep is true.
func (c Copy) Where(keep func(key Key, object Object) bool) Copy {
	kept := Copy{}
	for key, object := range c {
		if keep(key, object) {
			kept[key] = object
		}
	}
	return kept
}

// Keys returns the keys in a fixed order.
func (c Copy) Keys() []Key {
	keys := make([]Key, 0, len(c))
	for key := range c {
		keys = append(keys, key)
	}
	slices.SortFunc(keys, func(x, y Key) int { return strings.Compare(x.String(), y.String()) })
	return keys
}

// Kinds returns how many kinds there are.
func (c Copy) Kinds() int {
	kinds := map[[2]string]bool{}
	for key := range c {
		kinds[[2]string{key.Group, key.Kind}] = true
	}
	return len(kinds)
}

// Key returns the name of the object.
func (o Object) Key() Key {
	return Key{
		Group: groupOf(textAt(o, "apiVersion")), Kind: textAt(o, "kind"),
		Namespace: textAt(o, "metadata", "namespace"), Name: textAt(o, "metadata", "name"),
	}
}

// UID returns the identity that the API server gave to the object.
func (o Object) UID() string { return textAt(o, "metadata", "uid") }

// owner is one owner reference.
type owner struct {
	group, kind, name, uid string
	controller             bool
}

func (o Object) owners() []owner {
	references, _ := valueAt(o, "metadata", "ownerReferences").([]any)
	owners := make([]owner, 0, len(references))
	for _, element := range references {
		reference, _ := element.(map[string]any)
		controller, _ := reference["controller"].(bool)
		owners = append(owners, owner{
			group: groupOf(textAt(reference, "apiVersion")), kind: textAt(reference, "kind"),
			name: textAt(reference, "name"), uid: textAt(reference, "uid"), controller: controller,
		})
	}
	return owners
}

// controller returns the owner that controls the object.
func (o Object) controller() (owner, bool) {
	for _, owner := range o.owners() {
		if owner.controller {
			return owner, true
		}
	}
	return owner{}, false
}

func groupOf(apiVersion string) string {
	group, _, found := strings.Cut(apiVersion, "/")
	if !found {
		return ""
	}
	return group
}

// valueAt returns what is at the end of the path, or nil.
func valueAt(object map[string]any, path ...string) any {
	var value any = object
	for _, name := range path {
		inner, isMap := value.(map[string]any)
		if !isMap {
			return nil
		}
		value = inner[name]
	}
	return value
}

func textAt(object map[string]any, path ...string) string {
	text, _ := valueAt(object, path...).(string)
	return text
}
