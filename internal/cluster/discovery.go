package cluster

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"time"

	apidiscoveryv2 "k8s.io/api/apidiscovery/v2"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/soda-cdm/kahu/internal/core"
)

const (
	// acceptDiscovery asks for the description of all groups at once. Servers before 1.26 know neither form, and
	// answer with names alone. Both forms are the same in what is read of them.
	acceptDiscovery = "application/json;g=apidiscovery.k8s.io;v=v2;as=APIGroupDiscoveryList," +
		"application/json;g=apidiscovery.k8s.io;v=v2beta1;as=APIGroupDiscoveryList,application/json"
	// describeAttempts and describeTimeout bound the question for one group version: the server behind it can be
	// down, which is what there is then to tell.
	describeAttempts = 3
	describeTimeout  = 10 * time.Second
)

// group is an API group as the server announces it.
type group struct {
	name string
	// versions are in the order of the server's preference.
	versions []groupVersion
}

// groupVersion is one version of a group.
type groupVersion struct {
	name string
	// kinds are those that can be listed, got and created.
	kinds []core.Kind
	// described tells that kinds is what the server serves now.
	described bool
	// problem is what the server said when it could not describe the version.
	problem string
}

// groups returns all groups that the server announces, described as far as it can.
func (c *Client) groups(ctx context.Context) ([]group, error) {
	var all []group
	for _, path := range []string{"/api", "/apis"} {
		content, contentType, err := c.read(ctx, request{method: http.MethodGet, path: path, accept: acceptDiscovery})
		if err != nil {
			return nil, fmt.Errorf("reading %s: %w", path, err)
		}
		parse := parseNames
		if strings.Contains(contentType, "as=APIGroupDiscoveryList") {
			parse = parseDescriptions
		}
		some, err := parse(content)
		if err != nil {
			return nil, fmt.Errorf("reading %s: %w", path, err)
		}
		all = append(all, some...)
	}
	for i := range all {
		for j := range all[i].versions {
			if err := c.describe(ctx, all[i].name, &all[i].versions[j]); err != nil {
				return nil, err
			}
		}
	}
	return all, nil
}

// describe asks the server for a version that has no description, or an old one. That the server cannot give it is
// no error: it is written down.
func (c *Client) describe(ctx context.Context, groupName string, version *groupVersion) error {
	if version.described {
		return nil
	}
	var list metav1.APIResourceList
	err := c.readInto(ctx, request{
		method:   http.MethodGet,
		path:     groupVersionPath(groupName, version.name),
		attempts: describeAttempts,
		timeout:  describeTimeout,
	}, &list)
	switch {
	case ctx.Err() != nil:
		return context.Cause(ctx)
	case err != nil:
		version.problem = err.Error()
	default:
		version.accept(groupName, list)
	}
	return nil
}

// accept writes down the description of the version.
func (v *groupVersion) accept(groupName string, list metav1.APIResourceList) {
	for _, resource := range list.APIResources {
		if strings.Contains(resource.Name, "/") || !usable(resource.Verbs) {
			continue
		}
		v.kinds = append(v.kinds, core.Kind{
			Group:      groupName,
			Version:    v.name,
			Name:       resource.Kind,
			Resource:   resource.Name,
			Singular:   resource.SingularName,
			ShortNames: resource.ShortNames,
			Namespaced: resource.Namespaced,
		})
	}
	v.described = true
}

// parseDescriptions reads the description of all groups at once. What the server itself calls stale is left to be
// asked for.
func parseDescriptions(content []byte) ([]group, error) {
	var list apidiscoveryv2.APIGroupDiscoveryList
	if err := json.Unmarshal(content, &list); err != nil {
		return nil, fmt.Errorf("%w: description of the API groups: %w", core.ErrCorrupt, err)
	}
	groups := make([]group, 0, len(list.Items))
	for _, item := range list.Items {
		described := group{name: item.Name}
		for _, version := range item.Versions {
			if version.Freshness == apidiscoveryv2.DiscoveryFreshnessStale {
				described.versions = append(described.versions, groupVersion{name: version.Version})
				continue
			}
			described.versions = append(described.versions, groupVersion{
				name:      version.Version,
				kinds:     kindsOf(item.Name, version),
				described: true,
			})
		}
		groups = append(groups, described)
	}
	return groups, nil
}

func kindsOf(groupName string, version apidiscoveryv2.APIVersionDiscovery) []core.Kind {
	var kinds []core.Kind
	for _, resource := range version.Resources {
		if resource.ResponseKind == nil || !usable(resource.Verbs) {
			continue
		}
		kinds = append(kinds, core.Kind{
			Group:      groupName,
			Version:    version.Version,
			Name:       resource.ResponseKind.Kind,
			Resource:   resource.Resource,
			Singular:   resource.SingularResource,
			ShortNames: resource.ShortNames,
			Namespaced: resource.Scope == apidiscoveryv2.ScopeNamespace,
		})
	}
	return kinds
}

// parseNames reads the names of the groups and versions, or of the versions of the core group, as older servers give
// them.
func parseNames(content []byte) ([]group, error) {
	var list struct {
		Versions []string          `json:"versions"`
		Groups   []metav1.APIGroup `json:"groups"`
	}
	if err := json.Unmarshal(content, &list); err != nil {
		return nil, fmt.Errorf("%w: names of the API groups: %w", core.ErrCorrupt, err)
	}
	var groups []group
	if len(list.Versions) > 0 {
		groups = append(groups, group{versions: undescribed(list.Versions)})
	}
	for _, named := range list.Groups {
		var versions []string
		if named.PreferredVersion.Version != "" {
			versions = append(versions, named.PreferredVersion.Version)
		}
		for _, version := range named.Versions {
			if !slices.Contains(versions, version.Version) {
				versions = append(versions, version.Version)
			}
		}
		groups = append(groups, group{name: named.Name, versions: undescribed(versions)})
	}
	return groups, nil
}

func undescribed(names []string) []groupVersion {
	versions := make([]groupVersion, 0, len(names))
	for _, name := range names {
		versions = append(versions, groupVersion{name: name})
	}
	return versions
}

// usable tells whether objects can be backed up and restored with these verbs.
func usable(verbs []string) bool {
	for _, verb := range []string{"list", "get", "create"} {
		if !slices.Contains(verbs, verb) {
			return false
		}
	}
	return true
}
