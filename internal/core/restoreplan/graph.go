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
func (p *Planner) graph(items []*Item) *graph {
	made := &graph{items: items, namespaces: map[string]*Item{}, definitions: map[string]*Item{}}
	p.placeAggregated(items)
	owners := p.owners(items)
	edges := 0
	p.references.each(func(reference *reference) {
		if reference.isEdge(owners) {
			edges++
		}
	})
	made.edges = make([]edge, 0, edges)
	p.references.drain(func(reference *reference) {
		owner := owners[reference.owner]
		if reference.isEdge(owners) {
			made.edges = append(made.edges, edge{item: reference.item, owner: owner})
		} else if !reference.service {
			reference.item.ForeignOwner = true
		}
		if reference.item.canBelongTo(owner) {
			p.control(reference, owner)
		}
	})
	made.index()
	return made
}

// canBelongTo tells whether there is such an owner and whether Kubernetes would accept it: it lives beside the object
// or at cluster scope.
func (i *Item) canBelongTo(owner *Item) bool {
	return owner != nil && owner != i && (owner.Namespace == "" || owner.Namespace == i.Namespace)
}

// isEdge tells whether the item comes after the owner.
func (r *reference) isEdge(owners map[ID]*Item) bool {
	owner := owners[r.owner]
	return r.item.canBelongTo(owner) && !lateOwner(r.item.info.name, owner.info.name)
}

// control leaves the item to its controller where a rule says so.
func (p *Planner) control(by *reference, controller *Item) {
	reason := ""
	switch {
	case by.service:
		reason = reasonEndpoints
	case by.controller:
		reason = p.rules.because(by.item, controller)
	}
	if reason != "" && by.item.Action == Create {
		by.item.skip(reason)
	}
}

// owners returns the items that are referred to. Where two have the same UID, which no cluster makes, the first in
// the order of keys is taken.
func (p *Planner) owners(sorted []*Item) map[ID]*Item {
	wanted := map[ID]*Item{}
	p.references.each(func(reference *reference) { wanted[reference.owner] = nil })
	set := func(key ID, item *Item) {
		if known, found := wanted[key]; found && known == nil {
			wanted[key] = item
		}
	}
	for _, item := range sorted {
		set(item.ID, item)
		if item.info.name == serviceKind {
			set(serviceID(item.Namespace, item.Name), item)
		}
	}
	return wanted
}

// index prepares the graph for the walk, and tells the owners that they are some.
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
		if edge.owner.Action != Create {
			edge.item.ForeignOwner = true
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
