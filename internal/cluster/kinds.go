package cluster

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"

	"k8s.io/apimachinery/pkg/runtime/schema"

	"github.com/soda-cdm/kahu/internal/core"
)

// Kinds returns every kind that can be listed, got and created, each once, in the version that the server prefers
// for its group, or in the next one that has it; ordered by group and resource. With them it returns the group
// versions that the server announces and cannot describe, with its words.
//
// Which kinds are custom it learns from the definitions and the registered API services. Without the right to read
// these it takes the groups that are no part of Kubernetes to be custom.
func (c *Client) Kinds(ctx context.Context) ([]core.Kind, []core.UnservedGroup, error) {
	groups, err := c.groups(ctx)
	if err != nil {
		return nil, nil, fmt.Errorf("discovering kinds: %w", err)
	}
	origins, err := c.origins(ctx)
	if err != nil {
		return nil, nil, fmt.Errorf("discovering custom kinds: %w", err)
	}
	var kinds []core.Kind
	var unserved []core.UnservedGroup
	seen := map[schema.GroupResource]bool{} // A server that says a group twice is none of ours, and is read all the same.
	for _, group := range groups {
		for _, version := range group.versions {
			if !version.described {
				groupVersion := schema.GroupVersion{Group: group.name, Version: version.name}.String()
				unserved = append(unserved, core.UnservedGroup{GroupVersion: groupVersion, Message: version.problem})
			}
			for _, kind := range version.kinds {
				if seen[kind.GroupResource()] {
					continue
				}
				seen[kind.GroupResource()] = true
				kind.Custom = origins.custom(kind)
				kinds = append(kinds, kind)
			}
		}
	}
	slices.SortFunc(kinds, func(a, b core.Kind) int { return keyOf(a).Compare(keyOf(b)) })
	slices.SortFunc(unserved, func(a, b core.UnservedGroup) int {
		return strings.Compare(a.GroupVersion, b.GroupVersion)
	})
	return kinds, unserved, nil
}

// Serves tells whether the kind can be listed, got and created in exactly its version.
func (c *Client) Serves(ctx context.Context, kind core.Kind) (bool, error) {
	groups, err := c.groups(ctx)
	if err != nil {
		return false, fmt.Errorf("discovering whether %s is served in version %s: %w", kind, kind.Version, err)
	}
	for _, group := range groups {
		for _, version := range group.versions {
			if slices.ContainsFunc(version.kinds, func(served core.Kind) bool { return versionKey(served) == versionKey(kind) }) {
				return true, nil
			}
		}
	}
	return false, nil
}

func keyOf(kind core.Kind) core.Key { return core.Key{Group: kind.Group, Resource: kind.Resource} }

// origins tells where kinds come from.
type origins struct {
	// defined holds what definitions define.
	defined map[schema.GroupResource]bool
	// aggregated holds what other API servers serve.
	aggregated map[schema.GroupVersion]bool
	// guess tells that one of the two could not be read.
	guess bool
}

func (o *origins) custom(kind core.Kind) bool {
	groupVersion := schema.GroupVersion{Group: kind.Group, Version: kind.Version}
	return o.defined[kind.GroupResource()] || o.aggregated[groupVersion] || o.guess && !isBuiltin(kind.Group)
}

// isBuiltin tells whether the group is one of those that Kubernetes itself serves or has served.
func isBuiltin(group string) bool {
	switch group {
	case "", "apps", "autoscaling", "batch", "extensions", "policy":
		return true
	case "admissionregistration.k8s.io", "apiextensions.k8s.io", "apiregistration.k8s.io", "authentication.k8s.io",
		"authorization.k8s.io", "certificates.k8s.io", "coordination.k8s.io", "discovery.k8s.io", "events.k8s.io",
		"flowcontrol.apiserver.k8s.io", "internal.apiserver.k8s.io", "networking.k8s.io", "node.k8s.io",
		"rbac.authorization.k8s.io", "resource.k8s.io", "scheduling.k8s.io", "storage.k8s.io",
		"storagemigration.k8s.io":
		return true
	}
	return false
}

func (c *Client) origins(ctx context.Context) (*origins, error) {
	found := &origins{defined: map[schema.GroupResource]bool{}, aggregated: map[schema.GroupVersion]bool{}}
	err := c.visit(ctx, metadataOf(definitions()), func(object core.Object) error {
		// The API server makes sure that a definition's name is the plural name and the group.
		resource, group, _ := strings.Cut(object.Name, ".")
		found.defined[schema.GroupResource{Group: group, Resource: resource}] = true
		return nil
	})
	if err := found.note(err); err != nil {
		return nil, err
	}
	err = c.visit(ctx, listing{kind: apiServices()}, func(object core.Object) error {
		var service struct {
			Spec struct {
				Group   string          `json:"group"`
				Version string          `json:"version"`
				Service json.RawMessage `json:"service"`
			} `json:"spec"`
		}
		if err := json.Unmarshal(object.JSON, &service); err != nil {
			return fmt.Errorf("%w: API service %s", core.ErrCorrupt, object.Name)
		}
		if len(service.Spec.Service) > 0 && string(service.Spec.Service) != "null" {
			found.aggregated[schema.GroupVersion{Group: service.Spec.Group, Version: service.Spec.Version}] = true
		}
		return nil
	})
	if err := found.note(err); err != nil {
		return nil, err
	}
	return found, nil
}

// note takes it that a source is not to be read, and returns any other error.
func (o *origins) note(err error) error {
	if errors.Is(err, core.ErrDenied) || errors.Is(err, core.ErrUnsupported) {
		o.guess = true
		return nil
	}
	return err
}

// visit visits all objects one by one, from the beginning once more where the list expired.
func (c *Client) visit(ctx context.Context, what listing, visit func(object core.Object) error) error {
	path, err := collectionPath(what.kind, "")
	if err != nil {
		return err
	}
	what.path = path
	for attempt := 1; ; attempt++ {
		err := c.list(ctx, what, func(page core.Page) error {
			for _, object := range page.Objects {
				if err := visit(object); err != nil {
					return err
				}
			}
			return nil
		})
		if err == nil {
			return nil
		}
		if !errors.Is(err, core.ErrExpired) || attempt >= c.attempts {
			return fmt.Errorf("listing %s: %w", what.kind, err)
		}
	}
}

func metadataOf(kind core.Kind) listing { return listing{kind: kind, accept: acceptMetadataList} }

func definitions() core.Kind {
	return core.Kind{
		Group: "apiextensions.k8s.io", Version: "v1", Name: "CustomResourceDefinition",
		Resource: "customresourcedefinitions",
	}
}

func apiServices() core.Kind {
	return core.Kind{Group: "apiregistration.k8s.io", Version: "v1", Name: "APIService", Resource: "apiservices"}
}
