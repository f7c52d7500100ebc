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
// a long chain of owners costs no more than its length. A reference that closes a cycle is passed over.
//
// A definition whose own objects own it cannot wait for them: it is set free of its owners, and retry tells that the
// walk is to be made once more.
func (g *graph) place(first *Item) (retry bool) {
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
		switch {
		case owner == nil || owner == last.item:
			last.next++
		case owner.state == unseen:
			owner.state = open
			way = append(way, step{item: owner})
		case owner.state == placed:
			last.item.after(owner)
			last.next++
		default:
			if owner == g.definitions[last.item.info.name] && !owner.free {
				owner.free, retry = true, true
			}
			last.next++
		}
	}
	return retry
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
