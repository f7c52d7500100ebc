package restoreplan

import (
	"cmp"
	"slices"
)

// edge says that an item comes after another one, its owner.
type edge struct{ item, owner *Item }

// graph is who comes after whom.
type graph struct {
	// items are all items in the order of their keys.
	items []*Item
	// edges are grouped by item, in the order of the owners' keys.
	edges []edge
	// namespaces and definitions are the items that others need by name: a namespace by its name, a definition by
	// plural.group.
	namespaces, definitions map[string]*Item
}

// visit is how far the walk through the graph has come with an item.
type visit uint8

const (
	unseen visit = iota
	open         // what it waits for is being placed
	placed
)

// graph finds the owners of the items, and which items are left to controllers.
func (p *Planner) graph() *graph {
	made := &graph{namespaces: map[string]*Item{}, definitions: map[string]*Item{}}
	p.items(func(item *Item) { made.items = append(made.items, item) })
	slices.SortFunc(made.items, compareKeys)
	p.placeAggregated(made.items)
	owners := p.owners(made.items)
	for _, claim := range p.claims {
		owner := owners[claim.key()]
		if owner == nil || owner == claim.item || owner.Namespace != "" && owner.Namespace != claim.item.Namespace {
			continue
		}
		if !lateOwner(claim.item.info.name, owner.info.name) {
			made.edges = append(made.edges, edge{item: claim.item, owner: owner})
		}
		if claim.controller || claim.service {
			p.control(claim, owner)
		}
	}
	made.index()
	return made
}

// control leaves the item to its controller where a rule says so.
func (p *Planner) control(claim reference, controller *Item) {
	reason := p.rules.reason(claim.item, controller)
	if claim.service {
		reason = reasonEndpoints
	}
	if reason != "" && claim.item.Action == Create {
		claim.item.skip(reason)
	}
}

// ownerKey is by what an owner is found.
type ownerKey struct {
	id              ID
	namespace, name string // of a Service
}

func (r *reference) key() ownerKey {
	if r.service {
		return ownerKey{namespace: r.item.Namespace, name: r.item.Name}
	}
	return ownerKey{id: r.owner}
}

// owners returns the items that are referred to. Where two have the same UID, which no cluster makes, the first in
// the order of keys is taken.
func (p *Planner) owners(sorted []*Item) map[ownerKey]*Item {
	wanted := make(map[ownerKey]*Item, len(p.claims))
	for i := range p.claims {
		wanted[p.claims[i].key()] = nil
	}
	set := func(key ownerKey, item *Item) {
		if known, found := wanted[key]; found && known == nil {
			wanted[key] = item
		}
	}
	for _, item := range sorted {
		set(ownerKey{id: item.ID}, item)
		if item.info.name == serviceKind {
			set(ownerKey{namespace: item.Namespace, name: item.Name}, item)
		}
	}
	return wanted
}

// index prepares the graph for the walk.
func (g *graph) index() {
	slices.SortFunc(g.edges, func(x, y edge) int {
		return cmp.Or(compareKeys(x.item, y.item), compareKeys(x.owner, y.owner))
	})
	number := int32(0)
	for i, edge := range g.edges {
		if i == 0 || g.edges[i-1].item != edge.item {
			edge.item.waitFrom = number
		}
		number++
		edge.item.waitTo = number
		if edge.item.Action == Create {
			edge.owner.Owns = true
		}
	}
	for _, item := range g.items {
		switch item.info.name {
		case namespaceKind:
			g.namespaces[item.Name] = item
		case definitionKind:
			g.definitions[item.Name] = item
		}
	}
}

// placeAggregated puts the kinds that an aggregated API server serves behind its API service, if that is created.
func (p *Planner) placeAggregated(items []*Item) {
	services := map[string]bool{}
	for _, item := range items {
		if item.info.name == apiServiceKind && item.Action == Create {
			services[item.Name] = true
		}
	}
	for _, info := range p.kinds {
		if info.Custom && services[info.Version+"."+info.Group] {
			info.row = p.order.aggregated
		}
	}
}
