package restoreplan

// step is one item on the way from an item to what it waits for.
type step struct {
	item *Item
	next int32 // the number of what it waits for that is looked at next
}

// sort gives every item its place in the order: its row, or, where that would not be after everything that it waits
// for, the step after it.
func (g *graph) sort() {
	for again := true; again; {
		again = false
		for _, item := range g.items {
			item.state = unseen
			item.place = place{row: item.info.row}
		}
		for _, item := range g.items {
			again = g.place(item) || again
		}
	}
}

// place places an item after all that it waits for has been placed. It keeps the way in a slice of its own, so that
// a long chain of owners costs no more than its length. It tells whether the walk is to be made once more.
func (g *graph) place(first *Item) (again bool) {
	if first.state != unseen {
		return false
	}
	first.state = open
	way := []step{{item: first}}
	for len(way) > 0 {
		last := &way[len(way)-1]
		owner, more := g.waitsFor(last.item, last.next)
		if !more {
			last.item.state = placed
			way = way[:len(way)-1]
			continue
		}
		if owner != nil && owner.state == unseen {
			owner.state = open
			way = append(way, step{item: owner})
			continue
		}
		last.next++
		if owner != nil {
			again = g.pass(last.item, owner) || again
		}
	}
	return again
}

// pass puts the item behind an owner that has been placed. An owner that waits for the item itself closes a cycle: the
// reference is passed over. Where that owner is the definition of the item, which always comes first, it is the
// definition that is set free of its owners, and again tells that the walk is to be made once more.
func (g *graph) pass(item, owner *Item) (again bool) {
	if owner.state == placed {
		item.after(owner)
		return false
	}
	if owner != g.definitions[item.info.name] || owner.free {
		return false
	}
	owner.free = true
	return true
}

// waitsFor returns what the item waits for, by number; owner is nil where the item does not wait for that.
func (g *graph) waitsFor(item *Item, number int32) (owner *Item, more bool) {
	const namespace, definition, references = 0, 1, 2
	switch number {
	case namespace:
		if item.Namespace == "" {
			return nil, true
		}
		return g.namespaces[item.Namespace], true
	case definition:
		return g.definitions[item.info.name], true
	}
	at := item.waitFrom + number - references
	if at >= item.waitTo || item.free {
		return nil, false
	}
	return g.edges[at].owner, true
}

// after moves the item behind the owner.
func (i *Item) after(owner *Item) {
	next := place{row: owner.place.row, step: owner.place.step + 1}
	if i.place.compare(next) < 0 {
		i.place = next
	}
}
