package transformset

import (
	"fmt"
	"strings"
)

// identity is which object an object is.
type identity struct {
	apiVersion, kind, name, namespace, uid any
}

func identityOf(object map[string]any) identity {
	metadata, _ := object["metadata"].(map[string]any)
	return identity{
		apiVersion: plain(object["apiVersion"]), kind: plain(object["kind"]), name: plain(metadata["name"]),
		namespace: plain(metadata["namespace"]), uid: plain(metadata["uid"]),
	}
}

// plain is a value that can be compared: a map or list in the place of a text is none.
func plain(value any) any {
	switch value.(type) {
	case map[string]any, []any:
		return fmt.Sprintf("%T", value)
	}
	return value
}

// protected says why a path that a patch writes to is refused, or nothing.
func protected(path string) string {
	field, within, _ := strings.Cut(strings.TrimPrefix(path, "/"), "/")
	switch {
	case field == "apiVersion", field == "kind":
		return "a transform cannot change apiVersion and kind: the object is restored as what it is"
	case field != "metadata":
		return ""
	case within == "":
		return "a transform cannot change metadata as a whole: name the fields in it"
	}
	field, _, _ = strings.Cut(within, "/")
	switch field {
	case "name":
		return "a transform cannot change the name of an object: see spec.resourcePrefix of the Restore"
	case "namespace":
		return "a transform cannot change the namespace of an object: use spec.namespaceMapping of the Restore"
	case "uid":
		return "a transform cannot set the UID of an object: the API server gives it"
	}
	return ""
}
