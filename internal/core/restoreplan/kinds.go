package restoreplan

import (
	"cmp"
	"slices"
	"strings"

	"k8s.io/apimachinery/pkg/runtime/schema"

	"github.com/soda-cdm/kahu/internal/core"
)

// Unserved is a kind of which a plan creates objects, and which the cluster does not serve in the version in which they
// were backed up.
type Unserved struct {
	// Kind is the kind as it was backed up, Objects is how many objects of it are in the plan.
	Kind    core.Kind
	Objects int64
	// Served is the version in which the cluster serves the kind; empty where it does not serve it at all.
	Served string
}

// Unserved returns the kinds of the plan that are not among those which the cluster serves in their preferred version,
// ordered by group and resource. Those that the plan itself brings, by a definition or as the objects of an aggregated
// API server, are left out, unless the cluster has them in another version already: what is there stays.
func (p *Plan) Unserved(served []core.Kind) []Unserved {
	versions := make(map[schema.GroupResource]string, len(served))
	for _, kind := range served {
		versions[kind.GroupResource()] = kind.Version
	}
	brought := p.brought()
	var missing []Unserved
	for group, unserved := range p.otherVersions(versions) {
		service := unserved.Kind.Version + "." + group.Group
		if unserved.Served == "" && (brought[group.String()] || brought[service]) {
			continue
		}
		missing = append(missing, *unserved)
	}
	slices.SortFunc(missing, func(a, b Unserved) int {
		return cmp.Or(strings.Compare(a.Kind.Group, b.Kind.Group), strings.Compare(a.Kind.Resource, b.Kind.Resource))
	})
	return missing
}

// otherVersions counts the objects of the kinds that are not served in exactly their version.
func (p *Plan) otherVersions(served map[schema.GroupResource]string) map[schema.GroupResource]*Unserved {
	found := map[schema.GroupResource]*Unserved{}
	for _, wave := range p.Waves {
		for _, item := range wave.Items {
			group := item.Kind.GroupResource()
			version, there := served[group]
			if there && version == item.Kind.Version {
				continue
			}
			if found[group] == nil {
				found[group] = &Unserved{Kind: *item.Kind, Served: version}
			}
			found[group].Objects++
		}
	}
	return found
}

// brought are the names of the definitions and API services of the plan: plural.group and version.group.
func (p *Plan) brought() map[string]bool {
	names := map[string]bool{}
	for _, wave := range p.Waves {
		for _, item := range wave.Items {
			if name := item.info.name; name == definitionKind || name == apiServiceKind {
				names[item.Name] = true
			}
		}
	}
	return names
}
