package cluster

import (
	"fmt"
	"strings"

	"github.com/soda-cdm/kahu/internal/core"
)

// groupVersionPath returns the path below which a group version is served.
func groupVersionPath(group, version string) string {
	if group == "" {
		return "/api/" + version
	}
	return "/apis/" + group + "/" + version
}

// collectionPath returns the path of the objects of a kind, in one namespace unless that is empty.
func collectionPath(kind core.Kind, namespace string) (string, error) {
	path := groupVersionPath(kind.Group, kind.Version)
	if namespace != "" {
		if err := checkSegment("namespace", namespace); err != nil {
			return "", err
		}
		if !kind.Namespaced {
			return "", fmt.Errorf("%w: %s has no namespaces, and one is given: %q", core.ErrInvalid, kind, namespace)
		}
		path += "/namespaces/" + namespace
	}
	return path + "/" + kind.Resource, nil
}

// createPath returns the path to which a new object of a kind is sent.
func createPath(kind core.Kind, namespace string) (string, error) {
	if kind.Namespaced && namespace == "" {
		return "", fmt.Errorf("%w: %s needs a namespace", core.ErrInvalid, kind)
	}
	return collectionPath(kind, namespace)
}

// objectPath returns the path of one object.
func objectPath(kind core.Kind, namespace, name string) (string, error) {
	if err := checkSegment("name", name); err != nil {
		return "", err
	}
	path, err := createPath(kind, namespace)
	if err != nil {
		return "", err
	}
	return path + "/" + name, nil
}

// checkSegment refuses what an API server takes in no name, as it would lead to another place.
func checkSegment(what, segment string) error {
	if segment == "" || segment == "." || segment == ".." || strings.ContainsAny(segment, "/%") {
		return fmt.Errorf("%w: %s %q", core.ErrInvalid, what, segment)
	}
	return nil
}
