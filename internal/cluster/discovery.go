package cluster

import (
	"context"
	"encoding/json"
	"errors"
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
	// announceAttempts bounds how often all is read again because a version is announced that is not there.
	announceAttempts = 5
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

// groups returns all groups that the server announces, described as far as it can. A version that is announced and
// not there has mostly just gone, or is just coming: then all is read again, a few times.
func (c *Client) groups(ctx context.Context) ([]group, error) {
	for attempt := 1; ; attempt++ {
		groups, err := c.announced(ctx)
		if err != nil {
			return nil, err
		}
		settled, err := c.describeAll(ctx, groups)
		if err != nil {
			return nil, err
		}
		if settled || attempt == announceAttempts {
			return groups, nil
		}
		if err := c.sleep(ctx, firstWait<<(attempt-1)); err != nil {
			return nil, err
		}
	}
}

// announced returns all groups that the server announces, with the descriptions that come along.
func (c *Client) announced(ctx context.Context) ([]group, error) {
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
	return all, nil
}

// describeAll asks the server for the versions that have no description, or an old one. That it cannot give one is
// no error: it is written down. That it does not know a version which it announces is not settled.
func (c *Client) describeAll(ctx context.Context, groups []group) (bool, error) {
	settled := true
	for i := range groups {
		for j := range groups[i].versions {
			version := &groups[i].versions[j]
			if version.described {
				continue
			}
			err := c.describe(ctx, groups[i].name, version)
			if ctx.Err() != nil {
				return false, context.Cause(ctx)
			}
			if err != nil {
				version.problem = err.Error()
				settled = settled && !errors.Is(err, core.ErrUnsupported)
			}
		}
	}
	return settled, nil
}

func (c *Client) describe(ctx context.Context, groupName string, version *groupVersion) error {
	var list metav1.APIResourceList
	err := c.readInto(ctx, request{
		method:   http.MethodGet,
		path:     groupVersionPath(groupName, version.name),
		attempts: describeAttempts,
		timeout:  describeTimeout,
	}, &list)
	if err != nil {
		return err
	}
	for _, resource := range list.APIResources {
		if strings.Contains(resource.Name, "/") || !usable(resource.Verbs) {
			continue
		}
		version.kinds = append(version.kinds, core.Kind{
			Group:      groupName,
			Version:    version.name,
			Name:       resource.Kind,
			Resource:   resource.Name,
			Singular:   resource.SingularName,
			ShortNames: resource.ShortNames,
			Namespaced: resource.Namespaced,
		})
	}
	version.described = true
	return nil
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
